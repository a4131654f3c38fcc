"""What other programs read is what the store holds."""

from __future__ import annotations

import csv
import errno
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from tests.sweep.fakes import INVALID, SAMPLED, compute, sweep
from theory_sim.errors import InputError
from theory_sim.progress import Watch
from theory_sim.sweep.definition import parse_sweep
from theory_sim.sweep.execution import run
from theory_sim.sweep.export import export, targets
from theory_sim.sweep.store import MARKS, SweepStore, open_sweep


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> SweepStore:
    """A sweep with drawn keys, words, attacks and complex spectra, in several chunks."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("theory_sim.sweep.plan.MOST_POINTS", 40)
        path = tmp_path_factory.mktemp("export") / "sweep.zarr"
        sweep(path, SAMPLED)
    return SweepStore(path)


@pytest.fixture(scope="module")
def skipped(tmp_path_factory: pytest.TempPathFactory) -> SweepStore:
    """A sweep with points that have no result."""
    path = tmp_path_factory.mktemp("skipped") / "sweep.zarr"
    return run(parse_sweep(INVALID), path, Watch(), skip_invalid=True, compute=compute)


def table(store: SweepStore, folder: Path, name: str) -> pd.DataFrame:
    export(store, folder / name)
    return pd.read_parquet(folder / name) if name.endswith(".parquet") else pd.read_csv(folder / name)


@pytest.mark.parametrize("rows", [50, 1 << 16])
@pytest.mark.parametrize("name", ["out.parquet", "out.csv"])
def test_a_table_has_a_row_for_each_point(
    store: SweepStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, rows: int
) -> None:
    monkeypatch.setattr("theory_sim.sweep.export.ROWS", rows)
    found = table(store, tmp_path, name)
    dataset = open_sweep(store.path).stack(point=("sample", "n_steps", "attack"), create_index=False)
    assert len(found) == dataset.sizes["point"] == 128
    for key in ("sample", "n_steps", "attack", "weight_scale", "outer_law"):
        np.testing.assert_array_equal(found[key], dataset[key].values)
    for column, values in (
        ("tau_final", dataset["tau_final"]),
        ("n_crossings", dataset["n_crossings"]),
        ("attack_tau_final", dataset["attack_tau_final"]),
        ("tau[2]", dataset["tau"].isel(record=2)),
        ("verdict[eq14,printed]", dataset["verdict"].sel(claim="eq14", version="printed")),
    ):
        np.testing.assert_array_equal(found[column].astype(float), values.values)
    assert set(found["reason"]) == {"valid"}
    assert set(found["method"].dropna()) <= {"none", "events"}
    assert not any("spectrum" in column for column in found)


@pytest.mark.parametrize("name", ["out.parquet", "out.csv"])
def test_what_has_no_result_is_empty_with_its_reason(skipped: SweepStore, tmp_path: Path, name: str) -> None:
    found = table(skipped, tmp_path, name)
    without = found[found["reason"] != "valid"]
    assert (len(found), len(without)) == (27, 9)
    assert set(without["reason"]) == {"cut-off_out_of_range"}
    for column in found.columns.difference(["seed", "dim", "cutoff", "reason", "method"]):
        assert without[column].isna().all(), column
    assert found[found["reason"] == "valid"]["n_crossings"].notna().all()


def test_csv_needs_no_library(skipped: SweepStore, tmp_path: Path) -> None:
    export(skipped, tmp_path / "out.csv")
    with (tmp_path / "out.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    tau = open_sweep(skipped.path)["tau_final"].values.ravel()
    np.testing.assert_array_equal([float(row["tau_final"] or "nan") for row in rows], tau)


def test_netcdf_has_everything(store: SweepStore, skipped: SweepStore, tmp_path: Path) -> None:
    for number, one in enumerate((store, skipped)):
        export(one, tmp_path / f"{number}.nc")
        with xr.open_dataset(tmp_path / f"{number}.nc", engine="scipy") as file:
            found = file.load()
        expected = open_sweep(one.path).load()
        assert MARKS not in found
        for name in expected.variables:
            if expected[name].dtype.kind == "c":
                both = found[f"{name}_real"].values + 1j * found[f"{name}_imag"].values
                np.testing.assert_array_equal(np.nan_to_num(both), np.nan_to_num(expected[name].values))
            else:
                np.testing.assert_array_equal(found[name].values, expected[name].values)
        assert found.attrs["swept"].split() == expected.attrs["swept"]
        assert found.attrs["definition"] == expected.attrs["definition"]


def test_netcdf_that_would_not_fit_is_one_line(
    skipped: SweepStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("theory_sim.sweep.export.LARGEST_NETCDF", 100)
    with pytest.raises(InputError, match="does not fit NetCDF; use parquet"):
        export(skipped, tmp_path / "out.nc")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["out.parquet", "out.csv", "out.nc"])
def test_a_full_disk_or_a_damaged_chunk_leaves_the_old_file(
    skipped: SweepStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (tmp_path / name).write_text("old")
    full = OSError(errno.ENOSPC, "No space left on device")
    words = rf"cannot write .*{name}: No space left on device"
    for mishap, line in ((full, words), (InputError("chunk 2 is damaged"), "chunk 2 is damaged")):

        def fail(*_: object, mishap: Exception = mishap) -> None:
            raise mishap

        monkeypatch.setattr("theory_sim.sweep.export._table", fail)
        monkeypatch.setattr("theory_sim.simulation.storage.write_dataset", fail)
        with pytest.raises(InputError, match=line):
            export(skipped, tmp_path / name)
        assert [file.name for file in tmp_path.iterdir()] == [name]
        assert (tmp_path / name).read_text() == "old"


def test_targets_stand_beside_the_store(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    assert targets(path, []) == []
    assert targets(path, ["csv, parquet", "netcdf", "csv"]) == [
        tmp_path / "a.csv", tmp_path / "a.parquet", tmp_path / "a.nc",
    ]  # fmt: skip
    with pytest.raises(InputError, match="--export xls: allowed are parquet, csv, netcdf"):
        targets(path, ["csv,xls"])
    (tmp_path / "a.csv").mkdir()
    with pytest.raises(InputError, match=r"a\.csv: is a folder"):
        targets(path, ["csv"])
