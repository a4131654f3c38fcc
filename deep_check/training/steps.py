"""One step of training on the CPU: attack the batch if the recipe says so, gradients, optimizer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deep_check.architecture import Architecture
from deep_check.cpu.attack_network import AttackNetwork
from deep_check.cpu.training_network import TrainingNetwork
from deep_check.initial import initial_state
from deep_check.normalisation import NORMALISATIONS
from deep_check.ops.attack_step_cpu import pgd_linf_step
from deep_check.ops.optimizer_cpu import adam_step, sgd_step
from deep_check.training.recipe import Recipe
from theory_sim.errors import InputError

Array = NDArray[np.float32]
EPSILON = 1e-8  # of Adam


class Evaluated:
    """A network with the weights of one moment, in evaluation mode, to be attacked: a `Target`."""

    def __init__(self, network: AttackNetwork) -> None:
        """network: not to be changed while this is in use."""
        self._network = network

    def __call__(self, images: Array) -> Array:
        """Logits (n, n_classes)."""
        return self._network.logits(images)

    def input_gradient(self, images: Array, labels: NDArray[Any], loss: str) -> tuple[Array, Array, Array]:
        """Losses (n,), their gradients by the images, logits."""
        return self._network.input_gradient(images, labels, loss)


def resnet_facts(recipe: Recipe) -> dict[str, Any]:
    """What a weights file says of a ResNet that the recipe trains."""
    mean, std = NORMALISATIONS[recipe.normalisation]
    n_classes = Architecture(recipe.depth).n_classes
    return {"depth": recipe.depth, "n_classes": n_classes, "mean": list(mean), "std": list(std)}


class Steps:
    """The network in training and its optimizer; `arrays` is all that a step changes."""

    def __init__(self, recipe: Recipe, state: Mapping[str, Array] | None = None) -> None:
        """state: weights to begin with, by name; None: those of the recipe's seed. No step is done."""
        self._recipe = recipe
        self._architecture = Architecture(recipe.depth)
        constants = NORMALISATIONS[recipe.normalisation]
        state = initial_state(self._architecture, recipe.seed) if state is None else state
        self._network = TrainingNetwork(self._architecture, state, *constants)
        self._evaluation = AttackNetwork(self._architecture, state, *constants)
        self._moments = [np.zeros_like(self._network.parameters) for _ in range(2 if recipe.optimizer == "adam" else 1)]
        self.n_steps = 0

    @property
    def facts(self) -> dict[str, Any]:
        """What a weights file says of the network."""
        return resnet_facts(self._recipe)

    def step(self, images: Array, labels: NDArray[Any], learning_rate: float, start: Array | None) -> tuple[float, int]:
        """Mean loss and number of right answers of a batch before the step; start: of the attack, in [-1, 1).

        The attack sees the network in evaluation mode, as any attacker does.
        """
        recipe = self._recipe
        if start is not None:
            images = self._attacked(images, labels, start)
        loss, _, logits = self._network.loss_and_gradients(images, labels, recipe.loss)
        self.n_steps += 1
        parameters, gradients = self._network.parameters, self._network.gradients
        if recipe.optimizer == "adam":
            first, second = self._moments
            rates = (learning_rate, recipe.momentum, recipe.beta2, EPSILON, recipe.weight_decay)
            adam_step(parameters, gradients, first, second, self.n_steps, *rates)
        else:
            (velocity,) = self._moments
            sgd_step(parameters, gradients, velocity, learning_rate, recipe.momentum, recipe.weight_decay, True)
        return loss, int((logits.argmax(axis=1) == labels).sum())

    def _attacked(self, images: Array, labels: NDArray[Any], start: Array) -> Array:
        recipe, evaluated = self._recipe, self.evaluated()
        x = np.clip(images + np.float32(recipe.radius) * start, 0, 1)
        for _ in range(recipe.attack_steps):
            _, gradient, _ = evaluated.input_gradient(x, labels, recipe.loss)
            pgd_linf_step(x, images, gradient, recipe.step_size, recipe.radius)
        return x

    def evaluated(self) -> Evaluated:
        """The network of now in evaluation mode, until the next call or step."""
        self._evaluation.set_state({**self._network.parameter, **self._network.running})
        return Evaluated(self._evaluation)

    def predicted(self) -> None:
        """No theory says what becomes of a ResNet."""

    def state(self) -> dict[str, Array]:
        """Weights and running statistics by name, copied."""
        return self._network.state()

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All that a step changes, for a checkpoint."""
        found: dict[str, NDArray[Any]] = {f"moment{i}": moment for i, moment in enumerate(self._moments)}
        return {**found, **{f"state.{name}": a for name, a in self.state().items()}, "n_steps": np.array(self.n_steps)}

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Go on from `arrays` of an earlier run. Raises InputError if they are of another network."""
        own = self.arrays()
        for name, array in own.items():
            if name not in arrays or arrays[name].shape != array.shape:
                raise InputError(f"checkpoint lacks {name} of shape {array.shape}: it is of another run")
        self._network.set_state({name: arrays[f"state.{name}"] for name in self._network.state()})
        for i, moment in enumerate(self._moments):
            moment[:] = arrays[f"moment{i}"]
        self.n_steps = int(arrays["n_steps"])
