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
LARGEST_BLOCK = 512  # units: a product of as many factors between ½ and 2 stays within float64
LANES = 16  # units of a block come in multiples of this
BLAS_FROM = 12  # samples: below, a plain loop is faster than a call
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


@nb.njit(cache=True, nogil=True, fastmath={"contract"}, error_model="numpy")
def _product(gram: NDArray, p: NDArray, product: NDArray) -> None:
    """product = gram · P for one block of units: (n + k, n) times (n, units)."""
    n, units = p.shape
    if n >= BLAS_FROM:
        np.dot(gram, p, product)
        return
    for i in range(len(gram)):
        for r in range(units):
            product[i, r] = gram[i, 0] * p[0, r]
        for j in range(1, n):
            weight = gram[i, j]
            for r in range(units):
                product[i, r] += weight * p[j, r]


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
    s = np.empty((n_points, units))
    f = np.empty(n)
    for t in range(len(output)):
        f[:] = 0.0
        along[t] = 0.0
        for block in range(n_blocks):
            p = coefficients[block]
            for j in range(n):
                for r in range(units):
                    p[j, r] += step[j] * active[block, j, r]
            _product(gram, p, s)
            for i in range(n_points):
                for r in range(units):
                    s[i, r] = start[block, i, r] - s[i, r]
            first, end = block * units, min((block + 1) * units, outer.size)
            size = end - first
            for i in range(n):
                f[i] += _activate(code, b, leak, equal, s[i, :size], outer[first:end], active[block, i, :size])
            for i in range(n_points - n):
                slopes = probe_active[t, i, first:end]
                _activate(code, b, leak, equal, s[n + i, :size], outer[first:end], slopes)
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
        units = max(LANES, min(CACHE_NUMBERS // n, LARGEST_BLOCK, width) // LANES * LANES)
        n_blocks = -(-width // units)
        padded = np.pad(start, ((0, 0), (0, n_blocks * units - width))).reshape(len(start), n_blocks, units)
        self._start = np.ascontiguousarray(padded.swapaxes(0, 1))
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
