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
from theory_sim.sweep.plots.scales import LINEAR, LOGARITHMIC, Scale, cell_edges, scale_for
from theory_sim.sweep.plots.selection import coordinate
from theory_sim.sweep.schema import RECORD

Array = NDArray[np.float64]
FEW = 8  # values up to which each has its own tick, and drawn numbers are not gathered in bins
CHARACTERS_PER_INCH = 11  # of tick labels side by side
LINE_HEIGHT = 0.15  # of tick labels above each other, in inches
SHORT = 4  # characters of a number up to which it is a good tick
FEW_DECADES = 50.0  # ratio of the ends of a logarithmic axis below which powers of ten are too few ticks
DRAWS_PER_CELL, BINS = 24, (4, 40)  # aimed at where drawn numbers are gathered, and how many bins at least and most
MARGIN = 0.03  # of an axis of lines, left and right of the outermost marks


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
    scale: Scale
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
        return Levels(key, label, different, places, cell_edges(places, LINEAR), LINEAR, xr.DataArray(codes, dims=dim))
    numbers = values.astype(np.float64)
    scale = scale_for(numbers) if logarithmic is None else LOGARITHMIC if logarithmic else LINEAR
    least = numbers.min()
    positive = least > 0 or not scale.is_logarithmic
    require(positive, f"logarithmic axis of {key}, which reaches {least:g}: allowed are values > 0")
    distinct, codes = np.unique(numbers, return_inverse=True)
    if dim == key or len(distinct) <= FEW:
        edges = cell_edges(distinct, scale)
        return Levels(key, label, distinct.tolist(), distinct, edges, scale, xr.DataArray(codes, dims=dim))
    low, high = scale.place(np.array([least, numbers.max()]))
    places = np.linspace(low, high, 2 * bins + 1)
    edges, centres = scale.value(places[::2]), scale.value(places[1::2])
    codes = np.clip(np.searchsorted(edges, numbers, side="right") - 1, 0, bins - 1)
    return Levels(key, label, centres.tolist(), centres, edges, scale, xr.DataArray(codes, dims=dim), is_binned=True)


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


def dress(axes: Axes, which: Literal["x", "y"], found: Levels, *, is_inner: bool = False, margin: float = 0.0) -> None:
    """Scale, limits, ticks and label of the x or y axis; an inner one shares the words of its neighbour.

    margin: limits this share of the values' range beyond them, for marks; 0: at the outer edges of the cells.
    """
    axis: MatplotlibAxis = getattr(axes, f"{which}axis")
    getattr(axes, f"set_{which}scale")(found.scale.name, **found.scale.options)
    getattr(axes, f"set_{which}lim")(*_limits(found, margin))
    texts = [value_text(value) for value in found.values]
    length = (axes.bbox.width if which == "x" else axes.bbox.height) / axes.figure.dpi
    fits = which == "y" or sum(map(len, texts)) + 2 * len(texts) <= CHARACTERS_PER_INCH * length
    short = len(texts) <= FEW and max(map(len, texts)) <= SHORT and not found.is_binned
    if found.is_words or (fits and short):
        kept = range(len(texts)) if found.is_words else _apart(found, texts if which == "x" else [], length)
        axis.set_major_locator(FixedLocator([found.positions[i] for i in kept]))
        axis.set_minor_locator(NullLocator())
        axis.set_ticklabels([texts[i] for i in kept])
        if not fits:
            for label in axes.get_xticklabels():
                label.set(rotation=45, ha="right", rotation_mode="anchor")
    elif found.scale.is_logarithmic:
        if _lacks_powers_of_ten(found):
            axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axis.set_major_formatter(FuncFormatter(lambda value, _: value_text(value)))
        axis.set_minor_formatter(NullFormatter())
    elif found.scale.name == "symlog":
        axis.set_major_formatter(FuncFormatter(lambda value, _: value_text(value)))
    axis.set_label_text("" if is_inner else found.label)
    axes.tick_params(axis=which, labelbottom=not is_inner, labelleft=not is_inner)


def _lacks_powers_of_ten(found: Levels) -> bool:
    """Whether powers of ten are too few ticks for a logarithmic axis: the range is narrow, or holds only one."""
    low, high = np.log10(found.edges[[0, -1]])
    return bool(found.edges[-1] / found.edges[0] < FEW_DECADES or np.floor(high) - np.ceil(low) < 1)


def _limits(found: Levels, margin: float) -> tuple[float, float]:
    if not margin or found.is_words or len(found.positions) < 2:
        return float(found.edges[0]), float(found.edges[-1])
    low, high = found.scale.place(found.positions[[0, -1]])
    room = margin * (high - low)
    ends = found.scale.value(np.array([low - room, high + room]))
    return float(ends[0]), float(ends[1])


def _apart(found: Levels, texts: list[str], length: float) -> list[int]:
    """Which values get a tick, from the left, so that texts on an axis of `length` inches do not meet; y: no texts."""
    places = found.scale.place(found.positions)
    inches = (places - places[0]) / max(float(np.ptp(places)), 1e-300) * length
    least = [(len(text) + 1.5) / CHARACTERS_PER_INCH for text in texts] or [LINE_HEIGHT] * len(places)
    kept = [0]
    for i in range(1, len(places)):
        if inches[i] - inches[kept[-1]] >= (least[i] + least[kept[-1]]) / 2:
            kept.append(i)
    return kept
