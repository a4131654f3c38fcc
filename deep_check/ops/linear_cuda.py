"""The linear layer on a CUDA device; see linear_reference. Arrays are float32."""

from __future__ import annotations

from typing import Any

import numpy as np

from deep_check.cuda.device import Device
from deep_check.ops.conv2d_tiles import ceil_div
from deep_check.ops.kernel_families import THREADS
from deep_check.ops.launching import launch


def linear(device: Device, x: Any, weight: Any, bias: Any, y: Any) -> None:
    """Y (n, k) = x (n, c) · weight (k, c)ᵀ + bias (k,)."""
    sizes = _sizes(x, weight)
    launch(device, "linear", 32 * y.shape[0] * y.shape[1], (x, weight, bias, *sizes, y))


def linear_input_gradient(device: Device, d_y: Any, weight: Any, d_x: Any) -> None:
    """d_x (n, c) of d_y (n, k)."""
    launch(device, "linear_input_gradient", d_x.shape[0] * d_x.shape[1], (d_y, weight, *_sizes(d_x, weight), d_x))


def linear_gradient(device: Device, d_y: Any, x: Any, weight: Any, d_x: Any, d_weight: Any, d_bias: Any) -> None:
    """d_x (n, c), d_weight (k, c), d_bias (k,) of d_y (n, k); the last two summed over the images."""
    linear_input_gradient(device, d_y, weight, d_x)
    outputs, channels = weight.shape
    grid = (ceil_div(channels + 1, 32), outputs)
    device.launch("linear_weight_gradient", grid, (THREADS,), (d_y, x, *_sizes(x, weight), d_weight, d_bias))


def _sizes(x: Any, weight: Any) -> tuple[np.int32, ...]:
    """n, c, k."""
    return np.int32(x.shape[0]), np.int32(x.shape[1]), np.int32(weight.shape[0])
