"""Real images as inputs: any image file or folder, cut into rows (1-D) and square tiles (2-D)."""

from __future__ import annotations

from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from theory_sim.errors import InputError, require

Array = NDArray[np.float64]
SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".gif", ".ppm", ".pgm"}


def _read(path: Path) -> Array:
    try:
        with Image.open(path) as image:
            if image.mode.startswith("I"):  # 16-bit grey: Pillow's own conversion to 8 bits would clip it
                return np.asarray(image, dtype=float) / 65535
            require(
                image.mode != "F", f"cannot read image {path}: allowed are integer pixels, these are floating-point"
            )
            return np.asarray(image.convert("L"), dtype=float) / 255
    except InputError:
        raise
    except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(f"cannot read image {path}: {error}") from None


def sample_picture() -> Array:
    """The photograph that Matplotlib ships, luminance in [0, 1], (height, width)."""
    with as_file(files("matplotlib") / "mpl-data" / "sample_data" / "grace_hopper.jpg") as path:
        return _read(path)


def load_pictures(path: Path) -> list[Array]:
    """Luminance in [0, 1] of an image file, or of every image file of a folder (sorted by name).

    Raises InputError if nothing is there or a file cannot be read.
    """
    path = Path(path)
    if path.is_dir():
        names = sorted(p for p in path.iterdir() if p.suffix.lower() in SUFFIXES)
        require(bool(names), f"no image files in {path}: allowed are {', '.join(sorted(SUFFIXES))}")
        return [_read(p) for p in names]
    require(path.exists(), f"no such image file or folder: {path}")
    return [_read(path)]


def picture_rows(picture: Array, dim: int) -> Array:
    """Non-overlapping pieces of length `dim` of all rows, (n, dim), without constant ones.

    Raises InputError if the picture is narrower than `dim` or every piece is constant.
    """
    width = picture.shape[1]
    require(width >= dim >= 2, f"picture of width {width}: rows of {dim} samples need a width >= {dim}")
    pieces = picture[:, : width // dim * dim].reshape(-1, dim)
    return _varied(pieces, "rows")


def picture_tiles(picture: Array, size: int = 32) -> Array:
    """Non-overlapping square tiles, flattened row by row, (n, size²), without constant ones.

    Raises InputError if the picture is smaller than a tile or every tile is constant.
    """
    height, width = picture.shape
    require(min(height, width) >= size, f"picture of {height}x{width}: tiles of {size}x{size} need at least that size")
    cut = picture[: height // size * size, : width // size * size]
    tiles = cut.reshape(height // size, size, width // size, size).swapaxes(1, 2).reshape(-1, size * size)
    return _varied(tiles, "tiles")


def _varied(pieces: Array, what: str) -> Array:
    kept = pieces[np.ptp(pieces, axis=1) > 0]
    require(len(kept) > 0, f"all {what} of the picture are constant: their spectrum beyond k = 0 vanishes")
    return kept
