"""3x3 convolution on blocks of images, directly: any size, any number of channels, stride 1 and 2.

Four output channels of four pixels of LANES images stay in registers through the whole sum. Weights are packed as
(ceil(co / 4), ci, 9, 4), so that the four channels of a tile lie together; channels beyond co are zero.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from deep_check.ops.blocks import aligned
from deep_check.ops.conv2d_cpu_epilogue import FORWARD, finish_tile
from deep_check.ops.lanes import (
    LANES,
    broadcast_tile,
    kernel,
    multiply_tile,
    part,
    store_tile,
    taps_tile,
    zero_tile,
)

Array = NDArray[np.float32]
TILE = 4  # output channels of a tile, and pixels
SCRATCH = TILE * TILE * LANES  # floats that each thread gives to a kernel


def packed_shape(out_channels: int, in_channels: int) -> tuple[int, ...]:
    """Shape of the packed weights."""
    return (-(-out_channels // TILE), in_channels, 9, TILE)


def packed_weights(weights: Array) -> Array:
    """Weights (co, ci, 3, 3) packed into a new array."""
    packed: Array = aligned(packed_shape(*weights.shape[:2]))
    pack_weights(np.ascontiguousarray(weights, np.float32), packed)
    return packed


@kernel
def pack_weights(weights, packed):  # type: ignore[no-untyped-def]
    """Weights (co, ci, 3, 3) into packed ones."""
    for o in range(weights.shape[0]):
        for c in range(weights.shape[1]):
            for k in range(9):
                packed[o // TILE, c, k, o % TILE] = weights[o, c, k // 3, k % 3]


@kernel
def pack_turned_weights(weights, packed, flip):  # type: ignore[no-untyped-def]
    """The same with the two kinds of channels exchanged, flip: and turned by 180°, as the input gradient wants them."""
    for o in range(weights.shape[0]):
        for c in range(weights.shape[1]):
            for k in range(9):
                n = 8 - k if flip else k
                packed[c // TILE, o, n, c % TILE] = weights[o, c, k // 3, k % 3]


@part
def _finish(sums, columns, o, co, i, j, step, h, w, residual, mode, y, mask):  # type: ignore[no-untyped-def]
    """Epilogue of up to four channels from o on, `columns` pixels from (i, j) on, `step` apart, of h x w outputs."""
    at, pixel = ((o * (h + 2) + i + 1) * (w + 2) + j + 1) * LANES, (o * h + i) * w + j
    plane = (h + 2) * (w + 2) * LANES
    finish_tile(sums, min(TILE, co - o), columns, at, plane, step * LANES, pixel, h * w, step, mode, residual, y, mask)


@part
def _pixels(columns, stride, o, i, j, ci, co, h, w, wide, plane, x, weights, bias, residual, mode, y, mask, scratch):  # type: ignore[no-untyped-def]
    """`columns` pixels of one output row; wide and plane: vectors of a row and of a channel of x."""
    tile = broadcast_tile(bias, o, columns) if mode == FORWARD else zero_tile(columns)
    for c in range(ci):
        packed = (o // TILE * ci + c) * 9 * TILE
        first = c * plane + stride * (i * wide + j)
        for k in range(3):
            tile = taps_tile(tile, weights, packed + 3 * TILE * k, x, (first + k * wide) * LANES, stride)
    store_tile(scratch, 0, columns * LANES, LANES, tile)
    _finish(scratch, columns, o, co, i, j, 1, h, w, residual, mode, y, mask)


@kernel
def direct(ci, co, height, width, stride, x, weights, bias, residual, mode, y, mask, scratch):  # type: ignore[no-untyped-def]
    """One block, x of (ci, height, width) -> y of (co, ceil(height / stride), ...), all arrays flat and with borders.

    bias: a multiple of four numbers (mode FORWARD).
    """
    h, w = (height - 1) // stride + 1, (width - 1) // stride + 1
    wide, plane = width + 2, (height + 2) * (width + 2)
    if stride == 1:
        for o in range(0, co, TILE):
            for i in range(h):
                for j in range(0, w - w % 4, 4):
                    _pixels(
                        4, 1, o, i, j, ci, co, h, w, wide, plane, x, weights, bias, residual, mode, y, mask, scratch
                    )
                for j in range(w - w % 4, w):
                    _pixels(
                        1, 1, o, i, j, ci, co, h, w, wide, plane, x, weights, bias, residual, mode, y, mask, scratch
                    )
    else:
        for o in range(0, co, TILE):
            for i in range(h):
                for j in range(0, w - w % 4, 4):
                    _pixels(
                        4, 2, o, i, j, ci, co, h, w, wide, plane, x, weights, bias, residual, mode, y, mask, scratch
                    )
                for j in range(w - w % 4, w):
                    _pixels(
                        1, 2, o, i, j, ci, co, h, w, wide, plane, x, weights, bias, residual, mode, y, mask, scratch
                    )


@part
def _parity(columns, row, column, o, i, j, ci, co, height, width, d_y, weights, residual, mode, d_x, mask, scratch):  # type: ignore[no-untyped-def]
    """`columns` pixels (2i + row, 2j + column), (2i + row, 2j + 2 + column), ... of the input gradient of stride 2.

    An even row of the input has met tap 1 of row i alone, an odd one tap 2 of row i and tap 0 of row i + 1; so too
    the columns.
    """
    wide = (width - 1) // 2 + 3
    plane = ((height - 1) // 2 + 3) * wide
    tile = zero_tile(columns)
    for c in range(ci):
        packed = (o // TILE * ci + c) * 9 * TILE
        for a in range(row + 1):
            for b in range(column + 1):
                tap = 3 * (2 - 2 * a if row else 1) + (2 - 2 * b if column else 1)
                at = c * plane + (i + a + 1) * wide + j + b + 1
                tile = multiply_tile(tile, weights, packed + tap * TILE, d_y, at * LANES, LANES)
    store_tile(scratch, 0, columns * LANES, LANES, tile)
    _finish(scratch, columns, o, co, 2 * i + row, 2 * j + column, 2, height, width, residual, mode, d_x, mask)


@kernel
def direct_input_gradient(ci, co, height, width, d_y, weights, residual, mode, d_x, mask, scratch):  # type: ignore[no-untyped-def]
    """One block, stride 2: d_y of (ci, ceil(height / 2), ceil(width / 2)) -> d_x of (co, height, width).

    ci and co are the channels of d_y and d_x, the weights turned but not flipped.
    """
    for o in range(0, co, TILE):
        for y in range(height):
            i, row = y // 2, y % 2
            for column in range(2):
                n = (width + 1 - column) // 2  # pixels of this parity
                for j in range(0, n - n % 4, 4):
                    _parity(
                        4, row, column, o, i, j, ci, co, height, width, d_y, weights, residual, mode, d_x, mask, scratch
                    )
                for j in range(n - n % 4, n):
                    _parity(
                        1, row, column, o, i, j, ci, co, height, width, d_y, weights, residual, mode, d_x, mask, scratch
                    )
