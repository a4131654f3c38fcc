"""The data-set recursion in Gram form compiled by Numba: the mathematics of `dataset._collapsed_blocks`, unit by unit.

A unit needs only its own rows of P and W_0 Xᵀ, so a step is one pass over blocks of units that stay in the second-level
cache: finish the last step's update of P, form s = W_0 Xᵀ - P G, take σ and σ'. Units lie innermost, the SIMD lanes.
Where all |a_r| are equal, softplus takes one logarithm for all units: Σ a_r ln(1+e_r) = |a| ln Π (1+e_r)^(sign a_r).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numba as nb
import numpy as np
from numpy.typing import NDArray

from theory_sim.descent.vector_math import exp_nonpositive, log1p_unit
from theory_sim.network import Activation
from theory_sim.training import LOSSES

if TYPE_CHECKING:
    from theory_sim.descent.dataset import DatasetTraining

Array = NDArray[np.float64]
CACHE_NUMBERS = 16384  # of a block's P: 128 KiB, a part of a second-level cache
ROW = 512  # units of a block at the most: a product of as many factors between ½ and 2 stays within float64
LANES = 16  # units of a block come in multiples of this
STEPS = 64  # of which the probes' slopes are kept before one matrix product takes their gradients
FAST = {"contract", "reassoc", "arcp", "nsz"}  # NaN and infinity keep their meaning


@nb.njit(cache=True, inline="always")
def _loss_slope(mse: bool, f: float, label: float) -> float:
    """ℓ' = ∂ℓ/∂f of the mean squared error or the logistic loss."""
    if mse:
        return f - label
    z = label * f
    return -label * math.exp(-max(z, 0.0) - math.log1p(math.exp(-abs(z))))


@nb.njit(cache=True, nogil=True, fastmath=FAST, error_model="numpy")
def _activate(code: int, b: float, leak: float, equal: bool, s: NDArray, outer: NDArray, active: NDArray) -> float:
    """active = a σ'(s) of one block's units; Σ a σ(s). `code`: index in ACTIVATIONS; `equal`: all |a_r| are."""
    f = 0.0
    if code == 0:  # relu
        for r in range(s.size):
            active[r] = outer[r] if s[r] > 0.0 else 0.0
            f += outer[r] * (0.0 if s[r] <= 0.0 else s[r])  # NaN stays NaN
    elif code == 2:  # squareplus
        square = 4.0 / (b * b)
        for r in range(s.size):
            root = math.sqrt(s[r] * s[r] + square)
            far = abs(s[r]) + root
            value = 0.5 * (far if s[r] >= 0.0 else square / far)
            active[r] = outer[r] * value / root
            f += outer[r] * value
    elif equal:  # softplus; leaky_softplus, of which it is the case leak = 0
        product = 1.0
        for r in range(s.size):
            z = b * s[r]
            e = exp_nonpositive(-abs(z))
            sigmoid = 1.0 / (1.0 + e)
            active[r] = outer[r] * (leak + (1.0 - leak) * (sigmoid if z >= 0.0 else e * sigmoid))
            f += outer[r] * (leak * s[r] + (1.0 - leak) * (0.0 if s[r] < 0.0 else s[r]))
            product *= sigmoid if outer[r] > 0.0 else 1.0 + e
        f -= abs(outer[0]) * (1.0 - leak) * math.log(product) / b
    else:
        for r in range(s.size):
            z = b * s[r]
            e = exp_nonpositive(-abs(z))
            sigmoid = 1.0 / (1.0 + e)
            active[r] = outer[r] * (leak + (1.0 - leak) * (sigmoid if z >= 0.0 else e * sigmoid))
            f += outer[r] * (leak * s[r] + (1.0 - leak) * ((0.0 if s[r] < 0.0 else s[r]) + log1p_unit(e) / b))
    return f


@nb.njit(cache=True, nogil=True, fastmath={"contract", "reassoc"}, error_model="numpy")
def _preactivations(start: NDArray, gram: NDArray, p: NDArray, s: NDArray) -> None:
    """Row i of s, s[i·ROW ...] = start_i - Σ_j gram_ij P_j, for one block of units: gram (n + k, n), P (n, units).

    Four rows and four samples at once keep 16 weights in registers; rows at a constant distance let LLVM see that they
    do not overlap. A BLAS is hardly faster on products this small, and its threads would get into each other's way.
    """
    n_points, n = gram.shape
    units = p.shape[1]
    for i in range(n_points):
        for r in range(units):
            s[i * ROW + r] = start[i, r]
    whole_rows, whole = n_points // 4 * 4, n // 4 * 4
    for i in range(0, whole_rows, 4):
        rows = s[i * ROW : (i + 4) * ROW]
        for j in range(0, whole, 4):
            a0, a1, a2, a3 = gram[i, j], gram[i, j + 1], gram[i, j + 2], gram[i, j + 3]
            b0, b1, b2, b3 = gram[i + 1, j], gram[i + 1, j + 1], gram[i + 1, j + 2], gram[i + 1, j + 3]
            c0, c1, c2, c3 = gram[i + 2, j], gram[i + 2, j + 1], gram[i + 2, j + 2], gram[i + 2, j + 3]
            d0, d1, d2, d3 = gram[i + 3, j], gram[i + 3, j + 1], gram[i + 3, j + 2], gram[i + 3, j + 3]
            for r in range(units):
                p0, p1, p2, p3 = p[j, r], p[j + 1, r], p[j + 2, r], p[j + 3, r]
                rows[r] -= a0 * p0 + a1 * p1 + a2 * p2 + a3 * p3
                rows[ROW + r] -= b0 * p0 + b1 * p1 + b2 * p2 + b3 * p3
                rows[2 * ROW + r] -= c0 * p0 + c1 * p1 + c2 * p2 + c3 * p3
                rows[3 * ROW + r] -= d0 * p0 + d1 * p1 + d2 * p2 + d3 * p3
    for i in range(n_points):
        row = s[i * ROW : (i + 1) * ROW]
        for j in range(whole if i < whole_rows else 0, n):
            weight = gram[i, j]
            for r in range(units):
                row[r] -= weight * p[j, r]


@nb.njit(cache=True, nogil=True, fastmath=FAST, error_model="numpy")
def _advance(
    activation: tuple[int, float, float, bool],
    mse: bool,
    labels: NDArray,
    rate: float,
    start: NDArray,
    gram: NDArray,
    outer: NDArray,
    coefficients: NDArray,
    active: NDArray,
    step: NDArray,
    output: NDArray,
    residual: NDArray,
    probe_active: NDArray,
    along: NDArray,
) -> None:
    """The next `len(output)` steps; stops after the first residual that is not finite.

    activation: arguments of `_activate`. In units' blocks, the last one filled up: start (blocks, n + k, units);
    state: coefficients P and active a' at the samples (blocks, n, units), step η ℓ'/n of the last step (n,). outer:
    (m,); gram: samples and probes times samples (n + k, n). Written: output, residual (T, n); at the probes a'
    (T, k, m) and Pᵀ a' (T, k, n).
    """
    code, b, leak, equal = activation
    n_blocks, n_points, units = start.shape
    n = labels.size
    s = np.empty(n_points * ROW)
    f = np.empty(n)
    for t in range(len(output)):
        f[:] = 0.0
        along[t] = 0.0
        for block in range(n_blocks):
            p = coefficients[block]
            for j in range(n):
                for r in range(units):
                    p[j, r] += step[j] * active[block, j, r]
            _preactivations(start[block, :n], gram[:n], p, s)  # on its own: probes change no bit of the training
            _preactivations(start[block, n:], gram[n:], p, s[n * ROW :])
            first, end = block * units, min((block + 1) * units, outer.size)
            size = end - first
            for i in range(n):
                f[i] += _activate(
                    code, b, leak, equal, s[i * ROW : i * ROW + size], outer[first:end], active[block, i, :size]
                )
            for i in range(n_points - n):
                slopes = probe_active[t, i, first:end]
                _activate(code, b, leak, equal, s[(n + i) * ROW : (n + i) * ROW + size], outer[first:end], slopes)
                for j in range(n):
                    product = 0.0
                    for r in range(size):
                        product += p[j, r] * slopes[r]
                    along[t, i, j] += product
        finite = True
        for i in range(n):
            output[t, i] = f[i]
            residual[t, i] = _loss_slope(mse, f[i], labels[i])
            step[i] = rate * residual[t, i]
            finite &= math.isfinite(residual[t, i])
        if not finite:
            return


class GramRecursion:
    """Full-batch training in the span of the samples, W_t = W_0 - P_t X, from W_0's products with the samples alone."""

    def __init__(
        self,
        start: Array,
        gram: Array,
        outer: Array,
        activation: Activation,
        labels: Array,
        learning_rate: float,
        loss: str = "mse",
    ) -> None:
        """At t = 0.

        start: samples and then probes times W_0ᵀ (n + k, m); gram: samples and probes times samples (n + k, n); outer:
        a (m,); labels: y (n,).
        """
        n, width = labels.size, outer.size
        units = max(LANES, min(CACHE_NUMBERS // n, ROW, width) // LANES * LANES)
        n_blocks = -(-width // units)
        self._start = np.zeros((n_blocks, len(start), units))
        for block, part in enumerate(self._start):
            values = start[:, block * units : (block + 1) * units]
            part[:, : values.shape[1]] = values
        self._outer = np.ascontiguousarray(outer)
        self._gram = np.ascontiguousarray(gram)
        self._labels = labels
        self._rate = learning_rate / n
        leak = activation.leak if activation.name == "leaky_softplus" else 0.0
        equal = bool((np.abs(outer) == abs(outer[0])).all())
        self._activation = (activation.code, float(activation.sharpness), float(leak), equal)
        self._mse = LOSSES.index(loss) == 0
        self._coefficients = np.zeros((n_blocks, n, units))
        self._active = np.zeros_like(self._coefficients)
        self._step = np.zeros(n)

    def advance(self, n_steps: int) -> tuple[Array, Array, Array, Array]:
        """f and ℓ' (T, n), and at the probes a' (T, k, m) and Pᵀ a' (T, k, n), of the next T = `n_steps` steps.

        Releases the GIL. NaN after the first residual that is not finite; a diverged run cannot be advanced further.
        """
        n, n_points = self._labels.size, self._start.shape[1]
        output, residual = np.full((n_steps, n), np.nan), np.full((n_steps, n), np.nan)
        active = np.full((n_steps, n_points - n, self._outer.size), np.nan)
        along = np.full((n_steps, n_points - n, n), np.nan)
        _advance(
            self._activation,
            self._mse,
            self._labels,
            self._rate,
            self._start,
            self._gram,
            self._outer,
            self._coefficients,
            self._active,
            self._step,
            output,
            residual,
            active,
            along,
        )
        return output, residual, active, along


def compiled_blocks(training: DatasetTraining) -> Iterator[tuple[Array, Array, Array]]:
    """Yield (f, ℓ', ∇ₓf at the probes) of the next steps, as `dataset._collapsed_blocks`."""
    inputs, net = training.inputs, training.network
    points = np.concatenate([inputs, training.probes])
    recursion = GramRecursion(
        points @ net.weights.T,
        points @ inputs.T,
        net.outer,
        net.activation,
        training.labels,
        training.learning_rate,
        training.loss,
    )
    k, left = len(training.probes), training.n_steps + 1
    while left:
        size = min(STEPS, left) if k else left
        output, residual, active, along = recursion.advance(size)
        gradient = active.reshape(size * k, net.width) @ net.weights - along.reshape(size * k, len(inputs)) @ inputs
        yield output, residual, gradient.reshape(size, k, net.dim)
        left -= size
