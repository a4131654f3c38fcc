"""The random numbers of training: order of the images, crops, flips, starts of attacks; all by counter.

What an epoch draws depends on seed, epoch and place alone, so that a run that goes on after an interruption draws what
it would have drawn.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from theory_sim.counter_random import fill_uniforms

# Streams: far from those of theory_sim and of the weights; starts have one an epoch.
ORDER, ROWS, COLUMNS, FLIPS, OBSERVED, STARTS = 80, 81, 82, 83, 84, 1000


def _uniforms(seed: int, stream: int, row: int, n: int) -> NDArray[np.float64]:
    out = np.empty(n)
    fill_uniforms(np.uint64(seed), stream, row, out)
    return out


def order_of_images(seed: int, epoch: int, n: int) -> NDArray[np.intp]:
    """A permutation of 0 ... n - 1."""
    return np.argsort(_uniforms(seed, ORDER, epoch, n), kind="stable")


def crops_and_flips(seed: int, epoch: int, n: int, padding: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Offsets (n, 2) in 0 ... 2·padding and flips (n,), by place in the epoch's order."""
    offsets = [_uniforms(seed, stream, epoch, n) * (2 * padding + 1) for stream in (ROWS, COLUMNS)]
    return np.stack(offsets, axis=1).astype(np.int64), _uniforms(seed, FLIPS, epoch, n) < 0.5


def observed_images(seed: int, step: int, n: int, size: int) -> NDArray[np.intp]:
    """`size` of the numbers 0 ... n - 1, or all n, without repetition: the images looked at before a step's update."""
    return np.argsort(_uniforms(seed, OBSERVED, step, n), kind="stable")[:size]


def starts(seed: int, epoch: int, first: int, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Uniform in [-1, 1], (n, ...), of the images at places first ... first + n - 1 of the epoch's order."""
    size = int(np.prod(shape[1:]))
    drawn = [_uniforms(seed, STARTS + epoch, first + i, size) for i in range(shape[0])]
    return (2 * np.array(drawn) - 1).astype(np.float32).reshape(shape)
