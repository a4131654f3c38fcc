"""The head of the network on one block of images: global average pool and linear layer, forward and backward.

Lane by lane, so that the logits of an image depend neither on its place in the batch nor on the size of the batch.
"""

from __future__ import annotations

import numpy as np

from deep_check.ops.lanes import LANES, add, broadcast, fma, keep, kernel, load, mul, splat, store


@kernel
def head(x, channels, height, width, weight, bias, pooled, logits):  # type: ignore[no-untyped-def]
    """x (channels, height + 2, width + 2, LANES) -> pooled (channels, LANES), logits (k, LANES); arrays flat.

    weight: (k, channels), bias: (k,).
    """
    wide, share = width + 2, splat(np.float32(1) / np.float32(height * width))
    for c in range(channels):
        found = splat(np.float32(0))
        for i in range(height):
            at = ((c * (height + 2) + i + 1) * wide + 1) * LANES
            for j in range(width):
                found = add(found, load(x, at + j * LANES))
        store(pooled, c * LANES, mul(found, share))
    for k in range(bias.size):
        found = broadcast(bias, k)
        for c in range(channels):
            found = fma(broadcast(weight, k * channels + c), load(pooled, c * LANES), found)
        store(logits, k * LANES, found)


@kernel
def head_gradient(d_logits, channels, height, width, weight, mask, d_x):  # type: ignore[no-untyped-def]
    """d_logits (k, LANES) -> d_x (channels, height + 2, width + 2, LANES), 0 where `mask` (if any) has no bit."""
    wide, share = width + 2, splat(np.float32(1) / np.float32(height * width))
    for c in range(channels):
        found = splat(np.float32(0))
        for k in range(d_logits.size // LANES):
            found = fma(broadcast(weight, k * channels + c), load(d_logits, k * LANES), found)
        found = mul(found, share)
        for i in range(height):
            at = ((c * (height + 2) + i + 1) * wide + 1) * LANES
            for j in range(width):
                if mask.size > 0:
                    store(d_x, at + j * LANES, keep(mask[(c * height + i) * width + j], found))
                else:
                    store(d_x, at + j * LANES, found)
