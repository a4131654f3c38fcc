"""The linear layer on a CUDA device; see linear_reference. Arrays are float32."""

from __future__ import annotations

from typing import Any

import numpy as np

from deep_check.cuda.device import Device
from deep_check.ops.conv2d_tiles import ceil_div
from deep_check.ops.kernel_families import MATRIX_TILE, THREADS


def linear(device: Device, x: Any, weight: Any, bias: Any, y: Any) -> None:
    """Y (n, k) = x (n, c) · weight (k, c)ᵀ + bias (k,)."""
    channels = weight.shape[1]
    _multiply(device, x, (channels, 1), weight, (1, channels), channels, y, bias=bias)


def linear_input_gradient(device: Device, d_y: Any, weight: Any, d_x: Any) -> None:
    """d_x (n, c) of d_y (n, k)."""
    outputs, channels = weight.shape
    _multiply(device, d_y, (outputs, 1), weight, (channels, 1), outputs, d_x)


def linear_gradient(device: Device, d_y: Any, x: Any, weight: Any, d_x: Any, d_weight: Any, d_bias: Any) -> None:
    """d_x (n, c), d_weight (k, c), d_bias (k,) of d_y (n, k); the last two summed over the images."""
    linear_input_gradient(device, d_y, weight, d_x)
    outputs, channels = weight.shape
    _multiply(device, d_y, (1, outputs), x, (channels, 1), x.shape[0], d_weight, sums=d_bias)


def _multiply(
    device: Device,
    a: Any,
    a_strides: tuple[int, int],
    b: Any,
    b_strides: tuple[int, int],
    terms: int,
    y: Any,
    bias: Any = None,
    sums: Any = None,
) -> None:
    """Y = a b + bias, and sums of a's rows; strides in elements say what is transposed."""
    rows, columns = y.shape
    sizes = (np.int32(size) for size in (rows, terms, columns))
    arguments = (
        a, *map(np.int32, a_strides), b, *map(np.int32, b_strides), *sizes, np.int32(bias is not None),
        y if bias is None else bias, y, np.int32(sums is not None), y if sums is None else sums,
    )  # fmt: skip
    grid = (ceil_div(columns, MATRIX_TILE) + (sums is not None), ceil_div(rows, MATRIX_TILE))
    if rows > 0:
        device.launch("multiply", grid, (THREADS,), arguments)
