"""The low-pass filter as a defence: in front of a network, and in the eyes of an attacker who knows it.

The filter P is a projection and its own adjoint: the gradient through it is P of the gradient behind it.
[paper: Section 4.3]
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from deep_check.ops.attack_step_cpu import clip_box_gradient
from deep_check.ops.spectral_mask_cpu import low_pass
from deep_check.resnet import InputGradient
from theory_sim.errors import require

Array = NDArray[np.float32]
MASKS = ("disc", "square")
LARGEST_CUTOFF = 23.0  # the disc of this radius holds every frequency of 32x32


class Target(Protocol):
    """What can be attacked: a `ResNet`, or one behind a filter; losses are its logits' (`ops.loss_reference`)."""

    def __call__(self, images: Array) -> Array:
        """Logits (n, n_classes)."""

    def input_gradient(self, images: Array, labels: NDArray[Any], loss: str) -> tuple[Array, Array, Array]:
        """Losses (n,), their gradients by the images, logits."""


@dataclass(frozen=True)
class LowPass:
    """Every channel's frequencies |k| <= cutoff and no others; the result is not clipped to [0, 1] unless asked.

    mask: "disc" around zero frequency, or "square". Raises InputError on a cut-off outside of 0 ... 23 (0 keeps the
    mean, 23 everything) and on another mask.
    """

    cutoff: float
    mask: str = "disc"
    clip: bool = False

    def __post_init__(self) -> None:
        good = np.isfinite(self.cutoff) and 0 <= self.cutoff <= LARGEST_CUTOFF
        require(bool(good), f"cut-off {self.cutoff}: allowed is 0 ... {LARGEST_CUTOFF:g} (0 keeps the mean, 23 all)")
        require(self.mask in MASKS, f"mask {self.mask!r}: allowed are {', '.join(MASKS)}")

    def apply(self, images: Array) -> Array:
        """Filtered images, (n, c, h, w) float32."""
        filtered = low_pass(images, self.cutoff, self.mask)
        return np.clip(filtered, 0, 1) if self.clip else filtered

    def pull_back(self, images: Array, gradient: Array) -> Array:
        """The gradient by the images of what has this gradient by the filtered images."""
        if self.clip:
            filtered = low_pass(images, self.cutoff, self.mask)
            gradient = clip_box_gradient(gradient, filtered)
        return low_pass(gradient, self.cutoff, self.mask)


@dataclass(frozen=True)
class Filtered:
    """A network behind a filter, as an attacker sees it who knows both."""

    network: Target
    filter: LowPass

    def __call__(self, images: Array) -> Array:
        """Logits of the filtered images."""
        return self.network(self.filter.apply(images))

    def input_gradient(self, images: Array, labels: NDArray[Any], loss: str) -> InputGradient:
        """Losses of the filtered images, their gradients by the images before the filter, logits."""
        losses, gradient, logits = self.network.input_gradient(self.filter.apply(images), labels, loss)
        return InputGradient(losses, self.filter.pull_back(images, gradient), logits)
