"""All engines against the reference: any activation, loss, size and learning rate."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.cases import random_training
from tests.descent.agreement import check_agreement, reference_of
from tests.helpers import assert_differs
from theory_sim.descent import ENGINES, collapsed, events, run
from theory_sim.errors import InputError
from theory_sim.network import ACTIVATIONS, Activation, Network
from theory_sim.training import LOSSES, Training, loss_slope

N_SEEDS = 320


def engines_for(training: Training) -> list[str]:
    """The engines that can run it, without the reference itself."""
    exact = training.network.activation.name == "relu" and training.loss == "mse"
    return [name for name in ENGINES if name != "reference" and (exact or name != "events")]


def test_all_engines_agree_on_random_runs() -> None:
    """Seeded, with a count of what was covered: an agreement on runs that stand still would prove nothing."""
    stable, unstable, moved, crossed = 0, 0, 0, 0
    combinations = set()
    for seed in range(N_SEEDS):
        training = random_training(seed)
        reference = reference_of(training)
        for engine in engines_for(training):
            check_agreement(reference, training, engine)
        g = reference.run.input_gradient
        far = np.nanmax(np.abs(g - g[0])) > 1e-8 * np.nanmax(np.abs(g))  # 100 × the 1e-10 promised to users
        stable, unstable = stable + reference.stable, unstable + (not reference.stable)
        moved += bool(far)
        crossed += reference.stable and reference.run.crossings[-1] > 0
        if reference.stable and far:
            combinations.add((training.network.activation.name, training.loss))
    assert stable > 0.9 * N_SEEDS
    assert unstable > 0
    assert moved > 0.8 * N_SEEDS
    assert crossed > 0.25 * N_SEEDS
    assert combinations == {(name, loss) for name in ACTIVATIONS for loss in LOSSES}


@pytest.mark.parametrize("rate", [0.01, 0.5, 1.0, 1.5, 2.0, 3.0, 30.0])
def test_relu_engines_agree_with_many_crossings(rate: float) -> None:
    crossings = 0
    for seed in range(12):
        training = random_training(seed, activation="relu", loss="mse", dim=5, width=33, rate=rate, n_steps=80)
        training = replace(training, label=10 * training.label)  # a long way to go, so that many units die on it
        reference = reference_of(training)
        for engine in engines_for(training):
            check_agreement(reference, training, engine)
        crossings += int(reference.run.crossings[-1])
    assert crossings > 12


number = st.floats(-2, 2).map(lambda v: round(v, 3))


@st.composite
def small_trainings(draw: st.DrawFn) -> Training:
    """Small, readable runs: numbers of three decimals, shrinking to few units and samples."""
    dim, width = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    vector = st.lists(number, min_size=dim, max_size=dim)
    weights = np.array(draw(st.lists(vector, min_size=width, max_size=width)))
    outer = np.array(draw(st.lists(number, min_size=width, max_size=width)))
    x = np.array(draw(vector.filter(lambda v: max(map(abs, v)) >= 0.01)))
    act = Activation(draw(st.sampled_from(ACTIVATIONS)), draw(st.sampled_from([0.5, 1.0, 10.0])))
    loss = draw(st.sampled_from(LOSSES))
    label = draw(st.sampled_from([-1.0, 1.0])) if loss == "logistic" else draw(number)
    scale = max(float(outer @ outer) * float(x @ x), 1e-3)
    rate = draw(st.floats(0.01, 3).map(lambda v: round(v, 3)))
    return Training(Network(weights, outer, act), x, label, rate / scale, 25, loss)


@settings(max_examples=150)
@given(small_trainings())
def test_all_engines_agree_on_drawn_runs(training: Training) -> None:
    reference = reference_of(training)
    for engine in engines_for(training):
        check_agreement(reference, training, engine)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_same_engine_same_bits(name: str, loss: str) -> None:
    training = random_training(4, activation=name, loss=loss)
    for engine in ["reference", *engines_for(training)]:
        one, two = run(training, engine), run(training, engine)
        np.testing.assert_array_equal(one.input_gradient, two.input_gradient)
        np.testing.assert_array_equal(one.preactivation, two.preactivation)


def control_run() -> Training:
    return random_training(9, activation="relu", loss="mse", dim=8, width=16, rate=0.5, n_steps=40)


def test_control_run_passes_unchanged() -> None:
    training = control_run()
    reference = reference_of(training)
    assert reference.stable
    assert_differs("it moves", reference.run.input_gradient[-1], reference.run.input_gradient[0], "engines")
    for engine in engines_for(training):
        check_agreement(reference, training, engine)


def test_a_wrong_sign_of_the_update_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    training = control_run()
    reference = reference_of(training)
    monkeypatch.setattr(collapsed, "loss_slope", lambda *args: -loss_slope(*args))
    with pytest.raises(AssertionError):
        check_agreement(reference, training, "collapsed")


def test_a_slightly_wrong_rate_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    training = control_run()
    reference = reference_of(training)
    true = training.input_norm2
    monkeypatch.setattr(Training, "input_norm2", property(lambda _: true * (1 + 1e-9)))
    for engine in engines_for(training):
        with pytest.raises(AssertionError):
            check_agreement(reference, training, engine)


def test_a_forgotten_crossing_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    training = control_run()
    reference = reference_of(training)
    assert reference.run.crossings[-1] > 0
    monkeypatch.setattr(events, "find_segments", forget_deaths(events.find_segments))
    with pytest.raises(AssertionError):
        check_agreement(reference, training, "events")


def forget_deaths(segments):
    """The event finder, but with nothing to find after the start."""

    def first_only(*args):
        _, *rest = segments(*args)
        return (1, *rest)

    return first_only


def test_auto_takes_the_exact_integrator_where_it_applies() -> None:
    relu = control_run()
    np.testing.assert_array_equal(run(relu).output, run(relu, "events").output)
    smooth = random_training(1, activation="softplus", loss="mse")
    np.testing.assert_array_equal(run(smooth).output, run(smooth, "numba").output)
    logistic = random_training(1, activation="relu", loss="logistic")
    np.testing.assert_array_equal(run(logistic).output, run(logistic, "numba").output)


@pytest.mark.parametrize(
    "training",
    [random_training(1, activation="softplus", loss="mse"), random_training(1, activation="relu", loss="logistic")],
)
def test_events_refuses_what_it_cannot_integrate(training: Training) -> None:
    with pytest.raises(InputError, match="ReLU with the mse loss only"):
        run(training, "events")


@pytest.mark.parametrize("engine", ENGINES)
def test_shapes_and_first_state(engine: str) -> None:
    training = random_training(3, activation="relu", loss="mse", dim=9, width=4, n_steps=7)
    trajectory, net = run(training, engine), training.network
    for field in ("output", "residual", "active_norm2", "mean_curvature", "crossings", "drive", "decay"):
        assert getattr(trajectory, field).shape == (8,), field
    assert trajectory.input_gradient.shape == (8, 9)
    assert trajectory.preactivation.shape == (8, 4)
    assert trajectory.crossings.dtype == np.int64
    assert trajectory.last_finite_step == 7
    assert not trajectory.diverged
    np.testing.assert_allclose(trajectory.input_gradient[0], net.input_gradient(training.x), rtol=1e-13)
    np.testing.assert_allclose(trajectory.output[0], net.output(training.x), rtol=1e-12)


@pytest.mark.parametrize("engine", ENGINES)
def test_the_start_is_not_modified(engine: str) -> None:
    training = control_run()
    weights, x = training.network.weights.copy(), training.x.copy()
    run(training, engine)
    np.testing.assert_array_equal(training.network.weights, weights)
    np.testing.assert_array_equal(training.x, x)
