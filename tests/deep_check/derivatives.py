"""Two checks of any gradient: finite differences of the function itself, and the dot-product test of a linear map."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.helpers import assert_close

Array = NDArray[np.float64]
STEP = 1e-5  # of central differences: truncation h² and round-off ε/h are both near 1e-10


def assert_is_gradient(
    name: str,
    value: Callable[[Array], float],
    x: Array,
    gradient: Array,
    *,
    step: float = STEP,
    tol_key: str = "first_difference",
) -> None:
    """Central differences of `value` along the gradient and three random unit directions are ⟨gradient, direction⟩.

    Along the gradient the value is ‖gradient‖, the scale of the tolerance: that is the power check.
    """
    rng = np.random.default_rng(gradient.size)
    norm = float(np.linalg.norm(gradient))
    assert norm > 0, f"{name}: a zero gradient shows nothing"
    directions = [gradient / norm, *rng.standard_normal((3, *x.shape))]
    for direction in directions:
        unit = direction / np.linalg.norm(direction)
        difference = (value(x + step * unit) - value(x - step * unit)) / (2 * step)
        assert_close(name, difference, float((gradient * unit).sum()), tol_key, scale=norm)


def assert_adjoint(
    name: str,
    forward: Callable[[Array], Array],
    backward: Callable[[Array], Array],
    shape_in: tuple[int, ...],
    tol_key: str = "reference",
) -> None:
    """⟨u, forward(v)⟩ = ⟨backward(u), v⟩ for a linear `forward` and random u, v."""
    rng = np.random.default_rng(shape_in)
    v = rng.standard_normal(shape_in)
    image = forward(v)
    u = rng.standard_normal(image.shape)
    back = backward(u)
    assert back.shape == v.shape, f"{name}: gradient of shape {back.shape}, expected {v.shape}"
    scale = float(np.linalg.norm(u) * np.linalg.norm(image)) or 1.0
    assert_close(name, (u * image).sum(), (back * v).sum(), tol_key, scale=scale)


def assert_caught(check: Callable[[], None]) -> None:
    """Negative control: the check fails for what is wrong on purpose."""
    with pytest.raises(AssertionError):
        check()
