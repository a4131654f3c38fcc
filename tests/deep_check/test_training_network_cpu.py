"""Training of the CPU beside the float64 network of references: gradients, running statistics, a course of steps."""

from __future__ import annotations

import numpy as np
import pytest

from deep_check.architecture import Architecture
from deep_check.cpu.training_network import TrainingNetwork
from deep_check.ops import optimizer_reference
from deep_check.ops.blocks import LANES
from deep_check.ops.optimizer_cpu import adam_step
from deep_check.reference_network import ReferenceNetwork
from tests.deep_check.networks import MEAN, STD, images_and_labels, random_state
from tests.helpers import assert_close, assert_differs
from theory_sim.errors import InputError

SMALL = Architecture(depth=8, size=16)
ARCHITECTURES = [Architecture(depth=8, size=32), Architecture(depth=14, size=8, n_classes=3), SMALL]


def pair(architecture: Architecture, n_threads: int = 0) -> tuple[TrainingNetwork, ReferenceNetwork]:
    state = random_state(architecture)
    return (
        TrainingNetwork(architecture, state, MEAN, STD, n_threads),
        ReferenceNetwork(architecture, state, MEAN, STD),
    )


@pytest.mark.parametrize("loss", ["cross_entropy", "mse"])
@pytest.mark.parametrize("n", [16, 21])  # whole blocks, and one with empty lanes
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_gradients_are_those_of_float64(architecture: Architecture, n: int, loss: str) -> None:
    """Each parameter's by its own norm: a small one does not hide behind a large one.

    Of the 10^6 ReLU inputs of images of 32x32 float32 rounds one or two to the other side of 0, and a pixel's gradient
    appears or goes: there only norms can be compared, element by element all smaller images are.
    """
    net, reference = pair(architecture)
    images, labels = images_and_labels(n, architecture)
    value, gradients, logits = net.loss_and_gradients(images, labels, loss, update_statistics=True)
    value64, gradients64, logits64 = reference.loss_and_gradients(images, labels, loss, update_statistics=True)
    assert_close("loss", value, value64, "float32_network")
    assert_close("logits", logits, logits64, "float32_network")
    assert list(gradients) == list(architecture.parameter_shapes)
    for name, expected in gradients64.items():
        scale = float(np.linalg.norm(expected))
        assert_close(name, np.linalg.norm(gradients[name] - expected), 0.0, "float32_kinks", scale=scale)
        assert_differs(name, np.linalg.norm(expected), 0.0, "float32_kinks", scale=scale)
        if architecture.size < 32:
            assert_close(name, gradients[name], expected, "float32_network", scale=scale)
    for name, array in net.running.items():
        assert_close(name, array, reference.state[name], "float32_network")


def test_running_statistics_move_only_when_asked() -> None:
    net, _ = pair(SMALL)
    images, labels = images_and_labels(4, SMALL)
    before = net.state()
    first = net.loss_and_gradients(images, labels, "cross_entropy", update_statistics=False)[0]
    assert all((before[name] == array).all() for name, array in net.state().items())
    assert net.loss_and_gradients(images, labels, "cross_entropy")[0] == first
    moved = [name for name, array in net.state().items() if (before[name] != array).any()]
    assert moved == list(net.running)


def test_bits_do_not_depend_on_threads_nor_on_earlier_batches() -> None:
    images, labels = images_and_labels(3 * LANES + 1, SMALL)
    found = []
    for n_threads in (1, 2, 3):
        net, _ = pair(SMALL, n_threads)
        if n_threads > 1:  # memory of a larger batch is used again
            net.loss_and_gradients(np.concatenate([images, images]), np.tile(labels, 2), "mse", False)
        net.loss_and_gradients(images, labels, "cross_entropy")
        found.append(np.concatenate([net.gradients, *(np.ravel(a) for a in net.running.values())]))
    assert (found[0] == found[1]).all()
    assert (found[0] == found[2]).all()


def test_a_course_of_adam_steps() -> None:
    """Six steps stay as close to the float64 course as float32 can; the loss falls."""
    net, reference = pair(SMALL)
    moments = [np.zeros_like(net.parameters) for _ in range(2)]
    moments64 = [np.zeros_like(reference.parameters) for _ in range(2)]
    settings = (3e-3, 0.9, 0.999, 1e-3, 1e-4)  # a large epsilon: else Adam divides round-off by round-off
    images, labels = images_and_labels(LANES + 2, SMALL)
    losses = []
    for step in range(1, 7):
        value = net.loss_and_gradients(images, labels, "cross_entropy")[0]
        value64 = reference.loss_and_gradients(images, labels, "cross_entropy", update_statistics=True)[0]
        assert_close(f"loss of step {step}", value, value64, "float32_network")
        adam_step(net.parameters, net.gradients, *moments, step, *settings)
        optimizer_reference.adam_step(reference.parameters, reference.gradients, *moments64, step, *settings)
        losses.append(value)
    assert_close("parameters", net.parameters, reference.parameters, "float32_network")
    assert losses[-1] < 0.9 * losses[0]
    start = np.concatenate([np.ravel(random_state(SMALL)[name]) for name in SMALL.parameter_shapes])
    assert_differs("moved", net.parameters, start, "float32_network")


def test_one_value_a_channel_has_no_statistics() -> None:
    architecture = Architecture(depth=8, size=4)
    net, _ = pair(architecture)
    images, labels = images_and_labels(2, architecture)
    net.loss_and_gradients(images, labels, "mse")
    with pytest.raises(InputError, match="at least 2"):
        net.loss_and_gradients(images[:1], labels[:1], "mse")
