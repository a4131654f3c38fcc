"""Chunks are contiguous, cover every point once, and are Zarr's own chunks."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from theory_sim.sweep.layout import Layout

SHAPES = st.lists(st.sampled_from([1, 2, 3, 5, 7]), max_size=4).map(tuple)


@given(SHAPES, st.integers(1, 500))
def test_chunks_are_runs_of_points_in_their_order(shape: tuple[int, ...], most: int) -> None:
    layout = Layout.of(shape, most)
    points = np.arange(layout.n_points).reshape(shape)
    end = 0
    for chunk in range(layout.n_chunks):
        first, last = layout.span(chunk)
        assert first == end
        assert 0 < last - first <= most
        np.testing.assert_array_equal(points[layout.region(chunk)].ravel(), np.arange(first, last))
        for cut, size, part in zip(layout.region(chunk), shape, layout.chunk, strict=True):
            assert cut.start % part == 0
            assert cut.stop == min(cut.start + part, size)
        end = last
    assert end == layout.n_points == math.prod(shape)


def test_chunks_are_no_smaller_than_they_must_be() -> None:
    assert Layout.of((10, 1000), 400).chunk == (1, 334)
    assert Layout.of((100, 4097), 4096).chunk == (1, 2049)
    assert Layout.of((6, 5, 4), 40).chunk == (2, 5, 4)
    assert Layout.of((6, 5, 4), 1000).n_chunks == 1
    assert Layout.of((), 5).n_chunks == 1
