"""A run that leaves the range of finite numbers is a result: flag, last finite step, NaN after it."""

from __future__ import annotations

import numpy as np
import pytest

from tests.cases import random_training
from tests.helpers import assert_close
from theory_sim.descent import DatasetTraining, run, run_dataset
from theory_sim.descent.trajectory import LARGEST
from theory_sim.network import Activation, Network
from theory_sim.training import Training


def diverging(n_steps: int = 400) -> Training:
    """A nearly linear unit (slope 0.9 ... 1): r between 3.2 and 4, so |ℓ'| grows by more than 2 a step for ever."""
    net = Network(np.array([[1.0, -0.5]]), np.array([2.0]), Activation("leaky_softplus", 1.0, 0.9))
    return Training(net, np.array([1.0, 0.0]), 0.5, 1.0, n_steps)


def assert_blank_after(array: np.ndarray, last: int) -> None:
    assert np.isfinite(array[: last + 1]).all()
    assert np.isnan(array[last + 1 :]).all()


@pytest.mark.parametrize("engine", ["reference", "collapsed", "numba"])
def test_divergence_is_flagged(engine: str) -> None:
    training = diverging()
    trajectory = run(training, engine)
    last = trajectory.last_finite_step
    assert trajectory.diverged
    assert last == run(training, "reference").last_finite_step
    assert 200 < last < 400
    for field in ("output", "residual", "active_norm2", "mean_curvature", "input_gradient", "preactivation", "drive"):
        assert_blank_after(getattr(trajectory, field), last)
    assert np.abs(trajectory.output[: last + 1]).max() < LARGEST
    assert np.abs(trajectory.residual[last]) * 4 > LARGEST  # the next step would have left the range
    assert (trajectory.crossings[last:] == trajectory.crossings[last]).all()
    active = trajectory.preactivation[: last + 1] > 0
    flips = np.cumsum((active[1:] != active[:-1]).sum(axis=1))
    assert_close("crossings", trajectory.crossings[1 : last + 1], flips, "exact")
    assert flips[-1] > flips[-2]  # the unit swings over its bend to the end


def test_one_step_less_does_not_diverge() -> None:
    last = run(diverging(), "numba").last_finite_step
    kept = run(diverging(last), "numba")
    assert not kept.diverged
    assert np.isfinite(kept.input_gradient).all()
    assert run(diverging(last + 1), "numba").diverged


@pytest.mark.parametrize("activation", ["softplus", "squareplus", "leaky_softplus"])
def test_engines_agree_on_where_random_runs_diverge(activation: str) -> None:
    """Far beyond stability and without a chaotic phase: |ℓ'| grows by at least 10 a step from the first."""
    seen = 0
    for seed in range(30):
        training = random_training(seed, activation=activation, loss="mse", width=5, rate=1e3, n_steps=120)
        runs = [run(training, engine) for engine in ("reference", "collapsed", "numba")]
        first = runs[0]
        if not first.diverged:
            continue
        seen += 1
        assert len({r.last_finite_step for r in runs}) == 1
        finite = slice(0, first.last_finite_step + 1)
        for other in runs[1:]:
            size = np.abs(first.output[finite])
            assert_close("f", other.output[finite] / (size + 1), first.output[finite] / (size + 1), "identity")
    if activation == "leaky_softplus":
        assert seen > 5


@pytest.mark.parametrize("engine", ["reference", "collapsed", "numba", "events"])
def test_relu_that_overflows_in_one_step(engine: str) -> None:
    """Two units of opposite sign: f = 3 - 1; a step of 1e160 kills one and throws the other beyond the range."""
    net = Network(np.array([[3.0], [1.0]]), np.array([1.0, -1.0]), Activation())
    trajectory = run(Training(net, np.array([1.0]), 1.0, 1e160, 3), engine)
    assert trajectory.diverged
    assert trajectory.last_finite_step == 0
    assert_close("f₀", trajectory.output[0], 2.0, "exact")
    assert_blank_after(trajectory.input_gradient, 0)
    assert (trajectory.crossings == 0).all()


@pytest.mark.parametrize("engine", ["reference", "collapsed", "numba", "events"])
def test_a_start_beyond_the_range_has_no_finite_step(engine: str) -> None:
    net = Network(np.array([[1e151, 1.0]]), np.array([1.0]), Activation())
    trajectory = run(Training(net, np.array([1.0, 1.0]), 1.0, 0.1, 2), engine)
    assert trajectory.last_finite_step == -1
    assert trajectory.diverged
    assert np.isnan(trajectory.output).all()
    assert (trajectory.crossings == 0).all()


@pytest.mark.parametrize("engine", ["reference", "collapsed", "numba", "events"])
def test_instability_kills_relu_units_instead_of_diverging(engine: str) -> None:
    """r > 2 swings ever wider until units of both signs are dead; then it converges or stands still."""
    training = random_training(2, activation="relu", loss="mse", dim=6, width=16, rate=6.0, n_steps=200)
    trajectory = run(training, engine)
    assert not trajectory.diverged
    assert trajectory.crossings[-1] > 0
    assert trajectory.active_norm2[-1] < trajectory.active_norm2[0]
    assert_close("stands still", trajectory.residual[-1], trajectory.residual[-2], "identity")


@pytest.mark.parametrize("engine", ["reference", "collapsed", "numba"])
def test_dataset_divergence_is_flagged(engine: str) -> None:
    single = diverging()
    data = DatasetTraining(single.network, single.x[None], np.array([single.label]), 1.0, 400, single.x[None])
    trajectory = run_dataset(data, engine)
    assert trajectory.diverged
    assert trajectory.last_finite_step == run(single, "reference").last_finite_step
    assert_blank_after(trajectory.output, trajectory.last_finite_step)
    assert_blank_after(trajectory.input_gradient, trajectory.last_finite_step)
