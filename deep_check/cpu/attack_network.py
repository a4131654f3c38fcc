"""The network as an attack sees it, on the CPU: fixed weights, logits, and the gradient with respect to the images.

Batch normalisation is folded into the convolutions, bias, residual and ReLU are part of their last step, and of the
forward pass only the signs of the ReLUs are kept: the gradient needs nothing else. A block of images goes through the
whole network, forward and backward, on one core.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deep_check.architecture import STAGES, Architecture, Convolution
from deep_check.cpu.threads import Threads
from deep_check.folding import fold
from deep_check.ops import conv2d_cpu
from deep_check.ops.blocks import LANES, aligned, blank, blank_mask, n_blocks, pack, unpack_into
from deep_check.ops.conv2d_cpu import BACKWARD, FORWARD, BlockConvolution
from deep_check.ops.head_cpu import head, head_gradient
from deep_check.ops.loss_cpu import loss as loss_of
from deep_check.ops.shortcut_cpu import shortcut_block, shortcut_gradient_block

Array = NDArray[np.float32]


@dataclass
class _Layer:
    """A folded convolution."""

    spec: Convolution
    run: BlockConvolution
    bias: Array = field(default_factory=conv2d_cpu.nothing)


@dataclass
class _Room:
    """One thread's memory: a block of images on its way through the network."""

    images: Array
    stages: list[tuple[Array, Array, Array]]  # three activations of each stage: what is read, written, and kept
    masks: list[NDArray[Any]]
    pooled: Array
    logits: Array
    scratch: conv2d_cpu.Scratch


class AttackNetwork:
    """Logits and input gradients of a network in evaluation mode.

    state: float32 arrays as architecture.state_shapes names them; mean, std: (in_channels,) of the input's
    normalisation. Images are (n, c, h, w) float32 in the units of mean and std. Same image, same bits, whatever the
    batch and the number of threads; memory does not grow with n beyond the results.
    """

    def __init__(
        self,
        architecture: Architecture,
        state: Mapping[str, Array],
        mean: ArrayLike,
        std: ArrayLike,
        n_threads: int = 0,
    ) -> None:
        """n_threads: 0 takes all cores."""
        self.architecture = architecture
        self._mean, self._std = mean, std
        self._layers = [
            _Layer(spec, BlockConvolution(spec.in_channels, spec.out_channels, spec.size, spec.size, spec.stride))
            for spec in architecture.convolutions
        ]
        self._threads = Threads(self._make_room, n_threads or None)
        self.set_state(state)

    def set_state(self, state: Mapping[str, Array]) -> None:
        """Take other weights, as in adversarial training after every step."""
        folded = fold(self.architecture, state, self._mean, self._std)
        self._border = folded.border
        self._head_weight, self._head_bias = (np.ravel(part) for part in folded.linear)

        def work(n: int, _: _Room) -> None:
            weights, bias = folded.convolutions[n]
            self._layers[n].run.set_weights(weights)
            self._layers[n].bias = folded.centred_bias if n == 0 else bias

        self._threads.run(work, len(self._layers))

    def logits(self, images: Array) -> Array:
        """(n, c, h, w) -> (n, n_classes) float32."""
        n = len(images)
        logits = np.empty((n, self.architecture.n_classes), np.float32)

        def work(block: int, room: _Room) -> None:
            first = block * LANES
            pack(images, room.images[None], self._border, first=first)
            self._forward(room)
            logits[first : first + LANES] = self._block_logits(room, n - first)

        self._threads.run(work, n_blocks(n))
        return logits

    def input_gradient(
        self, images: Array, labels: NDArray[Any], loss: str, out: Array | None = None
    ) -> tuple[Array, Array, Array]:
        """Losses (n,), gradient of their sum with respect to the images (n, c, h, w), and logits (n, n_classes).

        out: where the gradient goes, contiguous float32, instead of a new array.
        """
        n = len(images)
        losses, logits = np.empty(n, np.float32), np.empty((n, self.architecture.n_classes), np.float32)
        d_images = np.empty(images.shape, np.float32) if out is None else out

        def work(block: int, room: _Room) -> None:
            own = slice(block * LANES, min((block + 1) * LANES, n))
            pack(images, room.images[None], self._border, first=own.start)
            self._forward(room)
            logits[own] = self._block_logits(room, n - own.start)
            losses[own], d_logits = loss_of(logits[own], labels[own], loss)
            self._backward(room, d_logits)
            unpack_into(room.images[None], d_images[own])

        self._threads.run(work, n_blocks(n))
        return losses, d_images, logits

    def _make_room(self) -> _Room:
        size = self.architecture.size
        stages, masks = [], []
        for i, channels in enumerate(STAGES):
            side = size >> i
            stages.append(tuple(blank(1, channels, side, side)[0] for _ in range(3)))
        for spec in self.architecture.convolutions:
            masks += list(blank_mask(1, spec.out_channels, spec.out_size, spec.out_size))
        return _Room(
            blank(1, self.architecture.in_channels, size, size)[0],
            stages,
            masks,
            aligned((STAGES[-1] * LANES,)),
            aligned((self.architecture.n_classes * LANES,)),
            conv2d_cpu.Scratch.of(layer.run for layer in self._layers),
        )

    def _block_logits(self, room: _Room, n: int) -> Array:
        return room.logits.reshape(-1, LANES).T[:n]

    def _forward(self, room: _Room) -> None:
        """Images -> logits and signs."""
        stages = iter(room.stages)
        x, middle, y = next(stages)
        stem, rest = self._layers[0], self._layers[1:]
        stem.run.forward(room.images, x, room.scratch, FORWARD, stem.bias, mask=room.masks[0])
        for n in range(0, len(rest), 2):
            first, second = rest[n], rest[n + 1]
            skip = x
            if first.spec.stride == 2:
                source = x
                skip, middle, y = next(stages)
                shortcut_block(*_sizes(first), source.reshape(-1), skip.reshape(-1))
                x = source
            first.run.forward(x, middle, room.scratch, FORWARD, first.bias, mask=room.masks[n + 1])
            second.run.forward(middle, y, room.scratch, FORWARD, second.bias, skip, room.masks[n + 2])
            x, y = y, skip
        side = self._layers[-1].spec.out_size
        head(x.reshape(-1), STAGES[-1], side, side, self._head_weight, self._head_bias, room.pooled, room.logits)

    def _backward(self, room: _Room, d_logits: Array) -> None:
        """Gradient of the block's logits -> gradient of its images, in the place of the images."""
        wide = np.zeros((self.architecture.n_classes, LANES), np.float32)
        wide[:, : len(d_logits)] = d_logits.T
        side = self._layers[-1].spec.out_size
        d_y, middle, d_x = room.stages[-1]
        head_gradient(
            wide.reshape(-1), STAGES[-1], side, side, self._head_weight, room.masks[-1].reshape(-1), d_y.reshape(-1)
        )
        stages = iter(room.stages[-2::-1])
        for n in range(len(self._layers) - 1, 0, -2):
            first, second = self._layers[n - 1], self._layers[n]
            second.run.input_gradient(d_y, middle, room.scratch, BACKWARD, mask=room.masks[n - 1])
            if first.spec.stride == 2:
                inner, d_skip = middle, d_y
                d_x, middle, d_y = next(stages)
                shortcut_gradient_block(*_sizes(first), d_skip.reshape(-1), d_x.reshape(-1))
                first.run.input_gradient(inner, d_x, room.scratch, BACKWARD, d_x, room.masks[n - 2])
            else:
                first.run.input_gradient(middle, d_x, room.scratch, BACKWARD, d_y, room.masks[n - 2])
            d_y, d_x = d_x, d_y
        self._layers[0].run.input_gradient(d_y, room.images, room.scratch)


def _sizes(layer: _Layer) -> tuple[int, int, int]:
    return layer.spec.in_channels, layer.spec.size, layer.spec.size
