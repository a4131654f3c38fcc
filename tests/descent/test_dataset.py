"""Gradient descent on n samples: Gram forms against weight matrix, n = 1 against the single-sample engines."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.cases import random_training
from tests.helpers import assert_close, assert_differs
from theory_sim.descent import DatasetTraining, coefficients, run, run_dataset
from theory_sim.descent import dataset as module
from theory_sim.descent import dataset_numba as compiled
from theory_sim.errors import InputError
from theory_sim.network import ACTIVATIONS, Activation, Network, sample_network
from theory_sim.training import LOSSES, loss_slope


def data_training(seed: int, activation: str, loss: str, n: int = 5, k: int = 3, n_steps: int = 150) -> DatasetTraining:
    rng = np.random.default_rng([3, seed])
    net = sample_network(7, 12, Activation(activation, 2.0), rng)
    inputs, probes = rng.standard_normal((n, 7)), rng.standard_normal((k, 7))
    labels = rng.choice([-1.0, 1.0], n)
    rate = 0.5 * n / (12 * float(np.linalg.norm(inputs, 2)) ** 2)
    return DatasetTraining(net, inputs, labels, rate, n_steps, probes, loss)


@pytest.mark.parametrize("engine", ["collapsed", "numba"])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_gram_form_against_the_weight_matrix(name: str, loss: str, engine: str) -> None:
    for seed, n in enumerate((1, 2, 4, 5, 8, 15)):  # tiles of four, and what is left of them
        training = data_training(seed, name, loss, n)
        expected, actual = run_dataset(training, "reference"), run_dataset(training, engine)
        assert actual.last_finite_step == expected.last_finite_step == training.n_steps
        for field in ("output", "residual", "input_gradient"):
            assert_close(f"{name} {loss} {field}", getattr(actual, field), getattr(expected, field), "engines")
        assert_differs("it moved", actual.input_gradient[-1], actual.input_gradient[0], "engines")


@pytest.mark.parametrize("engine", module.ENGINES)
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_one_sample_is_the_single_sample_run(name: str, loss: str, engine: str) -> None:
    for seed in range(4):
        single = random_training(seed, activation=name, loss=loss, dim=9, width=5, rate=0.5, n_steps=40)
        training = DatasetTraining(
            single.network, single.x[None], np.array([single.label]), single.learning_rate, 40, single.x[None], loss
        )
        many, one = run_dataset(training, engine), run(single, "reference")
        assert_close("g", many.input_gradient[:, 0], one.input_gradient, "engines")
        scale = float(np.abs(one.preactivation).max() * np.abs(single.network.outer).sum())
        assert_close("f", many.output[:, 0], one.output, "engines", scale=scale)
        assert_close("ℓ'", many.residual[:, 0], one.residual, "engines", scale=scale)


@pytest.mark.parametrize("engine", module.ENGINES)
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_one_step_is_down_the_gradient_of_the_mean_loss(name: str, loss: str, engine: str) -> None:
    training = data_training(1, name, loss, n_steps=1)
    net, y, h = training.network, training.labels, 1e-6

    def mean_loss(weights: np.ndarray) -> float:
        f = net.activation.value(training.inputs @ weights.T) @ net.outer
        return float(np.mean(0.5 * (f - y) ** 2 if loss == "mse" else np.log1p(np.exp(-y * f))))

    gradient = np.empty_like(net.weights)
    for index in np.ndindex(*gradient.shape):
        step = np.zeros_like(gradient)
        step[index] = h
        gradient[index] = (mean_loss(net.weights + step) - mean_loss(net.weights - step)) / (2 * h)
    after = net.weights - training.learning_rate * gradient
    expected = (net.outer * net.activation.slope(training.probes @ after.T)) @ after
    trajectory = run_dataset(training, engine)
    scale = float(np.abs(net.weights).sum())
    assert_close("g₁", trajectory.input_gradient[1], expected, "first_difference", scale=scale)
    assert_close(
        "f₁",
        trajectory.output[1],
        net.activation.value(training.inputs @ after.T) @ net.outer,
        "first_difference",
        scale=scale,
    )
    assert_close("f₀", trajectory.output[0], net.output(training.inputs), "round_off", scale=scale)


def test_repeated_samples_weigh_like_one() -> None:
    """The mean over n copies is the single sample."""
    one = data_training(2, "softplus", "mse", n=1)
    copies = DatasetTraining(
        one.network, np.repeat(one.inputs, 4, 0), np.repeat(one.labels, 4), one.learning_rate, one.n_steps, one.probes
    )
    assert_close("g", run_dataset(copies).input_gradient, run_dataset(one).input_gradient, "engines")


def test_a_wrong_sign_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    training = data_training(0, "relu", "mse")
    expected = run_dataset(training, "reference")
    monkeypatch.setattr(module, "loss_slope", lambda *args: -loss_slope(*args))
    assert_differs("wrong sign", run_dataset(training).input_gradient, expected.input_gradient, "engines")


@pytest.mark.parametrize("n", [3, 20])
@pytest.mark.parametrize("outer_law", ["scaled_signs", "gaussian"])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_units_in_several_blocks(name: str, outer_law: str, n: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """50 units in blocks of 16: the last one is not full."""
    monkeypatch.setattr(compiled, "CACHE_NUMBERS", 16 * n)
    rng = np.random.default_rng(4)
    net = sample_network(7, 50, Activation(name, 3.0), rng, outer_law=outer_law)
    inputs, probes = rng.standard_normal((n, 7)), rng.standard_normal((2, 7))
    training = DatasetTraining(net, inputs, rng.standard_normal(n), 0.01, 100, probes)
    expected, actual = run_dataset(training, "reference"), run_dataset(training, "numba")
    assert_close("f", actual.output, expected.output, "engines")
    assert_close("g", actual.input_gradient, expected.input_gradient, "engines")
    assert_differs("it moved", actual.input_gradient[-1], actual.input_gradient[0], "engines")


def test_a_full_block_of_equal_outer_weights_stays_in_range() -> None:
    """Units far below zero with a < 0, or above it with a > 0: each factor of the product is 1, ½ or 2 at the most."""
    width = 2 * compiled.ROW + 5
    for sign in (-1.0, 1.0):
        net = Network(np.zeros((width, 3)), np.full(width, sign), Activation("softplus"))
        training = DatasetTraining(net, np.ones((1, 3)), np.zeros(1), 1e-6, 5, np.zeros((0, 3)))
        expected, actual = run_dataset(training, "reference"), run_dataset(training, "numba")
        assert_close("f", actual.output, expected.output, "engines")
        assert_differs("Σ a ln 2", actual.output[0], np.zeros(1), "engines", scale=1.0)


def test_probes_and_pieces_change_no_bit_of_the_training(monkeypatch: pytest.MonkeyPatch) -> None:
    training = data_training(0, "softplus", "mse")
    whole = run_dataset(replace(training, probes=training.probes[:0]), "numba")
    monkeypatch.setattr(compiled, "STEPS", 7)
    pieces = run_dataset(training, "numba")
    assert_close("f", pieces.output, whole.output, "exact")
    assert_close("ℓ'", pieces.residual, whole.residual, "exact")


@pytest.mark.parametrize("engine", module.ENGINES)
def test_each_engine_is_what_its_name_says(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    training = data_training(0, "relu", "mse", n_steps=2)

    def refuse(_: DatasetTraining) -> None:
        raise NotImplementedError

    monkeypatch.setitem(module.ENGINES, engine, refuse)
    with pytest.raises(NotImplementedError):
        run_dataset(training, engine)
    monkeypatch.undo()
    run_dataset(training, engine)


@pytest.mark.parametrize("engine", module.ENGINES)
def test_shapes_without_probes(engine: str) -> None:
    trajectory = run_dataset(data_training(0, "relu", "mse", n=4, k=0, n_steps=6), engine)
    assert trajectory.output.shape == trajectory.residual.shape == (7, 4)
    assert trajectory.input_gradient.shape == (7, 0, 7)
    assert trajectory.last_finite_step == 6
    assert not trajectory.diverged


def test_unknown_engine() -> None:
    with pytest.raises(InputError, match=r"'cuda'.*allowed are reference, collapsed, numba"):
        run_dataset(data_training(0, "relu", "mse"), "cuda")


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_weights_and_preactivations_follow_from_the_residuals(name: str) -> None:
    """W_t = W_0 - P_t X gives the recorded outputs and gradients; so do the preactivations."""
    training = data_training(2, name, "mse", n=4, k=2, n_steps=20)
    trajectory, net = run_dataset(training, "reference"), training.network
    p, s = coefficients(trajectory)
    assert p.shape == (21, 12, 4)
    assert s.shape == (21, 6, 12)
    for t in (0, 7, 20):
        now = Network(net.weights - p[t] @ training.inputs, net.outer, net.activation)
        assert_close("f", now.output(training.inputs), trajectory.output[t], "engines")
        assert_close("g", now.input_gradient(training.probes), trajectory.input_gradient[t], "engines")
        points = np.concatenate([training.inputs, training.probes])
        assert_close("s", s[t], now.preactivation(points), "engines")
    assert_differs("it moved", s[-1], s[0], "engines")
