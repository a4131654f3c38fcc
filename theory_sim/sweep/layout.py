"""Chunks of a sweep: contiguous runs of its points that are regular chunks of the store's arrays."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Layout:
    """Points in C order of `shape`, cut into chunks of shape (1, ..., 1, c, n, ..., n).

    shape: sizes of the swept dimensions; chunk: sizes of one chunk, as Zarr takes them. Only the last chunks along
    the dimension that is cut are smaller.
    """

    shape: tuple[int, ...]
    chunk: tuple[int, ...]

    @classmethod
    def of(cls, shape: tuple[int, ...], most: int) -> Layout:
        """Chunks of at most `most` >= 1 points, of nearly equal size."""
        sizes, room = [], max(most, 1)
        for size in reversed(shape):
            sizes.append(math.ceil(size / math.ceil(size / room)) if room else 1)
            room //= size  # 0 from the dimension on that is cut
        return cls(shape, tuple(reversed(sizes)))

    @property
    def n_points(self) -> int:
        """Points of the whole sweep."""
        return math.prod(self.shape)

    @property
    def pieces(self) -> tuple[int, ...]:
        """Chunks along each dimension."""
        return tuple(math.ceil(size / part) for size, part in zip(self.shape, self.chunk, strict=True))

    @property
    def n_chunks(self) -> int:
        """Chunks of the whole sweep."""
        return math.prod(self.pieces)

    def region(self, index: int) -> tuple[slice, ...]:
        """Where chunk `index` lies in the arrays; chunks are numbered in C order."""
        found = []
        for pieces, size, part in zip(reversed(self.pieces), reversed(self.shape), reversed(self.chunk), strict=True):
            index, piece = divmod(index, pieces)
            found.append(slice(piece * part, min((piece + 1) * part, size)))
        return tuple(reversed(found))

    def span(self, index: int) -> tuple[int, int]:
        """First point of chunk `index`, and the one after its last."""
        first, count = 0, 1
        for cut, size in zip(self.region(index), self.shape, strict=True):
            first = first * size + cut.start
            count *= cut.stop - cut.start
        return first, first + count
