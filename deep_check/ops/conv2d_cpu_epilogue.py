"""What the convolutions of the CPU do to finished sums before they are written."""

from __future__ import annotations

from deep_check.ops.lanes import LANES, add, keep, load, part, positive, relu, store

RAW = 0  # y = sum
FORWARD = 1  # y = max(sum + residual, 0), the sum begins at the bias, and the signs are written to the mask
BACKWARD = 2  # y = sum + residual where the mask has a bit, else 0


@part
def finish_tile(  # type: ignore[no-untyped-def]
    sums, rows, columns, i, row_step, step, pixel, pixel_row, pixel_step, mode, residual, y, mask
):
    """Write rows x columns vectors of `sums`: to y and residual (size 0: none) at i, pixel is their place in the mask.

    The sums come from memory and the choices stand outside of the loops: inside, branches between vectors that wait
    in registers take longer than the whole convolution.
    """
    for r in range(rows):
        at, bit, s = i + r * row_step, pixel + r * pixel_row, r * columns * LANES
        if residual.size > 0:
            for c in range(columns):
                store(sums, s + c * LANES, add(load(sums, s + c * LANES), load(residual, at + c * step)))
        if mode == FORWARD:
            for c in range(columns):
                v = load(sums, s + c * LANES)
                mask[bit + c * pixel_step] = positive(v)
                store(y, at + c * step, relu(v))
        elif mode == BACKWARD:
            for c in range(columns):
                store(y, at + c * step, keep(mask[bit + c * pixel_step], load(sums, s + c * LANES)))
        else:
            for c in range(columns):
                store(y, at + c * step, load(sums, s + c * LANES))
