"""Twins of the judges of Appendix B: attacks by explicit loops, the equations written out."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np

from tests.claims.comparison import TooCloseError, Twin, Words
from tests.claims.slow import SlowAttack, Sums, growth, order
from theory_sim.claims.samples import AttackSample

Moves = tuple[np.ndarray, np.ndarray, float]  # predicted, actual, size of what moves


def lemma1(sample: AttackSample, case: str) -> Words:
    p = SlowAttack.of(sample)
    start = p.gain[0]
    if start == 0 or max(abs(b - start) for b in p.gain) < 1e-9 * abs(start):
        return None
    share = [b / start for b in p.gain]
    away = min(1 - b for b in share)
    if case == "smooth":
        return min(share), None, away
    if case == "far":
        if not p.left[-1]:
            return None
        return min(share), min(share[: p.left.index(True) + 1]), away
    if p.left[-1]:
        return None
    never_less = min(b - a for a, b in pairwise(share))
    return min(share), None if case == "sign, l2" else never_less, away


def well_conditioned(p: SlowAttack) -> bool:
    lengths = [(np.linalg.norm(a), np.linalg.norm(b)) for a, b in zip(p.delta, p.unprojected, strict=False)]
    return abs(p.sample.label) < 1e4 * min(abs(p.gain)) and all(a < 1e4 * b for a, b in lengths)


def in_region(sample: AttackSample) -> SlowAttack | None:
    p = SlowAttack.of(sample)
    return None if p.left[-1] else p


def eq22(sample: AttackSample) -> Words:
    p = in_region(sample)
    if p is None or not well_conditioned(p):
        return None
    xi = sample.step_size
    size = max(np.linalg.norm(v) for v in p.unprojected) / xi
    if max(abs(b) for b in p.gain[:-1]) * np.linalg.norm(p.g) < 1e-6 * size:
        return None

    def error(sign: float) -> float:
        return -max(
            float(np.linalg.norm(d / xi + sign * b * p.g - v / xi) / size)
            for d, b, v in zip(p.delta, p.gain, p.unprojected, strict=False)
        )

    return error(1.0), None, error(-1.0)


def eq23_exact(sample: AttackSample, zero_start: bool) -> Words:
    p = in_region(sample)
    if p is None or sample.step != "raw" or not well_conditioned(p):
        return None
    s, after = p.sums(), p.sums(p.unprojected)
    if not (after.total > 0).all():
        return None

    def error(j: int, square: bool, swap: bool = False) -> float:
        beta = p.gain[j]
        bands = [(s.low_cross[j], s.low_x), (s.high_cross[j], s.high_x)]
        bands = bands[::-1] if swap else bands
        low, high = (beta * cross + beta**2 * of_g * square for cross, of_g in bands)
        return abs(s.low[j] + low - after.low[j]) + abs(s.high[j] + high - after.high[j])

    steps = range(sample.n_steps)
    printed = -error(0, False) / after.total[0] if zero_start else None
    exact, swapped = (-max(error(j, True, swap) / after.total[j] for j in steps) for swap in (False, True))
    return printed, exact, swapped


def thm4_exact(sample: AttackSample) -> Words:
    p = in_region(sample)
    if p is None or not well_conditioned(p):
        return None
    s = p.sums()
    if not (s.total > 0).all() or np.abs(growth(s)).max() < 1e-9:
        return None

    def error(swap: bool) -> float:
        worst = 0.0
        for j in range(sample.n_steps):
            beta, tau = p.gain[j], s.tau[j]
            low, high = (s.high_cross[j], s.low_cross[j]) if swap else (s.low_cross[j], s.high_cross[j])
            change = beta * (low * (1 - tau) - high * tau) + beta**2 * (s.low_x * (1 - tau) - s.high_x * tau)
            after = s.total[j] + beta * (low + high) + beta**2 * (s.low_x + s.high_x)  # Σ|κ^(j+1)|², not projected
            worst = max(worst, abs(change / after - (s.tau[j + 1] - tau)))
        return -worst

    return None, error(False), error(True)


def one_spectrum(sample: AttackSample) -> Words:
    p = in_region(sample)
    if p is None:
        return None
    s = p.sums()
    if not (s.total[1:] > 0).all() or s.low_x + s.high_x == 0:
        return None
    tau = s.low[1:] / s.total[1:]
    return -max(abs(tau - s.tau_x)), None, -max(abs(tau - (1 - s.tau_x)))


def eq21(sample: AttackSample) -> Words:
    p = in_region(sample)
    if p is None:
        return None
    s = p.sums()
    if not (p.gain[0] > 0 and s.low_x > s.high_x) or not s.total.all():
        return None
    room, change = s.low_x - s.high_x, growth(s)
    printed, corrected, control = [], [], []
    for j in range(sample.n_steps):
        if s.low[j] < s.high[j]:
            moved = j * min(p.gain[: j + 1])
            low, high = s.low_cross[0] + 2 * moved * s.low_x, s.high_cross[0] + 2 * moved * s.high_x
            if min(abs(low), abs(low - high)) < 1e-9 * s.total[0]:
                raise TooCloseError
            if j * max(p.gain[: j + 1]) * room > -s.gap[0]:
                printed.append(change[j])
            if low > 0 and low > high:  # both cross terms are where they should be, on the slowest path
                corrected.append(change[j])
                control.append(-change[j])
    if not printed and not corrected:
        return None
    return min(printed, default=None), min(corrected, default=None), min(control, default=None)


# First order in ε ----------------------------------------------------------------------------------------------------


def ladder(sample: AttackSample, trained: bool) -> list[tuple[float, SlowAttack]]:
    """Start, step and residual at sizes ε = 1, 1/2, ... 1/32."""
    net, rungs = sample.network, []
    s = net.weights @ sample.x
    g = net.weights.T @ (net.outer * net.activation.slope(s))
    output = float(net.outer @ net.activation.value(s))
    for n in (1, 2, 4, 8, 16, 32):
        start = 0.2 * sample.start / n
        residual = 0.05 * abs(float(start @ g)) / math.sqrt(n) if trained else sample.radius * np.linalg.norm(g)
        radius = 100 * float(np.linalg.norm(sample.start)) if trained else sample.radius
        changes = {"start": start, "label": output - residual, "radius": radius, "n_steps": 2 * n}
        rungs.append((1 / n, SlowAttack.of(replace(sample, step_size=0.1 / n / float(g @ g), **changes))))
    return rungs


def kappa_moves(p: SlowAttack, sign: float = 1.0, hessian: float = 0.0) -> Moves:
    """κ^(j+1) - κ^(j) before projection: sign·β^(j) g, plus `hessian` times ℓ' H δ^(j)."""
    sample, xi = p.sample, p.sample.step_size
    net = sample.network
    s = net.weights @ sample.x
    bend = (net.weights.T * (net.outer * net.activation.curvature(s))) @ net.weights
    residual = float(net.outer @ net.activation.value(s)) - sample.label
    before = p.delta[:-1]
    predicted = sign * p.gain[:-1, None] * p.g + hessian * residual * (before @ bend)
    return predicted, p.unprojected / xi - before / xi, float(np.abs(before / xi).max())


def energy_moves(p: SlowAttack, swap: bool = False) -> Moves:
    s = p.sums()
    cross = [s.high_cross, s.low_cross] if swap else [s.low_cross, s.high_cross]
    predicted = p.gain[:-1, None] * np.stack(cross, axis=1)[:-1]
    energy = np.stack([s.low, s.high], axis=1)
    return predicted, energy[1:] - energy[:-1], float(energy.max())


def ratio_moves(p: SlowAttack, swap: bool = False) -> Moves:
    s: Sums = p.sums()
    low, high = (s.high_cross, s.low_cross) if swap else (s.low_cross, s.high_cross)
    change = p.gain[:-1] * (low * (1 - s.tau) - high * s.tau)[:-1] / s.total[1:]
    return change, growth(s), 1.0


def slopes(rungs: list[tuple[float, SlowAttack]], law: Callable[[SlowAttack], Moves]) -> tuple[float, float]:
    sizes, local, whole, floor = [size for size, _ in rungs], [], [], 0.0
    for _, p in rungs:
        predicted, actual, size = law(p)
        local.append(float(np.linalg.norm(predicted[0] - actual[0])))
        whole.append(float(np.linalg.norm((predicted - actual).sum(axis=0))))
        floor = max(floor, 1e-13 * size)
    return order(sizes, local, floor), order(sizes, whole, floor)


def usable(sample: AttackSample, rungs: list[tuple[float, SlowAttack]]) -> bool:
    return sample.network.activation.name != "relu" or not any(p.left[-1] for _, p in rungs)


def first_order(
    sample: AttackSample, law: Callable[[SlowAttack], Moves], wrong: Callable[[SlowAttack], Moves]
) -> Words:
    if not sample.start.any():
        return None
    rungs = ladder(sample, trained=True)
    return (slopes(rungs, law), None, slopes(rungs, wrong)) if usable(sample, rungs) else None


def eq22_untrained(sample: AttackSample) -> Words:
    if not sample.start.any():
        return None
    rungs = ladder(sample, trained=False)
    laws: list[Callable[[SlowAttack], Moves]] = [
        kappa_moves,
        lambda p: kappa_moves(p, hessian=1.0),
        lambda p: kappa_moves(p, hessian=-1.0),
    ]
    printed, corrected, control = ((slopes(rungs, law)[0], math.nan) for law in laws)
    return printed, corrected, control


TWINS: dict[str, Twin] = {
    "lemma1[raw and normalised steps]": lambda s: lemma1(s, "linear"),
    "lemma1[sign steps, linf]": lambda s: lemma1(s, "sign, linf"),
    "lemma1[sign steps, l2]": lambda s: lemma1(s, "sign, l2"),
    "lemma1[region left]": lambda s: lemma1(s, "far"),
    "lemma1[smooth]": lambda s: lemma1(s, "smooth"),
    "eq22[relu]": eq22,
    "eq23[relu, random start, exact]": lambda s: eq23_exact(s, False),
    "eq23[relu, zero start]": lambda s: eq23_exact(s, True),
    "thm4[relu, exact]": thm4_exact,
    "thm4[zero start]": one_spectrum,
    "thm4[zero start, sign steps]": one_spectrum,
    "eq21": eq21,
}
LADDERS: dict[str, Twin] = {
    "eq22[smooth]": lambda s: first_order(s, kappa_moves, lambda p: kappa_moves(p, -1.0)),
    "eq22[smooth, without Assumption 2]": eq22_untrained,
    **{
        f"eq23[{k}]": lambda s: first_order(s, energy_moves, lambda p: energy_moves(p, True))
        for k in ("relu", "smooth")
    },
    **{f"thm4[{k}]": lambda s: first_order(s, ratio_moves, lambda p: ratio_moves(p, True)) for k in ("relu", "smooth")},
}
