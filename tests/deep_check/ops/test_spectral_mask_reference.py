"""The reference filter: SciPy's FFT, theory_sim's filter, a projection; single waves pass or vanish."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import fft

from deep_check.ops.spectral_mask_reference import MASKS, low_pass
from tests.deep_check.derivatives import assert_adjoint
from tests.helpers import assert_close, assert_differs
from theory_sim.errors import InputError
from theory_sim.spectrum import Band, low_pass_filter

SHAPES = [(1, 1, 1, 1), (2, 3, 8, 8), (1, 2, 7, 5), (2, 1, 5, 6)]


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("cutoff", [0, 1, 2.3, 30])
def test_is_the_filter_by_fft(shape: tuple[int, ...], cutoff: float, mask: str) -> None:
    images = np.random.default_rng(shape).standard_normal(shape)
    n, c, h, w = shape
    k1, k2 = fft.fftfreq(h, 1 / h)[:, None], fft.fftfreq(w, 1 / w)[None, :]
    radius = np.hypot(k1, k2) if mask == "disc" else np.maximum(np.abs(k1), np.abs(k2))
    expected = fft.ifft2(np.where(radius <= cutoff, fft.fft2(images), 0)).real
    actual = low_pass(images, cutoff, mask)
    assert_close("FFT", actual, expected, "spectrum", scale=1.0)
    band = Band((c, h, w), cutoff, mask="disc" if mask == "disc" else "square")
    assert_close(
        "theory_sim", low_pass_filter(images.reshape(n, -1), band).reshape(shape), expected, "spectrum", scale=1.0
    )
    assert_close("projection", low_pass(actual, cutoff, mask), actual, "spectrum", scale=1.0)
    assert_adjoint("self-adjoint", lambda v: low_pass(v, cutoff, mask), lambda u: low_pass(u, cutoff, mask), shape)
    if cutoff == 30:
        assert_close("everything", actual, images, "spectrum", scale=1.0)
    if cutoff == 0:
        assert_close(
            "the mean", actual, np.broadcast_to(images.mean((2, 3), keepdims=True), shape), "spectrum", scale=1.0
        )


def test_waves_pass_up_to_the_cutoff_itself() -> None:
    """cos(2π(3y + 4x)/16): radius 5, largest index 4."""
    y, x = np.mgrid[:16, :16]
    wave = np.cos(2 * np.pi * (3 * y + 4 * x) / 16)[None, None]
    assert_close("kept", low_pass(wave, 5.0), wave, "spectrum")
    assert_close("lost", low_pass(wave, 4.99), np.zeros_like(wave), "spectrum", scale=1.0)
    assert_close("square keeps", low_pass(wave, 4.0, "square"), wave, "spectrum")
    assert_differs("disc loses", low_pass(wave, 4.0), wave, "spectrum")


def test_bad_values_are_named() -> None:
    images = np.zeros((1, 1, 4, 4))
    for cutoff in (-1.0, float("nan"), float("inf")):
        with pytest.raises(InputError, match=r"finite number >= 0"):
            low_pass(images, cutoff)
    with pytest.raises(InputError, match=r"'ring'.*disc, square"):
        low_pass(images, 1, "ring")
