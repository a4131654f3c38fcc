"""Networks drawn by counter have the laws they are asked for, and are the same in every basis."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from tests.helpers import assert_close
from theory_sim.drawn import WEIGHT_LAWS, draw_outer, draw_piece, draw_power_law, draw_weights
from theory_sim.errors import InputError
from theory_sim.hartley import coefficients, signal_of
from theory_sim.inputs.power_law import power_law_amplitudes
from theory_sim.spectrum import transform


@pytest.mark.parametrize("law", WEIGHT_LAWS)
def test_inner_weights(law: str) -> None:
    weights = draw_weights(4, law, (51,), 400, 0.5)
    assert weights.shape == (400, 51)
    assert abs(weights.std() - 0.5) < 0.5 * 4.5 / np.sqrt(weights.size)
    expected = {"gaussian": stats.norm(0, 0.5), "uniform": stats.uniform(-np.sqrt(0.75), np.sqrt(3))}
    if law in expected:
        assert stats.kstest(weights.ravel(), expected[law].cdf).pvalue > 1e-4
    else:
        np.testing.assert_array_equal(np.unique(weights), [-0.5, 0.5])
    correlation = np.corrcoef(weights.T) - np.eye(51)
    assert np.abs(correlation).max() < 5 / np.sqrt(400)


@pytest.mark.parametrize("shape", [(10,), (4, 5)])
@pytest.mark.parametrize("law", WEIGHT_LAWS)
def test_the_same_network_in_every_basis(law: str, shape: tuple[int, ...]) -> None:
    weights = draw_weights(4, law, shape, 6, 2.0)
    for kind in ("dft", "dct"):
        assert_close(kind, draw_weights(4, law, shape, 6, 2.0, kind), coefficients(weights, shape, kind), "round_off")
    np.testing.assert_array_equal(draw_weights(4, law, shape, 9, 2.0)[:6], weights)
    assert not np.array_equal(draw_weights(5, law, shape, 6, 2.0), weights)


def test_outer_and_inner_weights_do_not_share_numbers() -> None:
    outer = draw_outer(0, "gaussian", 50, 1.0)
    inner = draw_weights(0, "gaussian", (50,), 50, 1.0, "dft")
    assert not np.isin(outer, inner).any()


def test_power_law_signal() -> None:
    x = signal_of(draw_power_law(3, 17, 1.5, 0.25), (17,))
    assert_close("|x̂|", np.abs(transform(x, (17,))), power_law_amplitudes(17, 1.5, 0.25), "round_off")
    with pytest.raises(InputError, match="alpha"):
        draw_power_law(3, 17, 0.5, 0.25)


def test_pieces_are_drawn_evenly() -> None:
    counts = np.bincount([draw_piece(seed, 7) for seed in range(2100)], minlength=7)
    assert counts.size == 7
    assert stats.chisquare(counts).pvalue > 1e-4
