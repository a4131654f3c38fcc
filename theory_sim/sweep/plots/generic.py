"""Any value of a sweep over any one or two of its parameters: lines or heat maps, in panels."""

from __future__ import annotations

import math
import textwrap
from dataclasses import dataclass

import numpy as np
import xarray as xr
from matplotlib import rc_context
from matplotlib.figure import Figure

from theory_sim.errors import require
from theory_sim.picture_style import STYLE, WIDE_RANGE
from theory_sim.sweep.plots.axes import Levels, dress, levels, n_bins
from theory_sim.sweep.plots.captions import commit_text, networks_text, over_text, put_title
from theory_sim.sweep.plots.cells import LEAST_DRAWS, STATISTICS, Cells, cells
from theory_sim.sweep.plots.heat_map import colours_for, draw_colour_bar, draw_heat_map, explain_hatching
from theory_sim.sweep.plots.lines import draw_line, line_styles
from theory_sim.sweep.plots.panels import make_panels
from theory_sim.sweep.plots.quantities import BEYOND, Quantity, quantity, require_parameter
from theory_sim.sweep.plots.selection import select


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

    def cells(self) -> Cells:
        """Reduced over everything averaged, in the order of `axes`; seeds are independent, what shares one is not."""
        dims = [dim for dim in self.averaged if dim != "seed"]
        unit = None
        if "seed" in self.averaged and dims:
            unit = xr.DataArray(np.arange(self.dataset.sizes["seed"]), dims="seed")
        least = LEAST_DRAWS if self.is_drawn else 1
        return cells(self.shown, list(self.axes.values()), self.statistic, unit, least)

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

    def title(self, figure: Figure, fixed: list[str], found: Cells) -> None:
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
            *fixed,
            commit_text(self.dataset),
        ]
        put_title(figure, self.shown.label, parts)


def plot_values(dataset: xr.Dataset, request: Request) -> Figure:
    """Draw a request. Raises InputError on names that are not in the result and on combinations that cannot be drawn.

    dataset: as `theory_sim.sweep.schema` describes it; only the variables needed are loaded.
    """
    with rc_context(STYLE):
        view, fixed = _view(dataset, request)
        return _heat_maps(view, fixed, request) if request.y else _lines(view, fixed, request)


def _view(dataset: xr.Dataset, request: Request) -> tuple[_View, list[str]]:
    keys = list(request.shown.values())
    require(not (request.hue and request.y), "--hue with --y: allowed is one of them (a heat map has no lines)")
    for option, key in request.shown.items():
        require_parameter(dataset, option, key)
        require(keys.count(key) == 1, f"{option} {key}: is shown twice, allowed is each parameter once")
    dataset, fixed = select(dataset, request.select)
    for option, key in request.shown.items():
        require(key in dataset.sizes or dataset[key].ndim == 1, f"{option} {key}: --select leaves one value of it only")
    shown = quantity(dataset, request.value)
    statistic = request.statistic or ("share" if shown.is_flag else "mean")
    require(statistic in STATISTICS, f"--statistic {statistic}: allowed are {', '.join(STATISTICS)}")
    if statistic == "share" and not shown.is_flag:
        known = quantity(dataset, "t1_exists").values.notnull()
        shown = Quantity(
            shown.name, shown.values.notnull().astype(np.float64).where(known), f"there is {shown.label}", True
        )
    dims = {key: str(dataset[key].dims[0]) if key in dataset.coords else key for key in keys}
    for key, dim in dims.items():
        require(dim in shown.values.dims, f"{request.value} does not depend on {key}: allowed is another value or axis")
    averaged = _averaged(shown, set(dims.values()), request.over)
    return _View(dataset, shown, statistic, averaged, _axes(dataset, request, shown)), fixed


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


def _heat_maps(view: _View, fixed: list[str], request: Request) -> Figure:
    found = view.cells()
    figure, panels = make_panels(view.axes.get("--facet"), view.axes.get("--row"))
    _require_positive(found, request)
    colours = colours_for(found.value, is_share=view.is_share, logarithmic=request.log_value)
    for panel in panels:
        x, y = view.axes["--x"], view.axes["--y"]
        mesh = draw_heat_map(panel.axes, x, y, found.value[panel.index], colours, panel.inner)
        panel.put_y_label(y.label)
    draw_colour_bar(figure, mesh, [panel.axes for panel in panels], view.label)
    if np.isnan(found.value).any():
        fewer = f" (fewer than {LEAST_DRAWS} draws)" if view.is_drawn else ""
        explain_hatching(figure, "no value" + fewer)
    view.title(figure, fixed, found)
    return figure


def _lines(view: _View, fixed: list[str], request: Request) -> Figure:
    found, x, hue = view.cells(), view.axes["--x"], view.axes.get("--hue")
    styles = line_styles(hue)
    figure, panels = make_panels(view.axes.get("--facet"), view.axes.get("--row"))
    _require_positive(found, request)
    finite = found.value[np.isfinite(found.value)]
    wide = bool(finite.size) and finite.min() > 0 and finite.max() / finite.min() > WIDE_RANGE
    logarithmic = (wide and not view.is_share) if request.log_value is None else request.log_value
    for panel in panels:
        for i, style in enumerate(styles):
            index = (*panel.index, slice(None), *((i,) if hue else ()))
            place = 2 * (i + 0.5) / len(styles) - 1
            band = np.stack([found.low[index], found.high[index]])
            draw_line(panel.axes, x, found.value[index], band, style, hue.short(i) if hue else "_nolegend_", place)
        dress(panel.axes, "x", x, is_inner=panel.inner[0])
        if logarithmic:
            panel.axes.set_yscale("log", nonpositive="mask")
        elif view.is_share:
            panel.axes.set_ylim(-0.03, 1.03)
        panel.axes.grid(color="0.9", lw=0.6)
        panel.axes.set_axisbelow(True)
        panel.put_y_label(view.label)
    if hue:
        handles, texts = panels[0].axes.get_legend_handles_labels()
        figure.legend(
            handles, texts, loc="outside right center", title="\n".join(textwrap.wrap(hue.label, 30)), alignment="left"
        )
    interval = "bands: 95 % interval" if np.isfinite(found.low).any() else ""
    if interval and "seed" in view.averaged and len(view.averaged) > 1:
        interval += " over seeds"
    view.title(figure, [interval, *fixed], found)
    return figure


def _require_positive(found: Cells, request: Request) -> None:
    if request.log_value and np.isfinite(found.value).any():
        lowest = float(np.nanmin(found.value))
        require(lowest > 0, f"--log-value: {request.value} reaches {lowest:g}: allowed are values > 0")
