"""Random noise as an attack: the worst of many draws. What it finds, every real attack must find as well."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deep_check.attacks import BATCH, LARGEST_RADII, NORMS, Adversarial, into_ball
from deep_check.checks import check_labels, check_seed, check_unit_range
from deep_check.filtering import Target
from deep_check.ops.loss_cpu import loss as loss_of
from deep_check.random_balls import LENGTHS, NOISE, random_deltas
from theory_sim.errors import require

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Noise:
    """Draws uniform in the ball, until one fools. Raises InputError on a value that is not allowed."""

    norm: str = "linf"
    radius: float = 8 / 255
    draws: int = 100
    seed: int = 0

    def __post_init__(self) -> None:
        require(self.norm in NORMS, f"norm {self.norm!r}: allowed are {', '.join(NORMS)}")
        largest = LARGEST_RADII[self.norm]
        require(0 <= self.radius <= largest, f"radius {self.radius}: allowed is 0 ... {largest:g}")
        require(1 <= self.draws <= LENGTHS, f"draws {self.draws}: allowed is 1 ... {LENGTHS}")
        check_seed(self.seed)


def run_noise(
    target: Target,
    images: Array,
    labels: NDArray[Any],
    noise: Noise,
    report: Callable[[int, int], None] = lambda done, total: None,
    first: int = 0,
) -> Adversarial:
    """Images (n, c, h, w) with the draw of the largest margin loss, the first one that fools; logits are all it needs.

    first, report and errors: as of `attacks.run_attack`.
    """
    images = np.ascontiguousarray(images, np.float32)
    check_unit_range(images)
    labels = check_labels(labels, n := len(images), 1 << 30)
    found, fooled, losses = images.copy(), np.zeros(n, bool), np.full(n, -np.inf, np.float32)
    for draw in range(noise.draws):
        standing = np.flatnonzero(~fooled)
        for begin in range(0, len(standing), BATCH):
            own = standing[begin : begin + BATCH]
            deltas = random_deltas(noise.norm, noise.radius, images.shape[1:], first + own, noise.seed, NOISE + draw)
            x = into_ball(images[own] + deltas, images[own], noise.norm, noise.radius)
            logits = target(x)
            margins = loss_of(logits, labels[own], "margin")[0]
            fooled[own] = logits.argmax(axis=1) != labels[own]
            better = margins > losses[own]
            found[own[better]], losses[own[better]] = x[better], margins[better]
        report((draw + 1) * n, noise.draws * n)
    return Adversarial(found, fooled, losses)
