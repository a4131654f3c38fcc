"""Short decimal numbers, simplest first, so that what Hypothesis shrinks can be read and checked by hand."""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

PADDED = (9, 16)  # vectors are drawn at these lengths and cut


def grid(highest: int = 2, denominator: int = 4, *, positive: bool = False) -> list[float]:
    """Multiples of 1/denominator up to ±highest, whole numbers first and small before large; exact in float64 for 2^n.

    >>> grid(1, 2)
    [0.0, 1.0, -1.0, 0.5, -0.5]
    >>> grid(2, 2, positive=True)
    [1.0, 2.0, 0.5, 1.5]
    """
    first = 1 if positive else -highest * denominator
    values = [Fraction(n, denominator) for n in range(first, highest * denominator + 1)]
    return [float(v) for v in sorted(values, key=lambda v: (v.denominator, abs(v), v < 0))]


@lru_cache  # building a strategy costs more than a draw from it
def choice(*values: Any) -> st.SearchStrategy[Any]:
    """One of the values, shrinking towards the first."""
    return st.sampled_from(values)


@lru_cache
def numbers(highest: int = 2, denominator: int = 4, *, positive: bool = False) -> st.SearchStrategy[float]:
    """Numbers of `grid`, shrinking towards its first."""
    return st.sampled_from(grid(highest, denominator, positive=positive))


def power_of_two(value: float) -> float:
    """The power of two at or below a positive number: its size without its digits; 1 for 0.

    >>> power_of_two(5.3), power_of_two(0.2), power_of_two(0.0)
    (4.0, 0.125, 1.0)
    """
    return float(2.0 ** np.floor(np.log2(value))) if value > 0 else 1.0


@lru_cache
def vectors(dim: int, highest: int = 2, denominator: int = 4) -> st.SearchStrategy[NDArray[np.float64]]:
    """Vectors (dim,) of `numbers`.

    More numbers are drawn than used: where a sample gets shorter, all that was drawn after it keeps its place and its
    meaning, and shrinking can take one step after the other.

    >>> from hypothesis import find
    >>> find(vectors(3), lambda v: v[1] != 0).tolist()
    [0.0, 1.0, 0.0]
    """
    values = np.array(grid(highest, denominator))
    length = next((n for n in PADDED if n >= dim), dim)
    drawn = st.binary(min_size=length, max_size=length)  # one draw: a hundred times as fast as a list of numbers
    return drawn.map(lambda indices: values[np.frombuffer(indices, np.uint8)[length - dim :] % values.size])
