"""The low-pass filter in front of a network on a CUDA device, as `deep_check.filtering.LowPass` is on the CPU."""

from __future__ import annotations

from typing import Any, Literal

from deep_check.cuda.device import Device
from deep_check.ops.attack_step_cuda import clip_box, clip_box_gradient
from deep_check.ops.spectral_mask_cuda import LowPass


class LowPassBefore:
    """What images pass on their way to the network, and gradients on their way back; for one shape (n, c, h, w).

    Plans and memory are made here: nothing is allocated later. clip: filtered images are clipped to [0, 1].
    """

    def __init__(
        self,
        device: Device,
        shape: tuple[int, int, int, int],
        cutoff: float,
        mask: Literal["disc", "square"] = "disc",
        clip: bool = False,
    ) -> None:
        """Raises InputError as `ops.spectral_mask_cuda.LowPass`."""
        self._device, self._clip = device, clip
        self._low_pass = LowPass(device, shape, cutoff, mask)

    def apply(self, images: Any, out: Any) -> None:
        """Fill out from images, float32."""
        self._low_pass(images, out)
        if self._clip:
            clip_box(self._device, out, out)

    def pull_back(self, filtered: Any, gradient: Any) -> None:
        """Make the gradient by the filtered images, those that `apply` filled, one by the images; in place."""
        if self._clip:
            clip_box_gradient(self._device, gradient, filtered, gradient)
        self._low_pass(gradient, gradient)
