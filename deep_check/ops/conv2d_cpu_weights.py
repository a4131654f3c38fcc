"""Weight gradient of a 3x3 convolution on blocks of images: a sum over pixels and images, lane by lane.

Four output channels, two input channels and one row of taps stay in registers while a strip of rows is summed; a strip
is as much as the second-level cache holds, since all pairs of channels go over it.
"""

from __future__ import annotations

from deep_check.ops.lanes import LANES, add_totals, kernel, outer_taps_tile, part, sum_tile

ROWS, PAIR = 4, 2  # output and input channels of a tile
STRIP = 1 << 19  # bytes of the input that a strip may take


@part
def _strip(rows, pair, o, c, ci, i0, i1, height, width, stride, x, d_y, d_weights):  # type: ignore[no-untyped-def]
    """Output rows i0 ... i1 - 1 of `rows` output and `pair` input channels."""
    h, w = (height - 1) // stride + 1, (width - 1) // stride + 1
    x_plane, y_plane = (height + 2) * (width + 2) * LANES, (h + 2) * (w + 2) * LANES
    for k in range(3):
        tile = sum_tile(rows, pair)
        for i in range(i0, i1):
            at = o * y_plane + ((i + 1) * (w + 2) + 1) * LANES
            to = c * x_plane + (stride * i + k) * (width + 2) * LANES
            for j in range(w):
                tile = outer_taps_tile(tile, rows, d_y, at + j * LANES, y_plane, x, to + stride * j * LANES, x_plane)
        # (co, kernel row, ci, kernel column): a tile's sums of one output channel lie together only in this order
        add_totals(d_weights, ((o * 3 + k) * ci + c) * 3, 9 * ci, pair, tile)


@kernel
def weight_gradient(ci, co, height, width, stride, x, d_y, d_weights):  # type: ignore[no-untyped-def]
    """Add one block's sum to d_weights, flat (co, 3, ci, 3): output channel, kernel row, input channel, kernel column.

    x (ci, height, width) and d_y (co, ceil(height / stride), ...) flat, with borders; d_y's border is not read.
    """
    h = (height - 1) // stride + 1
    rows = max(1, STRIP // (ci * (width + 2) * LANES * 4 * stride))
    for i0 in range(0, h, rows):
        i1 = min(h, i0 + rows)
        for o in range(0, co - co % ROWS, ROWS):
            for c in range(0, ci - ci % PAIR, PAIR):
                _strip(4, 2, o, c, ci, i0, i1, height, width, stride, x, d_y, d_weights)
            for c in range(ci - ci % PAIR, ci):
                _strip(4, 1, o, c, ci, i0, i1, height, width, stride, x, d_y, d_weights)
        for o in range(co - co % ROWS, co):
            for c in range(ci):
                _strip(1, 1, o, c, ci, i0, i1, height, width, stride, x, d_y, d_weights)
