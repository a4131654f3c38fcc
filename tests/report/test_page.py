"""The page: whole, self-contained, and nothing is written unless all of it is."""

from __future__ import annotations

import json
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.report.conftest import finding
from theory_sim.claims import ORDER
from theory_sim.claims.counterexample import load
from theory_sim.claims.counterexample import replay as recompute
from theory_sim.cli import main
from theory_sim.errors import InputError
from theory_sim.report import build, evidence

FETCHES = ("src", "href", "srcset", "poster", "data", "action", "xlink:href")


class Page(HTMLParser):
    """Ids, links and everything that a browser would fetch."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.fetched: list[str] = []
        self.links: list[str] = []
        self.tags: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(str(value))
            if (tag, name) == ("a", "href"):  # followed by a reader, not fetched
                self.links.append(str(value))
            elif name in FETCHES:
                self.fetched.append(str(value))

    @property
    def outside(self) -> list[str]:
        """Addresses that are neither on the page nor inside it."""
        return [v for v in self.fetched if not v.startswith(("#", "data:"))]


def test_page_fetches_nothing(report: Path) -> None:
    text = report.read_text(encoding="utf-8")
    page = Page(text)
    assert page.outside == []
    assert page.fetched
    assert "@import" not in text
    assert "url(http" not in text
    assert "default-src 'none'" in text
    assert Page('<img src="http://example.org/a.png">').outside  # negative control


def test_every_claim_has_its_anchor_and_every_link_its_target(content: build.Content, report: Path) -> None:
    page = Page(report.read_text(encoding="utf-8"))
    ids = {row["claim"] for row in content.ledger["claims"]}
    assert ids == {"eq3", "eq14", "thm1_t1", "eq8_dataset"}
    assert ids | {"fig6", "explorer", "errata"} <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))
    missing = [v for v in page.links if v.startswith("#") and v[1:] not in page.ids]
    assert missing == []


def test_code_is_linked_where_it_lies(report: Path) -> None:
    page = Page(report.read_text(encoding="utf-8"))
    files = [unquote(v) for v in page.links if not v.startswith("#")]
    assert any(file.endswith("theory_sim/claims/theorem1.py") for file in files)
    assert all((report.parent / file).is_file() for file in files)


def test_page_says_verdicts_n_intervals_and_seeds(content: build.Content, report: Path) -> None:
    text = report.read_text(encoding="utf-8")
    for row in content.ledger["claims"]:
        for version in ("printed", "corrected"):
            if row["details"][version]["verdict"] is not None:
                words = build.evidence_words(row, version)
                assert f"n = {row['details'][version]['n']:,}" in words
                assert words in text
    for word in (*content.provenance.values(), "seed 0", "ours, not the paper", "still true", "accuracy &lt;b&gt;"):
        assert word in text
    assert text.count("<math") > 20
    assert text.count('<svg class="evidence"') == 4
    assert len(text.encode()) < build.MOST_BYTES


def test_contents_say_how_much_there_is(content: build.Content, report: Path) -> None:
    text = report.read_text(encoding="utf-8")
    assert f'href="#errata">Errata</a> <span class="soft">{len(content.errata)} places</span>' in text
    assert 'href="#measured">Measured on networks</a> <span class="soft">1 figure</span>' in text
    two = replace(content, measured=[finding(), finding(claim="fig2", figure="2")])
    assert 'networks</a> <span class="soft">2 figures</span>' in build.page(two)


def test_json_beside_the_page_replays(report: Path) -> None:
    file = report.with_suffix(".json")
    assert json.loads(file.read_text(encoding="utf-8"))["format"] == build.FORMAT
    found = load(file)
    assert found
    alone = [load(path)[0] for path in sorted((report.parent / "counterexamples").iterdir())]
    assert len(alone) == len(found)
    assert all(recompute(fields).agrees for fields in alone)


def test_code_links_are_files() -> None:
    root = Path(__file__).parents[2]
    for claim_id in ORDER:
        files = build.code_of(claim_id)
        assert files
        assert all((root / file).is_file() for file in files)


@pytest.mark.parametrize(
    ("kind", "found", "place"),
    [
        ("margin", {"violations": 25, "n": 100, "interval": [0.2, 0.3], "order": None}, 12 + 336 * 0.5),
        ("order", {"violations": 0, "n": 100, "interval": [1.4, 1.6], "order": [1.5, None]}, 12 + 336 * 0.5),
        ("value", {"violations": 0, "n": 100, "interval": [-0.1, 0.1], "order": None}, 12 + 336 * 0.5),
    ],
)
def test_marks_stand_where_the_numbers_are(kind: str, found: dict[str, object], place: float) -> None:
    nothing = {"verdict": None, "violations": 0, "n": 0, "interval": None, "order": None}
    row = {
        "claim": "eq3", "case": "", "kind": kind, "details": {"printed": nothing, "corrected": found | {"verdict": "x"}}
    }  # fmt: skip
    picture = evidence.plot([row])
    assert f'<circle cx="{place:.1f}"' in picture
    assert 'class="printed"' not in picture


def test_a_page_that_cannot_be_written_leaves_the_old_one(
    content: build.Content, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in build.write(content, tmp_path):
        path.write_text("old")
    real = Path.write_text

    def full(self: Path, text: str, **options: str) -> int:
        if self.suffix == ".json":
            raise OSError(28, "No space left on device")
        return real(self, text, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(InputError, match="No space left"):
        build.write(content, tmp_path)
    files = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    assert {path.read_text() for path in files} == {"old"}


def test_a_page_that_is_too_large_is_refused(content: build.Content, tmp_path: Path) -> None:
    long = replace(content, measured=[finding(conclusion="x" * build.MOST_BYTES)])
    with pytest.raises(InputError, match="allowed are fewer"):
        build.write(long, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--claims", "thm1_t2"], "thm1_t1"),
        (["--samples", "0"], "allowed is >= 1"),
        (["--ledger", "missing.json"], "cannot read ledger"),
        (["--deep", "missing.json"], "cannot read results"),
        (["--out", "file"], "is no folder"),
    ],
)
def test_bad_input_is_one_line(
    arguments: list[str],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    assert main(["report", *arguments]) != 0
    said = capsys.readouterr().err
    assert words in said
    assert "Traceback" not in said


@pytest.mark.parametrize("text", ["{}", "[]", "no json", '{"claims": [3]}', '{"claims": [3], "samples": 1, "seed": 0}'])
def test_another_file_is_no_ledger(text: str, tmp_path: Path) -> None:
    file = tmp_path / "ledger.json"
    file.write_text(text)
    with pytest.raises(InputError, match="ledger"):
        build.read_ledger(file)


def test_command_writes_a_page_from_a_ledger(content: build.Content, tmp_path: Path) -> None:
    file = tmp_path / "ledger.json"
    file.write_text(json.dumps(content.ledger))
    # Few networks decide nothing, so that verdicts may differ from the recorded ones: exit code 1, the page is written.
    rows = [row for row in content.ledger["claims"] if row["claim"] == "eq14"]
    differs = any([row["printed"], row["corrected"]] != row["known"] for row in rows)
    arguments = ["report", "--ledger", str(file), "--claims", "eq14", "--out", str(tmp_path / "out"), "--quiet"]
    assert main(arguments) == int(differs)
    page = Page((tmp_path / "out" / "report.html").read_text(encoding="utf-8"))
    assert "eq14" in page.ids
    assert "eq3" not in page.ids


def test_a_folder_that_cannot_be_made_is_refused_before_the_work(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    assert main(["report", "--out", str(tmp_path / "file" / "x"), "--samples", "1000000"]) == 2
    assert "file" in capsys.readouterr().err
    if Path("/proc").is_dir():
        assert main(["report", "--out", "/proc/x", "--samples", "1000000"]) == 2
        assert "--out /proc/x: " in capsys.readouterr().err
