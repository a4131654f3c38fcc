"""Whole networks of CUDA kernels beside the float64 network: gradients, statistics, attack and training steps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from deep_check.architecture import Architecture
from deep_check.cuda import layers
from deep_check.cuda.attack_network import AttackNetwork
from deep_check.cuda.device import Device
from deep_check.cuda.pgd import PgdSteps
from deep_check.cuda.training_network import TrainingNetwork
from deep_check.cuda.training_steps import Adam, Sgd, TrainingSteps
from deep_check.ops.attack_step_reference import clip_box, l2_step, pgd_linf_step, project_l2
from deep_check.ops.loss_reference import LOSSES
from deep_check.ops.optimizer_reference import adam_step, sgd_step
from deep_check.reference_network import ReferenceNetwork
from tests.deep_check.cuda.device import DEVICES, open_device
from tests.deep_check.networks import MEAN, SMALL, STD, images_and_labels, random_state
from tests.helpers import assert_close, assert_differs
from theory_sim.errors import InputError

CIFAR = Architecture(depth=8)  # the tiles that production selects at all three stages
ODD = Architecture(depth=14, n_classes=3, in_channels=2, size=12)  # 12, 6 and 3 pixels


@pytest.fixture(params=DEVICES, scope="module")
def device(request: pytest.FixtureRequest) -> Device:
    return open_device(request.param)


def fetch(device: Device, named: dict[str, Any]) -> dict[str, NDArray[Any]]:
    return {name: device.fetch(array) for name, array in named.items()}


@pytest.mark.parametrize(
    ("architecture", "n", "loss"),
    [(CIFAR, 3, "cross_entropy"), (ODD, 4, "margin"), *((SMALL, 1, loss) for loss in LOSSES)],
)
def test_input_gradients(device: Device, architecture: Architecture, n: int, loss: str) -> None:
    state = random_state(architecture)
    images, labels = images_and_labels(n, architecture)
    reference = ReferenceNetwork(architecture, state, MEAN[: architecture.in_channels], STD[: architecture.in_channels])
    net = AttackNetwork(architecture, state, reference.mean, reference.std, device)
    expected = reference.input_gradient(images, labels, loss)
    actual = net.input_gradient(images, labels, loss)
    for name, a, e in zip(("losses", "gradient", "logits"), actual, expected, strict=True):
        # A loss is a difference of logits, or the square of one.
        scale = max(float(np.abs(part).max()) for part in (expected[0], expected[2])) if name == "losses" else None
        assert_close(name, a, e, "network_cuda", scale=scale)
    assert_close("logits alone", net.logits(images), actual[2], "exact")
    assert_differs("another loss", actual[1], reference.input_gradient(images, labels, _other(loss))[1], "network_cuda")


def _other(loss: str) -> str:
    return "mse" if loss != "mse" else "cross_entropy"


def test_blocks_of_images(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    """More images than a block holds: each has the same gradient as in any other company."""
    net = AttackNetwork(SMALL, random_state(SMALL), MEAN, STD, device)
    images, labels = images_and_labels(7, SMALL)
    whole = net.input_gradient(images, labels, "cross_entropy")
    monkeypatch.setattr("deep_check.cuda.attack_network.LARGEST_BLOCK", 3)
    out = np.empty_like(images)
    parts = net.input_gradient(images, labels, "cross_entropy", out)
    assert parts[1] is out
    for a, b in zip(parts, whole, strict=True):
        assert_close("in blocks", a, b, "exact")
    assert net.logits(images[:0]).shape == (0, SMALL.n_classes)
    assert layers.LARGEST_BLOCK > 7


def test_other_weights(device: Device) -> None:
    images, labels = images_and_labels(2, SMALL)
    net = AttackNetwork(SMALL, random_state(SMALL), MEAN, STD, device)
    before = net.input_gradient(images, labels, "mse")
    net.set_state(random_state(SMALL, 1))
    fresh = AttackNetwork(SMALL, random_state(SMALL, 1), MEAN, STD, device)
    after = net.input_gradient(images, labels, "mse")
    for a, b in zip(after, fresh.input_gradient(images, labels, "mse"), strict=True):
        assert_close("as a new network", a, b, "exact")
    assert_differs("other weights", after[1], before[1], "network_cuda")


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_attack_steps(device: Device, norm: str) -> None:
    """Two captured steps."""
    state = random_state(CIFAR)
    images, labels = images_and_labels(2, CIFAR)
    step_size, radius = (4 / 255, 6 / 255) if norm == "linf" else (0.5, 0.7)
    reference, x = ReferenceNetwork(CIFAR, state, MEAN, STD), images.astype(float)
    attack = PgdSteps(AttackNetwork(CIFAR, state, MEAN, STD, device), 2, "cross_entropy", step_size, radius, norm)
    attack.start(images, labels)
    for _ in range(2):
        attack.step()
        losses, gradient, logits = reference.input_gradient(x, labels, "cross_entropy")
        if norm == "linf":
            pgd_linf_step(x, images, gradient, step_size, radius)
        else:
            x = clip_box(project_l2(l2_step(x, gradient, step_size), images, radius))
        assert_close("losses", device.fetch(attack.losses), losses, "network_cuda", scale=float(np.abs(logits).max()))
        assert_close("logits", device.fetch(attack.logits), logits, "network_cuda")
    moved = device.fetch(attack.images)
    if norm == "linf":
        other_way = np.abs(moved - x) > step_size / 2
        assert_close("pixels that went the other way", other_way.mean(), 0.0, "sign_flips", scale=1.0)
        moved = np.where(other_way, x, moved).astype(np.float32)
    assert_close("images", moved, x, "network_cuda")
    assert_differs("no step", moved, images, "network_cuda")
    attack.start(images, labels, start=moved)
    assert_close("started elsewhere", device.fetch(attack.images), moved, "exact")


def test_captured_steps_take_the_weights_of_now(device: Device) -> None:
    """As adversarial training needs it: the network moves on, the captured step stays."""
    net = AttackNetwork(SMALL, random_state(SMALL), MEAN, STD, device)
    attack = PgdSteps(net, 2, "mse", 0.1, 0.2)
    net.set_state(random_state(SMALL, 1))
    images, labels = images_and_labels(2, SMALL)
    attack.start(images, labels)
    attack.step()
    assert_close("logits", device.fetch(attack.logits), net.logits(images), "exact")
    before = AttackNetwork(SMALL, random_state(SMALL), MEAN, STD, device).logits(images)
    assert_differs("the weights of then", before, net.logits(images), "network_cuda")


@pytest.mark.parametrize(
    ("architecture", "n", "loss"), [(CIFAR, 3, "cross_entropy"), (ODD, 5, "mse"), (SMALL, 2, "margin_mse")]
)
def test_parameter_gradients(device: Device, architecture: Architecture, n: int, loss: str) -> None:
    state = random_state(architecture)
    images, labels = images_and_labels(n, architecture)
    reference = ReferenceNetwork(architecture, state, MEAN[: architecture.in_channels], STD[: architecture.in_channels])
    net = TrainingNetwork(architecture, state, reference.mean, reference.std, device)
    e_loss, e_gradients, e_logits = reference.loss_and_gradients(images, labels, loss, update_statistics=True)
    mean_loss, gradients, logits = net.loss_and_gradients(images, labels, loss)
    assert_close("loss", mean_loss, e_loss, "network_cuda", scale=float(np.abs(e_logits).max()))
    assert_close("logits", device.fetch(logits), e_logits, "network_cuda")
    assert list(gradients) == list(e_gradients)
    for name, expected in e_gradients.items():
        assert_close(name, device.fetch(gradients[name]), expected, "network_cuda_gradient")
    for name, array in net.running.items():
        assert_close(name, device.fetch(array), reference.state[name], "network_cuda")
        assert_differs(f"{name} moved", device.fetch(array), state[name], "network_cuda")
    first = fetch(device, gradients)
    before = net.state()
    net.loss_and_gradients(images, labels, loss, update_statistics=False)
    for name, again in fetch(device, net.gradient).items():
        assert_close(f"{name} again", again, first[name], "exact")
    for name, array in net.state().items():
        assert_close(f"{name} stays", array, before[name], "exact")


def test_adam_steps(device: Device) -> None:
    """Captured steps of the whole of it: what the graph's first run changed has been put back."""
    state = random_state(CIFAR)
    net = TrainingNetwork(CIFAR, state, MEAN, STD, device)
    reference = ReferenceNetwork(CIFAR, state, MEAN, STD)
    moments = np.zeros_like(reference.parameters), np.zeros_like(reference.parameters)
    rate, epsilon, decay = 1e-3, 1e-4, 5e-4  # an epsilon at which Adam's step depends smoothly on the gradient
    optimizer = Adam(device, reference.parameters.size, 1.0, epsilon=epsilon, weight_decay=decay)
    steps = TrainingSteps(net, optimizer, 2, "cross_entropy")
    optimizer.set_learning_rate(rate)
    for step in (1, 2):
        images, labels = images_and_labels(2, CIFAR, step)
        steps.load(images, labels)
        steps.step()
        expected = reference.loss_and_gradients(images, labels, "cross_entropy", update_statistics=True)
        adam_step(reference.parameters, reference.gradients, *moments, step, rate, 0.9, 0.999, epsilon, decay)
        scale = float(np.abs(expected[2]).max())
        assert_close("loss", device.fetch(steps.mean_loss)[0], expected[0], "network_cuda_gradient", scale=scale)
    start = np.concatenate([state[name].ravel() for name in CIFAR.parameter_shapes])
    change = device.fetch(net.parameters).astype(float) - start
    assert_close("change", change, reference.parameters - start, "network_cuda_steps")


def test_sgd_steps(device: Device) -> None:
    state = random_state(SMALL)
    net, reference = TrainingNetwork(SMALL, state, MEAN, STD, device), ReferenceNetwork(SMALL, state, MEAN, STD)
    velocity = np.zeros_like(reference.parameters)
    optimizer = Sgd(device, reference.parameters.size, 0.1, 0.9, 5e-4, nesterov=True)
    images, labels = images_and_labels(4, SMALL)
    steps = TrainingSteps(net, optimizer, 4, "mse")
    device.write(steps.images, images)
    steps.load(images, labels)
    for _ in range(2):
        steps.step()
        reference.loss_and_gradients(images, labels, "mse", update_statistics=True)
        sgd_step(reference.parameters, reference.gradients, velocity, 0.1, 0.9, 5e-4, True)
    start = np.concatenate([state[name].ravel() for name in SMALL.parameter_shapes])
    change = device.fetch(net.parameters).astype(float) - start
    assert_close("change", change, reference.parameters - start, "network_cuda_steps")


def test_packed_weights(device: Device) -> None:
    """By one launch what the convolutions pack one by one."""
    convolutions = layers.convolutions_of(ODD, "float32")
    weights = [
        np.random.default_rng(i).standard_normal((conv.out_channels, conv.in_channels, 3, 3)).astype(np.float32)
        for i, conv in enumerate(convolutions)
    ]
    first = np.cumsum([0, *(part.size for part in weights)])[:-1].tolist()
    packed = layers.PackedWeights(device, convolutions, first)
    packed.pack(device.send(np.concatenate([part.ravel() for part in weights])))
    for conv, part, forward, turned in zip(convolutions, weights, packed.forward, packed.turned, strict=True):
        for pack, actual in ((conv.pack, forward), (conv.pack_turned, turned)):
            expected = device.full(actual.shape, 0, np.float32)
            pack(device, device.send(part), expected)
            assert_close("packed", device.fetch(actual), device.fetch(expected), "exact")


def test_what_is_refused(device: Device) -> None:
    net = TrainingNetwork(Architecture(depth=8, size=4), random_state(Architecture(depth=8, size=4)), MEAN, STD, device)
    with pytest.raises(InputError, match="a batch of 1 image"):
        net.loss_and_gradients(np.zeros((1, 3, 4, 4), np.float32), np.zeros(1, int), "mse")
    attack = AttackNetwork(SMALL, random_state(SMALL), MEAN, STD, device)
    with pytest.raises(InputError, match="norm 'l1': allowed are linf, l2"):
        PgdSteps(attack, 1, "mse", 0.1, 0.1, "l1")
    with pytest.raises(InputError, match="0 images"):
        PgdSteps(attack, 0, "mse", 0.1, 0.1)
    with pytest.raises(InputError, match="loss 'hinge'"):
        attack.input_gradient(np.zeros((1, 3, 8, 8), np.float32), np.zeros(1, int), "hinge")
