"""The verdicts of a sweep against the ledger's judges, network by network."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.claims.members import members
from tests.sweep.courses import Course, Measured, course_of, measured
from theory_sim.claims import CLAIMS as LEDGER
from theory_sim.claims import theorem2
from theory_sim.claims.base import Claim
from theory_sim.claims.samples import TrainingSample
from theory_sim.configuration import Configuration
from theory_sim.descent import run
from theory_sim.simulation.bounds import ratio_bins
from theory_sim.simulation.start import prepare
from theory_sim.sweep.course import CROSSINGS, FACTS, HIGH_CROSS, HIGH_ENERGY, LOW_CROSS, LOW_ENERGY, N_PROBES, N_ROWS
from theory_sim.sweep.schema import CLAIMS, VERSIONS

REGIMES = ("relu", "relu kinks", "relu f<y", "relu 1<r<2", "relu r>2", "smooth")
JUDGED = tuple(name for name in CLAIMS if name != "lemma1")
EXACT_LAWS = {"eq13": "relu, exact", "eq14": "relu"}
# Eq. 13 as printed is a law of first order, which one run cannot judge; corrected statements hold.
NEVER_REFUTED = {("eq13", "printed"), *((name, "corrected") for name in JUDGED)}
Word = tuple[Claim, str, int, int]  # the ledger's row, the version, its verdict and ours


class Network(NamedTuple):
    sample: TrainingSample
    course: Course
    bins: list[int]


@cache
def networks(regime: str) -> list[Network]:
    out = []
    for sample in members(regime):
        bins = ratio_bins(sample.input_spectrum, sample.band)
        out.append(Network(sample, course_of(sample.trajectory, sample.band), bins))
    return out


def rows(regime: str) -> list[Claim]:
    """The ledger's rows that say of one network of this regime what a sweep says of it."""
    cases = {name: EXACT_LAWS.get(name, regime) for name in JUDGED}
    return [c for c in LEDGER if c.population == regime and c.case == cases.get(c.id) and c.kind == "margin"]


def pairs_of(bins: list[int]) -> Callable[[Any], tuple[NDArray, NDArray]]:
    """Theorem 2's premise on the pairs that a course has probes for, as theorem2.frequency_pairs on its own."""

    def pairs(path: Any) -> tuple[NDArray, NDArray]:
        ratio = np.abs(path.gradient_spectrum[0, bins] / path.input_spectrum[bins])
        found = [(bins[i], bins[j]) for i in range(len(bins)) for j in range(i) if ratio[i] > ratio[j] * (1 + 1e-6)]
        k, k_low = np.array(found, int).reshape(-1, 2).T
        return k, k_low

    return pairs


def ledger_words(network: Network, regime: str, monkeypatch: pytest.MonkeyPatch) -> list[tuple[Claim, str, int]]:
    """What the judges of the ledger say wherever they say anything: (row, version, 1 holds or 0 refuted)."""
    monkeypatch.setattr(theorem2, "frequency_pairs", pairs_of(network.bins))
    words = []
    for claim in rows(regime):
        outcome = claim.judge(network.sample)
        for version, known in zip(VERSIONS, claim.known, strict=True):
            if outcome is not None and known is not None and getattr(outcome, version) is not None:
                words.append((claim, version, 0 if claim.violates(outcome, version) else 1))
    return words


def compare(
    regime: str, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[Course], Course] | None = None
) -> list[Word]:
    """All words of the ledger beside those of measure; `spoil` changes what an engine hands over."""
    out = []
    for network in networks(regime):
        course = network.course if spoil is None else spoil(network.course)
        said = measured(course).verdicts
        for claim, version, word in ledger_words(network, regime, monkeypatch):
            out.append((claim, version, word, int(said[CLAIMS.index(claim.id), VERSIONS.index(version)])))
    return out


@pytest.mark.parametrize("regime", REGIMES)
def test_verdicts_are_those_of_the_ledger(regime: str, monkeypatch: pytest.MonkeyPatch) -> None:
    words = compare(regime, monkeypatch)
    wrong = [(claim.key, version, word, ours) for claim, version, word, ours in words if word != ours]
    assert not wrong, f"{len(wrong)} of {len(words)}: {Counter(wrong)}"


def test_every_claim_is_judged_often_and_both_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    """Power: enough networks of every claim, and refuted ones of every statement that can be refuted."""
    seen: Counter[tuple[str, str, int]] = Counter()
    for regime in REGIMES:
        seen.update((claim.id, version, ours) for claim, version, _, ours in compare(regime, monkeypatch))
    for name in JUDGED:
        for version in VERSIONS:
            n = seen[name, version, 0] + seen[name, version, 1]
            assert n >= 100 or (name, version) == ("eq13", "printed"), f"{name} {version}: judged {n} times"
            refuted = seen[name, version, 0]
            assert (refuted == 0) == ((name, version) in NEVER_REFUTED), f"{name} {version}: refuted {refuted} times"


def _scaled(row: int, factor: float) -> Callable[[Course], Course]:
    def spoil(course: Course) -> Course:
        states = course.course.copy()
        states[row] *= factor
        return Course(states, *course[1:])

    return spoil


def _swapped(course: Course) -> Course:
    """Low and high band for each other, of the gradient and not of the input."""
    states = course.course.copy()
    states[[LOW_ENERGY, HIGH_ENERGY]] = states[[HIGH_ENERGY, LOW_ENERGY]]
    states[[LOW_CROSS, HIGH_CROSS]] = states[[HIGH_CROSS, LOW_CROSS]]
    return Course(states, *course[1:])


def _half_crosses(course: Course) -> Course:
    """The factor 2 of Δτ forgotten: with it Eq. 14 would hold as printed."""
    return _scaled(HIGH_CROSS, 0.5)(_scaled(LOW_CROSS, 0.5)(course))


def _probes_reversed(course: Course) -> Course:
    """Theorem 2's higher frequency for the lower one."""
    n = int(course.facts["n_probes"][0])
    probes, start = course.probes.copy(), course.probe_start.copy()
    probes[:, :n], start[:n] = probes[:, :n][:, ::-1], start[:n][::-1]
    return Course(course.course, probes, start, course.facts)


def _crossings_forgotten(course: Course) -> Course:
    return _scaled(CROSSINGS, 0.0)(course)


@pytest.mark.parametrize(
    ("regime", "spoil", "claims"),
    [
        ("relu", _swapped, {"thm1_t0", "thm1_t1", "thm1_majority", "thm3", "thm3_weak", "eq14"}),
        ("relu", _half_crosses, {"eq13", "eq14"}),
        ("relu f<y", _scaled(HIGH_CROSS, -1.0), {"thm1_t0", "thm1_t1", "thm3", "thm3_weak"}),
        ("relu r>2", _probes_reversed, {"thm2"}),
        ("relu f<y", _probes_reversed, {"thm2"}),
        ("relu kinks", _crossings_forgotten, {"thm1_t1", "thm2", "thm3_weak"}),
        ("smooth", _scaled(LOW_CROSS, 0.5), {"thm1_growth", "thm1_keeps", "thm3"}),
    ],
)  # fmt: skip
def test_a_planted_error_is_noticed(
    regime: str, spoil: Callable[[Course], Course], claims: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control: with a wrong factor or band the comparison above fails, claim by claim."""
    wrong = {claim.id for claim, _, word, ours in compare(regime, monkeypatch, spoil) if word != ours}
    assert claims <= wrong, f"unnoticed by {claims - wrong}"


def of_configuration(**keys: Any) -> Measured:
    start = prepare(Configuration(**keys))
    return measured(course_of(run(start.training), start.band))


def verdict(result: Measured, claim: str) -> tuple[int, int]:
    printed, corrected = result.verdicts[CLAIMS.index(claim)]
    return int(printed), int(corrected)


def test_a_run_that_has_long_converged_is_still_judged() -> None:
    """The ledger's own runs stop before growth is round-off; a sweep's go on, and say the same."""
    keys: dict[str, Any] = {
        "dim": 33,
        "width": 6,
        "cutoff": 4,
        "relative_rate": 0.5,
        "relative_residual": 0.02,
        "alpha0": 1,
    }
    judged = 0
    for seed in range(40):
        short, long = (of_configuration(n_steps=n, seed=seed, **keys) for n in (16, 900))
        if long.row["n_crossings"] > 0:
            continue
        for claim in ("thm1_t0", "thm1_t1", "thm3", "thm3_weak", "eq14"):
            assert verdict(short, claim) == verdict(long, claim), (seed, claim)
            judged += verdict(long, claim)[1] >= 0
    assert judged >= 60


def test_regimes_that_are_not_judged() -> None:
    """f < y with a smooth activation; f < y with crossings: no theorem speaks, hypotheses are not met."""
    theorems = [i for i, name in enumerate(CLAIMS) if name.startswith("thm")]
    smooth = of_configuration(dim=33, width=6, cutoff=4, activation="softplus", relative_residual=-2.0)
    crossing = of_configuration(dim=33, width=40, cutoff=4, relative_residual=-20.0)
    assert crossing.row["n_crossings"] > 0
    for result in (smooth, crossing):
        assert (result.verdicts[theorems] == -1).all()
        assert (result.hypotheses[theorems] == 0).all()
    positive = of_configuration(dim=33, width=6, cutoff=4, activation="softplus", relative_residual=2.0)
    assert (positive.verdicts[theorems, 0] >= 0).any()
    assert (positive.verdicts[:, 1] == -1).all()


def test_lemma1_is_left_to_the_attack() -> None:
    result = of_configuration(dim=33, width=6, cutoff=4)
    assert verdict(result, "lemma1") == (-1, -1)


NUMBERS = st.floats(allow_nan=True, allow_infinity=True) | st.floats(-10, 10) | st.just(0.0)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    st.integers(0, 12).flatmap(
        lambda n: st.tuples(
            st.lists(NUMBERS, min_size=(n + 1) * (N_ROWS + N_PROBES), max_size=(n + 1) * (N_ROWS + N_PROBES)),
            st.lists(NUMBERS, min_size=6 + N_PROBES, max_size=6 + N_PROBES),
            st.integers(-1, n),
            st.integers(0, N_PROBES),
            st.tuples(st.booleans(), st.booleans()),
        )
    )
)
def test_nothing_that_an_engine_can_hand_over_raises(
    drawn: tuple[list[float], list[float], int, int, tuple[bool, bool]],
) -> None:
    """Courses of any numbers at all: verdicts are codes, and none is given where hypotheses are not met."""
    values, constants, last, n_probes, (relu, mse) = drawn
    n_states = len(values) // (N_ROWS + N_PROBES)
    states = np.array(values[: N_ROWS * n_states]).reshape(N_ROWS, n_states)
    states[CROSSINGS] = np.cumsum(np.nan_to_num(np.abs(states[CROSSINGS]), posinf=1.0) > 9)
    probes = np.array(values[N_ROWS * n_states :]).reshape(n_states, N_PROBES)
    facts = np.zeros(1, FACTS)
    facts[0] = (*constants[:6], relu, mse, n_states - 1, last, n_probes)
    result = measured(Course(states, probes, np.array(constants[6:]), facts), [0, last, -1])
    assert np.isin(result.hypotheses, (-1, 0, 1)).all()
    assert np.isin(result.verdicts, (-1, 0, 1)).all()
    assert (result.hypotheses[result.verdicts >= 0] == 1).all()


@pytest.mark.parametrize("regime", REGIMES)
def test_a_verdict_needs_its_hypotheses(regime: str) -> None:
    for network in networks(regime):
        result = measured(network.course)
        assert (result.hypotheses[result.verdicts >= 0] == 1).all()
        shorter = replace(network.sample.training, n_steps=1)
        course = course_of(run(shorter), network.sample.band)
        assert np.isin(measured(course).verdicts, (-1, 0, 1)).all()
