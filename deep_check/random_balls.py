"""Random points of balls around images, drawn by counter: what an image gets depends on its own number alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from theory_sim.counter_random import fill_normals, fill_uniforms

# Streams of random numbers, beyond those of training: one a restart or a draw, fewer than LENGTHS. An l2 draw takes a
# second one, LENGTHS further. CONTROLS: of what experiments compare perturbations with.
STARTS, LENGTHS, NOISE, SQUARES, TARGETS, CONTROLS = 100_000, 100_000, 300_000, 500_000, 500_001, 700_000


def random_deltas(
    norm: str, radius: float, shape: tuple[int, ...], numbers: NDArray[np.int64], seed: int, stream: int
) -> NDArray[np.float32]:
    """Uniform in the ball |δ| <= radius of norm "linf" or "l2", one δ of `shape` an image: (n, *shape) float32.

    numbers: (n,), of the images; same number, seed and stream: same bits.
    """
    size = int(np.prod(shape))
    deltas = np.empty((len(numbers), size), np.float32)
    row, share = np.empty(size), np.empty(1)
    for number, delta in zip(numbers, deltas, strict=True):
        if norm == "linf":
            fill_uniforms(np.uint64(seed), stream, number, row)
            delta[:] = radius * (2 * row - 1)
        else:  # a direction, and a length by which the volume is uniform
            fill_normals(np.uint64(seed), stream, number, 1.0, row)
            fill_uniforms(np.uint64(seed), stream + LENGTHS, number, share)
            delta[:] = row * (radius * share[0] ** (1 / size) / np.linalg.norm(row))
    return deltas.reshape(len(numbers), *shape)
