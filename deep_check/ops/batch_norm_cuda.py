"""Batch normalisation on a CUDA device; see batch_norm_reference. x, y and their gradients are float32 (n, c, h, w)."""

from __future__ import annotations

from typing import Any

import numpy as np

from deep_check.architecture import MOMENTUM
from deep_check.cuda.device import Device
from deep_check.ops.conv2d_tiles import ceil_div
from deep_check.ops.kernel_families import BATCH_NORM_TILE, MAX_SPLITS, RESIDUALS, THREADS, normalise_kernel
from deep_check.ops.relu_cuda import pack_signs

SCRATCH = 2 * MAX_SPLITS  # float32 numbers a channel that the functions below need while they run


def batch_norm_training(
    device: Device,
    x: Any,
    scale: Any,
    shift: Any,
    epsilon: float,
    y: Any,
    mean: Any,
    variance: Any,
    scratch: Any,
    *,
    residual: Any = None,
    relu: bool = False,
    running: tuple[Any, Any] | None = None,
    momentum: float = MOMENTUM,
    bits: Any = None,
) -> None:
    """Fill y, mean (c,) and the biased variance (c,); scratch: (c, SCRATCH) float32.

    residual, with relu only: added before ReLU; an array as y, or one of half as many channels whose shortcut is taken.
    running: mean and variance (c,) to be moved by `momentum` [batch_norm_reference.running_statistics].
    bits, with relu only: the sign bits of y are written there too [relu_cuda.pack_signs].
    """
    n, channels, height, width = x.shape
    plane, split = height * width, _split(x)
    n_splits, vector = ceil_div(n * plane, split), _width(x)
    sizes = np.int32(n), np.int32(channels), np.int32(plane)
    name = f"batch_norm_statistics<{vector}>"
    device.launch(name, (n_splits, channels), (THREADS,), (x, *sizes, np.int32(split), scratch))
    kind = "NO_RESIDUAL" if residual is None else "IDENTITY" if residual.shape == x.shape else "SUBSAMPLED"
    added = x if residual is None else residual
    at_once = bits is not None and width % 8 == 0
    arguments = (
        x, scale, shift, np.float32(epsilon), scratch, np.int32(n_splits), np.int32(split), *sizes,
        added, np.int32(added.shape[2]), np.int32(added.shape[3]), mean, variance,
        *(running or (mean, variance)), np.float32(momentum if running else 0), y, np.int32(at_once),
        bits if at_once else scratch.view(np.uint8),
    )  # fmt: skip
    device.launch(normalise_kernel(vector, RESIDUALS.index(kind), relu), _tiles(x), (THREADS,), arguments)
    if bits is not None and not at_once:
        pack_signs(device, y, bits)


def batch_norm_evaluation(
    device: Device, x: Any, scale: Any, shift: Any, mean: Any, variance: Any, epsilon: float, y: Any
) -> None:
    """Fill y with given statistics; y may be x."""
    n, channels, height, width = x.shape
    sizes = np.int32(n), np.int32(channels), np.int32(height * width)
    arguments = (x, scale, shift, mean, variance, np.float32(epsilon), *sizes, y)
    device.launch(f"batch_norm_evaluation<{_width(x)}>", _tiles(x), (THREADS,), arguments)


def batch_norm_gradient(
    device: Device,
    d_y: Any,
    x: Any,
    scale: Any,
    mean: Any,
    variance: Any,
    epsilon: float,
    d_x: Any,
    d_scale: Any,
    d_shift: Any,
    scratch: Any,
) -> None:
    """Fill d_x, d_scale (c,), d_shift (c,), through the batch statistics; d_x may be d_y; scratch: (c, SCRATCH)."""
    n, channels, height, width = x.shape
    plane, split = height * width, _split(x)
    n_splits, vector = ceil_div(n * plane, split), _width(x)
    sizes = np.int32(n), np.int32(channels), np.int32(plane)
    arguments = (d_y, x, mean, *sizes, np.int32(split), scratch)
    device.launch(f"batch_norm_gradient_sums<{vector}>", (n_splits, channels), (THREADS,), arguments)
    device.launch(
        f"batch_norm_gradient<{vector}>",
        _tiles(x),
        (THREADS,),
        (
            d_y, x, scale, mean, variance, np.float32(epsilon), scratch, np.int32(n_splits), *sizes,
            d_x, d_scale, d_shift,
        ),
    )  # fmt: skip


def _width(x: Any) -> int:
    """How many neighbours a thread takes: no 16 bytes may lie in two planes."""
    return 4 if x.shape[2] * x.shape[3] % 4 == 0 else 1


def _tiles(x: Any) -> tuple[int, int]:
    return ceil_div(x.shape[0] * x.shape[2] * x.shape[3], BATCH_NORM_TILE), x.shape[1]


def _split(x: Any) -> int:
    """Numbers of a channel that one block sums: whole tiles, and never more than MAX_SPLITS of them."""
    total = x.shape[0] * x.shape[2] * x.shape[3]
    return BATCH_NORM_TILE * ceil_div(total, BATCH_NORM_TILE * MAX_SPLITS)
