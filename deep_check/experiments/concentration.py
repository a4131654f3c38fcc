"""Does |F(δ)| concentrate in the low frequencies? Measured on random test images, for Figs. 3, 4a, 7, 8 and 12a.

"Low" by itself says little: most bins of a disc's complement are high. So the share of |F(δ)| in the disc is compared,
image by image, with that of noise of the same norm and radius, and with that of the same attack on an untrained
network; and the density, the mean of |F(δ)| over a ring, must fall with the ring's radius. [paper: Section 4.1]
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deep_check.attacks import Attack
from deep_check.experiments.context import Context
from deep_check.experiments.perturbations import Perturbed, Settings, noise, perturbed
from deep_check.experiments.results import Effect, Measured, mean, share
from deep_check.spectra import area_share, low_frequency_ratios, radii, ring_means, spectra
from theory_sim.spectrum import Mask, ratio

Array = NDArray[np.float64]
RINGS = 23  # radii 0 ... 22; beyond there is one corner
SMALL_L2 = "norm and radius of the attack"
CUTOFFS = (4.0, 8.0, 12.0, 16.0)
TESTED = (
    "Random test images, PGD (linf, radius 8/255, steps of 4/255, random start, all steps taken); |F(δ)| a channel, "
    "averaged over channels. Directions, each by the 95 % interval over images: (1) the share of the sum of |F(δ)| "
    "at |k| <= 8 is above that of random signs of the same radius on the same images; (2) the density, the mean "
    "of |F(δ)| over a ring in units of its mean over all bins, falls with the radius: its least-squares slope over "
    "rings 0 ... 22 is negative; (3) the share is above that of the same attack on an untrained network of the same "
    "architecture. Beside it: l2 perturbations, other cut-offs, starts and numbers of steps, and single images."
)


@dataclass(frozen=True)
class Moduli:
    """|F| of each image, (n, h, w), averaged over channels; `ratios` τ of the energies, (n,).

    Shares, densities and ratios are NaN where a δ is 0: an attack without a gradient leaves no spectrum.
    """

    maps: Array
    ratios: Array

    @classmethod
    def of(cls, deltas: NDArray[Any], settings: Settings) -> Moduli:
        """Of δ (n, c, h, w)."""
        return cls(spectra(deltas), low_frequency_ratios(deltas, settings.cutoff, settings.mask))

    def low_share(self, cutoff: float, mask: Mask) -> Array:
        """Share of the sum of |F| in the low band, (n,)."""
        low = radii(self.maps.shape[1:], mask) <= cutoff
        return ratio(self.maps[:, low].sum(axis=1), self.maps[:, ~low].sum(axis=1))

    @property
    def densities(self) -> Array:
        """Mean of |F| over each ring in units of its mean over all bins, (n, RINGS); 1 everywhere for white noise."""
        with np.errstate(invalid="ignore"):
            return np.asarray(ring_means(self.maps)[:, :RINGS] / self.maps.mean(axis=(1, 2))[:, None])

    @property
    def fall(self) -> Array:
        """By how much the density falls a ring, (n,): minus the least-squares slope over the rings."""
        return -slopes(self.densities)


@dataclass(frozen=True)
class Measurement:
    """moduli: by what was added to the images: "attacked", "other", their "noise" and "untrained", and the images."""

    settings: Settings
    found: Perturbed
    moduli: dict[str, Moduli]
    variants: dict[tuple[str, str], Moduli]

    @property
    def n(self) -> int:
        """Images."""
        return len(self.found.labels)


def defined(name: str, values: Array, others: Array | None = None, unit: str = "") -> Measured:
    """Mean of the values, minus the others on the same images, over the images where both are numbers."""
    difference = values if others is None else values - others
    return mean(name, difference[np.isfinite(difference)], unit=unit)


def slopes(values: Array) -> Array:
    """Least-squares slope of each row against 0, 1, ...: (n, n_rings) -> (n,)."""
    radius = np.arange(values.shape[1]) - (values.shape[1] - 1) / 2
    return np.asarray(values @ radius / (radius @ radius))


def above_half(one: Measured) -> Measured:
    """A share minus one half: whether most go along, as a direction."""
    assert one.low is not None
    assert one.high is not None
    return Measured(f"{one.name}, minus one half", one.value - 0.5, one.low - 0.5, one.high - 0.5, one.n)


def measure(context: Context, role: str, settings: Settings) -> Measurement:
    """Attack, and take the spectra of what was added to the images."""

    def moduli(deltas: NDArray[Any]) -> Moduli:
        return Moduli.of(deltas, settings)

    found = perturbed(context, role, settings.attack, settings.n)
    parts = {"attacked": moduli(found.deltas), "images": moduli(found.images)}
    others = {"": settings.attack, "other ": settings.other}
    parts["other"] = moduli(perturbed(context, role, settings.other, settings.n).deltas)
    for word, attack in others.items():
        parts[f"{word}noise"] = moduli(noise(found.images, attack).astype(float) - found.images)
        parts[f"{word}untrained"] = moduli(perturbed(context, role, attack, settings.n, untrained=True).deltas)
    variants = {}
    for key, attack in _variants(settings).items() if settings.effects else ():
        variants[key] = moduli(perturbed(context, role, attack, settings.n).deltas)
    return Measurement(settings, found, parts, variants)


def _variants(settings: Settings) -> Mapping[tuple[str, str], Attack]:
    """Attacks that differ from the figure's in one choice."""
    attack, other = settings.attack, settings.other
    loss = "mse" if attack.loss == "cross_entropy" else "cross_entropy"
    found = {
        ("start", "zero"): replace(attack, start="zero"),
        ("steps", "1 from a zero start (FGSM)"): replace(attack, step_size=attack.radius, steps=1, start="zero"),
        ("loss of the attacker", loss): replace(attack, loss=loss),
    }
    if attack.norm == "linf":  # the paper's numbers taken literally for l2
        literal = replace(other, radius=attack.radius, step_size=attack.step_size)
        found[SMALL_L2, f"l2, {attack.radius:.3g}"] = literal
    return found


def directions(measurement: Measurement) -> tuple[Measured, ...]:
    """What must be above 0: (1), (2) and (3) of TESTED."""
    return _directions(measurement, "", "attacked")


def _directions(measurement: Measurement, word: str, name: str) -> tuple[Measured, ...]:
    cutoff, mask, parts = measurement.settings.cutoff, measurement.settings.mask, measurement.moduli
    share_of, low = parts[name].low_share(cutoff, mask), f"share of |F(δ)| at |k| <= {cutoff:g}"
    white, before = (parts[f"{word}{other}"].low_share(cutoff, mask) for other in ("noise", "untrained"))
    return (
        defined(f"{low}, minus noise's", share_of, white),
        defined("fall of the density of |F(δ)| a ring", parts[name].fall, unit="of its mean"),
        defined(f"{low}, minus an untrained network's", share_of, before),
    )


def beside(measurement: Measurement) -> tuple[Measured, ...]:
    """The numbers behind the directions, and how many single images and rings go along."""
    cutoff, mask, parts = measurement.settings.cutoff, measurement.settings.mask, measurement.moduli
    own, level = parts["attacked"], parts["noise"].low_share(cutoff, mask)
    words = {"attacked": "|F(δ)|", "noise": "|F| of noise", "untrained": "|F(δ)| of an untrained network",
             "images": "|F| of the images"}  # fmt: skip
    shares = [
        defined(f"share of {word} at |k| <= {cutoff:g}", parts[name].low_share(cutoff, mask))
        for name, word in words.items()
    ]
    steps = -np.diff(own.densities, axis=1)
    falling = sum((one := defined("step", step)).low is not None and one.low > 0 for step in steps.T)
    rising = sum((one := defined("step", step)).high is not None and one.high < 0 for step in steps.T)
    return (
        *shares,
        Measured(f"share of all bins at |k| <= {cutoff:g}", area_share(cutoff, mask)),
        share("images whose share is above noise's", int((own.low_share(cutoff, mask) > level).sum()), measurement.n),
        Measured(f"rings of {RINGS - 1} whose density is below the one before", float(falling), n=measurement.n),
        Measured(f"rings of {RINGS - 1} whose density is above the one before", float(rising), n=measurement.n),
        defined(f"τ of δ at cut-off {cutoff:g}: share of energy", own.ratios),
    )


def effects(measurement: Measurement) -> tuple[Effect, ...]:
    """What other choices give for the same directions; nothing where it was not asked for."""
    settings, parts = measurement.settings, measurement.moduli
    if not settings.effects:
        return ()
    own, level = parts["attacked"], parts["noise"]
    name = "share of |F(δ)| in the low band, minus noise's"
    found = [
        Effect("norm of the attack", settings.other.norm, one) for one in _directions(measurement, "other ", "other")
    ]
    other = _other_mask(settings.mask)
    choices = [(cutoff, settings.mask) for cutoff in settings.other_cutoffs(CUTOFFS)]
    choices += [(cutoff, other) for cutoff in settings.other_cutoffs([settings.cutoff], other)]
    for cutoff, mask in choices:
        gap = defined(name, own.low_share(cutoff, mask), level.low_share(cutoff, mask))
        found.append(Effect("cut-off and mask", f"{cutoff:g}, {mask}", gap))
    gap = defined("τ of δ, minus noise's: shares of energy", own.ratios, level.ratios)
    found.append(Effect("|F(δ)|² in place of |F(δ)|", "yes", gap))
    for (choice, value), moduli in measurement.variants.items():
        white = parts["other noise" if choice == SMALL_L2 else "noise"].low_share(settings.cutoff, settings.mask)
        gap = defined(name, moduli.low_share(settings.cutoff, settings.mask), white)
        found.append(Effect(choice, value, gap))
    return tuple(found)


def _other_mask(mask: Mask) -> Mask:
    return "square" if mask == "disc" else "disc"


def conclusion(measurement: Measurement) -> str:
    """One sentence from the numbers."""
    cutoff, mask, parts = measurement.settings.cutoff, measurement.settings.mask, measurement.moduli
    own = parts["attacked"]
    shares = {name: np.nanmean(moduli.low_share(cutoff, mask)) for name, moduli in parts.items()}
    density = np.nanmean(own.densities, axis=0)
    return (
        f"{shares['attacked']:.1%} of |F(δ)| lies at |k| <= {cutoff:g}, of noise {shares['noise']:.1%}, "
        f"of an untrained network's {shares['untrained']:.1%}; its "
        f"density is {density[1:5].mean():.2f} times its mean at radii 1 to 4 and {density[13:17].mean():.2f} times at "
        f"13 to 16; for {measurement.settings.other.norm} perturbations the share is {shares['other']:.1%}."
    )


def table(measurement: Measurement) -> list[dict[str, Any]]:
    """Density over rings with its 95 % interval, a row a ring and curve."""
    rows = []
    for name, moduli in measurement.moduli.items():
        for radius, values in enumerate(moduli.densities.T):
            one = defined(name, values)
            rows.append({"of": name, "radius": radius, "density": one.value, "low": one.low, "high": one.high,
                         "n": one.n})  # fmt: skip
    return rows
