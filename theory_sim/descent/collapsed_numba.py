"""The collapsed recursion compiled by Numba: same mathematics as `collapsed.py`, a loop over steps and units."""

from __future__ import annotations

import math

import numba as nb
import numpy as np
from numpy.typing import NDArray

from theory_sim.descent.collapsed import assemble
from theory_sim.descent.trajectory import Trajectory
from theory_sim.training import LOSSES, Training


@nb.njit(cache=True, inline="always")
def _value_and_slope(code: int, b: float, leak: float, s: float) -> tuple[float, float]:
    """σ(s) and σ'(s) of the activation with index `code` in ACTIVATIONS."""
    if code == 0:  # relu
        if s > 0.0:
            return s, 1.0
        return (0.0 if s <= 0.0 else s), 0.0  # NaN stays NaN
    if code == 2:  # squareplus
        root = math.hypot(s, 2.0 / b)
        far = abs(s) + root
        value = 0.5 * (far if s >= 0.0 else (2.0 / b) * (2.0 / b / far))
        return value, value / root
    e = math.exp(-abs(b * s))
    value = max(s, 0.0) + math.log1p(e) / b
    slope = 1.0 / (1.0 + e) if s >= 0.0 else e / (1.0 + e)
    if code == 3:  # leaky_softplus
        return leak * s + (1.0 - leak) * value, leak + (1.0 - leak) * slope
    return value, slope


@nb.njit(cache=True, nogil=True)
def _recursion(
    code: int,
    b: float,
    leak: float,
    loss: int,
    start: NDArray,
    outer: NDArray,
    norm2: float,
    label: float,
    rate: float,
    shift: NDArray,
    output: NDArray,
    residual: NDArray,
) -> None:
    """Fill shift (T+1, m), output and residual (T+1,); stop at the first residual that is not finite."""
    m = outer.size
    slopes = np.empty(m)
    for t in range(output.size):
        f = 0.0
        for r in range(m):
            value, slope = _value_and_slope(code, b, leak, start[r] - norm2 * shift[t, r])
            f += outer[r] * value
            slopes[r] = slope
        output[t] = f
        if loss == 0:
            residual[t] = f - label
        else:
            z = label * f
            softplus = max(z, 0.0) + math.log1p(math.exp(-abs(z)))
            residual[t] = -label * math.exp(-softplus)
        if not math.isfinite(residual[t]):
            return
        if t + 1 < output.size:
            step = rate * residual[t]
            for r in range(m):
                shift[t + 1, r] = shift[t, r] + step * outer[r] * slopes[r]


def run_numba(training: Training) -> Trajectory:
    """Compiled twin of `run_collapsed`; equal to it within round-off [paper: Eq. 4]."""
    net = training.network
    start = net.weights @ training.x
    n = training.n_steps + 1
    shift = np.full((n, net.width), np.nan)
    shift[0] = 0.0
    output, residual = np.full(n, np.nan), np.full(n, np.nan)
    act = net.activation
    _recursion(
        act.code,
        float(act.sharpness),
        float(act.leak),
        LOSSES.index(training.loss),
        start,
        net.outer,
        training.input_norm2,
        float(training.label),
        float(training.learning_rate),
        shift,
        output,
        residual,
    )
    return assemble(training, start, shift, output, residual)
