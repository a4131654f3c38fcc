"""Figs. 3 and 7 drawn: images, their perturbations, and the spectra of these, a column an image."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

from deep_check.experiments.fig3 import SHOWN
from deep_check.experiments.image_panels import EXTENT, show_delta, show_image, show_low_band
from deep_check.experiments.perturbations import Perturbed, Settings
from deep_check.experiments.spectrum_axes_picture import TICKS, UNIT, in_signs, name_axes, new_map_figure
from theory_sim.inputs.cifar10 import CLASSES
from theory_sim.picture_style import STYLE


def draw(found: Perturbed, maps: Any, settings: Settings, title: str) -> Figure:
    """maps: |F(δ)| of each image (n, h, w). All spectra have one colour scale."""
    n = min(SHOWN, len(found.labels))
    shown = maps[:n]
    centre = shown.shape[1] // 2
    away = np.delete(shown.reshape(n, -1), centre * shown.shape[2] + shown.shape[2] // 2, axis=1)
    with rc_context(STYLE):
        figure = new_map_figure(1.25 * n + 1.2, 5.1)
        panels = figure.subplots(3, n, squeeze=False)
        for i in range(n):
            top, middle, bottom = panels[:, i]
            show_image(top, found.images[i])
            top.set_title(CLASSES[found.labels[i]], loc="center", fontsize=8)
            show_delta(middle, found.deltas[i], settings.attack.radius)
            middle.set_title(f"→ {CLASSES[found.after[i]]}", loc="center", fontsize=8)
            image = bottom.imshow(
                shown[i], cmap="viridis", extent=EXTENT, interpolation="nearest", vmin=0, vmax=np.quantile(away, 0.999)
            )
            show_low_band(bottom, settings)
            share = shown[i][_low(settings, shown[i])].sum() / shown[i].sum()
            bottom.set_title(f"{share:.0%}", loc="center", fontsize=8)
            bottom.set_xticks(TICKS)
            bottom.set_yticks(TICKS, labels=None if i == 0 else [""] * len(TICKS))
            bottom.tick_params(labelsize=6)
        for panel, words in zip(panels[:, 0], ("image x", "perturbation δ"), strict=False):
            panel.set_ylabel(words)
        name_axes(panels[2, 0])
        figure.colorbar(image, ax=list(panels[2]), label="|F(δ)|", shrink=0.9, pad=0.01)
        area = _low(settings, shown[0]).mean()
        figure.suptitle(
            f"{in_signs(title)}\nOver each spectrum: share of |F(δ)| at |k| ≤ {settings.cutoff:g} (dashed); "
            f"white noise has {area:.0%}. {UNIT}",
            x=0.01, ha="left", fontsize=9,
        )  # fmt: skip
    return figure


def _low(settings: Settings, values: Any) -> Any:
    from deep_check.spectra import radii

    return radii(values.shape, settings.mask) <= settings.cutoff
