"""Judge one engine's run against the reference: at round-off where the run is stable, else by one-ulp sensitivity."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tests.cases import nudged
from tests.helpers import assert_close
from tests.tolerances import TOLERANCES
from theory_sim.descent import Trajectory, run
from theory_sim.training import Training

STABLE = 1e-13  # one-ulp perturbations move a stable run by less than this share of max|g|
KINK = 1e-9  # |s_r| / max|s_r| beyond which a sign is not decided by rounding
N_NUDGES, N_MORE = 3, 13  # more where a run is not stable: of few ulps, all may happen to matter little


@dataclass(frozen=True)
class Reference:
    """A reference run, and how far one-ulp perturbations of its start carry it (share of max|g|, worst of a few)."""

    run: Trajectory
    sensitivity: float
    away_from_kink: bool

    @property
    def stable(self) -> bool:
        return self.sensitivity < STABLE and self.away_from_kink


def reference_of(training: Training) -> Reference:
    """Run the reference and `N_NUDGES` one-ulp neighbours of it, `N_MORE` where they part."""
    reference = run(training, "reference")
    finite = slice(0, reference.last_finite_step + 1)
    g = reference.input_gradient[finite]
    scale = np.abs(g).max(initial=0.0) or 1.0
    rng = np.random.default_rng(0)
    sensitivity = 0.0
    for i in range(N_NUDGES + N_MORE):
        if i >= N_NUDGES and sensitivity < STABLE:
            break
        neighbour = run(nudged(training, rng), "reference")
        if neighbour.last_finite_step != reference.last_finite_step:
            sensitivity = np.inf
        else:
            sensitivity = max(sensitivity, float(np.abs(neighbour.input_gradient[finite] - g).max(initial=0.0) / scale))
    s = np.abs(reference.preactivation[finite])
    away = bool((s > KINK * s.max(axis=0)).all())
    return Reference(reference, sensitivity, away)


def check_agreement(reference: Reference, training: Training, engine: str) -> Trajectory:
    """Assert that `engine` agrees with the reference in every recorded quantity."""
    expected, actual = reference.run, run(training, engine)
    name = f"{engine}, {training.network.activation.name}, {training.loss}"
    if not reference.stable:
        g, scale = expected.input_gradient, np.nanmax(np.abs(expected.input_gradient), initial=0.0) or 1.0
        if np.isfinite(reference.sensitivity) and actual.last_finite_step == expected.last_finite_step:
            unit = max(reference.sensitivity, TOLERANCES["engines"].value / TOLERANCES["engines_unstable"].value)
            assert_close(f"{name}: g", actual.input_gradient, g, "engines_unstable", scale=float(scale * unit))
        return actual
    assert actual.last_finite_step == expected.last_finite_step, name
    assert actual.diverged == expected.diverged, name
    np.testing.assert_array_equal(actual.crossings, expected.crossings, err_msg=name)
    for field in ("input_gradient", "output", "residual", "active_norm2", "mean_curvature", "preactivation"):
        there = getattr(expected, field)
        scale = np.nanmax(np.abs(there), initial=0.0)
        if field == "residual":  # a difference of output and label: round-off of either
            scale = max(scale, np.nanmax(np.abs(expected.output), initial=0.0))
        if field == "output":  # a sum that may cancel
            scale = np.nanmax(np.abs(expected.preactivation), initial=0.0) * np.abs(training.network.outer).sum()
        if field == "mean_curvature":
            gamma = training.network.activation.curvature_bound
            scale = gamma * np.abs(training.network.outer).mean() if np.isfinite(gamma) else 1.0
        if field == "active_norm2":
            scale = float(training.network.outer @ training.network.outer)
        assert_close(f"{name}: {field}", getattr(actual, field), there, "engines", scale=float(scale) or 1.0)
    return actual
