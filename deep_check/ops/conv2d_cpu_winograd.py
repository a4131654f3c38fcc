"""3x3 convolution of stride 1 on blocks of images by Winograd's F(4x4, 3x3): a quarter of the multiplications.

Sixteen outputs of a 6x6 tile of the input are A'[(G w G') ∘ (B' x B)]A, and the products of all channels are 36 matrix
products [Lavin & Gray 2016, Section 4.1]. A strip of tile rows goes through all three steps while it is in the cache.
Rounding errors are some five times those of the direct sum: the transforms' numbers go up to 8.

Height and width are multiples of 4, the tiles of a strip and the output channels multiples of 4.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from deep_check.ops.blocks import aligned
from deep_check.ops.conv2d_cpu_epilogue import FORWARD, finish_tile
from deep_check.ops.lanes import (
    LANES,
    add,
    broadcast,
    fma,
    kernel,
    load,
    multiply_tile,
    part,
    splat,
    store,
    store_tile,
    sub,
    zero_tile,
)

Array = NDArray[np.float32]
TILE = 4  # outputs of a tile along each axis, output channels and tiles of a register tile
POINTS = 36  # of a tile of the input, and of the transformed weights
CHANNELS = 8  # output channels whose products wait for the inverse transform
MIN_CHANNELS = 8  # of the input: below, the transforms cost more than they save
# G: rows are the interpolation points 0, 1, -1, 2, -2, ∞.
G = np.array(
    [[1 / 4, 0, 0], [-1 / 6, -1 / 6, -1 / 6], [-1 / 6, 1 / 6, -1 / 6],
     [1 / 24, 1 / 12, 1 / 6], [1 / 24, -1 / 12, 1 / 6], [0, 0, 1]]
)  # fmt: skip


def strip_rows(height: int, width: int) -> int:
    """Tile rows of a strip: the fewest whose tiles are a multiple of 4; 0 where the transform does not fit."""
    if height % TILE or width % TILE:
        return 0
    return next((rows for rows in (1, 2, 4) if height // TILE % rows == 0 and rows * width // TILE % 4 == 0), 0)


def fits(in_channels: int, out_channels: int, height: int, width: int) -> bool:
    """Whether this file can do the convolution."""
    return out_channels % CHANNELS == 0 and in_channels >= MIN_CHANNELS and strip_rows(height, width) > 0


def scratch_sizes(in_channels: int, height: int, width: int) -> tuple[int, int, int]:
    """Floats of the three scratch arrays: transformed strip, its products, a strip between the two axes."""
    tiles = strip_rows(height, width) * width // TILE
    return POINTS * (in_channels * tiles + 1) * LANES, CHANNELS * POINTS * tiles * LANES, 6 * (width + 2) * LANES


def packed_shape(out_channels: int, in_channels: int) -> tuple[int, ...]:
    """Shape of the transformed weights."""
    return (out_channels // TILE, POINTS, in_channels, TILE)


def packed_weights(weights: Array) -> Array:
    """Weights (co, ci, 3, 3) transformed into a new array."""
    packed: Array = aligned(packed_shape(*weights.shape[:2]))
    pack_weights(np.ascontiguousarray(weights, np.float32), packed)
    return packed


@part
def _transform_weights(w, rows, transformed):  # type: ignore[no-untyped-def]
    for a in range(6):
        for j in range(3):
            rows[a, j] = G[a, 0] * w[0, j] + G[a, 1] * w[1, j] + G[a, 2] * w[2, j]
    for a in range(6):
        for b in range(6):
            transformed[a, b] = G[b, 0] * rows[a, 0] + G[b, 1] * rows[a, 1] + G[b, 2] * rows[a, 2]


@kernel
def pack_weights(weights, packed):  # type: ignore[no-untyped-def]
    """G w G' of weights (co, ci, 3, 3), in float64, as (co / 4, 36, ci, 4) float32."""
    rows, transformed = np.empty((6, 3)), np.empty((6, 6))
    for o in range(weights.shape[0]):
        for c in range(weights.shape[1]):
            _transform_weights(weights[o, c], rows, transformed)
            for n in range(POINTS):
                packed[o // TILE, n, c, o % TILE] = transformed[n // 6, n % 6]


@kernel
def pack_turned_weights(weights, packed):  # type: ignore[no-untyped-def]
    """The same with the two kinds of channels exchanged and turned by 180°, as the input gradient wants them."""
    rows, transformed = np.empty((6, 3)), np.empty((6, 6))
    for o in range(weights.shape[0]):
        for c in range(weights.shape[1]):
            _transform_weights(weights[o, c, ::-1, ::-1], rows, transformed)
            for n in range(POINTS):
                packed[c // TILE, n, o, c % TILE] = transformed[n // 6, n % 6]


@part
def _forward_points(x0, x1, x2, x3, x4, x5):  # type: ignore[no-untyped-def]
    """B' x of six vectors."""
    four, minus_five = splat(4), splat(-5)
    even, odd = fma(splat(-4), x2, x4), fma(splat(-4), x1, x3)
    last, step = sub(x4, x2), sub(x3, x1)
    return (
        fma(four, x0, fma(minus_five, x2, x4)),
        add(even, odd),
        sub(even, odd),
        fma(splat(2), step, last),
        fma(splat(-2), step, last),
        fma(four, x1, fma(minus_five, x3, x5)),
    )


@part
def _inverse_points(m0, m1, m2, m3, m4, m5):  # type: ignore[no-untyped-def]
    """A' m of six vectors: four."""
    near, near_odd, far, far_odd = add(m1, m2), sub(m1, m2), add(m3, m4), sub(m3, m4)
    return (
        add(m0, add(near, far)),
        fma(splat(2), far_odd, near_odd),
        fma(splat(4), far, near),
        add(fma(splat(8), far_odd, near_odd), m5),
    )


@kernel
def transform_strip(ci, height, width, first, rows, x, points, between):  # type: ignore[no-untyped-def]
    """B' x B of the tile rows first ... first + rows - 1: x (ci, height + 2, width + 2) -> (36, ci, tiles).

    One vector is left free after each of the 36 arrays: they would fall on the same lines of the cache.
    """
    wide, across = width + 2, width // TILE
    tiles = rows * across
    step = (ci * tiles + 1) * LANES
    for c in range(ci):
        for r in range(rows):
            top = (c * (height + 2) + (first + r) * TILE) * wide * LANES
            for j in range(wide):
                at = top + j * LANES
                p = _forward_points(
                    load(x, at),
                    load(x, at + wide * LANES),
                    load(x, at + 2 * wide * LANES),
                    load(x, at + 3 * wide * LANES),
                    load(x, at + 4 * wide * LANES),
                    load(x, at + 5 * wide * LANES),
                )
                store(between, j * LANES, p[0])
                store(between, (wide + j) * LANES, p[1])
                store(between, (2 * wide + j) * LANES, p[2])
                store(between, (3 * wide + j) * LANES, p[3])
                store(between, (4 * wide + j) * LANES, p[4])
                store(between, (5 * wide + j) * LANES, p[5])
            for i in range(6):
                for t in range(across):
                    at = (i * wide + TILE * t) * LANES
                    to = 6 * i * step + (c * tiles + r * across + t) * LANES
                    p = _forward_points(
                        load(between, at),
                        load(between, at + LANES),
                        load(between, at + 2 * LANES),
                        load(between, at + 3 * LANES),
                        load(between, at + 4 * LANES),
                        load(between, at + 5 * LANES),
                    )
                    store(points, to, p[0])
                    store(points, to + step, p[1])
                    store(points, to + 2 * step, p[2])
                    store(points, to + 3 * step, p[3])
                    store(points, to + 4 * step, p[4])
                    store(points, to + 5 * step, p[5])


@part
def _multiply(ci, o, tiles, weights, points, products):  # type: ignore[no-untyped-def]
    """Products of CHANNELS output channels from o on: (CHANNELS, 36, tiles)."""
    for q in range(o, o + CHANNELS, TILE):
        for n in range(POINTS):
            for t in range(0, tiles, 4):
                at, packed = (n * (ci * tiles + 1) + t) * LANES, (q // TILE * POINTS + n) * ci * TILE
                tile = zero_tile(4)
                for _ in range(ci):
                    tile = multiply_tile(tile, weights, packed, points, at, LANES)
                    at += tiles * LANES
                    packed += TILE
                store_tile(products, (((q - o) * POINTS + n) * tiles + t) * LANES, POINTS * tiles * LANES, LANES, tile)


@part
def _column(products, at, step):  # type: ignore[no-untyped-def]
    return _inverse_points(
        load(products, at),
        load(products, at + 6 * step),
        load(products, at + 12 * step),
        load(products, at + 18 * step),
        load(products, at + 24 * step),
        load(products, at + 30 * step),
    )


@part
def _store_row(row, bias, sums, n):  # type: ignore[no-untyped-def]
    store(sums, n * LANES, add(row[0], bias))
    store(sums, (n + 1) * LANES, add(row[1], bias))
    store(sums, (n + 2) * LANES, add(row[2], bias))
    store(sums, (n + 3) * LANES, add(row[3], bias))


@part
def _inverse_tile(products, at, step, bias, sums):  # type: ignore[no-untyped-def]
    """A' m A + bias of 36 vectors, `step` apart: sixteen into `sums`."""
    c0 = _column(products, at, step)
    c1 = _column(products, at + step, step)
    c2 = _column(products, at + 2 * step, step)
    c3 = _column(products, at + 3 * step, step)
    c4 = _column(products, at + 4 * step, step)
    c5 = _column(products, at + 5 * step, step)
    _store_row(_inverse_points(c0[0], c1[0], c2[0], c3[0], c4[0], c5[0]), bias, sums, 0)
    _store_row(_inverse_points(c0[1], c1[1], c2[1], c3[1], c4[1], c5[1]), bias, sums, 4)
    _store_row(_inverse_points(c0[2], c1[2], c2[2], c3[2], c4[2], c5[2]), bias, sums, 8)
    _store_row(_inverse_points(c0[3], c1[3], c2[3], c3[3], c4[3], c5[3]), bias, sums, 12)


@kernel
def winograd(ci, co, height, width, x, weights, bias, residual, mode, y, mask, points, products, between):  # type: ignore[no-untyped-def]
    """One block, x of (ci, height, width) -> y of (co, height, width), all arrays flat and with borders."""
    wide, across = width + 2, width // TILE
    rows = 1
    while rows * across % 4:
        rows *= 2
    tiles = rows * across
    for first in range(0, height // TILE, rows):
        transform_strip(ci, height, width, first, rows, x, points, between)
        for o in range(0, co, CHANNELS):
            _multiply(ci, o, tiles, weights, points, products)
            for q in range(CHANNELS):
                b = broadcast(bias, o + q) if mode == FORWARD else splat(np.float32(0))
                for t in range(tiles):
                    _inverse_tile(products, (q * POINTS * tiles + t) * LANES, tiles * LANES, b, between)
                    i, j = (first + t // across) * TILE, t % across * TILE
                    at = (((o + q) * (height + 2) + i + 1) * wide + j + 1) * LANES
                    pixel = ((o + q) * height + i) * width + j
                    finish_tile(between, TILE, TILE, at, wide * LANES, LANES, pixel, width, 1, mode, residual, y, mask)
