"""Figs. 5 and 9 drawn: image, adversarial example, perturbation; two log-spectra and their difference."""

from __future__ import annotations

from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure

from deep_check.experiments.image_panels import show_delta, show_image, show_map
from deep_check.experiments.log_difference import Measurement
from deep_check.experiments.spectrum_axes_picture import UNIT, in_signs, name_axes, new_map_figure
from deep_check.spectra import log_spectra
from theory_sim.inputs.cifar10 import CLASSES
from theory_sim.picture_style import STYLE


def draw(measurement: Measurement, title: str) -> Figure:
    """Of the first image that is classified correctly and no longer is; both log-spectra have one colour scale."""
    found, settings = measurement.found, measurement.settings
    i = found.first_fooled
    one = slice(i, i + 1)
    before, after = log_spectra(found.images[one])[0], log_spectra(found.adversarial[one])[0]
    limits: dict[str, Any] = {"vmin": min(before.min(), after.min()), "vmax": max(before.max(), after.max())}
    with rc_context(STYLE):
        figure = new_map_figure(10.2, 5.9)
        panels = figure.subplots(2, 3)
        show_image(panels[0, 0], found.images[i])
        panels[0, 0].set_title(f"x: seen as {CLASSES[found.before[i]]}")
        show_image(panels[0, 1], found.adversarial[i])
        panels[0, 1].set_title(f"x + δ: seen as {CLASSES[found.after[i]]}")
        scale = show_delta(panels[0, 2], found.deltas[i], settings.attack.radius)
        panels[0, 2].set_title(f"δ: full colours are ±{scale:.3g}, grey is 0")
        show_map(figure, panels[1, 0], before, "20·ln|F(x)|", settings, **limits)
        show_map(figure, panels[1, 1], after, "20·ln|F(x+δ)|", settings, **limits)
        difference = measurement.differences["attacked"].measured[i]
        show_map(figure, panels[1, 2], difference, "20·|ln|F(x+δ)| − ln|F(x)||", settings)
        for panel, words in zip(panels[1], ("log-spectrum of x", "of x + δ", "their difference"), strict=True):
            panel.set_title(words)
        for i, panel in enumerate(panels[1]):
            name_axes(panel, vertical=i == 0)
        figure.suptitle(f"{in_signs(title)}; dashed: |k| = {settings.cutoff:g}\n{UNIT}", x=0.01, ha="left", fontsize=9)
    return figure
