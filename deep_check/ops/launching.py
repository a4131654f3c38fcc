"""Grids of the CUDA kernels that take a thread, a four of numbers or a warp each."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from deep_check.cuda.device import Device
from deep_check.ops.conv2d_tiles import ceil_div
from deep_check.ops.kernel_families import THREADS


def launch(device: Device, kernel: str, n_threads: int, arguments: Sequence[Any]) -> None:
    """Run a kernel with one thread for each of n_threads things; nothing if there is none."""
    if n_threads > 0:
        device.launch(kernel, (ceil_div(n_threads, THREADS),), (THREADS,), arguments)


def launch_fours(device: Device, kernel: str, arrays: Sequence[Any], *scalars: Any) -> None:
    """Run an elementwise kernel, (arrays[:-1], scalars, arrays[-1], size): every array has as many numbers."""
    size = prod(arrays[-1].shape)
    launch(device, kernel, ceil_div(size, 4), (*arrays[:-1], *scalars, arrays[-1], np.int64(size)))


def gather(device: Device, values: Any, places: Any, out: Any) -> None:
    """out[i] = values[places[i]], 0 where places[i] < 0; flat float32 arrays and int32 places."""
    size = out.shape[0]
    launch(device, "gather", size, (values, places, np.int64(size), out))
