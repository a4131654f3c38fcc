"""Attacks of `deep_check.attacks` whose steps all run on the GPU: one CUDA graph a batch, no wait inside.

Starts are drawn, and what is found is judged, as on the CPU.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from deep_check.cuda.attack_network import AttackNetwork
from deep_check.cuda.filtering import LowPassBefore
from deep_check.cuda.layers import Rooms
from deep_check.cuda.pgd import PgdSteps
from deep_check.filtering import Filtered, LowPass, Target

if TYPE_CHECKING:
    from deep_check.attacks import Attack

Array = NDArray[np.float32]
CAPTURED_BATCH = 1000  # images at once: enough to fill a large GPU


def captured_climb(target: Target, attack: Attack) -> Callable[[Array, Array, NDArray[Any]], Array] | None:
    """On a GPU, what takes all steps of a restart at once, (start, images, labels) -> images; None elsewhere.

    A target without `captured_attacks`, several filters, and an early stop need the steps one by one.
    """
    network, filter_ = (target.network, target.filter) if isinstance(target, Filtered) else (target, None)
    attacks = getattr(network, "captured_attacks", lambda: None)()
    if attacks is None or attack.early_stop:
        return None
    return lambda start, images, labels: attacks.climb(start, images, labels, attack, filter_)


class _Kind(NamedTuple):
    """What a graph is captured for."""

    n: int
    loss: str
    step_size: float
    radius: float
    norm: str
    n_steps: int
    filter: LowPass | None


class CapturedAttacks:
    """Attacks on one network, with the weights that it has when they run; the last two kinds of batch stay captured."""

    def __init__(self, network: AttackNetwork) -> None:
        """Nothing is captured yet."""
        self._network = network
        self._kept = Rooms[_Kind, PgdSteps]()

    def climb(
        self, start: Array, images: Array, labels: NDArray[Any], attack: Attack, filter_: LowPass | None = None
    ) -> Array:
        """Where all steps of one restart lead to from `start`, in the ball around images (n, c, h, w); a new array.

        filter_: before the network, known to the attacker. attack: without an early stop. Raises InputError on an
        unknown loss or norm.
        """
        size = -attack.step_size if attack.targeted else attack.step_size
        kind = _Kind(len(start), attack.loss, size, attack.radius, attack.norm, attack.steps, filter_)
        steps = self._kept.of(kind, self._capture)
        steps.start(images, labels, start)
        steps.step()
        return np.asarray(self._network.device.fetch(steps.images))

    def _capture(self, kind: _Kind) -> PgdSteps:
        architecture, known, before = self._network.architecture, kind.filter, None
        if known is not None:
            shape = kind.n, architecture.in_channels, architecture.size, architecture.size
            mask: Literal["disc", "square"] = "square" if known.mask == "square" else "disc"
            before = LowPassBefore(self._network.device, shape, known.cutoff, mask, known.clip)
        return PgdSteps(self._network, *kind[:6], before)
