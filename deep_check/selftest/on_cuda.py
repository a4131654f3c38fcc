"""A CUDA device's operations as the self-test calls them: NumPy arrays in, NumPy arrays out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from deep_check.architecture import Architecture
from deep_check.cuda.attack_network import AttackNetwork
from deep_check.cuda.device import Device
from deep_check.cuda.training_network import TrainingNetwork
from deep_check.ops import (
    attack_step_cuda,
    augment_cuda,
    batch_norm_cuda,
    conv2d_cuda,
    linear_cuda,
    loss_cuda,
    optimizer_cuda,
    pool_cuda,
    relu_cuda,
    shortcut_cuda,
    spectral_mask_cuda,
)

Array = NDArray[Any]
TOLERANCE = {"float32": "sums", "tf32": "tf32", "bf16": "bf16"}


class CudaOperations:
    """The functions of `on_cpu` on a device; n_images: of a batch."""

    def __init__(self, device: Device, n_images: int = 17) -> None:
        """Nothing is compiled yet."""
        self.device, self.N_IMAGES = device, n_images
        self.CONVOLUTIONS = [
            (
                precision,
                TOLERANCE[precision],
                partial(self._returned, conv2d_cuda.conv2d, precision=precision),
                partial(self._returned, conv2d_cuda.conv2d_input_gradient, precision=precision),
                partial(self._returned, conv2d_cuda.conv2d_weight_gradient) if precision == "float32" else None,
            )
            for precision in conv2d_cuda.PRECISIONS
        ]
        self.sign_step, self.l2_step, self.project_linf, self.project_l2, self.clip_box, self.pgd_l2_step = (
            partial(self._like_first, getattr(attack_step_cuda, name))
            for name in ("sign_step", "l2_step", "project_linf", "project_l2", "clip_box", "pgd_l2_step")
        )
        self.clip_box_gradient = partial(self._like_first, attack_step_cuda.clip_box_gradient)
        self.relu = partial(self._like_first, relu_cuda.relu)
        self.relu_gradient = partial(self._like_first, relu_cuda.relu_gradient)

    def batch_norm_training(self, x: Array, scale: Array, shift: Array, epsilon: float) -> list[Array]:
        """y, mean, variance."""
        out = x.shape, scale.shape, scale.shape, (len(scale), batch_norm_cuda.SCRATCH)
        return self._filled(batch_norm_cuda.batch_norm_training, (x, scale, shift, epsilon), out)[:3]

    def batch_norm_evaluation(
        self, x: Array, scale: Array, shift: Array, mean: Array, variance: Array, epsilon: float
    ) -> Array:
        """Its y."""
        arguments = (x, scale, shift, *(part.astype(np.float32) for part in (mean, variance)), epsilon)
        return self._filled(batch_norm_cuda.batch_norm_evaluation, arguments, [x.shape])[0]

    def batch_norm_gradient(
        self, d_y: Array, x: Array, scale: Array, mean: Array, variance: Array, epsilon: float
    ) -> list[Array]:
        """d_x, d_scale, d_shift."""
        out = x.shape, scale.shape, scale.shape, (len(scale), batch_norm_cuda.SCRATCH)
        arguments = (d_y, x, scale, *(part.astype(np.float32) for part in (mean, variance)), epsilon)
        return self._filled(batch_norm_cuda.batch_norm_gradient, arguments, out)[:3]

    def shortcut(self, x: Array) -> Array:
        """Its y."""
        n, channels, height, width = x.shape
        return self._filled(shortcut_cuda.shortcut, (x,), [(n, 2 * channels, -(-height // 2), -(-width // 2))])[0]

    def shortcut_gradient(self, d_y: Array, size: tuple[int, int]) -> Array:
        """Its d_x."""
        return self._filled(shortcut_cuda.shortcut_gradient, (d_y,), [(len(d_y), d_y.shape[1] // 2, *size)])[0]

    def global_average_pool(self, x: Array) -> Array:
        """Its y."""
        return self._filled(pool_cuda.global_average_pool, (x,), [x.shape[:2]])[0]

    def global_average_pool_gradient(self, d_y: Array, size: tuple[int, int]) -> Array:
        """Its d_x."""
        return self._filled(pool_cuda.global_average_pool_gradient, (d_y,), [(*d_y.shape, *size)])[0]

    def linear(self, x: Array, weight: Array, bias: Array) -> Array:
        """Its y."""
        return self._filled(linear_cuda.linear, (x, weight, bias), [(len(x), len(bias))])[0]

    def linear_gradient(self, d_y: Array, x: Array, weight: Array) -> list[Array]:
        """d_x, d_weight, d_bias."""
        return self._filled(linear_cuda.linear_gradient, (d_y, x, weight), [x.shape, weight.shape, (len(weight),)])

    def loss(self, logits: Array, labels: Array, kind: str) -> list[Array]:
        """Losses and d_logits."""
        arguments = (logits, labels.astype(np.int32), kind)
        return self._filled(loss_cuda.loss, arguments, [(len(logits),), logits.shape])

    def adam_step(
        self, parameters: Array, gradients: Array, first: Array, second: Array, step: int, rate: float, beta1: float,
        beta2: float, epsilon: float, decay: float,
    ) -> None:  # fmt: skip
        """In place."""
        settings = optimizer_cuda.settings(
            step=step - 1, learning_rate=rate, beta1=beta1, beta2=beta2, epsilon=epsilon, weight_decay=decay
        )
        factors = np.zeros(optimizer_cuda.ADAM_FACTORS, np.float32)
        self._in_place(optimizer_cuda.adam_step, parameters, gradients, first, second, settings, factors)

    def sgd_step(
        self, parameters: Array, gradients: Array, velocity: Array, rate: float, momentum: float, decay: float,
        nesterov: bool,
    ) -> None:  # fmt: skip
        """In place."""
        settings = optimizer_cuda.settings(learning_rate=rate, momentum=momentum, weight_decay=decay)
        self._in_place(optimizer_cuda.sgd_step, parameters, gradients, velocity, settings, nesterov)

    def augment(self, images: Array, offsets: Array, flips: Array, padding: int = 4) -> Array:
        """Cropped and flipped."""
        given = images, offsets.astype(np.int32), flips.astype(np.uint8)
        return self._filled(partial(augment_cuda.augment, padding=padding), given, [images.shape])[0]

    def pgd_linf_step(self, x: Array, origin: Array, gradient: Array, step_size: float, radius: float) -> Array:
        """In place, and returned."""
        x[...] = self._like_first(attack_step_cuda.pgd_linf_step, x, origin, gradient, step_size, radius)
        return x

    def low_pass(self, images: Array, cutoff: float, mask: Literal["disc", "square"]) -> Array:
        """Filtered."""
        return self._filled(partial(spectral_mask_cuda.low_pass, mask=mask), (images, cutoff), [images.shape])[0]

    def attack_network(
        self, architecture: Architecture, state: Mapping[str, Array], mean: Array, std: Array
    ) -> AttackNetwork:
        """It takes and gives NumPy arrays."""
        return AttackNetwork(architecture, state, mean, std, self.device)

    def training_network(
        self, architecture: Architecture, state: Mapping[str, Array], mean: Array, std: Array
    ) -> _Training:
        """Whose gradients are on the host."""
        return _Training(TrainingNetwork(architecture, state, mean, std, self.device))

    def _sent(self, arguments: Sequence[Any]) -> list[Any]:
        return [self.device.send(np.ascontiguousarray(a)) if isinstance(a, np.ndarray) else a for a in arguments]

    def _returned(self, function: Callable[..., Any], *arguments: Any, **options: Any) -> Array:
        return self.device.fetch(function(self.device, *self._sent(arguments), **options))

    def _filled(
        self, function: Callable[..., Any], arguments: Sequence[Any], shapes: Sequence[tuple[int, ...]]
    ) -> list[Array]:
        """function(device, *arguments, *outputs); the outputs."""
        out = [self.device.empty(shape, np.float32) for shape in shapes]
        function(self.device, *self._sent(arguments), *out)
        return [self.device.fetch(array) for array in out]

    def _like_first(self, function: Callable[..., Any], *arguments: Any) -> Array:
        return self._filled(function, arguments, [arguments[0].shape])[0]

    def _in_place(self, function: Callable[..., Any], *arguments: Any) -> None:
        sent = self._sent(arguments)
        function(self.device, *sent)
        for host, array in zip(arguments, sent, strict=True):
            if isinstance(host, np.ndarray):
                host[...] = self.device.fetch(array)


class _Training:
    def __init__(self, network: TrainingNetwork) -> None:
        self._network = network

    def loss_and_gradients(
        self, images: Array, labels: Array, loss: str, update_statistics: bool
    ) -> tuple[float, dict[str, Array], Array]:
        """As the CPU's."""
        fetch = self._network.device.fetch
        value, gradients, logits = self._network.loss_and_gradients(images, labels, loss, update_statistics)
        return value, {name: fetch(array) for name, array in gradients.items()}, fetch(logits)

    def state(self) -> dict[str, Array]:
        """By name, on the host."""
        return self._network.state()
