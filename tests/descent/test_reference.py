"""The reference itself: its step is the gradient of the loss, by finite differences and by hand."""

from __future__ import annotations

import numpy as np
import pytest

from tests.cases import random_training
from tests.helpers import assert_close, assert_differs
from theory_sim.descent import ENGINES, run
from theory_sim.network import ACTIVATIONS, Activation, Network
from theory_sim.training import LOSSES, Training, loss_slope


def loss_value(training: Training, weights: np.ndarray) -> float:
    """ℓ(W) written out on its own: ½(y-f)², or ln(1+e^{-yf})."""
    f = float(training.network.outer @ training.network.activation.value(weights @ training.x))
    return 0.5 * (training.label - f) ** 2 if training.loss == "mse" else float(np.logaddexp(0, -training.label * f))


def numeric_gradient(training: Training) -> np.ndarray:
    weights, h = training.network.weights, 1e-6
    out = np.empty_like(weights)
    for index in np.ndindex(*weights.shape):
        values = []
        for sign in (1, -1):
            moved = weights.copy()
            moved[index] += sign * h
            values.append(loss_value(training, moved))
        out[index] = (values[0] - values[1]) / (2 * h)
    return out


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_one_step_is_down_the_gradient_of_the_loss(name: str, loss: str) -> None:
    """W₁ = W₀ - η ∂ℓ/∂W, observed through s₁ = W₁x and g₁ = W₁ᵀ(a∘σ'(s₁))."""
    for seed in range(6):
        training = random_training(seed, activation=name, loss=loss, dim=5, width=4, rate=0.3, n_steps=1)
        net, act = training.network, training.network.activation
        trajectory = run(training, "reference")
        gradient = numeric_gradient(training)
        for sign, check in ((-1, assert_close), (1, assert_differs)):
            weights = net.weights + sign * training.learning_rate * gradient
            s = weights @ training.x
            if not (np.sign(s) == np.sign(trajectory.preactivation[0])).all() and name == "relu":
                continue  # beyond the kink the sign-flipped control is another linear piece
            if check is assert_differs and not np.abs(gradient).max() > 1e-3:
                continue  # nothing moves: both signs agree
            check("s₁", trajectory.preactivation[1], s, "first_difference", scale=float(np.abs(s).max()))
            if check is assert_close:
                check(
                    "g₁",
                    trajectory.input_gradient[1],
                    (net.outer * act.slope(s)) @ weights,
                    "first_difference",
                    scale=float(np.abs(net.outer) @ np.abs(weights).max(axis=1)),
                )


@pytest.mark.parametrize("label", [-1.0, 1.0])
def test_loss_slopes_are_the_derivatives_of_the_losses(label: float) -> None:
    f, h = np.linspace(-6, 6, 25), 1e-6
    mse = (0.5 * (label - f - h) ** 2 - 0.5 * (label - f + h) ** 2) / (2 * h)
    assert_close("mse", loss_slope("mse", f, label), mse, "first_difference")
    logistic = (np.logaddexp(0, -label * (f + h)) - np.logaddexp(0, -label * (f - h))) / (2 * h)
    assert_close("logistic", loss_slope("logistic", f, label), logistic, "first_difference")
    assert np.isfinite(loss_slope("logistic", np.array([-1e300, 1e300]), label)).all()


def one_unit(weight: float, label: float, rate: float, n_steps: int = 4) -> Training:
    """m = d = 1, a = x = 1: f = s, and r is the learning rate."""
    net = Network(np.array([[weight]]), np.array([1.0]), Activation())
    return Training(net, np.array([1.0]), label, rate, n_steps)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("rate", "expected"),
    [
        (0.5, [3.0, 2.5, 2.25, 2.125, 2.0625]),  # r < 1: monotone
        (1.0, [3.0, 2.0, 2.0, 2.0, 2.0]),  # r = 1: there in one step
        (1.5, [3.0, 1.5, 2.25, 1.875, 2.0625]),  # 1 < r < 2: swings that shrink
        (2.0, [3.0, 1.0, 3.0, 1.0, 3.0]),  # r = 2: swings for ever
        (2.5, [3.0, 0.5, 4.25, 0.0, 0.0]),  # r > 2: swings that grow, until the unit dies (s₃ = -1.375)
    ],
)
def test_hand_worked_run(engine: str, rate: float, expected: list[float]) -> None:
    trajectory = run(one_unit(3.0, 2.0, rate), engine)
    assert_close("f", trajectory.output, expected, "round_off")
    assert_close("ℓ'", trajectory.residual, np.array(expected) - 2.0, "round_off", scale=1.0)
    dies = rate > 2
    np.testing.assert_array_equal(trajectory.crossings, [0, 0, 0, 1, 1] if dies else [0, 0, 0, 0, 0])
    weights = [3.0, 0.5, 4.25, 0.0, 0.0] if dies else expected
    assert_close("g", trajectory.input_gradient[:, 0], weights, "round_off")
    if dies:
        assert_close("s stays where it died", trajectory.preactivation[3:, 0], [-1.375, -1.375], "round_off")


@pytest.mark.parametrize("engine", ENGINES)
def test_a_unit_that_lands_on_the_kink_is_dead(engine: str) -> None:
    """r = 3 takes s from 3 to 3 - 3·1 = 0 exactly; the slope there is 0."""
    trajectory = run(one_unit(3.0, 2.0, 3.0), engine)
    assert_close("f", trajectory.output, [3.0, 0.0, 0.0, 0.0, 0.0], "round_off")
    np.testing.assert_array_equal(trajectory.crossings, [0, 1, 1, 1, 1])


@pytest.mark.parametrize("engine", ENGINES)
def test_a_dead_network_never_moves(engine: str) -> None:
    trajectory = run(one_unit(-3.0, 2.0, 0.5), engine)
    assert_close("f", trajectory.output, np.zeros(5), "exact")
    assert_close("ℓ'", trajectory.residual, np.full(5, -2.0), "exact")
    assert_close("g", trajectory.input_gradient, np.zeros((5, 1)), "exact")
    assert_close("drive", trajectory.drive, np.zeros(5), "exact")


@pytest.mark.parametrize("engine", ENGINES)
def test_drive_and_decay_of_a_hand_worked_run(engine: str) -> None:
    """drive = η ℓ' ‖a'‖² = 0.5·(1, 0.5, …); ReLU has no decay."""
    trajectory = run(one_unit(3.0, 2.0, 0.5), engine)
    assert_close("drive", trajectory.drive, [0.5, 0.25, 0.125, 0.0625, 0.03125], "round_off")
    assert_close("decay", trajectory.decay, np.zeros(5), "exact")


@pytest.mark.parametrize("engine", ["reference", "collapsed", "numba"])
def test_decay_is_the_mean_curvature(engine: str) -> None:
    """η̃ = η ‖x‖² ℓ' mean_r(a_r σ''(s_r)), at the start from the definition."""
    training = random_training(5, activation="softplus", loss="mse", dim=7, width=5)
    net, x = training.network, training.x
    mean = sum(a * net.activation.curvature(w @ x) for a, w in zip(net.outer, net.weights, strict=True)) / 5
    residual = net.output(x) - training.label
    expected = training.learning_rate * (x @ x) * residual * mean
    assert_close("decay", run(training, engine).decay[0], expected, "identity")
