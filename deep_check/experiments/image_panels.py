"""Images, perturbations and spectra as panels of a picture: what Figs. 1, 3, 5, 7 and 9 share."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Rectangle
from matplotlib.ticker import LogLocator, NullLocator
from numpy.typing import NDArray

from deep_check.experiments.perturbations import Settings

EXTENT = (-16.5, 15.5, 15.5, -16.5)  # of centred maps of 32x32, in cycles per image


def bare(panel: Any) -> None:
    """Neither ticks nor frame."""
    panel.set_xticks(())
    panel.set_yticks(())
    for spine in panel.spines.values():
        spine.set_visible(False)


def show_image(panel: Any, image: NDArray[Any]) -> None:
    """A picture (3, h, w) in [0, 1]."""
    panel.imshow(image.transpose(1, 2, 0), interpolation="nearest")
    bare(panel)


def show_delta(panel: Any, delta: NDArray[Any], radius: float) -> float:
    """A perturbation (3, h, w): grey is 0, full colours are ± what is returned: the radius, or its largest pixel."""
    scale = min(radius, float(np.abs(delta).max())) or 1.0
    panel.imshow(np.clip(0.5 + delta.transpose(1, 2, 0) / (2 * scale), 0, 1), interpolation="nearest")
    bare(panel)
    return scale


def show_map(
    figure: Figure,
    panel: Any,
    values: NDArray[Any],
    words: str,
    settings: Settings,
    extend: str = "neither",
    **limits: Any,
) -> None:
    """A centred map (h, w), the edge of the low band, and the colour bar; limits: of imshow's colours."""
    image = panel.imshow(values, cmap="viridis", extent=EXTENT, interpolation="nearest", **limits)
    panel.set_xticks((-16, -8, 0, 8, 15))
    panel.set_yticks((-16, -8, 0, 8, 15))
    for side in ("top", "right"):
        panel.spines[side].set_visible(True)
    bar = figure.colorbar(image, ax=panel, shrink=0.85, label=words, extend=extend)
    if isinstance(limits.get("norm"), LogNorm):
        plain_numbers(bar.ax.yaxis)
    show_low_band(panel, settings)


def plain_numbers(axis: Any) -> None:
    """Ticks of a logarithmic axis of little range: 0.7, 1, 1.5, 2, ..., not powers of ten."""
    axis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 5, 7)))
    axis.set_major_formatter(lambda value, _: f"{value:g}")
    axis.set_minor_locator(NullLocator())


def show_low_band(panel: Any, settings: Settings) -> None:
    """The edge of |k| <= cut-off on a centred map."""
    k = settings.cutoff
    edge: Any = Circle((0, 0), k) if settings.mask == "disc" else Rectangle((-k - 0.5, -k - 0.5), 2 * k + 1, 2 * k + 1)
    edge.set(fill=False, edgecolor="white", linestyle="--", linewidth=0.9)
    panel.add_patch(edge)
