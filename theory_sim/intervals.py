"""Intervals of what was counted."""

from __future__ import annotations

import math

Z95 = 1.959963984540054  # 95 % of a normal distribution are within as many deviations


def wilson(count: int, n: int) -> tuple[float, float]:
    """95 % Wilson interval of the share count/n [Wilson 1927]; it holds count/n, rounding or not."""
    centre = (count + Z95**2 / 2) / (n + Z95**2)
    half = Z95 / (n + Z95**2) * math.sqrt(count * (n - count) / n + Z95**2 / 4)
    return (max(0.0, centre - half) if count else 0.0), (min(1.0, centre + half) if count < n else 1.0)
