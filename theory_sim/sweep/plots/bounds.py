"""Predicted against observed t₀ and t₁: joint histograms over steps, with room for "there is none"."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import FixedFormatter, FixedLocator
from numpy.typing import NDArray

from theory_sim.picture_style import BLACK, GREY, STYLE, new_figure
from theory_sim.sweep.plots.captions import commit_text, networks_text, put_title
from theory_sim.sweep.plots.heat_map import SEQUENTIAL
from theory_sim.sweep.plots.quantities import quantity, valid
from theory_sim.sweep.plots.trainings import trainings

Array = NDArray[np.float64]
N_BINS = 40  # fewer where they would be narrower than a step
MARGIN, GAP = 0.06, 0.025  # shares of the axis that "none" takes, and that part it from the steps
PAIRS = (  # predicted, observed, title, label of the prediction
    ("t0_printed", "t0_observed", "(a) $t_0$ of Theorem 1 as printed", "bound on $t_0$, as printed"),
    ("t0_corrected", "t0_observed", "(b) $t_0$ of Theorem 1, corrected", "bound on $t_0$, factor 2 of Eq. 14"),
    ("t1_predicted", "t1_observed", "(c) $t_1$ of the closed form", "$t_1$ by the closed form"),
)


@dataclass(frozen=True)
class Pair:
    """Whole steps of one prediction and of what was observed, (networks,); NaN: there is none."""

    predicted: Array
    observed: Array

    @property
    def counts(self) -> dict[str, int]:
        """How many networks have both, the run later than predicted among them; how many have one, or neither."""
        here, there = np.isfinite(self.predicted), np.isfinite(self.observed)
        return {
            "both": int((here & there).sum()),
            "run later than predicted": int((self.observed > self.predicted).sum()),
            "only predicted": int((here & ~there).sum()),
            "only observed": int((~here & there).sum()),
            "neither": int((~here & ~there).sum()),
        }


def read_pair(dataset: xr.Dataset, predicted: str, observed: str) -> Pair:
    """Both steps of every network that was run; a bound between two steps as the later one, the first after it."""
    arrays = [quantity(dataset, name).values for name in (predicted, observed)]
    first, second, run = (array.values.ravel() for array in xr.broadcast(*arrays, valid(dataset)))
    return Pair(np.where(np.isfinite(first), np.ceil(first), np.nan)[run], second[run])


def plot_bounds(dataset: xr.Dataset) -> Figure | None:
    """One panel for each of PAIRS, or None where no network has any of these steps."""
    dataset = trainings(dataset)
    pairs = [read_pair(dataset, *names[:2]) for names in PAIRS]
    steps = np.concatenate([np.concatenate([pair.predicted, pair.observed]) for pair in pairs])
    if not np.isfinite(steps).any():
        return None
    edges = step_edges(float(np.nanmax(steps)))
    counted = [joint_counts(pair, edges) for pair in pairs]
    with rc_context(STYLE):
        figure = new_figure(12.0, 5.0)
        grid = figure.subplots(1, len(PAIRS))
        norm = LogNorm(1, max(float(max(found.max() for found in counted)), 2.0))
        for axes, pair, found, (_, observed, title, label) in zip(grid, pairs, counted, PAIRS, strict=True):
            places = _places(edges)
            mesh = axes.pcolormesh(
                places, places, np.ma.masked_equal(found.T, 0), cmap=SEQUENTIAL, norm=norm, rasterized=True
            )
            axes.plot(places[[0, -3]], places[[0, -3]], color=BLACK, lw=1, ls=(0, (8, 3)))
            texts = [f"{word}: {n:,}" for word, n in pair.counts.items()]
            axes.set_title("\n".join([title, *("  ·  ".join(texts[i : i + 2]) for i in (0, 2, 4))]), fontsize=9)
            axes.set_xlabel(f"observed $t_{observed[1]}$ (training step)")
            axes.set_ylabel(f"{label} (training step)")
            _dress(axes, edges, places)
        end = places[[-3, -3]]
        style = {"rotation": 45, "rotation_mode": "anchor", "ha": "right", "va": "top", "fontsize": 8}
        grid[0].annotate("run as predicted", end, (-14, -26), textcoords="offset points", **style)
        figure.colorbar(mesh, ax=list(grid), pad=0.02).set_label("networks")
        parts = [
            networks_text(dataset),
            "right strip: not observed, upper strip: not predicted",
            "above the diagonal a bound is cautious, below it the run is later",
            commit_text(dataset),
        ]
        put_title(figure, "Predicted against observed $t_0$ and $t_1$", parts)
    return figure


def step_edges(last: float) -> Array:
    """Edges (n + 1,) of bins of the whole steps 0 ... last, half-way between steps, even in log(2 + t)."""
    firsts = np.unique(np.geomspace(2, last + 3, N_BINS + 1).round()) - 2
    return np.asarray(firsts - 0.5, dtype=np.float64)


def joint_counts(pair: Pair, edges: Array) -> Array:
    """Counts (observed, predicted) in bins of `edges`; behind a gap, the last bin of each is for "there is none"."""
    size = len(edges) + 1
    counts: Array = np.zeros((size, size))
    at = []
    for steps in (pair.observed, pair.predicted):
        bins = np.searchsorted(edges, np.nan_to_num(steps), side="right") - 1
        at.append(np.where(np.isfinite(steps), bins, size - 1))
    np.add.at(counts, tuple(at), 1)
    return counts


def _places(edges: Array) -> Array:
    """Edges on the axis, by log(2 + t), and those of the gap and of the bin for "none" behind them."""
    at = np.log(2 + edges)
    length = at[-1] - at[0]
    return np.append(at, at[-1] + length * np.array([GAP, GAP + MARGIN]))


def _dress(axes: Axes, edges: Array, places: Array) -> None:
    """Ticks at steps 0, 1, 10, 100, ... and at "none", whose strips are grey."""
    powers = [10**i for i in range(int(np.log10(max(edges[-1], 1))) + 1)]
    ticks = [*np.log([2, *(2 + p for p in powers)]).tolist(), (places[-1] + places[-2]) / 2]
    texts = ["0", *(f"{p:,}" if p < 10_000 else f"$10^{i}$" for i, p in enumerate(powers)), "none"]
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(FixedLocator(ticks))
        axis.set_major_formatter(FixedFormatter(texts))
    for draw in (axes.axvspan, axes.axhspan):
        draw(places[-2], places[-1], color=GREY, alpha=0.15, zorder=0, lw=0)
    axes.set_xlim(places[0], places[-1])
    axes.set_ylim(places[0], places[-1])
    axes.set_aspect("equal")
