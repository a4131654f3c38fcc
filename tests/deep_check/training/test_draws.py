"""What an epoch draws: permutations, offsets and flips in range, uniform starts, all by seed, epoch and place alone."""

from __future__ import annotations

import numpy as np

from deep_check.training.draws import crops_and_flips, order_of_images, starts


def test_orders_are_permutations_of_their_own() -> None:
    orders = [order_of_images(seed, epoch, 1000) for seed in (0, 1) for epoch in (0, 1)]
    for order in orders:
        assert np.array_equal(np.sort(order), np.arange(1000))
    assert len({tuple(order) for order in orders}) == 4
    assert np.array_equal(order_of_images(1, 0, 1000), orders[2])
    fixed = [(order == np.arange(1000)).sum() for order in orders]
    assert max(fixed) < 10  # one on average


def test_crops_and_flips_are_uniform() -> None:
    n = 90_000
    offsets, flips = crops_and_flips(3, 5, n, 4)
    counts = np.bincount(offsets[:, 0] * 9 + offsets[:, 1], minlength=81)
    assert counts.shape == (81,)
    expected = n / 81
    assert ((counts - expected) ** 2 / expected).sum() < 80 + 5 * np.sqrt(160)
    assert abs(flips.mean() - 0.5) < 5 * 0.5 / np.sqrt(n)
    for axis in (0, 1):  # flips do not go with offsets
        assert abs(np.corrcoef(offsets[:, axis], flips)[0, 1]) < 5 / np.sqrt(n)
    assert not crops_and_flips(3, 5, 10, 0)[0].any()


def test_starts_are_uniform_and_of_their_place() -> None:
    drawn = starts(0, 2, 128, (64, 3, 32, 32))
    assert drawn.dtype == np.float32
    assert drawn.min() >= -1
    assert drawn.max() < 1
    assert abs(drawn.mean()) < 5 / np.sqrt(3 * drawn.size)
    assert abs(drawn.var() - 1 / 3) < 5 * np.sqrt(4 / 45 / drawn.size)
    assert np.array_equal(drawn, starts(0, 2, 128, (64, 3, 32, 32)))
    for other in (starts(1, 2, 128, (64, 3, 32, 32)), starts(0, 3, 128, (64, 3, 32, 32)), starts(0, 2, 0, drawn.shape)):
        assert abs(np.corrcoef(drawn.ravel(), other.ravel())[0, 1]) < 5 / np.sqrt(drawn.size)
