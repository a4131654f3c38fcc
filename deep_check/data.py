"""CIFAR-10 as networks take it, and digests by which stored numbers know what they were measured on."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deep_check.fetch import default_folder
from theory_sim.errors import require
from theory_sim.inputs.cifar10 import FOLDER, PYTHON_FOLDER, load_cifar10

Array = NDArray[np.float32]


def find_data(path: Path | None = None) -> Path:
    """The path itself if one is given, else the folder that `fetch` fills. Raises InputError if that is empty."""
    if path is not None:
        return path
    folder = default_folder()
    there = any((folder / inner).is_dir() for inner in (FOLDER, PYTHON_FOLDER))
    require(there, "CIFAR-10 is not at hand: allowed is --data FOLDER, or `python -m deep_check fetch` before")
    return folder


def read_test_images(
    path: Path, partial: bool = False, limit: int | None = None
) -> tuple[Array, NDArray[np.int64], tuple[str, ...]]:
    """Test images (n, 3, 32, 32) float32 in [0, 1], labels (n,), and notes on what is not whole.

    limit: only the first so many. Raises InputError as `load_cifar10`, and on a limit beyond the images that are there.
    """
    data = load_cifar10(path, partial=partial)
    there = len(data.labels)
    require(limit is None or 1 <= limit <= there, f"limit {limit}: allowed is 1 ... {there:,}")
    images = (data.images[:limit] / np.float64(255)).astype(np.float32)
    return images, data.labels[:limit].astype(np.int64), data.notes


def digest(arrays: Mapping[str, NDArray[Any]]) -> str:
    """SHA-256 of names, types, shapes and contents, 16 hexadecimal digits."""
    found = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        found.update(f"{name} {array.dtype.str} {array.shape}\0".encode() + np.ascontiguousarray(array).tobytes())
    return found.hexdigest()[:16]
