"""PyTorch as an oracle from outside, where it is installed (the extra `bench`): networks, losses, optimizers, files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from deep_check import ResNet
from deep_check.architecture import Architecture
from deep_check.ops import optimizer_reference
from deep_check.ops.loss_reference import LOSSES
from deep_check.reference_network import ReferenceNetwork
from tests.deep_check.networks import MEAN, STD, images_and_labels, random_state
from tests.deep_check.test_real_weights import BESIDE
from tests.helpers import assert_close, assert_differs
from theory_sim.inputs.cifar10 import load_cifar10

torch = pytest.importorskip("torch", reason="PyTorch is not installed (the extra `bench`)")
SMALL = Architecture(8)


def tower(architecture: Architecture, state: dict[str, NDArray], mean: NDArray, std: NDArray) -> Any:
    """The network as the usual PyTorch code has it, float64, in evaluation mode, with a state dict loaded by name."""
    nn, functional = torch.nn, torch.nn.functional

    class Block(nn.Module):
        def __init__(self, inputs: int, outputs: int, stride: int) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
            self.bn1 = nn.BatchNorm2d(outputs)
            self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
            self.bn2 = nn.BatchNorm2d(outputs)
            self.inputs, self.outputs, self.stride = inputs, outputs, stride

        def forward(self, x: Any) -> Any:
            y = self.bn2(self.conv2(functional.relu(self.bn1(self.conv1(x)))))
            if self.stride > 1:
                x = functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.inputs // 2, self.inputs // 2))
            return functional.relu(y + x)

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv1, self.bn1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16)
            inputs = 16
            for stage, outputs in enumerate((16, 32, 64), start=1):
                blocks = []
                for block in range(architecture.blocks_per_stage):
                    blocks.append(Block(inputs, outputs, 2 if stage > 1 and block == 0 else 1))
                    inputs = outputs
                setattr(self, f"layer{stage}", nn.Sequential(*blocks))
            self.linear = nn.Linear(64, architecture.n_classes)

        def forward(self, images: Any) -> Any:
            x = (images - torch.tensor(mean)[:, None, None]) / torch.tensor(std)[:, None, None]
            x = functional.relu(self.bn1(self.conv1(x)))
            x = self.layer3(self.layer2(self.layer1(x)))
            return self.linear(x.mean((2, 3)))

    network = Network().double()
    named = {name: torch.tensor(np.asarray(values)) for name, values in state.items()}
    missing, unexpected = network.load_state_dict(named, strict=False)
    assert unexpected == []
    assert all(name.endswith("num_batches_tracked") for name in missing)
    return network.eval()


def losses_of(kind: str, logits: Any, labels: NDArray) -> Any:
    """(n,), from what PyTorch has."""
    labels, rows = torch.tensor(labels), torch.arange(len(labels))
    one_hot = torch.nn.functional.one_hot(labels, logits.shape[1])
    if kind == "cross_entropy":
        return torch.nn.functional.cross_entropy(logits, labels, reduction="none")
    if kind == "mse":
        return 0.5 * ((logits - one_hot) ** 2).sum(1)
    margin = logits.masked_fill(one_hot.bool(), -torch.inf).amax(1) - logits[rows, labels]
    return margin if kind == "margin" else 0.5 * (1 + margin) ** 2


def input_gradient(network: Any, images: NDArray, labels: NDArray, kind: str) -> tuple[NDArray, NDArray, NDArray]:
    """Losses, their gradients, logits."""
    x = torch.tensor(images, dtype=torch.float64, requires_grad=True)
    logits = network(x)
    losses = losses_of(kind, logits, labels)
    losses.sum().backward()
    assert x.grad is not None
    return losses.detach().numpy(), x.grad.numpy(), logits.detach().numpy()


@pytest.mark.parametrize("kind", LOSSES)
def test_the_float64_network_is_pytorchs(kind: str) -> None:
    state = random_state(SMALL)
    images, labels = images_and_labels(4, SMALL)
    network = tower(SMALL, state, MEAN, STD)
    expected = input_gradient(network, images, labels, kind)
    for found, wanted in zip(
        ReferenceNetwork(SMALL, state, MEAN, STD).input_gradient(images, labels, kind), expected, strict=True
    ):
        assert_close(kind, found, wanted, "reference")
    for name in ("layer2.0.conv1.weight", "layer3.0.bn2.running_mean"):
        other = tower(SMALL, state | {name: -state[name]}, MEAN, STD)
        assert_differs(name, input_gradient(other, images, labels, kind)[1], expected[1], "reference")


def test_training_mode_is_pytorchs() -> None:
    """Loss, all gradients, running statistics after two batches."""
    state = random_state(SMALL)
    network, reference = tower(SMALL, state, MEAN, STD).train(), ReferenceNetwork(SMALL, state, MEAN, STD)
    for seed in range(2):
        images, labels = images_and_labels(5, SMALL, seed)
        network.zero_grad()
        loss = losses_of("cross_entropy", network(torch.tensor(images).double()), labels).mean()
        loss.backward()
        found, gradients, _ = reference.loss_and_gradients(images, labels, "cross_entropy", update_statistics=True)
        assert_close("loss", found, loss.item(), "reference")
        for name, parameter in network.named_parameters():
            assert_close(name, gradients[name], parameter.grad.numpy(), "reference")
    for name, values in network.named_buffers():
        if not name.endswith("num_batches_tracked"):
            assert_close(name, reference.state[name], values.numpy(), "reference")


@pytest.mark.parametrize("decay", [0.0, 0.02])
@pytest.mark.parametrize("kind", ["Adam", "SGD", "Nesterov"])
def test_optimizers_are_pytorchs(kind: str, decay: float) -> None:
    rng = np.random.default_rng(0)
    ours, first, second = rng.normal(size=50), np.zeros(50), np.zeros(50)
    theirs = torch.tensor(ours.copy(), requires_grad=True)
    if kind == "Adam":
        optimizer: Any = torch.optim.Adam([theirs], 0.01, (0.9, 0.999), 1e-8, decay)
    else:
        optimizer = torch.optim.SGD([theirs], 0.05, 0.9, weight_decay=decay, nesterov=kind == "Nesterov")
    for step in range(1, 6):
        gradient = rng.normal(size=50)
        theirs.grad = torch.tensor(gradient)
        optimizer.step()
        if kind == "Adam":
            optimizer_reference.adam_step(ours, gradient, first, second, step, 0.01, 0.9, 0.999, 1e-8, decay)
        else:
            optimizer_reference.sgd_step(ours, gradient, first, 0.05, 0.9, decay, kind == "Nesterov")
    assert_close(kind, ours, theirs.detach().numpy(), "reference")


def test_safetensors_of_pytorch_load(tmp_path: Path) -> None:
    """As PyTorch's users write them, from DataParallel too; counters are left out."""
    safetensors = pytest.importorskip("safetensors.torch")
    network = tower(SMALL, random_state(SMALL), MEAN, STD).float()
    for prefix in ("", "module."):
        state = {f"{prefix}{name}": values for name, values in network.state_dict().items()}
        safetensors.save_file(state, tmp_path / "w.safetensors")
        net = ResNet(8, "cpu")
        assert net.load(tmp_path / "w.safetensors") == ()
        for name, values in random_state(SMALL).items():
            np.testing.assert_array_equal(net.state_dict()[name], values)


@pytest.mark.parametrize("kind", ["cross_entropy", "margin"])
def test_real_weights(cifar10_dir: Path, kind: str) -> None:
    """The public ResNet-32: logits and input gradients of our float32 beside PyTorch's float64."""
    path = Path(os.environ.get("RESNET32_WEIGHTS", BESIDE))
    if not path.exists():
        pytest.skip(f"RESNET32_WEIGHTS is not set and {path.name} is not beside the project: no public weights to load")
    data = load_cifar10(cifar10_dir, partial=True)
    images, labels = (data.images[:16] / 255).astype(np.float32), data.labels[:16].astype(np.int64)
    net = ResNet.from_file(path, "cpu")
    network = tower(net.architecture, net.state_dict(), net.mean, net.std)
    losses, gradient, logits = input_gradient(network, images, labels, kind)
    found = net.input_gradient(images, labels, kind)
    assert_close("logits", found.logits, logits, "real_logits", scale=1.0)
    assert_close("losses", found.losses, losses, "real_logits", scale=1.0)
    scale = np.sqrt((gradient**2).sum((1, 2, 3)))
    if kind == "cross_entropy":
        scale *= np.maximum(1, np.abs(logits).max(1))  # conditioned as its probabilities are
    error = np.sqrt(((found.gradient - gradient) ** 2).sum((1, 2, 3))) / scale
    assert_close("gradient of a typical image", np.median(error), 0.0, "real_gradient", scale=1.0)
    assert_differs(
        "other labels", net.input_gradient(images, (labels + 1) % 10, kind).gradient, gradient, "real_gradient"
    )
