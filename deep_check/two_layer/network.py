"""f_c(x) = ψ(Σ_r A_cr φ(w_r·x)), ten outputs, W trained, A fixed: the theory's network [paper: Eq. 1] with classes.

The paper has one output and, for its experiment, only words: an input of 3·32·32, ReLU, 500 hidden units, a sigmoid
[paper: Appendix C.2]. φ = ReLU and ψ = sigmoid is how we read them; other readings are options.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, wraps
from pathlib import Path
from typing import Any, ParamSpec, Self, TypeVar

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from deep_check.normalisation import NORMALISATIONS, Normalisation
from deep_check.ops.loss_cpu import loss as loss_of
from deep_check.resnet import InputGradient
from deep_check.two_layer.activations import HIDDEN, OUTPUT, activate
from deep_check.weights_files import read
from theory_sim.counter_random import fill_normals
from theory_sim.errors import InputError, require

Array = NDArray[np.float32]
INNER, OUTER = "inner.weight", "outer.weight"  # names in files
STREAM = 66  # of W, the next is A's: far from those of theory_sim, of ResNets and of training
SHAPE = (3, 32, 32)
P = ParamSpec("P")
T = TypeVar("T")


@cache
def _pools() -> ThreadpoolController:
    return ThreadpoolController()


def one_thread(work: Callable[P, T]) -> Callable[P, T]:
    """`work` with NumPy's products on one thread: its threads wait for each other in loops, and fight on busy cores."""

    @wraps(work)
    def limited(*args: P.args, **kwargs: P.kwargs) -> T:
        with _pools().limit(limits=1):
            return work(*args, **kwargs)

    return limited


@dataclass(frozen=True)
class Reading:
    """What the paper's words leave open. hidden: φ, of HIDDEN; output: ψ, of OUTPUT. Raises InputError on others."""

    hidden: str = "relu"
    output: str = "sigmoid"
    normalisation: Normalisation = NORMALISATIONS["cifar10"]

    def __post_init__(self) -> None:
        require(self.hidden in HIDDEN, f"hidden activation {self.hidden!r}: allowed are {', '.join(HIDDEN)}")
        require(self.output in OUTPUT, f"output activation {self.output!r}: allowed are {', '.join(OUTPUT)}")

    def rows(self, images: Array) -> Array:
        """x (n, d) of images (n, 3, 32, 32) in [0, 1]: normalised by channel, flat."""
        mean, std = (np.array(part, np.float32)[:, None, None] for part in self.normalisation)
        return np.asarray((images - mean) / std, np.float32).reshape(len(images), -1)

    def pull_back(self, d_rows: NDArray[Any]) -> Array:
        """The gradient by the images of what has this gradient by their rows."""
        std = np.array(self.normalisation.std, np.float32)[:, None, None]
        return np.asarray(d_rows.reshape(-1, *SHAPE) / std, np.float32)


class TwoLayer:
    """The network as it can be attacked; float32, products by NumPy.

    inner: W (width, 3072); outer: A (n_classes, width). Losses are taken of the outputs, behind ψ, as in training. The
    same images in the same batch have the same bits.
    """

    def __init__(
        self, inner: Array, outer: Array, reading: Reading | None = None, facts: Mapping[str, Any] | None = None
    ) -> None:
        """inner is kept, not copied. Raises InputError on shapes that do not fit."""
        good = inner.ndim == outer.ndim == 2 and inner.shape == (outer.shape[1], int(np.prod(SHAPE)))
        require(good, f"weights of shapes {inner.shape} and {outer.shape}: allowed are (width, 3072), (classes, width)")
        self.inner, self.outer = inner, outer
        self.reading = reading or Reading()
        self.facts: dict[str, Any] = dict(facts or {})

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """From what training has written. Raises InputError if the file is not of such a network."""
        arrays, facts = read(Path(path))
        require(set(arrays) == {INNER, OUTER}, f"weights {path}: allowed are the two arrays {INNER} and {OUTER}")
        for name, values in arrays.items():
            require(bool(np.isfinite(values).all()), f"weights {path}: {name} holds NaN or infinity")
        try:
            constants = Normalisation(tuple(facts["mean"]), tuple(facts["std"]))
            reading = Reading(facts["hidden_activation"], facts["output_activation"], constants)
        except (KeyError, TypeError):
            raise InputError(f"weights {path}: the file does not say activations, mean and std") from None
        inner, outer = (np.array(arrays[name], np.float32) for name in (INNER, OUTER))
        return cls(inner, outer, reading, facts)

    @one_thread
    def __call__(self, images: Array) -> Array:
        """Outputs (n, n_classes), behind ψ."""
        hidden = activate(self.reading.hidden, self.reading.rows(images) @ self.inner.T)[0]
        return activate(self.reading.output, hidden @ self.outer.T)[0]

    @one_thread
    def input_gradient(self, images: Array, labels: NDArray[Any], loss: str) -> InputGradient:
        """Losses (n,) of the outputs, the gradient of each by its own image, outputs."""
        losses, outputs, d_sums, _ = self._back(self.reading.rows(images), labels, loss)
        return InputGradient(losses, self.reading.pull_back(d_sums @ self.inner), outputs)

    @one_thread
    def loss_and_gradient(self, images: Array, labels: NDArray[Any], loss: str) -> tuple[float, Array, Array]:
        """Mean loss of the batch, its gradient by W, outputs (n, n_classes)."""
        rows = self.reading.rows(images)
        losses, outputs, d_sums, _ = self._back(rows, labels, loss)
        return float(losses.mean(dtype=float)), d_sums.T @ rows / np.float32(len(rows)), outputs

    def _back(self, rows: Array, labels: NDArray[Any], loss: str) -> tuple[Array, Array, Array, Array]:
        """Losses, outputs, and the gradients by s = Wx (n, width) and by the sums before ψ (n, n_classes)."""
        hidden, slope, _ = activate(self.reading.hidden, rows @ self.inner.T)
        outputs, steepness, _ = activate(self.reading.output, hidden @ self.outer.T)
        losses, d_outputs = loss_of(outputs, labels, loss)
        d_logits = d_outputs * steepness
        return losses, outputs, d_logits @ self.outer * slope, d_logits


def initial_weights(width: int, seed: int, n_classes: int = 10) -> tuple[Array, Array]:
    """W (width, 3072) with N(0, 2/3072) and A (n_classes, width) with N(0, 1/width) entries, drawn by counter."""
    size = int(np.prod(SHAPE))
    drawn = []
    for i, (shape, variance) in enumerate((((width, size), 2 / size), ((n_classes, width), 1 / width))):
        values = np.empty(shape)
        for row, out in enumerate(values):
            fill_normals(np.uint64(seed), STREAM + i, row, float(np.sqrt(variance)), out)
        drawn.append(values.astype(np.float32))
    return drawn[0], drawn[1]
