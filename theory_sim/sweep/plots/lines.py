"""Lines: a statistic along one parameter, with its 95 % interval, one line for each value of another."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from numpy.typing import NDArray

from theory_sim.errors import require
from theory_sim.picture_style import BLACK, BLUE, GREEN, ORANGE, PURPLE, RED, SKY
from theory_sim.sweep.plots.axes import Levels

COLOURS = (BLUE, RED, GREEN, PURPLE, ORANGE, SKY, BLACK)
DASHES: tuple[Any, ...] = ("-", "--", "-.", ":", (0, (6, 2)), (0, (2, 2)), (0, (4, 1, 1, 1, 1, 1)))
MARKERS = "osD^vPX"
MOST = 12  # lines in one panel
FEW = 30  # values up to which each has a marker
BELOW = 10.0  # how far below the least value the bottom of a logarithmic axis may lie, for intervals
DODGE = 0.6  # share of the room of a word that the marks of several lines spread over


def line_styles(hue: Levels | None) -> list[dict[str, Any]]:
    """Colour, dashes and marker for each value of `hue`; many numbers get shades in their order.

    Raises InputError if there are more than a reader can tell apart.
    """
    n = len(hue.values) if hue else 1
    key = hue.key if hue else ""
    require(n <= MOST, f"--hue {key} would make {n} lines: allowed are up to {MOST} (--select some of the values)")
    if n <= len(COLOURS):
        return [{"color": COLOURS[i], "ls": DASHES[i], "marker": MARKERS[i]} for i in range(n)]
    shades = colormaps["viridis"](np.linspace(0, 0.92, n))
    return [{"color": shades[i], "ls": "-", "marker": MARKERS[i % len(MARKERS)]} for i in range(n)]


def draw_line(
    axes: Axes, x: Levels, values: NDArray[np.float64], band: NDArray[np.float64], style: dict[str, Any],
    label: str, place: float = 0.0,
) -> None:  # fmt: skip
    """values (x,) with band (2, x) around them; over words, marks with bars, moved aside by `place` (-1 ... 1)."""
    if x.is_words:  # no order, so nothing to join
        at = x.positions + place * DODGE / 2
        reach = np.nan_to_num(np.abs(band - values))  # an error bar of length 0 is none
        marks = {"color": style["color"], "marker": style["marker"], "ls": "none"}
        axes.errorbar(at, values, yerr=reach, capsize=3, ms=5, lw=1.2, label=label, **marks)
        return
    shown = style | {"marker": style["marker"] if len(x.values) <= FEW else None}
    axes.plot(x.positions, values, ms=4, lw=1.5, label=label, **shown)
    axes.fill_between(x.positions, band[0], band[1], color=style["color"], alpha=0.2, lw=0)


def log_bottom(values: NDArray[np.float64], low: NDArray[np.float64]) -> float:
    """Where a logarithmic axis ends below `values` (positive or NaN) and, as far as it reasonably can, `low`.

    low: lower ends of intervals, of which those at 0 or below have no place on the axis.
    """
    least = float(np.nanmin(values))
    ends = low[low > 0]
    return max(float(ends.min(initial=least)), least / BELOW) / 1.5
