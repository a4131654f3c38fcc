"""Projected gradient descent on images that stay on the device, steps captured once and replayed [paper: Eq. 18]."""

from __future__ import annotations

from typing import Any

import numpy as np

from deep_check.cuda.attack_network import AttackNetwork
from deep_check.cuda.filtering import LowPassBefore
from deep_check.ops.attack_step_cuda import pgd_l2_step, pgd_linf_step
from theory_sim.errors import require

NORMS = {"linf": pgd_linf_step, "l2": pgd_l2_step}


class PgdSteps:
    """Steps on n images at once: gradient of the loss, step, projection to the ball around the origin, box [0, 1].

    norm: "linf" takes sign steps, "l2" normalised ones; step_size < 0 makes the loss small. One CUDA graph of n_steps
    steps without a wait in it; it uses the network's weights as they are when it runs. low_pass: a filter that the
    images pass before the network.
    """

    def __init__(
        self,
        network: AttackNetwork,
        n: int,
        loss: str,
        step_size: float,
        radius: float,
        norm: str = "linf",
        n_steps: int = 1,
        low_pass: LowPassBefore | None = None,
    ) -> None:
        """Raises InputError on an unknown loss or norm, and on n or n_steps < 1."""
        require(norm in NORMS, f"norm {norm!r}: allowed are {', '.join(NORMS)}")
        require(n >= 1, f"{n} images: allowed is >= 1")
        require(n_steps >= 1, f"{n_steps} steps: allowed is >= 1")
        self._device = device = network.device
        self._room = room = network.make_room(n)
        self._origin = origin = device.empty(room.images.shape, np.float32)
        self._x = x = room.images if low_pass is None else device.empty(room.images.shape, np.float32)
        move = NORMS[norm]

        def one() -> None:  # it is kept: without `self` in it, memory goes when the steps go
            if low_pass is not None:
                low_pass.apply(x, room.images)
            network.forward(room)
            network.backward(room, loss)
            if low_pass is not None:
                low_pass.pull_back(room.images, room.d_images)
            move(device, x, origin, room.d_images, step_size, radius, x)

        def work() -> None:
            for _ in range(n_steps):
                one()

        self.step = device.capture(work, one)

    def start(self, images: Any, labels: Any, start: Any = None) -> None:
        """Begin at `start` (the images themselves if None) with balls around images, (n, c, h, w); labels: (n,)."""
        self._device.write(self._origin, images)
        self._device.write(self._x, images if start is None else start)
        self._device.write(self._room.labels, labels.astype(np.int32))

    @property
    def origin(self) -> Any:
        """Centres of the balls, (n, c, h, w); the device's own memory, as all that follows."""
        return self._origin

    @property
    def images(self) -> Any:
        """Where the steps have led to."""
        return self._x

    @property
    def labels(self) -> Any:
        """(n,) int32."""
        return self._room.labels

    @property
    def logits(self) -> Any:
        """(n, n_classes) of the images before the last step."""
        return self._room.logits

    @property
    def losses(self) -> Any:
        """(n,) of the images before the last step."""
        return self._room.losses
