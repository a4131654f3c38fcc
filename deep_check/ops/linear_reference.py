"""The linear layer y = x Wᵀ + b; x (n, c), weight (k, c), bias (k,), y (n, k), float64."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def linear(x: NDArray, weight: NDArray, bias: NDArray) -> Array:
    """x Wᵀ + b, (n, k)."""
    return np.asarray(np.einsum("nc,kc->nk", _double(x), _double(weight)) + _double(bias))


def linear_gradient(d_y: NDArray, x: NDArray, weight: NDArray) -> tuple[Array, Array, Array]:
    """d_x (n, c), d_weight (k, c), d_bias (k,) of d_y (n, k); the last two summed over the images."""
    d_y = _double(d_y)
    return (
        np.asarray(np.einsum("nk,kc->nc", d_y, _double(weight))),
        np.asarray(np.einsum("nk,nc->kc", d_y, _double(x))),
        np.asarray(d_y.sum(0)),
    )


def _double(values: NDArray) -> Array:
    return np.asarray(values, dtype=float)
