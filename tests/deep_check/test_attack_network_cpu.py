"""The folded and fused network of the CPU beside the float64 network of references."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from deep_check.architecture import Architecture
from deep_check.cpu.attack_network import AttackNetwork
from deep_check.ops.blocks import LANES
from deep_check.ops.loss_reference import LOSSES
from deep_check.reference_network import ReferenceNetwork
from tests.deep_check.derivatives import assert_caught
from tests.deep_check.networks import MEAN, STD, images_and_labels, random_state
from tests.helpers import assert_close, assert_differs

ARCHITECTURES = [
    Architecture(depth=8, size=32),
    Architecture(depth=14, size=8, n_classes=7),
    Architecture(depth=8, size=20, in_channels=1, n_classes=2),
    Architecture(depth=20, size=4),
]


def constants(architecture: Architecture) -> tuple[np.ndarray, np.ndarray]:
    return MEAN[: architecture.in_channels], STD[: architecture.in_channels]


def pair(architecture: Architecture, n_threads: int = 0) -> tuple[AttackNetwork, ReferenceNetwork]:
    state, constant = random_state(architecture), constants(architecture)
    return AttackNetwork(architecture, state, *constant, n_threads), ReferenceNetwork(architecture, state, *constant)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_is_the_float64_network(architecture: Architecture, loss: str) -> None:
    net, reference = pair(architecture)
    images, labels = images_and_labels(LANES + 3, architecture)
    losses, d_images, logits = net.input_gradient(images, labels, loss)
    losses64, d_images64, logits64 = reference.input_gradient(images, labels, loss)
    assert_close("logits", logits, logits64, "float32_network")
    scale = float(max(np.abs(logits64).max(), np.abs(losses64).max()))  # a cross entropy near 0 is a difference
    assert_close("losses", losses, losses64, "float32_network", scale=scale)
    assert (net.logits(images) == logits).all()
    assert_close("gradient", typical_error(d_images, d_images64), 0.0, "input_gradient", scale=1.0)
    assert_caught(
        lambda: assert_close(
            "reversed", typical_error(d_images[..., ::-1], d_images64), 0.0, "input_gradient", scale=1.0
        )
    )
    if architecture.size < 20:
        assert_close("gradient", d_images, d_images64, "float32_network")


def typical_error(actual: np.ndarray, expected: np.ndarray) -> float:
    """Median over the images of ‖actual - expected‖/‖expected‖.

    A large image has 10^5 ReLU inputs, and for some images float32 rounds one of them to the other side of 0: there the
    gradient jumps, and no two orders of summation agree. An error of a kernel would be in all images.
    """
    axes = (1, 2, 3)
    norms = np.sqrt((expected**2).sum(axes))
    assert (norms > 0).all()
    return float(np.median(np.sqrt(((actual - expected) ** 2).sum(axes)) / norms))


def test_a_batch_norm_that_is_left_out_is_seen() -> None:
    architecture = ARCHITECTURES[0]
    net, _ = pair(architecture)
    state = random_state(architecture)
    state["layer2.0.bn1.running_mean"] = np.zeros_like(state["layer2.0.bn1.running_mean"])
    images, _ = images_and_labels(4, architecture)
    wrong = ReferenceNetwork(architecture, state, *constants(architecture)).logits(images)
    assert_differs("without a mean", net.logits(images), wrong, "float32_network")


def test_bits_depend_neither_on_batch_nor_on_place_nor_on_threads() -> None:
    architecture = ARCHITECTURES[0]
    net, _ = pair(architecture, n_threads=1)
    images, labels = images_and_labels(2 * LANES + 5, architecture)
    _, whole, logits = net.input_gradient(images, labels, "cross_entropy")
    for n_threads in (2, 3, 5):
        again = pair(architecture, n_threads)[0].input_gradient(images, labels, "cross_entropy")
        assert (again[1] == whole).all()
        assert (again[2] == logits).all()
    order = np.random.default_rng(0).permutation(len(images))
    assert (net.input_gradient(images[order], labels[order], "cross_entropy")[1] == whole[order]).all()
    one = net.input_gradient(images[7:8], labels[7:8], "cross_entropy")
    assert (one[1][0] == whole[7]).all()


def test_other_weights_and_a_given_place() -> None:
    architecture = ARCHITECTURES[1]
    net, _ = pair(architecture)
    images, labels = images_and_labels(5, architecture)
    first = net.logits(images)
    net.set_state(random_state(architecture, seed=1))
    assert_differs("other weights", net.logits(images), first, "float32_network")
    net.set_state(random_state(architecture))
    assert (net.logits(images) == first).all()
    out = np.empty_like(images)
    _, found, _ = net.input_gradient(images, labels, "margin", out=out)
    assert found is out
    assert (out == net.input_gradient(images, labels, "margin")[1]).all()


def test_images_stay_as_they_are() -> None:
    architecture = ARCHITECTURES[1]
    net, _ = pair(architecture)
    images, labels = images_and_labels(5, architecture)
    copy = images.copy()
    net.input_gradient(images, labels, "mse")
    assert (images == copy).all()
    images.flags.writeable = False
    net.input_gradient(images, labels, "mse")


def test_an_error_in_one_block_ends_all() -> None:
    """A label beyond the classes is the caller's to check; what a thread raises reaches the caller, none hangs."""
    architecture = ARCHITECTURES[1]
    net, _ = pair(architecture, n_threads=3)
    images, labels = images_and_labels(5 * LANES, architecture)
    before = threading.active_count()
    for _ in range(3):
        with pytest.raises(ValueError, match="loss"):
            net.input_gradient(images, labels, "hinge")
    assert threading.active_count() <= before + 3
    assert net.logits(images).shape == (5 * LANES, 7)
