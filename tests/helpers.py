"""Comparison helpers: a failure shows the worst element, both values and the share of the tolerance it used."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.tolerances import TOLERANCES

WORST_SHARE: dict[str, float] = {}  # tolerance name -> largest share used so far, shown after the run
POWER = 100  # what a test compares must have moved by at least this many tolerances


def assert_close(name: str, actual: Any, expected: Any, tol_key: str, *, scale: float | None = None) -> float:
    """Assert |actual - expected| <= tolerance·scale everywhere, NaN only where NaN is expected; the share used.

    scale: max |expected| if not given (1 if everything expected is 0).
    """
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.shape == expected.shape, f"{name}: shape {actual.shape}, expected {expected.shape}"
    np.testing.assert_array_equal(np.isnan(actual), np.isnan(expected), err_msg=f"{name}: NaN elsewhere than expected")
    same = (actual == expected) | np.isnan(expected)  # equal infinities included
    with np.errstate(invalid="ignore"):
        error = np.where(same, 0.0, np.abs(actual - expected))
    if scale is None:
        finite = np.abs(expected[np.isfinite(expected)])
        scale = float(finite.max()) if finite.size and finite.max() > 0 else 1.0
    allowed = TOLERANCES[tol_key].value * scale
    worst = np.unravel_index(int(np.argmax(error)), error.shape) if error.size else ()
    largest = float(error[worst]) if error.size else 0.0
    share = largest / allowed if allowed > 0 else (0.0 if largest == 0 else np.inf)
    assert share <= 1, (
        f"{name}: worst element {tuple(map(int, worst))}: actual {actual[worst]!r}, expected {expected[worst]!r}, "
        f"difference {largest:.3g}, allowed {allowed:.3g} ({tol_key}): {share:.3g} of the tolerance used"
    )
    WORST_SHARE[tol_key] = max(WORST_SHARE.get(tol_key, 0.0), share)
    return float(share)


def assert_differs(name: str, actual: Any, expected: Any, tol_key: str, *, scale: float | None = None) -> None:
    """Negative control, or power check: the two differ by at least POWER tolerances somewhere."""
    actual, expected = np.asarray(actual), np.asarray(expected)
    if scale is None:
        scale = float(np.nanmax(np.abs(expected)))
    needed = POWER * TOLERANCES[tol_key].value * scale
    largest = float(np.nanmax(np.abs(actual - expected)))
    assert scale > 0, f"{name}: compared with nothing but zeros, so that anything would do"
    assert largest > 0, f"{name}: does not differ at all"
    assert largest >= needed, f"{name}: differs by {largest:.3g} only, {needed:.3g} is needed to tell ({tol_key})"


def order_of(error: Callable[[float], float], first: float, octaves: int = 6) -> float:
    """Least-squares slope of log2(error) against log2(step) for steps first·2^-i, i = 0 ... octaves."""
    steps = first * 0.5 ** np.arange(octaves + 1)
    return float(np.polyfit(np.log2(steps), np.log2([error(h) for h in steps]), 1)[0])


def assert_order(name: str, error: Callable[[float], float], order: float, first: float, octaves: int = 6) -> None:
    """Assert that `error(h)` falls as h^order, the slope within ±0.1."""
    assert_close(f"order of {name}", order_of(error, first, octaves), order, "order", scale=1.0)
