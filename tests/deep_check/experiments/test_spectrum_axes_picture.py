"""Pictures of spectra: axes with units, colour bars within their maps, one spelling of norms, a named cut-off."""

from __future__ import annotations

import numpy as np
import pytest

from deep_check.experiments.image_panels import show_map
from deep_check.experiments.perturbations import Settings
from deep_check.experiments.spectrum_axes_picture import in_signs, mark_cutoff, name_axes, new_map_figure


@pytest.mark.parametrize("size", [(10.2, 8.5), (10.2, 4.0), (6.0, 8.0)])
def test_no_colour_bar_is_higher_than_its_map(size: tuple[float, float]) -> None:
    figure = new_map_figure(*size)
    panels = figure.subplots(2, 3)
    for panel in panels.flat:
        show_map(figure, panel, np.eye(32), "|F|", Settings())
    figure.canvas.draw()
    bars = figure.axes[6:]
    assert len(bars) == 6
    for panel, bar in zip(panels.flat, bars, strict=True):
        assert bar.get_window_extent().height <= panel.get_window_extent().height + 1


def test_axes_say_their_unit() -> None:
    panel = new_map_figure(3, 3).subplots()
    name_axes(panel, vertical=False)
    assert panel.get_xlabel().endswith("(cycles per image)")
    assert panel.get_ylabel() == ""
    name_axes(panel)
    assert panel.get_ylabel().endswith("(cycles per image)")


def test_the_line_at_the_cutoff_has_its_name() -> None:
    panel = new_map_figure(3, 3).subplots()
    mark_cutoff(panel, 8.0)
    (line,), words = panel.get_legend_handles_labels()
    assert words == ["cut-off 8, of the verdict"]
    assert list(line.get_xdata()) == [8.0, 8.0]


def test_norms_have_one_spelling() -> None:
    assert in_signs("PGD linf, radius 8/255; l2 beside") == "PGD ℓ∞, radius 8/255; ℓ₂ beside"
    assert in_signs("model_l2.safetensors, xlinf") == "model_l2.safetensors, xlinf"
