"""Adversarial training: one step by hand, no attack is normal training, and what it says of itself is true."""

from __future__ import annotations

import numpy as np
import pytest

from tests.cases import random_training
from tests.helpers import assert_close, assert_differs
from theory_sim.attacks import fgm, loss_gradient
from theory_sim.descent import run, run_adversarial
from theory_sim.errors import InputError
from theory_sim.network import ACTIVATIONS, Activation, Network
from theory_sim.training import LOSSES, Training


def test_one_step_by_hand() -> None:
    """One unit, w = (3, 0), x = (1, 0), y = 1, ε = 1/2: δ = (1/2, 0), f(x + δ) = 4.5, W <- W - η·3.5·(1.5, 0)."""
    network = Network(np.array([[3.0, 0.0]]), np.array([1.0]), Activation("relu"))
    t = run_adversarial(Training(network, np.array([1.0, 0.0]), 1.0, 0.1, 1), 0.5)
    assert_close("δ", t.perturbation, np.array([[0.5, 0.0], [0.5, 0.0]]), "exact")
    assert_close("f", t.output, np.array([3.0, 3.0 - 0.1 * 3.5 * 1.5]), "round_off")
    assert_close("ℓ'", t.attacked_residual[:1], np.array([3.5]), "round_off")
    assert t.crossings.tolist() == [0, 0]


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_without_an_attack_it_is_normal_training(name: str, loss: str) -> None:
    training = random_training(3, activation=name, loss=loss, dim=9, width=6, rate=0.5, n_steps=40)
    expected, actual = run(training, "reference"), run_adversarial(training, 0.0)
    for field in ("output", "residual", "input_gradient", "preactivation"):
        assert_close(f"{name} {loss} {field}", getattr(actual, field), getattr(expected, field), "engines")
    attacked = run_adversarial(training, 0.3)
    assert_differs("with one", attacked.input_gradient, expected.input_gradient, "engines")


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_every_step_descends_the_attacked_loss(name: str, loss: str) -> None:
    """W retraced from what was recorded: δ is `fgm`'s, and each update is the loss's gradient at x + δ."""
    training = random_training(5, activation=name, loss=loss, dim=9, width=6, rate=0.5, n_steps=12)
    t, net = run_adversarial(training, 0.4), training.network
    weights = net.weights
    for step in range(training.n_steps):
        now = Network(weights, net.outer, net.activation)
        assert_close("δ", t.perturbation[step], fgm(now, training.x, training.label, 0.4, loss), "engines")
        attacked = training.x + t.perturbation[step]
        gradient = t.attacked_residual[step] * np.outer(now.active_outer(attacked), attacked)
        of_input = loss_gradient(now, attacked, training.label, loss)
        assert_close("ℓ'(x+δ)", t.attacked_residual[step] * now.input_gradient(attacked), of_input, "engines")
        assert_close("s", t.attacked_preactivation[step], now.preactivation(attacked), "engines")
        weights = weights - training.learning_rate * gradient
    assert_close(
        "g", t.input_gradient[-1], Network(weights, net.outer, net.activation).input_gradient(training.x), "engines"
    )


def test_crossings_count_units_on_the_other_side_at_x_or_at_the_attacked_x() -> None:
    """f = s₁ + s₂ pulled down from 2.2: the attack crosses s₂'s kink at once, training crosses neither."""
    network = Network(np.array([[2.0, 0.0], [0.2, -9.0]]), np.array([1.0, 1.0]), Activation("relu"))
    training = Training(network, np.array([1.0, 0.0]), 3.0, 1e-3, 3)
    assert run_adversarial(training, 0.0).crossings.tolist() == [0, 0, 0, 0]
    assert run_adversarial(training, 0.3).crossings.tolist() == [1, 1, 1, 1]


def test_divergence_is_a_result() -> None:
    training = random_training(1, activation="leaky_softplus", loss="mse", dim=5, width=4, rate=0.5, n_steps=800)
    t = run_adversarial(training.with_rate(training.learning_rate * 100, 800), 0.5)
    assert t.diverged
    assert np.isfinite(t.input_gradient[: t.last_finite_step + 1]).all()
    assert np.isnan(t.input_gradient[t.last_finite_step + 1 :]).all()


@pytest.mark.parametrize("radius", [-0.1, np.nan, np.inf])
def test_a_radius_that_is_none_is_refused(radius: float) -> None:
    training = random_training(1, activation="relu", loss="mse", dim=5, width=4, rate=0.5, n_steps=2)
    with pytest.raises(InputError, match="attack radius"):
        run_adversarial(training, radius)
