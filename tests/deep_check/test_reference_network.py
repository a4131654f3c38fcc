"""The float64 network: finite differences of the whole, statistics, layers by hand, and that it learns."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from deep_check.architecture import EPSILON, Architecture
from deep_check.ops.loss_reference import LOSSES
from deep_check.ops.loss_reference import loss as loss_of
from deep_check.ops.optimizer_reference import adam_step
from deep_check.reference_network import ReferenceNetwork
from tests.deep_check.derivatives import assert_caught, assert_is_gradient
from tests.deep_check.networks import MEAN, SMALL, STD, images_and_labels, random_state
from tests.helpers import assert_close, assert_differs

TOLERANCE = "network_difference"


def network(architecture: Architecture = SMALL) -> ReferenceNetwork:
    return ReferenceNetwork(architecture, random_state(architecture), MEAN, STD)


@pytest.mark.parametrize("loss", LOSSES)
def test_input_gradient_by_finite_differences(loss: str) -> None:
    net = network()
    images, labels = images_and_labels(3, SMALL)
    losses, d_images, logits = net.input_gradient(images, labels, loss)

    def total(x: NDArray[Any]) -> float:
        return float(loss_of(net.logits(x), labels, loss)[0].sum())

    assert_close("logits", logits, net.logits(images), "exact")
    assert_close("losses", losses, loss_of(logits, labels, loss)[0], "exact")
    assert_is_gradient(loss, total, images.astype(float), d_images, tol_key=TOLERANCE)
    assert_caught(
        lambda: assert_is_gradient(
            "in normalised units", total, images.astype(float), d_images * STD[:, None, None], tol_key=TOLERANCE
        )
    )


@pytest.mark.parametrize("loss", ["cross_entropy", "margin_mse"])
def test_parameter_gradients_by_finite_differences(loss: str) -> None:
    net = network()
    images, labels = images_and_labels(4, SMALL)
    mean_loss, named, logits = net.loss_and_gradients(images, labels, loss)
    assert_close("mean loss", mean_loss, loss_of(logits, labels, loss)[0].mean(), "round_off")
    gradients = net.gradients.copy()

    def value(parameters: NDArray[Any]) -> float:
        other = deepcopy_with(net, parameters)
        return other.loss_and_gradients(images, labels, loss)[0]

    assert_is_gradient("all", value, net.parameters.copy(), gradients, step=1e-6, tol_key=TOLERANCE)
    first = 0
    for name, shape in SMALL.parameter_shapes.items():  # each by itself: a small one does not hide behind a large one
        own = slice(first, first + int(np.prod(shape)))
        first = own.stop
        np.testing.assert_array_equal(gradients[own].reshape(shape), named[name])
        direction = np.zeros_like(gradients)
        direction[own] = gradients[own] / np.linalg.norm(gradients[own])
        step = 1e-5
        difference = (value(net.parameters + step * direction) - value(net.parameters - step * direction)) / (2 * step)
        assert_close(name, difference, np.linalg.norm(gradients[own]), TOLERANCE)
    assert_caught(
        lambda: assert_is_gradient(
            "sum, not mean", value, net.parameters.copy(), 4 * gradients, step=1e-6, tol_key=TOLERANCE
        )
    )


def deepcopy_with(net: ReferenceNetwork, parameters: NDArray[Any]) -> ReferenceNetwork:
    other = ReferenceNetwork(net.architecture, net.state, net.mean, net.std)
    other.parameters[:] = parameters
    return other


def test_running_statistics_move_only_when_asked() -> None:
    """The stem's are those of its convolution; evaluation then differs, training does not."""
    net = network()
    images, labels = images_and_labels(5, SMALL)
    before, logits = deepcopy(net.state), net.logits(images)
    first = net.loss_and_gradients(images, labels, "cross_entropy")
    np.testing.assert_array_equal(net.logits(images), logits)
    second = net.loss_and_gradients(images, labels, "cross_entropy", update_statistics=True)
    assert first[0] == second[0]
    assert_differs("evaluation", net.logits(images), logits, "reference")
    changed = {name for name in before if not np.array_equal(before[name], net.state[name])}
    assert changed == {name for name in SMALL.state_shapes if name.endswith(("running_mean", "running_var"))}
    x = (images.astype(float) - MEAN[:, None, None]) / STD[:, None, None]
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    one = sum(  # the first output channel of the stem, as nine shifted images
        np.einsum("nchw,c->nhw", padded[:, :, i : i + 8, j : j + 8], net.state["conv1.weight"][0, :, i, j])
        for i in range(3)
        for j in range(3)
    )
    assert_close(
        "mean", net.state["bn1.running_mean"][0], 0.9 * before["bn1.running_mean"][0] + 0.1 * one.mean(), "reference"
    )
    variance = 0.9 * before["bn1.running_var"][0] + 0.1 * one.var(ddof=1)
    assert_close("variance", net.state["bn1.running_var"][0], variance, "reference")


def test_a_network_whose_blocks_are_identities() -> None:
    """Zero convolutions leave the shortcuts: of the stem every fourth pixel, averaged, in the middle of 64 channels."""
    architecture = Architecture(depth=8, size=8, n_classes=64)
    state = random_state(architecture)
    for name, values in state.items():
        if name.startswith("layer"):
            values[...] = 1 if name.endswith("var") else 0
    state["linear.weight"], state["linear.bias"] = np.eye(64, dtype=np.float32), np.zeros(64, np.float32)
    images, _ = images_and_labels(2, architecture)
    net = ReferenceNetwork(architecture, state, MEAN, STD)
    logits = net.logits(images)
    assert not logits[:, :24].any()
    assert not logits[:, 40:].any()
    factor = state["bn1.weight"].astype(float) / np.sqrt(state["bn1.running_var"].astype(float) + EPSILON)
    x = (images.astype(float) - MEAN[:, None, None]) / STD[:, None, None]
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    stem = np.zeros((2, 16))
    for i in (0, 4):
        for j in (0, 4):
            seen = np.einsum("ncij,ocij->no", padded[:, :, i : i + 3, j : j + 3], state["conv1.weight"].astype(float))
            stem += np.maximum((seen - state["bn1.running_mean"]) * factor + state["bn1.bias"], 0) / 4
    assert_close("logits", logits[:, 24:40], stem, "reference")


def test_adam_learns_a_batch_by_heart() -> None:
    net = network()
    images, labels = images_and_labels(8, SMALL)
    moments = np.zeros_like(net.parameters), np.zeros_like(net.parameters)
    losses = []
    for step in range(1, 31):
        losses.append(net.loss_and_gradients(images, labels, "cross_entropy", update_statistics=True)[0])
        adam_step(net.parameters, net.gradients, *moments, step, 3e-3, 0.9, 0.999, 1e-8, 0.0)
    assert losses[-1] < 0.1 * losses[0]
