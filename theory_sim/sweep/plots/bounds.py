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
from theory_sim.sweep.plots.quantities import Quantity, quantity, valid

Array = NDArray[np.float64]
N_BINS = 36
MARGIN, GAP = 2, 1  # bins that "none" takes, and that part it from the steps
PAIRS = (  # predicted, observed, title, label of the prediction
    ("t0_printed", "t0_observed", "(a) $t_0$ of Theorem 1 as printed", "bound on $t_0$, as printed"),
    ("t0_corrected", "t0_observed", "(b) $t_0$ of Theorem 1, corrected", "bound on $t_0$, with the factor 2 of Eq. 14"),
    ("t1_predicted", "t1_observed", "(c) $t_1$ of the closed form", "$t_1$ by the closed form"),
)


@dataclass(frozen=True)
class Pair:
    """Steps of one prediction and of what was observed, (networks,); NaN or infinite: there is none."""

    predicted: Array
    observed: Array

    @property
    def counts(self) -> dict[str, int]:
        """How many networks have both, one of the two, or neither."""
        here, there = np.isfinite(self.predicted), np.isfinite(self.observed)
        return {
            "both": int((here & there).sum()),
            "only predicted": int((here & ~there).sum()),
            "only observed": int((~here & there).sum()),
            "neither": int((~here & ~there).sum()),
        }


def read_pair(dataset: xr.Dataset, predicted: str, observed: str) -> Pair:
    """Both steps of every network that was run."""
    shown: list[Quantity] = [quantity(dataset, name) for name in (predicted, observed)]
    first, second, run = xr.broadcast(*(q.values for q in shown), valid(dataset))
    keep = run.values.ravel()
    return Pair(first.values.ravel()[keep], second.values.ravel()[keep])


def plot_bounds(dataset: xr.Dataset) -> Figure | None:
    """One panel for each of PAIRS, or None where no network has any of these steps."""
    pairs = [read_pair(dataset, *names[:2]) for names in PAIRS]
    steps = np.concatenate([np.concatenate([pair.predicted, pair.observed]) for pair in pairs])
    steps = steps[np.isfinite(steps)]
    if not steps.size:
        return None
    with rc_context(STYLE):
        figure = new_figure(14.2, 5.4)
        grid = figure.subplots(1, len(PAIRS))
        top = max(float(steps.max()), 1.0)
        counted = [_histogram(pair, top) for pair in pairs]
        norm = LogNorm(1, max(float(max(found.max() for found in counted)), 2.0))
        for axes, pair, found, (_, observed, title, label) in zip(grid, pairs, counted, PAIRS, strict=True):
            mesh = axes.pcolormesh(np.ma.masked_equal(found.T, 0), cmap=SEQUENTIAL, norm=norm, rasterized=True)
            axes.plot([0, N_BINS], [0, N_BINS], color=BLACK, lw=1, ls=(0, (8, 3)), label="prediction = observation")
            counts = "\n".join(
                "  ·  ".join(f"{word}: {n:,}" for word, n in part)
                for part in (list(pair.counts.items())[:2], list(pair.counts.items())[2:])
            )
            axes.set_title(f"{title}\n{counts}")
            axes.set_xlabel(f"observed $t_{observed[1]}$ (training step)")
            axes.set_ylabel(f"{label} (training step)")
            _dress(axes, top)
        bar = figure.colorbar(mesh, ax=list(grid), pad=0.02)
        bar.set_label("networks")
        figure.legend(*grid[0].get_legend_handles_labels(), loc="outside lower left")
        parts = [
            networks_text(dataset),
            "right strip: not observed, upper strip: not predicted",
            "above the diagonal a bound is cautious, below it the run came later",
            commit_text(dataset),
        ]
        put_title(figure, "Predicted against observed $t_0$ and $t_1$", parts)
    return figure


def _scale(steps: Array, top: float) -> Array:
    """Steps 0 ... top on [0, N_BINS] by log(1 + t), as step 0 is a frequent one."""
    return np.asarray(np.log1p(np.minimum(steps, top)) / np.log1p(top) * N_BINS)


def _histogram(pair: Pair, top: float) -> Array:
    """Counts (observed, predicted) in bins of `_scale`, and in margins where one of the two does not exist."""
    size = N_BINS + GAP + MARGIN
    counts: Array = np.zeros((size, size))
    at = []
    for steps in (pair.observed, pair.predicted):
        exists = np.isfinite(steps)
        bins = np.minimum(_scale(np.where(exists, np.maximum(steps, 0), 0), top).astype(int), N_BINS - 1)
        at.append(np.where(exists, bins, N_BINS + GAP))
    np.add.at(counts, tuple(at), 1)
    # a margin is drawn MARGIN bins wide: each of them shows the whole count
    counts[N_BINS + GAP :, :] = counts[N_BINS + GAP, :]
    counts[:, N_BINS + GAP :] = counts[:, [N_BINS + GAP]]
    return counts


def _dress(axes: Axes, top: float) -> None:
    """Ticks at steps 0, 1, 10, 100, ... and at "none"; lines that part the margins from the steps."""
    powers: Array = np.array([10.0**i for i in range(int(np.log10(top)) + 1)])
    ticks = [0.0, *_scale(powers, top).tolist(), N_BINS + GAP + MARGIN / 2]
    texts = ["0", *(f"{p:,.0f}" if p < 1e4 else f"$10^{int(np.log10(p))}$" for p in powers), "none"]
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(FixedLocator(ticks))
        axis.set_major_formatter(FixedFormatter(texts))
    size = N_BINS + GAP + MARGIN
    for draw in (axes.axvspan, axes.axhspan):
        draw(N_BINS, N_BINS + GAP, color="white", zorder=2)
        draw(N_BINS + GAP, size, color=GREY, alpha=0.15, zorder=0, lw=0)
    axes.set_xlim(0, size)
    axes.set_ylim(0, size)
    axes.set_aspect("equal")
