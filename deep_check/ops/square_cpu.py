"""Proposals of the Square attack, for a batch of images; see `deep_check.square`. [Andriushchenko et al. 2020]."""

from __future__ import annotations

import numpy as np

from deep_check.ops.lanes import kernel
from deep_check.random_balls import SQUARES
from theory_sim.counter_random import MASK, S32, philox

GRID = 5  # the l2 search begins with a grid of GRID x GRID bumps
DRAWS = 64  # blocks of random words a query: positions, then attempts at signs


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
def stripes(best, origin, numbers, query, seed, radius, bump, out):  # type: ignore[no-untyped-def]
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
def linf_proposals(best, origin, numbers, query, seed, radius, side, out):  # type: ignore[no-untyped-def]
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
def grid(best, origin, numbers, query, seed, radius, bump, out):  # type: ignore[no-untyped-def]
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
def l2_proposals(best, origin, numbers, query, seed, radius, bump, out):  # type: ignore[no-untyped-def]
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
