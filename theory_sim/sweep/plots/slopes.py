"""Residuals of the predictions of τ against learning rate and width, with fitted orders."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from theory_sim.picture_style import BLUE, GREEN, GREY, RED, STYLE, new_figure
from theory_sim.sweep.plots.axes import Levels, dress, levels
from theory_sim.sweep.plots.captions import NOUNS, commit_text, networks_text, put_title
from theory_sim.sweep.plots.cells import LEAST_UNITS
from theory_sim.sweep.plots.phase import RATES, activations
from theory_sim.sweep.plots.quantities import parameters, quantity, swept
from theory_sim.sweep.plots.selection import coordinate
from theory_sim.sweep.plots.trainings import replicate, trainings

Array = NDArray[np.float64]
LEAST_VALUES = 3  # of a parameter, for a slope
ROUND_OFF = 1e-12  # τ is a ratio of sums over the spectrum: smaller residuals have no order
WIDEST = 0.5  # width of an interval beyond which a slope is not one
N_RESAMPLES, RESAMPLING_SEED = 1000, 0
N_BINS = 16
RESIDUALS: dict[str, tuple[str, dict[str, Any]]] = {
    "closed_form_residual": ("closed form", {"color": BLUE, "ls": "--", "marker": "o"}),
    "printed_residual": ("Eqs. 13–14 as printed", {"color": RED, "ls": ":", "marker": "s"}),
    "corrected_residual": ("Eqs. 13–14 corrected", {"color": GREEN, "ls": "-.", "marker": "D"}),
}


@dataclass(frozen=True)
class Slope:
    """Order of y in x: y ~ x^value, ± half the 95 % interval (NaN if nothing says how sure it is), log y at x = 1."""

    value: float
    half: float
    offset: float

    @property
    def text(self) -> str:
        """As in a legend."""
        if 2 * self.half > WIDEST:
            return "no clear slope"
        return f"slope {round(self.value, 2) + 0.0:.2f}" + (f" ± {self.half:.2f}" if np.isfinite(self.half) else "")


def fit_slope(x: Array, y: Array, unit: NDArray[np.intp]) -> Slope | None:
    """Least-squares slope of log y against log x over points (n,) with positive numbers; None if they have none.

    unit (n,): points with the same number share a seed and are resampled together; fewer than LEAST_UNITS units have
    no interval.
    """
    log_x, log_y = np.log(x), np.log(y)
    if len(np.unique(log_x)) < 2:
        return None
    log_x = log_x - (middle := log_x.mean())
    value, height = np.polyfit(log_x, log_y, 1)
    _, unit = np.unique(unit, return_inverse=True)
    n_units = int(unit.max()) + 1
    half = float("nan")
    if n_units >= LEAST_UNITS:
        # Sums of each unit are all that a slope needs: a resample weighs them by how often each unit was drawn.
        columns = (np.ones_like(log_x), log_x, log_y, log_x**2, log_x * log_y)
        sums = np.stack([np.bincount(unit, column, n_units) for column in columns])
        rng = np.random.default_rng(RESAMPLING_SEED)
        n, sx, sy, sxx, sxy = sums @ rng.multinomial(n_units, np.full(n_units, 1 / n_units), N_RESAMPLES).T
        with np.errstate(divide="ignore", invalid="ignore"):
            slopes = (n * sxy - sx * sy) / (n * sxx - sx**2)
        low, high = np.nanquantile(slopes, [0.025, 0.975])
        half = float(high - low) / 2
    return Slope(float(value), half, float(height - value * middle))


def slope_parameters(dataset: xr.Dataset) -> list[str]:
    """A rate and the width, those of them that take at least LEAST_VALUES values."""
    swept = set(parameters(dataset))
    rates = [key for key in RATES if key in swept][:1]
    keys = [*rates, *(["width"] if "width" in swept else [])]
    return [key for key in keys if len(np.unique(coordinate(dataset, key))) >= LEAST_VALUES]


def has_order(dataset: xr.Dataset) -> xr.DataArray:
    """True for runs, by swept dimensions, with r ≤ 1 that neither diverged nor, by events, lost a ReLU unit.

    Beyond r = 1 the residual f − y oscillates; a unit that crosses its kink takes a piece out of the gradient,
    of a size that does not depend on the rate.
    """
    rate, diverged, first = (quantity(dataset, n).values for n in ("relative_rate_used", "diverged", "first_crossing"))
    kinked = (quantity(dataset, "method:events").values == 1) & first.notnull()
    return (rate <= 1) & (diverged == 0) & ~kinked


def plot_slopes(dataset: xr.Dataset) -> Figure | None:
    """Median residuals on double logarithmic axes: a column for rate and width, a row for each activation.

    Only runs whose residuals can have an order are shown: `has_order`. None if neither is swept or none is such.
    """
    dataset = trainings(dataset)
    keys = slope_parameters(dataset)
    with_order = int(has_order(dataset).sum()) if keys else 0
    if not with_order:
        return None
    row = activations(dataset)
    n_rows = len(row.values) if row else 1
    with rc_context(STYLE):
        figure = new_figure(5.2 * len(keys) + 1.6, 4.1 * n_rows + 0.9)
        grid = figure.subplots(n_rows, len(keys), squeeze=False, sharex="col")
        for j, key in enumerate(keys):
            for i in range(n_rows):
                _draw(grid[i, j], dataset, levels(dataset, key, True, N_BINS), (row, i) if row else None)
        dim = replicate(dataset, swept(dataset))
        several = dim is not None and dataset.sizes[dim] >= LEAST_UNITS
        interval = f"± 95 % interval over {NOUNS[dim]}s" if dim and several else "without intervals (too few seeds)"
        parts = [
            "median of all networks that share the value on the axis; shaded: middle half",
            f"slopes {interval}: least squares over residuals above {ROUND_OFF:g}",
            f"{with_order:,} of {networks_text(dataset)}: r ≤ 1, no ReLU unit crossed its kink",
            commit_text(dataset),
        ]
        put_title(figure, "Largest distance between τ of the run and its prediction", parts)
    return figure


def _draw(axes: Axes, dataset: xr.Dataset, x: Levels, row: tuple[Levels, int] | None) -> None:
    smallest = np.inf
    for name, (label, style) in RESIDUALS.items():
        at, residual, unit, codes = _points(dataset, name, x, row)
        if not at.size:
            continue
        quartiles = np.full((3, len(x.values)), np.nan)
        for code in np.unique(codes):
            quartiles[:, code] = np.quantile(residual[codes == code], [0.25, 0.5, 0.75])
        resolved = residual > ROUND_OFF
        fit = fit_slope(at[resolved], residual[resolved], unit[resolved]) if resolved.mean() > 0.5 else None
        text = fit.text if fit else "mostly round-off"
        axes.plot(x.positions, quartiles[1], ms=4, lw=1.5, label=f"{label}: {text}", **style)
        axes.fill_between(x.positions, quartiles[0], quartiles[2], color=style["color"], alpha=0.12, lw=0)
        smallest = min(smallest, float(np.nanmin(quartiles[0])))
    axes.set_yscale("log", nonpositive="mask")
    dress(axes, "x", x)
    if not axes.lines:
        axes.text(0.5, 0.5, "no such network", transform=axes.transAxes, ha="center", color=GREY)
        axes.set_yticks([])
    if smallest < ROUND_OFF:
        limits = axes.get_ylim()
        axes.axhspan(limits[0], ROUND_OFF, color=GREY, alpha=0.15, lw=0, zorder=0, label="round-off")
        axes.set_ylim(limits)
    axes.set_ylabel("largest residual of τ over all steps")
    if row:
        axes.set_title(row[0].text(row[1]))
    axes.grid(color="0.9", lw=0.6)
    axes.set_axisbelow(True)
    if axes.lines:
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.17), ncols=2)


def _points(
    dataset: xr.Dataset, name: str, x: Levels, row: tuple[Levels, int] | None
) -> tuple[Array, Array, NDArray[np.intp], NDArray[np.intp]]:
    """Parameter, positive residual, seed (or number of the draw) and code of x of the runs of one panel, (n,) each."""
    values = quantity(dataset, name).values.where(has_order(dataset))
    if row:
        values = values.where(row[0].codes == row[1])
    unit_dim = replicate(dataset, [str(dim) for dim in values.dims])
    unit = xr.DataArray(np.arange(dataset.sizes[unit_dim]), dims=unit_dim) if unit_dim else xr.DataArray(0)
    numbers = xr.DataArray(coordinate(dataset, x.key).astype(np.float64), dims=x.codes.dims)
    arrays = xr.broadcast(values, numbers, unit, x.codes)
    residual, at, units, codes = (array.values.ravel() for array in arrays)
    keep = np.isfinite(residual) & (residual > 0)
    return at[keep], residual[keep], units[keep], codes[keep]
