"""The random numbers of training: order of the images, crops, flips, starts of attacks.

Philox words by counter [Salmon et al. 2011], as NumPy's bit generator gives them: what an epoch draws depends on seed
and epoch alone, so that a run that goes on after an interruption draws what it would have drawn.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

ORDER, CROPS, STARTS = range(3)  # streams


def _words(seed: int, stream: int, epoch: int, n: int) -> NDArray[np.uint64]:
    generator = np.random.Philox(key=np.array([seed, stream], np.uint64), counter=np.array([0, 0, epoch, 0], np.uint64))
    return np.asarray(generator.random_raw(n))


def order_of_images(seed: int, epoch: int, n: int) -> NDArray[np.intp]:
    """A permutation of 0 ... n - 1."""
    return np.argsort(_words(seed, ORDER, epoch, n), kind="stable")


def crops_and_flips(seed: int, epoch: int, n: int, padding: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Offsets (n, 2) in 0 ... 2·padding and flips (n,), by place in the epoch's order."""
    words = _words(seed, CROPS, epoch, n)
    side = np.uint64(2 * padding + 1)
    rows, columns = (words >> np.uint64(1)) % side, (words >> np.uint64(32)) % side
    return np.stack([rows, columns], axis=1).astype(np.int64), (words & np.uint64(1)).astype(bool)


def starts(seed: int, epoch: int, first: int, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Uniform in [-1, 1), (n, ...), of the images at places first ... first + n - 1 of the epoch's order."""
    size = int(np.prod(shape[1:]))
    generator = np.random.Philox(
        key=np.array([seed, STARTS], np.uint64), counter=np.array([0, first, epoch, 0], np.uint64)
    )
    words = np.asarray(generator.random_raw(shape[0] * size))
    # 24 bits: every value is a float32
    return ((words >> np.uint64(40)).astype(np.float32) * np.float32(2**-23) - np.float32(1)).reshape(shape)
