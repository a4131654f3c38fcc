"""Twins of the judges of our extensions: data sets, kinks by width, FGSM and ℓ∞ PGD, adversarial training."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
from scipy import integrate

from tests.claims.comparison import TooCloseError, Twin, Words
from tests.claims.slow import SlowAttack, SlowPath, Sums, dft, order
from tests.claims.slow_extensions import SlowAdversarial, SlowSet, tau_of
from tests.claims.twins_theorems import member
from theory_sim.claims.adversarial_sample import AdversarialSample
from theory_sim.claims.dataset_sample import DatasetSample
from theory_sim.claims.samples import AttackSample, Eq8Sample, TrainingSample

RUNGS = (1, 2, 4, 8, 16, 32)


def half(v: np.ndarray) -> np.ndarray:
    """The half spectrum, on which vectors are compared."""
    return dft(v)[..., : v.shape[-1] // 2 + 1]


def tau_moves(s: Sums, terms: np.ndarray | float) -> bool:
    return len(s.total) > 1 and all(s.total > 1e-12 * terms) and np.abs(s.tau - s.tau[0]).max() >= 1e-10


# Data sets -----------------------------------------------------------------------------------------------------------


def set_law(sample: DatasetSample) -> Words:
    p = SlowSet.train(sample.training, sample.band)
    n = p.before_crossing - 1
    if n < 1:
        return None
    g, x = half(p.g), half(p.inputs)
    size = max(np.linalg.norm(v) for v in g[: n + 1])
    errors = [
        max(float(np.linalg.norm(g[t] - sum(p.rates[t, i] * x[i] for i in chosen) - g[t + 1])) / size for t in range(n))
        for chosen in (range(len(x)), range(1))
    ]
    return None if errors[1] <= 1e-8 else (None, -errors[0], -errors[1])


def set_orders(sample: DatasetSample) -> Words:
    t = sample.training
    g = SlowSet.train(t, sample.band).g
    size = np.linalg.norm(g[0])
    if np.linalg.norm(g[1] - g[0]) >= size or np.linalg.norm(g[-1] - g[0]) <= 1e-3 * size:
        return None
    errors: dict[tuple[float, int], list[float]] = {(part, k): [] for part in (1.0, 0.0) for k in (0, 1)}
    for n in RUNGS:
        rung = type(t)(t.network, t.inputs, t.labels, t.learning_rate / n, t.n_steps * n, t.probes)
        p = SlowSet.train(rung, sample.band)
        for (part, k), found in errors.items():
            moves = -p.rates @ p.inputs + part * p.bent
            gone = moves[0] - (p.g[1] - p.g[0]) if k == 0 else moves.sum(axis=0) - (p.g[-1] - p.g[0])
            found.append(float(np.linalg.norm(gone) / size))
    rates = [1.0 / n for n in RUNGS]
    words = {key: order(rates, found, 1e-12) for key, found in errors.items()}
    return None, (words[1.0, 0], words[1.0, 1]), (words[0.0, 0], words[0.0, 1])


def set_member(sample: DatasetSample) -> tuple[SlowSet, Sums, int] | None:
    p = SlowSet.train(sample.training, sample.band)
    s = p.sums
    moves = p.before_crossing >= 2 and tau_moves(s, max(s.total))
    return (p, s, p.before_crossing) if moves else None


def set_closed_form(sample: DatasetSample) -> Words:
    found = set_member(sample)
    if found is None:
        return None
    p, s, states = found
    own = np.concatenate([[0.0], np.cumsum(p.rates[:, 0])])
    alone, every, wrong = (
        -max(abs(tau_of(p.g[0] - moved, p.band) - s.tau)[:states])
        for moved in (own[:, None] * p.inputs[0], p.pulled, -p.pulled)
    )
    return alone, every, wrong


def set_theorem3(sample: DatasetSample, n: int) -> Words:
    found = set_member(sample)
    if found is None or len(sample.training.inputs) != n:
        return None
    p, s, states = found
    eq12 = s.tau_x * (s.low_cross[0] + s.high_cross[0]) - s.low_cross[0]
    if not (s.low_x > s.high_x and s.tau[0] < s.tau_x and p.rates[0, 0] > 0):
        return None
    if eq12 <= 1e-9 * (abs(s.low_cross[0]) + abs(s.high_cross[0])):
        return None
    corrected, control = [], []
    for t in range(1, states):
        x = Sums.of(p.g[:1], p.pulled[t], p.band)
        room, low, high = (x.tau_x - s.tau[0]) * s.total[0], x.low_cross[0], x.high_cross[0]
        for flip, words in ((1.0, corrected), (-1.0, control)):
            premise = room - flip * (low - x.tau_x * (low + high))
            if abs(premise) > 1e-6 * (abs(room) + abs(low) + abs(high)):
                words.append(math.copysign(1.0, premise) * (x.tau_x - s.tau[t]))
    return s.tau_x - max(s.tau[1:states]), min(corrected, default=None), min(control, default=None)


def set_left_out(sample: DatasetSample) -> Words:
    p = SlowSet.train(sample.training, sample.band)
    parts = [r * x for r, x in zip(p.rates[0][1:], p.inputs[1:], strict=True)]
    lengths = [float(np.linalg.norm(v)) for v in parts]
    if not any(lengths):
        return None
    square = float(np.linalg.norm(sum(parts))) ** 2
    return None, square / sum(v * v for v in lengths) - 1, square / sum(lengths) ** 2 - 1


# Kinks ---------------------------------------------------------------------------------------------------------------


def trained_weights(sample: TrainingSample) -> tuple[np.ndarray, np.ndarray, float]:
    """W at the end, who was active at the start and is no longer, and η Σ ℓ'."""
    t = sample.training
    w, a, total = t.network.weights.copy(), t.network.outer, 0.0
    active = w @ t.x > 0
    for _ in range(t.n_steps):
        s = w @ t.x
        step = t.learning_rate * (float(a @ np.maximum(s, 0)) - t.label)
        w, total = w - step * np.outer(a * (s > 0), t.x), total + step
    return w, active & ~(w @ t.x > 0), total


def kink_error(sample: TrainingSample) -> Words:
    p = SlowPath.of(sample)
    w, gone, _ = trained_weights(sample)
    jump = sum((a * v for a, v, out in zip(sample.training.network.outer, w, gone, strict=True) if out), 0 * p.x)
    size = max(np.linalg.norm(v) for v in p.g)
    if np.linalg.norm(jump) <= 1e-6 * size or min(p.residual[:-1]) <= 0:
        return None
    without, right, wrong = (
        -float(np.linalg.norm(p.g[0] - sum(p.drive) * p.x - k * jump - p.g[-1])) / size for k in (0, 1, -1)
    )
    return without, right, wrong


def kink_share(sample: TrainingSample) -> Words:
    t, x = sample.training, sample.training.x
    m, d = t.network.weights.shape
    w, gone, total = trained_weights(sample)
    variance = float(np.mean((t.network.weights - t.network.weights.mean()) ** 2))
    shift = total * float(np.sqrt(x @ x)) / math.sqrt(variance)
    if shift <= 0:
        return None
    jump = t.network.outer[gone] @ w[gone]
    across = jump - (jump @ x) / (x @ x) * x

    def mean(reach: float) -> float:
        chance = integrate.quad(lambda s: math.exp(-s * s / 2) / math.sqrt(2 * math.pi), 0, reach)[0]
        return (d - 1) * variance * m / 2 * chance

    share = float(across @ across)
    return None, share / mean(shift) - 1, share / mean(shift * math.sqrt(m / 16)) - 1


# FGSM ----------------------------------------------------------------------------------------------------------------


def clear(g: np.ndarray) -> np.ndarray:
    return np.array([min(abs(v)) > 1e-9 * max(abs(v)) for v in g])


def fgsm_breakpoints(sample: TrainingSample) -> Words:
    found = member(sample, "relu")
    if found is None:
        return None
    p, _ = found
    usable = clear(p.g)
    if not usable.any():
        return None
    tau = tau_of(np.sign(p.g[usable]), p.band)
    if max(tau) - min(tau) <= 1e-6:
        return None
    passed = p.q[usable][:, None] * p.x
    right, wrong = (-max(abs(tau_of(np.sign(p.g[0] - k * passed), p.band) - tau)) for k in (1, -1))
    return None, right, wrong


def fgsm_end(sample: Eq8Sample) -> tuple[SlowPath, Sums, np.ndarray, np.ndarray, float, float] | None:
    """The path with its sums, clear states and τ(sgn g), τ of the last signs, and the last breakpoint."""
    found = member(sample, "eq8")
    if found is None:
        return None
    p, s = found
    turning = [g / x for g, x in zip(p.g[0], p.x, strict=True) if g * x > 0]
    last = max(turning, default=0.0)
    end = float(tau_of(np.sign(p.g[0] - (2 * last + 1) * 1e6 * p.x), p.band))
    return p, s, clear(p.g), tau_of(np.sign(p.g), p.band), end, last


def fgsm_limit(sample: Eq8Sample) -> Words:
    found = fgsm_end(sample)
    if found is None:
        return None
    p, s, usable, tau, end, last = found
    past = [t for t in range(len(tau)) if usable[t] and p.q[t] > last * (1 + 1e-9)]
    if past[-2:] != [len(tau) - 2, len(tau) - 1] or np.ptp(tau[usable]) <= 1e-6:
        return None
    away, off = (max(abs(tau[t] - level) for t in past) for level in (end, s.tau_x))
    return tau[-1] - tau[-2] - 1e-6, -away, -off


def fgsm_theorem3(sample: Eq8Sample) -> Words:
    found = fgsm_end(sample)
    if found is None:
        return None
    p, s, usable, tau, end, last = found
    eq12 = s.tau_x * (s.low_cross[0] + s.high_cross[0]) - s.low_cross[0]
    printed = corrected = None
    met = usable[0] and tau[0] < s.tau_x and eq12 > 1e-9 * (abs(s.low_cross[0]) + abs(s.high_cross[0]))
    if met and sum(usable) > 1:
        printed = s.tau_x - max(tau[usable])
    if usable[-1] and p.q[-1] > last * (1 + 1e-9) and abs(end - s.tau_x) > 1e-6:
        corrected = math.copysign(1.0, s.tau_x - end) * (s.tau_x - tau[-1])
    return (
        None
        if printed is None and corrected is None
        else (printed, corrected, None if corrected is None else -corrected)
    )


def certain(p: SlowAttack) -> bool:
    sample, largest = p.sample, max(abs(p.g))
    if largest == 0 or any(0 < abs(v) <= 1e-9 * largest for v in p.g):
        return False
    return abs(p.gain[0]) > 1e-9 * (sample.radius * sum(abs(p.g)) + abs(sample.label))


def pgd_one_spectrum(sample: AttackSample) -> Words:
    p = SlowAttack.of(sample)
    if not certain(p) or not all(v.any() for v in p.delta[1:]):
        return None
    states = p.left.index(True) if True in p.left else len(p.delta) - 1
    tau = tau_of(p.delta[1:], sample.band)
    of_signs, of_g = (abs(tau - tau_of(v, sample.band)) for v in (np.sign(p.g), p.g))
    return -max(of_signs), *(-max(v[:states]) if states else None for v in (of_signs, of_g))


def pgd_saturation(sample: AttackSample) -> Words:
    p = SlowAttack.of(sample)
    if not certain(p) or p.left[-1]:
        return None
    eps, xi = sample.radius, sample.step_size
    words = []
    for sign in (1.0, -1.0):
        direction, worst = sign * np.sign(p.gain[0] * p.g), 0.0
        for j, delta in enumerate(p.delta):
            free = sample.start + j * xi * direction
            worst = max(worst, *abs(np.maximum(np.minimum(free, eps), -eps) - delta))
        words.append(-worst / eps)
    return None, words[0], words[1]


def pgd_raw(sample: AttackSample) -> Words:
    p = SlowAttack.of(sample)
    if not certain(p) or p.left[-1]:
        return None
    reached, clipped, free = 0.0, 0.0, 0.0
    for j in range(1, len(p.delta)):
        length = 1.0 if sample.step == "raw" else abs(p.gain[j - 1]) * float(np.linalg.norm(p.g))
        reached += sample.step_size * p.gain[j - 1] / length
        inside = [math.copysign(min(abs(reached * v), sample.radius), reached * v) for v in p.g]
        clipped = max(clipped, *abs(inside - p.delta[j]))
        free = max(free, *abs(reached * p.g - p.delta[j]))
    return None, -clipped / sample.radius, -free / sample.radius


# Adversarial training ------------------------------------------------------------------------------------------------


def attacked(sample: AdversarialSample) -> SlowAdversarial | None:
    p = SlowAdversarial.train(sample.training, sample.radius, sample.band)
    if p.left or not max(p.decay) > 1e-6 or not max(p.decay) < 1:
        return None
    s = p.sums
    return p if tau_moves(s, max(s.total)) else None


def beside(sample: AdversarialSample) -> tuple[SlowAdversarial, Sums, SlowPath, Sums] | None:
    """The attacked and the normal run, if both stay in the region."""
    p = attacked(sample)
    if p is None:
        return None
    normal = SlowPath.train(sample.training, sample.band)
    s = normal.sums
    if normal.first_crossing <= normal.steps or not tau_moves(s, max(s.total)):
        return None
    return p, p.sums, normal, s


def adversarial_eq8(sample: AdversarialSample) -> Words:
    p = attacked(sample)
    if p is None:
        return None
    g, x = half(p.g), half(p.x)
    size = max(np.linalg.norm(v) for v in g)
    without, right, wrong = (
        -max(
            float(np.linalg.norm((1 - k * p.decay[t]) * g[t] - p.drive[t] * x - g[t + 1])) / size
            for t in range(len(p.drive))
        )
        for k in (0, 1, -1)
    )
    return without, right, wrong


def adversarial_curve(sample: AdversarialSample) -> Words:
    p = attacked(sample)
    if p is None:
        return None
    tau, plain = p.sums.tau, p.further(0 * p.decay)
    right, wrong = (
        -max(abs(tau_of(p.g[0] - q[:, None] * p.x, p.band) - tau)) for q in (p.further(p.decay) / p.kept, plain)
    )
    return None, right, wrong


def adversarial_bound(sample: AdversarialSample, s: Sums) -> np.ndarray:
    t = sample.training
    net = t.network
    norm2 = sum(float(a) ** 2 for a, v in zip(net.outer, net.weights @ t.x, strict=True) if v > 0)
    factor = 1 - t.learning_rate * sample.radius**2 * norm2
    return np.array([factor**k * math.sqrt(s.total[0] / s.total[k]) for k in range(len(s.total))])


def adversarial_limit(sample: AdversarialSample) -> Words:
    found = beside(sample)
    if found is None:
        return None
    _, s, _, normal = found
    bound = adversarial_bound(sample, s)
    if bound[-1] >= 0.25:
        return None
    right, wrong = (min(bound - abs(v.tau - s.tau_x)) for v in (s, normal))
    return None, right, wrong


def turned(sample: AdversarialSample, p: SlowAdversarial, s: Sums) -> tuple[float, float, float]:
    """Δτ_l, Δτ_h for a positive drive, and Eq. 12's margin."""
    sign = math.copysign(1.0, p.residual[0])
    low, high = sign * s.low_cross[0], sign * s.high_cross[0]
    return low, high, s.tau_x * (low + high) - low


def adversarial_fig13(sample: AdversarialSample) -> Words:
    found = beside(sample)
    if found is None:
        return None
    p, s, run, normal = found
    if adversarial_bound(sample, s)[-1] >= 0.25 * abs(s.tau_x - normal.tau[-1]):
        return None
    higher = s.tau[-1] - normal.tau[-1]
    low, high, eq12 = turned(sample, p, s)
    if min(abs(run.drive)) < 1e-12 * max(abs(run.drive)):
        raise TooCloseError
    one_sided = all(v > 0 for v in run.drive) or all(v < 0 for v in run.drive)
    if one_sided and s.tau[0] < s.tau_x and eq12 > 1e-9 * (abs(low) + abs(high)):
        return higher, higher, -higher
    return higher, None, None


def adversarial_same_step(sample: AdversarialSample) -> Words:
    found = beside(sample)
    if found is None:
        return None
    p, s, _, normal = found
    ahead = [a - b for a, b in zip(s.tau[1:], normal.tau[1:], strict=True)]
    low, high, eq12 = turned(sample, p, s)
    start = low * s.high[0] - high * s.low[0]
    states = next((t for t, v in enumerate(p.residual) if v * p.residual[0] <= 0), len(ahead))
    t = sample.training
    r = (
        t.learning_rate
        * float(t.x @ t.x)
        * sum(a * a for a, v in zip(t.network.outer, t.network.weights @ t.x, strict=True) if v > 0)
    )
    if abs(r - 1) < 1e-9 or abs(eq12) < 1e-12 * (abs(low) + abs(high)):
        raise TooCloseError
    if start > 0 and s.tau[0] < s.tau_x and eq12 > 0 and t.label * p.residual[0] <= 0 and r <= 1 and states > 0:
        return min(ahead), min(ahead[:states]), -max(ahead[:states])
    return min(ahead), None, None


def adversarial_same_loss(sample: AdversarialSample) -> Words:
    p = attacked(sample)
    if p is None:
        return None
    f, e = p.output, p.residual
    steps = [t for t in range(len(f)) if e[t] * e[0] > 0 and (f[0] - f[t]) * e[0] > 0]
    if not steps:
        return None
    t, norm2, kept = steps[-1], float(p.x @ p.x), p.kept[steps[-1]]
    if not kept > 1e-6:
        return None
    near = (f[0] - f[t]) / norm2
    net = sample.training.network
    alive = net.weights @ p.x > 0
    moved = net.weights - near / float(net.outer[alive] @ net.outer[alive]) * np.outer(net.outer * alive, p.x)
    if ((moved @ p.x > 0) != alive).any():
        return None
    ahead = float(p.sums.tau[t] - tau_of((net.outer * alive) @ moved, p.band))
    right, wrong = (
        -abs(
            float(tau_of(p.g[0] - (near - k * f[t] * (1 - kept) / (kept * norm2)) * p.x, p.band))
            - float(tau_of(p.g[0] - near * p.x, p.band))
            - ahead
        )
        for k in (1, -1)
    )
    return ahead, right, wrong


def adversarial_orders(sample: AdversarialSample) -> Words:
    def train(n: int) -> SlowAdversarial:
        t = sample.training
        return SlowAdversarial.train(t.with_rate(t.learning_rate / n, t.n_steps * n), sample.radius, sample.band)

    first = train(1)
    g, size = first.g, np.linalg.norm(first.g[0])
    if np.linalg.norm(g[1] - g[0]) >= size or np.linalg.norm(g[-1] - g[0]) <= 1e-3 * size:
        return None
    if any(v * first.residual[0] <= 0 for v in first.residual):
        return None
    errors: dict[tuple[float, int], list[float]] = {(part, k): [] for part in (1.0, 0.0) for k in (0, 1)}
    for n in RUNGS:
        p = train(n)
        for (part, k), found in errors.items():
            moves = -p.drive[:, None] * (p.x + p.delta[:-1]) + part * p.bent
            gone = moves[0] - (p.g[1] - p.g[0]) if k == 0 else moves.sum(axis=0) - (p.g[-1] - p.g[0])
            found.append(float(np.linalg.norm(gone) / size))
    rates = [1.0 / n for n in RUNGS]
    words = {key: order(rates, found, 1e-12) for key, found in errors.items()}
    return None, (words[1.0, 0], words[1.0, 1]), (words[0.0, 0], words[0.0, 1])


TWINS: dict[str, Twin] = {
    "eq8_dataset[relu]": set_law,
    "dataset[closed form]": set_closed_form,
    "dataset[left out at the first step]": set_left_out,
    **{f"dataset[thm3, n = {n}]": partial(set_theorem3, n=n) for n in (2, 8, 32)},
    "kinks[error of the closed form]": kink_error,
    "kinks[share against width]": kink_share,
    "fgsm[breakpoints]": fgsm_breakpoints,
    "fgsm[thm1_t1]": fgsm_limit,
    "fgsm[thm3]": fgsm_theorem3,
    "linf_pgd[sign steps, zero start]": pgd_one_spectrum,
    "linf_pgd[sign steps, any start]": pgd_saturation,
    "linf_pgd[raw steps, zero start]": pgd_raw,
    "adv_training[eq8]": adversarial_eq8,
    "adv_training[one curve]": adversarial_curve,
    "adv_training[limit]": adversarial_limit,
    "adv_training[Fig. 13]": adversarial_fig13,
    "adv_training[same step]": adversarial_same_step,
    "adv_training[same loss]": adversarial_same_loss,
}
LADDERS: dict[str, Twin] = {"eq8_dataset[softplus]": set_orders, "adv_training[softplus]": adversarial_orders}
