"""The picture says what its bands and its line are, and where curves end."""

from __future__ import annotations

import pytest

from deep_check.evaluation.conclusion import summarise
from deep_check.evaluation.picture import draw
from deep_check.evaluation.plan import NORMS
from tests.deep_check.evaluation.test_conclusion import RADII, SOUND, N, evaluation

SIZES = {"linf": 8 / 255, "l2": 0.5}


@pytest.mark.parametrize("norms", [NORMS, ["l2"]])
def test_bands_line_and_ends_are_named_within_the_figure(norms: list[str]) -> None:
    rows = evaluation()
    figure = draw(rows, summarise(rows, RADII, SOUND), SIZES, norms=norms)
    figure.canvas.draw()
    assert "shaded: 95 % interval" in [text.get_text() for text in figure.legends[0].get_texts()]
    right = figure.bbox.x1
    for panel in figure.axes[: len(norms)]:
        assert panel.get_title(loc="left").endswith(f"{N} images")
        assert [text.get_text() for text in panel.texts] == ["radius of the\nlower panel"]
        assert "ends where no image stands" in panel.get_xlabel()
        for text in (panel.xaxis.label, panel._left_title):
            assert text.get_window_extent().x1 <= right
