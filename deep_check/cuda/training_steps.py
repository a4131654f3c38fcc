"""Optimizers that keep their moments on the device, and whole training steps captured once and replayed."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from deep_check.cuda.device import Device
from deep_check.cuda.training_network import TrainingNetwork
from deep_check.ops.kernel_families import OPTIMIZER_SETTINGS
from deep_check.ops.optimizer_cuda import ADAM_FACTORS, adam_step, settings, sgd_step


class Optimizer(Protocol):
    """Changes parameters by gradients, both flat."""

    moments: tuple[Any, ...]  # flat, as large as the parameters
    arrays: tuple[Any, ...]  # all that a step changes beside the parameters

    def step(self, parameters: Any, gradients: Any) -> None:
        """One step. Allocates nothing, waits for nothing."""

    def set_learning_rate(self, learning_rate: float) -> None:
        """For the steps from now on, captured ones too."""

    def set_step(self, step: int) -> None:
        """How many steps have been done: what goes on from stored moments."""


class Adam:
    """Adam [Kingma & Ba 2015, Algorithm 1] on `size` parameters; weight_decay as torch.optim.Adam's."""

    def __init__(
        self,
        device: Device,
        size: int,
        learning_rate: float,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        """Moments are zero, no step is done."""
        self._device = device
        host = settings(
            learning_rate=learning_rate, beta1=beta1, beta2=beta2, epsilon=epsilon, weight_decay=weight_decay
        )
        self._settings, self._factors = device.send(host), device.empty((ADAM_FACTORS,), np.float32)
        self.moments = device.full((size,), 0, np.float32), device.full((size,), 0, np.float32)
        self.arrays = (*self.moments, self._settings)

    def step(self, parameters: Any, gradients: Any) -> None:
        """One step; the count is in the device's memory."""
        adam_step(self._device, parameters, gradients, *self.moments, self._settings, self._factors)

    def set_learning_rate(self, learning_rate: float) -> None:
        """For the steps from now on, captured ones too."""
        _set(self._device, self._settings, "learning_rate", learning_rate)

    def set_step(self, step: int) -> None:
        """How many steps have been done."""
        _set(self._device, self._settings, "step", step)


class Sgd:
    """Stochastic gradient descent on `size` parameters, as torch.optim.SGD without dampening."""

    def __init__(
        self,
        device: Device,
        size: int,
        learning_rate: float,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
    ) -> None:
        """The velocity is zero."""
        self._device, self._nesterov = device, nesterov
        host = settings(learning_rate=learning_rate, momentum=momentum, weight_decay=weight_decay)
        self._settings, self.moments = device.send(host), (device.full((size,), 0, np.float32),)
        self.arrays = (*self.moments, self._settings)

    def step(self, parameters: Any, gradients: Any) -> None:
        """One step."""
        sgd_step(self._device, parameters, gradients, self.moments[0], self._settings, self._nesterov)

    def set_learning_rate(self, learning_rate: float) -> None:
        """For the steps from now on, captured ones too."""
        _set(self._device, self._settings, "learning_rate", learning_rate)

    def set_step(self, step: int) -> None:
        """All steps are alike."""


class TrainingSteps:
    """Steps of a network and an optimizer on batches of n: gradients, running statistics, parameters; one CUDA graph.

    Raises InputError as `TrainingNetwork.loss_and_gradients`.
    """

    def __init__(self, network: TrainingNetwork, optimizer: Optimizer, n: int, loss: str) -> None:
        """Nothing is trained yet."""
        self._device = network.device
        self._room = room = network.make_room(n)
        changed = (network.parameters, network.running_statistics, *optimizer.arrays)

        def work() -> None:  # it is kept: without `self` in it, memory goes when the steps go
            network.run(room, loss)
            optimizer.step(network.parameters, network.gradients)

        before = [self._device.fetch(array) for array in changed]
        self.step = self._device.capture(work)
        for array, values in zip(changed, before, strict=True):
            self._device.write(array, values)

    def load(self, images: Any, labels: Any) -> None:
        """The batch of the next step: (n, c, h, w) float32 and (n,) integers, of the host or of the device."""
        self._device.write(self._room.images, images)
        self._device.write(self._room.labels, labels.astype(np.int32))

    @property
    def images(self) -> Any:
        """Where the batch lies, for kernels that make it on the device."""
        return self._room.images

    @property
    def mean_loss(self) -> Any:
        """(1,) of the last step, the device's memory."""
        return self._room.mean_loss

    @property
    def logits(self) -> Any:
        """(n, n_classes) of the last step, the device's memory."""
        return self._room.logits


def _set(device: Device, on_device: Any, name: str, value: float) -> None:
    place = OPTIMIZER_SETTINGS.index(name)
    device.write(on_device[place : place + 1], np.array([value], np.float64))
