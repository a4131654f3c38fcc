"""Images to be classified: files, folders, arrays and CIFAR-10, as float32 (3, size, size) in [0, 1]."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from deep_check.architecture import Architecture
from deep_check.checks import check_images, check_unit_range
from theory_sim.errors import InputError, require
from theory_sim.inputs.cifar10 import BATCHES, FOLDER, PYTHON_FOLDER, load_cifar10
from theory_sim.inputs.pictures import SUFFIXES

Array = NDArray[np.float32]
CHANNELS = 3


@dataclass(frozen=True)
class Pictures:
    """Named images, read when they are needed.

    labels: (n,) integers where they are known, as of CIFAR-10; notes: what is not whole.
    """

    names: Sequence[str]
    read: Callable[[int], Array]
    labels: NDArray[np.uint8] | None = None
    notes: tuple[str, ...] = ()

    def batches(self, n: int) -> Iterator[tuple[slice, Array]]:
        """Which images, and these (n or fewer, 3, size, size), until all have been read."""
        for first in range(0, len(self.names), n):
            own = slice(first, min(first + n, len(self.names)))
            yield own, np.stack([self.read(i) for i in range(own.start, own.stop)])


def find_pictures(paths: Sequence[Path], size: int, resize: bool = False, partial_cifar10: bool = False) -> Pictures:
    """Image files, folders of image files, .npy arrays (n, 3, size, size), or CIFAR-10 alone (its test set).

    resize: images of another size are cut to a centred square and scaled, otherwise they are refused when they are
    read. partial_cifar10: as load_cifar10's `partial`. Raises InputError where nothing is there to read.
    """
    names: list[str] = []
    readers: list[Callable[[], Array]] = []
    for path in paths:
        if _is_cifar10(path):
            require(len(paths) == 1, f"{path} is CIFAR-10: allowed is it alone, not beside other images")
            return _cifar10(path, partial_cifar10)
        for name, reader in _of_path(path, size, resize):
            names.append(name)
            readers.append(reader)
    return Pictures(names, lambda i: readers[i]())


def read_picture(path: Path, size: int, resize: bool) -> Array:
    """An image file as (3, size, size) in [0, 1]; grey becomes three equal channels, 16 bits are kept.

    Raises InputError, naming the file, if it cannot be read, has another size and is not to be resized, is transparent
    anywhere, or has floating-point pixels outside of [0, 1].
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of damaged metadata
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                require(
                    resize or image.size == (size, size),
                    f"image {path} has {image.width}x{image.height} pixels: allowed is {size}x{size}, or --resize",
                )
                pixels = _pixels(path, ImageOps.exif_transpose(image))
    except (InputError, MemoryError):
        raise
    except Exception as error:  # a damaged file makes Pillow raise almost anything
        raise InputError(f"cannot read image {path}: {' '.join(str(error).split())[:120]}") from None
    if pixels.shape[1:] != (size, size):
        # The triangle filter averages where it shrinks, and never leaves the range of the pixels.
        fit = partial(ImageOps.fit, size=(size, size), method=Image.Resampling.BILINEAR)
        pixels = np.stack([np.asarray(fit(Image.fromarray(channel))) for channel in pixels])
    return np.ascontiguousarray(pixels, np.float32)


def _pixels(path: Path, image: Image.Image) -> Array:
    """(3, height, width) in [0, 1]."""
    if image.mode == "F" or image.mode.startswith("I"):
        grey = np.asarray(image, dtype=float) / (1 if image.mode == "F" else 65535)
        outside = ~((grey >= 0) & (grey <= 1))
        if outside.any():
            row, column = (int(i) for i in np.argwhere(outside)[0])
            raise InputError(f"image {path}: pixel ({row}, {column}) is {grey[row, column]:g}, allowed is [0, 1]")
        return np.repeat(grey[None].astype(np.float32), CHANNELS, axis=0)
    if image.has_transparency_data:
        alpha = np.asarray(image.convert("RGBA"))[..., 3]
        require(bool((alpha == 255).all()), f"image {path} has transparent pixels: allowed are opaque images")
    return (np.asarray(image.convert("RGB")).transpose(2, 0, 1) / 255).astype(np.float32)


def _of_path(path: Path, size: int, resize: bool) -> list[tuple[str, Callable[[], Array]]]:
    if path.is_dir():
        files = sorted(p for p in path.iterdir() if p.suffix.lower() in SUFFIXES and p.is_file())
        allowed = f"{', '.join(sorted(SUFFIXES))}, or batches of CIFAR-10"
        require(bool(files), f"no image files in {path}: allowed are {allowed}")
        return [(str(file), partial(read_picture, file, size, resize)) for file in files]
    require(path.exists(), f"no such image file or folder: {path}")
    require(path.is_file(), f"image {path}: is no file")  # a pipe would be waited for
    if path.suffix.lower() == ".npy":
        images = _array(path, size)
        return [(f"{path}[{i}]", partial(images.__getitem__, i)) for i in range(len(images))]
    return [(str(path), partial(read_picture, path, size, resize))]


def _array(path: Path, size: int) -> Any:
    try:
        stored = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError, MemoryError) as error:
        reason = (
            error.strerror
            if isinstance(error, OSError) and error.strerror
            else "no array, damaged, a pickle, or too large"
        )
        raise InputError(f"cannot read images {path}: {reason}") from None
    try:
        images = check_images(stored, Architecture(in_channels=CHANNELS, size=size))
        check_unit_range(images)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    return images


def _is_cifar10(path: Path) -> bool:
    """An official archive, or a folder with a batch in it."""
    if path.is_file():
        return path.name.lower().endswith((".tar", ".tar.gz", ".tgz"))
    files = [f"{name}{suffix}" for name in BATCHES for suffix in ("", ".bin")]
    return any((folder / file).is_file() for folder in (path, path / FOLDER, path / PYTHON_FOLDER) for file in files)


def _cifar10(path: Path, partial_too: bool) -> Pictures:
    data = load_cifar10(path, partial=partial_too)
    names = [f"test_batch[{i}]" for i in range(len(data.labels))]
    return Pictures(names, lambda i: (data.images[i] / 255).astype(np.float32), data.labels, data.notes)
