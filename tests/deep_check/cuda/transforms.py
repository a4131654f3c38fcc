"""SciPy's transforms in the place of cuFFT's."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft


class ScipyTransforms:
    """As `deep_check.cuda.transforms.Transforms`, on NumPy arrays; `run` is given what there is to do."""

    def __init__(self, run: Callable[[Callable[[], None]], None]) -> None:
        self._run = run

    def forward(self, images: NDArray[Any], spectra: NDArray[Any]) -> None:
        """Fill spectra."""
        self._run(partial(_forward, images, spectra))

    def inverse(self, spectra: NDArray[Any], images: NDArray[Any]) -> None:
        """Fill images; the spectra are lost, as cuFFT's are."""
        self._run(partial(_inverse, spectra, images))


def _forward(images: NDArray[Any], spectra: NDArray[Any]) -> None:
    spectra.view(np.complex64)[..., 0] = fft.rfft2(images)


def _inverse(spectra: NDArray[Any], images: NDArray[Any]) -> None:
    images[...] = fft.irfft2(spectra.view(np.complex64)[..., 0], images.shape[1:], norm="forward")
    spectra[...] = np.nan
