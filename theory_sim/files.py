"""Writing files of results: beside the target first, then renamed, so that a target is whole or untouched."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from theory_sim.errors import InputError, require

SHOWN = 3  # files that an error names
PLOT_SUFFIXES = (".png", ".pdf", ".svg")


def check_target(option: str, path: Path, suffixes: Sequence[str], *, make: bool = False) -> None:
    """Raise InputError, before anything is computed, if `path` cannot become a result of one of the `suffixes`.

    make: its folder will be made if it is not there.
    """
    require(path.suffix in suffixes, f"{option} {path}: allowed are files ending in {', '.join(suffixes)}")
    folder = path.parent
    if make:
        check_folder(option, folder)
    else:
        require(folder.is_dir(), f"{option} {path}: no such folder {folder}")
        require(os.access(folder, os.W_OK), f"{option} {path}: folder {folder} is not writable")
    if path.suffix == ".zarr":
        # An existing folder is replaced whole: only one that is a Zarr store can be meant.
        store = any((path / name).is_file() for name in (".zgroup", "zarr.json"))
        require(not path.exists() or store, f"{option} {path}: exists and is no Zarr store")
    else:
        require(not path.is_dir(), f"{option} {path}: is a folder")


def check_folder(option: str, path: Path) -> None:
    """Raise InputError, before anything is computed, unless `path` is a folder that can be written to, or made."""
    there = path
    while not there.exists() and there != there.parent:
        there = there.parent
    what = f"{option} {path}" if there == path else f"{option} {path}: {there}"
    require(there.is_dir(), f"{what} is no folder: allowed is a folder, made if it is not there")
    require(os.access(there, os.W_OK), f"{option} {path}: folder {there} is not writable")


@contextmanager
def replacing(targets: Sequence[Path]) -> Iterator[list[Path]]:
    """Yield a new path beside each target; all become the targets when the block ends well, none when it does not.

    Raises InputError with the reason if the disk is full or refuses.
    """
    fresh = [target.with_name(f".{target.stem}.{os.getpid()}{target.suffix}") for target in targets]
    try:
        yield fresh
        for source, target in zip(fresh, targets, strict=True):
            _rename(source, target)
    except OSError as error:
        more = f" and {len(targets) - SHOWN} more files" if len(targets) > SHOWN else ""
        names = ", ".join(str(target) for target in targets[:SHOWN]) + more
        raise InputError(f"cannot write {names}: {error.strerror or error}") from None
    finally:
        for path in fresh:
            _remove(path)


def _rename(source: Path, target: Path) -> None:
    if not target.is_dir():
        source.replace(target)
        return
    old = target.with_name(f".{target.stem}.{os.getpid()}.old")  # a folder cannot be renamed onto a full one
    target.rename(old)
    try:
        source.rename(target)
    except OSError:
        old.rename(target)
        raise
    _remove(old)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
