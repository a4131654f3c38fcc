"""Targets are checked before anything runs and replaced whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from theory_sim.errors import InputError
from theory_sim.files import check_target, replacing
from theory_sim.simulation.storage import DATA_SUFFIXES


def test_replacing_is_whole_or_nothing(tmp_path: Path) -> None:
    old, new, store = tmp_path / "old.nc", tmp_path / "new.png", tmp_path / "run.zarr"
    old.write_text("old")
    store.mkdir()
    (store / ".zgroup").write_text("old")

    def write(targets: list[Path], mishap: BaseException | None = None) -> None:
        with replacing(targets) as paths:
            fill(paths)
            if mishap:
                raise mishap

    def fill(paths: list[Path]) -> None:
        for path in paths:
            if path.suffix == ".zarr":
                path.mkdir()
                (path / ".zgroup").write_text("new")
            else:
                path.write_text("new")

    def contents() -> list[str]:
        return [old.read_text(), new.read_text() if new.exists() else "", (store / ".zgroup").read_text()]

    for mishap in (KeyboardInterrupt(), ValueError()):
        with pytest.raises(type(mishap)):
            write([old, new, store], mishap)
        assert contents() == ["old", "", "old"]
    with pytest.raises(InputError, match=r"cannot write .*old.nc, .*new.png: No space left"):
        write([old, new], OSError(28, "No space left on device"))
    assert contents() == ["old", "", "old"]
    write([old, new, store])
    assert contents() == ["new", "new", "new"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new.png", "old.nc", "run.zarr"]


def test_targets_are_checked_before_anything_runs(tmp_path: Path) -> None:
    (tmp_path / "folder.zarr").mkdir()
    (tmp_path / "file.zarr").write_text("")
    (tmp_path / "folder.nc").mkdir()
    for name, reason in (
        ("run.csv", "allowed are files ending in .zarr, .nc"),
        ("run", "allowed are files ending in .zarr, .nc"),
        ("none/run.nc", "no such folder"),
        ("file.zarr/run.nc", "no such folder"),
        ("folder.zarr", "exists and is no Zarr store"),
        ("file.zarr", "exists and is no Zarr store"),
        ("folder.nc", "is a folder"),
    ):
        with pytest.raises(InputError, match=reason):
            check_target("--out", tmp_path / name, DATA_SUFFIXES)
    check_target("--out", tmp_path / "run.nc", DATA_SUFFIXES)


def test_many_files_are_not_all_named(tmp_path: Path) -> None:
    targets = [tmp_path / f"{i}.txt" for i in range(9)]
    with pytest.raises(InputError) as caught, replacing(targets):
        raise OSError(28, "No space left on device")
    assert "2.txt and 6 more files: No space left on device" in str(caught.value)
    assert "3.txt" not in str(caught.value)
