"""Phase diagrams: where Eq. 12 holds, where τ overshoots the input's, where t₁ exists."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib import rc_context
from matplotlib.figure import Figure

from theory_sim.picture_style import STYLE, new_figure
from theory_sim.sweep.plots.axes import MARGIN, Levels, dress, levels, n_bins
from theory_sim.sweep.plots.captions import commit_text, interval_text, networks_text, over_text, put_title
from theory_sim.sweep.plots.cells import LEAST_DRAWS, cells
from theory_sim.sweep.plots.heat_map import colours_for, draw_colour_bar, draw_heat_map
from theory_sim.sweep.plots.lines import draw_line, line_styles
from theory_sim.sweep.plots.quantities import parameters, quantity, valid
from theory_sim.sweep.plots.selection import coordinate
from theory_sim.sweep.plots.trainings import replicate, trainings

SHARES = ("eq12", "overshoots", "t1_exists")
TITLES = ("(a) Eq. 12 holds\n(f < y: its mirror image)", "(b) τ(δ) overshoots τ(x)\n(of those below it at the start)",
          "(c) $t_1$ exists: τ grows\nfrom some step on")  # fmt: skip
RATES = ("relative_rate", "learning_rate")
DRIVES = ("relative_residual", "residual")  # how far training moves the gradient: what the shares turn on
UPRIGHT = (*DRIVES, *RATES)  # goes on the y axis, the first of them that is swept
# The most telling parameters first.
PREFERRED = (
    *DRIVES, "alpha", *RATES, "cutoff", "label", "width", "weight_scale", "sharpness", "alpha0",
    "dim", "tile_size", "n_steps", "leak",
)  # fmt: skip
MOST_ROWS = 4


def choose_axes(dataset: xr.Dataset) -> list[str]:
    """Up to two swept numbers to draw over, x first: those with at least three values, then by PREFERRED."""
    swept = set(parameters(dataset))
    sizes = {key: len(np.unique(coordinate(dataset, key))) for key in PREFERRED if key in swept}
    order = sorted((key for key, n in sizes.items() if n > 1), key=lambda key: (sizes[key] < 3, PREFERRED.index(key)))
    return sorted(order[:2], key=lambda key: UPRIGHT.index(key) if key in UPRIGHT else len(UPRIGHT), reverse=True)


def activations(dataset: xr.Dataset) -> Levels | None:
    """The swept activations, if few enough for one row of panels each."""
    if "activation" not in parameters(dataset):
        return None
    found = levels(dataset, "activation")
    return found if 1 < len(found.values) <= MOST_ROWS else None


def plot_phases(dataset: xr.Dataset) -> Figure | None:
    """Shares of networks over two swept numbers, a row for each activation; over one number: lines.

    None where no number was swept or no network was run.
    """
    dataset = trainings(dataset)
    keys = choose_axes(dataset)
    if not keys or not valid(dataset).any():
        return None
    row = activations(dataset)
    bins = n_bins(dataset["tau_final"].size // (len(row.values) if row else 1), len(keys))
    axes = [levels(dataset, key, bins=bins) for key in keys]
    drawn = {str(dataset[key].dims[0]) for key in [*keys, "activation"] if key in dataset.coords}
    averaged = [str(dim) for dim in quantity(dataset, "eq12").values.dims if dim not in drawn]
    over = "the draws in each cell" if "sample" in drawn else over_text(dataset, averaged)
    reduced = [*averaged, *drawn & {"sample"}]
    with rc_context(STYLE):
        figure, note = _maps(dataset, axes, row) if len(axes) == 2 else _curves(dataset, axes[0], row, reduced)
        parts = [f"shares over {over}" if over else "", networks_text(dataset), note, commit_text(dataset)]
        put_title(figure, "Where the hypotheses and conclusions of Theorems 1 and 3 hold", parts)
    return figure


def _maps(dataset: xr.Dataset, axes: list[Levels], row: Levels | None) -> tuple[Figure, str]:
    n_rows = len(row.values) if row else 1
    figure = new_figure(12.0, 3.1 * n_rows + 1.4)
    grid = figure.subplots(n_rows, len(SHARES), squeeze=False, sharex=True, sharey=True)
    colours = colours_for(np.zeros(0), is_share=True)
    hatched, least = False, LEAST_DRAWS if any(axis.is_binned for axis in axes) else 1
    for j, name in enumerate(SHARES):
        shares = cells(quantity(dataset, name), [row, *axes] if row else axes, "share", least=least).value
        hatched |= bool(np.isnan(shares).any())
        for i in range(n_rows):
            panel, values = grid[i, j], shares[i] if row else shares
            mesh = draw_heat_map(panel, axes[0], axes[1], values, colours, (i < n_rows - 1, j > 0))
            if i == 0:
                panel.set_title(TITLES[j])
            if j == 0 and row:
                panel.set_ylabel(f"{row.text(i)}\n{panel.get_ylabel()}")
    draw_colour_bar(figure, mesh, list(grid.flat), "share of the networks", "none to judge" if hatched else "")
    fewer = f"fewer than {least} networks" if least > 1 else "no network"
    return figure, f"hatched: {fewer} to judge (in b: that start below τ(x))" if hatched else ""


def _curves(dataset: xr.Dataset, x: Levels, hue: Levels | None, reduced: list[str]) -> tuple[Figure, str]:
    figure = new_figure(12.0, 4.2)
    grid = figure.subplots(1, len(SHARES), sharey=True)
    dim = replicate(dataset, reduced)
    unit = xr.DataArray(np.arange(dataset.sizes[dim]), dims=dim) if dim else None
    note = ""
    for panel, name, title in zip(grid, SHARES, TITLES, strict=True):
        found = cells(quantity(dataset, name), [x, hue] if hue else [x], "share", unit)
        note = note or interval_text(dataset, reduced, found, "share")
        for i, style in enumerate(line_styles(hue)):
            at = (slice(None), i) if hue else (slice(None),)
            band = np.stack([found.low[at], found.high[at]])
            draw_line(panel, x, found.value[at], band, style, hue.short(i) if hue else "_nolegend_")
        dress(panel, "x", x, margin=MARGIN)
        panel.set_ylim(-0.03, 1.03)
        panel.set_title(title)
        panel.grid(color="0.9", lw=0.6)
    grid[0].set_ylabel("share of the networks")
    if hue:
        figure.legend(*grid[0].get_legend_handles_labels(), loc="outside right center", title=hue.label)
    return figure, note
