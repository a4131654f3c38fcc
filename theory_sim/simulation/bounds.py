"""What the theorems say about one run, and what the run did: t₀, t₁, the order of the R_k, τ(x).

Steps are floats: NaN where a statement does not apply or nothing of the kind happened, inf where a bound is infinite.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from theory_sim.closed_form import Plane, last_fall, theorem1_t0, theorem2_t0
from theory_sim.descent import Trajectory
from theory_sim.simulation.predictions import Scalars, closed_pq
from theory_sim.spectrum import Band, ComplexArray

Array = NDArray[np.float64]
CONVERGED = 1e-8  # |ℓ'| below this share of its start: what τ does from there on is round-off
VANISHING = 1e-12  # |x̂[k]| below this share of the largest one: R_k is round-off
N_RATIOS = 5


def settled(trajectory: Trajectory) -> int:
    """First step at which training has converged, or the last finite step: τ is judged up to there."""
    residual = np.abs(trajectory.residual)
    done = np.flatnonzero(residual <= CONVERGED * residual[0])
    return int(min(done[0], trajectory.last_finite_step)) if done.size else trajectory.last_finite_step


def positive_drive(trajectory: Trajectory) -> bool:
    """η^(t) > 0 at every step until training has settled: the theorems assume f > y."""
    return bool((trajectory.residual[: settled(trajectory) + 1] > 0).all())


def predicted_t0(trajectory: Trajectory, start: Plane, halved: bool = False) -> float:
    """Theorem 1's t₀ after which Δτ_l > Δτ_h, as printed or `halved` (factor 2 of Eq. 14) [paper: Theorem 1, Remark].

    n and β₀ are minima over [0, t₀] themselves: the first t is taken that is no smaller than the bound made from the
    minima over [0, t]. NaN for smooth activations, a negative drive, L_x <= H_x, or no such t in the run.
    """
    training = trajectory.training
    input_gap = float(start.input_low - start.input_high)
    if training.network.activation.smooth or trajectory.residual[0] <= 0 or input_gap <= 0:
        return float("nan")
    cross_gap = float(start.low_cross - start.high_cross) / (2 if halved else 1)
    minima = np.minimum.accumulate([trajectory.residual, trajectory.active_norm2], axis=1)
    for t, (least_residual, least_norm2) in enumerate(minima.T):
        if not min(least_residual, least_norm2) > 0:
            break
        bound = theorem1_t0(cross_gap, training.learning_rate, float(least_residual), float(least_norm2), input_gap)
        if bound <= t:
            return bound
    return float("nan")


def observed_t0(scalars: Scalars, last: int) -> float:
    """First step from which Δτ_l > Δτ_h until step `last`; NaN if not even there [paper: Theorem 1, Remark]."""
    first = last_fall((scalars.low_cross - scalars.high_cross)[: last + 1])
    return float(first) if first <= last else float("nan")


def first_rise(growth: Array) -> float:
    """t₁: first step from which τ grows at every step of `growth`; NaN if not even at the last [paper: Eq. 10]."""
    first = last_fall(growth)
    return float(first) if first < len(growth) else float("nan")


def observed_t1(scalars: Scalars, last: int) -> float:
    """t₁ of the explicit run, up to step `last` [paper: Eq. 10]."""
    return first_rise(np.diff(scalars.tau[: last + 1]))


def predicted_t1(trajectory: Trajectory, start: Plane, last: int) -> float:
    """t₁ by the closed form: the sign polynomial along q_t, up to step `last` [paper: Eq. 10].

    For ReLU with MSE it follows from the start alone (and ignores kink crossings), else from the run's rates.
    """
    _, q = closed_pq(trajectory)
    with np.errstate(all="ignore"):
        return first_rise(np.asarray(start.growth(q[:last], q[1 : last + 1])))


def turning_points(start: Plane) -> tuple[float, float]:
    """The q at which τ'(q) = 0, ascending, NaN where there is none: roots of the sign polynomial."""
    p0, p1, p2 = (float(p) for p in start.sign_polynomial)
    with np.errstate(all="ignore"):
        roots = np.roots([p2, 2 * p1, p0]) if p2 or p1 else np.array([])
    real = sorted(float(root.real) for root in roots if abs(root.imag) <= 1e-12 * abs(root))
    return (real + [float("nan")] * 2)[0], (real + [float("nan")] * 2)[1]


def ratio_bins(input_spectrum: ComplexArray, band: Band) -> list[int]:
    """A few bins with k > 0 and x̂[k] ≠ 0 whose |k| are spread evenly on a log scale, ascending."""
    size = np.abs(input_spectrum)
    usable = np.flatnonzero((band.radius > 0) & (size > VANISHING * size.max()))
    if usable.size == 0:
        return []
    radius = band.radius[usable]
    targets = np.geomspace(radius.min(), radius.max(), N_RATIOS)
    # radius ascends along a row of bins but not over all of them: stable order, nearest to each target, each once
    chosen = {int(usable[np.argmin(np.abs(radius - target))]) for target in targets}
    distinct = {float(band.radius[k]): k for k in sorted(chosen, reverse=True)}
    return [distinct[r] for r in sorted(distinct)]


@dataclass(frozen=True)
class OrderPair:
    """Theorem 2 for bins k > k' > 0 with R_k > R_k' at the start [paper: Theorem 2].

    bound: t₀ of Eq. 11 (ReLU; NaN else), up to which R_k > R_k'; predicted: first step at which the closed form loses
    that order; observed: first step at which the run does. NaN where the order is kept to the end of the run; all NaN
    if R_k <= R_k' at the start, where the theorem claims nothing.
    """

    k: int
    k_low: int
    bound: float
    predicted: float
    observed: float


def order_pairs(
    trajectory: Trajectory, spectrum: ComplexArray, input_spectrum: ComplexArray, bins: list[int]
) -> list[OrderPair]:
    """Every pair of `bins`, higher frequency first."""
    last = trajectory.last_finite_step
    training = trajectory.training
    _, q = closed_pq(trajectory)
    out = []
    for i, k_low in enumerate(bins):
        for k in bins[i + 1 :]:
            u, v = (spectrum[: last + 1, b] / input_spectrum[b] for b in (k, k_low))
            if not abs(u[0]) > abs(v[0]):
                out.append(OrderPair(k, k_low, *[float("nan")] * 3))
                continue
            bound = float("nan")
            if not training.network.activation.smooth and positive_drive(trajectory):
                bound = float(
                    theorem2_t0(
                        spectrum[0],
                        input_spectrum,
                        k,
                        k_low,
                        training.learning_rate,
                        float(np.abs(trajectory.residual[: last + 1]).max()),
                        float(training.network.outer @ training.network.outer),
                    )
                )
            # R_k² - R_k'² of the closed form is affine in q
            with np.errstate(all="ignore"):
                gap = abs(u[0]) ** 2 - abs(v[0]) ** 2 - 2 * q[: last + 1] * (u[0].real - v[0].real)
            out.append(OrderPair(k, k_low, bound, _first(gap <= 0), _first(np.abs(u) <= np.abs(v))))
    return out


def _first(hit: NDArray[np.bool_]) -> float:
    """Index of the first True, NaN if there is none."""
    return float(np.argmax(hit)) if hit.any() else float("nan")
