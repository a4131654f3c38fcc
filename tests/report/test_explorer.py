"""The explorer in a real browser: no errors, sliders move it, and its numbers are those of the closed form."""

from __future__ import annotations

import math
import re
import shutil
import subprocess
from dataclasses import asdict
from pathlib import Path

import pytest

from tests.tolerances import TOLERANCES
from theory_sim.errors import InputError
from theory_sim.report.explorer import Start, numbers

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
STARTS = (
    Start(),
    Start(q=-1.25, cutoff=1, alpha=1.09, alpha0=0.23, label=3.08, angle=-160),
    Start(q=2.02, cutoff=20, alpha=2.5, alpha0=0.0, label=-3.1, angle=140),
    Start(q=1.5, cutoff=12, alpha=1.2, alpha0=0.6, label=-2.0, angle=-80),
)


def browse(page: Path, fragment: str, folder: Path) -> tuple[str, str]:
    """The page's DOM after its scripts ran, and its console."""
    assert CHROMIUM is not None
    done = subprocess.run(
        [
            CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr",
            f"--user-data-dir={folder}", "--dump-dom", page.as_uri() + fragment,
        ],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    return done.stdout, "\n".join(line for line in done.stderr.splitlines() if "CONSOLE" in line)


def shown(dom: str) -> dict[str, str]:
    """Numbers in the page's data attributes."""
    found = re.search(r'<output id="explorer-numbers"[^>]*>', dom)
    assert found is not None
    return {name.replace("-", "_"): text for name, text in re.findall(r'data-([a-z0-9-]+)="([^"]*)"', found[0])}


def worst(dom: str, expected: dict[str, object]) -> float:
    """Largest relative difference; inf where a verdict differs or a number is missing."""
    page, found = shown(dom), 0.0
    for name, value in expected.items():
        if isinstance(value, bool):
            found = max(found, 0.0 if page.get(name) == str(value).lower() else math.inf)
        else:
            assert isinstance(value, float)
            here = float(page.get(name, "nan"))
            same = here == value
            error = 0.0 if same else abs(here - value) / abs(value) if value else math.inf
            found = max(found, math.inf if math.isnan(error) else error)
    return found


@pytest.fixture(scope="module")
def doms(report: Path, tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, str]]:
    folder = tmp_path_factory.mktemp("browser")
    fragments = ["#" + "&".join(f"{k}={v}" for k, v in asdict(start).items()) for start in STARTS]
    return [browse(report, fragment, folder) for fragment in fragments]


@needs_browser
def test_console_is_silent(doms: list[tuple[str, str]], report: Path, tmp_path: Path) -> None:
    assert [console for _, console in doms] == [""] * len(STARTS)
    broken = tmp_path / "broken.html"
    broken.write_text(report.read_text(encoding="utf-8").replace("function planeOf", "function planeOff"))
    assert "planeOf" in browse(broken, "", tmp_path / "browser")[1]  # negative control


@needs_browser
def test_numbers_are_those_of_the_closed_form(doms: list[tuple[str, str]]) -> None:
    allowed = TOLERANCES["explorer"].value
    for start, (dom, _) in zip(STARTS, doms, strict=True):
        assert worst(dom, numbers(start)) <= allowed
    other = Start(**{**asdict(STARTS[0]), "alpha": STARTS[0].alpha + 1e-7})
    assert worst(doms[0][0], numbers(other)) > allowed  # negative control


@needs_browser
def test_sliders_move_the_curves(doms: list[tuple[str, str]], report: Path, tmp_path: Path) -> None:
    page = tmp_path / "moved.html"
    move = (
        "<script>const s = document.querySelector('input[name=\"angle\"]'); s.value = 140;"
        "s.dispatchEvent(new Event('input', {bubbles: true}));</script></body>"
    )
    script = report.read_text(encoding="utf-8").replace("</body>", move)
    page.write_text(script, encoding="utf-8")
    dom, console = browse(page, "", tmp_path / "browser")
    assert console == ""
    start = Start(**{**asdict(Start()), "angle": 140.0})
    assert worst(dom, numbers(start)) <= TOLERANCES["explorer"].value
    assert worst(dom, numbers(Start())) > TOLERANCES["explorer"].value
    curves = [re.findall(r'<path class="line" d="(M[^"]+)"', text) for text in (dom, doms[0][0])]
    assert [len(paths) for paths in curves] == [2, 2]
    assert all(one != two for one, two in zip(*curves, strict=True))


def test_starts_show_both_verdicts() -> None:
    words = [numbers(start) for start in STARTS]
    for name in ("eq12", "t1_unbounded", "t1_converging", "overshoots"):
        assert {found[name] for found in words} == {True, False}, name


def test_angle_zero_is_the_input() -> None:
    found = numbers(Start(angle=0.0))
    assert found["tau_start"] == pytest.approx(found["tau_input"], rel=1e-14)
    assert not numbers(Start(angle=0.0, alpha0=1.0))["overshoots"]


@pytest.mark.parametrize(("name", "value"), [("cutoff", 50), ("alpha", 0.5), ("q", 9.0)])
def test_bad_sliders(name: str, value: float) -> None:
    with pytest.raises(InputError, match="allowed is"):
        Start(**{**asdict(Start()), name: value})
