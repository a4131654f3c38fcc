"""CIFAR-10 in its official binary layout (data_batch_1..5.bin, test_batch.bin)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from theory_sim.errors import InputError, require

RECORD = 3073  # one label byte, then 3·32·32 bytes: red, green, blue planes, row by row
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
FOLDER = "cifar-10-batches-bin"


@dataclass(frozen=True)
class Cifar10:
    """images: uint8 (n, 3, 32, 32); labels: uint8 (n,), indices into CLASSES."""

    images: NDArray[np.uint8]
    labels: NDArray[np.uint8]


def load_cifar10(folder: Path, batches: tuple[str, ...] = ("test_batch",)) -> Cifar10:
    """Read batches ("data_batch_1" ... "data_batch_5", "test_batch") from the official folder or its parent.

    Raises InputError if the folder or a batch is missing, truncated, empty, or holds a label above 9.
    """
    folder = Path(folder)
    inner = folder / FOLDER if (folder / FOLDER).is_dir() else folder
    require(inner.is_dir(), f"no such CIFAR-10 folder: {folder}")
    parts = [_read_batch(inner / f"{name}.bin") for name in batches]
    return Cifar10(np.concatenate([p.images for p in parts]), np.concatenate([p.labels for p in parts]))


def _read_batch(path: Path) -> Cifar10:
    try:
        raw = np.fromfile(path, dtype=np.uint8)
    except OSError as error:
        raise InputError(f"cannot read CIFAR-10 batch {path}: {error.strerror}") from None
    require(
        raw.size > 0 and raw.size % RECORD == 0,
        f"CIFAR-10 batch {path} has {raw.size} bytes: allowed is a positive multiple of {RECORD} (truncated file?)",
    )
    records = raw.reshape(-1, RECORD)
    labels = records[:, 0].copy()
    require(bool((labels <= 9).all()), f"CIFAR-10 batch {path} has label {labels.max()}: allowed are 0 ... 9")
    return Cifar10(records[:, 1:].reshape(-1, 3, 32, 32).copy(), labels)
