"""Whatever happens to a store, what it holds is whole, and the same command ends in the same bits."""

from __future__ import annotations

import errno
import os
import re
import shutil
import tomllib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
import zarr
from PIL import Image

from tests.sweep.fakes import GRID, INVALID, SAMPLED, Recorder, bits, compute, sweep
from theory_sim.compiled_code import digest
from theory_sim.errors import InputError
from theory_sim.sweep import laws
from theory_sim.sweep.definition import parse_sweep
from theory_sim.sweep.execution import local, run
from theory_sim.sweep.schema import variables
from theory_sim.sweep.store import KIND, MARKS, UNDONE, SweepStore, is_consolidated, locked, open_sweep, reading
from theory_sim.sweep.validity import REASONS

DAMAGED = "tau/2.0.0.0"  # a file of chunk 2 of GRID


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("theory_sim.sweep.plan.MOST_POINTS", 6)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("theory_sim.sweep.plan.MOST_POINTS", 6)
        path = tmp_path_factory.mktemp("finished") / "sweep.zarr"
        sweep(path)
    return path


@pytest.fixture
def path(finished: Path, tmp_path: Path) -> Path:
    """A finished store to be damaged."""
    copy = tmp_path / "sweep.zarr"
    shutil.copytree(finished, copy)
    return copy


@pytest.mark.parametrize("document", [GRID, SAMPLED], ids=["grid", "sample"])
def test_zarr_and_xarray_read_it_without_us(tmp_path: Path, document: dict[str, Any]) -> None:
    path = tmp_path / "sweep.zarr"
    sweep(path, document)
    definition = parse_sweep(document)
    dataset = xr.open_zarr(path)
    assert tuple(dataset.attrs["swept"]) == tuple(d.name for d in definition.dimensions)
    assert parse_sweep(tomllib.loads(dataset.attrs["definition"])) == definition
    for dimension in definition.dimensions:
        for name, values in dimension.columns.items():
            np.testing.assert_array_equal(dataset.coords[name].values, values)
            assert dataset.coords[name].dims == (dimension.name,)
    attack = "attack" in document["grid"]
    expected = variables(definition.recording.spectra, attack, REASONS)
    assert set(dataset.data_vars) == {variable.name for variable in expected} | {MARKS}
    for variable in expected:
        found = dataset[variable.name]
        assert found.dims == (*dataset.attrs["swept"], *variable.dims)
        assert found.attrs == variable.attributes
    xr.testing.assert_identical(open_sweep(path).load(), dataset.drop_vars(MARKS).load())
    for key in ("title", "seed", "device", "version", "versions", "commit", "hardware", "format_version"):
        assert key in dataset.attrs


def test_a_point_is_selected_by_its_values(finished: Path) -> None:
    dataset = xr.open_zarr(finished)
    point = dataset.sel(alpha=1.5, activation="softplus", seed=4)
    assert point["tau_final"].values == dataset["tau_final"].values[1, 1, 1]
    assert dataset.sel(alpha=1.5)["verdict"].sel(claim="eq14", version="printed").dims == ("seed", "activation")


def test_a_value_is_read_as_it_was_written(path: Path) -> None:
    store = SweepStore(path, writable=True)
    values = store.read(3)
    rng = np.random.default_rng(0)
    for name, array in values.items():
        new = rng.normal(size=array.shape) if array.dtype.kind == "f" else rng.integers(-1, 2, array.shape)
        values[name] = new.astype(array.dtype)
    store.write(3, values)
    for name, array in SweepStore(path).read(3).items():
        np.testing.assert_array_equal(array, values[name])
        assert array.dtype == values[name].dtype
    assert store.repair() == ([], [])


def truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-7])


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


@pytest.mark.parametrize(
    "damage",
    [truncate, flip, Path.unlink, lambda file: file.write_bytes(b"")],
    ids=["truncate", "flip", "lose", "empty"],
)
@pytest.mark.parametrize("name", [DAMAGED, "verdict/2.0.0.0.0", f"{MARKS}/2"])
def test_a_damaged_chunk_is_computed_again(
    path: Path, finished: Path, damage: Callable[[Path], None], name: str
) -> None:
    damage(path / name)
    assert bits(path) != bits(finished)
    watch = Recorder()
    sweep(path, watch=watch)
    assert bits(path) == bits(finished)
    computed = [done for what, done, _ in watch.updates if what == "networks"]
    assert (computed[0], computed[-1]) == (42, 48)
    if not name.startswith(MARKS):
        assert watch.notes[0] == f"{path}: 1 damaged chunk computed again: 2"


def test_what_a_killed_write_left_is_removed(path: Path, finished: Path) -> None:
    (path / "tau" / f"2.0.0.{'0' * 32}.partial").write_bytes(b"half")
    sweep(path)
    assert bits(path) == bits(finished)


def test_an_undone_chunk_is_nan_everywhere(path: Path) -> None:
    (path / MARKS / "2").unlink()
    notes: list[str] = []
    assert open_sweep(path, notes.append).sizes["seed"] == 8
    assert notes == [f"{path} is not complete: 7 of 8 chunks"]
    for folder in path.iterdir():
        for file in folder.glob("2.*") if folder.is_dir() else ():
            file.unlink()
    row = open_sweep(path).isel(seed=2)
    assert all(bool(row[name].isnull().all()) for name in row.data_vars)


def test_a_truncated_chunk_met_by_a_reader_is_one_line(path: Path) -> None:
    truncate(path / DAMAGED)
    with (
        pytest.raises(InputError, match=r"chunk is damaged .*the sweep's own command computes it again"),
        reading(path),
    ):
        open_sweep(path)["tau"].load()
    with pytest.raises(InputError, match="chunk 2 is damaged"):
        SweepStore(path).read(2)
    with reading(path):
        open_sweep(path)["tau_final"].load()


class CrashError(Exception):
    """The process ends here."""


def crash_at(monkeypatch: pytest.MonkeyPatch, write: int, error: Exception) -> None:
    """The `write`-th file is half-written, as by a store that does not write beside and rename."""
    original, count = zarr.storage.LocalStore.set, 0

    async def halve(self: Any, key: str, value: Any) -> None:
        nonlocal count
        count += 1
        if count < write:
            await original(self, key, value)
            return
        if count == write:
            file = Path(self.root) / key
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(value.to_bytes()[: len(value) // 2])
        raise error

    monkeypatch.setattr(zarr.storage.LocalStore, "set", halve)


def n_writes(finished: Path) -> int:
    return len(bits(finished))


@pytest.mark.parametrize("share", np.linspace(0.02, 0.99, 12))
def test_a_crash_at_any_file_ends_in_the_same_bits(
    tmp_path: Path, finished: Path, monkeypatch: pytest.MonkeyPatch, share: float
) -> None:
    path = tmp_path / "sweep.zarr"
    with monkeypatch.context() as patch:
        crash_at(patch, int(share * n_writes(finished)), CrashError())
        with pytest.raises(CrashError):
            sweep(path)
    sweep(path)
    assert bits(path) == bits(finished)
    assert sorted(file.name for file in tmp_path.iterdir()) == [".sweep.zarr.lock", "sweep.zarr"]


@pytest.mark.parametrize("share", [0.01, 0.5, 0.8])
def test_a_full_disk_is_one_line_and_the_sweep_goes_on(
    tmp_path: Path, finished: Path, monkeypatch: pytest.MonkeyPatch, share: float
) -> None:
    path = tmp_path / "sweep.zarr"
    with monkeypatch.context() as patch:
        crash_at(patch, int(share * n_writes(finished)), OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
        with pytest.raises(InputError, match=f"cannot write {path}: No space left on device"):
            sweep(path)
    sweep(path)
    assert bits(path) == bits(finished)


def test_another_sweep_on_the_same_store_is_refused_with_the_difference(path: Path, finished: Path) -> None:
    other = GRID | {"run": GRID["run"] | {"width": 9}, "grid": GRID["grid"] | {"alpha": [1.0, 1.25]}}
    with pytest.raises(InputError, match=f"{path} belongs to another sweep: ") as caught:
        sweep(path, other)
    for words in ("width: 8 in the store, 9 asked for", "alpha: [1.0, 1.5, 2.0] in the store, [1.0, 1.25] asked for"):
        assert words in str(caught.value)
    assert bits(path) == bits(finished)


def test_what_is_no_store_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "folder.zarr").mkdir()
    (tmp_path / "folder.zarr" / "mine.txt").write_text("")
    (tmp_path / "file.zarr").write_text("")
    xr.Dataset({"a": ("x", [1.0])}).to_zarr(tmp_path / "other.zarr", zarr_format=2, consolidated=True)
    xr.Dataset({"a": ("x", [1.0])}).to_zarr(tmp_path / "newer.zarr", zarr_format=3, consolidated=False)
    before = bits(tmp_path)
    for name in ("folder.zarr", "file.zarr", "other.zarr", "newer.zarr"):
        with pytest.raises(InputError, match=f"{name} exists and is no store .*: remove it, or use another --out$"):
            sweep(tmp_path / name)
        with pytest.raises(InputError, match=f"{name} is no store of a sweep"):
            open_sweep(tmp_path / name)
    with pytest.raises(InputError, match=r"no such sweep: .*none\.zarr"):
        open_sweep(tmp_path / "none.zarr")
    assert {name: content for name, content in bits(tmp_path).items() if not name.endswith(".lock")} == before


@pytest.mark.parametrize(
    ("version", "said"), [(2, ": use a newer one"), (0, ", which cannot read it"), (None, ", which cannot read it")]
)
def test_another_format_is_one_line(path: Path, version: int | None, said: str) -> None:
    SweepStore(path, writable=True).record({"format_version": version})
    for use in (open_sweep, sweep):
        line = f"was written in format {version}, this is theory_sim for format 1{said}$"
        with pytest.raises(InputError, match=line):
            use(path)


def test_a_newer_format_is_known_in_zarrs_own_newer_format(tmp_path: Path) -> None:
    path = tmp_path / "newer.zarr"
    group = zarr.open_group(path, mode="w", zarr_format=3)
    group.attrs.update({"kind": KIND, "format_version": 2})
    for use in (open_sweep, sweep):
        with pytest.raises(InputError, match=r"was written in format 2, .*: use a newer one$"):
            use(path)


@pytest.mark.parametrize("damage", [truncate, Path.unlink], ids=["truncate", "lose"])
@pytest.mark.parametrize(
    "file", ["tau/.zarray", "tau/.zattrs", "alpha/.zarray", "record/.zattrs", f"{MARKS}/.zarray", ".zattrs", ".zgroup"]
)
def test_damaged_metadata_is_named_before_anything_is_computed(
    path: Path, damage: Callable[[Path], None], file: str
) -> None:
    damage(path / file)
    for use in (open_sweep, partial(sweep, watch=(watch := Recorder()))):
        with pytest.raises(InputError, match=f"{re.escape(str(path / file))} is missing or damaged, .* restore the f"):
            use(path)
    assert watch.updates == []


def test_a_lost_array_is_named_before_anything_is_computed(path: Path) -> None:
    shutil.rmtree(path / "tau")
    watch = Recorder()
    with pytest.raises(InputError, match=r"tau/\.zarray is missing or damaged, so its chunks cannot be trusted"):
        sweep(path, watch=watch)
    assert watch.updates == []


@pytest.mark.parametrize("damage", [truncate, Path.unlink], ids=["truncate", "lose"])
def test_damaged_consolidated_metadata_is_written_again(
    path: Path, finished: Path, damage: Callable[[Path], None]
) -> None:
    assert is_consolidated(path)
    damage(path / ".zmetadata")
    with pytest.raises(InputError, match=r"\.zmetadata is missing or damaged; the sweep's own command writes it again"):
        open_sweep(path)
    sweep(path)
    assert bits(path) == bits(finished)


def test_a_place_that_cannot_be_written_is_no_other_process() -> None:
    for path in (Path("/proc/x.zarr"), Path("/proc/x/y.zarr")):
        with pytest.raises(InputError, match=f"cannot write {path}: No such file or directory"), locked(path):
            pass


def test_lost_files_of_marked_chunks_are_noted(path: Path) -> None:
    notes: list[str] = []
    open_sweep(path, notes.append)
    assert notes == []
    (path / DAMAGED).unlink()
    (path / "reason" / "3.0.0").unlink()
    open_sweep(path, notes.append)
    assert notes == [f"{path}: 2 chunks marked done but incomplete; the sweep's own command computes it again"]
    assert SweepStore(path).incomplete() == [2, 3]


def test_a_chunk_of_nothing_but_missing_values_is_complete(tmp_path: Path) -> None:
    definition = parse_sweep(INVALID)
    run(definition, tmp_path / "sweep.zarr", Recorder(), skip_invalid=True, start=local(1), compute=compute)
    assert (SweepStore(tmp_path / "sweep.zarr").marks() != UNDONE).all()
    assert SweepStore(tmp_path / "sweep.zarr").incomplete() == []


def test_going_on_elsewhere_is_noted_and_recorded(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (path / MARKS / "2").unlink()
    first = SweepStore(path).attributes
    there = {"version": str(first["version"]), "versions": "Python 4", "commit": "abc", "hardware": "a better one"}
    monkeypatch.setattr("theory_sim.sweep.execution.provenance", lambda: there)
    watch = Recorder()
    sweep(path, watch=watch)
    assert watch.notes[0] == f"{path} goes on: 7 of 8 chunks are done"
    assert watch.notes[1].startswith("results of new chunks may differ: ")
    assert "commit: " in watch.notes[1]
    assert "version: " not in watch.notes[1]
    attributes = xr.open_zarr(path).attrs
    assert attributes["commit"] == first["commit"]
    assert attributes["resumed"] == [there | {"sources": digest(), "device": "cpu"}]
    (path / MARKS / "3").unlink()
    sweep(path)
    assert xr.open_zarr(path).attrs["resumed"] == [there | {"sources": digest(), "device": "cpu"}]


def test_what_may_differ_is_said_as_it_is(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def notes(chunk: int) -> str:
        (path / MARKS / str(chunk)).unlink()
        watch = Recorder()
        sweep(path, watch=watch)
        return " ".join(watch.notes[1:])

    assert notes(0) == ""
    first = SweepStore(path).attributes
    with monkeypatch.context() as patch:
        other = {key: str(first[key]) for key in ("version", "versions", "commit")} | {"hardware": "a better one"}
        patch.setattr("theory_sim.sweep.execution.provenance", lambda: other)
        assert notes(1).startswith("last bits of new chunks may differ: hardware: ")
        # an edited file under the same commit
        patch.setattr("theory_sim.sweep.execution.digest", lambda: "0" * 16)
        assert notes(2) == (
            f"results of new chunks may differ: sources: {first['sources']} until now, {'0' * 16} from here on"
        )


def test_a_sample_that_would_be_drawn_otherwise_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "sweep.zarr"
    sweep(path, SAMPLED)
    before = bits(path)
    (path / MARKS / "0").unlink()
    loguniform = laws.INVERSES["loguniform"]
    monkeypatch.setitem(laws.INVERSES, "loguniform", lambda u, *ends: loguniform(u, *ends) * (1 + 1e-9))
    with pytest.raises(InputError, match="belongs to another sweep: weight_scale: other values than those in the sto"):
        sweep(path, SAMPLED)
    monkeypatch.setitem(laws.INVERSES, "loguniform", lambda u, *ends: loguniform(u, *ends) * (1 + 1e-16))
    sweep(path, SAMPLED)
    assert bits(path) == before


def test_a_changed_picture_is_refused_by_its_name(tmp_path: Path) -> None:
    path, picture = tmp_path / "sweep.zarr", tmp_path / "photo.png"
    pixels = np.random.default_rng(0).integers(0, 255, (20, 34), dtype=np.uint8)
    Image.fromarray(pixels).save(picture)
    pictured = GRID | {"run": GRID["run"] | {"source": "rows"}, "grid": {"picture": [str(picture), "sample"]}}
    sweep(path, pictured)
    attributes = xr.open_zarr(path).attrs
    assert set(attributes["pictures"]) == {str(picture), "sample"}
    Image.fromarray(pixels).save(picture, comment="the same pixels")
    sweep(path, pictured)
    pixels[3, 3] ^= 1
    Image.fromarray(pixels).save(picture)
    with pytest.raises(InputError, match=rf"another sweep: picture {picture}: changed since the store was begun \("):
        sweep(path, pictured)
    sweep(tmp_path / "none.zarr", GRID)
    assert xr.open_zarr(tmp_path / "none.zarr").attrs["pictures"] == {}


def test_a_link_is_the_store_that_it_points_at(tmp_path: Path, finished: Path) -> None:
    (tmp_path / "far").mkdir()
    path, link = tmp_path / "far" / "sweep.zarr", tmp_path / "link.zarr"
    link.symlink_to(path)
    with locked(path), pytest.raises(InputError, match="another process is writing this sweep"), locked(link):
        pass
    sweep(link)  # the store is made where the link points
    assert link.is_symlink()
    assert not path.is_symlink()
    assert bits(path) == bits(finished)


def test_a_damaged_coordinate_is_one_line(path: Path) -> None:
    truncate(path / "alpha" / "0")
    with pytest.raises(InputError, match=r"cannot read sweep .*: a coordinate is damaged"):
        sweep(path)


def test_marks_are_checksums_of_what_is_stored(finished: Path) -> None:
    marks = SweepStore(finished).marks()
    assert (marks != UNDONE).all()
    assert len(set(marks.tolist())) == len(marks)
    assert marks.max() < 2**32
