"""Axes of a picture: where the values of a parameter lie, on which scale, and which points belong to each of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.axis import Axis as MatplotlibAxis
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter, NullLocator
from numpy.typing import NDArray

from theory_sim.errors import require
from theory_sim.sweep.plots.labels import key_label, setting_text, value_text
from theory_sim.sweep.plots.selection import coordinate
from theory_sim.sweep.schema import RECORD

Array = NDArray[np.float64]
FEW = 8  # values up to which each has its own tick, and drawn numbers are not gathered in bins
CHARACTERS_PER_INCH = 11  # of tick labels side by side
SHORT = 4  # characters of a number up to which it is a good tick
FEW_DECADES = 50.0  # ratio of the ends of a logarithmic axis below which powers of ten are too few ticks
LEAST_RATIO = 4.0  # a narrower range is read as well on a linear axis
DRAWS_PER_CELL, BINS = 24, (4, 40)  # aimed at where drawn numbers are gathered, and how many bins at least and most
PAIR_RATIO = 100.0  # two values alone have no spacing: from this ratio on their axis is logarithmic


@dataclass(frozen=True)
class Levels:
    """The n values of one parameter that a picture tells apart.

    values: numbers, words, or centres of bins; positions (n,) and edges (n + 1,) on the axis (words: 0 ... n-1);
    codes: for each point which of them it has; is_binned: whether drawn numbers were gathered.
    """

    key: str
    label: str
    values: list[Any]
    positions: Array
    edges: Array
    logarithmic: bool
    codes: xr.DataArray
    is_binned: bool = False

    @property
    def is_words(self) -> bool:
        """Whether the values are words, which have no scale."""
        return isinstance(self.values[0], str)

    def text(self, i: int) -> str:
        """Value i in words, as the title of a panel; the range of a bin."""
        if self.is_binned:
            return f"{setting_text(self.key, self.edges[i])} … {value_text(self.edges[i + 1])}"
        return setting_text(self.key, self.values[i])

    def short(self, i: int) -> str:
        """Value i alone, for a legend under the parameter's label."""
        if self.is_binned:
            return f"{value_text(self.edges[i])} … {value_text(self.edges[i + 1])}"
        return value_text(self.values[i])


def is_logarithmic(values: Array) -> bool:
    """Whether numbers fill their range more evenly by their logarithms than by themselves."""
    values = np.unique(values)
    if len(values) < 2 or values[0] <= 0 or values[-1] / values[0] < LEAST_RATIO:
        return False
    if len(values) == 2:
        return bool(values[-1] / values[0] >= PAIR_RATIO)
    return _unevenness(np.log(values)) < _unevenness(values)


def _unevenness(values: Array) -> float:
    """Largest distance of ascending values from as many evenly spaced ones, as a share of the range."""
    return float(np.abs((values - values[0]) / (values[-1] - values[0]) - np.linspace(0, 1, len(values))).max())


def cell_edges(positions: Array, logarithmic: bool) -> Array:
    """Edges (n + 1,) half-way between ascending positions (n,), on a logarithmic scale half-way by ratio."""
    at = np.log(positions) if logarithmic else positions
    gaps = np.diff(at) if len(at) > 1 else np.ones(1)
    inner = (at[1:] + at[:-1]) / 2
    edges = np.concatenate([[at[0] - gaps[0] / 2], inner, [at[-1] + gaps[-1] / 2]])
    return np.exp(edges) if logarithmic else edges


def n_bins(n_points: int, n_axes: int) -> int:
    """Bins along each of `n_axes` axes over which `n_points` random points are spread."""
    return int(np.clip((n_points / DRAWS_PER_CELL) ** (1 / n_axes), *BINS))


def levels(dataset: xr.Dataset, key: str, logarithmic: bool | None = None, bins: int = BINS[0]) -> Levels:
    """The values of a parameter; numbers drawn at random are gathered in `bins` bins.

    logarithmic: None decides by the values. Raises InputError if True and some are not positive.
    """
    values = coordinate(dataset, key)
    dim = str(dataset[key].dims[0]) if key in dataset.coords else key
    label = key_label(key)
    if key == RECORD and "recorded_step" in dataset:
        steps = _common_steps(dataset)
        if steps is not None:
            values, label = steps, "training step t"
    if values.dtype.kind not in "iuf":
        different, codes = _in_order_of_appearance(values) if dim == key else _sorted(values)
        places = np.arange(len(different), dtype=np.float64)
        return Levels(key, label, different, places, cell_edges(places, False), False, xr.DataArray(codes, dims=dim))
    numbers = values.astype(np.float64)
    log = is_logarithmic(numbers) if logarithmic is None else logarithmic
    least = numbers.min()
    require(least > 0 or not log, f"logarithmic axis of {key}, which reaches {least:g}: allowed are values > 0")
    distinct, codes = np.unique(numbers, return_inverse=True)
    if dim == key or len(distinct) <= FEW:
        edges = cell_edges(distinct, log)
        return Levels(key, label, distinct.tolist(), distinct, edges, log, xr.DataArray(codes, dims=dim))
    space = np.geomspace if log else np.linspace
    edges = np.asarray(space(numbers.min(), numbers.max(), bins + 1), dtype=np.float64)
    centres = np.sqrt(edges[1:] * edges[:-1]) if log else (edges[1:] + edges[:-1]) / 2
    codes = np.clip(np.searchsorted(edges, numbers, side="right") - 1, 0, bins - 1)
    return Levels(key, label, centres.tolist(), centres, edges, log, xr.DataArray(codes, dims=dim), is_binned=True)


def _common_steps(dataset: xr.Dataset) -> NDArray[np.generic] | None:
    """The recorded steps, (n_records,), if all points that were run have the same ones."""
    steps = dataset["recorded_step"].load()
    rest = [dim for dim in steps.dims if dim != RECORD]
    first, last = steps.where(steps >= 0).min(rest).values, steps.max(rest).values
    ascending = np.isfinite(first).all() and (first == last).all() and (np.diff(last) > 0).all()
    return last if ascending else None


def _in_order_of_appearance(values: NDArray[np.generic]) -> tuple[list[str], NDArray[np.intp]]:
    different, first, codes = np.unique(values, return_index=True, return_inverse=True)
    order = np.argsort(first)
    return different[order].tolist(), np.argsort(order)[codes]


def _sorted(values: NDArray[np.generic]) -> tuple[list[str], NDArray[np.intp]]:
    different, codes = np.unique(values, return_inverse=True)
    return different.tolist(), codes


def dress(axes: Axes, which: Literal["x", "y"], found: Levels, *, is_inner: bool = False) -> None:
    """Scale, limits, ticks and label of the x or y axis; an inner one shares the words of its neighbour."""
    axis: MatplotlibAxis = getattr(axes, f"{which}axis")
    if found.logarithmic:
        getattr(axes, f"set_{which}scale")("log")
    getattr(axes, f"set_{which}lim")(found.edges[0], found.edges[-1])
    texts = [value_text(value) for value in found.values]
    width = axes.bbox.width / axes.figure.dpi
    fits = which == "y" or sum(map(len, texts)) + 2 * len(texts) <= CHARACTERS_PER_INCH * width
    short = fits and len(texts) <= FEW and max(map(len, texts)) <= SHORT and not found.is_binned
    if found.is_words or short:
        axis.set_major_locator(FixedLocator(found.positions.tolist()))
        axis.set_minor_locator(NullLocator())
        axis.set_ticklabels(texts)
        if not fits:
            for label in axes.get_xticklabels():
                label.set(rotation=45, ha="right", rotation_mode="anchor")
    elif found.logarithmic:
        if found.edges[-1] / found.edges[0] < FEW_DECADES:
            axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axis.set_major_formatter(FuncFormatter(lambda value, _: value_text(value)))
        axis.set_minor_formatter(NullFormatter())
    axis.set_label_text("" if is_inner else found.label)
    axes.tick_params(axis=which, labelbottom=not is_inner, labelleft=not is_inner)
