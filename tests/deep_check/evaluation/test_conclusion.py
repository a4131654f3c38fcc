"""The conclusion is computed: rows in, sentences out; and none where the attack cannot be believed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from deep_check.evaluation.conclusion import summarise, table
from deep_check.evaluation.measure import COLUMNS, standing
from deep_check.evaluation.plan import AWARE, BARE, BLIND, DEFENDED, LOGITS, NONE, NORMS, ROBUST, ROBUST_DEFENDED
from deep_check.evaluation.selftest import Check, Outcome

N = 100
RADII = {"linf": "8/255", "l2": "0.5"}
SOUND = Outcome((Check("slope", True, "1.0"),), {"flipped": ("slope",)})
Line = dict[str, str]


def line(stands: int | np.ndarray, n: int = N, **words: Any) -> Line:
    """A row in which the first `stands` images stand."""
    bits = np.arange(n) < stands if isinstance(stands, int) else stands
    known = dict.fromkeys(COLUMNS, "") | {"part": "main", "radius": "0.03", "steps": "40", "restarts": "1", "n": str(n)}
    known |= {"accuracy": repr(float(bits.mean())), "low": "0.0", "high": "1.0", "margin": "0.0"}
    return known | {"standing": np.packbits(bits).tobytes().hex(), **{name: str(word) for name, word in words.items()}}


def evaluation(
    clean: int = 80, blind: int = 50, aware: int = 2, bare: int = 1, square: int = 30, one: int = 20, robust: int = 45
) -> list[Line]:
    rows = [line(n, system=system, attacker=NONE, method="clean")
            for system, n in ((BARE, 93), (DEFENDED, clean), (ROBUST, 79), (ROBUST_DEFENDED, 78))]  # fmt: skip
    rows.append(line(0, system=DEFENDED, attacker=AWARE, method="gradient", loss="margin") | {"zero_gradients": "0.0"})
    for norm in NORMS:
        common = {"norm": norm, "method": "pgd"}
        rows += [
            line(bare, system=BARE, attacker=AWARE, **common),
            line(one, system=DEFENDED, attacker=AWARE, **common, steps=1),
            line(aware + 3, system=DEFENDED, attacker=AWARE, **common),
            line(aware, system=DEFENDED, attacker=AWARE, **common, steps=100),
            line(blind, system=DEFENDED, attacker=BLIND, **common),
            line(square, system=DEFENDED, attacker=LOGITS, norm=norm, method="square"),
            line(robust, system=ROBUST, attacker=AWARE, **common),
            line(robust - 2, system=ROBUST_DEFENDED, attacker=AWARE, **common),
        ]
        rows += [line(n, system=DEFENDED, attacker=AWARE, part="budget", radius=r, **common)
                 for r, n in ((0.01, 60), (0.02, 30), (0.06, 0))]  # fmt: skip
        rows += [line(n, system=DEFENDED, attacker=AWARE, part="doubling", radius=0.02, steps=steps, **common)
                 for steps, n in ((20, 40), (40, 31), (80, 30))]  # fmt: skip
    return rows


def test_a_filter_that_only_ignorance_keeps_up() -> None:
    summary = summarise(evaluation(), RADII, SOUND)
    assert summary.sound
    assert summary.verdict.startswith("No defence by the filter is seen, and 100 images are too few to rule one out")
    assert "1.0 points [-3.7, 6.1] in ℓ∞ and" in summary.verdict
    assert summary.verdict.endswith("(100 images, 95 % intervals)")
    words = " ".join(summary.sentences)
    for part in (
        "from 93.0 % [86.3 %, 96.6 %] to 80.0 % [71.1 %, 86.7 %]", "50.0 % [40.4 %, 59.6 %] stand against who does not",
        "2.0 % [0.6 %, 7.0 %] against all attacks together", "96.0 % of what the blind attacker leaves",
        "80 steps in place of 40 take 1 more of 100 images", "steps are not what is lacking",
        "adversarial training keeps 45.0 %", "(43.0 %", "radius 5.1/255", "radius 0.02",
    ):  # fmt: skip
        assert part in words, part
    case = summary.cases["linf", DEFENDED]
    assert [case[kind].count for kind in ("clean", "blind", "aware", "square", "all")] == [80, 50, 2, 30, 2]
    assert [check.passed for check in summary.checks] == [True] * 9


def test_a_filter_that_not_even_ignorance_keeps_up() -> None:
    summary = summarise(evaluation(blind=0, aware=0), RADII, SOUND)
    assert "adds nothing that 100 images can show: -1.0 points [" in summary.sentences[1]
    assert summary.verdict.startswith("The filter is no defence: against whoever knows it, it adds -1.0 points [")
    assert "no protection" not in summary.sentences[1]


def test_a_filter_that_protects() -> None:
    summary = summarise(evaluation(blind=55, aware=30, bare=2, one=40), RADII, SOUND)
    assert summary.sound
    words = "protects some images even from whoever knows it: 28.0 points [18.5, 37.7] in ℓ∞ and 28.0 points ["
    assert words in summary.verdict
    assert summary.verdict.endswith("in ℓ₂ (100 images, 95 % intervals)")
    assert "The filter adds 28.0 points [" in summary.sentences[1]
    assert "no protection" not in " ".join(summary.sentences)


def test_worst_cases_are_of_each_image() -> None:
    """Two attacks that take different images together take both, and so do wrong images without an attack."""
    rows = evaluation(aware=4)
    bits = np.arange(N) >= 2
    (last,) = (row for row in rows if (row["system"], row["norm"], row["steps"]) == (DEFENDED, "linf", "100"))
    last |= line(bits) | {name: last[name] for name in ("system", "attacker", "norm", "method", "steps")}
    summary = summarise(rows, RADII, SOUND)
    assert summary.cases["linf", DEFENDED]["aware"].count == 5  # 7 of the shorter attack, less the first two
    assert standing(last).sum() == N - 2


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda: evaluation(square=0, aware=9), "who knows less finds nothing more"),
        (lambda: evaluation(one=1, aware=20), "many steps do more than one"),
        (lambda: [row | ({"accuracy": "0.1"} if row["radius"] == "0.06" else {}) for row in evaluation()],
         "a large budget takes everything"),
        (lambda: [row | ({"accuracy": "0.9"} if row["radius"] == "0.02" and row["part"] == "budget" else {})
                  for row in evaluation()], "a larger budget takes more"),
        (lambda: [row | ({"zero_gradients": "0.3"} if row["method"] == "gradient" else {}) for row in evaluation()],
         "gradients are there"),
    ],
)  # fmt: skip
def test_nothing_is_concluded_from_rows_that_contradict_each_other(change: Callable[[], list[Line]], said: str) -> None:
    summary = summarise(change(), RADII, SOUND)
    assert not summary.sound
    assert summary.verdict.startswith("No conclusion")
    assert said in " ".join(summary.sentences)
    assert "keeps" not in " ".join(summary.sentences)


@pytest.mark.parametrize(
    "outcome",
    [
        Outcome((Check("slope", False, "0.0"),), {"flipped": ("slope",)}),
        Outcome((Check("slope", True, "1.0"),), {"flipped": ()}),
    ],
)
def test_nothing_is_concluded_from_an_attack_that_fails_its_test(outcome: Outcome) -> None:
    summary = summarise(evaluation(), RADII, outcome)
    assert not summary.sound
    assert summary.verdict.startswith("No conclusion")
    assert "slope" in summary.sentences[0] or "flipped, was not noticed" in summary.sentences[0]


def test_more_steps_that_still_find_more_are_said() -> None:
    rows = [row | ({"accuracy": "0.2"} if row["part"] == "doubling" and row["steps"] == "80" else {})
            for row in evaluation()]  # fmt: skip
    assert "more steps still find more" in summarise(rows, RADII, SOUND).sentences[2]


def test_without_the_other_network() -> None:
    rows = [row for row in evaluation() if row["system"] in (BARE, DEFENDED)]
    summary = summarise(rows, RADII, SOUND)
    assert "adversarial training" not in " ".join(summary.sentences)
    lines = table(summary, RADII)
    expected = [("ℓ∞ 8/255", "the network, no filter"), ("ℓ∞ 8/255", "the network behind the filter")]
    assert [(attack, system) for attack, system, _ in lines][:2] == expected
    assert lines[1][2][1:3] == [summary.cases["linf", DEFENDED][kind] for kind in ("blind", "aware")]
