"""Twins of the judges of inputs, of initialisation and of the assumptions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tests.claims.comparison import Twin, Words
from tests.claims.slow import SlowPath, Sums, dft, order, weights
from theory_sim.claims.samples import SignalSample, TrainingSample
from theory_sim.network import ACTIVATIONS

RADIUS = 8 / 255


def lead(sample: SignalSample) -> float:
    s = Sums.of(sample.x[None], sample.x, sample.band)
    return (s.low_x - s.high_x) / (s.low_x + s.high_x)


def eq2(sample: SignalSample) -> Words:
    room = sample.alpha0**2
    for k in range(1, sample.x.size // 2 + 1):
        room += k ** (-2 * sample.alpha) * (1 if k <= sample.band.cutoff else -1)
    return min(lead(sample), room), room - (2 - math.pi**2 / 6), -lead(sample)


def eq2_image(sample: SignalSample) -> Words:
    return lead(sample), None, -lead(sample)


def bins(sample: SignalSample, real: bool) -> list[tuple[complex, complex]]:
    """(x̂, δ̂) of k = 0 ... d/2 that are (not) their own mirror image and vanish in neither, largest ratio 1."""
    d = sample.x.size
    x_hat, d_hat = dft(sample.x), dft(sample.delta)
    half = range(d // 2 + 1)
    tops = [max(abs(v[k]) for k in half) for v in (x_hat, d_hat)]
    alive = [k for k in half if abs(x_hat[k]) > 1e-6 * tops[0] and abs(d_hat[k]) > 1e-6 * tops[1]]
    chosen = [k for k in alive if (k == 0 or 2 * k == d) == real]
    most = max((abs(d_hat[k] / x_hat[k]) for k in chosen), default=1.0)
    return [(complex(x_hat[k]), complex(d_hat[k] / most)) for k in chosen]


def difference(x: complex, delta: complex) -> float:
    """20 |ln|x̂+δ̂| - ln|x̂||."""
    return 20 * abs(math.log(abs(x + delta)) - math.log(abs(x)))


def eq3(sample: SignalSample, real: bool) -> Words:
    pairs = bins(sample, real)
    if not pairs:
        return None
    sizes = [1 / 32 / n for n in (1, 2, 4, 8, 16, 32)]
    errors: list[list[float]] = [[], [], []]
    for size in sizes:
        rows = []
        for x, delta in pairs:
            rho, phase = abs(size * delta / x), math.atan2((delta / x).imag, (delta / x).real)
            left = difference(x, size * delta)
            cosine, sine = 20 * rho * abs(math.cos(phase)), 20 * rho * abs(math.sin(phase))
            rows.append((left - 20 * math.log(1 + rho), left - 20 * rho, left - cosine, left - sine))
        log_form, linear, cosine, sine = np.linalg.norm(np.array(rows), axis=0)
        for errors_of, error in zip(errors, (log_form + linear, cosine, sine), strict=True):
            errors_of.append(float(error))
    found = [(order(sizes, e, 1e-13), math.nan) for e in errors]
    return found[0], None if real else found[1], found[2]


def eq3_mean(sample: SignalSample) -> Words:
    pairs = bins(sample, False)
    if not pairs:
        return None
    mean = float(np.mean([abs(math.cos(np.angle(delta / x))) for x, delta in pairs]))  # the limit ρ -> 0
    return None, mean - 2 / math.pi, mean - 1


def assumption1(sample: TrainingSample) -> Words:
    p = SlowPath.of(sample)
    if p.first_crossing <= p.steps:
        return None
    size = np.abs(p.residual)
    r = sample.training.learning_rate * p.active_norm2[0] * float(p.x @ p.x)

    def error(rate: float) -> float:
        return -max(abs(v / size[0] - abs(1 - rate) ** t) for t, v in enumerate(size)) / (size.max() / size[0])

    kept = min(size.min() / size[0], size[0] / size.max())
    return kept - 1e-3, error(r), error(r / 2)


def assumption2(sample: TrainingSample) -> Words:
    size = np.abs(SlowPath.of(sample).residual)
    if size[0] < RADIUS or size[-1] > RADIUS**2 or size.min() >= RADIUS:
        return None
    first = next(t for t, v in enumerate(size) if v < RADIUS)
    bound = RADIUS * math.sqrt(RADIUS)
    return (size[first:].min() - RADIUS**2) / RADIUS, 1 - size[-1] / bound, 1 - size[0] / bound


def assumption3(sample: TrainingSample, name: str) -> Words:
    act = sample.training.network.activation
    s = np.concatenate([sample.trajectory.preactivation.ravel(), np.linspace(-3, 3, 61)])
    h = 1e-3 / (1.0 if name == "relu" else act.sharpness)
    secants = np.concatenate([(act.slope(s + h) - act.slope(s)) / h, (act.slope(s) - act.slope(s - h)) / h])
    bend, slope = act.curvature(s), act.slope(s)
    gamma = 500.0 if name == "relu" else act.curvature_bound

    def margin(bound: float) -> float:
        highest = max(bend.max(), secants.max() - 1e-9 * bound)
        return min(slope.min(), (1 - slope).min(), min(bend.min(), secants.min(), bound - highest) / bound)

    if name == "relu":
        away = np.tile(np.abs(s) > 1e-3, 2)
        return margin(gamma), -np.abs(secants[away]).max(), -np.abs(secants).max()
    return margin(gamma), act.curvature(np.zeros(1))[0] / gamma - 0.999, margin(gamma / 2)


def assumption4(sample: TrainingSample) -> Words:
    p = SlowPath.of(sample)
    if p.first_crossing == 1 or p.residual[0] == 0:
        return None
    net, eta = sample.training.network, sample.training.learning_rate
    half = p.x.size // 2 + 1
    size = np.linalg.norm(dft(p.g[0])[:half]) + np.linalg.norm(dft(p.g[1])[:half])
    s = net.weights @ p.x
    active = (s > 0) * net.outer

    def error(outer: Any) -> float:
        w = net.weights - eta * p.residual[0] * np.outer(active, p.x)
        g = w.T @ (outer * (w @ p.x > 0))
        return -float(np.linalg.norm(dft(g - (p.g[0] - p.drive[0] * p.x))[:half]) / size)

    trained = net.outer - eta * p.residual[0] * np.maximum(s, 0)
    return error(net.outer), None, error(trained)


def eq16_always(sample: TrainingSample) -> Words:
    s = SlowPath.of(sample).sums
    return (s.tau_x - s.tau[0], None, s.tau[0] - s.tau_x) if s.low_x > s.high_x else None


def eq16_unbiased(sample: TrainingSample) -> Words:
    width, d = sample.training.network.weights.shape
    if width < 128 or d < 257 or sample.band.convention != "two-sided":
        return None
    s = SlowPath.of(sample).sums
    share = weights(sample.band)[0].sum() / d
    six = 6 * math.sqrt(share * (1 - share) / (d / 2 + 1))
    if abs(s.tau_x - share) < 2 * six:
        return None
    return six - abs(s.tau[0] - share), None, six - abs(s.tau_x - share)


TWINS: dict[str, Twin] = {
    "eq2[power-law]": eq2,
    "eq2[images]": eq2_image,
    "eq3[complex bins]": lambda s: eq3(s, False),
    "eq3[self-conjugate bins]": lambda s: eq3(s, True),
    "eq3[mean over phase]": eq3_mean,
    "assumption1[0 < r <= 1]": assumption1,
    "assumption1[1 < r < 2]": assumption1,
    "assumption1[r > 2]": assumption1,
    "assumption2": assumption2,
    "assumption4": assumption4,
    "eq16[always]": eq16_always,
    "eq16[no bias]": eq16_unbiased,
    "eq16[no bias, outer 0/1]": eq16_unbiased,
    **{f"assumption3[{name}]": lambda s, name=name: assumption3(s, name) for name in ACTIVATIONS},
}
