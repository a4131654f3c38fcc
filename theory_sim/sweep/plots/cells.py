"""What a picture shows of many points: one statistic for each combination of the parameters it tells apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.special import stdtrit

from theory_sim.sweep.plots.axes import Levels
from theory_sim.sweep.plots.quantities import Quantity

Array = NDArray[np.float64]
Segments = tuple[Array, NDArray[np.intp], NDArray[np.intp]]  # values in ascending order cell by cell, firsts, counts
LEAST_UNITS = 5  # fewer seeds or draws say little of how sure a number is
LEAST_DRAWS = 4  # a cell of a random sample with fewer draws says nothing
NORMAL_95 = 1.959963984540054


@dataclass(frozen=True)
class Cells:
    """Arrays of the shape of the axes: the statistic, 95 % interval (NaN where there is none), number of values.

    n_points: how many points each cell has, with or without a value.
    """

    value: Array
    low: Array
    high: Array
    n: NDArray[np.int64]
    n_points: NDArray[np.int64]


def _mean(segments: Segments) -> Array:
    values, first, counts = segments
    return np.add.reduceat(values, first) / counts


def _sd(segments: Segments) -> Array:
    values, first, counts = segments
    deviation = (values - np.repeat(_mean(segments), counts)) ** 2
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.sqrt(np.add.reduceat(deviation, first) / (counts - 1)))


def _quantile(segments: Segments, share: float | Array) -> Array:
    values, first, counts = segments
    at = share * (counts - 1)
    below, above = np.floor(at).astype(int), np.ceil(at).astype(int)
    low, high = values[first + below], values[first + above]
    with np.errstate(invalid="ignore"):  # between two infinities
        return np.where(low == high, low, low + (at - below) * (high - low))


STATISTICS: dict[str, Callable[[Segments], Array]] = {
    "mean": _mean,
    "median": lambda segments: _quantile(segments, 0.5),
    "share": _mean,
    "sd": _sd,
    "min": lambda segments: segments[0][segments[1]],
    "max": lambda segments: segments[0][segments[1] + segments[2] - 1],
}


def cells(
    shown: Quantity, axes: Sequence[Levels], statistic: str, unit: xr.DataArray | None = None, least: int = 1
) -> Cells:
    """Reduce the values over all dimensions that the axes do not tell apart; NaN counts for nothing.

    unit: codes of what is independent (seeds, draws): the interval is over them, that of means over the mean of each;
    cells with fewer than LEAST_UNITS have none. Means of flags have Wilson's interval, other means Student's, medians
    of one value a unit that between two order statistics; all within the quantity's limits. Cells with fewer than
    `least` values get NaN.
    """
    shape = tuple(len(found.values) for found in axes)
    code, size = xr.DataArray(0), int(np.prod(shape, dtype=np.int64))
    for found in axes:
        code = code * len(found.values) + found.codes
    arrays = xr.broadcast(shown.values, code, *([] if unit is None else [unit]))
    values, codes, *units = (array.values.ravel() for array in arrays)
    n_points = np.bincount(codes, minlength=size)
    keep = np.isfinite(values) if statistic in ("mean", "sd", "share") else ~np.isnan(values)
    values, codes, units = values[keep], codes[keep], [found[keep] for found in units]

    full = np.full((3, size), np.nan)
    n = np.bincount(codes, minlength=size)
    if values.size:
        there, segments = _segments(values, codes)
        full[0, there] = STATISTICS[statistic](segments)
        if units:
            independent = _grouped(values, codes, units[0])
            ends = _interval(statistic, segments, full[0, there], shown.is_flag, independent)
            full[1:, there] = np.clip(ends, *shown.limits)
    full[:, n < least] = np.nan
    value, low, high = full.reshape(3, *shape)
    return Cells(value, low, high, n.reshape(shape), n_points.reshape(shape))


def _segments(values: Array, codes: NDArray[np.intp]) -> tuple[NDArray[np.intp], Segments]:
    """Which codes occur, and their values, ascending within each."""
    order = np.lexsort((values, codes))
    there, first, counts = np.unique(codes[order], return_index=True, return_counts=True)
    return there, (values[order], first, counts)


def _grouped(values: Array, codes: NDArray[np.intp], units: NDArray[np.intp]) -> Segments:
    """What is independent of each other: the mean of each unit within a cell."""
    n_units = int(units.max()) + 1
    pairs, segments = _segments(values, codes * n_units + units)
    return _segments(_mean(segments), pairs // n_units)[1]


def _interval(statistic: str, segments: Segments, centre: Array, is_flag: bool, independent: Segments) -> Array:
    """(2, cells): lower and upper end, NaN where there is none."""
    counts = independent[2].astype(np.float64)
    nothing = np.full((2, len(centre)), np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        if statistic in ("mean", "share") and is_flag:
            out = _wilson(centre, _effective(centre, segments, independent))
        elif statistic == "mean":
            half = stdtrit(counts - 1, 0.975) * _sd(independent) / np.sqrt(counts)
            out = np.stack([centre - half, centre + half])
        elif statistic == "median":
            reach = NORMAL_95 / 2 / np.sqrt(counts)
            ends = np.stack([_quantile(segments, np.clip(0.5 + side * reach, 0, 1)) for side in (-1, 1)])
            out = np.where(counts == segments[2], ends, np.nan)  # values that share a unit are not independent
        else:
            return nothing
    return np.where(counts >= LEAST_UNITS, out, np.nan)


def _effective(share: Array, segments: Segments, independent: Segments) -> Array:
    """How many independent flags would vary as the means of the units do, between the numbers of units and of flags.

    Kish's effective sample size; units that all agree count once each.
    """
    units, flags = independent[2].astype(np.float64), segments[2].astype(np.float64)
    variance = _sd(independent) ** 2
    return np.clip(np.where(variance > 0, share * (1 - share) * units / variance, units), units, flags)


def _wilson(share: Array, n: Array) -> Array:
    z2 = NORMAL_95**2
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = NORMAL_95 / (1 + z2 / n) * np.sqrt(share * (1 - share) / n + z2 / (4 * n**2))
    return np.stack([centre - half, centre + half])
