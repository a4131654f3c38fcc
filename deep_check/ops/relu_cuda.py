"""ReLU on a CUDA device; see relu_reference. Arrays are float32 of any one shape."""

from __future__ import annotations

from typing import Any

import numpy as np

from deep_check.cuda.device import Device
from deep_check.ops.conv2d_tiles import ceil_div
from deep_check.ops.launching import launch, launch_fours


def relu(device: Device, x: Any, y: Any) -> None:
    """Y = max(x, 0); y may be x."""
    launch_fours(device, "relu", (x, y))


def relu_gradient(device: Device, d_y: Any, y: Any, d_x: Any) -> None:
    """d_x = d_y where y is positive, 0 elsewhere; d_x may be d_y."""
    launch_fours(device, "relu_gradient", (d_y, y, d_x))


def pack_signs(device: Device, y: Any, bits: Any) -> None:
    """bits (n, c, h, ceil(w/8)) uint8: 1 where y (n, c, h, w) is positive, laid out as conv2d_epilogue.cuh says."""
    n_rows, width = y.shape[0] * y.shape[1] * y.shape[2], y.shape[3]
    launch(device, "pack_signs", n_rows * ceil_div(width, 8), (y, np.int64(n_rows), np.int32(width), bits))
