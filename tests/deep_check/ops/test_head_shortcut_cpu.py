"""Pool, linear layer and shortcut on blocks of images, beside the float64 references."""

from __future__ import annotations

import numpy as np
import pytest

from deep_check.ops import linear_reference, pool_reference, shortcut_cpu, shortcut_reference
from deep_check.ops.blocks import LANES, MASK, blank, pack, unpack, unpack_mask
from deep_check.ops.head_cpu import head, head_gradient
from tests.helpers import assert_close, assert_differs


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (2, 3, 5, 4), (LANES + 1, 2, 7, 7), (3, 16, 8, 8)])
def test_shortcut(shape: tuple[int, ...]) -> None:
    x = np.random.default_rng(shape).standard_normal(shape).astype(np.float32)
    y = shortcut_cpu.shortcut(x)
    assert (y == shortcut_reference.shortcut(x)).all()
    d_y = np.random.default_rng(1).standard_normal(y.shape).astype(np.float32)
    size = shape[2:]
    assert (shortcut_cpu.shortcut_gradient(d_y, size) == shortcut_reference.shortcut_gradient(d_y, size)).all()


@pytest.mark.parametrize(("channels", "height", "width", "classes"), [(1, 1, 1, 2), (5, 3, 4, 7), (64, 8, 8, 10)])
def test_head(channels: int, height: int, width: int, classes: int) -> None:
    rng = np.random.default_rng(channels)
    n = LANES
    x = rng.standard_normal((n, channels, height, width)).astype(np.float32)
    weight, bias = rng.standard_normal((classes, channels)).astype(np.float32), rng.random(classes).astype(np.float32)
    block = blank(1, channels, height, width)
    pack(x, block)
    pooled, logits = np.empty((channels, LANES), np.float32), np.empty((classes, LANES), np.float32)
    sizes = (channels, height, width)
    head(block.reshape(-1), *sizes, weight.reshape(-1), bias, pooled.reshape(-1), logits.reshape(-1))
    mean = pool_reference.global_average_pool(x)
    assert_close("pooled", pooled.T, mean, "float32_sum", scale=float(np.abs(x).max()))
    expected = linear_reference.linear(mean, weight, bias)
    assert_close("logits", logits.T, expected, "float32_sum")
    assert_differs("without bias", logits.T - bias, expected, "float32_sum")

    d_logits = rng.standard_normal((n, classes)).astype(np.float32)
    mask = rng.integers(0, np.iinfo(MASK).max, (channels, height, width), dtype=MASK, endpoint=True)
    d_pooled = linear_reference.linear_gradient(d_logits, mean, weight)[0]
    expected = pool_reference.global_average_pool_gradient(d_pooled, (height, width))
    wide = np.ascontiguousarray(d_logits.T).reshape(-1)
    for bits in (mask, np.zeros(0, MASK)):
        head_gradient(wide, *sizes, weight.reshape(-1), bits.reshape(-1), block.reshape(-1))
        kept = unpack_mask(bits[None], n) if bits.size else np.ones(x.shape, bool)
        assert_close("gradient", unpack(block, n), expected * kept, "float32_sum", scale=float(np.abs(expected).max()))
