"""3x3 convolution on the CPU: which kernel does which part, and the same on images (n, c, h, w).

Stride 1 goes through Winograd's transform where sizes and channels fit it, everything else through the direct sum.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deep_check.ops import conv2d_cpu_direct as direct
from deep_check.ops import conv2d_cpu_winograd as winograd
from deep_check.ops import conv2d_cpu_winograd_weights as winograd_weights
from deep_check.ops.blocks import LANES, MASK, aligned, blank, n_blocks, pack, unpack
from deep_check.ops.conv2d_cpu_epilogue import BACKWARD, FORWARD, RAW
from deep_check.ops.conv2d_cpu_weights import weight_gradient

__all__ = [
    "BACKWARD", "FORWARD", "RAW", "BlockConvolution", "Scratch", "conv2d", "conv2d_input_gradient",
    "conv2d_weight_gradient",
]  # fmt: skip

Array = NDArray[np.float32]
NONE: Array = np.zeros(0, np.float32)  # no bias, no residual
NO_MASK: NDArray[Any] = np.zeros(0, MASK)


def nothing() -> Array:
    """An array of no elements, what a field holds until there is something."""
    return NONE


@dataclass
class Scratch:
    """What one thread needs to run any of the convolutions it was made for."""

    tile: Array
    points: Array
    products: Array
    between: Array
    d_points: Array

    @staticmethod
    def of(convolutions: Iterable[BlockConvolution]) -> Scratch:
        """Enough for the largest of them."""
        sizes = [(1, 1, 1, 1)]
        for conv in convolutions:
            image = (conv.height, conv.width)
            for channels, used in ((conv.in_channels, conv.fast), (conv.out_channels, conv.fast_backward)):
                if used:
                    sizes.append((*winograd.scratch_sizes(channels, *image), 1))
            if conv.fast_weights:
                points, d_points = (
                    winograd_weights.scratch_size(channels, *image)
                    for channels in (conv.in_channels, conv.out_channels)
                )
                sizes.append((points, 1, 6 * (conv.width + 2) * LANES, d_points))
        return Scratch(aligned((direct.SCRATCH,)), *(aligned((max(size),)) for size in zip(*sizes, strict=True)))


class BlockConvolution:
    """One convolution on blocks of images: (in_channels, height, width) -> (out_channels, ceil(height / stride), ...).

    Arrays of one block are (channels, rows + 2, columns + 2, LANES), masks (channels, rows, columns). `fast`,
    `fast_backward` and `fast_weights` say whether Winograd's transform is taken.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        height: int,
        width: int,
        stride: int = 1,
        *,
        backward: bool = True,
        training: bool = False,
        fast: bool = True,
    ) -> None:
        """backward: the input gradient is wanted; training: that of the weights; fast: False keeps to direct sums."""
        self.in_channels, self.out_channels = in_channels, out_channels
        self.height, self.width, self.stride = height, width, stride
        self.out_height, self.out_width = (height - 1) // stride + 1, (width - 1) // stride + 1
        sized = fast and stride == 1
        self.fast = sized and winograd.fits(in_channels, out_channels, height, width)
        self.fast_backward = backward and sized and winograd.fits(out_channels, in_channels, height, width)
        shape = winograd.packed_shape if self.fast else direct.packed_shape
        self.fast_weights = training and sized and winograd_weights.fits(in_channels, out_channels, height, width)
        self._forward: Array = aligned(shape(out_channels, in_channels))
        self._backward: Array | None = None
        if backward:
            shape = winograd.packed_shape if self.fast_backward else direct.packed_shape
            self._backward = aligned(shape(in_channels, out_channels))

    def set_weights(self, weights: Array) -> None:
        """Take weights (out_channels, in_channels, 3, 3) float32, contiguous."""
        (winograd if self.fast else direct).pack_weights(weights, self._forward)
        if self._backward is None:
            return
        if self.fast_backward:
            winograd.pack_turned_weights(weights, self._backward)
        else:
            direct.pack_turned_weights(weights, self._backward, self.stride == 1)

    def forward(
        self,
        x: Array,
        y: Array,
        scratch: Scratch,
        mode: int = RAW,
        bias: Array = NONE,
        residual: Array = NONE,
        mask: NDArray[Any] = NO_MASK,
    ) -> None:
        """y = sum (RAW) or max(sum + bias + residual, 0) with the signs in `mask` (FORWARD)."""
        self._stride_1(self.fast, self._forward, self.in_channels, self.out_channels, self.stride, x, y, scratch, mode,
                       bias, residual, mask)  # fmt: skip

    def input_gradient(
        self,
        d_y: Array,
        d_x: Array,
        scratch: Scratch,
        mode: int = RAW,
        residual: Array = NONE,
        mask: NDArray[Any] = NO_MASK,
    ) -> None:
        """d_x = gradient + residual (RAW), and zero where `mask` has no bit (BACKWARD)."""
        assert self._backward is not None
        if self.stride == 1:
            sizes = (self.out_channels, self.in_channels)
            self._stride_1(self.fast_backward, self._backward, *sizes, 1, d_y, d_x, scratch, mode, NONE, residual, mask)
            return
        direct.direct_input_gradient(
            self.out_channels, self.in_channels, self.height, self.width, d_y.reshape(-1), self._backward.reshape(-1),
            residual.reshape(-1), mode, d_x.reshape(-1), mask.reshape(-1), scratch.tile,
        )  # fmt: skip

    def _stride_1(
        self,
        fast: bool,
        weights: Array,
        in_channels: int,
        out_channels: int,
        stride: int,
        x: Array,
        y: Array,
        scratch: Scratch,
        mode: int,
        bias: Array,
        residual: Array,
        mask: NDArray[Any],
    ) -> None:
        flat = [array.reshape(-1) for array in (x, weights, bias, residual, y, mask)]
        x, weights, bias, residual, y, mask = flat
        sizes = (in_channels, out_channels, self.height, self.width)
        if fast:
            rooms = (scratch.points, scratch.products, scratch.between)
            winograd.winograd(*sizes, x, weights, bias, residual, mode, y, mask, *rooms)
        else:
            direct.direct(*sizes, stride, x, weights, bias, residual, mode, y, mask, scratch.tile)

    @property
    def part_size(self) -> int:
        """Floats of what `weight_gradient` finds for one block."""
        return (winograd.POINTS if self.fast_weights else 9) * self.in_channels * self.out_channels

    def weight_gradient(self, x: Array, d_y: Array, found: Array, scratch: Scratch) -> None:
        """One block's part of the weight gradient, (part_size,), as `join_weight_gradient` takes it."""
        found[:] = 0
        sizes = (self.in_channels, self.out_channels, self.height, self.width)
        x, d_y = x.reshape(-1), d_y.reshape(-1)
        if self.fast_weights:
            rows = winograd_weights.strip_rows(self.height)
            rooms = (scratch.points, scratch.d_points, scratch.between)
            winograd_weights.weight_gradient(*sizes, rows, x, d_y, found, *rooms)
        else:
            weight_gradient(*sizes, self.stride, x, d_y, found)

    def join_weight_gradient(self, parts: Array, d_weights: Array) -> None:
        """Sum the parts of all blocks, (n_blocks, part_size), in their order, into d_weights (out, in, 3, 3)."""
        if self.fast_weights:
            sums = aligned((winograd_weights.JOINED,))
            winograd_weights.join_blocks(self.in_channels, self.out_channels, parts, sums, d_weights)
        else:
            # the direct sum has the kernel's row before the input channel
            total = parts.sum(axis=0, dtype=float).reshape(self.out_channels, 3, self.in_channels, 3)
            d_weights[...] = total.transpose(0, 2, 1, 3)


def _on_images(images: Array, out: tuple[int, int, int], run: Callable[[Array, Array], None]) -> Array:
    """Pack images, run(x, y) on each block, unpack y of `out` = (channels, height, width)."""
    n, channels, height, width = images.shape
    x, y = blank(n_blocks(n), channels, height, width), blank(n_blocks(n), *out)
    pack(np.asarray(images, np.float32), x)
    for block in range(len(x)):
        run(x[block], y[block])
    return unpack(y, n)


def conv2d(images: Array, weights: Array, stride: int = 1, *, fast: bool = True) -> Array:
    """Σ over channels and taps, padding 1: (n, ci, h, w), (co, ci, 3, 3) -> (n, co, ceil(h / stride), ...) float32.

    fast: Winograd's transform where it fits.
    """
    (out_channels, in_channels), (height, width) = weights.shape[:2], images.shape[2:]
    conv = BlockConvolution(in_channels, out_channels, height, width, stride, backward=False, fast=fast)
    conv.set_weights(np.ascontiguousarray(weights, np.float32))
    scratch = Scratch.of([conv])
    out = (conv.out_channels, conv.out_height, conv.out_width)
    return _on_images(images, out, lambda x, y: conv.forward(x, y, scratch))


def conv2d_input_gradient(
    d_output: Array, weights: Array, size: tuple[int, int], stride: int = 1, *, fast: bool = True
) -> Array:
    """Gradient with respect to the images of Σ d_output · conv2d(images): (n, co, ...) -> (n, ci, *size) float32."""
    out_channels, in_channels = weights.shape[:2]
    conv = BlockConvolution(in_channels, out_channels, *size, stride, fast=fast)
    conv.set_weights(np.ascontiguousarray(weights, np.float32))
    scratch = Scratch.of([conv])
    out = (conv.in_channels, conv.height, conv.width)
    return _on_images(d_output, out, lambda x, y: conv.input_gradient(x, y, scratch))


def conv2d_weight_gradient(images: Array, d_output: Array, stride: int = 1, *, fast: bool = True) -> Array:
    """Gradient with respect to the weights of Σ d_output · conv2d(images): -> (co, ci, 3, 3) float32."""
    n, in_channels, height, width = images.shape
    conv = BlockConvolution(
        in_channels, d_output.shape[1], height, width, stride, backward=False, training=True, fast=fast
    )
    x, d_y = blank(n_blocks(n), *images.shape[1:]), blank(n_blocks(n), *d_output.shape[1:])
    pack(np.asarray(images, np.float32), x)
    pack(np.asarray(d_output, np.float32), d_y)
    scratch, parts = Scratch.of([conv]), aligned((len(x), conv.part_size))
    for block, part in enumerate(parts):
        conv.weight_gradient(x[block], d_y[block], part, scratch)
    d_weights: Array = np.empty((conv.out_channels, in_channels, 3, 3), np.float32)
    conv.join_weight_gradient(parts, d_weights)
    return d_weights
