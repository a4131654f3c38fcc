"""Twins of the judges of Eqs. 8, 13, 14 and 15: the equations written out over explicit runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.claims.comparison import Twin, Words
from tests.claims.slow import SlowPath, Sums, dft, order, weights
from theory_sim.claims.samples import Eq8Sample, TrainingSample

Parts = tuple[Any, Any, Any, Any]
SMOOTH = ("softplus", "squareplus", "leaky_softplus")


def ladder(sample: TrainingSample) -> list[tuple[float, SlowPath]]:
    """Learning rates η, η/2, ... η/2⁵ with the runs that have them, over the same training time."""
    t = sample.training
    rungs = [(t.learning_rate / n, t.n_steps * n) for n in (1, 2, 4, 8, 16, 32)]
    return [(rate, SlowPath.train(t.with_rate(rate, steps), sample.band)) for rate, steps in rungs]


def usable(sample: TrainingSample, rungs: list[tuple[float, SlowPath]]) -> bool:
    relu = sample.training.network.activation.name == "relu"
    if relu and any(p.first_crossing <= p.steps for _, p in rungs):
        return False
    g = rungs[0][1].g
    size = np.linalg.norm(g[0])
    return bool(np.linalg.norm(g[1] - g[0]) < size and np.linalg.norm(g[-1] - g[0]) > 1e-3 * size)


def slopes(rungs: list[tuple[float, SlowPath]], law: Callable[[SlowPath], Parts]) -> tuple[float, float]:
    """Orders of the one-step and of the global error, relative to what is predicted."""
    rates, local, whole = [rate for rate, _ in rungs], [], []
    for _, p in rungs:
        one, one_true, end, end_true = (np.atleast_1d(v) for v in law(p))
        local.append(float(np.linalg.norm(one - one_true) / np.linalg.norm(one_true)))
        whole.append(float(np.linalg.norm(end - end_true) / np.linalg.norm(end_true)))
    return order(rates, local, 1e-12), order(rates, whole, 1e-12)


def by_orders(
    sample: TrainingSample,
    printed: Callable[[SlowPath], Parts] | None,
    corrected: Callable[[SlowPath], Parts] | None,
    control: Callable[[SlowPath], Parts],
) -> Words:
    rungs = ladder(sample)
    if not usable(sample, rungs):
        return None
    found = [None if law is None else slopes(rungs, law) for law in (printed, corrected, control)]
    return found[0], found[1], found[2]


def spectrum_sized(p: SlowPath, v: np.ndarray) -> np.ndarray:
    """The DFT on the half spectrum, on which vectors of laws for ĝ are compared."""
    return dft(v)[..., : v.shape[-1] // 2 + 1]


# Eq. 8: vectors ------------------------------------------------------------------------------------------------------


def eq8_mean_rate(p: SlowPath) -> Parts:
    z = [p.g[0]]
    for t in range(p.steps):
        z.append((1 - p.decay[t]) * z[-1] - p.drive[t] * p.x)
    return tuple(spectrum_sized(p, v) for v in (z[1], p.g[1], z[-1], p.g[-1]))  # type: ignore[return-value]


def eq8_kernel(p: SlowPath, extra: float = 1.0) -> Parts:
    """The tangent kernel's move, its part beyond -η^(t) x times `extra`."""
    along = -p.drive[:, None] * p.x
    moves = along + extra * (p.moves - along)
    end = p.g[0] + moves.sum(axis=0)
    return tuple(spectrum_sized(p, v) for v in (p.g[0] + moves[0], p.g[1], end, p.g[-1]))  # type: ignore[return-value]


def eq8_by_units(sample: TrainingSample, sign: float = 1.0) -> Callable[[SlowPath], Parts]:
    """Every unit with its own rate in the first step, the tangent kernel afterwards."""

    def law(p: SlowPath) -> Parts:
        net, x = sample.training.network, p.x
        s, eta = net.weights @ x, p.drive[0] / (p.residual[0] * p.active_norm2[0])
        one = np.zeros_like(x)
        for w, a, slope, bend in zip(
            net.weights, net.outer, net.activation.slope(s), net.activation.curvature(s), strict=True
        ):
            rate = eta * p.residual[0] * (x @ x) * a * bend
            one = one + (1 - rate) * a * slope * w
        one = p.g[0] + sign * (one - p.drive[0] * x - p.g[0])
        end = one + p.moves[1:].sum(axis=0)
        return tuple(spectrum_sized(p, v) for v in (one, p.g[1], end, p.g[-1]))  # type: ignore[return-value]

    return law


def eq8_relu(sample: TrainingSample) -> Words:
    p = SlowPath.of(sample)
    if p.first_crossing <= p.steps:
        return None
    g, x = spectrum_sized(p, p.g), spectrum_sized(p, p.x)
    size = max(np.linalg.norm(v) for v in g)
    if max(np.linalg.norm(g[t + 1] - g[t]) for t in range(p.steps)) < 1e-8 * size:
        return None

    def error(sign: float) -> float:
        return -max(float(np.linalg.norm(g[t] - sign * p.drive[t] * x - g[t + 1])) for t in range(p.steps)) / size

    return error(1.0), error(1.0), error(-1.0)


def wide(sample: TrainingSample) -> Words:
    net, x = sample.training.network, sample.training.x
    s, act = net.weights @ x, net.activation
    pull = net.outer**2 * act.slope(s) * act.curvature(s)
    v = net.weights.T @ pull
    across = v - (v @ x) / (x @ x) * x
    each = (x.size - 1) * float(np.var(net.weights))
    square = float(across @ across)
    return None, square / (each * float(np.sum(pull**2))) - 1, square / (each * float(np.sum(pull)) ** 2) - 1


# Eqs. 13-15: band sums -----------------------------------------------------------------------------------------------


def summed(values: np.ndarray, moves: np.ndarray, offset: float = 0.0) -> Parts:
    """One step, and all of them: predicted and actual."""
    end = values[0] + moves.sum(axis=0)
    return values[0] + moves[0] + offset, values[1] + offset, end + offset, values[-1] + offset


def kernel_changes(p: SlowPath, other: np.ndarray) -> np.ndarray:
    """2 Re Σ_band w_k move[k] conj(other[k]) of every step, (T, 2)."""
    product = (dft(p.moves) * np.conj(dft(other))).real
    return 2 * np.stack([(product * w).sum(axis=1) for w in weights(p.band)], axis=1)


def energies(p: SlowPath, printed: bool, swap: bool = False) -> Parts:
    s = p.sums
    energy = np.stack([s.low, s.high], axis=1)
    if printed:
        cross = np.stack([s.high_cross, s.low_cross] if swap else [s.low_cross, s.high_cross], axis=1)[:-1]
        moves = -2 * p.decay[:, None] * energy[:-1] + p.drive[:, None] * cross
    else:
        moves = kernel_changes(p, p.g[:-1])
        moves = moves[:, [1, 0]] if swap else moves
    return summed(energy, moves)


def gaps(p: SlowPath, printed: bool, sign: float = 1.0) -> Parts:
    s = p.sums
    if printed:
        moves = -p.decay * s.gap[:-1] + p.drive * (s.low_x - s.high_x)
    else:
        changes = -kernel_changes(p, p.x[None])
        moves = sign * (changes[:, 0] - changes[:, 1])
    natural = abs(s.low_cross[0]) + abs(s.high_cross[0]) + np.sqrt(s.total[0] * (s.low_x + s.high_x))
    return summed(s.gap, moves, 2 * natural)


def ratios(p: SlowPath, printed: bool, swap: bool = False) -> Parts:
    s = p.sums
    if printed:
        low, high = p.drive * s.low_cross[:-1], p.drive * s.high_cross[:-1]
    else:
        low, high = kernel_changes(p, p.g[:-1]).T
    if swap:
        low, high = high, low
    return summed(s.tau, (low * (1 - s.tau[:-1]) - high * s.tau[:-1]) / s.total[1:], 1.0)


def eq15_orders(sample: TrainingSample, exact: bool) -> Words:
    tau = SlowPath.of(sample).sums.tau
    if np.abs(tau - tau[0]).max() <= 1e-5:
        return None
    if exact:
        return by_orders(sample, lambda p: ratios(p, True), None, lambda p: ratios(p, True, swap=True))
    return by_orders(
        sample, lambda p: ratios(p, True), lambda p: ratios(p, False), lambda p: ratios(p, False, swap=True)
    )


# Identities ----------------------------------------------------------------------------------------------------------


def without_crossing(sample: TrainingSample | Eq8Sample) -> tuple[SlowPath, Sums] | None:
    p = SlowPath.of(sample)
    return None if p.first_crossing <= p.steps else (p, p.sums)


def eq13_exact(sample: TrainingSample | Eq8Sample) -> Words:
    found = without_crossing(sample)
    if found is None:
        return None
    p, s = found
    size = s.total.max()
    if max(np.abs(np.diff(s.low)).max(), np.abs(np.diff(s.high)).max()) <= 1e-7 * size:
        return None
    exact = first = 0.0
    for energy, cross, of_x in ((s.low, s.low_cross, s.low_x), (s.high, s.high_cross, s.high_x)):
        for t in range(p.steps):
            keep, eta = 1 - p.decay[t], p.drive[t]
            exact = max(exact, abs(keep**2 * energy[t] + keep * eta * cross[t] + eta**2 * of_x - energy[t + 1]))
            first = max(first, abs((1 - 2 * p.decay[t]) * energy[t] + eta * cross[t] - energy[t + 1]))
    return None, -exact / size, -first / size


def eq14_exact(sample: TrainingSample | Eq8Sample) -> Words:
    found = without_crossing(sample)
    if found is None:
        return None
    p, s = found
    size = (np.abs(s.low_cross) + np.abs(s.high_cross)).max()
    room = s.low_x - s.high_x
    if max(abs(d * room) for d in p.drive) <= 1e-7 * size:
        return None

    def error(factor: float) -> float:
        steps = range(p.steps)
        return -max(abs((1 - p.decay[t]) * s.gap[t] + factor * p.drive[t] * room - s.gap[t + 1]) / size for t in steps)

    return error(1.0), error(2.0), error(-2.0)


def eq15_exact(sample: TrainingSample | Eq8Sample) -> Words:
    found = without_crossing(sample)
    if found is None:
        return None
    p, s = found
    most = 0.0
    for t in range(p.steps):
        most = max(most, s.total[t] + p.drive[t] ** 2 * (s.low_x + s.high_x))
        if not s.total[t + 1] > 1e-8 * most:
            return None
    if np.abs(np.diff(s.tau)).max() < 1e-6:
        return None

    def error(swap: bool, exact: bool) -> float:
        worst = 0.0
        for t in range(p.steps):
            eta, keep, tau = p.drive[t], 1 - p.decay[t], s.tau[t]
            low, high = (s.high_cross[t], s.low_cross[t]) if swap else (s.low_cross[t], s.high_cross[t])
            change = eta * (low * (1 - tau) - high * tau)
            if exact:
                change = keep * change + eta**2 * (s.low_x * (1 - tau) - s.high_x * tau)
            worst = max(worst, abs(change / s.total[t + 1] - (s.tau[t + 1] - tau)))
        return -worst

    return error(False, False), error(False, True), error(True, True)


TWINS: dict[str, Twin] = {
    "eq8[relu]": eq8_relu,
    "eq13[relu, exact]": eq13_exact,
    "eq13[eq8, exact]": eq13_exact,
    "eq14[relu]": eq14_exact,
    "eq14[eq8]": eq14_exact,
    "eq15[relu, as an equality]": eq15_exact,
    "eq15[eq8, as an equality]": eq15_exact,
    "eq8_ntk[wide Gaussian]": wide,
}
LADDERS: dict[str, Twin] = {
    "eq13[relu]": lambda s: by_orders(s, lambda p: energies(p, True), None, lambda p: energies(p, True, swap=True)),
    "eq15[relu]": lambda s: eq15_orders(s, True),
}
OF_SMOOTH: dict[str, Twin] = {
    "eq8[{}]": lambda s: by_orders(s, eq8_mean_rate, eq8_kernel, lambda p: eq8_kernel(p, -1.0)),
    "eq8[{}, line above]": lambda s: by_orders(s, eq8_by_units(s), None, eq8_by_units(s, -1.0)),
    "eq8_ntk[{}]": lambda s: by_orders(s, None, eq8_kernel, lambda p: eq8_kernel(p, 0.0)),
    "eq13[{}]": lambda s: by_orders(
        s, lambda p: energies(p, True), lambda p: energies(p, False), lambda p: energies(p, False, swap=True)
    ),
    "eq14[{}]": lambda s: by_orders(
        s, lambda p: gaps(p, True), lambda p: gaps(p, False), lambda p: gaps(p, False, sign=-1.0)
    ),
    "eq15[{}]": lambda s: eq15_orders(s, False),
}
LADDERS |= {key.format(name): twin for key, twin in OF_SMOOTH.items() for name in SMOOTH}
