"""Reference batch normalisation: its statistics, PyTorch's running average written out, finite differences."""

from __future__ import annotations

import numpy as np
import pytest

from deep_check.ops.batch_norm_reference import (
    batch_norm_evaluation,
    batch_norm_gradient,
    batch_norm_training,
    running_statistics,
)
from tests.deep_check.derivatives import assert_caught, assert_is_gradient
from tests.helpers import assert_close, assert_differs

EPSILON = 1e-5
SHAPES = [(2, 1, 1, 1), (1, 3, 5, 1), (3, 5, 4, 7)]


def drawn(shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(shape)
    channels = shape[1]
    x = 3 + 2 * rng.standard_normal(shape)
    return x, rng.uniform(0.5, 2, channels), rng.standard_normal(channels), rng.standard_normal(shape)


@pytest.mark.parametrize("shape", SHAPES)
def test_output_has_the_shift_as_mean_and_the_scale_as_deviation(shape: tuple[int, ...]) -> None:
    x, scale, shift, _ = drawn(shape)
    y, mean, variance = batch_norm_training(x, scale, shift, 0.0)
    assert_close("mean", y.mean((0, 2, 3)), shift, "reference")
    assert_close("deviation", y.std((0, 2, 3)), scale, "reference")
    for c in range(shape[1]):  # the statistics by their definition
        values = x[:, c].ravel().tolist()
        centre = sum(values) / len(values)
        assert_close("mean", mean[c], centre, "reference")
        assert_close("variance", variance[c], sum((v - centre) ** 2 for v in values) / len(values), "reference")


def test_evaluation_by_hand() -> None:
    """(7 - 3)/√(3 + 1) = 2, times 5, plus 1."""
    y = batch_norm_evaluation(np.full((1, 1, 1, 1), 7.0), *(np.array([v]) for v in (5.0, 1.0, 3.0, 3.0)), 1.0)
    assert float(y[0, 0, 0, 0]) == 11.0


@pytest.mark.parametrize("shape", SHAPES[1:])
def test_gradients_by_finite_differences(shape: tuple[int, ...]) -> None:
    x, scale, shift, d_y = drawn(shape)

    def value(x: np.ndarray, scale: np.ndarray, shift: np.ndarray) -> float:
        return float((batch_norm_training(x, scale, shift, EPSILON)[0] * d_y).sum())

    _, mean, variance = batch_norm_training(x, scale, shift, EPSILON)
    d_x, d_scale, d_shift = batch_norm_gradient(d_y, x, scale, mean, variance, EPSILON)
    step, tol = 1e-4, "batch_norm_difference"
    assert_is_gradient("by x", lambda v: value(v, scale, shift), x, d_x, step=step, tol_key=tol)
    assert_is_gradient("by scale", lambda v: value(x, v, shift), scale, d_scale, step=step, tol_key=tol)
    assert_is_gradient("by shift", lambda v: value(x, scale, v), shift, d_shift, step=step, tol_key=tol)
    deviation = np.sqrt(variance + EPSILON)[:, None, None]
    frozen = d_y * scale[:, None, None] / deviation  # the gradient of evaluation mode: statistics held fixed
    assert_caught(
        lambda: assert_is_gradient("frozen", lambda v: value(v, scale, shift), x, frozen, step=step, tol_key=tol)
    )
    assert_caught(
        lambda: assert_is_gradient("scale", lambda v: value(x, v, shift), scale, d_shift, step=step, tol_key=tol)
    )


def test_gradient_is_orthogonal_to_what_normalisation_removes() -> None:
    """Neither a shift of x nor, but for epsilon, its stretching changes y."""
    x, scale, _, d_y = drawn((3, 2, 4, 5))
    mean, variance = x.mean((0, 2, 3)), x.var((0, 2, 3))
    d_x, _, _ = batch_norm_gradient(d_y, x, scale, mean, variance, 0.0)
    size = float(np.abs(d_x).sum())
    assert_close("shift", d_x.sum((0, 2, 3)), np.zeros(2), "reference", scale=size)
    assert_close("stretch", (d_x * x).sum((0, 2, 3)), np.zeros(2), "reference", scale=size * 10)


def test_running_statistics_are_pytorchs() -> None:
    """torch.nn.BatchNorm2d: x̂_new = (1 - momentum)·x̂ + momentum·x_t, x_t the batch's mean and unbiased variance."""
    rng = np.random.default_rng(0)
    running_mean, running_variance = np.zeros(3), np.ones(3)
    expected_mean, expected_variance = running_mean, running_variance
    biased = running_variance
    for _ in range(5):
        x = rng.standard_normal((2, 3, 2, 2)) * [[[[1]], [[2]], [[3]]]]
        n_values = x.size // 3
        mean, variance = x.mean((0, 2, 3)), x.var((0, 2, 3))
        running_mean, running_variance = running_statistics(
            running_mean, running_variance, mean, variance, n_values, 0.1
        )
        unbiased = np.var(x.swapaxes(0, 1).reshape(3, -1), axis=1, ddof=1)
        expected_mean = 0.9 * expected_mean + 0.1 * mean
        expected_variance = 0.9 * expected_variance + 0.1 * unbiased
        biased = 0.9 * biased + 0.1 * variance
    assert_close("running mean", running_mean, expected_mean, "reference")
    assert_close("running variance", running_variance, expected_variance, "reference")
    assert_differs("biased variance", biased, expected_variance, "reference")
