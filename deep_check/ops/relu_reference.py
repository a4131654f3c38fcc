"""ReLU, elementwise on float64 arrays of any shape; its slope at 0 is 0."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def relu(x: NDArray) -> Array:
    """max(x, 0)."""
    return np.maximum(np.asarray(x, dtype=float), 0.0)


def relu_gradient(d_y: NDArray, y: NDArray) -> Array:
    """d_y where the output y = relu(x) is positive, 0 elsewhere."""
    return np.where(np.asarray(y) > 0, np.asarray(d_y, dtype=float), 0.0)
