"""Projected gradient descent on images that stay on the device, a step captured once and replayed [paper: Eq. 18]."""

from __future__ import annotations

from typing import Any

import numpy as np

from deep_check.cuda.attack_network import AttackNetwork
from deep_check.ops.attack_step_cuda import pgd_l2_step, pgd_linf_step
from theory_sim.errors import require

NORMS = {"linf": pgd_linf_step, "l2": pgd_l2_step}


class PgdSteps:
    """Steps on n images at once: gradient of the loss, step, projection to the ball around the origin, box [0, 1].

    norm: "linf" takes sign steps, "l2" normalised ones. One CUDA graph a step; it uses the network's weights as they
    are when it runs.
    """

    def __init__(
        self, network: AttackNetwork, n: int, loss: str, step_size: float, radius: float, norm: str = "linf"
    ) -> None:
        """Raises InputError on an unknown loss or norm, and on n < 1."""
        require(norm in NORMS, f"norm {norm!r}: allowed are {', '.join(NORMS)}")
        require(n >= 1, f"{n} images: allowed is >= 1")
        self._device = device = network.device
        self._room = room = network.make_room(n)
        self._origin = origin = device.empty(room.images.shape, np.float32)
        move = NORMS[norm]

        def work() -> None:  # it is kept: without `self` in it, memory goes when the steps go
            network.forward(room)
            network.backward(room, loss)
            move(device, room.images, origin, room.d_images, step_size, radius, room.images)

        self.step = device.capture(work)

    def start(self, images: Any, labels: Any, start: Any = None) -> None:
        """Begin at `start` (the images themselves if None) with balls around images, (n, c, h, w); labels: (n,)."""
        self._device.write(self._origin, images)
        self._device.write(self._room.images, images if start is None else start)
        self._device.write(self._room.labels, labels.astype(np.int32))

    @property
    def images(self) -> Any:
        """Where the steps have led to; the device's own memory, as all that follows."""
        return self._room.images

    @property
    def logits(self) -> Any:
        """(n, n_classes) of the images before the last step."""
        return self._room.logits

    @property
    def losses(self) -> Any:
        """(n,) of the images before the last step."""
        return self._room.losses
