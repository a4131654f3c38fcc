"""The one Zarr store of a sweep: allocated whole, written chunk by chunk, readable and resumable at any time.

A chunk counts once its mark, written after everything else of it, holds the checksum of its values. Whatever kills
the process leaves chunks with a mark, which are whole, and chunks without, which the same command computes again.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import zarr
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from theory_sim.errors import InputError, require
from theory_sim.sweep.layout import Layout
from theory_sim.sweep.schema import Variable

if TYPE_CHECKING:
    import xarray as xr

KIND = "theory_sim sweep"
FORMAT_VERSION = 1
CHUNK, MARKS, UNDONE = "chunk", "chunk_checksum", -1
STEP = "training step"  # units of when something happens, if it does
FULL = (errno.ENOSPC, errno.EDQUOT)  # what is being written does not fit; says nothing of what is read meanwhile
UNREADABLE = (OSError, RuntimeError, ValueError)  # what a damaged chunk makes Zarr and its codecs raise
# Its own checksum makes every reader notice a truncated or changed file; Blosc would decode what follows in memory.
COMPRESSOR: Any = {"id": "zstd", "level": 3, "checksum": True}
# By these xarray knows the dimensions of an array of Zarr's format 2, and the coordinates that are no dimensions.
_DIMENSIONS, _COORDINATES = "_ARRAY_DIMENSIONS", "coordinates"
Values = dict[str, NDArray]


class Coordinate(NamedTuple):
    """A coordinate of the result along one dimension; the dimension's own if it has its name."""

    dim: str
    values: NDArray
    long_name: str


class SweepStore:
    """An open store.

    path: its folder; names: the variables in the order of their checksum; layout: its chunks; attributes: what was
    said of the sweep when the store was created.
    """

    def __init__(self, path: Path, *, writable: bool = False) -> None:
        """Open the store at `path`; if `writable`, with `.zmetadata` made whole.

        Raises InputError if there is none, it is newer than this code, or an array or its metadata is damaged.
        """
        self.path = path
        check_kind(path, writable)
        try:
            self._group = zarr.open_group(path, mode="r+" if writable else "r", zarr_format=2, use_consolidated=False)
            self.attributes: dict[str, Any] = dict(self._group.attrs)
            self.names: list[str] = list(self.attributes["stored_variables"])
            swept: list[str] = list(self.attributes["swept"])
        except (*UNREADABLE, KeyError, TypeError):
            raise _damaged(path, ".zattrs") from None
        self._arrays = {name: self._array(name) for name in (*self.names, MARKS)}
        first = self._arrays[self.names[0]]
        self.layout = Layout(first.shape[: len(swept)], first.chunks[: len(swept)])
        beyond = {dim for name in self.names for dim in self.dims(name)}
        drawn = str(self.attributes.get(_COORDINATES, "")).split()
        self._coordinates = {name: self._array(name) for name in (*swept, *drawn, *sorted(beyond))}
        if writable and not is_consolidated(path):
            zarr.consolidate_metadata(self._group.store, zarr_format=2)

    def _array(self, name: str) -> zarr.Array[Any]:
        """An array of the store. Raises InputError with the file that keeps it from being read."""
        for file in (f"{name}/.zarray", f"{name}/.zattrs"):
            if _json(self.path / file) is None:
                raise _damaged(self.path, file)
        try:
            array = self._group[name]
        except (*UNREADABLE, KeyError, TypeError):
            raise _damaged(self.path, f"{name}/.zarray") from None
        if not isinstance(array, zarr.Array):
            raise _damaged(self.path, f"{name}/.zarray")
        if _DIMENSIONS not in array.attrs:
            raise _damaged(self.path, f"{name}/.zattrs")
        return array

    def dims(self, name: str) -> tuple[str, ...]:
        """Dimensions of a variable beyond the swept ones."""
        return tuple(_dimensions(self._arrays[name])[len(self.layout.shape) :])

    def missing(self, name: str) -> Any:
        """The value of a variable at points without a result."""
        return self._arrays[name].fill_value

    def coordinates(self) -> dict[str, Coordinate]:
        """Every coordinate by its name. Raises InputError if one cannot be read."""
        try:
            return {
                name: Coordinate(_dimensions(array)[0], np.asarray(array[:]), str(array.attrs["long_name"]))
                for name, array in self._coordinates.items()
            }
        except (*UNREADABLE, KeyError) as error:
            raise InputError(f"cannot read sweep {self.path}: a coordinate is damaged ({error})") from None

    def marks(self) -> NDArray[np.int64]:
        """The mark of every chunk, (n_chunks,): its checksum, UNDONE if it has to be computed."""
        array, marks = self._arrays[MARKS], np.full(self.layout.n_chunks, UNDONE, np.int64)
        for chunk in range(self.layout.n_chunks):
            try:
                marks[chunk] = np.asarray(array[chunk : chunk + 1])[0]
            except UNREADABLE:
                continue  # half-written
        return marks

    def flags(self, name: str) -> dict[int, str]:
        """The meaning of each value of a variable of codes; empty for others."""
        attributes = self._arrays[name].attrs
        meanings = str(attributes.get("flag_meanings", "")).split()
        return dict(zip(attributes.get("flag_values", ()), meanings, strict=True))  # type: ignore[arg-type]

    def read(self, chunk: int, names: Sequence[str] | None = None) -> Values:
        """Variables of a chunk (all by default), its points along the leading axis. InputError if it is damaged."""
        try:
            return self._read(chunk, self.names if names is None else names)
        except UNREADABLE as error:
            raise InputError(f"{self.path}: chunk {chunk} is damaged ({error}); {REPAIR}") from None

    def _read(self, chunk: int, names: Sequence[str]) -> Values:
        region, n_swept = self.layout.region(chunk), len(self.layout.shape)
        found = {}
        for name in names:
            values = np.asarray(self._arrays[name][region])
            found[name] = values.reshape(-1, *values.shape[n_swept:])
        return found

    def write(self, chunk: int, values: Mapping[str, NDArray]) -> None:
        """Store a chunk: every variable, then its mark. values: as `read` gives them.

        Raises InputError if the disk is full or refuses; the chunk then stays undone.
        """
        region = self.layout.region(chunk)
        shape = tuple(cut.stop - cut.start for cut in region)
        try:
            for name in self.names:
                self._arrays[name][region] = values[name].reshape(*shape, *values[name].shape[1:])
            self._arrays[MARKS][chunk : chunk + 1] = self._checksum(values)
        except OSError as error:
            line = f"cannot write {self.path}: {error.strerror or error}; the same command goes on where it stopped"
            raise InputError(line) from None

    def _checksum(self, values: Mapping[str, NDArray]) -> int:
        total = 0
        for name in self.names:
            total = zlib.crc32(np.ascontiguousarray(values[name], self._arrays[name].dtype), total)
        return total

    def repair(self, report: Callable[[int, int], None] = lambda *_: None) -> tuple[list[int], list[int]]:
        """Check every marked chunk against its checksum and take the mark from damaged ones.

        report(chunks checked, chunks to check). Returns the chunks to compute, and those of them that were damaged.
        """
        for leftover in self.path.rglob("*.partial"):  # what Zarr was writing when the process was killed
            leftover.unlink()
        marks = self.marks()
        marked, damaged = np.flatnonzero(marks != UNDONE), []
        for done, chunk in enumerate(map(int, marked), 1):
            if not self._is_whole(chunk, int(marks[chunk])):
                self._arrays[MARKS][chunk : chunk + 1] = UNDONE
                damaged.append(chunk)
            report(done, len(marked))
        return sorted([*map(int, np.flatnonzero(marks == UNDONE)), *damaged]), damaged

    def incomplete(self) -> list[int]:
        """Marked chunks that lack files, found by the files' names, so that all is not read.

        What is missing at every point of a chunk has no file; so chunks that lack one are held against their checksum,
        except where only variables lack it that may well have no value in a whole chunk. Those `repair` checks.
        """
        marks, suspects = self.marks(), set()
        marked = np.flatnonzero(marks != UNDONE)
        for name in self.names:
            array = self._arrays[name]
            if array.attrs.get("units") == STEP or name.startswith("attack_"):  # may never come; without an attack
                continue
            found, inner = set(os.listdir(self.path / name)), ".0" * len(self.dims(name))
            for chunk in map(int, marked):
                piece = ".".join(map(str, np.unravel_index(chunk, self.layout.pieces)))
                if piece + inner not in found:
                    suspects.add(chunk)
        return [chunk for chunk in sorted(suspects) if not self._is_whole(chunk, int(marks[chunk]))]

    def _is_whole(self, chunk: int, mark: int) -> bool:
        try:
            return self._checksum(self._read(chunk, self.names)) == mark
        except UNREADABLE:
            return False

    def record(self, attributes: Mapping[str, Any]) -> None:
        """Change attributes of the store, as for what it was resumed with."""
        self._group.attrs.update(attributes)
        zarr.consolidate_metadata(self._group.store, zarr_format=2)
        self.attributes.update(attributes)


REPAIR = "the sweep's own command computes it again"
REWRITE = "the sweep's own command writes it again"


def _json(file: Path) -> dict[str, Any] | None:
    """The object that a file of metadata holds; None if there is no such file or it is damaged."""
    try:
        found = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _damaged(path: Path, file: str) -> InputError:
    return InputError(
        f"cannot read sweep {path}: {path / file} is missing or damaged, so its chunks cannot be trusted; "
        "restore the file, or remove the store and compute it again"
    )


def is_consolidated(path: Path) -> bool:
    """Whether `.zmetadata` of the store at `path`, by which xarray reads it, says what the arrays' own files say."""
    files = (_json(path / ".zmetadata") or {}).get("metadata")
    own = [file for pattern in (".z*", "*/.z*") for file in path.glob(pattern) if file.name != ".zmetadata"]
    return files == {file.relative_to(path).as_posix(): _json(file) for file in own}


def _dimensions(array: zarr.Array[Any]) -> list[str]:
    return list(array.attrs[_DIMENSIONS])  # type: ignore[arg-type]


def create(
    path: Path,
    swept: Sequence[str],
    variables: Sequence[Variable],
    coordinates: Mapping[str, Coordinate],
    layout: Layout,
    attributes: Mapping[str, Any],
) -> None:
    """Allocate a store at `path`, where nothing may be, with every array empty and no chunk done.

    swept: names of the swept dimensions. The store appears whole or not at all. Raises InputError if the disk is full
    or refuses. The caller holds the lock.
    """
    sizes = {name: len(coordinate.values) for name, coordinate in coordinates.items()}
    drawn = [name for name, coordinate in coordinates.items() if name != coordinate.dim]
    fresh = path.with_name(f".{path.name}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(fresh, ignore_errors=True)  # left by a process killed at this place
        group = zarr.open_group(fresh, mode="w", zarr_format=2)
        for name, (dim, values, long_name) in coordinates.items():
            array = group.create_array(
                name, shape=values.shape, chunks=values.shape, dtype=values.dtype, fill_value=None,
                compressors=COMPRESSOR, attributes={_DIMENSIONS: [dim], "long_name": long_name, "units": "1"},
            )  # fmt: skip
            array[:] = values
        for variable in variables:
            extra = tuple(sizes[dim] for dim in variable.dims)
            group.create_array(
                variable.name, shape=layout.shape + extra, chunks=layout.chunk + extra, dtype=variable.dtype,
                fill_value=variable.missing, compressors=COMPRESSOR,
                attributes={_DIMENSIONS: [*swept, *variable.dims], **variable.attributes},
            )  # fmt: skip
        about: dict[str, Any] = {
            _DIMENSIONS: [CHUNK],
            "long_name": "CRC-32 of the values of each chunk, none while it is not done",
            "units": "1",
        }
        group.create_array(
            MARKS, shape=(layout.n_chunks,), chunks=(1,), dtype="i8", fill_value=UNDONE, compressors=None,
            attributes=about,
        )  # fmt: skip
        group.attrs.update(
            {
                "kind": KIND,
                "format_version": FORMAT_VERSION,
                "swept": list(swept),
                **({_COORDINATES: " ".join(drawn)} if drawn else {}),
                "stored_variables": [variable.name for variable in variables],
                **attributes,
            }
        )
        zarr.consolidate_metadata(group.store, zarr_format=2)
        fresh.rename(path)
    except OSError as error:
        shutil.rmtree(fresh, ignore_errors=True)
        raise InputError(f"cannot write {path}: {error.strerror or error}") from None


def check_kind(path: Path, writable: bool = False) -> None:
    """Raise InputError unless `path` holds a sweep's store that this code can read. writable: to go on with it."""
    require(path.exists(), f"no such sweep: {path}")
    attributes: dict[str, Any] = {}
    for zarr_format in (2, 3):  # a later version may write the other one
        with suppress(*UNREADABLE, KeyError, TypeError):
            attributes |= zarr.open_group(path, mode="r", zarr_format=zarr_format, use_consolidated=False).attrs
    if attributes.get("kind") != KIND:
        if (path / MARKS).is_dir():
            raise _damaged(path, ".zgroup" if _json(path / ".zgroup") is None else ".zattrs")
        words = "exists and is no store of a sweep: remove it, or use another --out"
        raise InputError(f"{path} {words if writable else 'is no store of a sweep'}")
    version = attributes.get("format_version")
    is_newer = isinstance(version, int) and version > FORMAT_VERSION
    require(
        version == FORMAT_VERSION,
        f"{path} was written in format {version}, this is theory_sim for format {FORMAT_VERSION}"
        + (": use a newer one" if is_newer else ", which cannot read it"),
    )


def counted(number: int, what: str) -> str:
    """A number of things: "1 chunk", "2 chunks"."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def place(path: Path) -> Path:
    """Where a store at `path` lies or will: what a link points at, so that all its names are one."""
    return path.resolve() if path.is_symlink() else path


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the store at `path`, which need not exist yet, for this process.

    Raises InputError at once if another process holds it, or nothing can be written there.
    """
    target = place(path)
    file = target.with_name(f".{target.name}.lock")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        file.touch()  # FileLock takes some places where no file can be made for places that another process holds
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}: {error.filename or file}") from None
    lock = FileLock(file)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise InputError(f"{path}: another process is writing this sweep; wait for it or use another --out") from None
    except (OSError, NotImplementedError) as error:
        raise InputError(f"cannot lock {path}: {getattr(error, 'strerror', None) or error}") from None
    try:
        yield
    finally:
        lock.release()


def open_sweep(path: str | os.PathLike[str], note: Callable[[str], None] = lambda _: None) -> xr.Dataset:
    """A sweep's Dataset, read from `path` as its values are asked for; NaN where a point has no value.

    The same as `xr.open_zarr(path)` without the marks of its chunks, and with mistakes in one line. `note` is told
    when the sweep is not complete. Raises InputError if there is no sweep, it is newer than this code, or an array or
    metadata is damaged; what is read later is guarded by `reading`.
    """
    import xarray as xr

    path = Path(path)
    store = SweepStore(path)
    if not is_consolidated(path):
        raise InputError(f"cannot read sweep {path}: {path}/.zmetadata is missing or damaged; {REWRITE}")
    done = store.marks() != UNDONE
    if not done.all():
        note(f"{path} is not complete: {done.sum():,} of {done.size:,} chunks")
    if incomplete := store.incomplete():
        note(f"{path}: {counted(len(incomplete), 'chunk')} marked done but incomplete; {REPAIR}")
    with reading(path):
        return xr.open_zarr(path, chunks=None, zarr_format=2, consolidated=True, drop_variables=MARKS)


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Within it, a chunk that cannot be decoded is an InputError of one line that says what to do.

    A full disk, of a target that is written meanwhile, stays an OSError.
    """
    try:
        yield
    except InputError:
        raise
    except UNREADABLE as error:
        if isinstance(error, OSError) and error.errno in FULL:
            raise
        raise InputError(f"cannot read sweep {path}: a chunk is damaged ({error}); {REPAIR}") from None
