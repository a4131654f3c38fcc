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
from deep_check.ops.lanes import kernel
from deep_check.ops.loss_cpu import loss as loss_of
from deep_check.random_balls import SQUARES
from theory_sim.counter_random import MASK, S32, philox
from theory_sim.errors import require

Array = NDArray[np.float32]
SHARES = {"linf": 0.05, "l2": 0.1}  # of pixels at the start [Section 5]; robust networks need more, up to 0.8
# From this share of the queries on, the share of pixels is that of the start divided by 2, 4, ... 512 [Section 5].
HALVINGS = (0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8)
GRID = 5  # the l2 search begins with a grid of GRID x GRID bumps
DRAWS = 64  # blocks of random words a query: positions, then attempts at signs


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
            (_stripes if square.norm == "linf" else _grid)(*arguments, _bump(images.shape[2] // GRID), x)
        elif square.norm == "linf":
            _linf_proposals(*arguments, square.side(query, images.shape[2]), x)
        else:
            _l2_proposals(*arguments, _bump(square.side(query, images.shape[2])), x)
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


@kernel
def _words(number, query, block, seed):  # type: ignore[no-untyped-def]
    """Four random 32-bit words."""
    index = np.uint64(query) * np.uint64(DRAWS) + np.uint64(block)
    return philox(index, np.uint64(number), np.uint64(SQUARES), seed & MASK, seed >> S32)


@kernel
def _place(word, n):  # type: ignore[no-untyped-def]
    """0 ... n - 1 from a 32-bit word."""
    return np.int64((word * np.uint64(n)) >> S32)


@kernel
def _box(value):  # type: ignore[no-untyped-def]
    value = 0.0 if value < 0.0 else value
    return np.float32(1.0 if value > 1.0 else value)


@kernel
def _inside(origin, delta, radius):  # type: ignore[no-untyped-def]
    """origin + delta in [0, 1], where float32's own distance from the origin is at most the radius."""
    value = _box(np.float64(origin) + delta)
    low, high = origin - np.float32(radius), origin + np.float32(radius)
    value = low if value < low else value
    return _box(high if value > high else value)


@kernel
def _stripes(best, origin, numbers, query, seed, radius, bump, out):  # type: ignore[no-untyped-def]
    """Vertical stripes of ±radius, each of one colour channel, and one pixel wide."""
    n_images, channels, height, width = origin.shape
    for n in range(n_images):
        for i in range(channels * width):
            c, j = i // width, i % width
            word = _words(numbers[n], query, i // 128, seed)[i // 32 % 4]
            delta = radius if (word >> np.uint64(i % 32)) & np.uint64(1) else -radius
            for row in range(height):
                out[n, c, row, j] = _inside(origin[n, c, row, j], delta, radius)


@kernel
def _linf_proposals(best, origin, numbers, query, seed, radius, side, out):  # type: ignore[no-untyped-def]
    """A square of ±radius, one sign a channel, that changes something."""
    n_images, channels, height, width = origin.shape
    for n in range(n_images):
        out[n] = best[n]
        words = _words(numbers[n], query, 0, seed)
        top, left = _place(words[0], height - side + 1), _place(words[1], width - side + 1)
        changed, attempt = False, 1
        while not changed and attempt < DRAWS:
            signs = _words(numbers[n], query, attempt, seed)[0]
            for c in range(channels):
                delta = radius if (signs >> np.uint64(c)) & np.uint64(1) else -radius
                for i in range(top, top + side):
                    for j in range(left, left + side):
                        out[n, c, i, j] = _inside(origin[n, c, i, j], delta, radius)
                        changed = changed or abs(out[n, c, i, j] - best[n, c, i, j]) >= 1e-7
            attempt += 1


@kernel
def _grid(best, origin, numbers, query, seed, radius, bump, out):  # type: ignore[no-untyped-def]
    """GRID x GRID bumps side by side, one sign each and a channel, of norm radius together."""
    n_images, channels, height, width = origin.shape
    side = bump.shape[0]
    first = (height - GRID * side) // 2
    for n in range(n_images):
        delta = np.zeros((channels, height, width))
        for place in range(GRID * GRID):
            top, left = first + place // GRID * side, first + place % GRID * side
            words = _words(numbers[n], query, place, seed)
            flipped = (words[1] & np.uint64(1)) != np.uint64(0)
            for c in range(channels):
                sign = 1.0 if (words[0] >> np.uint64(c)) & np.uint64(1) else -1.0
                for i in range(side):
                    for j in range(side):
                        delta[c, top + i, left + j] = sign * (bump[j, i] if flipped else bump[i, j])
        _scaled(delta, origin[n], radius, out[n])


@kernel
def _l2_proposals(best, origin, numbers, query, seed, radius, bump, out):  # type: ignore[no-untyped-def]
    """Take the budget of one window away, and spend it with what is left on a bump in another one [Algorithm 3]."""
    n_images, channels, height, width = origin.shape
    side = bump.shape[0]
    for n in range(n_images):
        delta = best[n].astype(np.float64) - origin[n]
        left_over = max(radius * radius - (delta * delta).sum(), 0.0) / channels
        words, others = _words(numbers[n], query, 0, seed), _words(numbers[n], query, 1, seed)
        top, left = _place(words[0], height - side + 1), _place(words[1], width - side + 1)
        top_2, left_2 = _place(words[2], height - side + 1), _place(words[3], width - side + 1)
        flipped = (others[1] & np.uint64(1)) != np.uint64(0)
        for c in range(channels):
            window = delta[c, top : top + side, left : left + side]
            cleared = delta[c, top_2 : top_2 + side, left_2 : left_2 + side]
            old = window.copy()
            here = (old * old).sum()
            window[:] = 0.0
            budget = left_over + here + (cleared * cleared).sum()  # of both windows, what they share counted once
            cleared[:] = 0.0
            sign = 1.0 if (others[0] >> np.uint64(c)) & np.uint64(1) else -1.0
            new = old / (1e-10 + np.sqrt(here)) + sign * (bump.T if flipped else bump)
            length = np.sqrt((new * new).sum())
            if length > 0:
                window[:] = new * (np.sqrt(budget) / length)
        _scaled(delta, origin[n], radius, out[n])


@kernel
def _scaled(delta, origin, radius, out):  # type: ignore[no-untyped-def]
    """Fill out: origin + delta at the length radius, in [0, 1]."""
    length = np.sqrt((delta * delta).sum())
    scale = radius / length if length > 0 else 0.0
    channels, height, width = origin.shape
    for c in range(channels):
        for i in range(height):
            for j in range(width):
                out[c, i, j] = _box(origin[c, i, j] + scale * delta[c, i, j])
