"""The network as a user has it: weights in, logits and gradients out, on the CPU or on a GPU."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deep_check.architecture import Architecture
from deep_check.checks import (
    check_images,
    check_labels,
    check_loss,
    check_per_channel,
    check_precision,
    check_seed,
    choose_device,
    on_gpu,
)
from deep_check.initial import initial_state
from deep_check.normalisation import DEFAULT, NORMALISATIONS
from deep_check.weights import Weights, as_state, describe, load_weights, save_weights, usual_names
from theory_sim.errors import InputError, require

Array = NDArray[np.float32]


class InputGradient(NamedTuple):
    """losses (n,); gradient of each loss by its own image (n, c, h, w); logits (n, n_classes)."""

    losses: Array
    gradient: Array
    logits: Array


class LossAndGradients(NamedTuple):
    """Mean loss of the batch; its gradient by every parameter, by name; logits (n, n_classes)."""

    loss: float
    gradients: dict[str, Array]
    logits: Array


class ResNet:
    """A CIFAR ResNet of depth 6n + 2 (20, 32, 44, 56, 110) on images (n, 3, 32, 32) [He et al. 2016, Section 4.2].

    Images are floating-point numbers in units of the full range, 0 black and 1 white; they may lie outside. They are
    normalised inside of the network: mean and std belong to the weights. Any batch size; memory stays bounded. NumPy
    arrays give NumPy arrays; with device cuda, CuPy arrays give CuPy arrays. Same images, same device: same bits.

    >>> import numpy as np
    >>> net = ResNet(depth=20, device="cpu", seed=1)
    >>> images = np.full((2, 3, 32, 32), 0.5, np.float32)
    >>> net(images).shape
    (2, 10)
    >>> losses, gradient, logits = net.input_gradient(images, [3, 8], "cross_entropy")
    >>> gradient.shape
    (2, 3, 32, 32)
    """

    def __init__(
        self,
        depth: int = 32,
        device: str = "auto",
        n_classes: int = 10,
        mean: ArrayLike | None = None,
        std: ArrayLike | None = None,
        seed: int = 0,
        precision: str = "float32",
    ) -> None:
        """A network with random weights, for `seed`, until weights are loaded.

        device: "cpu", "cuda", or "auto": cuda where CuPy finds a GPU. mean, std: three numbers each, of the input's
        normalisation; default: what the weights' file says, or else ImageNet's (`NORMALISATIONS`). precision: of the
        convolutions' products on cuda, "float32", or on tensor cores "tf32" (logits good to some 1e-3) or "bf16" (some
        1e-2). Raises InputError on another depth, device or precision, where `cuda` cannot be had, and on a std <= 0.
        """
        self.architecture = Architecture(depth, n_classes)
        self.device = choose_device(device)
        self.precision = check_precision(precision, self.device)
        require((mean is None) == (std is None), "mean and std of the input: allowed are both or none")
        self._given = None if mean is None or std is None else self._normalisation(mean, std)
        self._mean, self._std = self._given or self._normalisation(*NORMALISATIONS[DEFAULT])
        self._state = initial_state(self.architecture, check_seed(seed))
        self._facts: dict[str, Any] = {}
        self._notes: tuple[str, ...] = ()
        self._attack: Any = None  # of deep_check.cpu or deep_check.cuda, made when first needed
        self._captured: Any = None  # attacks on it, on the GPU
        self._training: Any = None

    @classmethod
    def from_file(
        cls,
        path: str | Path,
        device: str = "auto",
        mean: ArrayLike | None = None,
        std: ArrayLike | None = None,
        precision: str = "float32",
    ) -> Self:
        """The network that a weights file fits, with its weights. Raises InputError as `load`."""
        weights = load_weights(Path(path))
        found = weights.architecture
        require(
            found == Architecture(found.depth, found.n_classes),
            f"weights {path} are of {describe(found)}: allowed are networks for colour images",
        )
        net = cls(found.depth, device, found.n_classes, mean, std, precision=precision)
        net._take(weights, f"weights {path}")
        return net

    @property
    def mean(self) -> NDArray[np.float64]:
        """Of the input's normalisation, (3,)."""
        return self._mean.copy()

    @property
    def std(self) -> NDArray[np.float64]:
        """Of the input's normalisation, (3,)."""
        return self._std.copy()

    def load(self, path: str | Path) -> tuple[str, ...]:
        """Take weights, and the normalisation if it is stored with them, from a .safetensors or .npz file.

        PyTorch's names of the usual CIFAR ResNets, with or without `module.`, `fc` for `linear`. Returns notes on what
        was converted, a line each. Raises InputError, and changes nothing, if the file cannot be read, is a pickle, or
        does not fit: missing, unexpected and misshaped entries are named, and NaN with its index.
        """
        weights = load_weights(Path(path), self.architecture)
        self._take(weights, f"weights {path}")
        return weights.notes

    def save(self, path: str | Path, facts: Mapping[str, Any] | None = None) -> None:
        """Write weights and normalisation to a .safetensors or .npz file, whole or not at all.

        facts: more to be stored with them, anything that JSON can hold. Raises InputError if it cannot be written.
        """
        own = {
            "depth": self.architecture.depth,
            "n_classes": self.architecture.n_classes,
            "mean": self._mean.tolist(),
            "std": self._std.tolist(),
        }
        content = {**self._facts, **(facts or {}), **own}
        save_weights(Path(path), Weights(self.architecture, self._state, content))

    @property
    def facts(self) -> dict[str, Any]:
        """What the loaded file says of its weights (training, accuracy, ...)."""
        return dict(self._facts)

    @property
    def notes(self) -> tuple[str, ...]:
        """What was converted when the file was loaded, a line each."""
        return self._notes

    def state_dict(self) -> dict[str, Array]:
        """Copies of all parameters and running statistics, by PyTorch's names."""
        return {name: values.copy() for name, values in self._state.items()}

    def load_state_dict(self, state: Mapping[str, NDArray[Any]]) -> tuple[str, ...]:
        """Take a state dict. Returns notes on what was converted. Raises InputError, and changes nothing, as `load`."""
        arrays = {name: np.asarray(values) for name, values in state.items()}
        self._state, notes = as_state(usual_names(arrays, "state dict"), self.architecture, "state dict")
        self._forget()
        return notes

    def __call__(self, images: ArrayLike) -> Array:
        """Logits (n, n_classes) float32 of images (n, 3, 32, 32), in evaluation mode.

        uint8 images are divided by 255; float64 is converted where float32 holds it exactly. Raises InputError on
        another type or shape, no images, NaN or infinity.
        """
        logits: Array = self._evaluating().logits(self._enter(images))
        return logits

    def input_gradient(self, images: ArrayLike, labels: ArrayLike, loss: str = "cross_entropy") -> InputGradient:
        """Losses, their gradients by the images in units of the images, and logits, in evaluation mode.

        labels: (n,) integers. loss: cross_entropy, mse, margin_mse or margin (see `deep_check.ops.loss_reference`), of
        each image by itself, not averaged. Raises InputError as `__call__`, on labels that are not classes and on
        another loss.
        """
        check_loss(loss)
        given = self._enter(images)
        known = check_labels(labels, len(given), self.architecture.n_classes)
        return InputGradient(*self._evaluating().input_gradient(given, known, loss))

    def loss_and_gradients(
        self,
        images: ArrayLike,
        labels: ArrayLike,
        loss: str = "cross_entropy",
        *,
        update_statistics: bool = False,
    ) -> LossAndGradients:
        """Mean loss of the batch and its gradients by all parameters, in training mode: with the batch's statistics.

        update_statistics: also move the running statistics towards the batch's, as a training step does. Raises
        InputError as `input_gradient`.
        """
        check_loss(loss)
        given = self._enter(images)
        known = check_labels(labels, len(given), self.architecture.n_classes)
        network = self._in_training()
        value, gradients, logits = network.loss_and_gradients(given, known, loss, update_statistics=update_statistics)
        if update_statistics:
            self._state = network.state()
            if self._attack is not None:
                self._attack.set_state(self._state)

        def own(array: Any) -> Any:  # the network's memory is overwritten by its next call
            return array.copy() if self.device == "cpu" or on_gpu(given) else network.device.fetch(array)

        return LossAndGradients(value, {name: own(array) for name, array in gradients.items()}, own(logits))

    def captured_attacks(self) -> Any:
        """`deep_check.cuda.attack.CapturedAttacks` on this network, None on the CPU; attacks look for it themselves."""
        if self.device == "cuda" and self._captured is None:
            self._captured = import_module("deep_check.cuda.attack").CapturedAttacks(self._evaluating())
        return self._captured

    def _normalisation(self, mean: ArrayLike, std: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        n_channels = self.architecture.in_channels
        return check_per_channel("mean", mean, n_channels), check_per_channel("std", std, n_channels, positive=True)

    def _take(self, weights: Weights, source: str) -> None:
        mean, std = weights.facts.get("mean"), weights.facts.get("std")
        require((mean is None) == (std is None), f"{source}: mean and std of the input: allowed are both or none")
        if mean is not None and std is not None:
            try:
                stored = self._normalisation(mean, std)
            except InputError as error:
                raise InputError(f"{source}: {error}") from None
            if self._given is not None:
                same = all(np.array_equal(a, b) for a, b in zip(stored, self._given, strict=True))
                require(same, f"{source} was made for mean {mean} and std {std}: allowed is to give these or none")
            self._mean, self._std = stored
        else:
            self._mean, self._std = self._given or self._normalisation(*NORMALISATIONS[DEFAULT])
        self._state, self._facts, self._notes = weights.state, dict(weights.facts), weights.notes
        self._attack = self._captured = self._training = None  # the normalisation may be another

    def _forget(self) -> None:
        """The state has changed, the normalisation has not: memory planned for training stays."""
        for network in filter(None, (self._attack, self._training)):
            network.set_state(self._state)

    def _enter(self, images: ArrayLike) -> Array:
        require(
            self.device == "cuda" or not on_gpu(images),
            "images on a GPU with device cpu: allowed are NumPy arrays, or a network on device cuda",
        )
        return check_images(images, self.architecture)

    def _evaluating(self) -> Any:
        if self._attack is None:
            self._attack = self._make("attack_network", "AttackNetwork")
        return self._attack

    def _in_training(self) -> Any:
        if self._training is None:
            self._training = self._make("training_network", "TrainingNetwork")
        return self._training

    def _make(self, module: str, name: str) -> Any:
        made = getattr(import_module(f"deep_check.{self.device}.{module}"), name)
        options = {"precision": self.precision} if self.device == "cuda" else {}
        return made(self.architecture, self._state, self._mean, self._std, **options)
