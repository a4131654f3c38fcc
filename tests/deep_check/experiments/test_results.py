"""Verdicts, intervals, and results.json: what is written is read back, and what is damaged is refused in one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from deep_check.experiments.results import (
    IN_PART,
    NOT_REPRODUCED,
    REPRODUCED,
    UNDECIDED,
    Effect,
    Finding,
    Measured,
    mean,
    mean_interval,
    paired_difference,
    read_results,
    share,
    share_difference,
    verdict,
    write_results,
)
from theory_sim.errors import InputError
from theory_sim.intervals import wilson

UP, DOWN, FLAT = Measured("up", 0.2, 0.1, 0.3), Measured("down", -0.2, -0.3, -0.1), Measured("flat", 0.1, -0.1, 0.3)
NEAR, FAR = Measured("near", 0.5, 0.4, 0.6, 100, paper=0.55), Measured("far", 0.5, 0.4, 0.6, 100, paper=0.7)
ROW = Finding(
    "fig6", "6", "it helps", "that it helps", IN_PART, 100, (NEAR, UP), "It helps.",
    {"steps": 40}, (Effect("norm", "l2", FAR),), ("fig6.png",), {"normal": {"file": "n.npz", "digest": "ab"}},
    {"digest": "cd", "n": 100, "notes": []}, {"seed": 0}, {"version": "1", "commit": "ef"},
)  # fmt: skip


@pytest.mark.parametrize(
    ("directions", "measured", "expected"),
    [
        ([UP], [NEAR], REPRODUCED),
        ([UP, UP], [], REPRODUCED),
        ([UP], [NEAR, FAR], IN_PART),
        ([UP], [Measured("no interval", 0.5, paper=0.5)], IN_PART),
        ([UP, FLAT], [NEAR], UNDECIDED),
        ([UP, Measured("no interval", 0.2)], [NEAR], UNDECIDED),
        ([], [NEAR], UNDECIDED),
        ([UP, FLAT, DOWN], [NEAR], NOT_REPRODUCED),
        ([Measured("edge", 0.1, 0.0, 0.2)], [NEAR], UNDECIDED),
    ],
)
def test_verdicts(directions: list[Measured], measured: list[Measured], expected: str) -> None:
    assert verdict(directions, measured) == expected


def test_intervals_beside_scipy() -> None:
    values = np.random.default_rng(0).normal(3, 2, 17)
    middle, low, high = mean_interval(values)
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert (middle, low, high) == pytest.approx((values.mean(), expected.low, expected.high), rel=1e-12)
    others = values + np.random.default_rng(1).normal(1, 0.1, 17)
    found = paired_difference("shift", others, values)
    paired = stats.ttest_rel(others, values).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((paired.low, paired.high), rel=1e-12)
    assert found.high - found.low < (high - low) / 3  # pairs are told from two samples
    for bad in ([1.0], [[1.0, 2.0]], [1.0, float("nan")]):
        with pytest.raises(InputError):
            mean_interval(bad)
    with pytest.raises(InputError, match="equal ones"):
        paired_difference("shift", [1, 2], [1, 2, 3])


def test_intervals_cover_as_often_as_they_say() -> None:
    """Of 2,000 samples of a known mean, and of two known shares: 95 % give or take 4 standard errors."""
    rng = np.random.default_rng(2)
    draws = rng.exponential(1.0, (2000, 60))
    inside = [low <= 1.0 <= high for _, low, high in map(mean_interval, draws)]
    assert 0.91 < np.mean(inside) < 0.97  # skewed: a little less than 95 %
    counts = rng.binomial(200, [0.5, 0.33], (2000, 2))
    gaps = [share_difference("gap", share("a", int(a), 200), share("b", int(b), 200)) for a, b in counts]
    covered = np.mean([gap.low <= 0.17 <= gap.high for gap in gaps])
    assert abs(covered - 0.95) < 4 * np.sqrt(0.95 * 0.05 / 2000)
    assert np.mean([gap.low <= 0.30 <= gap.high for gap in gaps]) < 0.5  # and not just anything


def test_shares_of_none_and_all_are_inside_of_their_intervals() -> None:
    for n in (1, 3, 40, 1017):
        assert wilson(0, n)[0] == 0.0
        assert wilson(n, n)[1] == 1.0
        assert share("none", 0, n).low == 0.0


@pytest.mark.parametrize(
    "fields",
    [
        {"value": float("nan")},
        {"value": True},
        {"low": 0.6},
        {"low": None},
        {"high": float("inf")},
        {"n": -1},
        {"n": 2.0},
        {"paper": "51.7"},
    ],
)
def test_a_number_that_is_none_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="'near'"):
        replace(NEAR, **fields)


def test_results_are_read_as_written_and_merged_by_claim(tmp_path: Path) -> None:
    path = tmp_path / "deeper" / "results.json"
    other = replace(ROW, claim="fig4", verdict=REPRODUCED)
    write_results(path, [ROW, other])
    assert read_results(path) == [ROW, other]
    again = replace(ROW, verdict=NOT_REPRODUCED, measured=(mean("τ", [0.1, 0.2]),))
    write_results(path, [again])
    assert read_results(path) == [again, other]
    content = json.loads(path.read_text())
    assert (content["format"], content["version"]) == ("deep_check results", 1)
    assert content["provenance"]["commit"]
    assert content["rows"][0]["effects"][0]["measured"]["difference"] == pytest.approx(-0.2)
    assert [p.name for p in path.parent.iterdir()] == ["results.json"]


DAMAGES: list[tuple[Callable[[dict[str, Any]], Any], str]] = [
    (lambda c: c.update(format="x"), "allowed are files of format"),
    (lambda c: c.update(version=2), "version 2: allowed is 1"),
    (lambda c: c.update(rows={}), "rows: allowed is a list"),
    (lambda c: c["rows"].append(c["rows"][0]), "two rows of fig6"),
    (lambda c: c["rows"].append([]), "row 2: allowed is an object"),
    (lambda c: c["rows"][0].pop("tested"), "row 1: missing tested"),
    (lambda c: c["rows"][0].update(verdict="proved"), "verdict 'proved': allowed are reproduced"),
    (lambda c: c["rows"][0].update(n="100"), "n '100'"),
    (lambda c: c["rows"][0].update(conclusion=None), "conclusion: allowed is a text"),
    (lambda c: c["rows"][0].update(measured={}), "measured: allowed is a list"),
    (lambda c: c["rows"][0].update(weights=[]), "weights: allowed is an object"),
    (lambda c: c["rows"][0]["measured"][0].update(value="0.5"), "value '0.5'"),
    (lambda c: c["rows"][0]["measured"][0].pop("low"), "measured: allowed is name, value"),
    (lambda c: c["rows"][0]["effects"].append({"choice": "mask"}), "effects: allowed is"),
    (lambda c: c["rows"][0].update(pictures=[1]), "pictures: allowed are names"),
]


@pytest.mark.parametrize(("damage", "words"), DAMAGES, ids=[words for _, words in DAMAGES])
def test_a_file_that_is_not_of_the_format_is_one_line(
    tmp_path: Path, damage: Callable[[dict[str, Any]], Any], words: str
) -> None:
    path = tmp_path / "results.json"
    write_results(path, [ROW])
    content = json.loads(path.read_text())
    damage(content)
    path.write_text(json.dumps(content))
    with pytest.raises(InputError) as error:
        read_results(path)
    assert words in str(error.value)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_what_is_no_results_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot read results"):
        read_results(tmp_path / "nowhere.json")
    (tmp_path / "text.json").write_text("not JSON")
    with pytest.raises(InputError, match="is not JSON"):
        read_results(tmp_path / "text.json")
    with pytest.raises(InputError, match="is not JSON"):  # and it is not overwritten either
        write_results(tmp_path / "text.json", [ROW])
    (tmp_path / "list.json").write_text("[]")
    with pytest.raises(InputError, match="of format"):
        read_results(tmp_path / "list.json")
