"""Figs. 2 and 11: the last step has a tick, starts are said of each attack, and no band covers other curves."""

from __future__ import annotations

import numpy as np

from deep_check.experiments.along_training import ATTACKS, Curve, Curves
from deep_check.experiments.along_training_picture import COLOURS, draw

STEP = np.array([0.0, 1.0, 10.0, 100.0, 1000.0, 7800.0])


def curves() -> Curves:
    found = {}
    for attack, start in zip(ATTACKS, (0.2, 0.3), strict=True):
        for cutoff in COLOURS:
            mean = start + 0.01 * np.arange(6)
            std, n, none = np.full(6, 0.05), np.full(6, 100.0), np.full(6, np.nan)
            found[attack, cutoff] = Curve(STEP, mean, mean - 0.01, mean + 0.01, std, n, none, none)
    return found


def test_the_last_step_has_a_tick() -> None:
    panel = draw(curves(), "title").axes[0]
    assert list(panel.get_xticks()) == [0, 1, 10, 100, 1000, 7800]


def test_a_prediction_is_not_covered_by_a_standard_deviation() -> None:
    alone, beside = draw(curves(), "title"), draw(curves(), "title", curves())
    assert [len(figure.axes[0].collections) for figure in (alone, beside)] == [5, 4]
    words = " ".join(text.get_text() for text in beside.legends[0].get_texts())
    assert "τ at step 0: FGM 0.200, PGD 0.300" in words
    assert "standard deviation over images, cut-off 8: 0.050 to 0.050" in words


def test_the_legend_is_within_the_figure() -> None:
    for figure in (draw(curves(), "title"), draw(curves(), "title", curves())):
        figure.canvas.draw()
        assert figure.legends[0].get_window_extent().x1 <= figure.bbox.x1
