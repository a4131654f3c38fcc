"""Power-law signals: exact amplitudes, uniform phases, Eq. 2 by an explicit sum."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from tests.helpers import assert_close
from theory_sim.inputs import eq2_margin, power_law_signal
from theory_sim.inputs.power_law import power_law_amplitudes

RNG = np.random.default_rng


@pytest.mark.parametrize("alpha", [1.0, 1.7, 3.0])
@pytest.mark.parametrize("dim", [2, 3, 8, 9, 64, 257])
def test_amplitudes_are_exactly_the_stated_ones(dim: int, alpha: float) -> None:
    """All d bins of NumPy's full transform: |x̂[k]| = |x̂[d-k]| = k^-α, |x̂[0]| = α₀."""
    x = power_law_signal(dim, alpha, 0.7, RNG(dim))
    full = np.abs(np.fft.fft(x))
    k = np.minimum(np.arange(dim), dim - np.arange(dim)).astype(float)
    k[0] = 1
    expected = k**-alpha
    expected[0] = 0.7
    assert_close("|x̂|", full, expected, "round_off")
    assert x.shape == (dim,)
    assert np.isrealobj(x)


def test_phases_are_uniform_and_self_conjugate_bins_get_random_signs() -> None:
    spectra = np.array([np.fft.rfft(power_law_signal(8, 1.0, 1.0, RNG(s))) for s in range(2000)])
    for k in (1, 2, 3):
        phase = np.angle(spectra[:, k]) / (2 * np.pi) + 0.5
        assert stats.kstest(phase, "uniform").pvalue > 1e-3, k
    for k in (0, 4):
        positive = int((spectra[:, k].real > 0).sum())
        assert stats.binomtest(positive, 2000).pvalue > 1e-3, k
    joint = stats.pearsonr(np.angle(spectra[:, 1]), np.angle(spectra[:, 2]))
    assert joint.pvalue > 1e-3


def test_same_seed_same_signal() -> None:
    np.testing.assert_array_equal(power_law_signal(33, 1.2, 1.0, RNG(1)), power_law_signal(33, 1.2, 1.0, RNG(1)))


@pytest.mark.parametrize("dim", [9, 10])
def test_eq2_margin_is_the_explicit_sum(dim: int) -> None:
    for alpha, alpha0, cutoff in ((1.0, 0.5, 1), (2.0, 0.0, 3), (1.0, 0.0, 1.5)):
        low = sum(k ** (-2 * alpha) for k in range(1, dim // 2 + 1) if k <= cutoff)
        high = sum(k ** (-2 * alpha) for k in range(1, dim // 2 + 1) if k > cutoff)
        assert_close("eq2", eq2_margin(dim, alpha, alpha0, cutoff), low + alpha0**2 - high, "round_off")


def test_eq2_fails_for_a_flat_long_spectrum_below_its_first_bin() -> None:
    """With the zero frequency alone in the low band (k_c < 1) and α₀ = 0 the condition must fail."""
    assert eq2_margin(257, 1.0, 0.0, 0.5) < 0 < eq2_margin(257, 1.0, 0.0, 1)


def test_amplitudes_have_one_bin_for_zero_and_one_for_each_pair() -> None:
    assert_close("odd", power_law_amplitudes(5, 1.0, 2.0), [2.0, 1.0, 0.5], "exact")
    assert_close("even", power_law_amplitudes(6, 1.0, 2.0), [2.0, 1.0, 0.5, 1 / 3], "round_off")
