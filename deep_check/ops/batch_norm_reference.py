"""Batch normalisation over images and pixels, channel by channel [Ioffe & Szegedy 2015, Algorithm 1].

x, y, d_x, d_y are float64 (n, c, h, w); everything else is (c,).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
VALUES = (0, 2, 3)  # the axes that a channel's statistics are taken over


def batch_norm_training(x: NDArray, scale: NDArray, shift: NDArray, epsilon: float) -> tuple[Array, Array, Array]:
    """y = scale · (x - mean)/√(variance + epsilon) + shift with the batch's own mean and biased variance.

    Returns y, mean, variance.
    """
    x = np.asarray(x, dtype=float)
    mean, variance = x.mean(VALUES), x.var(VALUES)
    return batch_norm_evaluation(x, scale, shift, mean, variance, epsilon), mean, variance


def batch_norm_evaluation(
    x: NDArray, scale: NDArray, shift: NDArray, mean: NDArray, variance: NDArray, epsilon: float
) -> Array:
    """y = scale · (x - mean)/√(variance + epsilon) + shift with given statistics."""
    x = np.asarray(x, dtype=float)
    normalised = (x - _per_channel(mean)) / np.sqrt(_per_channel(variance) + epsilon)
    return _per_channel(scale) * normalised + _per_channel(shift)


def batch_norm_gradient(
    d_y: NDArray, x: NDArray, scale: NDArray, mean: NDArray, variance: NDArray, epsilon: float
) -> tuple[Array, Array, Array]:
    """Gradients d_x, d_scale, d_shift of `batch_norm_training`, mean and variance being those of x itself.

    d_x = scale/σ · (d_y - ⟨d_y⟩ - x̂ ⟨d_y x̂⟩), σ = √(variance + epsilon), x̂ = (x - mean)/σ, ⟨·⟩ the mean over a channel.
    """
    d_y, x = np.asarray(d_y, dtype=float), np.asarray(x, dtype=float)
    deviation = np.sqrt(_per_channel(variance) + epsilon)
    normalised = (x - _per_channel(mean)) / deviation
    d_shift, d_scale = d_y.sum(VALUES), (d_y * normalised).sum(VALUES)
    n_values = x.size // x.shape[1]
    centred = d_y - _per_channel(d_shift) / n_values - normalised * _per_channel(d_scale) / n_values
    return _per_channel(scale) / deviation * centred, d_scale, d_shift


def running_statistics(
    running_mean: NDArray, running_variance: NDArray, mean: NDArray, variance: NDArray, n_values: int, momentum: float
) -> tuple[Array, Array]:
    """(1 - momentum) · running + momentum · batch, of the mean and of the variance, as PyTorch's BatchNorm2d.

    variance: biased, over n_values values; what is averaged is the unbiased one, variance · n/(n - 1).
    """
    unbiased = np.asarray(variance, dtype=float) * n_values / (n_values - 1)
    return (
        (1 - momentum) * np.asarray(running_mean, dtype=float) + momentum * np.asarray(mean, dtype=float),
        (1 - momentum) * np.asarray(running_variance, dtype=float) + momentum * unbiased,
    )


def _per_channel(values: NDArray) -> Array:
    return np.asarray(values, dtype=float)[:, None, None]
