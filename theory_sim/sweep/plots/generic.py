"""Any value of a sweep over any one or two of its parameters: lines or heat maps, in panels."""

from __future__ import annotations

import math
import textwrap
from dataclasses import dataclass

import numpy as np
import xarray as xr
from matplotlib import rc_context
from matplotlib.figure import Figure
from numpy.typing import NDArray

from theory_sim.errors import require
from theory_sim.picture_style import STYLE, WIDE_RANGE
from theory_sim.sweep.plots.axes import MARGIN, Levels, dress, levels, n_bins
from theory_sim.sweep.plots.captions import commit_text, count_text, interval_text, networks_text, over_text, put_title
from theory_sim.sweep.plots.cells import LEAST_DRAWS, STATISTICS, Cells, cells
from theory_sim.sweep.plots.heat_map import colours_for, draw_colour_bar, draw_heat_map
from theory_sim.sweep.plots.labels import value_text
from theory_sim.sweep.plots.lines import draw_line, line_styles, log_bottom
from theory_sim.sweep.plots.panels import make_panels
from theory_sim.sweep.plots.quantities import BEYOND, Quantity, flags_of, quantity, require_parameter
from theory_sim.sweep.plots.selection import select
from theory_sim.sweep.plots.trainings import one_of_each, repeated, replicate
from theory_sim.sweep.schema import CLAIM

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Request:
    """What to draw. x alone: lines, one for each value of `hue`; x and y: a heat map; `facet` and `row`: panels.

    over: what to average over (None: all that is not shown); statistic: None for the share of a flag and the mean of a
    number; select: as in `selection.select`; log_...: None decides by the values.
    """

    value: str
    x: str
    y: str | None = None
    facet: str | None = None
    row: str | None = None
    hue: str | None = None
    over: tuple[str, ...] | None = None
    statistic: str | None = None
    select: tuple[str, ...] = ()
    log_x: bool | None = None
    log_y: bool | None = None
    log_value: bool | None = None

    @property
    def shown(self) -> dict[str, str]:
        """Option and parameter of everything the picture tells apart."""
        options = {"--x": self.x, "--y": self.y, "--hue": self.hue, "--facet": self.facet, "--row": self.row}
        return {option: key for option, key in options.items() if key is not None}


@dataclass(frozen=True)
class _View:
    """What is drawn, after all choices are made."""

    dataset: xr.Dataset
    shown: Quantity
    statistic: str
    averaged: list[str]
    axes: dict[str, Levels]
    fixed: list[str]  # for the caption: what --select fixes, and what is left out

    def cells(self) -> Cells:
        """Reduced over everything averaged, in the order of `axes`."""
        dim = replicate(self.dataset, self.reduced)
        unit = xr.DataArray(np.arange(self.dataset.sizes[dim]), dims=dim) if dim else None
        least = LEAST_DRAWS if self.is_drawn else 1
        found = cells(self.shown, list(self.axes.values()), self.statistic, unit, least)
        require(bool(np.isfinite(found.value).any()), f"{self.shown.name} has no value in this selection")
        return found

    @property
    def reduced(self) -> list[str]:
        """The dimensions of which a cell holds several points: those averaged, and `sample` where draws are binned."""
        return [*self.averaged, *(["sample"] if self.is_drawn else [])]

    @property
    def is_drawn(self) -> bool:
        return any(found.is_binned for found in self.axes.values())

    @property
    def is_share(self) -> bool:
        return self.statistic in ("share", "mean") and self.shown.is_flag

    @property
    def label(self) -> str:
        """The statistic and the value it is of, for an axis or a colour bar."""
        if self.is_share:
            return f"share: {self.shown.label}"
        return f"{self.statistic} of {self.shown.label}" if self.averaged or self.is_drawn else self.shown.label

    def title(self, figure: Figure, found: Cells, *notes: str) -> None:
        """Headline and caption; notes: what else is to be said of this picture."""
        word = "share" if self.is_share else self.statistic
        over = over_text(self.dataset, self.averaged)
        if self.is_drawn:
            over = f"the draws in each cell (median {np.median(found.n[found.n > 0]):.0f})"
        total, known = int(found.n_points.sum()), int(found.n.sum())
        lacking = f"{known:,} of {total:,} values are defined" if known < total else ""
        parts = [
            f"{word} over {over}" if over else "",
            networks_text(self.dataset),
            lacking,
            *notes,
            *self.fixed,
            commit_text(self.dataset),
        ]
        put_title(figure, self.shown.label, parts)


def plot_values(dataset: xr.Dataset, request: Request) -> Figure:
    """Draw a request. Raises InputError on names that are not in the result and on combinations that cannot be drawn.

    dataset: as `theory_sim.sweep.schema` describes it; only the variables needed are loaded.
    """
    with rc_context(STYLE):
        view = _view(dataset, request)
        return _heat_maps(view, request) if request.y else _lines(view, request)


def _view(dataset: xr.Dataset, request: Request) -> _View:
    keys = list(request.shown.values())
    require(not (request.hue and request.y), "--hue with --y: allowed is one of them (a heat map has no lines)")
    for option, key in request.shown.items():
        require_parameter(dataset, option, key)
        require(keys.count(key) == 1, f"{option} {key}: is shown twice, allowed is each parameter once")
    dataset, fixed = select(dataset, request.select)
    for option, key in request.shown.items():
        require(key in dataset.sizes or dataset[key].ndim == 1, f"{option} {key}: --select leaves one value of it only")
    dataset, unjudged = _judged(dataset, request)
    dataset = one_of_each(dataset, [dim for dim in repeated(dataset, request.value) if dim not in keys])
    shown = quantity(dataset, request.value)
    statistic = request.statistic or ("share" if shown.is_flag else "mean")
    require(statistic in STATISTICS, f"--statistic {statistic}: allowed are {', '.join(STATISTICS)}")
    require(
        statistic != "share" or shown.is_flag,
        f"--statistic share: {request.value} is a number, allowed are names of yes or no such as "
        f"{', '.join(flags_of(dataset, request.value))}",
    )
    dims = {key: str(dataset[key].dims[0]) if key in dataset.coords else key for key in keys}
    for key, dim in dims.items():
        require(dim in shown.values.dims, f"{request.value} does not depend on {key}: allowed is another value or axis")
    averaged = _averaged(shown, set(dims.values()), request.over)
    _require_positive(shown, request)
    return _View(dataset, shown, statistic, averaged, _axes(dataset, request, shown), [*unjudged, *fixed])


def _judged(dataset: xr.Dataset, request: Request) -> tuple[xr.Dataset, list[str]]:
    """For verdicts by claim: the result without the claims that no run judges, and a line that names these."""
    if request.value != "verdict" or CLAIM not in request.shown.values():
        return dataset, []
    verdicts = quantity(dataset, request.value).values
    judged = verdicts.notnull().any([dim for dim in verdicts.dims if dim != CLAIM])
    require(bool(judged.any()), f"{request.value} has no value in this selection")
    left_out = dataset[CLAIM].values[~judged.values].tolist()
    text = [f"never judged here: {', '.join(map(value_text, left_out))}"] if left_out else []
    return dataset.isel({CLAIM: np.flatnonzero(judged.values)}), text


def _averaged(shown: Quantity, drawn: set[str], over: tuple[str, ...] | None) -> list[str]:
    """The dimensions that are neither drawn nor forbidden to average over."""
    rest = {str(dim): size for dim, size in shown.values.sizes.items() if dim not in drawn}
    for dim, size in rest.items():
        require(
            dim not in BEYOND,
            f"{shown.name} has {size} values along {dim}: allowed is to show {dim} (--x, --facet, ...) or to "
            f"--select {dim}=...",
        )
        require(
            over is None or dim in over,
            f"{dim} ({size} values) is neither shown nor averaged: allowed is --facet {dim}, --over {dim} or "
            f"--select {dim}=...",
        )
    for dim in over or ():
        require(dim in rest, f"--over {dim}: nothing to average over, allowed are {', '.join(rest) or 'no names here'}")
    return list(rest)


def _axes(dataset: xr.Dataset, request: Request, shown: Quantity) -> dict[str, Levels]:
    """Levels of everything shown: facet and row outermost, then x, then y or hue."""
    out: dict[str, Levels] = {}
    for option in ("--facet", "--row"):
        if option in request.shown:
            out[option] = levels(dataset, request.shown[option])
    hue = levels(dataset, request.hue) if request.hue else None
    told_apart = math.prod(len(found.values) for found in (*out.values(), hue) if found)
    bins = n_bins(shown.values.size // told_apart, 2 if request.y else 1)
    out["--x"] = levels(dataset, request.x, request.log_x, bins)
    if request.y:
        out["--y"] = levels(dataset, request.y, request.log_y, bins)
    if hue:
        out["--hue"] = hue
    return out


def _heat_maps(view: _View, request: Request) -> Figure:
    found = view.cells()
    figure, panels = make_panels(view.axes.get("--facet"), view.axes.get("--row"))
    values, hidden = _without_logarithm(found.value) if request.log_value else (found.value, "")
    colours = colours_for(values, is_share=view.is_share, logarithmic=request.log_value)
    for panel in panels:
        x, y = view.axes["--x"], view.axes["--y"]
        mesh = draw_heat_map(panel.axes, x, y, values[panel.index], colours, panel.inner)
        panel.put_y_label(y.label)
    hatched = ""
    if np.isnan(values).any():
        hatched = "no value" + (f" (fewer than {LEAST_DRAWS} draws)" if view.is_drawn else "")
        hatched += " or ≤\u00a00" if hidden else ""
    draw_colour_bar(figure, mesh, [panel.axes for panel in panels], view.label, hatched)
    view.title(figure, found, hidden)
    return figure


def _lines(view: _View, request: Request) -> Figure:
    found, x, hue = view.cells(), view.axes["--x"], view.axes.get("--hue")
    styles = line_styles(hue)
    figure, panels = make_panels(view.axes.get("--facet"), view.axes.get("--row"))
    values, low, hidden = found.value, found.low, ""
    finite = values[np.isfinite(values)]
    wide = finite.min() > 0 and finite.max() / finite.min() > WIDE_RANGE
    logarithmic = (wide and not view.is_share) if request.log_value is None else request.log_value
    if logarithmic:
        values, hidden = _without_logarithm(values)
        low = np.maximum(low, log_bottom(values, low))
    for panel in panels:
        for i, style in enumerate(styles):
            index = (*panel.index, slice(None), *((i,) if hue else ()))
            place = 2 * (i + 0.5) / len(styles) - 1
            band = np.where(np.isfinite(values[index]), np.stack([low[index], found.high[index]]), np.nan)
            draw_line(panel.axes, x, values[index], band, style, hue.short(i) if hue else "_nolegend_", place)
        dress(panel.axes, "x", x, is_inner=panel.inner[0], margin=MARGIN)
        if logarithmic:
            panel.axes.set_yscale("log", nonpositive="mask")
        elif view.is_share:
            panel.axes.set_ylim(-0.03, 1.03)
        panel.axes.grid(color="0.9", lw=0.6)
        panel.axes.set_axisbelow(True)
        panel.put_y_label(view.label)
    if logarithmic:
        panels[0].axes.set_ylim(bottom=log_bottom(values, found.low))  # shared; only now does the top fit what is drawn
    if hue:
        handles, texts = panels[0].axes.get_legend_handles_labels()
        figure.legend(
            handles, texts, loc="outside right center", title="\n".join(textwrap.wrap(hue.label, 30)), alignment="left"
        )
    view.title(figure, found, interval_text(view.dataset, view.reduced, found, view.statistic), hidden)
    return figure


def _without_logarithm(values: Array) -> tuple[Array, str]:
    """The values with NaN for those that have no logarithm, and a line that counts these.

    Raises InputError if none has.
    """
    require(bool((values > 0).any()), "--log-value: no value above 0 to show: allowed is --linear-value")
    n = int((values <= 0).sum())
    return np.where(values > 0, values, np.nan), f"{count_text(n, 'value')} ≤ 0 not shown" if n else ""


def _require_positive(shown: Quantity, request: Request) -> None:
    known = shown.values.values[~np.isnan(shown.values.values)]
    if request.log_value and known.size:
        low, high = known.min(), known.max()
        require(
            low >= 0 and high > 0,
            f"--log-value: {request.value} goes from {low:.3g} to {high:.3g}: allowed are none below and some above 0",
        )
