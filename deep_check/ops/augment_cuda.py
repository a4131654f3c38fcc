"""Random crop and flip on a CUDA device, the random numbers given; see augment_reference."""

from __future__ import annotations

from typing import Any

import numpy as np

from deep_check.cuda.device import Device
from deep_check.ops.conv2d_tiles import ceil_div
from deep_check.ops.launching import launch


def augment(device: Device, images: Any, offsets: Any, flips: Any, out: Any, padding: int = 4) -> None:
    """Fill out from images, both (n, c, h, w) float32; offsets: (n, 2) int32; flips: (n,) uint8, 0 or 1."""
    n, channels, height, width = images.shape
    sizes = (np.int32(size) for size in (n, channels, height, width, padding))
    arguments = (images, offsets, flips, *sizes, out)
    launch(device, "augment", n * channels * height * ceil_div(width, 4), arguments)
