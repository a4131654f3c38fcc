"""`--select`: the values that were meant and no others, for one picture and for the default ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from tests.sweep.results import grid_result
from theory_sim.cli import main
from theory_sim.errors import InputError
from theory_sim.sweep.plots import defaults
from theory_sim.sweep.plots.selection import select

SEEDS = [1039, 1040, 2**53, 2**53 + 1]
RATES = np.geomspace(1e-4, 1e-1, 12).tolist()


@pytest.fixture
def values() -> xr.Dataset:
    """A result by its coordinates only."""
    coordinates = {"seed": SEEDS, "learning_rate": RATES, "cutoff": [40.0, 40.1, 40.12], "alpha": [1.0, 1.004, 1.5]}
    shape = [len(found) for found in coordinates.values()]
    return xr.Dataset({"tau_final": (list(coordinates), np.zeros(shape))}, coordinates)


@pytest.mark.parametrize("text", ["1043", "1039.4", "104", str(2**53 + 2), "1e400"])
def test_a_whole_number_is_found_exactly_or_not_at_all(values: xr.Dataset, text: str) -> None:
    with pytest.raises(InputError, match=f"--select seed={text}: not among the values swept"):
        select(values, [f"seed={text}"])


@pytest.mark.parametrize(
    ("text", "value"), [("1039", 1039), ("1.04e3", 1040), (str(2**53), 2**53), (str(2**53 + 1), 2**53 + 1)]
)
def test_every_whole_number_is_found(values: xr.Dataset, text: str, value: int) -> None:
    assert int(select(values, [f"seed={text}"])[0]["seed"]) == value


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        (f"learning_rate={RATES[1]:.3g}", RATES[1]),  # as shown
        (f"learning_rate={RATES[1]:.6g}", RATES[1]),
        (f"learning_rate={RATES[1]!r}", RATES[1]),
        ("learning_rate=1e-4", 1e-4),
        ("cutoff=40", 40.0),  # 40.0 itself, though 40.1 and 40.12 are near
        ("cutoff=40.1", 40.1),
        ("cutoff=40.12", 40.12),
        ("alpha=1.00", 1.0),
    ],
)
def test_a_number_is_found_by_the_digits_typed(values: xr.Dataset, setting: str, value: float) -> None:
    assert float(select(values, [setting])[0][setting.partition("=")[0]]) == value


@pytest.mark.parametrize(
    "setting", ["learning_rate=0.000188", "cutoff=40.25", "cutoff=40.2", "alpha=1.0041", "alpha=nan"]
)
def test_a_number_that_was_not_swept_is_refused(values: xr.Dataset, setting: str) -> None:
    with pytest.raises(InputError, match=f"--select {setting}: not among the values swept"):
        select(values, [setting])


def test_a_number_that_could_be_several_is_refused(values: xr.Dataset) -> None:
    near = values.assign_coords(alpha=[1.0011, 1.0012, 1.5])
    with pytest.raises(InputError, match=r"--select alpha=1: is any of 1\.0011, 1\.0012, allowed is one of them"):
        select(near, ["alpha=1"])
    assert float(select(near, ["alpha=1.0012"])[0]["alpha"]) == 1.0012


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("stored") / "small.zarr"
    axes = {"seed": range(3), "alpha": [1.0, 1.5], "relative_rate": [0.1, 1.0, 10.0]}
    grid_result({"dim": 33, "width": 12, "n_steps": 10, "cutoff": 4}, axes).to_zarr(path, zarr_format=2)
    return path


@pytest.fixture
def store(stored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    link = tmp_path / "small.zarr"
    link.symlink_to(stored)
    monkeypatch.setattr("theory_sim.sweep.store.open_sweep", lambda path, note: xr.open_zarr(path, chunks=None))
    return link


def test_the_default_pictures_show_what_is_selected(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[xr.Dataset] = []
    monkeypatch.setattr(defaults, "PICTURES", {"all": lambda dataset: seen.append(dataset), **defaults.PICTURES})
    assert main(["plot", str(store), "--select", "alpha=1.5", "--select", "seed=0,2", "--format", "pdf"]) == 0
    assert float(seen[0]["alpha"]) == 1.5
    assert seen[0]["seed"].values.tolist() == [0, 2]
    written = sorted(store.with_name("small-plots").iterdir())
    assert written
    assert all(path.suffix == ".pdf" and path.read_bytes().startswith(b"%PDF") for path in written)


def test_the_format_of_one_picture(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plot", str(store), "--value", "tau_final", "--x", "relative_rate", "--format", "svg"]) == 0
    assert capsys.readouterr().out == f"wrote {store.with_name('small-tau_final.svg')}\n"


BAD = [
    ("--row alpha", "--row without --value: allowed is --value NAME"),
    ("--over seed --statistic sd", "--over and --statistic without --value"),
    ("--linear-x --log-value", "--log-x and --log-value without --value"),
    ("--select alpha=3", "--select alpha=3: not among the values swept"),
    ("--out figure.pdf", "--out figure.pdf without --value: allowed is a folder (--format "),
    ("--format jpg", "--format jpg: allowed are png, pdf, svg"),
    ("--value tau_final --x alpha --out a.png --format pdf", "--format pdf with --out a.png: allowed is one of them"),
]


@pytest.mark.parametrize(("options", "said"), BAD, ids=[options for options, _ in BAD])
def test_a_mistake_is_one_line(store: Path, capsys: pytest.CaptureFixture[str], options: str, said: str) -> None:
    assert main(["plot", str(store), *options.split()]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"error: {said}")
    assert len(err.splitlines()) == 1
    assert [path.name for path in store.parent.iterdir()] == ["small.zarr"]
