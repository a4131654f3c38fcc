"""Square attack: random search with squares, which needs logits and no gradient.

[Andriushchenko, Croce, Flammarion, Hein: Square Attack, ECCV 2020, Algorithms 1-3] Every random number is drawn by
counter from seed, image and query, so that an image's search does not depend on its batch. Two things are not as in
the authors' own code: positions reach the last row and column, as the paper says, and in l2 each image has positions
of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deep_check.attacks import BATCH, LARGEST_RADII, NORMS, Adversarial
from deep_check.checks import check_labels, check_seed, check_unit_range
from deep_check.filtering import Target
from deep_check.ops.loss_cpu import loss as loss_of
from deep_check.ops.square_cpu import GRID, grid, l2_proposals, linf_proposals, stripes
from theory_sim.errors import require

Array = NDArray[np.float32]
SHARES = {"linf": 0.05, "l2": 0.1}  # of pixels at the start [Section 5]; robust networks need more, up to 0.8
# From this share of the queries on, the share of pixels is that of the start divided by 2, 4, ... 512 [Section 5].
HALVINGS = (0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8)


@dataclass(frozen=True)
class Square:
    """share: of the pixels that the first square covers; None: the authors' (0.05 linf, 0.1 l2).

    Raises InputError on a value that is not allowed.
    """

    norm: str = "linf"
    radius: float = 8 / 255
    queries: int = 5000
    share: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        require(self.norm in NORMS, f"norm {self.norm!r}: allowed are {', '.join(NORMS)}")
        largest = LARGEST_RADII[self.norm]
        require(0 <= self.radius <= largest, f"radius {self.radius}: allowed is 0 ... {largest:g}")
        require(1 <= self.queries <= 2**25, f"queries {self.queries}: allowed is 1 ... 2^25")
        require(self.share is None or 0 < self.share <= 1, f"share {self.share}: allowed is above 0, up to 1")
        check_seed(self.seed)

    def side(self, query: int, size: int) -> int:
        """Side of the square that query number `query`, 1 ... queries - 1, changes in an image of size x size."""
        begun = int((query - 1) / self.queries * 10_000) / 10_000
        share = (self.share or SHARES[self.norm]) / 2 ** sum(begun > limit for limit in HALVINGS)
        side = round(float(np.sqrt(share)) * size)
        if self.norm == "linf":
            return min(max(side, 1), size - 1)
        largest = size - 1 - size % 2  # odd, so that a bump has a middle
        return min(max(side, 3) | 1, largest)


def run_square(
    target: Target,
    images: Array,
    labels: NDArray[Any],
    square: Square,
    report: Callable[[int, int], None] = lambda done, total: None,
    first: int = 0,
) -> Adversarial:
    """Images (n, c, h, h) where the search ended, at the latest when they fooled; losses: margins.

    What is wrong already stays as it is, and costs no query. first, report and errors: as of `attacks.run_attack`.
    """
    images = np.ascontiguousarray(images, np.float32)
    check_unit_range(images)
    labels = check_labels(labels, n := len(images), 1 << 30)
    require(images.shape[2] == images.shape[3] >= GRID, f"images of shape {images.shape}: allowed are squares")
    found, fooled, losses = images.copy(), np.zeros(n, bool), np.empty(n, np.float32)
    for begin in range(0, n, BATCH):
        own = slice(begin, begin + BATCH)

        def tell(queries: int, begin: int = begin) -> None:
            report(begin * square.queries + queries, n * square.queries)

        losses[own] = _search(target, images[own], labels[own], square, first + begin, found[own], fooled[own], tell)
    report(n * square.queries, n * square.queries)
    return Adversarial(found, fooled, losses)


def _search(
    target: Target,
    images: Array,
    labels: NDArray[np.int64],
    square: Square,
    first: int,
    best: Array,
    fooled: NDArray[np.bool_],
    tell: Callable[[int], None],
) -> Array:
    """Change best (at first the images) and fooled; the margins in the end."""

    def margins_of(x: Array, own: NDArray[np.int64]) -> tuple[Array, NDArray[np.bool_]]:
        logits = target(x)
        return loss_of(logits, labels[own], "margin")[0], logits.argmax(axis=1) != labels[own]

    margins, fooled[:] = margins_of(images, np.arange(len(images)))
    for query in range(square.queries):
        own = np.flatnonzero(~fooled)
        if not len(own):
            break
        x = np.empty((len(own), *images.shape[1:]), np.float32)
        arguments = best[own], images[own], first + own, query, np.uint64(square.seed), np.float64(square.radius)
        if query == 0:
            (stripes if square.norm == "linf" else grid)(*arguments, _bump(images.shape[2] // GRID), x)
        elif square.norm == "linf":
            linf_proposals(*arguments, square.side(query, images.shape[2]), x)
        else:
            l2_proposals(*arguments, _bump(square.side(query, images.shape[2])), x)
        found, wrong = margins_of(x, own)
        better = wrong | (found > margins[own]) | (query == 0)  # the search begins at the first one, whatever it costs
        best[own[better]], margins[own[better]], fooled[own[better]] = x[better], found[better], wrong[better]
        tell((query + 1) * len(images))
    return margins


@cache
def _bump(side: int) -> NDArray[np.float64]:
    """η of Algorithm 3: (side, side), its upper half a bump upwards and its lower half one downwards, of norm 1."""
    half = side // 2
    bump = np.concatenate([_half_bump(half, side), -_half_bump(side - half, side)])
    bump /= np.linalg.norm(bump)
    bump.setflags(write=False)
    return bump


def _half_bump(height: int, width: int) -> NDArray[np.float64]:
    """η(height, width): Σ over growing rectangles around the middle of 1/(k + 1)², of norm 1."""
    bump = np.zeros((height, width))
    for k in range(max(height, width) // 2 + 1):
        top, left = height // 2 - k, width // 2 - k
        bump[max(top, 0) : height // 2 + k + 1, max(left, 0) : width // 2 + k + 1] += 1 / (k + 1) ** 2
    return bump / np.linalg.norm(bump)
