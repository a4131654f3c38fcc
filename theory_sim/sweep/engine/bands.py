"""Band sums of g = v - q·x in coefficients, for many q at once and without cancellation.

In each band v = c·x + v⊥ with ⟨v⊥, x⟩ = 0, so the energy is ‖v⊥‖² + (c - q)² ‖x‖² and the cross (c - q) ‖x‖², sums of
positive terms [paper: Eq. 8 iterated].
"""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np
from numpy.typing import NDArray

# Sums may be reordered (they are not compared bit for bit with other code) but NaN and infinity keep their meaning.
FAST = {"contract", "reassoc", "nsz", "arcp"}


@nb.njit(nogil=True, cache=True, fastmath=FAST)
def weighted_dot(weight: NDArray, u: NDArray, v: NDArray) -> Any:
    """Σ weight·u·v."""
    total = 0.0
    for j in range(u.size):
        total += weight[j] * u[j] * v[j]
    return total


@nb.njit(nogil=True, cache=True, fastmath=FAST)
def split(weight: NDArray, v: NDArray, x: NDArray, x_energy: float) -> Any:
    """(c, ‖v⊥‖²) of a band; x_energy = Σ weight·x²; c = 0 where x vanishes in the band."""
    along = 0.0
    for j in range(v.size):
        along += weight[j] * v[j] * x[j]
    c = along / x_energy if x_energy > 0.0 else 0.0
    across = 0.0
    for j in range(v.size):
        rest = v[j] - c * x[j]
        across += weight[j] * rest * rest
    return c, across


@nb.njit(nogil=True, cache=True, fastmath=FAST)
def factor(weight: NDArray, rows: NDArray, x: NDArray) -> Any:
    """Upper triangular R (k+1, k+1) of the weighted QR of k `rows` (k, d) and x as last column, by Gram-Schmidt.

    With y = R·(coefficients, -q): energy ‖y‖², cross y·R[:, k].
    """
    k, d = rows.shape
    n = 0
    for j in range(d):
        n += weight[j] > 0.0
    basis = np.empty((k + 1, n))
    place = 0
    for j in range(d):
        if weight[j] > 0.0:
            root = np.sqrt(weight[j])
            for i in range(k):
                basis[i, place] = root * rows[i, j]
            basis[k, place] = root * x[j]
            place += 1
    r = np.zeros((k + 1, k + 1))
    for i in range(k + 1):
        size = 0.0
        for j in range(n):
            size += basis[i, j] * basis[i, j]
        size = np.sqrt(size)
        r[i, i] = size
        scale = 1.0 / size if size > 0.0 else 0.0
        for j in range(n):
            basis[i, j] *= scale
        for other in range(i + 1, k + 1):
            dot = 0.0
            for j in range(n):
                dot += basis[i, j] * basis[other, j]
            r[i, other] = dot
            for j in range(n):
                basis[other, j] -= dot * basis[i, j]
    return r


@nb.njit(nogil=True, cache=True, fastmath=FAST)
def axpy(scale: float, x: NDArray, out: NDArray) -> None:
    """out += scale·x."""
    for j in range(x.size):
        out[j] += scale * x[j]


@nb.njit(nogil=True, cache=True, fastmath=FAST)
def dot(u: NDArray, v: NDArray) -> Any:
    """Σ u·v."""
    total = 0.0
    for j in range(u.size):
        total += u[j] * v[j]
    return total


@nb.njit(nogil=True, cache=True, fastmath=FAST)
def power_line(v: NDArray, q: float, x: NDArray, out: NDArray) -> None:
    """|ĝ[k]|² of g = v - q·x, k = 0 ... d//2, from Hartley coefficients of a 1-D signal: d (h[k]² + h[-k]²)/2."""
    d = np.uint64(v.size)  # unsigned: an index below zero would wrap around, and the loop would not be SIMD code
    scale = 0.5 * v.size
    a = v[0] - q * x[0]
    out[0] = v.size * a * a
    for k in range(np.uint64(1), np.uint64(out.size)):
        a, b = v[k] - q * x[k], v[d - k] - q * x[d - k]
        out[k] = scale * (a * a + b * b)
