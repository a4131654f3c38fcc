"""Activations of the two-layer network with their first two derivatives, elementwise, in the type they are given."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from theory_sim.errors import InputError

Array = NDArray[Any]
HIDDEN = ("relu", "sigmoid", "relu-sigmoid")  # the last: a sigmoid after the ReLU, the paper's words to the letter
OUTPUT = ("sigmoid", "none")


def activate(name: str, s: Array) -> tuple[Array, Array, Array]:
    """Value, slope and curvature at s; ReLU's slope at 0 is 0, its curvature 0 everywhere. InputError on another name.

    relu: max(0, s). sigmoid: 1/(1 + e^-s). relu-sigmoid: the sigmoid of the ReLU. none: s.
    """
    if name == "none":
        return s, np.ones_like(s), np.zeros_like(s)
    if name == "relu":
        return np.maximum(s, 0), (s > 0).astype(s.dtype), np.zeros_like(s)
    if name == "sigmoid":
        value = _sigmoid(s)
        slope = value * (1 - value)
        return value, slope, slope * (1 - 2 * value)
    if name == "relu-sigmoid":
        value, on = _sigmoid(np.maximum(s, 0)), s > 0
        slope = value * (1 - value) * on
        return value, slope, slope * (1 - 2 * value)
    raise InputError(f"activation {name!r}: allowed are {', '.join((*HIDDEN, 'none'))}")


def _sigmoid(s: Array) -> Array:
    small = np.exp(-np.abs(s))  # never overflows
    return np.asarray(np.where(s >= 0, 1, small) / (1 + small), s.dtype)
