"""What theorems say of many steps, tried on explicit runs: W itself is updated, and τ is read off the transform of g.

Nothing here comes from the closed form; conditions at the start (Eq. 12 and so on) are computed from ĝ⁰ and x̂. Every
trial carries the value that the opposite statement gets.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from theory_sim.attacks import pgd
from theory_sim.derivations.measured import Measured
from theory_sim.descent import Trajectory, run
from theory_sim.inputs import power_law_signal
from theory_sim.network import Activation, Network, sample_network
from theory_sim.spectrum import Band
from theory_sim.training import Training

DIM, WIDTH, CUTOFF = 17, 12, 3
N_TRAINED, CLEAR = 150, 4.0
ALWAYS = (1.0, 1.0)
BANDS = (Band((DIM,), CUTOFF), Band((DIM,), CUTOFF, "one-sided"))


def starts(n: int, seed: int, sign: float = 1.0, clear: float = 0.0) -> Iterator[Training]:
    """ReLU networks on power-law inputs with f - y of a sign, r = 0.3; `clear`: how far from their kinks they start."""
    for number in range(n):
        rng = np.random.default_rng([seed, number])
        x = power_law_signal(DIM, 1.0, 0.5, rng)
        x /= np.linalg.norm(x)
        net = sample_network(DIM, WIDTH, Activation("relu"), rng)
        away = clear * np.sign(net.preactivation(x))
        net = Network(net.weights + np.outer(away, x), net.outer, net.activation)  # ‖x‖ = 1: |s| grows by `clear`
        active = net.active_outer(x)
        a2 = float(active @ active)
        if a2 > 0:
            residual = sign * rng.uniform(0.2, 3.0) * float(np.linalg.norm(net.input_gradient(x)))
            yield Training(net, x, float(net.output(x)) - residual, 0.3 / a2, 40)


def scalars(g: NDArray, x: NDArray, band: Band) -> dict[str, NDArray]:
    """Band sums of a gradient or of a path of them."""
    gh, xh = band.transform(g), band.transform(x)
    low, high = band.energies(gh)
    cross_low, cross_high = band.crosses(gh, xh)
    input_low, input_high = band.energies(xh)
    return {
        "tau": low / (low + high), "cl": -2 * cross_low, "ch": -2 * cross_high, "L": low, "H": high,
        "tx": input_low / (input_low + input_high), "Lx": input_low, "Hx": input_high,
    }  # fmt: skip


def margin12(s: dict[str, NDArray]) -> float:
    """τ(x)(Δτ_l + Δτ_h) − Δτ_l at the start."""
    return float((s["tx"] * (s["cl"] + s["ch"]) - s["cl"]).flat[0])


def _iterate(training: Training, sign: float) -> NDArray:
    """Eq. 8 of ReLU, g ← g − η x, with a drive that does not end: q up to 10⁴ in units of ‖g‖/‖x‖."""
    net, x = training.network, training.x
    g0 = net.input_gradient(x)
    drive = sign * np.linalg.norm(g0) * np.geomspace(1e-2, 1e3, 60)
    out = [g0]
    for step in drive:
        out.append(out[-1] - step * x)
    return np.array(out)


def _share(words: list[tuple[bool, bool]], what: str) -> list[Measured]:
    agree = float(np.mean([one == two for one, two in words]))
    opposite = float(np.mean([one != two for one, two in words]))
    both = {one for one, _ in words}
    assert both == {True, False}, "trials of one kind only prove nothing"
    return [Measured(f"{what}, {len(words)} starts", agree, ALWAYS, opposite)]


def _growth_in_the_end(sign: float) -> list[Measured]:
    words = []
    for training in starts(120, 51):
        path = _iterate(training, sign)
        for band in BANDS:
            s = scalars(path, training.x, band)
            if s["tau"][0] < s["tx"]:
                words.append((bool(s["tau"][-1] > s["tau"][-2]), sign * margin12(s) >= 0))
    return _share(
        words, "τ rises at the last of 60 steps, q to 10⁴ ‖g‖/‖x‖, iff Eq. 12 " + ("(≤)" if sign > 0 else "with ≥")
    )


def eventual_growth() -> list[Measured]:
    """Growth in the end against Eq. 12, drive positive for ever."""
    return _growth_in_the_end(1.0)


def eventual_growth_negative() -> list[Measured]:
    """The same for a negative drive."""
    return _growth_in_the_end(-1.0)


@lru_cache(maxsize=2)
def quiet_runs(sign: float = 1.0) -> tuple[Trajectory, ...]:
    """Explicit runs without kink crossing, of `N_TRAINED` starts; all trials share them."""
    runs = (run(training, "reference") for training in starts(N_TRAINED, 52, sign, CLEAR))
    return tuple(t for t in runs if not t.crossings[-1] and not t.diverged)


def growth_where_training_stops() -> list[Measured]:
    """The sign polynomial at q_∞ = (f₀−y)/‖x‖² against the last growth of explicit training that converges."""
    words = []
    for trajectory in quiet_runs():
        q = float(trajectory.residual[0]) / trajectory.training.input_norm2
        for band in BANDS:
            s = scalars(trajectory.input_gradient, trajectory.training.x, band)
            low, high, cl, ch = (float(s[name][0]) for name in ("L", "H", "cl", "ch"))
            lx, hx = float(s["Lx"]), float(s["Hx"])
            value = (cl * high - ch * low) + 2 * q * (lx * high - hx * low) + q * q * (lx * ch - hx * cl)
            size = abs(cl * high) + abs(ch * low) + abs(q) * lx * high + q * q * abs(lx * ch)
            if abs(value) > 1e-2 * size:  # clear of a zero, so that 40 steps are enough to tell
                words.append((bool(s["tau"][12] > s["tau"][11]), value > 0))
    return _share(words, "τ rises in explicit training near its end iff the sign polynomial is positive at q_∞")


def gap_after_t0() -> list[Measured]:
    """Explicit runs: the gap is positive at every step beyond half the printed t₀; and sometimes not at a quarter."""
    late, early = [], []
    for trajectory in quiet_runs():
        tr = trajectory.training
        for band in BANDS:
            s = scalars(trajectory.input_gradient, tr.x, band)
            gap = s["cl"] - s["ch"]
            steps = np.arange(len(gap))
            least = np.minimum.accumulate(np.abs(trajectory.residual)) * trajectory.active_norm2[0] * tr.learning_rate
            printed = np.maximum(0.0, -gap[0] / (least * float(s["Lx"] - s["Hx"])))
            late += list(gap[(steps > printed / 2) & (steps > 0)] > 0)
            early += list(gap[(steps > printed / 4) & (steps > 0)] > 0)
    share = float(np.mean(late))
    return [
        Measured(f"Δτ_l > Δτ_h beyond t₀/2 in explicit runs ({len(late)} steps)", share, ALWAYS, float(np.mean(early)))
    ]


def _below(sign: float) -> list[Measured]:
    words = []
    for training in starts(120, 54):
        path = _iterate(training, sign)
        for band in BANDS:
            s = scalars(path, training.x, band)
            if s["tau"][0] < s["tx"]:
                words.append((bool((s["tau"] < s["tx"]).all()), sign * margin12(s) >= 0))
    return _share(words, "τ stays below τ(x) over q to 10⁴ ‖g‖/‖x‖ iff Eq. 12 " + ("(≤)" if sign > 0 else "with ≥"))


def below_input() -> list[Measured]:
    """Theorem 3 with necessity, drive positive."""
    return _below(1.0) + _below_in_training(1.0)


def below_input_negative() -> list[Measured]:
    """The same for f < y."""
    return _below(-1.0) + _below_in_training(-1.0)


def _below_in_training(sign: float) -> list[Measured]:
    """Explicit training: with Eq. 12 (turned round for f < y) never above; with the wrong direction sometimes above."""
    right: list[bool] = []
    wrong: list[bool] = []
    for trajectory in quiet_runs(sign):
        for band in BANDS:
            s = scalars(trajectory.input_gradient, trajectory.training.x, band)
            if s["tau"][0] < s["tx"]:
                held = bool((s["tau"] < s["tx"]).all())
                (right if sign * margin12(s) > 0 else wrong).append(held)
    word = "Eq. 12" if sign > 0 else "Eq. 12 turned round"
    return [
        Measured(
            f"τ < τ(x) throughout explicit training under {word} ({len(right)} runs)",
            float(np.mean(right)),
            ALWAYS,
            float(np.mean(wrong)),
        )
    ]


def _order_of_two(sign: float) -> list[Measured]:
    """R_k > R_k′ before t₀ with the largest drive of explicit runs; beyond it, with a constant drive, reversed."""
    before, doubled, after = [], [], []
    band = BANDS[0]
    for training in starts(60, 56):
        g0, x = training.network.input_gradient(training.x), training.x
        u = band.transform(g0) / band.transform(x)
        drive = sign * 0.02 * float(np.abs(u).mean())
        ratios = np.abs(band.transform(g0 - drive * np.arange(400)[:, None] * x) / band.transform(x))
        for k in range(2, DIM // 2):
            lead = np.abs(u[k]) ** 2 - np.abs(u[1]) ** 2
            bracket = sign * float(u[k].real - u[1].real)
            if lead > 0 and bracket > 0:
                t0, steps = lead / (2 * abs(drive) * bracket), np.arange(400)
                larger = ratios[:, k] > ratios[:, 1]
                before += list(larger[steps < t0])
                doubled += list(larger[steps < 2 * t0])
                after += list(~larger[steps > t0])
    word = "" if sign > 0 else ", bracket negated for f < y"
    return [
        Measured(
            f"R_k > R_k′ at every t < t₀{word} ({len(before)} steps)",
            float(np.mean(before)),
            ALWAYS,
            float(np.mean(doubled)),
        ),
        Measured(
            f"sharp: R_k < R_k′ at every t > t₀, drive constant{word} ({len(after)} steps)",
            float(np.mean(after)),
            ALWAYS,
        ),
    ]


def order_of_two() -> list[Measured]:
    """Theorem 2's bound and its sharpness."""
    return _order_of_two(1.0)


def order_of_two_negative() -> list[Measured]:
    """The same for f < y."""
    return _order_of_two(-1.0)


def gains_of_attacks() -> list[Measured]:
    """β along explicit PGD attacks in the linear region: raw and normalised steps, both balls."""
    least, mirrored = np.inf, np.inf
    n = 0
    for trajectory in quiet_runs():
        tr = trajectory.training
        net, norm = tr.network, float(np.linalg.norm(trajectory.input_gradient[0]))
        for step in ("raw", "normalised"):
            for ball in ("l2", "linf"):
                size = 0.02 / norm**2 if step == "raw" else 2e-4
                path = pgd(net, tr.x, tr.label, radius=2e-3, step_size=size, n_steps=30, step=step, ball=ball)
                if not path.region_left[-1] and path.gain[0] > 0:
                    rises = np.diff(path.gain) / path.gain[0]
                    least, mirrored = min(least, float(rises.min())), min(mirrored, float(-rises.max()))
                    n += 1
    return [Measured(f"least change of β/β⁰ in a step of {n} attacks", least, (-1e-12, np.inf), mirrored)]
