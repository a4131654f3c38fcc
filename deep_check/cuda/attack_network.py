"""The network as an attack sees it, on a CUDA device: fixed weights, logits, and the gradient of the images.

Batch normalisation is folded into the convolutions; bias, residual and ReLU are part of their last step, and of the
forward pass only the signs of the ReLUs are kept, as bits: the gradient needs nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deep_check.architecture import STAGES, Architecture
from deep_check.cuda.device import Device, cuda_device
from deep_check.cuda.layers import LARGEST_BLOCK, PackedWeights, Rooms, convolutions_of, is_on_host
from deep_check.folding import fold
from deep_check.ops.conv2d_cuda import RAW, Epilogue, bits_shape
from deep_check.ops.linear_cuda import linear, linear_input_gradient
from deep_check.ops.loss_cuda import loss as loss_of
from deep_check.ops.pool_cuda import global_average_pool, global_average_pool_gradient


@dataclass
class Room:
    """Device memory for n images on their way through the network and back.

    blocks, middles: of each stage, what lies between blocks and inside of one; on the way back their gradients. signs:
    bits of each convolution's ReLU.
    """

    images: Any
    labels: Any
    blocks: list[Any]
    middles: list[Any]
    signs: list[Any]
    pooled: Any
    d_pooled: Any
    logits: Any
    d_logits: Any
    losses: Any
    d_images: Any


class AttackNetwork:
    """Logits and input gradients of a network in evaluation mode.

    state: float32 host arrays as architecture.state_shapes names them; mean, std: (in_channels,) of the input's
    normalisation. Images are (n, c, h, w) float32 in the units of mean and std, of the host or of the device; results
    come where the images are. Same images, same bits; memory does not grow with n beyond the results. precision: of the
    convolutions' products, see `Convolution`.
    """

    def __init__(
        self,
        architecture: Architecture,
        state: Mapping[str, NDArray],
        mean: ArrayLike,
        std: ArrayLike,
        device: Device | None = None,
        precision: str = "float32",
    ) -> None:
        """device: the CUDA device of this process if None. Raises InputError if there is none, or on the precision."""
        self.architecture, self.device = architecture, device or cuda_device()
        self._mean, self._std = mean, std
        self._convolutions = convolutions_of(architecture, precision)
        sizes = [9 * conv.out_channels * conv.in_channels for conv in self._convolutions]
        channels = [conv.out_channels for conv in self._convolutions]
        self._packed = PackedWeights(self.device, self._convolutions, [0, *accumulate(sizes)][:-1])
        self._weights = self.device.empty((sum(sizes),), np.float32)
        self._biases = self.device.empty((sum(channels),), np.float32)
        ends = list(accumulate(channels))
        self._bias = [self._biases[end - size : end] for end, size in zip(ends, channels, strict=True)]
        self._border = self.device.empty((architecture.in_channels,), np.float32)
        self._linear_weight = self.device.empty((architecture.n_classes, STAGES[-1]), np.float32)
        self._linear_bias = self.device.empty((architecture.n_classes,), np.float32)
        self._rooms = Rooms[int, Room]()
        self.set_state(state)

    def set_state(self, state: Mapping[str, NDArray]) -> None:
        """Take other weights, as in adversarial training after every step; what was captured then uses them."""
        folded = fold(self.architecture, state, self._mean, self._std)
        self.device.write(self._weights, np.concatenate([weights.ravel() for weights, _ in folded.convolutions]))
        self.device.write(self._biases, np.concatenate([bias for _, bias in folded.convolutions]))
        self.device.write(self._border, folded.border)
        self.device.write(self._linear_weight, folded.linear[0])
        self.device.write(self._linear_bias, folded.linear[1])
        self._packed.pack(self._weights)

    def logits(self, images: Any) -> Any:
        """(n, c, h, w) -> (n, n_classes) float32."""
        logits = self._result(images, (len(images), self.architecture.n_classes))
        for own in _blocks(len(images)):
            room = self._rooms.of(own.stop - own.start, self.make_room)
            self.device.write(room.images, images[own])
            self.forward(room)
            self._store(logits, own, room.logits)
        return logits

    def input_gradient(self, images: Any, labels: Any, loss: str, out: Any = None) -> tuple[Any, Any, Any]:
        """Losses (n,), gradient of their sum by the images (n, c, h, w), and logits (n, n_classes).

        labels: (n,) integers, of the host or of the device. out: where the gradient goes, contiguous float32 beside the
        images, instead of a new array. Raises InputError on an unknown loss.
        """
        n = len(images)
        losses, logits = self._result(images, (n,)), self._result(images, (n, self.architecture.n_classes))
        d_images = self._result(images, tuple(images.shape)) if out is None else out
        labels = labels.astype(np.int32)
        for own in _blocks(n):
            room = self._rooms.of(own.stop - own.start, self.make_room)
            self.device.write(room.images, images[own])
            self.device.write(room.labels, labels[own])
            self.forward(room)
            self.backward(room, loss)
            for result, part in ((losses, room.losses), (d_images, room.d_images), (logits, room.logits)):
                self._store(result, own, part)
        return losses, d_images, logits

    def make_room(self, n: int) -> Room:
        """Memory for n images."""
        device, k = self.device, self.architecture.n_classes
        sides = [self.architecture.size >> i for i in range(len(STAGES))]
        shapes = [(n, channels, side, side) for channels, side in zip(STAGES, sides, strict=True)]
        images = (n, self.architecture.in_channels, sides[0], sides[0])
        return Room(
            device.empty(images, np.float32),
            device.full((n,), 0, np.int32),
            [device.empty(shape, np.float32) for shape in shapes],
            [device.empty(shape, np.float32) for shape in shapes],
            [
                device.empty(bits_shape((n, conv.out_channels, conv.out_height, conv.out_width)), np.uint8)
                for conv in self._convolutions
            ],
            device.empty((n, STAGES[-1]), np.float32),
            device.empty((n, STAGES[-1]), np.float32),
            device.empty((n, k), np.float32),
            device.empty((n, k), np.float32),
            device.empty((n,), np.float32),
            device.empty(images, np.float32),
        )

    def forward(self, room: Room) -> None:
        """From room.images to room.logits and the signs. Allocates nothing, waits for nothing."""
        stage = 0

        def convolve(i: int, x: Any, y: Any, residual: Any = None, border: Any = None) -> None:
            epilogue = Epilogue("forward", self._bias[i], residual, room.signs[i], border)
            self._convolutions[i].forward(self.device, x, self._packed.forward[i], y, epilogue)

        convolve(0, room.images, room.blocks[0], border=self._border)
        for i in range(1, len(self._convolutions), 2):
            x = room.blocks[stage]
            stage += self._convolutions[i].stride == 2
            convolve(i, x, room.middles[stage])
            # Within a stage the block's output takes the place of its input.
            convolve(i + 1, room.middles[stage], room.blocks[stage], residual=x)
        global_average_pool(self.device, room.blocks[-1], room.pooled)
        linear(self.device, room.pooled, self._linear_weight, self._linear_bias, room.logits)

    def backward(self, room: Room, loss: str) -> None:
        """From room.logits and room.labels to losses and d_images, after `forward`. Allocates and waits for nothing."""
        loss_of(self.device, room.logits, room.labels, loss, room.losses, room.d_logits)
        linear_input_gradient(self.device, room.d_logits, self._linear_weight, room.d_pooled)
        stage = len(STAGES) - 1
        global_average_pool_gradient(self.device, room.d_pooled, room.blocks[stage], room.signs[-1])

        def convolve(i: int, d_y: Any, d_x: Any, epilogue: Epilogue) -> None:
            self._convolutions[i].input_gradient(self.device, d_y, self._packed.turned[i], d_x, epilogue)

        for i in range(len(self._convolutions) - 2, 0, -2):  # the first convolution of each block
            d_sum, d_middle = room.blocks[stage], room.middles[stage]
            convolve(i + 1, d_sum, d_middle, Epilogue("backward", bits=room.signs[i]))
            stage -= self._convolutions[i].stride == 2
            convolve(i, d_middle, room.blocks[stage], Epilogue("backward", residual=d_sum, bits=room.signs[i - 1]))
        convolve(0, room.blocks[0], room.d_images, RAW)

    def _result(self, images: Any, shape: tuple[int, ...]) -> Any:
        return np.empty(shape, np.float32) if is_on_host(images) else self.device.empty(shape, np.float32)

    def _store(self, result: Any, own: slice, part: Any) -> None:
        if is_on_host(result):
            result[own] = self.device.fetch(part)
        else:
            self.device.write(result[own], part)


def _blocks(n: int) -> Iterator[slice]:
    return (slice(first, min(first + LARGEST_BLOCK, n)) for first in range(0, n, LARGEST_BLOCK))
