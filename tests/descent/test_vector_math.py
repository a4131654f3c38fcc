"""exp and log1p of compiled loops: to 2 ulp of extended precision over their whole range, and really SIMD."""

from __future__ import annotations

import platform
from collections.abc import Callable

import numba as nb
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.helpers import assert_close, assert_differs
from theory_sim.descent.vector_math import LOWEST, exp_nonpositive, fused_multiply_add, log1p_unit

EXTENDED = np.finfo(np.longdouble).nmant >= 63
needs_extended = pytest.mark.skipif(not EXTENDED, reason="this platform's longdouble is not wider than float64")
FAST = {"contract", "reassoc", "arcp", "nsz"}  # the loosest flags that callers may use


@nb.njit(fastmath=FAST, error_model="numpy")
def exp_all(x: NDArray, y: NDArray) -> None:
    for i in range(x.size):
        y[i] = exp_nonpositive(x[i])


@nb.njit(fastmath=FAST, error_model="numpy")
def log1p_all(x: NDArray, y: NDArray) -> None:
    for i in range(x.size):
        y[i] = log1p_unit(x[i])


def over(function: Callable[[NDArray, NDArray], None], x: NDArray) -> NDArray:
    y = np.empty_like(x)
    function(x, y)
    return y


def ulps(actual: NDArray, expected: NDArray) -> NDArray:
    """Signed error in units in the last place of `expected` (longdouble)."""
    return np.asarray((actual - expected) / np.spacing(np.abs(expected).astype(float)), float)


def exponents(rng: np.random.Generator) -> NDArray:
    """All of [LOWEST, 0]: evenly, by decade down to 1e-300, and around every multiple of ln(2) / 2."""
    edges = -np.arange(2043) * np.log(2) / 2
    around = np.concatenate([np.nextafter(edges, 1), edges, np.nextafter(edges, -np.inf)])
    x = [-rng.uniform(0, 708, 300_000), -(10 ** rng.uniform(-300, np.log10(708), 300_000)), around, [LOWEST, 0.0]]
    return np.clip(np.concatenate(x), LOWEST, 0.0)


def units(rng: np.random.Generator) -> NDArray:
    """All of [0, 1]: evenly, by decade, and the ends."""
    return np.concatenate([rng.uniform(0, 1, 300_000), 10 ** rng.uniform(-307, 0, 300_000), [0.0, 1.0]])


@needs_extended
@pytest.mark.parametrize(
    ("function", "points", "oracle"),
    [(exp_all, exponents, np.exp), (log1p_all, units, np.log1p)],
    ids=["exp_nonpositive", "log1p_unit"],
)
def test_two_ulp_over_the_whole_range(
    function: Callable[[NDArray, NDArray], None],
    points: Callable[[np.random.Generator], NDArray],
    oracle: Callable[[NDArray], NDArray],
) -> None:
    x = points(np.random.default_rng(0))
    expected = oracle(x.astype(np.longdouble))
    actual = over(function, x)
    assert_close("error in ulp", ulps(actual, expected), np.zeros(x.size), "ulp", scale=1.0)
    assert_differs(
        "a relative error of 1e-13", ulps(actual * (1 + 1e-13), expected), np.zeros(x.size), "ulp", scale=1.0
    )


def test_ends_of_the_range_and_what_lies_beyond() -> None:
    exp = over(exp_all, np.array([0.0, -0.0, LOWEST, np.nextafter(LOWEST, -np.inf), -1e300, -np.inf, np.nan]))
    np.testing.assert_array_equal(exp[[0, 1, 3, 4, 5]], [1.0, 1.0, 0.0, 0.0, 0.0])
    assert 0 < exp[2] < 1e-307
    assert np.isnan(exp[6])
    log1p = over(log1p_all, np.array([0.0, 5e-324, 1.0, np.nan]))
    np.testing.assert_array_equal(log1p[:2], [0.0, 5e-324])
    assert np.isnan(log1p[3])


def test_multiply_add_rounds_once() -> None:
    @nb.njit
    def residue(x: float) -> float:
        return fused_multiply_add(x, x, -(x * x))

    x = 1 + 2.0**-30
    assert residue(x) == 2.0**-60  # what rounding x² to 53 bits drops


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="looks for the registers of x86-64")
@pytest.mark.parametrize("function", [exp_all, log1p_all])
def test_calling_loops_are_vectorised(function: Callable[[NDArray, NDArray], None]) -> None:
    over(function, np.zeros(8))
    (assembly,) = function.inspect_asm().values()
    packed = [line for line in assembly.splitlines() if "mul" in line and "pd" in line.split()[0]]
    assert packed, "no packed multiplication: the loop is scalar"
