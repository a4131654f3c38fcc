"""The logic of verdicts: what counts as a violation, how evidence adds up, and when a row says `undecided`."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from theory_sim.claims.base import (
    FIRST_ORDER,
    HOLDS,
    LEAST_NETWORKS,
    REFUTED,
    UNDECIDED,
    Claim,
    Evidence,
    Outcome,
    judge_tally,
    median_interval,
    slope,
    verdicts,
)
from theory_sim.intervals import wilson


@dataclass(frozen=True)
class Sample:
    """All that `Evidence.record` asks of a sample."""

    size: int = 1
    is_large: bool = False
    source: str = "power-law"


def claim(kind: str = "margin", known: tuple[str | None, str | None] = (HOLDS, HOLDS), **fields: Any) -> Claim:
    nobody = {
        "statement": "",
        "correction": "",
        "hypotheses": "",
        "source": "",
        "population": "",
        "judge": lambda _: None,
    }
    return Claim(id="thm1", case="a", known=known, kind=kind, **nobody, **fields)


def evidence_of(row: Claim, outcomes: list[Outcome], sizes: list[int] | None = None) -> Evidence:
    evidence = Evidence()
    for i, outcome in enumerate(outcomes):
        evidence.record(row, outcome, Sample(sizes[i] if sizes else 1, i % 2 == 0), f"origin {i}")
    return evidence


def verdict_of(row: Claim, outcomes: list[Outcome]) -> tuple[str | None, str | None, str | None]:
    a, b, c = verdicts(row, evidence_of(row, outcomes))
    return a.verdict, b.verdict, c.verdict


# Violations ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("margin", "strength", "violated"),
    [
        (0.0, 1.0, False),
        (-1e-9, 1.0, False),  # the tolerance itself is allowed
        (-1.1e-9, 1.0, True),
        (-1.1e-9, 10.0, False),
        (-1.1e-8, 10.0, True),
        (1.0, 1.0, False),
    ],
)
def test_a_margin_is_violated_below_minus_its_tolerance(margin: float, strength: float, violated: bool) -> None:
    row = claim(tolerance=1e-9)
    assert row.violates(Outcome(margin), "printed", strength) is violated
    assert row.violates(Outcome(None, margin), "corrected", strength) is violated
    assert not row.violates(Outcome(None, 0.0), "printed", strength)


def test_an_order_is_violated_half_an_order_below() -> None:
    row = claim("order")
    assert not row.violates(Outcome((1.5, 0.0)), "printed")
    assert not row.violates(Outcome((math.inf, math.inf)), "printed")
    assert row.violates(Outcome((1.49, 1.0)), "printed")


def test_a_judge_that_computes_nothing_is_a_mistake_that_shows() -> None:
    for row, word in ((claim(), math.nan), (claim("order"), (math.nan, 1.0))):
        with pytest.raises(FloatingPointError, match="NaN"):
            row.violates(Outcome(word), "printed")


def test_one_sample_of_a_mean_violates_nothing() -> None:
    assert not claim("value").violates(Outcome(-100.0), "printed")


# Counting ------------------------------------------------------------------------------------------------------------


def test_record_counts_networks_sources_and_the_worst_margin() -> None:
    evidence = evidence_of(claim(), [Outcome(0.5, None, -1.0), Outcome(-2.0, 0.25, -1.0), Outcome(None, 0.125, -1.0)])
    assert (evidence.n, evidence.large, evidence.sources) == (3, 2, {"power-law": 3})
    printed, corrected, control = (evidence.versions[v] for v in ("printed", "corrected", "control"))
    assert (printed.n, printed.violations, printed.worst) == (2, 1, -2.0)
    assert (corrected.n, corrected.violations, corrected.worst) == (2, 0, 0.125)
    assert (control.n, control.violations) == (3, 3)


def test_the_example_is_the_smallest_clear_violation_and_never_the_controls() -> None:
    outcomes = [Outcome(-1.0, 0.0, -1.0), Outcome(-1.0, 0.0, -1.0), Outcome(-2e-9, 0.0, -1.0), Outcome(-1.0, 0.0, -1.0)]
    evidence = evidence_of(claim(), outcomes, sizes=[9, 5, 1, 5])
    assert evidence.versions["printed"].violations == 4
    assert evidence.versions["printed"].example == (5, "origin 1", Sample(5, False))
    assert evidence.versions["control"].example is None


def test_only_smaller_examples_are_kept() -> None:
    row = claim()
    mine, other = (evidence_of(row, [Outcome(-1.0)], sizes=[n]) for n in (7, 5))
    mine.keep_better_examples(Evidence())
    assert mine.versions["printed"].example is not None
    other.keep_better_examples(mine)
    assert other.versions["printed"].example is not None
    mine.keep_better_examples(other)
    assert mine.versions["printed"].example is None
    assert mine.versions["printed"].violations == 1


WORDS = st.one_of(st.none(), st.integers(-8, 8).map(float))  # their sums are exact


@given(st.lists(st.tuples(WORDS, WORDS, WORDS, st.integers(1, 3)), min_size=1, max_size=12), st.randoms())
@pytest.mark.parametrize("kind", ["margin", "order", "value"])
def test_merging_is_associative_and_does_not_depend_on_the_order(kind: str, drawn: list[Any], random: Any) -> None:
    row = claim(kind)

    def word(value: float | None) -> Any:
        return (value, 1.0) if kind == "order" and value is not None else value

    parts = []
    for i, (*words, size) in enumerate(drawn):
        part = Evidence(drawn=1)
        part.record(row, Outcome(*map(word, words)), Sample(size), f"origin {i:02d}")
        parts.append(part)

    def merged(pieces: list[Evidence]) -> Evidence:
        total = Evidence()
        for piece in pieces:
            total.add(copy.deepcopy(piece))
        for tally in total.versions.values():
            tally.slopes.sort()
        return total

    shuffled = random.sample(parts, len(parts))
    cut = len(parts) // 2
    assert merged(parts) == merged(shuffled) == merged([merged(shuffled[:cut]), merged(shuffled[cut:])])
    assert merged(parts).n == merged(parts).drawn == len(parts)


# Verdicts ------------------------------------------------------------------------------------------------------------


def test_inequality_holds_or_is_refuted_by_one_network() -> None:
    good = [Outcome(0.0, 1.0, -1.0)] * LEAST_NETWORKS
    assert verdict_of(claim(), good) == (HOLDS, HOLDS, REFUTED)
    assert verdict_of(claim(), [*good, Outcome(-1.0, 1.0, 1.0)]) == (REFUTED, HOLDS, REFUTED)
    assert verdict_of(claim(), [*good, Outcome(1.0, -1.0, 1.0)]) == (HOLDS, REFUTED, REFUTED)


def test_too_few_networks_decide_nothing() -> None:
    few = [Outcome(-1.0, 1.0, -1.0)] * (LEAST_NETWORKS - 1)
    assert verdict_of(claim(), few) == (UNDECIDED, UNDECIDED, UNDECIDED)


def test_a_version_that_does_not_exist_has_no_verdict() -> None:
    row = claim(known=(REFUTED, None))
    assert verdict_of(row, [Outcome(-1.0, 1.0, -1.0)] * 40) == (REFUTED, None, REFUTED)
    assert judge_tally(row, evidence_of(row, [Outcome(1.0)]), "corrected").worst is None


def test_a_control_that_is_not_refuted_leaves_what_holds_undecided() -> None:
    no_power = [Outcome(-1.0, 1.0, 1.0)] * 40
    assert verdict_of(claim(), no_power) == (REFUTED, UNDECIDED, HOLDS)
    no_control = [Outcome(1.0, 1.0, None)] * 40
    assert verdict_of(claim(), no_control) == (UNDECIDED, UNDECIDED, UNDECIDED)
    evidence = evidence_of(claim(), no_power)
    assert verdicts(claim(), evidence)[1].worst == 1.0  # the numbers stay


RIGHT, WRONG = (2.0, 1.0), (1.0, 0.0)


@pytest.mark.parametrize(
    ("orders", "verdict"),
    [
        ([RIGHT] * 40, FIRST_ORDER),
        ([(2.09, 0.91)] * 40, FIRST_ORDER),
        ([(2.11, 1.0)] * 40, UNDECIDED),
        ([(2.0, 0.89)] * 40, UNDECIDED),  # the global order is off
        ([WRONG] * 40, REFUTED),
        ([(1.89, 1.0)] * 40, REFUTED),
        ([RIGHT, WRONG] * 20, UNDECIDED),  # the interval straddles
        ([RIGHT] * 38 + [WRONG] * 2, FIRST_ORDER),  # a median does not mind two
        ([(2.0, math.nan)] * 40, FIRST_ORDER),  # no steps to add up
        ([(math.inf, math.inf)] * 40, HOLDS),  # every error at round-off
        ([(math.inf, math.inf)] * 10 + [RIGHT] * 30, FIRST_ORDER),
    ],
)
def test_orders(orders: list[tuple[float, float]], verdict: str) -> None:
    outcomes = [Outcome(order, order, WRONG) for order in orders]
    assert verdict_of(claim("order"), outcomes) == (verdict, verdict, REFUTED)


def test_the_reported_order_is_the_median_with_its_interval() -> None:
    orders = [(1.9 + 0.005 * i, 1.0 + 0.001 * i) for i in range(41)]
    judgement = verdicts(claim("order"), evidence_of(claim("order"), [Outcome(o, o, WRONG) for o in orders]))[0]
    assert judgement.order == pytest.approx((2.0, 1.02))
    assert judgement.interval == pytest.approx((1.9 + 0.005 * 13, 1.9 + 0.005 * 27))
    assert judgement.worst == 1.9


@pytest.mark.parametrize(
    ("mean", "spread", "n", "verdict"),
    [(0.0, 0.1, 400, HOLDS), (0.0, 10.0, 400, UNDECIDED), (0.2, 0.1, 400, REFUTED), (0.01, 0.1, 400, HOLDS)],
)
def test_means(mean: float, spread: float, n: int, verdict: str) -> None:
    """Half the words lie a spread above the mean, half below: the standard error is spread/√(n-1)."""
    words = [mean + spread * (-1) ** i for i in range(n)]
    outcomes = [Outcome(word, word, 1.0 + word) for word in words]
    row = claim("value", tolerance=0.0, precision=0.05)
    judged = verdicts(row, evidence_of(row, outcomes))
    expected = UNDECIDED if verdict == HOLDS and judged[2].verdict != REFUTED else verdict
    assert judged[0].verdict == expected == verdict
    low, high = judged[0].interval or (math.nan, math.nan)
    assert (low + high) / 2 == pytest.approx(mean)
    assert (high - low) / 2 == pytest.approx(1.959963985 * spread / math.sqrt(n - 1))


def test_a_mean_is_refuted_beyond_four_standard_errors_and_its_tolerance() -> None:
    row = claim("value", tolerance=0.0, precision=1.0)
    error = 0.1 / math.sqrt(399)
    for distance, verdict in ((3.9, HOLDS), (4.1, REFUTED)):
        words = [distance * error + 0.1 * (-1) ** i for i in range(400)]
        assert verdict_of(row, [Outcome(w, w, 9.0 + w) for w in words])[0] == verdict
    tolerant = claim("value", tolerance=0.05, precision=1.0)
    words = [0.04 + 1e-6 * (-1) ** i for i in range(400)]
    assert verdict_of(tolerant, [Outcome(w, w, 9.0 + w) for w in words])[0] == HOLDS


# Numbers -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("count", "n"), [(0, 30), (1, 30), (15, 30), (30, 30), (3, 10_000)])
def test_wilson_against_scipy(count: int, n: int) -> None:
    expected = stats.binomtest(count, n).proportion_ci(0.95, "wilson")
    assert wilson(count, n) == pytest.approx((expected.low, expected.high), abs=1e-12)


@pytest.mark.parametrize("n", [30, 31, 40, 100, 1001])
def test_median_interval_covers_at_least_95_percent_and_little_more(n: int) -> None:
    """Ranks of the interval's ends from an ordered sample; their coverage from the binomial law."""
    median, low, high = median_interval(np.random.default_rng(0).permutation(n).astype(float))
    assert median == (n - 1) / 2
    assert low + high == n - 1  # symmetric
    below = int(low)  # order statistics below the lower end: the median is missed if so few or fewer lie below it
    coverage = 1 - 2 * float(stats.binom.cdf(below, n, 0.5))
    narrower = 1 - 2 * float(stats.binom.cdf(below + 1, n, 0.5))
    assert coverage >= 0.95 > narrower


def test_median_interval_in_practice() -> None:
    rng = np.random.default_rng(1)
    hits = sum(low <= 0 <= high for _, low, high in (median_interval(rng.standard_cauchy(41)) for _ in range(2000)))
    assert 0.94 < hits / 2000 < 0.98


def test_slope_is_the_exponent_and_infinite_at_round_off() -> None:
    steps = 2.0 ** -np.arange(6)
    assert slope(steps, 3 * steps**2, 1e-15) == pytest.approx(2.0)
    assert slope(steps, 1e-16 * steps, 1e-15) == math.inf
    assert slope(steps, np.zeros(6), 0.0) == math.inf
