"""What the rows say together: worst cases, whether the attack can be believed, and the conclusion in plain words.

Every sentence is computed from the rows. Nothing is concluded from an attack that its own checks do not support.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deep_check.attacks import NORM_NAMES
from deep_check.evaluation.measure import standing
from deep_check.evaluation.plan import (
    AWARE,
    BARE,
    BLIND,
    DEFENDED,
    NORMS,
    ROBUST,
    ROBUST_DEFENDED,
    TRANSFER,
    TRANSFER_AWARE,
)
from deep_check.evaluation.selftest import Check, Outcome
from deep_check.experiments.results import share, share_difference
from theory_sim.intervals import wilson

Line = dict[str, str]
MISSED = 0.02  # of the images may be lost to attackers who know less, and to no gradient of the defended network
LITTLE = 0.05  # of the images: where the interval of the gain reaches further, "no defence" would say too much
MASKED = 0.05  # of the images may have no gradient at all
SYSTEMS = {
    BARE: "the network, no filter",
    DEFENDED: "the network behind the filter",
    ROBUST: "adversarially trained, no filter",
    ROBUST_DEFENDED: "adversarially trained, behind the filter",
}
KINDS = {
    "clean": "no attack", "blind": "PGD, blind to the filter", "aware": "PGD, knows all", "transfer": "transfer",
    "square": "Square", "noise": "noise", "all": "worst case",
}  # fmt: skip


@dataclass(frozen=True)
class Share:
    """count of n images, with the 95 % Wilson interval of the share."""

    count: int
    n: int

    @property
    def value(self) -> float:
        """The share."""
        return self.count / self.n

    @property
    def interval(self) -> tuple[float, float]:
        """Low and high."""
        return wilson(self.count, self.n)

    @property
    def words(self) -> str:
        """Such as: 12.5 % [8.2 %, 18.6 %]."""
        low, high = self.interval
        return f"{percent(self.value)} [{percent(low)}, {percent(high)}]"

    def as_dict(self) -> dict[str, Any]:
        """JSON values."""
        low, high = self.interval
        return {"accuracy": self.value, "low": low, "high": high, "count": self.count, "n": self.n}


@dataclass(frozen=True)
class Summary:
    """What is shown and written: worst cases by norm, system and kind of attacker; checks; the conclusion.

    cases: (norm, system) -> kind -> share that stands; kinds: clean, noise, square, transfer, blind, aware, all. gain:
    norm -> difference in points of the worst cases with and without the defence, with its 95 % interval.
    """

    cases: dict[tuple[str, str], dict[str, Share]]
    checks: tuple[Check, ...]
    gains: dict[str, tuple[float, float, float]]
    sound: bool
    verdict: str
    sentences: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "verdict": self.verdict,
            "sound": self.sound,
            "conclusion": list(self.sentences),
            "worst_cases": [
                {"norm": norm, "system": system, "attacker": kind, **share.as_dict()}
                for (norm, system), kinds in self.cases.items()
                for kind, share in kinds.items()
            ],
            "gain_of_the_defence": [
                {"norm": norm, "difference": value, "low": low, "high": high}
                for norm, (value, low, high) in self.gains.items()
            ],
            "checks": [vars(check) for check in self.checks],
        }


def radius_in_words(norm: str, value: float) -> str:
    """Such as 8/255, or 0.5 in l2."""
    return f"{value * 255:.3g}/255" if norm == "linf" else f"{value:.3g}"


def percent(share: float) -> str:
    """Such as: 51.7 %."""
    return f"{100 * share:.1f} %"


def summarise(rows: Sequence[Line], radii: dict[str, str], outcome: Outcome) -> Summary:
    """rows: by `measure.COLUMNS`; radii: norm -> radius in words; outcome: of the self-test."""
    cases = {(norm, system): kinds for norm in NORMS for system in SYSTEMS if (kinds := _cases(rows, norm, system))}
    gains = {norm: _difference(cases[norm, DEFENDED]["all"], cases[norm, BARE]["all"]) for norm in NORMS}
    checks = tuple(check for norm in NORMS for check in _checks(rows, norm)) + _zero_gradients(rows)
    sound = outcome.sound and all(check.passed for check in checks)
    verdict = (
        _verdict(gains, cases[NORMS[0], DEFENDED]["all"].n)
        if sound
        else "No conclusion: the attack is not good enough to say what stands"
    )
    sentences = _sentences(rows, cases, gains, radii) if sound else _why_not(outcome, checks)
    return Summary(cases, checks, gains, sound, verdict, tuple(sentences))


def _select(rows: Sequence[Line], **wanted: str | tuple[str, ...]) -> list[Line]:
    """Rows whose columns have these values, one of them where several are given."""
    allowed = {name: (value,) if isinstance(value, str) else value for name, value in wanted.items()}
    return [row for row in rows if all(row[name] in values for name, values in allowed.items())]


def _cases(rows: Sequence[Line], norm: str, system: str) -> dict[str, Share]:
    """By kind of attacker the share that stands against all of its rows; {} where the system has none."""
    main = _select(rows, part="main", system=system)
    clean = _select(main, method="clean")
    if not clean:
        return {}
    own = _select(main, norm=norm)
    kinds = {
        "noise": _select(own, method="noise"),
        "square": _select(own, method="square"),
        "transfer": _select(own, attacker=(TRANSFER, TRANSFER_AWARE)),
        "blind": _select(own, attacker=BLIND),
        "aware": _select(own, attacker=AWARE, method="pgd"),
        "all": own,
    }
    start = standing(clean[0])
    found = {"clean": Share(int(start.sum()), len(start))}
    for kind, lines in kinds.items():
        if lines:
            found[kind] = Share(int((start & _all_standing(lines)).sum()), len(start))
    return found


def _all_standing(lines: Sequence[Line]) -> NDArray[np.bool_]:
    return np.asarray(np.logical_and.reduce([standing(line) for line in lines]))


def _difference(first: Share, second: Share) -> tuple[float, float, float]:
    """first - second with its 95 % interval."""
    gap = share_difference("gain", share("with", first.count, first.n), share("without", second.count, second.n))
    return gap.value, float(gap.low or 0), float(gap.high or 0)


def _checks(rows: Sequence[Line], norm: str) -> list[Check]:
    """Whether the attack on the defended network did what attacks do."""
    main = _select(rows, part="main", system=DEFENDED, norm=norm)
    aware = _select(main, attacker=AWARE, method="pgd")
    many = [row for row in aware if int(row["steps"]) > 1]
    others = [row for row in main if row["attacker"] != AWARE]
    missed = int((_all_standing(many) & ~_all_standing(others)).sum())
    n, name = int(many[0]["n"]), NORM_NAMES[norm]
    one, several = (min(int(standing(row).sum()) for row in lines) for lines in (_select(aware, steps="1"), many))
    curve = _curve(rows, DEFENDED, AWARE, norm)
    last = curve[-1]
    rising = max((float(b["accuracy"]) - float(a["accuracy"]) for a, b in pairwise(curve)), default=0.0)
    return [
        Check(
            f"{name}: who knows less finds nothing more", missed <= MISSED * n,
            f"{missed} of {n} images fall to noise, Square, transfer or the blind attacker and to no gradient of the "
            f"defended network (allowed {percent(MISSED)})",
        ),
        Check(
            f"{name}: many steps do more than one", several <= one,
            f"{one} of {n} images stand after one step, {several} after many",
        ),
        Check(
            f"{name}: a large budget takes everything", float(last["accuracy"]) == 0,
            f"{percent(float(last['accuracy']))} of {last['n']} images stand at radius "
            f"{radius_in_words(norm, float(last['radius']))}",
        ),
        Check(
            f"{name}: a larger budget takes more", rising <= 2 / int(last["n"]),
            f"from one radius to the next the accuracy rises by {percent(max(rising, 0))} at the most",
        ),
    ]  # fmt: skip


def _zero_gradients(rows: Sequence[Line]) -> tuple[Check, ...]:
    """Whether the defence hides the gradient."""
    (row,) = _select(rows, part="main", system=DEFENDED, method="gradient", loss="margin")
    share = float(row["zero_gradients"])
    told = f"{percent(share)} of the images have no gradient of the margin (allowed {percent(MASKED)})"
    return (Check("gradients are there", share <= MASKED, told),)


def _curve(rows: Sequence[Line], system: str, attacker: str, norm: str) -> list[Line]:
    found = _select(rows, part="budget", system=system, attacker=attacker, norm=norm)
    return sorted(found, key=lambda row: float(row["radius"]))


def _verdict(gains: dict[str, tuple[float, float, float]], n: int) -> str:
    """One sentence with the number of images and the gains' 95 % intervals: what it rests on is read with it."""

    def said(norms: Sequence[str]) -> str:
        return " and ".join(f"{_points(gains[norm])} in {NORM_NAMES[norm]}" for norm in norms)

    better = [norm for norm, (_, low, _) in gains.items() if low > 0]
    others = [norm for norm in gains if norm not in better]
    basis = f"({n:,} images, 95 % intervals)"
    if not better:
        gained = f"against whoever knows it, it adds {said(others)} to the images that stand {basis}"
        if max(high for _, _, high in gains.values()) <= LITTLE:
            return f"The filter is no defence: {gained}"
        return f"No defence by the filter is seen, and {n:,} images are too few to rule one out: {gained}"
    if not others:
        return f"The filter protects some images even from whoever knows it: {said(better)} {basis}"
    return (
        f"The filter protects some images from whoever knows it: {said(better)}; elsewhere no gain is seen: "
        f"{said(others)} {basis}"
    )


def _points(gain: tuple[float, float, float]) -> str:
    """Such as: 28.0 points [18.5, 37.7]."""
    value, low, high = (round(100 * share, 1) + 0.0 for share in gain)  # + 0.0: no minus before a zero
    return f"{value:.1f} points [{low:.1f}, {high:.1f}]"


def _why_not(outcome: Outcome, checks: Sequence[Check]) -> list[str]:
    told = [f"The attack fails its own check: {check.name} ({check.found})." for check in outcome.checks
            if not check.passed]  # fmt: skip
    told += [f"A copy of the attack with a mistake, {name}, was not noticed." for name, by in outcome.noticed.items()
             if not by]  # fmt: skip
    told += [f"Rows contradict each other: {check.name} ({check.found})." for check in checks if not check.passed]
    return [*told, "The accuracies are upper bounds and no more; find out what is wrong before they are quoted."]


def _sentences(
    rows: Sequence[Line],
    cases: dict[tuple[str, str], dict[str, Share]],
    gains: dict[str, tuple[float, float, float]],
    radii: dict[str, str],
) -> list[str]:
    first = cases[NORMS[0], BARE]["clean"], cases[NORMS[0], DEFENDED]["clean"]
    told = [f"Without an attack the filter changes the accuracy from {first[0].words} to {first[1].words}."]
    for norm in NORMS:
        told += [_of_norm(norm, cases, gains, radii), _of_steps(rows, norm)]
    if (NORMS[0], ROBUST) in cases:
        told.append(_of_robust(cases, radii))
    return told


def _of_norm(
    norm: str,
    cases: dict[tuple[str, str], dict[str, Share]],
    gains: dict[str, tuple[float, float, float]],
    radii: dict[str, str],
) -> str:
    here, bare = cases[norm, DEFENDED], cases[norm, BARE]
    blind, worst = here["blind"], here["all"]
    words = (
        f"{NORM_NAMES[norm]}, radius {radii[norm]}: {blind.words} stand against who does not know the filter, "
        f"{worst.words} against all attacks together, and {bare['all'].words} without a filter."
    )
    if gains[norm][1] > 0:
        return f"{words} The filter adds {_points(gains[norm])}."
    words += f" The filter adds nothing that {worst.n:,} images can show: {_points(gains[norm])}."
    if not blind.count:
        return words
    return f"{words} {percent(1 - worst.count / blind.count)} of what the blind attacker leaves is no protection."


def _of_steps(rows: Sequence[Line], norm: str) -> str:
    before, last = sorted(_select(rows, part="doubling", norm=norm), key=lambda row: int(row["steps"]))[-2:]
    n, more = int(last["n"]), round((float(before["accuracy"]) - float(last["accuracy"])) * int(last["n"]))
    rise = float(last["margin"]) - float(before["margin"])
    found = (
        f"{NORM_NAMES[norm]}, radius {radius_in_words(norm, float(last['radius']))}, where some images stand: "
        f"{last['steps']} steps in place of {before['steps']} take {more} more of {n} images, the mean margin "
        f"changes by {rise:+.2g}"
    )
    return f"{found}; {'more steps still find more' if more > max(1, MISSED * n) else 'steps are not what is lacking'}."


def _of_robust(cases: dict[tuple[str, str], dict[str, Share]], radii: dict[str, str]) -> str:
    def both(norm: str) -> str:
        alone, behind = cases[norm, ROBUST]["all"], cases[norm, ROBUST_DEFENDED]["all"]
        return f"{alone.words} in {NORM_NAMES[norm]} {radii[norm]} ({behind.words} behind the filter)"

    clean = cases[NORMS[0], ROBUST]["clean"], cases[NORMS[0], ROBUST_DEFENDED]["clean"]
    kept = " and ".join(both(norm) for norm in NORMS)
    return (
        f"For comparison, adversarial training keeps {kept}, at {clean[0].words} without an attack "
        f"({clean[1].words} behind the filter)."
    )


def table(summary: Summary, radii: dict[str, str]) -> list[tuple[str, str, list[Share | None]]]:
    """A line a norm and system: attack, system, shares by KINDS, the blind and the aware attacker side by side."""
    return [
        (f"{NORM_NAMES[norm]} {radii[norm]}", SYSTEMS[system], [found.get(kind) for kind in KINDS])
        for (norm, system), found in summary.cases.items()
    ]
