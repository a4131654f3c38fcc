"""What a reader sees first, and the courses of counterexamples, say what the ledger says."""

from __future__ import annotations

import io
import re
from typing import Any

import numpy as np
import pytest
from PIL import Image

from theory_sim.report import course, overview


def row(claim: str, case: str, printed: str | None, corrected: str | None, violations: int = 0) -> dict[str, Any]:
    details = {"printed": {"n": 200, "violations": violations, "interval": [0.4, 0.6]}}
    return {"claim": claim, "case": case, "printed": printed, "corrected": corrected, "n": 200, "details": details}


ROWS = [
    row("eq8", "relu", "holds exactly", "holds exactly"),
    row("thm1_t1", "eq8", "refuted", "holds exactly", 98),
    row("thm1_t1", "smooth", "refuted", None),
    row("thm3", "eq8", "holds exactly", "holds exactly"),
]


def test_table_has_what_was_judged() -> None:
    table = overview.theorems(ROWS)
    assert len(table.columns) == 2
    assert [line[0] for line in table.lines] == ["thm1_t1", "thm3"]
    assert table.lines[0][2] == [("refuted", "holds exactly"), ("refuted", None)]
    assert table.lines[1][2] == [("holds exactly", "holds exactly"), None]
    assert [overview.mark(v) for v in ("refuted", "holds exactly", None)] == ["✗", "✓", ""]
    assert overview.theorems(ROWS[:1]).lines == []


def test_one_result_is_the_ledgers() -> None:
    words = overview.one_result(ROWS)
    assert words is not None
    assert "of 200 networks 49 % [40.0, 60.0] end with τ falling" in words
    assert overview.one_result(ROWS[:1]) is None


def test_picture_shows_the_verdicts() -> None:
    assert overview.picture(ROWS[:1]) is None

    def pixels(rows: list[dict[str, Any]]) -> np.ndarray:
        image = overview.picture(rows)
        assert image is not None
        with Image.open(io.BytesIO(image)) as opened:
            return np.asarray(opened.convert("RGB"))

    assert pixels(ROWS).shape[1] > 1000
    assert (pixels(ROWS) == pixels(ROWS)).all()
    assert (pixels(ROWS) != pixels([*ROWS[:3], row("thm3", "eq8", "refuted", "holds exactly")])).any()


def heights(svg: str) -> list[float]:
    return [float(y) for y in re.findall(r'<circle cx="[^"]*" cy="([^"]*)"', svg)]


@pytest.mark.parametrize("far", [False, True])
def test_course_is_drawn_where_the_numbers_are(far: bool) -> None:
    tau = [0.2, 0.4, 0.3]
    level = 5.0 if far else 0.4
    svg = course.draw({"claim": "thm1_t1", "numbers": {"tau": tau, "input_tau": [level]}})
    ys = heights(svg)
    assert ys[1] < ys[2] < ys[0]
    assert ys[2] - ys[1] == pytest.approx((ys[0] - ys[1]) / 2, abs=0.1)
    dashed = re.findall(r'<line class="input"[^>]*y1="([^"]*)"', svg)
    assert dashed == ([] if far else [f"{ys[1]:.1f}"])
    assert ("τ(x) = 5 far off" if far else "τ(x) dashed") in svg


def test_course_of_attacks_and_of_nothing() -> None:
    gain = course.draw(
        {"claim": "lemma1", "numbers": {"gain": [1.0, 0.5, -0.2], "tau": [1, 1, 1], "gradient_tau": [1]}}
    )
    assert "β along the counterexample, 0 dashed" in gain
    assert len(set(heights(gain))) == 3
    constant = course.draw({"claim": "thm4", "numbers": {"tau": [0.5] * 4, "gradient_tau": [0.5]}})
    assert len(set(heights(constant))) == 1
    for numbers in ({"tau": [0.1, 0.2], "input_tau": [1.0]}, {"input_spectrum": [1.0, 2.0, 3.0]}):
        assert course.draw({"claim": "eq3", "numbers": numbers}) == ""
