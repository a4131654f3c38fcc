"""The network as training sees it, on the CPU: statistics of the batch, gradients of all parameters.

Layer by layer, because batch normalisation needs a whole layer before the next can begin; within a layer block by
block, so that what a block's convolution wrote is still in the cache when its statistics are taken, and normalised
only when the next layer reads it. Sums over blocks are joined in a fixed order: bits do not depend on the threads.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deep_check.architecture import EPSILON, MOMENTUM, STAGES, Architecture, Convolution
from deep_check.cpu.threads import Threads
from deep_check.ops import conv2d_cpu
from deep_check.ops.batch_norm_cpu import (
    block_moments,
    input_gradient,
    inverse_deviation,
    join_moments,
    lane_weights,
    normalise,
    rectified_sums,
    running_statistics,
)
from deep_check.ops.blocks import LANES, aligned, blank, n_blocks, pack
from deep_check.ops.conv2d_cpu import NO_MASK, NONE, BlockConvolution, nothing
from deep_check.ops.head_cpu import head, head_gradient
from deep_check.ops.linear_cpu import linear_gradient
from deep_check.ops.loss_cpu import loss as loss_of
from deep_check.ops.shortcut_cpu import shortcut_block, shortcut_gradient_block
from theory_sim.errors import require

Array = NDArray[np.float32]


@dataclass
class _Layer:
    """One convolution with its batch normalisation; arrays over blocks are those of the current plan."""

    spec: Convolution
    run: BlockConvolution
    weights: Array
    scale: Array
    shift: Array
    d_weights: Array
    d_scale: Array
    d_shift: Array
    sums: Array = field(
        default_factory=nothing
    )  # of the convolution, before normalisation (n_blocks, channels, rows + 2, columns + 2, LANES)
    out: Array = field(default_factory=nothing)  # normalised, with residual, rectified
    moments: Array = field(default_factory=nothing)  # (n_blocks, channels, 2)
    d_sums: Array = field(default_factory=nothing)  # Σ d and Σ d·x̂ (n_blocks, channels, 2)
    mean: Array = field(default_factory=nothing)
    inverse: Array = field(default_factory=nothing)
    factor: Array = field(default_factory=nothing)
    plain: Array = field(default_factory=nothing)  # means over the batch of d and of d·x̂
    along: Array = field(default_factory=nothing)

    @property
    def sizes(self) -> tuple[int, int, int]:
        """Channels, height and width of its output."""
        return self.spec.out_channels, self.spec.out_size, self.spec.out_size


@dataclass
class _Room:
    """One thread's memory: scratch of the convolutions, and a block's gradient in front of each stage's layers."""

    scratch: conv2d_cpu.Scratch
    d_sums: dict[int, Array]


class TrainingNetwork:
    """Loss, gradients of all parameters and running statistics of one batch.

    parameters, gradients: flat float32, in the order of architecture.parameter_shapes; `parameter` and `gradient` are
    the same memory by name. running: running statistics by name. mean, std: (in_channels,), the input's normalisation.
    """

    def __init__(
        self,
        architecture: Architecture,
        state: Mapping[str, Array],
        mean: ArrayLike,
        std: ArrayLike,
        n_threads: int = 0,
    ) -> None:
        """state: as architecture.state_shapes names it; copied. n_threads: 0 takes all cores."""
        self.architecture = architecture
        self._mean, self._std = np.asarray(mean, np.float32), np.asarray(std, np.float32)
        shapes = architecture.parameter_shapes
        size = sum(int(np.prod(shape)) for shape in shapes.values())
        self.parameters, self.gradients = aligned((size,)), aligned((size,))
        self.parameter, self.gradient = _views(self.parameters, shapes), _views(self.gradients, shapes)
        self.running = {name: np.empty(shape, np.float32) for name, shape in architecture.state_shapes.items()
                        if name not in shapes}  # fmt: skip
        self._layers = [self._layer(spec) for spec in architecture.convolutions]
        self._d_out: list[tuple[Array, Array]] = []  # by stage: gradients of a block's output, and in its middle
        self._images: Array = NONE
        self._parts: Array = NONE  # of one layer's weight gradient, by block
        self._pooled: Array = NONE
        self._lanes, self._counts = lane_weights(0), np.zeros(0, int)  # of the current batch: images in each block
        self._n_blocks = 0
        self._threads = Threads(self._make_room, n_threads or None)
        self.set_state(state)

    def set_state(self, state: Mapping[str, Array]) -> None:
        """Take parameters and running statistics."""
        for own in (self.parameter, self.running):
            for name, array in own.items():
                array[...] = state[name]

    def state(self) -> dict[str, Array]:
        """Copies of parameters and running statistics by name."""
        return {name: array.copy() for name, array in {**self.parameter, **self.running}.items()}

    def loss_and_gradients(
        self, images: Array, labels: NDArray[Any], loss: str, update_statistics: bool = True
    ) -> tuple[float, dict[str, Array], Array]:
        """Mean loss of the batch, its gradients by name (valid until the next call), logits (n, n_classes).

        images: (n, c, h, w) float32. Raises InputError where a channel's statistics would be those of one value.
        """
        n = len(images)
        last = self._layers[-1].spec.out_size
        require(n * last * last >= 2, f"a batch of {n} image: training needs at least 2 values a channel")
        self._plan(n_blocks(n))
        self._lanes = lane_weights(n)
        self._counts = self._lanes.sum(axis=1).astype(int)
        self._threads.run(lambda i, _: self._layers[i].run.set_weights(self._layers[i].weights), len(self._layers))
        for i in range(len(self._layers)):
            self._forward_layer(i, images, update_statistics)
        losses, logits, d_logits = self._head(labels, loss)
        for i in reversed(range(len(self._layers))):
            self._backward_layer(i)
        _, d_weight, d_bias = linear_gradient(d_logits, self._pooled, self.parameter["linear.weight"])
        self.gradient["linear.weight"][...], self.gradient["linear.bias"][...] = d_weight, d_bias
        return float(losses.mean(dtype=float)), self.gradient, logits

    def _layer(self, spec: Convolution) -> _Layer:
        run = BlockConvolution(
            spec.in_channels, spec.out_channels, spec.size, spec.size, spec.stride, backward=spec.block is not None,
            training=True,
        )  # fmt: skip
        names = (f"{spec.name}.weight", f"{spec.batch_norm}.weight", f"{spec.batch_norm}.bias")
        return _Layer(spec, run, *(self.parameter[name] for name in names), *(self.gradient[name] for name in names))

    def _make_room(self) -> _Room:
        size = self.architecture.size
        d_sums = {c: blank(1, c, size >> i, size >> i)[0] for i, c in enumerate(STAGES)}
        return _Room(conv2d_cpu.Scratch.of(layer.run for layer in self._layers), d_sums)

    def _plan(self, blocks: int) -> None:
        """Make room for so many blocks; a smaller batch uses the first of them."""
        if blocks <= self._n_blocks:
            return
        size = self.architecture.size
        self._n_blocks = blocks
        self._images = blank(blocks, self.architecture.in_channels, size, size)
        self._parts = aligned((blocks * max(layer.run.part_size for layer in self._layers),))
        self._d_out = []
        for i, channels in enumerate(STAGES):
            side = size >> i
            self._d_out.append((blank(blocks, channels, side, side), blank(blocks, channels, side, side)))
        for layer in self._layers:
            channels = layer.spec.out_channels
            layer.sums, layer.out = blank(blocks, *layer.sizes), blank(blocks, *layer.sizes)
            layer.moments, layer.d_sums = aligned((blocks, channels, 2)), aligned((blocks, channels, 2))

    def _forward_layer(self, i: int, images: Array, update_statistics: bool) -> None:
        layer = self._layers[i]

        def work(b: int, room: _Room) -> None:
            if i == 0:
                x = self._images[b]
                pack(images, x[None], self._mean, self._std, first=b * LANES)
            else:
                self._normalise(i - 1, b)
                x = self._layers[i - 1].out[b]
            layer.run.forward(x, layer.sums[b], room.scratch)
            flat = layer.sums[b].reshape(-1)
            block_moments(*layer.sizes, self._counts[b], flat, self._lanes[b], layer.moments[b])

        blocks = len(self._counts)
        self._threads.run(work, blocks)
        pixels = layer.spec.out_size**2
        mean, variance = join_moments(layer.moments[:blocks], self._counts * pixels)
        layer.mean, layer.inverse = mean.astype(np.float32), inverse_deviation(variance, EPSILON)
        layer.factor = layer.scale * layer.inverse
        if update_statistics:
            old_mean, old_variance = (
                self.running[f"{layer.spec.batch_norm}.running_{part}"] for part in ("mean", "var")
            )
            n_values = int(self._counts.sum()) * pixels
            old_mean[...], old_variance[...] = running_statistics(
                old_mean, old_variance, mean, variance, n_values, MOMENTUM
            )

    def _normalise(self, i: int, b: int) -> None:
        """From the sums of layer i to its output, one block."""
        layer, residual = self._layers[i], NONE
        if layer.spec.block == 1:
            first, source = self._layers[i - 1].spec, self._layers[i - 2].out[b]
            residual = source
            if first.stride == 2:
                residual = layer.out[b]
                shortcut_block(first.in_channels, first.size, first.size, source.reshape(-1), residual.reshape(-1))
        normalise(
            *layer.sizes, layer.sums[b].reshape(-1), layer.mean, layer.factor, layer.shift, residual.reshape(-1), True,
            self._lanes[b], layer.out[b].reshape(-1),
        )  # fmt: skip

    def _head(self, labels: NDArray[Any], loss: str) -> tuple[Array, Array, Array]:
        """Losses (n,), logits and d_logits (n, k) of the mean loss; the gradient of the last layer's output."""
        n, k, last = len(labels), self.architecture.n_classes, self._layers[-1]
        weight, bias = (self.parameter[f"linear.{part}"].reshape(-1) for part in ("weight", "bias"))
        losses, logits, d_logits = np.empty(n, np.float32), np.empty((n, k), np.float32), np.empty((n, k), np.float32)
        pooled = np.empty((len(self._counts), STAGES[-1], LANES), np.float32)

        def work(b: int, _: _Room) -> None:
            own = slice(b * LANES, min((b + 1) * LANES, n))
            wide = np.zeros((k, LANES), np.float32)
            self._normalise(len(self._layers) - 1, b)
            head(last.out[b].reshape(-1), *last.sizes, weight, bias, pooled[b].reshape(-1), wide.reshape(-1))
            logits[own] = wide.T[: self._counts[b]]
            losses[own], d_own = loss_of(logits[own], labels[own], loss)
            d_logits[own] = d_own / np.float32(n)
            wide[:] = 0
            wide[:, : self._counts[b]] = d_logits[own].T
            d_out = self._d_out[-1][0][b].reshape(-1)
            head_gradient(wide.reshape(-1), *last.sizes, weight, NO_MASK, d_out)
            self._rectify(last, b, d_out)

        self._threads.run(work, len(self._counts))
        self._pooled = np.ascontiguousarray(pooled.swapaxes(1, 2).reshape(-1, STAGES[-1])[:n])
        return losses, logits, d_logits

    def _rectify(self, layer: _Layer, b: int, d_out: Array) -> None:
        """d_out, flat, becomes the gradient in front of the ReLU of a layer; its sums are taken."""
        rectified_sums(
            *layer.sizes, layer.sums[b].reshape(-1), layer.mean, layer.inverse, layer.out[b].reshape(-1), d_out,
            layer.d_sums[b],
        )  # fmt: skip

    def _backward_layer(self, i: int) -> None:
        """Gradients of the parameters of layer i, and the rectified gradient of the output of layer i - 1."""
        layer, blocks = self._layers[i], len(self._counts)
        n_values = float(self._counts.sum()) * layer.spec.out_size**2
        d_shift, d_scale = layer.d_sums[:blocks].sum(axis=0, dtype=float).T
        layer.d_shift[...], layer.d_scale[...] = d_shift, d_scale
        layer.plain, layer.along = (d_shift / n_values).astype(np.float32), (d_scale / n_values).astype(np.float32)
        stage = STAGES.index(layer.spec.out_channels)
        outer, middle = self._d_out[stage]
        below = self._d_out[max(0, stage - 1)][0]
        parts = self._parts[: blocks * layer.run.part_size].reshape(blocks, -1)

        def work(b: int, room: _Room) -> None:
            d_out = (middle if layer.spec.block == 0 else outer)[b]
            d_sum = room.d_sums[layer.spec.out_channels]
            input_gradient(
                *layer.sizes, layer.sums[b].reshape(-1), layer.mean, layer.inverse, layer.factor, layer.plain,
                layer.along, self._lanes[b], d_out.reshape(-1), d_sum.reshape(-1),
            )  # fmt: skip
            x = self._layers[i - 1].out[b] if i else self._images[b]
            layer.run.weight_gradient(x, d_sum, parts[b], room.scratch)
            if layer.spec.block is None:
                return
            if layer.spec.block == 1:
                d_x = middle[b]
                layer.run.input_gradient(d_sum, d_x, room.scratch)
            elif layer.spec.stride == 1:
                d_x = outer[b]  # the skip path's gradient is there already
                layer.run.input_gradient(d_sum, d_x, room.scratch, residual=d_x)
            else:
                d_x = below[b]
                sizes = (layer.spec.in_channels, layer.spec.size, layer.spec.size)
                shortcut_gradient_block(*sizes, outer[b].reshape(-1), d_x.reshape(-1))
                layer.run.input_gradient(d_sum, d_x, room.scratch, residual=d_x)
            self._rectify(self._layers[i - 1], b, d_x.reshape(-1))

        self._threads.run(work, blocks)
        layer.run.join_weight_gradient(parts, layer.d_weights)


def _views(flat: Array, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Array]:
    """Consecutive pieces of a flat array by name."""
    views, first = {}, 0
    for name, shape in shapes.items():
        size = int(np.prod(shape))
        views[name] = flat[first : first + size].reshape(shape)
        first += size
    return views
