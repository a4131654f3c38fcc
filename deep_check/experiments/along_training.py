"""The ratio along training, as `train` has observed it: reading, curves, and whether they rise. For Figs. 2 and 11.

Nothing is trained or attacked here: the numbers lie beside the weights they belong to, ROLE-observed.csv beside the
shipped ones, observed.csv in the folder of a run.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from deep_check.experiments.context import Context, MissingError
from deep_check.experiments.results import Effect, Measured
from deep_check.models import shipped
from deep_check.spectra import area_share
from theory_sim.errors import InputError, require

Array = NDArray[np.float64]
CUTOFF = 8  # judged; the paper does not say its own
ATTACKS = {"fgm": "FGM", "pgd": "PGD"}
ENDS = (100, 300, 1000, 3000)  # what the verdict would rest on if training ended there
TESTED = (
    "At every observed step 100 random training images are attacked by l2 FGM and l2 PGD, the network in evaluation "
    "mode, before the update. Directions, for both attacks, at cut-off 8: (1) mean τ after the last step minus mean τ "
    "before the first is above 0 by the 95 % interval (Welch's; the images are others); (2) the least-squares slope of "
    "mean τ against log10(1 + step) over all observed steps is above 0 by its 95 % interval. Beside it: cut-offs 4, 12 "
    "and 16, the slope against the step itself, and earlier ends of training."
)
NUMBERS = ("step", "epoch", "cutoff", "mean", "low", "high", "std", "n", "loss", "accuracy")
FINITE = ("step", "cutoff", "mean", "low", "high", "std", "n")
DISTANCES = tuple(f"{name}{end}" for name in ("difference", "cosine") for end in ("", "_low", "_high"))


@dataclass(frozen=True)
class Curve:
    """One attack at one cut-off along training; arrays (n_observed,): step, and of τ mean, low, high, std and n."""

    step: Array
    mean: Array
    low: Array
    high: Array
    std: Array
    n: Array
    loss: Array
    accuracy: Array

    def until(self, step: float) -> Curve:
        """As if training had ended after `step`."""
        kept = self.step <= step
        return Curve(*(getattr(self, name)[kept] for name in self.__dataclass_fields__))

    def rise(self, name: str) -> Measured:
        """Mean τ at the end minus at the start, and its 95 % interval [Welch 1947]."""
        gap = float(self.mean[-1] - self.mean[0])
        parts = self.std[[0, -1]] ** 2 / self.n[[0, -1]]
        error, squares = math.sqrt(parts.sum()), float((parts**2 / (self.n[[0, -1]] - 1)).sum())
        freedom = parts.sum() ** 2 / squares if squares > 0 else np.inf
        half = float(stats.t.ppf(0.975, freedom)) * error
        return Measured(name, gap, gap - half, gap + half, int(self.n[0] + self.n[-1]))

    def slope(self, name: str, logarithmic: bool = True) -> Measured:
        """Least-squares slope of mean τ, by decade of 1 + step or by 1,000 steps, and its 95 % interval (t)."""
        x = np.log10(1 + self.step) if logarithmic else self.step / 1000
        require(len(x) >= 3, f"{len(x)} observed steps: allowed are 3 or more")
        fit = stats.linregress(x, self.mean)
        value, half = float(fit.slope), float(stats.t.ppf(0.975, len(x) - 2)) * float(fit.stderr)
        unit = "per decade of steps" if logarithmic else "per 1,000 steps"
        return Measured(name, value, value - half, value + half, int(self.n.sum()), unit=unit)


Curves = Mapping[tuple[str, int], Curve]


def observed_file(context: Context, role: str, name: str = "observed") -> Path:
    """Where the observations of a role's weights are. Raises MissingError if they are not there."""
    weights = context.weights_file(role)
    own = weights.resolve() == shipped(role).resolve()
    path = weights.with_name(f"{role}-{name}.csv" if own else f"{name}.csv")
    if not path.is_file():
        raise MissingError(f"no observations of the training of {weights.name} ({path.name} beside it)")
    return path


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Rows of an observed.csv or predicted.csv, numbers as such. Raises InputError if it is damaged."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            found = list(csv.DictReader(file))
        return [{name: text if name == "attack" else float(text) for name, text in row.items()} for row in found]
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"observations {path} cannot be read ({' '.join(str(error).split())})") from None


def curves(rows: Iterable[Mapping[str, Any]], source: str = "observations") -> dict[tuple[str, int], Curve]:
    """By attack ("fgm", "pgd", "images") and cut-off, ordered by step.

    source: for whoever reads the error. Raises InputError if columns, an attack or a cut-off are missing, on numbers
    that cannot be, and where a curve has a step twice; both attacks need the same cut-offs.
    """
    groups: dict[tuple[str, int], list[Mapping[str, Any]]] = {}
    for row in rows:
        require(all(name in row for name in NUMBERS), f"{source}: allowed are the columns {', '.join(NUMBERS)}")
        good = all(math.isfinite(row[name]) for name in FINITE) and row["low"] <= row["mean"] <= row["high"]
        good = good and row["n"] >= 2 and row["std"] >= 0 and row["cutoff"].is_integer()
        numbers = ", ".join(f"{name} {row[name]:g}" for name in FINITE)
        require(good, f"{source}: {row['attack']}, {numbers}: allowed are finite numbers, low <= mean <= high, n >= 2")
        groups.setdefault((row["attack"], int(row["cutoff"])), []).append(row)
    for attack in ATTACKS:
        for cutoff in sorted({CUTOFF, *(cutoff for name, cutoff in groups if name in ATTACKS)}):
            require((attack, cutoff) in groups, f"{source}: no {attack} at cut-off {cutoff}")
    for (attack, cutoff), own in groups.items():
        once = len({row["step"] for row in own}) == len(own)
        require(once, f"{source}: {attack} at cut-off {cutoff}: allowed is each step once")
    fields = Curve.__dataclass_fields__
    return {
        key: Curve(*(np.array([row[name] for row in sorted(own, key=lambda row: row["step"])]) for name in fields))
        for key, own in groups.items()
    }


def directions(found: Curves, cutoff: int = CUTOFF) -> tuple[Measured, ...]:
    """What must be above 0."""
    measured: list[Measured] = []
    for attack, word in ATTACKS.items():
        curve = found[attack, cutoff]
        measured += [curve.rise(f"τ of {word} at the end minus at the start, cut-off {cutoff}"),
                     curve.slope(f"slope of τ of {word}, cut-off {cutoff}")]  # fmt: skip
    return tuple(measured)


def levels(found: Curves) -> tuple[Measured, ...]:
    """τ at the start, at its largest and smallest, and at the end, and that of the images."""
    measured = []
    for attack, word in (*ATTACKS.items(), ("images", "the images")):
        if (attack, CUTOFF) not in found:
            continue
        curve = found[attack, CUTOFF]
        places = {"at the start": 0, "at the end": -1}
        if attack in ATTACKS:
            top, bottom = int(curve.mean.argmax()), int(curve.mean.argmin())
            places[f"at its largest, step {int(curve.step[top])}"] = top
            places[f"at its smallest, step {int(curve.step[bottom])}"] = bottom
        for place, i in places.items():
            middle, low, high = (float(part[i]) for part in (curve.mean, curve.low, curve.high))
            name = f"τ of {word} {place}, cut-off {CUTOFF}"
            measured.append(Measured(name, middle, low, high, int(curve.n[i])))
    measured.append(Measured(f"τ of white noise, cut-off {CUTOFF}: share of the frequencies", area_share(CUTOFF)))
    return tuple(measured)


def effects(found: Curves) -> tuple[Effect, ...]:
    """Other cut-offs, the slope against the step, and earlier ends."""
    cutoffs = sorted({cutoff for attack, cutoff in found if attack in ATTACKS} - {CUTOFF})
    other = [Effect("cut-off", str(cutoff), one) for cutoff in cutoffs for one in directions(found, cutoff)]
    for attack, word in ATTACKS.items():
        curve = found[attack, CUTOFF]
        other.append(Effect("scale of the step", "linear", curve.slope(f"slope of τ of {word}", logarithmic=False)))
        other += [
            Effect("end of training", f"step {end}", curve.until(end).rise(f"τ of {word} then minus at the start"))
            for end in ENDS
            if (curve.step == end).any() and end < curve.step[-1]
        ]
    return tuple(other)


def described(found: Curves) -> str:
    """Where τ begins, ends, and is largest and smallest, in words."""
    parts = []
    for attack, word in ATTACKS.items():
        curve = found[attack, CUTOFF]
        top, bottom = int(curve.mean.argmax()), int(curve.mean.argmin())
        parts.append(
            f"τ of {word} at cut-off {CUTOFF} goes from {curve.mean[0]:.3f} to {curve.mean[-1]:.3f} in "
            f"{int(curve.step[-1]):,} steps, largest {curve.mean[top]:.3f} at step {int(curve.step[top]):,}, smallest "
            f"{curve.mean[bottom]:.3f} at step {int(curve.step[bottom]):,}"
        )
    return f"{'; '.join(parts)}; white noise has {area_share(CUTOFF):.3f}"


def recipe_of(facts: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a weights' file says of its training; nothing where it says nothing."""
    recipe = facts.get("recipe")
    return recipe if isinstance(recipe, Mapping) else {}


def parameters(recipe: Mapping[str, Any], found: Curves) -> dict[str, Any]:
    """Every choice behind the observations; recipe: of the run, as the weights' file has it."""
    names = ("observe_radius", "observe_step_size", "observe_steps", "observe_images", "observe_every")
    return {
        "cut-off": CUTOFF,
        "band": "disc, two-sided, zero frequency included, channels summed",
        "attack": "l2 within [0, 1], zero start, the training loss",
        "images": "training images, drawn anew at every observed step, not augmented",
        "observed steps": len(found["fgm", CUTOFF].step),
        **{name: recipe[name] for name in names if name in recipe},
    }


def table(observed: Sequence[Mapping[str, Any]], network: str = "trained") -> list[dict[str, Any]]:
    """The numbers behind a picture, with the network they are of."""
    return [{"network": network, **{name: row.get(name, "") for name in ("attack", *NUMBERS, *DISTANCES)}}
            for row in observed]  # fmt: skip
