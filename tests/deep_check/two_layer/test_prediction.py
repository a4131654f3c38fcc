"""Theory's prediction: its sums beside the linear network, its order beside training, and what it does not see."""

from __future__ import annotations

import numpy as np
import pytest

from deep_check.two_layer.activations import HIDDEN, OUTPUT
from deep_check.two_layer.network import Reading, TwoLayer, initial_weights
from deep_check.two_layer.prediction import Prediction
from deep_check.two_layer.prediction_reference import kernel, kernel_gradient, predict
from tests.helpers import assert_close, assert_differs, assert_order

RNG = np.random.default_rng(1)
IMAGES = RNG.random((12, 3, 32, 32), dtype=np.float32)
LABELS = RNG.integers(0, 10, 12)
BATCHES = [slice(0, 5), slice(5, 8), slice(2, 6)]
READINGS = [(hidden, output) for hidden in HIDDEN for output in OUTPUT]
RATE = 0.05


def network(reading: Reading, width: int = 16) -> TwoLayer:
    return TwoLayer(*initial_weights(width, 2), reading)


@pytest.mark.parametrize(("hidden", "output"), READINGS)
@pytest.mark.parametrize("loss", ["mse", "cross_entropy"])
def test_is_the_recurrence_with_the_first_kernel(hidden: str, output: str, loss: str) -> None:
    """∇ₓℓ of probes after three steps: the network linear in W beside the explicit sums over images and classes."""
    reading = Reading(hidden, output)
    net = network(reading)
    theory = Prediction(net)
    for own in BATCHES:
        theory.step(IMAGES[own], LABELS[own], loss, RATE)
    probes, labels = IMAGES[8:10], LABELS[8:10]
    found = theory.input_gradient(probes, labels, loss)
    rows = reading.rows(IMAGES).astype(float)
    inner, outer = net.inner.astype(float), net.outer.astype(float)
    batches = [(rows[own], LABELS[own]) for own in BATCHES]
    from deep_check.ops.loss_reference import loss as loss_of
    from deep_check.two_layer.activations import activate

    for i, probe in enumerate((8, 9)):
        f, g = predict(inner, outer, (hidden, output), batches, loss, RATE, rows[probe])
        outputs, steepness, _ = activate(output, f[None])
        losses, d_outputs = loss_of(outputs, labels[i : i + 1], loss)
        gradient = reading.pull_back(d_outputs * steepness @ g)[0]
        assert_close("loss", found.losses[i], losses[0], "float32_sum", scale=max(1.0, float(losses[0])))
        assert_close("gradient", found.gradient[i], gradient, "two_layer_gradient")
        before = net.input_gradient(probes, labels, loss).gradient[i]
        assert_differs("training", before, gradient, "two_layer_gradient")


@pytest.mark.parametrize("hidden", HIDDEN)
def test_the_kernel_is_that_of_the_network(hidden: str) -> None:
    """K beside differences of the network's sums by W, ∇ₓK beside differences of K."""
    rng = np.random.default_rng(5)  # some units are active at both points
    inner, outer = rng.normal(size=(9, 6)), rng.normal(size=(3, 9))
    x, other = rng.normal(size=(2, 6))
    from deep_check.two_layer.activations import activate

    def sums(weights: np.ndarray, point: np.ndarray) -> np.ndarray:
        return outer @ activate(hidden, weights @ point)[0]

    h = 1e-5

    def by_weights(point: np.ndarray) -> np.ndarray:
        columns = []
        for index in np.ndindex(*inner.shape):
            step = np.zeros_like(inner)
            step[index] = h
            columns.append((sums(inner + step, point) - sums(inner - step, point)) / (2 * h))
        return np.array(columns)

    wanted = by_weights(x).T @ by_weights(other)
    assert np.abs(wanted).max() > 0.1
    assert_close("K", kernel(inner, outer, hidden, x, other), wanted, "first_difference")
    slopes = []
    for i in range(6):
        step = np.zeros(6)
        step[i] = h
        ends = [kernel(inner, outer, hidden, x + sign * step, other) for sign in (1, -1)]
        slopes.append((ends[0] - ends[1]) / (2 * h))
    found = kernel_gradient(inner, outer, hidden, x, other)
    assert_close("∇ₓK", found, np.moveaxis(slopes, 0, 2), "first_difference")
    other_way = kernel_gradient(inner, outer, hidden, other, x)
    assert_differs("∇ by the second point", other_way, np.moveaxis(slopes, 0, 2), "first_difference")


def test_training_departs_from_it_by_the_square_of_the_rate() -> None:
    """One true step, float64, smooth units: ∇ₓf of a probe moves by the kernel sum up to O(η²); a wrong factor not."""
    rng = np.random.default_rng(4)
    inner, outer = rng.normal(size=(8, 5)), rng.normal(size=(3, 8))
    rows, labels, probe = rng.normal(size=(4, 5)), np.array([0, 1, 2, 1]), rng.normal(size=5)
    from deep_check.ops.loss_reference import loss as loss_of
    from deep_check.two_layer.activations import activate

    def trained(rate: float) -> np.ndarray:
        value, slope, _ = activate("sigmoid", rows @ inner.T)
        outputs, steepness, _ = activate("sigmoid", value @ outer.T)
        residual = loss_of(outputs, labels, "mse")[1] * steepness
        moved = inner - rate / 4 * (residual @ outer * slope).T @ rows
        return outer * activate("sigmoid", moved @ probe)[1] @ moved

    def error(rate: float, factor: float = 1.0) -> float:
        predicted = predict(inner, outer, ("sigmoid", "sigmoid"), [(rows, labels)], "mse", factor * rate, probe)[1]
        return float(np.abs(trained(rate) - predicted).max())

    assert_order("one step beside theory", error, 2, 0.1)
    assert_order("one step beside twice theory's", lambda rate: error(rate, 2.0), 1, 0.1)


def test_nothing_of_the_trained_network_enters() -> None:
    net = network(Reading())
    theory, other = Prediction(net), Prediction(net)
    for own in BATCHES:
        theory.step(IMAGES[own], LABELS[own], "mse", RATE)
        net.inner += 1.0  # whatever becomes of the trained weights
        net.outer *= 2.0
        other.step(IMAGES[own], LABELS[own], "mse", RATE)
    assert np.array_equal(theory.moved, other.moved)
    assert np.array_equal(theory(IMAGES), other(IMAGES))
