"""What a user hands in, checked at the door: images, labels, seeds, devices. Everything behind it trusts its input."""

from __future__ import annotations

from importlib.metadata import distributions
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deep_check.architecture import Architecture
from deep_check.ops.conv2d_tiles import PRECISIONS
from deep_check.ops.loss_reference import LOSSES
from theory_sim.errors import InputError, require
from theory_sim.gpu import lacking_gpu

DEVICES = ("auto", "cpu", "cuda")
_TYPES = "float32, float64 and float16 that float32 holds exactly, uint8 (divided by 255)"


def on_gpu(array: Any) -> bool:
    """Whether this is a CuPy array."""
    return type(array).__module__.partition(".")[0] == "cupy"


def check_images(images: ArrayLike, architecture: Architecture) -> NDArray[np.float32]:
    """Images (n, c, h, w) as contiguous float32, as they are if they already are that; CuPy arrays stay CuPy's.

    The network takes floating-point images in units of the full range (0 black, 1 white; filtered images may lie
    outside). float64 and float16 are converted where float32 holds every number exactly; uint8 is divided by 255, each
    value being the float32 nearest to the quotient. Raises InputError on any other shape or type, on no images, and on
    NaN or infinity, which is named with its index.
    """
    given = _array(images, "images")
    n_channels, size = architecture.in_channels, architecture.size
    allowed = f"allowed is (n >= 1, {n_channels}, {size}, {size})"
    if given.shape[1:] != (n_channels, size, size) or len(given) == 0:
        hint = ""
        if given.shape == (n_channels, size, size):
            hint = "; one image is images[None]"
        elif given.shape[1:] == (size, size, n_channels):
            hint = "; channels come before rows"
        raise InputError(f"images of shape {given.shape}: {allowed}{hint}")
    if given.dtype == np.uint8:
        return (given / np.float64(255)).astype(np.float32, order="C")
    require(given.dtype in (np.float32, np.float64, np.float16), f"images of type {given.dtype}: allowed are {_TYPES}")
    _require_finite(given)
    with np.errstate(over="ignore", under="ignore"):
        single = given.astype(np.float32, order="C", copy=False)
    if given.dtype == np.float64 and not np.array_equal(single, given):
        place = _first(single != given)
        raise InputError(
            f"images{list(place)} is {float(given[place])!r}, which float32 does not hold: "
            f"allowed are {_TYPES}; round with images.astype('float32')"
        )
    return single


def check_unit_range(images: NDArray[np.float32], allowed: str = "[0, 1]") -> None:
    """Raise InputError, naming the first pixel, unless all are in [0, 1]: where images are still pictures."""
    if images.min() < 0 or images.max() > 1:
        place = _first((images < 0) | (images > 1))
        hint = "; pixels in 0 ... 255 are uint8, or divided by 255" if images.max() > 2 else ""
        raise InputError(f"images{list(place)} is {images[place]!s}: allowed is {allowed}{hint}")


def check_labels(labels: ArrayLike, n: int, n_classes: int) -> NDArray[np.int64]:
    """Labels of n images as int64 (n,). Raises InputError unless they are n integers in 0 ... n_classes - 1."""
    given = _array(labels, "labels")
    require(given.shape == (n,), f"labels of shape {given.shape}: allowed is ({n},), one an image")
    require(np.issubdtype(given.dtype, np.integer), f"labels of type {given.dtype}: allowed are integers")
    outside = (given < 0) | (given >= n_classes)
    if outside.any():
        (place,) = _first(outside)
        raise InputError(f"labels[{place}] is {given[place]}: allowed are 0 ... {n_classes - 1}")
    return given.astype(np.int64, order="C", copy=False)


def check_loss(loss: str) -> None:
    """Raise InputError unless a loss has this name."""
    require(loss in LOSSES, f"loss {loss!r}: allowed are {', '.join(LOSSES)}")


def check_precision(precision: str, device: str) -> str:
    """Of convolutions on `cpu` or `cuda`. Raises InputError on another word, and on any but float32 on cpu."""
    allowed = PRECISIONS if device == "cuda" else PRECISIONS[:1]
    require(precision in allowed, f"precision {precision!r}: allowed on device {device} is {', '.join(allowed)}")
    return precision


def check_seed(seed: Any) -> int:
    """A seed as int. Raises InputError unless it is a whole number in 0 ... 2⁶⁴ - 1."""
    whole = isinstance(seed, int | np.integer) and not isinstance(seed, bool)
    require(whole and 0 <= seed < 2**64, f"seed {seed!r}: allowed are whole numbers in 0 ... 2^64 - 1")
    return int(seed)


def check_per_channel(what: str, values: ArrayLike, n_channels: int, *, positive: bool = False) -> NDArray[np.float64]:
    """One number a channel, (n_channels,) float64. Raises InputError on another shape, NaN, and <= 0 if `positive`."""
    allowed = f"{n_channels} {'positive' if positive else 'finite'} numbers, one a channel"
    try:
        given = np.array(values, dtype=float)
    except (TypeError, ValueError):
        raise InputError(f"{what} {values!r}: allowed are {allowed}") from None
    good = given.shape == (n_channels,) and bool(np.isfinite(given).all()) and not (positive and (given <= 0).any())
    require(good, f"{what} {given.tolist()}: allowed are {allowed}")
    return given


def choose_device(word: str) -> str:
    """`cpu` or `cuda`; `auto` is cuda where CuPy finds a GPU.

    Raises InputError on another word, where `cuda` was asked for and cannot be had, and unless `cpu` was asked for
    where two CuPy packages are installed, which break each other.
    """
    require(word in DEVICES, f"device {word!r}: allowed are {', '.join(DEVICES)}")
    if word == "cpu":
        return "cpu"
    installed = cupy_packages()
    if len(installed) > 1:
        raise InputError(
            f"device {word}: {' and '.join(installed)} are both installed and break each other; "
            f"allowed is one: pip uninstall {' '.join(installed)}, then install the one for your driver"
        )
    lacking = lacking_gpu()
    if word == "cuda" and lacking:
        raise InputError(f"device cuda: {lacking}; allowed is cpu")
    return "cpu" if lacking else "cuda"


def cupy_packages() -> list[str]:
    """Names of the installed distributions that provide CuPy, sorted."""
    names = {str(found.metadata["Name"] or "").lower() for found in distributions()}
    return sorted(name for name in names if name == "cupy" or name.startswith(("cupy-cuda", "cupy-rocm")))


def _array(values: Any, what: str) -> NDArray[Any]:
    """A CuPy array as it is, all else as NumPy's; InputError where rows of different lengths make no array."""
    if on_gpu(values):
        return values
    try:
        return np.asarray(values)
    except (TypeError, ValueError):
        raise InputError(f"{what} of type {type(values).__name__}: allowed is an array") from None


def _require_finite(images: NDArray[Any]) -> None:
    good = np.isfinite(images)
    if not good.all():
        place = _first(~good)
        raise InputError(f"images{list(place)} is {images[place]}: allowed are finite numbers")


def _first(where: NDArray[np.bool_]) -> tuple[int, ...]:
    return tuple(int(i) for i in np.argwhere(where)[0])
