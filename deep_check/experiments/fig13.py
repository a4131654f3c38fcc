"""Fig. 13: low-frequency ratios of images, and of perturbations of a normally and of an adversarially trained network.

The paper gives no cut-off: the curves run over all of them. Zero frequency, which the definition of τ counts as low, is
nearly all of an image's energy; without it the curves stand beside. [paper: Fig. 13, Appendix D]
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deep_check.experiments.concentration import CUTOFFS, defined
from deep_check.experiments.context import Context
from deep_check.experiments.perturbations import Settings, noise, perturbed
from deep_check.experiments.results import Effect, Finding, Measured, verdict
from deep_check.spectra import low_frequency_ratios
from theory_sim.spectrum import Mask

Array = NDArray[np.float64]
ALL_CUTOFFS = tuple(float(k) for k in range(1, 23))
ROLES = ("normal", "adversarial")
STATEMENT = (
    "The low-frequency ratio τ of PGD perturbations of an adversarially trained network is generally higher than that "
    "of a normally trained one, and that of the original images is higher still."
)
TESTED = (
    "Random test images, the same for both networks; PGD (linf, radius 8/255, steps of 4/255, random start, all steps "
    "taken). Directions, each by the 95 % interval over images, paired: at cut-off 8, (1) τ of perturbations of the "
    "adversarially trained network is above that of the normally trained one; (2) τ of the images is above both. "
    "Beside it: at how many of the cut-offs 1 ... 22 that holds, l2 perturbations, a square of low frequencies, and τ "
    "without zero frequency."
)


@dataclass(frozen=True)
class Ratios:
    """τ by what it is of, "images", "normal", "adversarial" or "noise": (n_cutoffs, n), at all of ALL_CUTOFFS."""

    of: Mapping[str, Array]

    def at(self, name: str, cutoff: float) -> Array:
        """τ of each image, (n,)."""
        return self.of[name][ALL_CUTOFFS.index(cutoff)]


@dataclass(frozen=True)
class Measurement:
    """own: as the definition has it; other choices beside: by what is chosen."""

    settings: Settings
    n: int
    own: Ratios
    choices: Mapping[tuple[str, str], Ratios]


def measure(context: Context, settings: Settings) -> Measurement:
    """Attack both networks, and take the ratios at all cut-offs."""
    mask: Mask = "square" if settings.mask == "disc" else "disc"
    deltas = {role: perturbed(context, role, settings.attack, settings.n).deltas for role in ROLES}
    others = {role: perturbed(context, role, settings.other, settings.n).deltas for role in ROLES}
    images = context.random_images(settings.n)[0]
    for parts, attack in ((deltas, settings.attack), (others, settings.other)):
        parts["noise"] = noise(images, attack).astype(float) - images
        parts["images"] = images.astype(float)

    def ratios(parts: Mapping[str, Array], mask: Mask) -> Ratios:
        return Ratios({name: low_frequency_ratios(values, ALL_CUTOFFS, mask) for name, values in parts.items()})

    centred = {name: values - values.mean(axis=(2, 3), keepdims=True) for name, values in deltas.items()}
    choices = {
        ("norm of the attack", settings.other.norm): ratios(others, settings.mask),
        ("mask", mask): ratios(deltas, mask),
        ("zero frequency", "left out"): ratios(centred, settings.mask),
    }
    return Measurement(settings, len(images), ratios(deltas, settings.mask), choices)


def directions(ratios: Ratios, cutoff: float) -> tuple[Measured, ...]:
    """What must be above 0."""
    pairs = (("adversarial", "normal"), ("images", "adversarial"), ("images", "normal"))
    return tuple(
        defined(f"τ of {WORDS[name]} minus that of {WORDS[other]}, cut-off {cutoff:g}", ratios.at(name, cutoff),
                ratios.at(other, cutoff))
        for name, other in pairs
    )  # fmt: skip


WORDS = {
    "images": "images", "normal": "perturbations, normally trained", "noise": "noise of the same radius",
    "adversarial": "perturbations, adversarially trained",
}  # fmt: skip


def judge(measurement: Measurement, weights: Mapping[str, str]) -> Finding:
    """The row of the ledger; weights: what the networks' files say of their training, by role."""
    settings, own = measurement.settings, measurement.own
    found = directions(own, settings.cutoff)
    by_cutoff = [directions(own, cutoff) for cutoff in ALL_CUTOFFS]
    holding = [sum((one := parts[i]).low is not None and one.low > 0 for parts in by_cutoff) for i in range(len(found))]
    values = [
        defined(f"τ of {WORDS[name]}, cut-off {settings.cutoff:g}", own.at(name, settings.cutoff)) for name in WORDS
    ]
    counts = [
        Measured(f"cut-offs of {len(ALL_CUTOFFS)} with a higher τ: {words}", float(count), n=measurement.n)
        for words, count in zip(("adversarially over normally trained", "images over adversarially trained",
                                 "images over normally trained"), holding, strict=True)
    ]  # fmt: skip
    effects = [
        Effect(choice, value, one)
        for (choice, value), ratios in measurement.choices.items()
        for one in directions(ratios, settings.cutoff)
    ]
    effects += [
        Effect("cut-off", f"{cutoff:g}", one)
        for cutoff in settings.other_cutoffs(CUTOFFS)
        for one in directions(own, cutoff)
    ]
    level = {name: float(np.nanmean(own.at(name, settings.cutoff))) for name in WORDS}
    conclusion = (
        f"At cut-off {settings.cutoff:g} τ is {level['images']:.3f} for images, {level['adversarial']:.3f} for "
        f"perturbations of the adversarially trained network, {level['normal']:.3f} for those of the normally trained "
        f"one and {level['noise']:.3f} for noise; the first two comparisons hold at {holding[0]} and {holding[1]} of "
        f"{len(ALL_CUTOFFS)} cut-offs."
    )
    return Finding(
        "fig13", "13", STATEMENT, TESTED, verdict(found), measurement.n, (*found, *values, *counts), conclusion,
        {**settings.as_parameters(measurement.n), "networks": dict(weights)}, tuple(effects),
    )  # fmt: skip


def table(measurement: Measurement) -> Sequence[dict[str, Any]]:
    """Mean τ with its 95 % interval, a row a curve and cut-off."""
    sets = {"": measurement.own} | {f"{choice}: {value}": one for (choice, value), one in measurement.choices.items()}
    rows = []
    for choice, ratios in sets.items():
        for name in ratios.of:
            for cutoff in ALL_CUTOFFS:
                one = defined(name, ratios.at(name, cutoff))
                rows.append({"choice": choice, "of": name, "cutoff": cutoff, "tau": one.value, "low": one.low,
                             "high": one.high, "n": one.n})  # fmt: skip
    return rows


def run(context: Context, settings: Settings | None = None) -> Finding:
    """Measure, judge, draw: fig13.png, fig13.pdf, fig13.csv."""
    from deep_check.experiments.fig13_picture import draw

    chosen = settings or Settings.of(context)
    measurement = measure(context, chosen)
    context.save_table("fig13", table(measurement))
    said = {role: _training(context.net(role).facts) for role in ROLES}
    names = " and ".join(context.weights_file(role).name for role in ROLES)
    pictures = context.save_pictures("fig13", draw(measurement, names))
    return replace(judge(measurement, said), pictures=pictures)


def _training(facts: Mapping[str, Any]) -> str:
    """What a weights file says of its attacker in training."""
    recipe = facts.get("recipe")
    if not isinstance(recipe, Mapping):
        return "its file does not say how it was trained"
    if recipe.get("adversary", "none") == "none":
        return "trained without an attacker"
    return (
        f"trained against {recipe['adversary']}, {recipe.get('attack_steps')} steps, radius {recipe.get('radius'):.3g}"
    )
