"""What all pictures share: colours, fonts, and how a figure becomes a file.

Colours are Okabe and Ito's, which colour-blind readers can tell apart; lines differ in dashes as well.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
YELLOW, BLUE, RED, PURPLE, GREY = "#F0E442", "#0072B2", "#D55E00", "#CC79A7", "#777777"
STYLE: Any = {
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "svg.hashsalt": "theory_sim",  # else every SVG of one figure differs
}
WIDE_RANGE = 1e3  # axes whose values span more than this are logarithmic


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of this size in inches, laid out when drawn; no display is needed."""
    figure = Figure(figsize=(width, height), layout=ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.12))
    FigureCanvasAgg(figure)
    return figure


def save_figure(figure: Figure, path: Path) -> None:
    """Write a PNG, PDF or SVG file, by the suffix: the same bytes every time. Raises OSError if it cannot."""
    undated = {".pdf": {"CreationDate": None}, ".svg": {"Date": None}}.get(path.suffix.lower(), {})
    with rc_context(STYLE):
        figure.savefig(path, dpi=150, metadata=undated)
