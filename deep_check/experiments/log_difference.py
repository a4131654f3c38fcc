"""Does the log-spectrum difference concentrate in the high frequencies, and why? For Figs. 1, 4b, 5, 9, 10 and 12b.

It is the difference of two logarithms, and so small where the image's spectrum is large: images fall off with
frequency, and whatever is added to them shows where they are weak. Random signs are the control: what they show as
well is no property of δ. Beside the measured difference stands Eq. 3: as printed, and averaged over random phases.
[paper: Eq. 3, Section 4.2]
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deep_check.experiments.concentration import CUTOFFS, RINGS, slopes
from deep_check.experiments.context import Context
from deep_check.experiments.perturbations import Perturbed, Settings, noise, perturbed
from deep_check.experiments.results import Effect, Measured, mean, paired_difference, share
from deep_check.spectra import LogSpectrumDifferences, band_means, log_spectrum_differences, ring_means

Array = NDArray[np.float64]
SMALL = 0.1  # ρ up to which Eq. 3 is expanded
TESTED = (
    "Random test images, PGD (linf, radius 8/255, steps of 4/255, random start, all steps taken); 20·|ln|F(x+δ)| - "
    "ln|F(x)|| a channel, averaged over channels. Directions, each by the 95 % interval over images: (1) its mean over "
    "|k| > 8 is above its mean over |k| <= 8, paired by image; (2) it rises with the radius: the least-squares slope "
    "of its means over rings 0 ... 22 is positive. Beside it: the same for random signs in place of δ, for l2 "
    "perturbations, and the ratio to Eq. 3, as printed and averaged over random phases."
)


@dataclass(frozen=True)
class Measurement:
    """differences: by what was added to the images: "attacked", "other" and "noise"."""

    settings: Settings
    found: Perturbed
    differences: dict[str, LogSpectrumDifferences]

    @property
    def n(self) -> int:
        """Images."""
        return len(self.found.labels)


def measure(context: Context, role: str, settings: Settings) -> Measurement:
    """Attack, and take the log-spectrum differences."""
    found = perturbed(context, role, settings.attack, settings.n)
    added = {
        "attacked": found.adversarial,
        "other": perturbed(context, role, settings.other, settings.n).adversarial,
        "noise": noise(found.images, settings.attack),
    }
    differences = {name: log_spectrum_differences(found.images, images) for name, images in added.items()}
    return Measurement(settings, found, differences)


def rings(maps: Array) -> Array:
    """Means over rings of the images that have all of them, (n, RINGS)."""
    means = ring_means(maps)[:, :RINGS]
    return np.asarray(means[np.isfinite(means).all(axis=1)])


def directions(measurement: Measurement) -> tuple[Measured, ...]:
    """What must be above 0: (1) and (2) of TESTED."""
    return _directions(measurement, "attacked")


def _directions(measurement: Measurement, name: str) -> tuple[Measured, ...]:
    maps, settings = measurement.differences[name].measured, measurement.settings
    return (
        _high_minus_low(maps, settings.cutoff, settings),
        mean("rise of the log-spectrum difference a ring", slopes(rings(maps)), unit="20 ln"),
    )


def _high_minus_low(maps: Array, cutoff: float, settings: Settings) -> Measured:
    low, high = band_means(maps, cutoff, settings.mask)
    defined = np.isfinite(low) & np.isfinite(high)
    name = f"log-spectrum difference, |k| > {cutoff:g} minus the others"
    return paired_difference(name, high[defined], low[defined], "20 ln")


def is_higher(measurement: Measurement, name: str) -> NDArray[np.bool_]:
    """Of each image: is its mean difference over the high band above that over the low one, (n,)."""
    settings = measurement.settings
    low, high = band_means(measurement.differences[name].measured, settings.cutoff, settings.mask)
    return np.asarray(high > low)


def beside(measurement: Measurement) -> tuple[Measured, ...]:
    """The control, the images that go along, and Eq. 3's prediction."""
    found, settings = measurement.differences["attacked"], measurement.settings
    control = _high_minus_low(measurement.differences["noise"].measured, settings.cutoff, settings)
    small = found.first_order < 20 * SMALL
    return (
        Measured("the same of noise in place of δ", control.value, control.low, control.high, control.n,
                 unit="20 ln"),
        share("images whose difference is larger in the high band", int(is_higher(measurement, "attacked").sum()),
              measurement.n),
        mean("measured over Eq. 3's mean over random phases, all bins", _quotients(found, found.random_phase)),
        mean("measured over 20 ln(1+ρ), all bins (Eq. 3 says 1)", _quotients(found, found.in_phase), paper=1.0),
        mean(f"measured over 20ρ where ρ < {SMALL:g} (Eq. 3 says 1; random phases 2/π = 0.637)",
             _quotients(found, found.first_order, small), paper=1.0),
        mean("share of bins where it exceeds 20 ln(1+ρ)", _image_means(found.exceeding)),
    )  # fmt: skip


def _quotients(found: LogSpectrumDifferences, law: Array, where: NDArray[np.bool_] | None = None) -> Array:
    """Mean of the measured differences over that of a law, image by image, over the bins `where` both are."""
    inside = np.isfinite(found.measured) & np.isfinite(law)
    if where is not None:
        inside &= where
    kept = inside.any(axis=(1, 2))
    sums = [np.where(inside, values, 0.0)[kept].sum(axis=(1, 2)) for values in (found.measured, law)]
    return np.asarray(sums[0] / sums[1])


def _image_means(maps: Array) -> Array:
    defined = np.isfinite(maps)
    return np.asarray(np.where(defined, maps, 0.0).sum(axis=(1, 2)) / defined.sum(axis=(1, 2)))


def effects(measurement: Measurement) -> tuple[Effect, ...]:
    """What other choices give for the same directions; nothing where it was not asked for."""
    settings = measurement.settings
    if not settings.effects:
        return ()
    found = [Effect("norm of the attack", settings.other.norm, one) for one in _directions(measurement, "other")]
    maps = measurement.differences["attacked"].measured
    found += [
        Effect("cut-off", f"{cutoff:g}", _high_minus_low(maps, cutoff, settings))
        for cutoff in settings.other_cutoffs(CUTOFFS)
    ]
    return tuple(found)


def conclusion(measurement: Measurement) -> str:
    """One sentence from the numbers."""
    cutoff, mask = measurement.settings.cutoff, measurement.settings.mask
    low, high = (
        np.nanmean(values) for values in band_means(measurement.differences["attacked"].measured, cutoff, mask)
    )
    other_low, other_high = (
        np.nanmean(values) for values in band_means(measurement.differences["noise"].measured, cutoff, mask)
    )
    found = measurement.differences["attacked"]
    ours, printed = (_quotients(found, law).mean() for law in (found.random_phase, found.in_phase))
    alike = other_high - other_low > (high - low) / 2 > 0
    why = "so that it shows where images are weak rather than where δ is" if alike else "so that δ decides where it is"
    return (
        f"The log-spectrum difference is {low:.1f} at |k| <= {cutoff:g} and {high:.1f} beyond; with noise in place of "
        f"δ it is {other_low:.1f} and {other_high:.1f}, {why}. "
        f"It is {printed:.2f} of Eq. 3's 20 ln(1+ρ), and {ours:.2f} of its mean over random phases."
    )


def table(measurement: Measurement) -> list[dict[str, Any]]:
    """Means over rings with their 95 % intervals, a row a ring and curve: measured, and the three laws."""
    curves = {f"{name}: measured": found.measured for name, found in measurement.differences.items()}
    found = measurement.differences["attacked"]
    curves |= {f"attacked: {name}": getattr(found, name) for name in ("random_phase", "in_phase", "first_order")}
    rows = []
    for name, maps in curves.items():
        for radius, values in enumerate(rings(maps).T):
            one = mean(name, values, unit="20 ln")
            rows.append({"of": name, "radius": radius, "difference": one.value, "low": one.low, "high": one.high,
                         "n": one.n})  # fmt: skip
    return rows


def image_table(measurement: Measurement) -> list[dict[str, Any]]:
    """A row an image: classes, and the mean differences over both bands, with δ and with noise in its place."""
    found, settings = measurement.found, measurement.settings
    bands = {
        name: band_means(measurement.differences[name].measured, settings.cutoff, settings.mask)
        for name in ("attacked", "noise")
    }
    return [
        {
            "image": i, "label": int(found.labels[i]), "before": int(found.before[i]), "after": int(found.after[i]),
            **{f"{name}_{band}": float(values[i]) for name, pair in bands.items()
               for band, values in zip(("low", "high"), pair, strict=True)},
        }
        for i in range(measurement.n)
    ]  # fmt: skip
