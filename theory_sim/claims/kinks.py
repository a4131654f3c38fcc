"""Ours: what ReLU units that die on the way do to the closed form, and how that falls with the width.

A unit that dies takes a_r w_r out of ĝ. With residuals in proportion to the spread of f, that is to √m, every active
unit moves by κσ/√m, σ the spread of s: then Binomial(m, (Φ(κ/√m) - 1/2)/2) units die, about 0.2 κ√m, each with its own
independent part of w_r across x. Squared and over ĝ⁰'s, their sum is Φ(κ/√m) - 1/2, about 0.4 κ m^(-1/2).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from theory_sim.claims.base import HOLDS, REFUTED, Claim, Outcome
from theory_sim.claims.extended_populations import died
from theory_sim.claims.samples import TrainingSample

Array = NDArray[np.float64]
VISIBLE = 1e-6  # of ĝ: jumps smaller than that decide nothing
FEWEST = 16  # the width at which the control takes its share: the least that is drawn


def dead(sample: TrainingSample) -> NDArray[np.bool_]:
    """Units active at the start and idle at the end, (m,)."""
    s = sample.trajectory.preactivation
    return np.asarray((s[0] > 0) & ~(s[sample.steps] > 0))


def jumps(sample: TrainingSample) -> Array:
    """Σ_dead a_r w_r, each w_r as it was when it died, (d,): it has not moved since."""
    net, gone, t = sample.training.network, dead(sample), sample.trajectory
    moved = (t.preactivation[0] - t.preactivation[sample.steps]) / sample.training.input_norm2
    at_death = net.weights[gone] - np.outer(moved[gone], sample.training.x)
    return np.asarray(net.outer[gone] @ at_death)


def across_share(sample: TrainingSample) -> float:
    """‖Σ_dead a_r w_r‖² across x over its mean for ĝ⁰, (d-1) var(w) m/2 for a_r = ±1."""
    net, x = sample.training.network, sample.training.x
    jump = jumps(sample)
    across = jump - (jump @ x) / sample.training.input_norm2 * x
    return float(across @ across) / ((net.dim - 1) * float(np.var(net.weights)) * net.width / 2)


def moved_by(sample: TrainingSample) -> float:
    """By how many spreads σ of s the surviving units have moved: η Σ ℓ'_t ‖x‖²/σ."""
    training = sample.training
    spread = float(np.std(training.network.weights)) * float(np.sqrt(training.input_norm2))
    drive = training.learning_rate * float(sample.trajectory.residual[: sample.steps].sum())
    return drive * training.input_norm2 / spread


def judge_error(sample: TrainingSample) -> Outcome | None:
    """g^(T) = g⁰ - q x - Σ_dead a_r w_r with q = Σ η^(t): the closed form misses the jumps and nothing else."""
    gone, x = jumps(sample), sample.training.x
    g = sample.trajectory.input_gradient[: sample.steps + 1]
    size = float(np.linalg.norm(g, axis=1).max())
    if np.linalg.norm(gone) <= VISIBLE * size or (sample.trajectory.residual[: sample.steps] <= 0).any():
        return None
    smooth = g[0] - sample.drive.sum() * x

    def error(jump: Array) -> float:
        return -float(np.linalg.norm(smooth - jump - g[-1])) / size

    return Outcome(error(np.zeros_like(gone)), error(gone), error(-gone))


def judge_share(sample: TrainingSample) -> Outcome | None:
    """The share of ĝ⁰ that the jumps take, squared, over Φ(κ/√m) - 1/2, minus 1; control: one share for all widths."""
    kappa = moved_by(sample) * np.sqrt(sample.training.network.width)
    if not kappa > 0:
        return None
    share = across_share(sample)
    expected, constant = (2 * died(float(kappa / np.sqrt(m))) for m in (sample.training.network.width, FEWEST))
    return Outcome(None, share / expected - 1.0, share / constant - 1.0)


CLAIMS = [
    Claim(
        "kinks",
        "error of the closed form",
        "the closed form g_T = g0 - q x goes on where units die",
        "g_T = g0 - q x - Σ_dead a_r w_r, each w_r as it was when its unit died, and nothing else is wrong",
        "explicit ReLU training, f > y, r <= 1, at least one unit dies",
        "[ours; paper: Eq. 8]",
        "relu kinks",
        judge_error,
        (REFUTED, HOLDS),
        tolerance=1e-11,
        times=0.3,
        ours=True,
    ),
    Claim(
        "kinks",
        "share against width",
        "(ours; not in the paper)",
        "‖Σ_dead a_r w_r‖² across x over ĝ0's has mean Φ(κ/√m) - 1/2 → 0.4 κ m^(-1/2): of ĝ, a share m^(-1/4)",
        "Gaussian W, a = ±1, width 16 ... 1,023, active units moved by κ/√m of their spread, κ in 1/2 ... 4",
        "[ours; paper: Eq. 8]",
        "kinks by width",
        judge_share,
        (None, HOLDS),
        kind="value",
        tolerance=0.0,
        precision=0.1,
        times=0.5,
        ours=True,
    ),
]
