"""Two-dimensional Fourier transforms of planes on a CUDA device: cuFFT through CuPy, planned once."""

from __future__ import annotations

from typing import Any, Protocol


class Transforms(Protocol):
    """Transforms of (planes, height, width) float32 to and from half spectra (planes, height, width//2 + 1, 2).

    The last axis of a spectrum holds real and imaginary part. Neither direction is normalised. No allocation inside.
    """

    def forward(self, images: Any, spectra: Any) -> None:
        """Fill spectra."""

    def inverse(self, spectra: Any, images: Any) -> None:
        """Fill images; the spectra are lost."""


class CupyTransforms:
    """cuFFT in CuPy's current stream."""

    def __init__(self, cupy: Any, planes: int, height: int, width: int) -> None:
        """Plans for one shape."""
        from cupy.cuda import cufft
        from cupyx.scipy.fft import get_fft_plan

        images = cupy.empty((planes, height, width), "f4")
        spectra = cupy.empty((planes, height, width // 2 + 1), "c8")
        self._to = get_fft_plan(images, axes=(1, 2), value_type="R2C")
        self._from = get_fft_plan(spectra, shape=(height, width), axes=(1, 2), value_type="C2R")
        self._directions = cufft.CUFFT_FORWARD, cufft.CUFFT_INVERSE

    def forward(self, images: Any, spectra: Any) -> None:
        """Fill spectra."""
        self._to.fft(images, spectra.view("c8"), self._directions[0])

    def inverse(self, spectra: Any, images: Any) -> None:
        """Fill images; the spectra are lost."""
        self._from.fft(spectra.view("c8"), images, self._directions[1])
