"""The low-pass filter on a CUDA device; see spectral_mask_reference.

Which bins are kept, theory_sim.spectrum decides.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from deep_check.cuda.device import Device
from deep_check.ops.conv2d_tiles import ceil_div
from deep_check.ops.launching import launch
from theory_sim.spectrum import Band


class LowPass:
    """DFT of every channel, zero where |k| > cutoff, inverse, for images of one shape (n, c, h, w)."""

    def __init__(
        self, device: Device, shape: tuple[int, int, int, int], cutoff: float, mask: Literal["disc", "square"] = "disc"
    ) -> None:
        """Raises InputError on a negative or non-finite cut-off and on an unknown mask."""
        n, channels, height, width = shape
        kept = Band((height, width), cutoff, mask=mask).is_low
        self._device, self._planes, self._pixels = device, n * channels, height * width
        self._plane_shape = n * channels, height, width
        self._kept = device.send(kept.astype(np.uint8))
        self._n_bins = kept.size
        self._spectra = device.empty((n * channels, height, width // 2 + 1, 2), np.float32)
        self._transforms = device.transforms(n * channels, height, width)

    def __call__(self, images: Any, out: Any) -> None:
        """Fill out from images, both (n, c, h, w) float32; out may be images. No allocation inside."""
        self._transforms.forward(images.reshape(self._plane_shape), self._spectra)
        scalars = np.int64(self._planes), np.int32(self._n_bins), np.float32(1 / self._pixels)
        launch(
            self._device,
            "spectral_mask",
            ceil_div(self._planes * self._n_bins, 2),
            (self._spectra, self._kept, *scalars),
        )
        self._transforms.inverse(self._spectra, out.reshape(self._plane_shape))


def low_pass(device: Device, images: Any, cutoff: float, out: Any, mask: Literal["disc", "square"] = "disc") -> None:
    """Fill out from images once; who filters often keeps a `LowPass`."""
    LowPass(device, images.shape, cutoff, mask)(images, out)
