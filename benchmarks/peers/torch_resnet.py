"""The CIFAR ResNet as a PyTorch user has it: parameter-free shortcuts, names of the usual state dicts."""

from __future__ import annotations

from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

STAGES = (16, 32, 64)


class Block(nn.Module):
    """Two 3x3 convolutions with batch norms, and a shortcut."""

    def __init__(self, channels: int, out_channels: int, stride: int) -> None:
        """stride: of the first convolution."""
        super().__init__()
        self.conv1 = nn.Conv2d(channels, out_channels, 3, stride, 1, bias=False)
        self.bn1: nn.Module = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, 1, 1, bias=False)
        self.bn2: nn.Module = nn.BatchNorm2d(out_channels)
        self.stride, self.wider = stride, (out_channels - channels) // 2

    def forward(self, x: Tensor) -> Tensor:
        """(n, channels, h, w) -> (n, out_channels, h / stride, w / stride)."""
        skip = x
        if self.stride != 1:
            skip = functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.wider, self.wider))
        out = functional.relu(self.bn1(self.conv1(x)), inplace=True)
        return functional.relu(self.bn2(self.conv2(out)).add_(skip), inplace=True)


class ResNet(nn.Module):
    """Depth 6n + 2, images normalised by (x - mean) / std."""

    def __init__(self, depth: int, n_classes: int, mean: NDArray, std: NDArray) -> None:
        """mean, std: (channels,)."""
        super().__init__()
        self.conv1 = nn.Conv2d(len(mean), STAGES[0], 3, 1, 1, bias=False)
        self.bn1: nn.Module = nn.BatchNorm2d(STAGES[0])
        channels = STAGES[0]
        for number, wide in enumerate(STAGES, start=1):
            blocks = []
            for block in range((depth - 2) // 6):
                blocks.append(Block(channels, wide, 2 if number > 1 and block == 0 else 1))
                channels = wide
            setattr(self, f"layer{number}", nn.Sequential(*blocks))
        self.linear = nn.Linear(channels, n_classes)
        self.register_buffer("mean", torch.as_tensor(mean)[:, None, None], persistent=False)
        self.register_buffer("scale", 1 / torch.as_tensor(std)[:, None, None], persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, h, w) -> logits (n, n_classes)."""
        out = functional.relu(self.bn1(self.conv1((x - self.mean) * self.scale)), inplace=True)
        out = self.layer3(self.layer2(self.layer1(out)))
        return self.linear(out.mean((2, 3)))


def load(depth: int, state: dict[str, NDArray], mean: NDArray, std: NDArray) -> ResNet:
    """The network with these weights."""
    network = ResNet(depth, len(state["linear.bias"]), mean, std)
    found: dict[str, Any] = {name: torch.tensor(values) for name, values in state.items()}
    counters = {name: value for name, value in network.state_dict().items() if name.endswith("num_batches_tracked")}
    network.load_state_dict({**found, **counters})
    return network


def fold(network: ResNet) -> ResNet:
    """The network in evaluation mode, each batch norm folded into its convolution."""
    network.eval()
    for module in network.modules():
        for conv, norm in (("conv1", "bn1"), ("conv2", "bn2")):
            if isinstance(getattr(module, norm, None), nn.BatchNorm2d):
                fused = nn.utils.fusion.fuse_conv_bn_eval(getattr(module, conv), getattr(module, norm))
                setattr(module, conv, fused)
                setattr(module, norm, nn.Identity())
    return network
