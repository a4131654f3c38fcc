"""SciPy's transforms in the place of cuFFT's."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft


class ScipyTransforms:
    """As `deep_check.cuda.transforms.Transforms`, on NumPy arrays."""

    def forward(self, images: NDArray[Any], spectra: NDArray[Any]) -> None:
        """Fill spectra."""
        spectra.view(np.complex64)[..., 0] = fft.rfft2(images)

    def inverse(self, spectra: NDArray[Any], images: NDArray[Any]) -> None:
        """Fill images; the spectra are lost, as cuFFT's are."""
        images[...] = fft.irfft2(spectra.view(np.complex64)[..., 0], images.shape[1:], norm="forward")
        spectra[...] = np.nan
