"""Images into blocks of lanes and back, and the vector type itself."""

from __future__ import annotations

import numpy as np
import pytest

from deep_check.ops import lanes
from deep_check.ops.blocks import MASK, aligned, blank, n_blocks, pack, unpack, unpack_mask
from deep_check.ops.lanes import LANES
from tests.helpers import assert_close


@pytest.mark.parametrize("n", [1, LANES - 1, LANES, 2 * LANES + 3])
def test_packing_is_undone_by_unpacking(n: int) -> None:
    images = np.random.default_rng(n).standard_normal((n, 3, 5, 4)).astype(np.float32)
    blocks = blank(n_blocks(n), 3, 5, 4)
    blocks[:, :, 1:-1, 1:-1] = 7  # of an earlier batch
    assert pack(images, blocks) == n
    assert (unpack(blocks, n) == images).all()
    whole = unpack(blocks, len(blocks) * LANES)
    assert (whole[n:] == 0).all()
    border = np.ones(blocks.shape, bool)
    border[:, :, 1:-1, 1:-1] = False
    assert (blocks[border] == 0).all()


def test_packing_normalises_and_begins_anywhere() -> None:
    rng = np.random.default_rng(0)
    images = rng.random((LANES + 5, 2, 4, 4)).astype(np.float32)
    mean, std = np.array([0.5, 0.25], np.float32), np.array([0.25, 2.0], np.float32)
    blocks = blank(1, 2, 4, 4)
    assert pack(images, blocks, mean, std, first=LANES) == 5
    expected = (images[LANES:].astype(float) - mean[:, None, None]) / std[:, None, None]
    assert_close("normalised", unpack(blocks, 5), expected, "single")


def test_arrays_begin_a_cache_line() -> None:
    for shape in ((1,), (3, 5, 7), (2, 2, 9, LANES)):
        assert aligned(shape).ctypes.data % 64 == 0


def test_mask_bits_are_images() -> None:
    mask = np.zeros((2, 1, 1, 2), MASK)
    mask[1, 0, 0, 1] = 1 << 3
    assert np.argwhere(unpack_mask(mask, 2 * LANES)).tolist() == [[LANES + 3, 0, 0, 1]]


@lanes.kernel
def _arithmetic(a, b, out, signs, sums):  # type: ignore[no-untyped-def]
    x, y = lanes.load(a, 0), lanes.load(b, 0)
    lanes.store(out, 0, lanes.add(x, y))
    lanes.store(out, LANES, lanes.sub(x, y))
    lanes.store(out, 2 * LANES, lanes.mul(x, y))
    lanes.store(out, 3 * LANES, lanes.fma(x, y, lanes.splat(1.0)))
    lanes.store(out, 4 * LANES, lanes.relu(x))
    signs[0] = lanes.positive(x)
    lanes.store(out, 5 * LANES, lanes.keep(signs[0], y))
    lanes.store(out, 6 * LANES, lanes.broadcast(a, 2))
    sums[0] = lanes.total(x)


def test_vector_arithmetic() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.standard_normal((2, LANES)).astype(np.float32)
    out, signs, sums = np.empty((7, LANES), np.float32), np.zeros(1, MASK), np.empty(1, np.float32)
    _arithmetic(a, b, out.reshape(-1), signs, sums)
    fused = (a.astype(float) * b + 1).astype(np.float32)
    expected = [a + b, a - b, a * b, fused, np.maximum(a, 0), np.where(a > 0, b, 0), np.full(LANES, a[2])]
    assert (out == np.array(expected)).all()
    assert_close("total", sums[0], a.sum(dtype=float), "single", scale=float(np.abs(a).sum()))


def test_a_net_that_has_blown_up_shows_it() -> None:
    a = np.full(LANES, np.nan, np.float32)
    out, signs = np.zeros((7, LANES), np.float32), np.zeros(1, MASK)
    _arithmetic(a, a, out.reshape(-1), signs, np.empty(1, np.float32))
    assert np.isnan(out[:5]).all()
    assert signs[0] == 0
