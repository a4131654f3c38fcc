"""Twins of the judges of Theorems 1-3: the statements followed step by step."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from tests.claims.comparison import TooCloseError, Twin, Words
from tests.claims.slow import SlowPath, Sums, growth
from theory_sim.claims.samples import Eq8Sample, TrainingSample
from theory_sim.claims.theorem1 import REGIMES

SWINGING = ("relu 1<r<2", "relu r>2", "eq8 outside")
Path = TrainingSample | Eq8Sample


def member(sample: Path, regime: str) -> tuple[SlowPath, Sums] | None:
    """The slow path if it is what its regime says, L_x > H_x, and τ moves; None otherwise."""
    p = SlowPath.of(sample)
    s = p.sums
    if not s.low_x > s.high_x or not moves(p, s):
        return None
    if isinstance(sample, TrainingSample):
        if np.abs(p.drive).min() < 1e-12 * np.abs(p.drive).max():
            raise TooCloseError
        crossed = p.first_crossing <= p.steps
        if regime == "relu kinks" and not crossed:
            return None
        if regime.startswith("relu") and regime != "relu kinks" and crossed:
            return None
        if regime in ("relu", "relu kinks", "smooth") and not all(d > 0 for d in p.drive):
            return None
        if regime == "relu f<y" and not all(d < 0 for d in p.drive):
            return None
    return p, s


def moves(p: SlowPath, s: Sums) -> bool:
    """τ moves, and exists at every step: ĝ is not the round-off of what it is a difference of."""
    if p.active.size:
        terms = np.full(p.steps + 1, s.total.max())
    else:
        kept = np.cumprod([1.0, *(1 - p.decay)])
        terms = kept**2 * (s.total[0] + p.q**2 * (s.low_x + s.high_x))
    return all(s.total > 1e-12 * terms) and np.abs(s.tau - s.tau[0]).max() >= 1e-10


class Stretch:
    """What a statement looks at: the whole path (printed), or mirrored and cut (corrected)."""

    def __init__(self, p: SlowPath, s: Sums, corrected: bool) -> None:
        self.sign = -1.0 if corrected and p.drive[0] <= 0 else 1.0
        n = p.steps
        if corrected:
            n = min(n, p.first_crossing - 1)
            for t in range(p.steps):
                if self.sign * p.drive[t] <= 0:
                    n = min(n, t)
        self.n = n
        self.low, self.high = s.low[: n + 1], s.high[: n + 1]
        self.low_cross, self.high_cross = self.sign * s.low_cross[: n + 1], self.sign * s.high_cross[: n + 1]
        self.growth = growth(s)[:n]

    @property
    def gap(self) -> np.ndarray:
        return self.low_cross - self.high_cross

    @property
    def t0(self) -> int:
        """First state from which on the gap is positive."""
        first = 0
        for t in range(self.n + 1):
            if not self.gap[t] > 0:
                first = t + 1
        return first


def words(printed: Any, corrected: Any, control: Any) -> Words:
    return None if printed is None and corrected is None else (printed, corrected, control)


def thm1_t0(sample: Path, regime: str) -> Words:
    found = member(sample, regime)
    if found is None:
        return None
    p, s = found

    def margin(corrected: bool, share: float, sign: float = 1.0) -> float | None:
        stretch, out = Stretch(p, s, corrected), []
        for t in range(1, stretch.n + 1):
            if isinstance(sample, TrainingSample):
                slowest = min(abs(r) for r in p.residual[: t + 1]) * min(p.active_norm2[: t + 1])
                slowest *= sample.training.learning_rate
            else:
                slowest = min(abs(d) for d in p.drive[: t + 1])
            if t * slowest * (s.low_x - s.high_x) >= -share * stretch.gap[0]:
                size = abs(stretch.low_cross[t]) + abs(stretch.high_cross[t])
                out.append(sign * stretch.gap[t] / size)
        return min(out) if out else None

    return words(margin(False, 1.0), margin(True, 0.5), margin(True, 0.5, -1.0))


def thm1_existence(sample: TrainingSample) -> Words:
    found = member(sample, "relu")
    if found is None:
        return None
    p, s = found
    training = sample.training
    q_end = (float(training.network.output(training.x)) - training.label) / float(training.x @ training.x)
    far = 2 * (s.low_x - s.high_x) * q_end
    end = s.gap[-1] / (abs(s.gap[0]) + abs(far))
    if abs(end) < max(1e-3, 10 * abs(p.residual[-1] / p.residual[0])):
        return None
    return end, end if s.gap[0] + far > 0 else -end, end if s.gap[0] + far / 2 > 0 else -end


def thm1_t1(sample: Path, regime: str) -> Words:
    found = member(sample, regime)
    if found is None:
        return None
    p, s = found
    last = growth(s)[-6:] if regime in SWINGING else growth(s)[-3:]
    if not s.tau[0] < s.tau_x or p.steps < 6 or np.abs(last).min() < 1e-10:
        return None
    if np.abs(last).min() < 1e-9:  # differences of τ have lost their digits
        raise TooCloseError
    end = last.min() / np.abs(last).max()
    if regime == "smooth":
        return end, None, end
    if regime in ("eq8", "relu r>2") and not far_along(p, s):
        return None
    if regime in SWINGING:
        return end, -end, end
    if regime == "eq8":
        rises = s.low_x * s.high_cross[0] - s.high_x * s.low_cross[0] >= 0
        return end, end if rises else -end, -end if rises else end
    base = max([t for t in range(1, p.steps + 1) if (p.active[t] != p.active[t - 1]).any()], default=0)
    if base > p.steps - 6:
        return None
    q_end = p.residual[base] / float(p.x @ p.x)
    qs = np.linspace(sum(p.drive[base : p.steps - 3]), q_end, 16)
    slopes = [np.sign(q_end) * tau_slope(p.g[base] - q * p.x, p) for q in qs]
    if min(abs(v) for v in slopes) < 1e-12 * max(abs(v) for v in slopes):
        raise TooCloseError
    if len({v > 0 for v in slopes}) > 1:
        return None
    rises = slopes[-1] > 0
    return end, end if rises else -end, -end if rises else end


def tau_slope(g: np.ndarray, p: SlowPath) -> float:
    """dτ/dq of g - q x at q = 0, times N²."""
    s = Sums.of(g[None], p.x, p.band)
    return float((s.low_cross * s.high - s.high_cross * s.low)[0])


def far_along(p: SlowPath, s: Sums) -> bool:
    """The last four states are so far that τ' has the sign it has at infinity, by a factor of ten."""
    zero = s.low_cross[0] * s.high[0] - s.high_cross[0] * s.low[0]
    one = 2 * (s.low_x * s.high[0] - s.high_x * s.low[0])
    two = s.low_x * s.high_cross[0] - s.high_x * s.low_cross[0]
    return all(abs(two) * q * q > 10 * (abs(one * q) + abs(zero)) for q in p.q[-4:])


def thm1_growth(sample: Path, regime: str) -> Words:
    found = member(sample, regime)
    if found is None:
        return None

    def margin(corrected: bool, sign: float = 1.0) -> float | None:
        stretch = Stretch(*found, corrected)
        chosen = [t for t in range(stretch.t0, stretch.n) if stretch.low[t] < stretch.high[t]]
        if corrected:
            chosen = [t for t in chosen if stretch.low_cross[t] >= 0]
        return min((sign * stretch.growth[t] for t in chosen), default=None)

    return words(margin(False), margin(True), margin(True, -1.0))


def thm1_keeps(sample: Path, regime: str) -> Words:
    found = member(sample, regime)
    if found is None:
        return None
    p, s = found

    def margin(corrected: bool, sign: float = 1.0) -> float | None:
        stretch = Stretch(p, s, corrected)
        for t in range(stretch.t0 + 1, stretch.n):
            tau = stretch.low[t] / (stretch.low[t] + stretch.high[t])
            low, high = stretch.low_cross[t] * (1 - tau), stretch.high_cross[t] * tau
            if abs(low - high) < 1e-12 * (abs(low) + abs(high)):
                raise TooCloseError
            if low >= high:
                if corrected:
                    low, high = stretch.sign * s.low_cross[0], stretch.sign * s.high_cross[0]
                    if not (low <= s.tau_x * (low + high) and s.tau[0] < s.tau_x):
                        return None
                return float((sign * stretch.growth[t:]).min())
        return None

    return words(margin(False), margin(True), margin(True, -1.0))


def thm1_majority(sample: Path, regime: str) -> Words:
    found = member(sample, regime)
    if found is None:
        return None

    def margin(corrected: bool, sign: float = 1.0) -> float | None:
        stretch = Stretch(*found, corrected)
        lead = [(lo - hi) / (lo + hi) for lo, hi in zip(stretch.low, stretch.high, strict=True)]
        for t in range(stretch.t0, stretch.n):
            if lead[t] > 0:
                return min(sign * v for v in lead[t + 1 :])
        return None

    return words(margin(False), margin(True), margin(True, -1.0))


def theorem2(sample: Path, regime: str) -> Words:
    p = SlowPath.of(sample)
    s = p.sums
    if regime == "eq8 constant":
        if not moves(p, s):
            return None
    elif member(sample, regime) is None:
        return None
    g_hat, x_hat = np.conj(np.fft.rfft(p.g)), np.conj(np.fft.rfft(p.x))
    size = np.abs(x_hat)
    usable = [k for k in range(1, len(x_hat)) if size[k] > 1e-9 * size.max()]
    pairs = {(usable[i], usable[j]) for i in range(1, len(usable)) for j in (i - 1, i // 2) if j != i}
    r = np.abs(g_hat) / np.where(size > 0, size, 1.0)
    pairs = {(k, low) for k, low in pairs if r[0, k] > r[0, low] * (1 + 1e-6)}
    if not pairs:
        return None
    if isinstance(sample, TrainingSample):
        net = sample.training.network
        most = sample.training.learning_rate * np.abs(p.residual).max() * float(net.outer @ net.outer)
    else:
        most = np.abs(p.drive).max()
    decayed = bool(np.any(p.decay != 0))
    if regime.startswith("eq8") and regime != "eq8 outside" and decayed != (regime == "eq8 decay"):
        return None
    sign = 1.0 if p.drive[0] > 0 else -1.0
    first_wrong = next((t for t in range(p.steps + 1) if not sign * p.q[t] >= 0), p.steps + 1)
    states = min(p.steps + 1, p.first_crossing, first_wrong)
    printed, corrected, control, sharp = [], [], [], []
    for k, low in pairs:
        cos = [r[0, i] * math.cos(np.angle(g_hat[0, i]) - np.angle(x_hat[i])) for i in (k, low)]
        difference = r[0, k] ** 2 - r[0, low] ** 2

        def bound(bracket: float, difference: float = difference) -> float:
            return difference / (2 * most * bracket) if bracket > 0 else math.inf

        t0 = bound(cos[0] - cos[1])
        for t in range(1, p.steps + 1):
            lead = (r[t, k] ** 2 - r[t, low] ** 2) / (r[t, k] ** 2 + r[t, low] ** 2)
            printed += [lead] if t < t0 else []
            if regime == "eq8 constant":
                control += [lead] if t < 2 * t0 else []
                sharp += [-lead] if t > t0 * (1 + 1e-9) else []
                continue
            control += [lead] if t < t0 or t0 < math.inf else []
            if regime == "eq8 decay":
                corrected += [lead] if p.q[t] < most * t0 else []
            else:
                corrected += [lead] if t < states and t < bound(sign * (cos[0] - cos[1])) else []
    first = min(printed, default=None)
    if regime == "eq8 constant":
        both = None if not printed or not sharp else min(min(printed), min(sharp))
        return first, both, min(control, default=None)
    return first, min(corrected, default=None), min(control, default=None)


def theorem3(sample: Path, regime: str) -> Words:
    found = member(sample, regime)
    if found is None:
        return None
    p, s = found
    if not s.tau[0] < s.tau_x:
        return None
    below = s.tau_x - s.tau[1:]
    room = s.tau_x * (s.low_cross[0] + s.high_cross[0]) - s.low_cross[0]  # Eq. 12: > 0
    if abs(room) < 1e-9 * (abs(s.low_cross[0]) + abs(s.high_cross[0])):
        return None
    sign = 1.0 if p.drive[0] > 0 else -1.0
    printed = below.min() if room > 0 else None
    control = below.min() if sign * room < 0 else None
    corrected: float | None
    if regime == "eq8":
        over = math.inf if room > 0 else (s.tau_x * s.total[0] - s.low[0]) / -room
        corrected = min(-b if q > over else b for b, q in zip(below, p.q[1:], strict=True))
    else:
        corrected = None
        if sign * room > 0:
            for t in range(1, p.steps + 1):
                if t >= p.first_crossing or not sign * p.q[t] >= 0:
                    break
                corrected = below[t - 1] if corrected is None else min(corrected, below[t - 1])
    return None if printed is None and corrected is None and control is None else (printed, corrected, control)


def theorem3_weak(sample: Path, regime: str) -> Words:
    found = member(sample, regime)
    if found is None:
        return None
    p, s = found
    if not s.tau[0] < s.tau_x:
        return None
    zeta = s.tau_x - s.tau[0]
    printed, corrected, control = [], [], []
    for t in range(1, p.steps + 1):
        below = s.tau_x - s.tau[t]

        def room(total: float, sign: float = 1.0) -> float:
            c, d = total * s.low_cross[0], total * s.high_cross[0]
            return zeta * s.total[0] - sign * (c - s.tau_x * (c + d))

        def close(total: float) -> float:
            return 1e-6 * (zeta * s.total[0] + abs(total) * (abs(s.low_cross[0]) + abs(s.high_cross[0])))

        summed, q = float(sum(p.drive[:t])), float(p.q[t])
        printed += [below] if room(summed) > close(summed) else []
        control += [below] if room(summed, -1.0) > close(summed) else []
        if t < p.first_crossing and abs(room(q)) > close(q):
            corrected.append(below if room(q) > 0 else -below)
    if not printed and not corrected:
        return None
    return min(printed, default=None), min(corrected, default=None), min(control, default=None)


def appendix_sums(sample: TrainingSample) -> Words:
    found = member(sample, "relu")
    if found is None:
        return None
    p, s = found

    def error(square: Callable[[int], float], sign: float = 1.0) -> float:
        worst = 0.0
        for t in range(1, p.steps + 1):
            total = sum(p.drive[:t])
            low = s.low[0] + s.low_x * square(t) + sign * s.low_cross[0] * total
            high = s.high[0] + s.high_x * square(t) + sign * s.high_cross[0] * total
            worst = max(worst, abs(low / (low + high) - s.tau[t]))
        return -worst

    def nested(t: int) -> float:
        return float(sum(p.drive[i] * p.drive[j] for i in range(t) for j in range(i + 1)))

    def whole(t: int) -> float:
        return float(sum(p.drive[:t])) ** 2

    return error(nested), error(whole), error(whole, -1.0)


def eq12_at_random(sample: TrainingSample) -> Words:
    s = SlowPath.of(sample).sums
    if not s.low_x > s.high_x:
        return None
    margin = s.tau_x * (s.low_cross[0] + s.high_cross[0]) - s.low_cross[0]
    if abs(margin) < 1e-12 * (abs(s.low_cross[0]) + abs(s.high_cross[0]) + 1e-300):
        raise TooCloseError
    return None, float(margin > 0) - 0.5, float(margin > 0) - 1.0


def eq12_both_positive(sample: TrainingSample) -> Words:
    s = SlowPath.of(sample).sums
    large = sample.training.network.weights.shape >= (128, 257) and sample.band.convention == "two-sided"
    if not large or not s.low_x > s.high_x or s.low_cross[0] <= 0 or s.high_cross[0] <= 0:
        return None
    met = float(s.low_cross[0] < s.tau_x * (s.low_cross[0] + s.high_cross[0]))
    return None, met - 2 / math.pi * math.atan(math.sqrt(s.low_x / s.high_x)), met - 0.5


OF_REGIME = {
    "thm1_t0": thm1_t0,
    "thm1_t1": thm1_t1,
    "thm1_growth": thm1_growth,
    "thm1_keeps": thm1_keeps,
    "thm1_majority": thm1_majority,
    "thm2": theorem2,
    "thm3": theorem3,
    "thm3_weak": theorem3_weak,
}
TWINS: dict[str, Twin] = {
    "thm1_t0[relu, existence]": thm1_existence,
    "thm2[eq8 decay]": lambda sample: theorem2(sample, "eq8 decay"),
    "thm2[eq8 constant]": lambda sample: theorem2(sample, "eq8 constant"),
    "thm3_weak[relu, sums]": appendix_sums,
    "thm3[Eq. 12 at random]": eq12_at_random,
    "thm3[Eq. 12 at random, both crosses > 0]": eq12_both_positive,
}
for name, of_regime in OF_REGIME.items():
    for regime in REGIMES:
        TWINS[f"{name}[{regime}]"] = partial(of_regime, regime=regime)
