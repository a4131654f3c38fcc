"""One step of training on a CUDA device, as `deep_check.training.steps` takes it on the CPU.

Two CUDA graphs: all steps of the attack if the recipe says so, and gradients with the optimizer. The host makes the
batch and reads loss and logits, once a step.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deep_check.architecture import Architecture
from deep_check.cuda.attack import CapturedAttacks
from deep_check.cuda.attack_network import AttackNetwork
from deep_check.cuda.device import Device, cuda_device
from deep_check.cuda.pgd import PgdSteps
from deep_check.cuda.training_network import TrainingNetwork
from deep_check.cuda.training_steps import Adam, Optimizer, Sgd, TrainingSteps
from deep_check.initial import initial_state
from deep_check.normalisation import NORMALISATIONS
from deep_check.training.recipe import Recipe
from deep_check.training.steps import EPSILON, resnet_facts
from theory_sim.errors import InputError

Array = NDArray[np.float32]


class CapturedEvaluated:
    """A network with the weights of one moment, in evaluation mode: a `Target` whose attacks are captured."""

    def __init__(self, network: AttackNetwork, attacks: CapturedAttacks) -> None:
        """attacks: on the network, which is not to be changed while this is in use."""
        self._network, self._attacks = network, attacks

    def __call__(self, images: Array) -> Array:
        """Logits (n, n_classes)."""
        logits: Array = self._network.logits(images)
        return logits

    def input_gradient(self, images: Array, labels: NDArray[Any], loss: str) -> tuple[Array, Array, Array]:
        """Losses (n,), their gradients by the images, logits."""
        return self._network.input_gradient(images, labels, loss)

    def captured_attacks(self) -> CapturedAttacks:
        """What `run_attack` looks for."""
        return self._attacks


class CudaSteps:
    """The network in training and its optimizer; `arrays` is all that a step changes.

    precision: of the convolutions' products, see `deep_check.ops.conv2d_cuda.Convolution`.
    """

    def __init__(
        self,
        recipe: Recipe,
        state: Mapping[str, Array] | None = None,
        device: Device | None = None,
        precision: str = "float32",
    ) -> None:
        """state: weights to begin with, by name; None: those of the recipe's seed. No step is done.

        device: that of this process if None. Raises InputError if there is none, or on the precision.
        """
        self._recipe, self._device = recipe, device or cuda_device()
        self._architecture = Architecture(recipe.depth)
        state = initial_state(self._architecture, recipe.seed) if state is None else state
        common = (self._architecture, state, *NORMALISATIONS[recipe.normalisation], self._device, precision)
        self._network, self._evaluation = TrainingNetwork(*common), AttackNetwork(*common)
        self._attacks = CapturedAttacks(self._evaluation)
        self._optimizer = _optimizer(recipe, self._device, self._network.parameters.shape[0])
        self._steps = TrainingSteps(self._network, self._optimizer, recipe.batch_size, recipe.loss)
        self._pgd: PgdSteps | None = None
        if recipe.adversary != "none":
            self._pgd = PgdSteps(
                self._evaluation, recipe.batch_size, recipe.loss, recipe.step_size, recipe.radius, "linf",
                recipe.attack_steps,
            )  # fmt: skip
        self.n_steps = 0

    @property
    def facts(self) -> dict[str, Any]:
        """What a weights file says of the network."""
        return resnet_facts(self._recipe)

    def step(self, images: Array, labels: NDArray[Any], learning_rate: float, start: Array | None) -> tuple[float, int]:
        """Mean loss and number of right answers of a batch before the step; start: of the attack, in [-1, 1).

        As many images as the recipe's batch has. The attack sees the network in evaluation mode, as any attacker does.
        """
        self._steps.load(images, labels)
        if start is not None:
            self._device.write(self._steps.images, self._attacked(images, labels, start))
        self._optimizer.set_learning_rate(learning_rate)
        self._steps.step()
        self.n_steps += 1
        logits = self._device.fetch(self._steps.logits)
        return float(self._device.fetch(self._steps.mean_loss)[0]), int((logits.argmax(axis=1) == labels).sum())

    def _attacked(self, images: Array, labels: NDArray[Any], start: Array) -> Any:
        """Attacked images, the device's memory until the next call."""
        assert self._pgd is not None
        self.evaluated()
        moved = np.clip(images + np.float32(self._recipe.radius) * start, 0, 1)
        self._pgd.start(images, labels, moved)
        self._pgd.step()
        return self._pgd.images

    def evaluated(self) -> CapturedEvaluated:
        """The network of now in evaluation mode, until the next call or step."""
        self._evaluation.set_state(self._network.state())
        return CapturedEvaluated(self._evaluation, self._attacks)

    def predicted(self) -> None:
        """No theory says what becomes of a ResNet."""

    def state(self) -> dict[str, Array]:
        """Weights and running statistics by name, copied to the host."""
        return self._network.state()

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All that a step changes, for a checkpoint."""
        moments = {f"moment{i}": self._device.fetch(moment) for i, moment in enumerate(self._optimizer.moments)}
        return {
            **moments,
            **{f"state.{name}": a for name, a in self.state().items()},
            "n_steps": np.array(self.n_steps),
        }

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Go on from `arrays` of an earlier run. Raises InputError if they are of another network."""
        for name, array in self.arrays().items():
            if name not in arrays or arrays[name].shape != array.shape:
                raise InputError(f"checkpoint lacks {name} of shape {array.shape}: it is of another run")
        self._network.set_state({name: arrays[f"state.{name}"] for name in self._network.state()})
        for i, moment in enumerate(self._optimizer.moments):
            self._device.write(moment, np.ascontiguousarray(arrays[f"moment{i}"], np.float32))
        self.n_steps = int(arrays["n_steps"])
        self._optimizer.set_step(self.n_steps)


def _optimizer(recipe: Recipe, device: Device, size: int) -> Optimizer:
    """Of so many parameters; the learning rate is set before every step."""
    if recipe.optimizer == "adam":
        return Adam(device, size, 0.0, recipe.momentum, recipe.beta2, EPSILON, recipe.weight_decay)
    return Sgd(device, size, 0.0, recipe.momentum, recipe.weight_decay, nesterov=True)
