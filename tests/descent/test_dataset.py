"""Gradient descent on n samples: Gram form against weight matrix, n = 1 against the single-sample engines."""

from __future__ import annotations

import numpy as np
import pytest

from tests.cases import random_training
from tests.helpers import assert_close, assert_differs
from theory_sim.descent import DatasetTraining, run, run_dataset
from theory_sim.descent import dataset as module
from theory_sim.errors import InputError
from theory_sim.network import ACTIVATIONS, Activation, sample_network
from theory_sim.training import LOSSES, loss_slope


def data_training(seed: int, activation: str, loss: str, n: int = 5, k: int = 3, n_steps: int = 150) -> DatasetTraining:
    rng = np.random.default_rng([3, seed])
    net = sample_network(7, 12, Activation(activation, 2.0), rng)
    inputs, probes = rng.standard_normal((n, 7)), rng.standard_normal((k, 7))
    labels = rng.choice([-1.0, 1.0], n)
    rate = 0.5 * n / (12 * float(np.linalg.norm(inputs, 2)) ** 2)
    return DatasetTraining(net, inputs, labels, rate, n_steps, probes, loss)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_gram_form_against_the_weight_matrix(name: str, loss: str) -> None:
    for seed in range(5):
        training = data_training(seed, name, loss)
        expected, actual = run_dataset(training, "reference"), run_dataset(training)
        assert actual.last_finite_step == expected.last_finite_step == training.n_steps
        for field in ("output", "residual", "input_gradient"):
            assert_close(f"{name} {loss} {field}", getattr(actual, field), getattr(expected, field), "engines")
        assert_differs("it moved", actual.input_gradient[-1], actual.input_gradient[0], "engines")


@pytest.mark.parametrize("engine", ["reference", "collapsed"])
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


@pytest.mark.parametrize("engine", ["reference", "collapsed"])
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


def test_each_engine_is_what_its_name_says(monkeypatch: pytest.MonkeyPatch) -> None:
    training = data_training(0, "relu", "mse", n_steps=2)

    def refuse(_: DatasetTraining) -> None:
        raise NotImplementedError

    monkeypatch.setattr(module, "_collapsed_blocks", refuse)
    run_dataset(training, "reference")
    with pytest.raises(NotImplementedError):
        run_dataset(training)


def test_shapes_without_probes() -> None:
    trajectory = run_dataset(data_training(0, "relu", "mse", n=4, k=0, n_steps=6))
    assert trajectory.output.shape == trajectory.residual.shape == (7, 4)
    assert trajectory.input_gradient.shape == (7, 0, 7)
    assert trajectory.last_finite_step == 6
    assert not trajectory.diverged


def test_unknown_engine() -> None:
    with pytest.raises(InputError, match=r"'cuda'.*allowed are reference, collapsed"):
        run_dataset(data_training(0, "relu", "mse"), "cuda")
