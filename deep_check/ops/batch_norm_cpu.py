"""Batch normalisation on blocks of images, with ReLU and residual in the same pass.

Statistics are taken block by block about each block's own mean and joined in float64 [Chan et al. 1983], so that a mean
far from zero costs no digits; the order is fixed, and so are the bits. Lanes without an image are left out by `lanes`,
a vector of ones and zeros.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from deep_check.ops.blocks import blank, n_blocks, pack, unpack
from deep_check.ops.lanes import (
    LANES,
    add,
    broadcast,
    fma,
    keep,
    kernel,
    load,
    mul,
    positive,
    relu,
    splat,
    store,
    sub,
    total,
)

Array = NDArray[np.float32]
NONE: Array = np.zeros(0, np.float32)


def lane_weights(n: int) -> Array:
    """(n_blocks, LANES): 1 in lanes that hold one of n images, 0 in the others."""
    found = np.zeros((n_blocks(n), LANES), np.float32)
    found.reshape(-1)[:n] = 1
    return found


@kernel
def block_moments(channels, height, width, n, x, lanes, moments):  # type: ignore[no-untyped-def]
    """moments[c] = mean and Σ (x - mean)² of a block's n images, (channels, 2); x flat with borders."""
    wide, weights = width + 2, load(lanes, 0)
    for c in range(channels):
        found = splat(np.float32(0))
        for i in range(height):
            at = ((c * (height + 2) + i + 1) * wide + 1) * LANES
            row = splat(np.float32(0))
            for j in range(width):
                row = add(row, load(x, at + j * LANES))
            found = add(found, row)
        mean = total(mul(found, weights)) / np.float32(n * height * width)
        centre, found = splat(mean), splat(np.float32(0))
        for i in range(height):
            at = ((c * (height + 2) + i + 1) * wide + 1) * LANES
            row = splat(np.float32(0))
            for j in range(width):
                off = sub(load(x, at + j * LANES), centre)
                row = fma(off, off, row)
            found = add(found, row)
        moments[c, 0] = mean
        moments[c, 1] = total(mul(found, weights))


def join_moments(moments: Array, counts: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and biased variance, (channels,), of `counts` (n_blocks,) values with moments (n_blocks, channels, 2)."""
    n = counts.astype(float)[:, None]
    means, squares = moments[..., 0].astype(float), moments[..., 1].astype(float)
    mean = (n * means).sum(0) / n.sum()
    return mean, (squares + n * (means - mean) ** 2).sum(0) / n.sum()


@kernel
def normalise(  # type: ignore[no-untyped-def]
    channels, height, width, x, mean, factor, shift, residual, rectify, lanes, y
):
    """y = (x - mean)·factor + shift + residual (if any), rectified if asked; empty lanes become zero."""
    wide, weights = width + 2, load(lanes, 0)
    for c in range(channels):
        centre, a, b = broadcast(mean, c), broadcast(factor, c), broadcast(shift, c)
        for i in range(height):
            at = ((c * (height + 2) + i + 1) * wide + 1) * LANES
            for j in range(width):
                v = fma(sub(load(x, at + j * LANES), centre), a, b)
                if residual.size > 0:
                    v = add(v, load(residual, at + j * LANES))
                if rectify:
                    v = relu(v)
                store(y, at + j * LANES, mul(v, weights))


@kernel
def rectified_sums(channels, height, width, x, mean, inverse, y, d_y, sums):  # type: ignore[no-untyped-def]
    """d_y becomes 0 where y (if any) is not positive; sums[c] = Σ d_y and Σ d_y·x̂, x̂ = (x - mean)·inverse."""
    wide = width + 2
    for c in range(channels):
        centre, scale = broadcast(mean, c), broadcast(inverse, c)
        plain, along = splat(np.float32(0)), splat(np.float32(0))
        for i in range(height):
            at = ((c * (height + 2) + i + 1) * wide + 1) * LANES
            row, row_along = splat(np.float32(0)), splat(np.float32(0))
            for j in range(width):
                d = load(d_y, at + j * LANES)
                if y.size > 0:
                    d = keep(positive(load(y, at + j * LANES)), d)
                    store(d_y, at + j * LANES, d)
                row = add(row, d)
                row_along = fma(d, mul(sub(load(x, at + j * LANES), centre), scale), row_along)
            plain, along = add(plain, row), add(along, row_along)
        sums[c, 0] = total(plain)
        sums[c, 1] = total(along)


@kernel
def input_gradient(  # type: ignore[no-untyped-def]
    channels, height, width, x, mean, inverse, factor, plain, along, lanes, d_y, d_x
):
    """d_x = factor·(d_y - plain - x̂·along), plain and along the means over the batch of d_y and of d_y·x̂.

    factor: scale·inverse; all are (channels,). d_x may be d_y.
    """
    wide, weights = width + 2, load(lanes, 0)
    for c in range(channels):
        f, centre, off = broadcast(factor, c), broadcast(mean, c), broadcast(plain, c)
        slope = splat(inverse[c] * along[c])
        for i in range(height):
            at = ((c * (height + 2) + i + 1) * wide + 1) * LANES
            for j in range(width):
                kept = fma(sub(load(x, at + j * LANES), centre), slope, off)
                store(d_x, at + j * LANES, mul(mul(sub(load(d_y, at + j * LANES), kept), f), weights))


def batch_norm_training(x: Array, scale: Array, shift: Array, epsilon: float) -> tuple[Array, Array, Array]:
    """y, mean and biased variance of (n, c, h, w) float32, see `batch_norm_reference`."""
    n, channels, height, width = x.shape
    blocks, lanes = blank(n_blocks(n), *x.shape[1:]), lane_weights(n)
    pack(np.asarray(x, np.float32), blocks)
    counts = lanes.sum(axis=1).astype(int)
    moments = np.empty((len(blocks), channels, 2), np.float32)
    for b, block in enumerate(blocks):
        block_moments(channels, height, width, counts[b], block.reshape(-1), lanes[b], moments[b])
    mean, variance = join_moments(moments, counts * height * width)
    _apply(blocks, lanes, scale, shift, mean, variance, epsilon)
    return unpack(blocks, n), mean.astype(np.float32), variance.astype(np.float32)


def batch_norm_evaluation(x: Array, scale: Array, shift: Array, mean: Array, variance: Array, epsilon: float) -> Array:
    """(x - mean)/√(variance + epsilon)·scale + shift of (n, c, h, w) float32 with given statistics."""
    n = len(x)
    blocks = blank(n_blocks(n), *x.shape[1:])
    pack(np.asarray(x, np.float32), blocks)
    _apply(blocks, lane_weights(n), scale, shift, mean, variance, epsilon)
    return unpack(blocks, n)


def batch_norm_gradient(
    d_y: Array, x: Array, scale: Array, mean: Array, variance: Array, epsilon: float
) -> tuple[Array, Array, Array]:
    """d_x, d_scale and d_shift of `batch_norm_training`, through the statistics of the batch."""
    n, channels, height, width = x.shape
    lanes = lane_weights(n)
    values, d_values = blank(n_blocks(n), *x.shape[1:]), blank(n_blocks(n), *x.shape[1:])
    pack(np.asarray(x, np.float32), values)
    pack(np.asarray(d_y, np.float32), d_values)
    centre = np.asarray(mean, np.float32)
    inverse = inverse_deviation(variance, epsilon)
    sums = np.empty((len(values), channels, 2), np.float32)
    sizes = (channels, height, width)
    for b in range(len(values)):
        rectified_sums(*sizes, values[b].reshape(-1), centre, inverse, NONE, d_values[b].reshape(-1), sums[b])
    d_shift, d_scale = sums.astype(float).sum(0).T
    means = [(part / (n * height * width)).astype(np.float32) for part in (d_shift, d_scale)]
    factor = np.asarray(scale, np.float32) * inverse
    for b in range(len(values)):
        d_block = d_values[b].reshape(-1)
        input_gradient(*sizes, values[b].reshape(-1), centre, inverse, factor, *means, lanes[b], d_block, d_block)
    return unpack(d_values, n), d_scale.astype(np.float32), d_shift.astype(np.float32)


def running_statistics(
    running_mean: Array, running_variance: Array, mean: NDArray, variance: NDArray, n_values: int, momentum: float
) -> tuple[Array, Array]:
    """The running statistics after one batch of n_values values a channel; its variance is made unbiased."""
    unbiased = np.asarray(variance, float) * (n_values / max(1, n_values - 1))
    new_mean = (1 - momentum) * np.asarray(running_mean, float) + momentum * np.asarray(mean, float)
    new_variance = (1 - momentum) * np.asarray(running_variance, float) + momentum * unbiased
    return new_mean.astype(np.float32), new_variance.astype(np.float32)


def inverse_deviation(variance: NDArray, epsilon: float) -> Array:
    """1/√(variance + epsilon), (c,) float32, computed in float64."""
    return np.asarray(1 / np.sqrt(np.asarray(variance, float) + epsilon), np.float32)


def _apply(
    blocks: Array, lanes: Array, scale: NDArray, shift: NDArray, mean: NDArray, variance: NDArray, epsilon: float
) -> None:
    _, channels, height, width, _ = blocks.shape
    factor = np.asarray(scale, np.float32) * inverse_deviation(variance, epsilon)
    centre, shift = np.asarray(mean, np.float32), np.asarray(shift, np.float32)
    for b, block in enumerate(blocks):
        flat = block.reshape(-1)
        normalise(channels, height - 2, width - 2, flat, centre, factor, shift, NONE, False, lanes[b], flat)
