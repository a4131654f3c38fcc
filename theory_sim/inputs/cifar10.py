"""CIFAR-10 as its author publishes it: binary or Python batches, in a folder or in the archive they come in."""

from __future__ import annotations

import hashlib
import tarfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from theory_sim.errors import InputError, require
from theory_sim.inputs.cifar10_pickle import read_python_batch

PIXELS = 3 * 32 * 32
RECORD = 1 + PIXELS  # binary: one label byte, then red, green, blue planes, row by row
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
BATCHES = (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch")
WHOLE = 10_000  # images of an official batch
FOLDER, PYTHON_FOLDER = "cifar-10-batches-bin", "cifar-10-batches-py"
# MD5 of the archives as the data set's own page gives them, https://www.cs.toronto.edu/~kriz/cifar.html
ARCHIVES = {
    "cifar-10-binary.tar.gz": "c32a1d4ab5d03f1284b67883e8d87530",
    "cifar-10-python.tar.gz": "c58f30108f718f92721af3b95e74349a",
}


@dataclass(frozen=True)
class Cifar10:
    """images: uint8 (n, 3, 32, 32); labels: uint8 (n,), indices into CLASSES; notes: which batches are not whole."""

    images: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    notes: tuple[str, ...] = ()


def load_cifar10(path: Path, batches: Sequence[str] = ("test_batch",), *, partial: bool = False) -> Cifar10:
    """Read batches ("data_batch_1" ... "data_batch_5", "test_batch") from an official archive, folder, or its parent.

    partial: batches of fewer than the official 10,000 images, and archives of another checksum, are taken too, and the
    former named in `notes`. Raises InputError if a batch is missing, truncated, empty, not whole, or holds a label
    above 9, and if an archive is not the official one. Pickles are read, never executed.
    """
    path = Path(path)
    source = _archive(path, partial) if path.is_file() else _folder(path)
    parts, notes = [], []
    for name in batches:
        require(name in BATCHES, f"CIFAR-10 batch {name!r}: allowed are {', '.join(BATCHES)}")
        images, labels = source(name)
        require(
            bool((labels <= 9).all()), f"CIFAR-10 batch {name} of {path} has label {labels.max()}: allowed are 0 ... 9"
        )
        if len(labels) != WHOLE:
            found = f"{name}: {len(labels):,} of {WHOLE:,} images"
            require(
                partial,
                f"CIFAR-10 in {path} is not whole ({found}): allowed are official batches, or others with --partial",
            )
            notes.append(found)
        parts.append((images, labels))
    return Cifar10(np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts]), tuple(notes))


Batch = tuple[NDArray[np.uint8], NDArray[np.uint8]]


def _folder(folder: Path) -> Callable[[str], Batch]:
    """Reader of batches in a folder, binary before Python."""
    require(folder.is_dir(), f"no such CIFAR-10 folder: {folder}")
    places = [inner for name in (FOLDER, PYTHON_FOLDER) if (inner := folder / name).is_dir()] or [folder]

    def read(name: str) -> Batch:
        for inner in places:
            for file, decode in ((inner / f"{name}.bin", _binary), (inner / name, _python)):
                if file.is_file():
                    try:
                        return decode(file.read_bytes(), str(file))
                    except OSError as error:
                        raise InputError(f"cannot read CIFAR-10 batch {file}: {error.strerror}") from None
        raise InputError(f"no CIFAR-10 batch {name}.bin or {name} in {' or '.join(map(str, places))}")

    return read


def _archive(path: Path, partial: bool) -> Callable[[str], Batch]:
    """Reader of batches in a tar archive, compressed or not."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "md5").hexdigest()
    if not partial:
        known = " or ".join(f"{name} {md5}" for name, md5 in ARCHIVES.items())
        require(
            digest in ARCHIVES.values(), f"CIFAR-10 archive {path} has MD5 {digest} (truncated?): allowed is {known}"
        )

    @cache
    def members() -> dict[str, bytes]:
        found = {}
        try:
            with tarfile.open(path) as archive:
                for member in archive:
                    name = Path(member.name).name
                    content = archive.extractfile(member) if name.removesuffix(".bin") in BATCHES else None
                    if content is not None:
                        found[name] = content.read()
        except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
            raise InputError(f"cannot read CIFAR-10 archive {path}: {' '.join(str(error).split())}") from None
        return found

    def read(name: str) -> Batch:
        for file, decode in ((f"{name}.bin", _binary), (name, _python)):
            if file in members():
                return decode(members()[file], f"{path}: {file}")
        raise InputError(f"no CIFAR-10 batch {name}.bin or {name} in {path}")

    return read


def _binary(content: bytes, where: str) -> Batch:
    require(
        len(content) > 0 and len(content) % RECORD == 0,
        f"CIFAR-10 batch {where} has {len(content)} bytes: allowed is a positive multiple of {RECORD} (truncated?)",
    )
    records = np.frombuffer(content, np.uint8).reshape(-1, RECORD)
    return records[:, 1:].reshape(-1, 3, 32, 32).copy(), records[:, 0].copy()


def _python(content: bytes, where: str) -> Batch:
    pixels, labels = read_python_batch(content, where)
    return np.frombuffer(pixels, np.uint8).reshape(-1, 3, 32, 32).copy(), np.array(labels, np.uint8)
