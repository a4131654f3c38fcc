"""What the convolutions of the CPU do to a finished sum before it is written."""

from __future__ import annotations

from deep_check.ops.lanes import add, keep, load, part, positive, relu, store

RAW = 0  # y = sum
FORWARD = 1  # y = max(sum + residual, 0), the sum begins at the bias, and the signs are written to the mask
BACKWARD = 2  # y = sum + residual where the mask has a bit, else 0


@part
def finish(v, mode, i, residual, y, pixel, mask):  # type: ignore[no-untyped-def]
    """Write one vector: i is its place in y and in the residual (of size 0 where there is none), pixel in the mask."""
    if residual.size > 0:
        v = add(v, load(residual, i))
    if mode == FORWARD:
        mask[pixel] = positive(v)
        v = relu(v)
    elif mode == BACKWARD:
        v = keep(mask[pixel], v)
    store(y, i, v)
