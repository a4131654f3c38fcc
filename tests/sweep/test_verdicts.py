"""Network by network: the verdicts of a sweep against the ledger's judges, its hypotheses against slow code."""

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
from theory_sim.simulation.bounds import CONVERGED, ratio_bins
from theory_sim.simulation.start import prepare
from theory_sim.sweep.course import (
    ACTIVE_NORM2,
    CROSSINGS,
    FACTS,
    HIGH_CROSS,
    HIGH_ENERGY,
    LOW_CROSS,
    LOW_ENERGY,
    N_PROBES,
    N_ROWS,
    RESIDUAL,
)
from theory_sim.sweep.schema import CLAIMS, VERSIONS

REGIMES = ("relu", "relu kinks", "relu f<y", "relu 1<r<2", "relu r>2", "smooth")
JUDGED = tuple(name for name in CLAIMS if name != "lemma1")
EXACT_LAWS = {"eq13": "relu, exact", "eq14": "relu"}
# Eq. 13 as printed is a law of first order, which one run cannot judge; corrected statements hold.
NEVER_REFUTED = {("eq13", "printed"), *((name, "corrected") for name in JUDGED)}
Plane = tuple[float, float, float, float]
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


# Hypotheses ---------------------------------------------------------------------------------------------------------


def premises(given_by: Course) -> NDArray:
    """Hypotheses of every claim but lemma1, (claims, versions), from the table in judge.py, state by state."""
    met = np.zeros((len(JUDGED), len(VERSIONS)), int)
    of = dict(zip(JUDGED, met, strict=True))  # [as printed, as corrected]
    fact = given_by.facts[0]
    last = int(fact["last_finite_step"])
    if last < 1:
        return met
    residual, norm2 = (given_by.course[row, : last + 1] for row in (RESIDUAL, ACTIVE_NORM2))
    low, high = (given_by.course[row, : last + 1] for row in (LOW_ENERGY, HIGH_ENERGY))
    low_cross, high_cross = (given_by.course[row, : last + 1] for row in (LOW_CROSS, HIGH_CROSS))
    crossed = given_by.course[CROSSINGS, : last + 1] > 0
    relu, mse = bool(fact["relu"]), bool(fact["mse"])
    linear = relu and not crossed[1]
    of["eq13"][:] = of["eq14"][:] = True, linear

    input_low, input_high = float(fact["input_low"]), float(fact["input_high"])
    drive = fact["learning_rate"] * residual * norm2
    sign = np.sign(drive[0])
    kept = int(np.append(np.sign(drive[:-1]) == sign, False).argmin())  # steps for which the drive keeps its sign
    swings = relu and mse and fact["learning_rate"] * norm2[0] * fact["input_norm2"] > 1 and not crossed.any()
    converged = np.flatnonzero(abs(residual) <= CONVERGED * abs(residual[0]))
    settled = int(converged[0]) if converged.size else last
    end = last if swings or kept == last else settled
    one_sign = kept >= end and (sign > 0 or (relu and not crossed.any()))
    if sign == 0 or not (swings or one_sign) or not input_low > input_high:
        return met

    input_tau = input_low / (input_low + input_high)
    eq12 = input_tau * (low_cross[0] + high_cross[0]) - low_cross[0]
    room = input_tau * (low[0] + high[0]) - low[0]
    drives = np.cumsum(drive)[:end]  # Σ η^(t) up to t = 1 ... end
    of["thm1_t1"][:] = room > 0, room > 0 and relu
    of["thm3_weak"][:] = room > 0 and any(room + total * eq12 > 0 for total in drives), room > 0 and linear
    probes, n_probes = given_by.probes[0], int(fact["n_probes"])
    pair = any(probes[i] > probes[j] for i in range(n_probes) for j in range(i))
    of["thm2"][:] = (pair, pair and linear) if n_probes else (-1, -1)
    before_crossing = int(crossed.argmax()) - 1 if crossed.any() else last
    stretches = [(1, end), (sign, min(end, kept, before_crossing))]
    for v, (side, n) in enumerate(stretches if linear else stretches[:1]):
        corrected, l_cross, h_cross = v == 1, side * low_cross, side * high_cross
        after = [t for t in range(n + 1) if (l_cross[t : n + 1] > h_cross[t : n + 1]).all()]
        balanced = any(l_cross[t] * high[t] >= h_cross[t] * low[t] for t in after[1:])
        of["thm1_t0"][v] = True
        of["thm1_growth"][v] = any(low[t] < high[t] and (l_cross[t] >= 0 or not corrected) for t in after)
        of["thm1_keeps"][v] = balanced and (not corrected or (room > 0 and side * eq12 >= 0 and not swings))
        of["thm1_majority"][v] = any(low[t] > high[t] for t in after)
        of["thm3"][v] = room > 0 and side * eq12 > 0
    return met


def cut(course: Course, n_steps: int) -> Course:
    """The same run stopped earlier."""
    facts = course.facts.copy()
    facts["n_steps"] = n_steps
    facts["last_finite_step"] = np.minimum(facts["last_finite_step"], n_steps)
    return Course(course.course[:, : n_steps + 1], course.probes[: n_steps + 1], course.probe_start, facts)


def bands_exchanged(course: Course) -> Course:
    """Low and high band for each other, of the input as well: L_x < H_x."""
    facts = course.facts.copy()
    facts["input_low"], facts["input_high"] = course.facts["input_high"], course.facts["input_low"]
    return Course(*_swapped(course)[:3], facts)


def without_probes(course: Course) -> Course:
    """As an engine that draws scalars only."""
    facts = course.facts.copy()
    facts["n_probes"] = 0
    return Course(*course[:3], facts)


@cache
def all_courses() -> list[Course]:
    """The ledger's networks, runs in no regime of theirs, and all of them cut short; each kind of spoilt input."""
    found = [network.course for regime in REGIMES for network in networks(regime)[:100]]
    for seed in range(40):
        rate = 10 ** np.random.default_rng(seed).uniform(-1, 0.6)
        for activation, loss, relative_rate, target in (
            ("relu", "mse", rate, {"relative_residual": -8.0}),
            ("relu", "mse", rate, {"relative_residual": 8.0}),
            ("relu", "mse", 1e-15, {"relative_residual": 8.0}),  # still
            ("relu", "logistic", rate, {"label": 1.0}),
            ("softplus", "mse", rate, {"relative_residual": -1.0}),
            ("squareplus", "logistic", rate, {"label": -1.0}),
        ):
            kind: dict[str, Any] = {"activation": activation, "loss": loss, "relative_rate": relative_rate, **target}
            start = prepare(Configuration(dim=33, width=9, cutoff=4.0, seed=seed, n_steps=60, **kind))
            found.append(course_of(run(start.training), start.band))
    short = [cut(course, n) for course in found for n in (1, 2, 4) if n < course.course.shape[1] - 1]
    odd = [spoil(course) for course in found[::8] for spoil in (bands_exchanged, without_probes)]
    return [*found, *short, *odd, *(cut(course, 0) for course in found[:20])]


def test_hypotheses_are_the_premises_of_the_table() -> None:
    """Power: both answers, and met without a verdict, of every claim and version, each many times."""
    seen: Counter[tuple[str, str, int]] = Counter()
    undecided: Counter[tuple[str, str]] = Counter()
    for course in all_courses():
        said, expected = measured(course), premises(course)
        for i, name in enumerate(JUDGED):
            for j, version in enumerate(VERSIONS):
                met = int(said.hypotheses[i, j])
                assert met == expected[i, j], (name, version, course.facts)
                assert met == 1 or said.verdicts[i, j] == -1, (name, version, course.facts)
                seen[name, version, met] += 1
                undecided[name, version] += met == 1 and said.verdicts[i, j] == -1
    for name in JUDGED:
        for version in VERSIONS:
            least = min(seen[name, version, 0], seen[name, version, 1], undecided[name, version])
            assert least >= 20, f"{name} {version}: {seen[name, version, 0]}, {seen[name, version, 1]}, {undecided}"
        assert (seen[name, "printed", -1] >= 20) == (name == "thm2")


@pytest.mark.parametrize(
    ("spoil", "claims"),
    [
        (_swapped, {"thm1_t1", "thm1_growth", "thm1_keeps", "thm1_majority", "thm3", "thm3_weak"}),
        (_crossings_forgotten, {"eq13", "eq14", "thm1_t0", "thm2", "thm3"}),
        (_scaled(RESIDUAL, -1.0), {"thm1_t0", "thm1_keeps", "thm3", "thm3_weak"}),
        (_probes_reversed, {"thm2"}),
    ],
)
def test_a_wrong_premise_is_noticed(spoil: Callable[[Course], Course], claims: set[str]) -> None:
    """Negative control: with bands, signs, probes or crossings mistaken the hypotheses differ, claim by claim."""
    wrong = set()
    for course in all_courses():
        differs = (measured(spoil(course)).hypotheses[: len(JUDGED)] != premises(course)).any(axis=1)
        wrong |= {name for name, different in zip(JUDGED, differs, strict=True) if different}
    assert claims <= wrong, f"unnoticed by {claims - wrong}"


def by_hand(plane: Plane, n_steps: int, rate: float = 0.05, residual: float = 20.0) -> Course:
    """ReLU in one linear region with ‖a'‖² = ‖a‖² = 1, L_x = 3, H_x = 1: every state follows from q = Σ η ℓ'.

    plane: L, H, Δτ_l, Δτ_h at the start. Two probes, ĝ/x̂ = 2 - q at the higher frequency, 1 - q at the lower.
    """
    low, high, low_cross, high_cross = plane
    residuals = residual * (1 - 4 * rate) ** np.arange(n_steps + 1)
    q = np.append(0, np.cumsum(rate * residuals)[:-1])
    states = np.zeros((N_ROWS, n_steps + 1))
    states[RESIDUAL], states[ACTIVE_NORM2] = residuals, 1
    states[LOW_ENERGY], states[HIGH_ENERGY] = low + low_cross * q + 3 * q**2, high + high_cross * q + q**2
    states[LOW_CROSS], states[HIGH_CROSS] = low_cross + 6 * q, high_cross + 2 * q
    probes, start = np.full((n_steps + 1, N_PROBES), np.nan), np.full(N_PROBES, np.nan)
    probes[:, 0], probes[:, 1], start[:2] = (1 - q) ** 2, (2 - q) ** 2, (1, 2)
    facts = np.zeros(1, FACTS)
    facts[0] = (rate, 0.0, 4.0, 3.0, 1.0, 1.0, 1, 1, n_steps, n_steps, 2)
    return Course(states, probes, start, facts)


LATE = 2.0, 5.0, -3.0, 3.0  # Δτ_l > Δτ_h from q = 1.5 on
LOWER = 2.0, 5.0, 1.0, 0.5  # L < H at the start, Eq. 12 holds
UPPER = 5.0, 2.0, 1.0, 0.5  # L > H at the start
STILL: dict[str, Any] = {"rate": 1e-14}
FAR: dict[str, Any] = {"rate": 0.01, "residual": 60.0}


@pytest.mark.parametrize(
    ("claim", "plane", "undecided", "decided"),
    [
        ("thm1_t0", LATE, {"n_steps": 1, **FAR}, {"n_steps": 20, **FAR}),  # the end is before t₀
        ("thm1_t0", LOWER, {"n_steps": 20, **STILL}, {"n_steps": 20}),
        ("thm1_t1", LOWER, {"n_steps": 5}, {"n_steps": 20}),  # six steps are needed to see an end
        ("thm1_t1", LOWER, {"n_steps": 20, **STILL}, {"n_steps": 20}),
        ("thm1_growth", LATE, {"n_steps": 2}, {"n_steps": 3}),  # L < H after t₀ at the last state only
        ("thm1_growth", LOWER, {"n_steps": 20, **STILL}, {"n_steps": 20}),
        ("thm1_keeps", LOWER, {"n_steps": 1}, {"n_steps": 2}),  # t₁ is the last state
        ("thm1_keeps", LOWER, {"n_steps": 20, **STILL}, {"n_steps": 20}),
        ("thm1_majority", UPPER, {"n_steps": 20, **STILL}, {"n_steps": 20}),
        ("thm1_majority", LOWER, {"n_steps": 1, "rate": 0.2}, {"n_steps": 2, "rate": 0.2}),  # L > H at the last state
        ("thm2", LOWER, {"n_steps": 20, "rate": 0.1}, {"n_steps": 20, "rate": 0.01}),  # t₀ = 0.75 and 7.5
        ("thm2", LOWER, {"n_steps": 20, **STILL}, {"n_steps": 20}),
        ("thm3", LOWER, {"n_steps": 20, **STILL}, {"n_steps": 20}),
        ("thm3_weak", LOWER, {"n_steps": 20, **STILL}, {"n_steps": 20}),
        ("eq14", LOWER, {"n_steps": 20, **STILL}, {"n_steps": 20}),
    ],
)  # fmt: skip
def test_premises_met_but_not_decided(
    claim: str, plane: Plane, undecided: dict[str, Any], decided: dict[str, Any]
) -> None:
    """One network whose premises are met whatever the run: too short, too coarse or too still a run has no verdict."""
    quiet, clear = measured(by_hand(plane, **undecided)), measured(by_hand(plane, **decided))
    for result in (quiet, clear):
        assert (result.hypotheses[CLAIMS.index(claim)] == 1).all()
    assert verdict(quiet, claim) == (-1, -1)
    assert min(verdict(clear, claim)) >= 0


def test_eq13_is_decided_as_corrected_only() -> None:
    """As printed it is a law of first order; its premises are met all the same. Still runs decide neither."""
    for keys, expected in ({}, (-1, 1)), (STILL, (-1, -1)):
        result = measured(by_hand(LOWER, 20, **keys))
        assert (result.hypotheses[CLAIMS.index("eq13")] == 1).all()
        assert verdict(result, "eq13") == expected


def test_theorem2_without_probes_is_not_known() -> None:
    """Where only scalars are drawn; what can be known otherwise, say L_x < H_x, still is."""
    course = by_hand(LOWER, 20)
    i = CLAIMS.index("thm2")
    assert (measured(course).hypotheses[i] == 1).all()
    assert (measured(without_probes(course)).hypotheses[i] == -1).all()
    assert (measured(bands_exchanged(without_probes(course))).hypotheses[i] == 0).all()


# Any numbers ---------------------------------------------------------------------------------------------------------

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
