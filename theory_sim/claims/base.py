"""What a claim is, what one network says of it, and how many networks make a verdict.

A claim is one row of the ledger: a statement as printed, where ours differs one as corrected, and a `judge` that takes
one sampled object (a training run, an attack, a signal) and returns an `Outcome`, or None if the hypotheses are not
met. Every number has one meaning:

margin    signed slack, in units the row names; the statement is violated where margin < -tolerance. An identity's
          margin is minus its relative error.
order     slope of log error against log step over a ladder of steps, (local, global); expected (2, 1). NaN: none.
value     a sample of a random quantity whose mean the statement names; compared by a normal interval.

Each judge also returns a negative control: the same statement with one deliberate mistake. If the control is not
refuted on the same networks, the row is `undecided`: a check that cannot fail says nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from scipy import stats

from theory_sim.intervals import Z95, wilson

HOLDS = "holds exactly"
FIRST_ORDER = "holds to first order"
REFUTED = "refuted"
UNDECIDED = "undecided"
VERDICTS = (HOLDS, FIRST_ORDER, REFUTED, UNDECIDED)

ORDERS = (2.0, 1.0)  # local and global slope of a first-order law
ORDER_TOLERANCE = 0.1
LEAST_NETWORKS = 30  # fewer networks that meet the hypotheses decide nothing
Z_STATISTIC = 4.0  # a mean is refuted beyond this many standard errors (1 in 16,000)


@dataclass(frozen=True)
class Outcome:
    """One network's word on a claim; None where a statement has no such version.

    printed, corrected, control: a margin (kind `margin`), a pair of slopes (kind `order`) or a sample minus what the
    statement expects of it (kind `value`).
    """

    printed: Any
    corrected: Any = None
    control: Any = None


@dataclass(frozen=True)
class Claim:
    """One row of the ledger.

    id, case: as in `eq8[relu]`; statement, correction: one line each; hypotheses: what a network must meet; source:
    where it stands in the paper; population: name of the sampler that feeds `judge`; known: the verdicts (printed,
    corrected) that this code has been found to give, None where a version does not exist. ours: an extension of the
    paper; `statement` is then one of its statements carried over to where the paper does not make it.
    """

    id: str
    case: str
    statement: str
    correction: str | None
    hypotheses: str
    source: str
    population: str
    judge: Callable[[Any], Outcome | None]
    known: tuple[str | None, str | None]
    kind: str = "margin"
    tolerance: float = 1e-9
    times: float = 1.0  # of its share of networks: more where violations are rare, fewer where each says much
    large_only: bool = False  # a hypothesis asks for large networks
    precision: float = 0.05  # kind `value`: half the interval must be narrower than this to decide
    ours: bool = False

    @property
    def key(self) -> str:
        """`id[case]`, the row's name."""
        return f"{self.id}[{self.case}]" if self.case else self.id

    @property
    def sampled_in_full(self) -> bool:
        """Inequalities of theorems and lemmas share `samples` networks among their cases, all else a tenth."""
        return self.id.startswith(("thm", "lemma")) and self.kind == "margin"

    def violates(self, outcome: Outcome, version: str, strength: float = 1.0) -> bool:
        """True if this one network contradicts the statement as `printed`, `corrected` or `control`.

        Raises FloatingPointError on NaN: a judge must return None where its question has no answer.
        """
        word = getattr(outcome, version)
        if word is None or self.kind == "value":
            return False
        number = word[0] if self.kind == "order" else word
        if math.isnan(number):
            raise FloatingPointError(f"{self.key} as {version}: the judge returned NaN")
        return bool(number < (ORDERS[0] - 0.5 * strength if self.kind == "order" else -self.tolerance * strength))


@dataclass
class Tally:
    """What all networks so far say of one version of a statement; tallies of disjoint samples add up."""

    n: int = 0
    violations: int = 0
    worst: float = math.inf
    slopes: list[tuple[float, float]] = field(default_factory=list)
    total: float = 0.0
    squares: float = 0.0
    example: tuple[int, str, Any] | None = None  # size, origin, the sampled object: the smallest that violates

    def add(self, other: Tally) -> None:
        """Merge, deterministically whatever the order of merging (sums of slopes are sorted before use)."""
        self.n += other.n
        self.violations += other.violations
        self.worst = min(self.worst, other.worst)
        self.slopes += other.slopes
        self.total += other.total
        self.squares += other.squares
        if other.example and (self.example is None or other.example[:2] < self.example[:2]):
            self.example = other.example


@dataclass
class Evidence:
    """All that has been counted for one claim."""

    n: int = 0
    drawn: int = 0
    large: int = 0  # networks with d >= 257 and width >= 128
    sources: dict[str, int] = field(default_factory=dict)
    versions: dict[str, Tally] = field(
        default_factory=lambda: {v: Tally() for v in ("printed", "corrected", "control")}
    )

    def add(self, other: Evidence) -> None:
        """Merge the evidence of disjoint samples."""
        self.n += other.n
        self.drawn += other.drawn
        self.large += other.large
        for name, count in other.sources.items():
            self.sources[name] = self.sources.get(name, 0) + count
        for name, tally in other.versions.items():
            self.versions[name].add(tally)

    def keep_better_examples(self, *others: Evidence) -> None:
        """Forget examples that are not smaller than those the others have: whole networks are heavy."""
        for name, tally in self.versions.items():
            known = [o.versions[name].example for o in others]
            best = min((e[:2] for e in known if e is not None), default=None)
            if tally.example is not None and best is not None and best <= tally.example[:2]:
                tally.example = None

    def record(self, claim: Claim, outcome: Outcome, sample: Any, origin: str) -> None:
        """Count one network that met the hypotheses."""
        self.n += 1
        self.large += sample.is_large
        self.sources[sample.source] = self.sources.get(sample.source, 0) + 1
        for name, tally in self.versions.items():
            word = getattr(outcome, name)
            if word is None:
                continue
            tally.n += 1
            if claim.kind == "order":
                tally.slopes.append((float(word[0]), float(word[1])))
                tally.worst = min(tally.worst, float(word[0]))
            elif claim.kind == "value":
                tally.total += float(word)
                tally.squares += float(word) ** 2
            else:
                tally.worst = min(tally.worst, float(word))
            if claim.violates(outcome, name):
                tally.violations += 1
                entry = (sample.size, origin, replace(sample))  # a copy without its cached arrays
                clear = claim.violates(outcome, name, strength=10.0 if claim.kind == "margin" else 1.0)
                if clear and name != "control" and (tally.example is None or entry[:2] < tally.example[:2]):
                    tally.example = entry


@dataclass(frozen=True)
class Judgement:
    """Verdict of one version with its number: `worst` margin, `order` (local, global), and a 95 % `interval`.

    The interval belongs to the local order's median, to the mean of a value, or to the share of violating networks.
    """

    verdict: str | None
    worst: float | None = None
    order: tuple[float, float] | None = None
    interval: tuple[float, float] | None = None


def judge_tally(claim: Claim, evidence: Evidence, version: str) -> Judgement:
    """The verdict of one version from all that was counted, the negative control not yet asked."""
    tally = evidence.versions[version]
    exists = claim.known[0 if version == "printed" else 1] is not None if version != "control" else True
    if not exists:
        return Judgement(None)
    if tally.n < LEAST_NETWORKS:
        return Judgement(UNDECIDED)
    if claim.kind == "order":
        return _judge_order(tally)
    if claim.kind == "value":
        return _judge_value(claim, tally)
    verdict = REFUTED if tally.violations else HOLDS
    return Judgement(verdict, tally.worst, None, wilson(tally.violations, tally.n))


def median_interval(values: np.ndarray) -> tuple[float, float, float]:
    """Median and its distribution-free 95 % interval from order statistics."""
    ordered = np.sort(values)
    n = ordered.size
    low = int(stats.binom.ppf(0.025, n, 0.5))
    return float(np.median(ordered)), float(ordered[max(low - 1, 0)]), float(ordered[min(n - low, n - 1)])


def _judge_order(tally: Tally) -> Judgement:
    slopes = np.array(tally.slopes)
    if slopes.size == 0:
        return Judgement(UNDECIDED)
    if np.isinf(slopes[:, 0]).all():  # every error at round-off
        return Judgement(HOLDS, tally.worst, None, None)
    medians, inside = [], True
    local_high = 0.0
    interval = (0.0, 0.0)
    for column, expected in enumerate(ORDERS):
        if np.isnan(slopes[:, column]).all():  # a law without steps to add up has no global order
            medians.append(math.nan)
            continue
        median, low, high = median_interval(slopes[:, column])
        medians.append(median)
        inside &= expected - ORDER_TOLERANCE <= low and high <= expected + ORDER_TOLERANCE
        if column == 0:
            local_high, interval = high, (low, high)
    order = (medians[0], medians[1])
    if inside:
        return Judgement(FIRST_ORDER, tally.worst, order, interval)
    verdict = REFUTED if local_high < ORDERS[0] - ORDER_TOLERANCE else UNDECIDED
    return Judgement(verdict, tally.worst, order, interval)


def _judge_value(claim: Claim, tally: Tally) -> Judgement:
    n = tally.n
    mean = tally.total / n
    error = math.sqrt(max(tally.squares / n - mean**2, 0.0) / max(n - 1, 1))
    interval = (mean - Z95 * error, mean + Z95 * error)
    if abs(mean) > Z_STATISTIC * error + claim.tolerance:
        return Judgement(REFUTED, -abs(mean), None, interval)
    precise = Z95 * error <= claim.precision
    return Judgement(HOLDS if precise else UNDECIDED, -abs(mean), None, interval)


def verdicts(claim: Claim, evidence: Evidence) -> tuple[Judgement, Judgement, Judgement]:
    """Verdicts as printed, as corrected, and of the negative control.

    `holds …` becomes `undecided` where the control was not refuted: the check had no power.
    """
    printed, corrected, control = (judge_tally(claim, evidence, v) for v in ("printed", "corrected", "control"))
    if control.verdict != REFUTED:
        printed, corrected = (
            Judgement(UNDECIDED, j.worst, j.order, j.interval) if j.verdict in (HOLDS, FIRST_ORDER) else j
            for j in (printed, corrected)
        )
    return printed, corrected, control


def slope(steps: np.ndarray, errors: np.ndarray, floor: float) -> float:
    """Least-squares slope of log(error) against log(step); +inf where all errors are below `floor` (round-off)."""
    if errors.max() <= floor:
        return math.inf
    return float(np.polyfit(np.log(steps), np.log(np.maximum(errors, 1e-300)), 1)[0])
