"""3x3 convolution on a CUDA device: which kernel with which block does which part, into memory that is there already.

`Convolution` is what networks use: nothing is allocated, nothing waits for the device. The functions below it are the
same operations by the names of conv2d_reference; they allocate what they need.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from deep_check.cuda.device import Device
from deep_check.ops import conv2d_tiles as tiles
from deep_check.ops.conv2d_tiles import MODES, PRECISIONS, RESIDUALS, ceil_div
from theory_sim.errors import require

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Epilogue:
    """What is done to each sum v before it is written, in this order; arrays of the device.

    bias: (channels,) added per channel. residual: added; an array of the output's own shape, or of the other end of the
    parameter-free shortcut: its input (n, c/2, h', w') in a forward convolution, its output's gradient
    (n, 2c, ceil(h/2), ceil(w/2)) in an input gradient. It may be the output itself. mode: "raw" writes v, "forward"
    writes max(v, 0) and the signs of v to `bits`, "backward" writes v where its bit is set and 0 elsewhere. bits: uint8
    (n, c, h, ceil(w/8)) of the output, as conv2d_epilogue.cuh says. border: (input channels,) what lies outside of the
    images, instead of zero (stride 1 forward only).
    """

    mode: str = "raw"
    bias: Any = None
    residual: Any = None
    bits: Any = None
    border: Any = None


RAW = Epilogue()


def bits_shape(shape: Shape) -> Shape:
    """Of the sign bits, uint8, of an array (n, c, h, w)."""
    return (*shape[:-1], ceil_div(shape[-1], 8))


@dataclass(frozen=True)
class Convolution:
    """Images (n, in_channels, height, width) -> (n, out_channels, ceil(height / stride), ceil(width / stride)).

    precision: of the products in `forward` and `input_gradient`, sums are float32; tf32 (10 bits of mantissa) and bf16
    (7 bits) run on tensor cores. Weight gradients are float32 always. Arrays are float32, contiguous, and begin at a
    multiple of 16 bytes. Raises InputError for another stride or precision.
    """

    in_channels: int
    out_channels: int
    height: int
    width: int
    stride: int = 1
    precision: str = "float32"

    def __post_init__(self) -> None:
        require(self.stride in (1, 2), f"stride {self.stride}: allowed is 1, 2")
        require(self.precision in PRECISIONS, f"precision {self.precision!r}: allowed is {', '.join(PRECISIONS)}")

    @property
    def out_height(self) -> int:
        """Rows of the output."""
        return ceil_div(self.height, self.stride)

    @property
    def out_width(self) -> int:
        """Columns of the output."""
        return ceil_div(self.width, self.stride)

    @property
    def packed_shape(self) -> Shape:
        """Of the weights as `forward` takes them, float32."""
        return (self.in_channels, 9, ceil_div(self.out_channels, 4) * 4)

    @property
    def packed_turned_shape(self) -> Shape:
        """Of the weights as `input_gradient` takes them, float32."""
        return (self.out_channels, 9, ceil_div(self.in_channels, 4) * 4)

    def parts_shape(self, n: int) -> Shape:
        """Of the scratch memory that `weight_gradient` needs for n images, float32."""
        parts = self._weight_tile.n_parts(n, self.out_height, self.out_width)
        return (parts, self.out_channels, 9, self.in_channels)

    def pack(self, device: Device, weights: Any, packed: Any) -> None:
        """Weights (out_channels, in_channels, 3, 3) as `forward` takes them."""
        self._pack(device, weights, packed, turned=False)

    def pack_turned(self, device: Device, weights: Any, packed: Any) -> None:
        """Weights (out_channels, in_channels, 3, 3) as `input_gradient` takes them."""
        self._pack(device, weights, packed, turned=True)

    def forward(self, device: Device, x: Any, packed: Any, y: Any, epilogue: Epilogue = RAW) -> None:
        """Convolve x (n, in_channels, height, width) into y."""
        self._sum(
            device, self.stride, x, packed, y, (self.in_channels, self.height, self.width),
            (self.out_channels, self.out_height, self.out_width), epilogue, "larger",
        )  # fmt: skip

    def input_gradient(self, device: Device, d_y: Any, packed_turned: Any, d_x: Any, epilogue: Epilogue = RAW) -> None:
        """Gradient d_x of Σ d_y · y with respect to x; what is added as residual is another path's gradient."""
        small, large = (self.out_channels, self.out_height, self.out_width), (self.in_channels, self.height, self.width)
        if self.stride == 1:
            self._sum(device, 1, d_y, packed_turned, d_x, small, large, epilogue, "smaller")
            return
        n = len(d_x)
        kind, height, width = _residual_of(epilogue, (n, *large), "smaller")
        tile = self._gradient_tile
        arguments = (
            d_y, packed_turned, d_x, np.int32(n), np.int32(self.out_channels), np.int32(self.height),
            np.int32(self.width), np.int32(self.in_channels), np.int32(tile.staged(self.out_channels)),
            np.int32(MODES.index(epilogue.mode)), np.int32(kind), np.int32(height), np.int32(width),
            _or(epilogue.residual, d_x), _or(epilogue.bits, d_x, np.uint8),
        )  # fmt: skip
        device.launch(tile.kernel, tile.grid(n, *large), (tile.threads,), arguments, tile.shared(self.out_channels))

    def weight_gradient(self, device: Device, x: Any, d_y: Any, parts: Any, d_weights: Any) -> None:
        """Gradient d_weights (out_channels, in_channels, 3, 3) of Σ d_y · y; parts: scratch of `parts_shape(n)`.

        The same bits in every run: each part is a sum in a fixed order, and the parts are added in order.
        """
        n, tile = len(x), self._weight_tile
        arguments = (
            x, d_y, parts, np.int32(n), np.int32(self.in_channels), np.int32(self.height), np.int32(self.width),
            np.int32(self.out_channels),
        )  # fmt: skip
        grid = tile.grid(n, self.out_channels, self.in_channels, self.out_height, self.out_width)
        device.launch(tile.kernel, grid, (tile.threads,), arguments, tile.shared)
        size = self.out_channels * 9 * self.in_channels
        sizes = (np.int32(grid[0]), np.int32(self.out_channels), np.int32(self.in_channels))
        device.launch("conv2d_sum_parts", (ceil_div(size, 256),), (256,), (parts, d_weights, *sizes))

    @cached_property
    def _gradient_tile(self) -> Any:
        if self.precision == "float32":
            return tiles.gradient_tile_for(self.in_channels, self.width)
        return tiles.mma_gradient_tile_for(self.precision, self.in_channels, self.width)

    @cached_property
    def _weight_tile(self) -> tiles.WeightTile:
        return tiles.weight_tile_for(self.stride, self.in_channels, self.out_width)

    def _pack(self, device: Device, weights: Any, packed: Any, *, turned: bool) -> None:
        terms, taps, row = self.packed_turned_shape if turned else self.packed_shape
        flags = np.int32(turned), np.int32(turned and self.stride == 1)
        arguments = (weights, packed, np.int32(self.out_channels), np.int32(self.in_channels), *flags)
        device.launch("conv2d_pack_weights", (ceil_div(terms * taps * row, 256),), (256,), arguments)

    def _sum(
        self,
        device: Device,
        stride: int,
        x: Any,
        packed: Any,
        y: Any,
        from_shape: Shape,
        to_shape: Shape,
        epilogue: Epilogue,
        other_end: str,
    ) -> None:
        """Sum over the channels of x into y; shapes without n."""
        n, terms = len(y), from_shape[0]
        tile: Any = (
            tiles.tile_for(stride, to_shape[0], to_shape[2])
            if self.precision == "float32"
            else tiles.mma_tile_for(self.precision, stride, to_shape[0], to_shape[2])
        )
        kind, height, width = _residual_of(epilogue, (n, *to_shape), other_end)
        arguments = (
            x, packed, y, np.int32(n), *(np.int32(size) for size in from_shape), np.int32(to_shape[0]),
            np.int32(tile.staged(terms)), np.int32(MODES.index(epilogue.mode)),
            np.int32(epilogue.bias is not None), _or(epilogue.bias, y),
            np.int32(epilogue.border is not None), _or(epilogue.border, y),
            np.int32(kind), np.int32(height), np.int32(width), _or(epilogue.residual, y),
            _or(epilogue.bits, y, np.uint8),
        )  # fmt: skip
        device.launch(tile.kernel, tile.grid(n, *to_shape), (tile.threads,), arguments, tile.shared(terms))


def _or(array: Any, other: Any, dtype: Any = np.float32) -> Any:
    """The array, or in its absence one that is there, as an address that the kernel will not use."""
    return other.reshape(-1).view(dtype) if array is None else array


def _residual_of(epilogue: Epilogue, shape: Shape, other_end: str) -> tuple[int, int, int]:
    """Code of the kind of residual, height and width; shape: of the output. Raises InputError where none fits."""
    n, channels, height, width = shape
    if epilogue.residual is None:
        return 0, 0, 0
    found = tuple(epilogue.residual.shape)
    kind = "same" if found == shape else other_end
    fits = {
        "same": True,
        "larger": found[:2] == (n, channels // 2) and [ceil_div(size, 2) for size in found[2:]] == [height, width],
        "smaller": found == (n, 2 * channels, ceil_div(height, 2), ceil_div(width, 2)),
    }[kind]
    require(fits, f"residual of shape {found}: allowed is {shape} or an end of its shortcut")
    return RESIDUALS.index(kind), found[2], found[3]


def conv2d(device: Device, images: Any, weights: Any, stride: int = 1, precision: str = "float32") -> Any:
    """Σ over channels and taps, zero padding 1: (n, ci, h, w), (co, ci, 3, 3) -> (n, co, ceil(h / stride), ...)."""
    convolution = _of(images.shape[1:], weights, stride, precision)
    packed = device.empty(convolution.packed_shape, np.float32)
    y = device.empty((len(images), convolution.out_channels, convolution.out_height, convolution.out_width), np.float32)
    convolution.pack(device, weights, packed)
    convolution.forward(device, images, packed, y)
    return y


def conv2d_input_gradient(
    device: Device, d_output: Any, weights: Any, size: tuple[int, int], stride: int = 1, precision: str = "float32"
) -> Any:
    """Gradient with respect to the images of Σ d_output · conv2d(images): (n, co, ...) -> (n, ci, *size)."""
    convolution = _of((weights.shape[1], *size), weights, stride, precision)
    packed = device.empty(convolution.packed_turned_shape, np.float32)
    d_x = device.empty((len(d_output), convolution.in_channels, *size), np.float32)
    convolution.pack_turned(device, weights, packed)
    convolution.input_gradient(device, d_output, packed, d_x)
    return d_x


def conv2d_weight_gradient(device: Device, images: Any, d_output: Any, stride: int = 1) -> Any:
    """Gradient with respect to the weights of Σ d_output · conv2d(images): -> (co, ci, 3, 3)."""
    n, in_channels, height, width = images.shape
    convolution = Convolution(in_channels, d_output.shape[1], height, width, stride)
    parts = device.empty(convolution.parts_shape(n), np.float32)
    d_weights = device.empty((convolution.out_channels, in_channels, 3, 3), np.float32)
    convolution.weight_gradient(device, images, d_output, parts, d_weights)
    return d_weights


def _of(shape: Shape, weights: Any, stride: int, precision: str) -> Convolution:
    in_channels, height, width = shape
    require(
        tuple(weights.shape[1:]) == (in_channels, 3, 3),
        f"weights of shape {tuple(weights.shape)}: allowed is (co, {in_channels}, 3, 3)",
    )
    return Convolution(in_channels, weights.shape[0], height, width, stride, precision)
