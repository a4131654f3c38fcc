"""What pictures of spectra share: a figure whose colour bars fit their maps, named axes, the line at the cut-off."""

from __future__ import annotations

import re
from typing import Any

from matplotlib.figure import Figure

from deep_check.attacks import NORM_NAMES
from theory_sim.picture_style import GREY, new_figure

UNIT = "F: discrete Fourier transform, not normalised, of pixels in [0, 1]; mean over channels"
TICKS = (-16, -8, 0, 8, 15)


def new_map_figure(width: float, height: float) -> Figure:
    """As `new_figure`, for square maps: no colour bar is higher than its map."""
    figure = new_figure(width, height)
    figure.set_layout_engine("compressed", w_pad=0.12, h_pad=0.12)
    return figure


def name_axes(panel: Any, *, horizontal: bool = True, vertical: bool = True) -> None:
    """Of a centred map, both in cycles per image."""
    if horizontal:
        panel.set_xlabel("horizontal frequency\n(cycles per image)")
    if vertical:
        panel.set_ylabel("vertical frequency\n(cycles per image)")


def mark_cutoff(panel: Any, cutoff: float) -> None:
    """A line at the cut-off, which the legend names: within the panel a name would meet curves."""
    panel.axvline(cutoff, color=GREY, linewidth=0.8, label=f"cut-off {cutoff:g}, of the verdict")


def in_signs(title: str) -> str:
    """A title with norms as panels write them: ℓ∞ and ℓ₂ in place of the option's linf and l2."""
    return re.sub(r"\b(?:linf|l2)\b", lambda found: NORM_NAMES[found.group()], title)
