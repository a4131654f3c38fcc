"""The network as training sees it, on a CUDA device: statistics of the batch, gradients of all parameters.

Normalisation, residual and ReLU are one kernel; the way back goes through the ReLUs in the last step of the
convolutions' input gradients, by the sign bits, so that batch normalisation reads nothing but its input and gradient.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deep_check.architecture import EPSILON, STAGES, Architecture
from deep_check.cuda.device import Device, cuda_device
from deep_check.cuda.layers import PackedWeights, Rooms, convolutions_of, views
from deep_check.ops.batch_norm_cuda import SCRATCH, batch_norm_evaluation, batch_norm_gradient, batch_norm_training
from deep_check.ops.conv2d_cuda import Epilogue, bits_shape
from deep_check.ops.linear_cuda import linear, linear_gradient
from deep_check.ops.loss_cuda import loss as loss_of
from deep_check.ops.loss_cuda import mean_of
from deep_check.ops.pool_cuda import global_average_pool, global_average_pool_gradient
from theory_sim.errors import require


@dataclass
class Room:
    """Device memory for a batch of n images, forward and back.

    sums, outputs, signs: of each convolution, before normalisation, after ReLU, and its bits. d_blocks, d_middles,
    d_sums: gradients of each stage, between blocks, inside of one, and behind a block's last normalisation.
    """

    images: Any
    normalised: Any
    labels: Any
    sums: list[Any]
    outputs: list[Any]
    signs: list[Any]
    d_blocks: list[Any]
    d_middles: list[Any]
    d_sums: list[Any]
    parts: Any
    pooled: Any
    d_pooled: Any
    logits: Any
    d_logits: Any
    losses: Any
    mean_loss: Any


class TrainingNetwork:
    """Loss, gradients of all parameters and running statistics of one batch.

    parameters, gradients: flat float32 arrays of the device, in the order of architecture.parameter_shapes; `parameter`
    and `gradient` are the same memory by name. running_statistics: flat, too, `running` by name. mean, std:
    (in_channels,), the input's normalisation. precision: of the convolutions' products, see `Convolution`. Same batch,
    same bits.
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
        shapes = architecture.parameter_shapes
        others = {name: shape for name, shape in architecture.state_shapes.items() if name not in shapes}
        self.parameters, self.gradients, self.running_statistics = (
            self.device.full((sum(map(prod, group.values())),), 0, np.float32) for group in (shapes, shapes, others)
        )
        self.parameter, self.gradient = views(self.parameters, shapes), views(self.gradients, shapes)
        self.running = views(self.running_statistics, others)
        self._names = list(shapes), list(others)
        self._convolutions = convolutions_of(architecture, precision)
        ends = dict(zip(shapes, np.cumsum([prod(shape) for shape in shapes.values()]).tolist(), strict=True))
        first = [
            ends[f"{spec.name}.weight"] - prod(shapes[f"{spec.name}.weight"]) for spec in architecture.convolutions
        ]
        self._packed = PackedWeights(self.device, self._convolutions, first)
        send = self.device.send
        ones, zeros = np.ones(architecture.in_channels, np.float32), np.zeros(architecture.in_channels, np.float32)
        self._input_scale = send(np.asarray(1 / np.asarray(std, dtype=float), np.float32))
        self._input_mean, self._ones, self._zeros = send(np.array(mean, np.float32)), send(ones), send(zeros)
        channels = [spec.out_channels for spec in architecture.convolutions]
        self._means = [self.device.empty((c,), np.float32) for c in channels]
        self._variances = [self.device.empty((c,), np.float32) for c in channels]
        self._scratch = self.device.empty((STAGES[-1], SCRATCH), np.float32)
        self._rooms = Rooms[int, Room]()
        self.set_state(state)

    def set_state(self, state: Mapping[str, NDArray]) -> None:
        """Take parameters and running statistics, host arrays."""
        for flat, names in zip((self.parameters, self.running_statistics), self._names, strict=True):
            self.device.write(flat, np.concatenate([np.asarray(state[name], np.float32).ravel() for name in names]))

    def state(self) -> dict[str, NDArray[np.float32]]:
        """Parameters and running statistics by name, on the host."""
        return {name: self.device.fetch(array) for name, array in {**self.parameter, **self.running}.items()}

    def loss_and_gradients(
        self, images: Any, labels: Any, loss: str, update_statistics: bool = True
    ) -> tuple[float, dict[str, Any], Any]:
        """Mean loss of the batch, its gradients by name, logits (n, n_classes).

        images: (n, c, h, w) float32, labels: (n,) integers, of the host or of the device. Gradients and logits are the
        device's memory, valid until the next call. Raises InputError where a channel's statistics would be those of one
        value, and on an unknown loss.
        """
        room = self._rooms.of(len(images), self.make_room)
        self.device.write(room.images, images)
        self.device.write(room.labels, labels.astype(np.int32))
        self.run(room, loss, update_statistics)
        return float(self.device.fetch(room.mean_loss)[0]), self.gradient, room.logits

    def make_room(self, n: int) -> Room:
        """Memory for n images. Raises InputError where a channel's statistics would be those of one value."""
        architecture, device = self.architecture, self.device
        last = architecture.convolutions[-1].out_size
        require(n * last * last >= 2, f"a batch of {n} image: training needs at least 2 values a channel")
        k, side, inputs = architecture.n_classes, architecture.size, architecture.in_channels
        outputs = [(n, conv.out_channels, conv.out_height, conv.out_width) for conv in self._convolutions]
        stages = [(n, channels, side >> i, side >> i) for i, channels in enumerate(STAGES)]

        def memory(*shape: int) -> Any:
            return device.empty(shape, np.float32)

        return Room(
            memory(n, inputs, side, side),
            memory(n, inputs, side, side),
            device.full((n,), 0, np.int32),
            [memory(*shape) for shape in outputs],
            [memory(*shape) for shape in outputs],
            [device.empty(bits_shape(shape), np.uint8) for shape in outputs],
            [memory(*shape) for shape in stages],
            [memory(*shape) for shape in stages],
            [memory(*shape) for shape in stages],
            memory(max(prod(conv.parts_shape(n)) for conv in self._convolutions)),
            memory(n, STAGES[-1]),
            memory(n, STAGES[-1]),
            memory(n, k),
            memory(n, k),
            memory(n),
            memory(1),
        )

    def run(self, room: Room, loss: str, update_statistics: bool = True) -> None:
        """From room.images and room.labels to gradients, losses and logits. Allocates nothing, waits for nothing."""
        device, n = self.device, len(room.losses)
        self._packed.pack(self.parameters)
        batch_norm_evaluation(
            device, room.images, self._input_scale, self._zeros, self._input_mean, self._ones, 0.0, room.normalised
        )
        self._forward_layer(room, 0, room.normalised, None, update_statistics)
        for i in range(1, len(self._convolutions), 2):
            x = room.outputs[i - 1]
            self._forward_layer(room, i, x, None, update_statistics)
            self._forward_layer(room, i + 1, room.outputs[i], x, update_statistics)
        weight, bias = self.parameter["linear.weight"], self.parameter["linear.bias"]
        global_average_pool(device, room.outputs[-1], room.pooled)
        linear(device, room.pooled, weight, bias, room.logits)
        loss_of(device, room.logits, room.labels, loss, room.losses, room.d_logits, factor=1 / n)
        mean_of(device, room.losses, room.mean_loss)
        d_parameters = self.gradient["linear.weight"], self.gradient["linear.bias"]
        linear_gradient(device, room.d_logits, room.pooled, weight, room.d_pooled, *d_parameters)
        self._backward(room)

    def _forward_layer(self, room: Room, i: int, x: Any, residual: Any, update_statistics: bool) -> None:
        """Convolution, normalisation, residual, ReLU."""
        name = self.architecture.convolutions[i].batch_norm
        self._convolutions[i].forward(self.device, x, self._packed.forward[i], room.sums[i])
        running = self.running[f"{name}.running_mean"], self.running[f"{name}.running_var"]
        batch_norm_training(
            self.device,
            room.sums[i],
            self.parameter[f"{name}.weight"],
            self.parameter[f"{name}.bias"],
            EPSILON,
            room.outputs[i],
            self._means[i],
            self._variances[i],
            self._scratch,
            residual=residual,
            relu=True,
            running=running if update_statistics else None,
            bits=room.signs[i],
        )

    def _backward(self, room: Room) -> None:
        """From d_pooled to the gradients of everything before it. What comes to a layer has gone through its ReLU."""
        stage = len(STAGES) - 1
        global_average_pool_gradient(self.device, room.d_pooled, room.d_blocks[stage], room.signs[-1])
        for i in range(len(self._convolutions) - 2, 0, -2):  # the first convolution of each block
            d_block, d_middle, d_sum = room.d_blocks[stage], room.d_middles[stage], room.d_sums[stage]
            self._backward_layer(room, i + 1, room.outputs[i], d_block, d_sum)
            self._input_gradient(i + 1, d_sum, d_middle, Epilogue("backward", bits=room.signs[i]))
            self._backward_layer(room, i, room.outputs[i - 1], d_middle, d_middle)
            stage -= self._convolutions[i].stride == 2
            epilogue = Epilogue("backward", residual=d_block, bits=room.signs[i - 1])
            self._input_gradient(i, d_middle, room.d_blocks[stage], epilogue)
        self._backward_layer(room, 0, room.normalised, room.d_blocks[0], room.d_blocks[0])

    def _backward_layer(self, room: Room, i: int, x: Any, d_y: Any, d_sum: Any) -> None:
        """From d_y, behind the normalisation, to d_sum, before it, and the gradients of the layer's parameters."""
        spec, conv = self.architecture.convolutions[i], self._convolutions[i]
        name = spec.batch_norm
        batch_norm_gradient(
            self.device,
            d_y,
            room.sums[i],
            self.parameter[f"{name}.weight"],
            self._means[i],
            self._variances[i],
            EPSILON,
            d_sum,
            self.gradient[f"{name}.weight"],
            self.gradient[f"{name}.bias"],
            self._scratch,
        )
        shape = conv.parts_shape(len(x))
        parts = room.parts[: prod(shape)].reshape(shape)
        conv.weight_gradient(self.device, x, d_sum, parts, self.gradient[f"{spec.name}.weight"])

    def _input_gradient(self, i: int, d_y: Any, d_x: Any, epilogue: Epilogue) -> None:
        self._convolutions[i].input_gradient(self.device, d_y, self._packed.turned[i], d_x, epilogue)
