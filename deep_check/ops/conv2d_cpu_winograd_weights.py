"""Weight gradient of a 3x3 convolution of stride 1 on blocks of images through Winograd's F(4x4, 3x3).

The transformed weights U meet the transformed input V in U ∘ V, so that their gradient is (A d_y A') ∘ V, summed over
tiles and images: 36 outer products of channels with a quarter of the direct sum's multiplications. G' (...) G makes of
it the gradient of the weights themselves [Lavin & Gray 2016, Section 4.1, differentiated].
"""

from __future__ import annotations

import numpy as np

from deep_check.ops.conv2d_cpu_winograd import POINTS, TILE, transform_strip
from deep_check.ops.lanes import (
    LANES,
    add,
    add_all_totals,
    fma,
    kernel,
    load,
    mul,
    outer_tile,
    part,
    splat,
    store,
    sub,
    zero_tile,
)

ITEMS = TILE * TILE  # of a register tile: four output and four input channels


JOINED = 54 * LANES  # floats of the scratch of `join_blocks`


def strip_rows(height: int) -> int:
    """Tile rows of a strip: as many as divide the image, up to four."""
    return next(rows for rows in (4, 2, 1) if height // TILE % rows == 0)


def fits(in_channels: int, out_channels: int, height: int, width: int) -> bool:
    """Whether this file can do the convolution, with gain."""
    whole = height % TILE == 0 and width % TILE == 0
    return whole and in_channels % TILE == 0 and out_channels % TILE == 0 and min(in_channels, out_channels) >= 8


def scratch_size(channels: int, height: int, width: int) -> int:
    """Floats of the transformed strip of an array of so many channels."""
    return POINTS * (channels * strip_rows(height) * (width // TILE) + 1) * LANES


@part
def _gradient_points(d0, d1, d2, d3):  # type: ignore[no-untyped-def]
    """A d of four vectors: six."""
    even, odd = add(d0, d2), add(d1, d3)
    far_even, far_odd = fma(splat(4), d2, d0), fma(splat(4), d3, d1)
    return d0, add(even, odd), sub(even, odd), fma(splat(2), far_odd, far_even), fma(splat(-2), far_odd, far_even), d3


@part
def _store_points(p, at, step, target):  # type: ignore[no-untyped-def]
    store(target, at, p[0])
    store(target, at + step, p[1])
    store(target, at + 2 * step, p[2])
    store(target, at + 3 * step, p[3])
    store(target, at + 4 * step, p[4])
    store(target, at + 5 * step, p[5])


@part
def _transform_gradient(co, height, width, first, rows, d_y, points, between):  # type: ignore[no-untyped-def]
    """A d_y A' of the tile rows first ... first + rows - 1, laid out as the transformed input."""
    wide, across = width + 2, width // TILE
    tiles = rows * across
    step = (co * tiles + 1) * LANES
    for c in range(co):
        for r in range(rows):
            top = ((c * (height + 2) + (first + r) * TILE + 1) * wide + 1) * LANES
            for j in range(width):
                at = top + j * LANES
                p = _gradient_points(
                    load(d_y, at),
                    load(d_y, at + wide * LANES),
                    load(d_y, at + 2 * wide * LANES),
                    load(d_y, at + 3 * wide * LANES),
                )
                _store_points(p, j * LANES, width * LANES, between)
            for i in range(6):
                for t in range(across):
                    at = (i * width + TILE * t) * LANES
                    p = _gradient_points(
                        load(between, at),
                        load(between, at + LANES),
                        load(between, at + 2 * LANES),
                        load(between, at + 3 * LANES),
                    )
                    _store_points(p, 6 * i * step + (c * tiles + r * across + t) * LANES, step, points)


@kernel
def weight_gradient(  # type: ignore[no-untyped-def]
    ci, co, height, width, rows, x, d_y, d_transformed, points, d_points, between
):
    """Add one block's sum to d_transformed, flat (36, co / 4, ci / 4, 4, 4).

    x (ci, height, width), d_y (co, height, width) flat with borders; points and d_points: room for a strip of `rows`
    tile rows of each.
    """
    tiles = rows * width // TILE
    for first in range(0, height // TILE, rows):
        transform_strip(ci, height, width, first, rows, x, points, between)
        _transform_gradient(co, height, width, first, rows, d_y, d_points, between)
        for n in range(POINTS):
            for o in range(0, co, TILE):
                at_o = n * (co * tiles + 1) + o * tiles
                for c in range(0, ci, TILE):
                    at_c = n * (ci * tiles + 1) + c * tiles
                    tile = zero_tile(4)
                    for t in range(tiles):
                        tile = outer_tile(
                            tile, d_points, (at_o + t) * LANES, tiles * LANES, points, (at_c + t) * LANES, tiles * LANES
                        )
                    add_all_totals(d_transformed, (n * co + o) * ci + c * TILE, tile)


@part
def _weight_points(p, n, step):  # type: ignore[no-untyped-def]
    """G' p of six vectors of p from n on, `step` apart: three."""
    p1, p2, p3, p4 = load(p, n + step), load(p, n + 2 * step), load(p, n + 3 * step), load(p, n + 4 * step)
    near, near_odd, far, far_odd = add(p1, p2), sub(p2, p1), add(p3, p4), sub(p3, p4)
    sixth = splat(np.float32(1 / 6))
    return (
        fma(splat(np.float32(1 / 24)), far, fma(splat(np.float32(-1 / 6)), near, mul(splat(0.25), load(p, n)))),
        fma(splat(np.float32(1 / 12)), far_odd, mul(sixth, near_odd)),
        fma(sixth, sub(far, near), load(p, n + 5 * step)),
    )


@kernel
def join_blocks(ci, co, parts, sums, d_weights):  # type: ignore[no-untyped-def]
    """G' (...) G of the sum of all blocks in their order: parts (n_blocks, 36·co·ci) -> d_weights (co, ci, 3, 3).

    sums: scratch of 54 vectors.
    """
    flat, per_block = parts.reshape(-1), POINTS * ci * co
    for o in range(0, co, TILE):
        for c in range(0, ci, TILE):
            for first in range(0, ITEMS, LANES):
                for n in range(POINTS):
                    at = (n * co + o) * ci + c * TILE + first
                    found = load(flat, at)
                    for block in range(1, parts.shape[0]):
                        found = add(found, load(flat, block * per_block + at))
                    store(sums, n * LANES, found)
                for b in range(6):
                    column = _weight_points(sums, b * LANES, 6 * LANES)
                    store(sums, (POINTS + b) * LANES, column[0])
                    store(sums, (POINTS + 6 + b) * LANES, column[1])
                    store(sums, (POINTS + 12 + b) * LANES, column[2])
                for i in range(3):
                    row = _weight_points(sums, (POINTS + 6 * i) * LANES, LANES)
                    store(sums, 3 * i * LANES, row[0])
                    store(sums, (3 * i + 1) * LANES, row[1])
                    store(sums, (3 * i + 2) * LANES, row[2])
                for k in range(9):
                    for lane in range(LANES):
                        r, q = (first + lane) // TILE, (first + lane) % TILE
                        d_weights[o + r, c + q, k // 3, k % 3] = sums[k * LANES + lane]
