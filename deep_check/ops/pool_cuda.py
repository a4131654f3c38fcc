"""Global average pool on a CUDA device; see pool_reference. Arrays are float32."""

from __future__ import annotations

from typing import Any

import numpy as np

from deep_check.cuda.device import Device
from deep_check.ops.conv2d_tiles import ceil_div
from deep_check.ops.launching import launch


def global_average_pool(device: Device, x: Any, y: Any) -> None:
    """Fill y (n, c) from x (n, c, h, w)."""
    n, channels, height, width = x.shape
    launch(device, "global_average_pool", 32 * n * channels, (x, np.int64(n * channels), np.int32(height * width), y))


def global_average_pool_gradient(device: Device, d_y: Any, d_x: Any, bits: Any = None) -> None:
    """Fill d_x (n, c, h, w) from d_y (n, c); bits: sign bits of the pool's input, where that is a ReLU's output.

    The gradient then is that of the ReLU's input.
    """
    n, channels, height, width = d_x.shape
    scalars = np.int64(n * channels), np.int32(height), np.int32(width), np.int32(bits is not None)
    arguments = (d_y, *scalars, d_x.view(np.uint8) if bits is None else bits, d_x)
    launch(device, "global_average_pool_gradient", n * channels * height * ceil_div(width, 4), arguments)
