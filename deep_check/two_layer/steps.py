"""Training of the two-layer network, plain SGD, and theory's prediction led along; the interface of training.steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deep_check.normalisation import NORMALISATIONS
from deep_check.training.recipe import Recipe
from deep_check.two_layer.network import INNER, OUTER, Reading, TwoLayer, initial_weights
from deep_check.two_layer.prediction import Prediction
from theory_sim.errors import InputError, require

Array = NDArray[np.float32]


class TwoLayerSteps:
    """The network in training; with the recipe's `predict`, the prediction sees the same batches and nothing else."""

    def __init__(self, recipe: Recipe) -> None:
        """With the weights of the recipe's seed. Raises InputError where the recipe asks for more than plain SGD."""
        plain = recipe.optimizer == "sgd" and recipe.momentum == recipe.weight_decay == 0 and recipe.adversary == "none"
        require(plain, "a two-layer network: allowed is optimizer sgd, momentum 0, weight_decay 0, adversary none")
        self._recipe = recipe
        reading = Reading(recipe.hidden_activation, recipe.output_activation, NORMALISATIONS[recipe.normalisation])
        self._network = TwoLayer(*initial_weights(recipe.width, recipe.seed), reading)
        self._prediction = Prediction(self._network) if recipe.predict else None

    @property
    def facts(self) -> dict[str, Any]:
        """What a weights file says of the network."""
        recipe, (mean, std) = self._recipe, self._network.reading.normalisation
        return {
            "network": "two-layer", "width": recipe.width, "n_classes": len(self._network.outer),
            "hidden_activation": recipe.hidden_activation, "output_activation": recipe.output_activation,
            "mean": list(mean), "std": list(std),
        }  # fmt: skip

    def step(self, images: Array, labels: NDArray[Any], learning_rate: float, start: Array | None) -> tuple[float, int]:
        """Mean loss and number of right answers of a batch before the step; start is not used."""
        loss, gradient, outputs = self._network.loss_and_gradient(images, labels, self._recipe.loss)
        self._network.inner -= np.float32(learning_rate) * gradient
        if self._prediction is not None:
            self._prediction.step(images, labels, self._recipe.loss, learning_rate)
        return loss, int((outputs.argmax(axis=1) == labels).sum())

    def evaluated(self) -> TwoLayer:
        """The network of now, until the next step."""
        return self._network

    def predicted(self) -> Prediction | None:
        """Theory's, after as many steps."""
        return self._prediction

    def state(self) -> dict[str, Array]:
        """Weights by name, copied."""
        return {INNER: self._network.inner.copy(), OUTER: self._network.outer.copy()}

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All that a step changes, for a checkpoint."""
        found = {INNER: self._network.inner.copy()}
        return found if self._prediction is None else {**found, "predicted": self._prediction.moved.copy()}

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Go on from `arrays` of an earlier run. Raises InputError if they are of another network."""
        for name, own in self.arrays().items():
            if name not in arrays or arrays[name].shape != own.shape:
                raise InputError(f"checkpoint lacks {name} of shape {own.shape}: it is of another run")
        self._network.inner[:] = arrays[INNER]
        if self._prediction is not None:
            self._prediction.moved[:] = arrays["predicted"]
