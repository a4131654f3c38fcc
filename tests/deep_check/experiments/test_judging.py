"""fig6 and the table of accuracies: the verdict follows the numbers, whatever they are."""

from __future__ import annotations

from typing import Any

import pytest

from deep_check.experiments import fig6, table_accuracy
from deep_check.experiments.results import IN_PART, NOT_REPRODUCED, REPRODUCED, UNDECIDED, Finding, share
from tests.deep_check.experiments.accuracies import rows


def rise(cutoff: float) -> float:
    """The paper's clean curve, roughly."""
    return 0.1 + 0.83 * min(1.0, cutoff / 14) if cutoff != 12 else 0.817


def hump(cutoff: float) -> float:
    """The paper's attacked curve, roughly."""
    return max(0.0, 0.517 - 0.04 * abs(cutoff - 12))


def judged(clean: Any = rise, blind: Any = hump, **levels: Any) -> Finding:
    found = rows(clean, blind, **levels)
    return fig6.judge(found, found, {})


def test_the_papers_own_numbers_are_reproduced() -> None:
    found = judged(aware=0.003)
    assert found.verdict == REPRODUCED
    numbers = {one.name: one for one in found.measured}
    best = numbers["cut-off of the highest attacked accuracy"]
    assert (best.value, best.paper, best.difference) == (12, 12, 0)
    assert (best.low, best.high) == (12, 12)
    assert numbers["attacker knows the filter, cut-off 12"].paper is None
    assert "81.7%" in found.conclusion
    assert "by who knows it, 0.3%" in found.conclusion
    choices = {(effect.choice, effect.value) for effect in found.effects}
    assert choices == {
        ("norm of the attack", "l2"), ("mask", "square"), ("filtered images clipped to [0, 1]", "yes"),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({"blind": lambda k: hump(k) * 0.6}, IN_PART),
        ({"blind": lambda k: 0.7 if k == 8 else hump(k)}, IN_PART),  # another cut-off is the best
        ({"plain_clean": 0.80}, IN_PART),
        ({"blind": lambda k: 0.3}, UNDECIDED),
        ({"plain_blind": 0.517}, UNDECIDED),
        ({"plain_blind": 0.6}, NOT_REPRODUCED),
        ({"blind": lambda k: 0.02 * k}, NOT_REPRODUCED),
        ({"clean": lambda k: 1 - rise(k)}, NOT_REPRODUCED),
        ({"n": 10}, UNDECIDED),
    ],
)
def test_other_numbers_have_other_verdicts(changes: dict[str, Any], verdict: str) -> None:
    assert judged(**changes).verdict == verdict


def test_the_aware_attacker_has_no_say_in_the_verdict() -> None:
    assert judged(aware=0.0).verdict == judged(aware=0.5).verdict == REPRODUCED


def table(**shares: float) -> dict[tuple[str, str, str], Any]:
    return {
        (role, cutoff, attacker): share("", round(shares.get(f"{role}{cutoff}{attacker}", paper) * 2000), 2000, known)
        for role in table_accuracy.ROLES
        for cutoff, attacker in table_accuracy.CELLS
        for known in (table_accuracy.PAPER.get((role, cutoff, attacker)),)
        for paper in (known if known is not None else 0.0,)
    }


@pytest.mark.parametrize(
    ("shares", "verdict"),
    [
        ({}, REPRODUCED),
        ({"normal12aware": 0.4}, REPRODUCED),
        ({"adversarialnone": 0.74}, IN_PART),
        ({"normal12blind": 0.33}, NOT_REPRODUCED),
        ({"adversarialnone": 0.83}, UNDECIDED),
        ({"normalblind": 0.6}, NOT_REPRODUCED),
    ],
)
def test_the_table_of_accuracies(shares: dict[str, float], verdict: str) -> None:
    found = table_accuracy.judge(table(**shares), {})
    assert found.verdict == verdict
    gap = next(one for one in found.measured if "who knows" in one.name and "minus" in one.name)
    assert gap.value == pytest.approx(shares.get("normal12aware", 0.0) - 0.48)
