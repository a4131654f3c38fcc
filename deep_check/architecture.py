"""The CIFAR ResNet of He et al. 2016: which layers a depth has, and the names and shapes of its parameters.

One 3x3 convolution, three stages of n blocks of two 3x3 convolutions each, 16, 32 and 64 channels, parameter-free
shortcuts (every second pixel, zero channels on both sides), global average pool, one linear layer: depth 6n + 2.
Names are those of the usual PyTorch state dicts [He et al. 2016, Section 4.2].
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from theory_sim.errors import require

STAGES = (16, 32, 64)  # channels
EPSILON = 1e-5  # of batch normalisation, as PyTorch's default
MOMENTUM = 0.1  # of the running statistics, as PyTorch's default
BATCH_NORM = ("weight", "bias", "running_mean", "running_var")


@dataclass(frozen=True)
class Convolution:
    """One 3x3 convolution, padding 1, no bias, and the batch normalisation that follows it.

    size: height and width of its input; block: 0 for the first convolution of a block, 1 for the second, None for the
    stem.
    """

    name: str
    batch_norm: str
    in_channels: int
    out_channels: int
    size: int
    stride: int
    block: int | None

    @property
    def out_size(self) -> int:
        """Height and width of the output: ceil(size / stride)."""
        return -(-self.size // self.stride)


@dataclass(frozen=True)
class Architecture:
    """ResNet of a depth 6n + 2 >= 8 for square images. Raises InputError on another depth or size."""

    depth: int = 32
    n_classes: int = 10
    in_channels: int = 3
    size: int = 32

    def __post_init__(self) -> None:
        require(
            isinstance(self.depth, int) and self.depth >= 8 and self.depth % 6 == 2,
            f"depth {self.depth}: allowed is 6n + 2 (8, 14, 20, 32, 44, 56, 110, ...)",
        )
        require(self.n_classes >= 2, f"n_classes {self.n_classes}: allowed is >= 2")
        require(self.in_channels >= 1, f"in_channels {self.in_channels}: allowed is >= 1")
        require(self.size >= 4 and self.size % 4 == 0, f"size {self.size}: allowed is a multiple of 4, >= 4")

    @property
    def blocks_per_stage(self) -> int:
        """The n of depth 6n + 2."""
        return (self.depth - 2) // 6

    @cached_property
    def convolutions(self) -> tuple[Convolution, ...]:
        """All convolutions in forward order: the stem, then two a block."""
        found = [Convolution("conv1", "bn1", self.in_channels, STAGES[0], self.size, 1, None)]
        channels, size = STAGES[0], self.size
        for stage, wide in enumerate(STAGES, start=1):
            for block in range(self.blocks_per_stage):
                stride = 2 if stage > 1 and block == 0 else 1
                place = f"layer{stage}.{block}"
                found.append(Convolution(f"{place}.conv1", f"{place}.bn1", channels, wide, size, stride, 0))
                size //= stride
                found.append(Convolution(f"{place}.conv2", f"{place}.bn2", wide, wide, size, 1, 1))
                channels = wide
        return tuple(found)

    @cached_property
    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        """What training changes, by name: convolutions (OIHW), batch norm scale and shift, the linear layer."""
        shapes: dict[str, tuple[int, ...]] = {}
        for conv in self.convolutions:
            shapes[f"{conv.name}.weight"] = (conv.out_channels, conv.in_channels, 3, 3)
            for part in ("weight", "bias"):
                shapes[f"{conv.batch_norm}.{part}"] = (conv.out_channels,)
        shapes["linear.weight"] = (self.n_classes, STAGES[-1])
        shapes["linear.bias"] = (self.n_classes,)
        return shapes

    @cached_property
    def state_shapes(self) -> dict[str, tuple[int, ...]]:
        """Parameters and running statistics: all that a state dict holds."""
        shapes = dict(self.parameter_shapes)
        for conv in self.convolutions:
            for part in ("running_mean", "running_var"):
                shapes[f"{conv.batch_norm}.{part}"] = (conv.out_channels,)
        return shapes
