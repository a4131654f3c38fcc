"""The two-layer network of ten outputs: beside loops in float64, beside finite differences, and as files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from deep_check.attacks import Attack, run_attack
from deep_check.normalisation import NORMALISATIONS
from deep_check.ops.loss_reference import LOSSES
from deep_check.ops.loss_reference import loss as loss_of
from deep_check.two_layer import TwoLayer
from deep_check.two_layer.activations import HIDDEN, OUTPUT, activate
from deep_check.two_layer.network import INNER, OUTER, Reading, initial_weights
from deep_check.weights_files import write
from tests.helpers import assert_close, assert_differs
from theory_sim.errors import InputError

RNG = np.random.default_rng(0)
IMAGES = RNG.random((6, 3, 32, 32), dtype=np.float32)
LABELS = RNG.integers(0, 10, 6)
READINGS = [(hidden, output) for hidden in HIDDEN for output in OUTPUT]


def network(hidden: str = "relu", output: str = "sigmoid", width: int = 40) -> TwoLayer:
    return TwoLayer(*initial_weights(width, 3), Reading(hidden, output))


def losses_by_loops(net: TwoLayer, images: np.ndarray, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Losses (n,) and outputs, one image, one unit and one class at a time, in float64."""
    mean, std = NORMALISATIONS["cifar10"]
    sigmoid = lambda s: 1 / (1 + np.exp(-s))  # noqa: E731
    phi = {"relu": lambda s: max(s, 0.0), "sigmoid": sigmoid, "relu-sigmoid": lambda s: sigmoid(max(s, 0.0))}
    outputs = np.empty((len(images), 10))
    for n, image in enumerate(images.astype(float)):
        x = np.concatenate([((image[c] - mean[c]) / std[c]).ravel() for c in range(3)])
        hidden = [phi[net.reading.hidden](float(w @ x)) for w in net.inner.astype(float)]
        for c in range(10):
            z = sum(float(a) * h for a, h in zip(net.outer[c], hidden, strict=True))
            outputs[n, c] = sigmoid(z) if net.reading.output == "sigmoid" else z
    return loss_of(outputs, LABELS[: len(images)], kind)[0], outputs


@pytest.mark.parametrize(("hidden", "output"), READINGS)
def test_outputs_and_losses_beside_loops(hidden: str, output: str) -> None:
    net = network(hidden, output)
    for kind in LOSSES:
        losses, outputs = losses_by_loops(net, IMAGES, kind)
        found = net.input_gradient(IMAGES, LABELS, kind)
        assert_close("outputs", net(IMAGES), outputs, "float32_sum", scale=1.0)
        assert_close("outputs", found.logits, outputs, "float32_sum", scale=1.0)
        assert_close("losses", found.losses, losses, "float32_sum", scale=max(1.0, losses.max()))
    assert_differs("outputs of another image", net(IMAGES[:1]), outputs[1:2], "float32_sum")


@pytest.mark.parametrize(("hidden", "output"), READINGS)
@pytest.mark.parametrize("kind", ["mse", "cross_entropy"])
def test_gradients_beside_differences(hidden: str, output: str, kind: str) -> None:
    """Along random directions, central differences of the loops."""
    net = network(hidden, output, 12)
    images, labels = IMAGES[:2], LABELS[:2]
    found = net.input_gradient(images, labels, kind)
    direction = np.random.default_rng(5).normal(size=images.shape)
    h = 1e-5

    def along(step: float) -> np.ndarray:
        return losses_by_loops(net, images + step * direction, kind)[0]

    wanted = (along(h) - along(-h)) / (2 * h)
    actual = (found.gradient * direction).sum(axis=(1, 2, 3))
    scale = float(np.sqrt((found.gradient**2).sum() * (direction**2).sum()) / 50)  # a random direction's share
    assert_close("along a direction", actual, wanted, "two_layer_difference", scale=scale)
    assert_differs("the other way", -actual, wanted, "two_layer_difference", scale=scale)

    loss, gradient, _ = net.loss_and_gradient(images, labels, kind)
    step = np.random.default_rng(6).normal(size=gradient.shape)
    assert loss == pytest.approx(found.losses.mean(), rel=1e-6)

    def moved(size: float) -> float:
        other = TwoLayer(net.inner.astype(float) + size * step, net.outer, net.reading)
        return float(losses_by_loops(other, images, kind)[0].mean())

    h = 1e-6
    wanted_w = (moved(h) - moved(-h)) / (2 * h)
    scale = float(np.linalg.norm(gradient) * np.linalg.norm(step) / np.sqrt(gradient.size))
    assert_close("along a direction of W", (gradient * step).sum(), wanted_w, "two_layer_difference", scale=scale)


def test_activations_know_their_slopes() -> None:
    s = np.linspace(-4, 4, 41) + 0.01
    h = 1e-5
    for name in (*HIDDEN, "none"):
        value, slope, curvature = activate(name, s)
        (up, slope_up, _), (down, slope_down, _) = activate(name, s + h), activate(name, s - h)
        assert_close(f"{name}'", slope, (up - down) / (2 * h), "first_difference", scale=1.0)
        assert_close(f"{name}''", curvature, (slope_up - slope_down) / (2 * h), "first_difference", scale=1.0)
        assert value.dtype == s.dtype
    extreme = activate("sigmoid", np.array([-1e4, 1e4], np.float32))[0]
    assert extreme.tolist() == [0.0, 1.0]
    with pytest.raises(InputError, match="tanh"):
        activate("tanh", s)


def test_can_be_attacked() -> None:
    net = network()
    attack = Attack(norm="l2", radius=0.5, step_size=0.1, steps=10, start="zero", loss="mse")
    found = run_attack(net, IMAGES, LABELS, attack)
    assert (found.losses > net.input_gradient(IMAGES, LABELS, "mse").losses).all()


def test_initial_weights_are_drawn_by_counter() -> None:
    inner, outer = initial_weights(50, 7)
    assert_close("variance of W", inner.var() * inner.shape[1], 2.0, "drawn_variance")
    assert_close("variance of A", outer.var() * 50, 1.0, "drawn_variance_few")
    wider = initial_weights(60, 7)[0]
    assert np.array_equal(wider[:50], inner)
    assert not np.array_equal(initial_weights(50, 8)[0], inner)


FACTS = {"hidden_activation": "relu", "output_activation": "sigmoid", "mean": [0.5] * 3, "std": [0.2] * 3}


def test_files(tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    inner, outer = initial_weights(20, 1)
    write(path, {INNER: inner, OUTER: outer}, FACTS)
    net = TwoLayer.from_file(path)
    assert net.reading == Reading("relu", "sigmoid", type(NORMALISATIONS["none"])((0.5,) * 3, (0.2,) * 3))
    assert np.array_equal(net.inner, inner)
    assert net.facts == FACTS


@pytest.mark.parametrize(
    ("arrays", "facts", "words"),
    [
        ({INNER: np.zeros((4, 3072))}, FACTS, "allowed are the two arrays"),
        ({INNER: np.zeros((4, 3072)), OUTER: np.zeros((10, 5))}, FACTS, r"shapes \(4, 3072\) and \(10, 5\)"),
        ({INNER: np.full((4, 3072), np.nan), OUTER: np.zeros((10, 4))}, FACTS, "NaN"),
        ({INNER: np.zeros((4, 3072)), OUTER: np.zeros((10, 4))}, {}, "does not say"),
        (
            {INNER: np.zeros((4, 3072)), OUTER: np.zeros((10, 4))},
            {**FACTS, "hidden_activation": "tanh"},
            "allowed are relu, sigmoid, relu-sigmoid",
        ),
    ],
)
def test_files_that_are_none(tmp_path: Path, arrays: dict, facts: dict, words: str) -> None:
    path = tmp_path / "net.npz"
    write(path, arrays, facts)
    with pytest.raises(InputError, match=words):
        TwoLayer.from_file(path)
