"""Reference losses: worked by hand, by finite differences, and what must not overflow."""

from __future__ import annotations

import math

import numpy as np
import pytest

from deep_check.ops.loss_reference import LOSSES, loss
from tests.deep_check.derivatives import assert_caught, assert_is_gradient
from tests.helpers import assert_close
from theory_sim.errors import InputError

Z, Y = np.array([[1.0, 2.0, 4.0]]), np.array([1])
BY_HAND = {  # of Z with label 1: the losses and gradients by their definitions, other 4, margin 4 - 2 = 2
    "cross_entropy": (math.log(math.e + math.e**2 + math.e**4) - 2, None),
    "mse": (0.5 * (1 + 1 + 16), [1, 1, 4]),
    "margin": (2.0, [0, -1, 1]),
    "margin_mse": (0.5 * (1 - (2 - 4)) ** 2, [0, -3, 3]),
}


@pytest.mark.parametrize("kind", LOSSES)
def test_by_hand(kind: str) -> None:
    losses, d_logits = loss(Z, Y, kind)
    value, gradient = BY_HAND[kind]
    assert_close(kind, losses, [value], "round_off")
    if gradient is not None:
        np.testing.assert_array_equal(d_logits, [gradient])


@pytest.mark.parametrize("kind", LOSSES)
@pytest.mark.parametrize(("n", "k"), [(1, 2), (5, 10), (3, 7)])
def test_gradient_by_finite_differences(kind: str, n: int, k: int) -> None:
    rng = np.random.default_rng([n, k])
    logits, labels = 3 * rng.standard_normal((n, k)), rng.integers(0, k, n)
    d_logits = loss(logits, labels, kind)[1]

    def value(z: np.ndarray) -> float:
        return float(loss(z, labels, kind)[0].sum())

    assert_is_gradient(kind, value, logits, d_logits)
    assert_caught(lambda: assert_is_gradient(kind, value, logits, -d_logits))
    other = loss(logits, (labels + 1) % k, kind)[1]
    assert_caught(lambda: assert_is_gradient(kind, value, logits, other))


def test_large_logits_do_not_overflow() -> None:
    losses, d_logits = loss(np.array([[1e4, -1e4], [-1e4, 1e4]]), np.array([0, 0]), "cross_entropy")
    np.testing.assert_array_equal(losses, [0, 2e4])
    np.testing.assert_array_equal(d_logits, [[0, 0], [-1, 1]])


def test_the_first_of_equal_logits_is_the_rival() -> None:
    np.testing.assert_array_equal(loss(np.zeros((1, 4)), np.array([0]), "margin")[1], [[-1, 1, 0, 0]])
    np.testing.assert_array_equal(loss(np.zeros((1, 4)), np.array([2]), "margin")[1], [[1, 0, -1, 0]])


def test_unknown_loss_is_named() -> None:
    with pytest.raises(InputError, match=r"'hinge'.*cross_entropy, mse, margin_mse, margin"):
        loss(Z, Y, "hinge")
