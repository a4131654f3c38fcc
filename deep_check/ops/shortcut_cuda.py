"""The shortcut where a stage begins, on a CUDA device; see shortcut_reference. Arrays are float32."""

from __future__ import annotations

from typing import Any

import numpy as np

from deep_check.cuda.device import Device
from deep_check.ops.conv2d_tiles import ceil_div
from deep_check.ops.launching import launch


def shortcut(device: Device, x: Any, y: Any) -> None:
    """Fill y (n, 2c, ceil(h/2), ceil(w/2)) from x (n, c, h, w)."""
    n_rows, columns = y.shape[0] * y.shape[1] * y.shape[2], y.shape[3]
    launch(device, "shortcut", n_rows * ceil_div(columns, 4), (x, *(np.int32(size) for size in x.shape), y))


def shortcut_gradient(device: Device, d_y: Any, d_x: Any) -> None:
    """Fill d_x (n, c, h, w) from d_y (n, 2c, ceil(h/2), ceil(w/2))."""
    n_rows, columns = d_x.shape[0] * d_x.shape[1] * d_x.shape[2], d_x.shape[3]
    arguments = (d_y, *(np.int32(size) for size in d_x.shape), d_x)
    launch(device, "shortcut_gradient", n_rows * ceil_div(columns, 4), arguments)
