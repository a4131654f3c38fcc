"""Heat maps: colours that say what kind of number they stand for, cells without a value hatched."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from theory_sim.picture_style import WIDE_RANGE
from theory_sim.sweep.plots.axes import Levels, dress

SEQUENTIAL, DIVERGING = "viridis", "PuOr_r"  # both readable to the colour-blind, and PuOr's middle is near white
EMPTY: dict[str, Any] = {"facecolor": "0.88", "edgecolor": "0.6", "hatch": "////", "linewidth": 0.0}
HATCH_WIDTH = 14  # characters of the words for hatched cells in one line
LABEL_WIDTH, NOT_BAR = 46, 1.5  # characters of a colour bar's label in one line; inches above and below the bar
CHARACTERS_PER_INCH = 14


@dataclass(frozen=True)
class Colours:
    """A colour map and the numbers at its ends."""

    map: str
    norm: Normalize


def colours_for(values: NDArray[np.float64], *, is_share: bool, logarithmic: bool | None = None) -> Colours:
    """Shares from 0 to 1; numbers of both signs symmetric about 0; wide positive ranges by their logarithms."""
    finite = values[np.isfinite(values)]
    if is_share or finite.size == 0:
        return Colours(SEQUENTIAL, Normalize(0, 1))
    low, high = float(finite.min()), float(finite.max())
    if low < 0 < high:
        largest = max(-low, high)
        return Colours(DIVERGING, Normalize(-largest, largest))
    wide = low > 0 and high / low > WIDE_RANGE
    if wide if logarithmic is None else logarithmic:
        return Colours(SEQUENTIAL, LogNorm(low, high if high > low else 2 * low))
    return Colours(SEQUENTIAL, Normalize(low, high if high > low else low + (abs(low) or 1.0)))


def draw_heat_map(
    axes: Axes, x: Levels, y: Levels, values: NDArray[np.float64], colours: Colours, inner: tuple[bool, bool]
) -> QuadMesh:
    """values (x, y) as cells; NaN shows the hatched ground. inner: whether the x and y axis lack their words."""
    axes.patch.set(**EMPTY)
    mesh = axes.pcolormesh(
        x.edges, y.edges, np.ma.masked_invalid(values.T), cmap=colours.map, norm=colours.norm, rasterized=True
    )
    dress(axes, "x", x, is_inner=inner[0])
    dress(axes, "y", y, is_inner=inner[1])
    return mesh


def draw_colour_bar(figure: Figure, mesh: QuadMesh, panels: Sequence[Axes], label: str, hatched: str = "") -> None:
    """One bar for all panels; beside it, if given, what a hatched cell means."""
    bar = figure.colorbar(mesh, ax=list(panels), pad=0.02, aspect=28, fraction=0.08)
    beside = int(CHARACTERS_PER_INCH * (figure.get_figheight() - NOT_BAR))  # what ends above the words below the bar
    width = min(LABEL_WIDTH, beside) if hatched else LABEL_WIDTH
    bar.set_label("\n".join(textwrap.wrap(label, width)))
    if hatched:
        text = "\n".join(textwrap.wrap(hatched, HATCH_WIDTH))
        bar.ax.legend(
            handles=[Patch(**EMPTY, label=text)], loc="upper left", bbox_to_anchor=(0, -0.02), borderaxespad=0,
            borderpad=0, handlelength=1.2, handletextpad=0.4,
        )  # fmt: skip
