"""Fig. 3: ten random test images, and the spectra |F(δ)| of their perturbations. [paper: Fig. 3, Section 4.1].

F is linear: F(δ) is the difference of the spectra of the adversarial and of the original image, as Fig. 7 has it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from numpy.typing import NDArray

from deep_check.experiments import concentration
from deep_check.experiments.concentration import Moduli, above_half
from deep_check.experiments.context import Context
from deep_check.experiments.mean_spectra import title_of
from deep_check.experiments.perturbations import Settings, noise, perturbed
from deep_check.experiments.results import Effect, Finding, Measured, mean, share, verdict
from deep_check.spectra import area_share

SHOWN = 10
STATEMENT = (
    "The spectra of the perturbations of ten random test images are concentrated in the low frequencies, for a "
    "sufficiently trained network."
)
TESTED = (
    "Random test images, of which the first ten are shown; PGD (linf, radius 8/255, steps of 4/255, random start, all "
    "steps taken). Of each image by itself: is the density of |F(δ)|, averaged over channels, higher at |k| <= 8 than "
    "beyond? Direction: the share of images for which it is lies above the share for which the density of random signs "
    "in place of δ is, and above one half, each by the 95 % interval."
)


def measure(context: Context, role: str, settings: Settings) -> dict[str, Moduli]:
    """|F| of "attacked", "noise" and "other", each of all images."""
    found, other = (perturbed(context, role, attack, settings.n) for attack in (settings.attack, settings.other))
    white = noise(found.images, settings.attack).astype(float) - found.images
    deltas: dict[str, NDArray[Any]] = {"attacked": found.deltas, "noise": white, "other": other.deltas}
    return {name: Moduli.of(values, settings) for name, values in deltas.items()}


def judge(claim: str, statement: str, tested: str, moduli: Mapping[str, Moduli], settings: Settings) -> Finding:
    """The row of the ledger."""
    level = area_share(settings.cutoff, settings.mask)
    n = len(moduli["attacked"].maps)

    def lower(name: str, cutoff: float = settings.cutoff, first: int = n) -> Any:
        area = area_share(cutoff, settings.mask)
        return moduli[name].low_share(cutoff, settings.mask)[:first] > area

    def measured(words: str, name: str, cutoff: float = settings.cutoff, first: int = n) -> Measured:
        return share(words, int(lower(name, cutoff, first).sum()), min(first, n))

    own = measured("images whose |F(δ)| is denser at low frequencies", "attacked")
    white = measured("the same of noise", "noise")
    shown = measured("the same of the ten shown", "attacked", first=SHOWN)
    half = above_half(own)
    gap = mean(f"{own.name}, minus noise's", lower("attacked").astype(float) - lower("noise"))
    effects = [Effect("norm of the attack", settings.other.norm, measured(own.name, "other"))]
    effects += [
        Effect("cut-off", f"{cutoff:g}", measured(own.name, "attacked", cutoff))
        for cutoff in settings.other_cutoffs(concentration.CUTOFFS)
    ]
    average = moduli["attacked"].low_share(settings.cutoff, settings.mask).mean()
    conclusion = (
        f"|F(δ)| is denser at |k| <= {settings.cutoff:g} than beyond for {own.value:.1%} of {n:,} images "
        f"({shown.value:.0%} of those shown), that of noise for {white.value:.1%}; on average {average:.1%} of it lies "
        f"there, on {level:.1%} of all bins."
    )
    return Finding(
        claim, claim.removeprefix("fig"), statement, tested, verdict((half, gap)), n, (half, gap, own, shown, white),
        conclusion, settings.as_parameters(n), tuple(effects) if settings.effects else (),
    )  # fmt: skip


def run_for(context: Context, claim: str, role: str, statement: str, tested: str, settings: Settings) -> Finding:
    """Measure, judge, draw for a network; figs. 3 and 7."""
    from deep_check.experiments.fig3_picture import draw

    moduli = measure(context, role, settings)
    found = perturbed(context, role, settings.attack, settings.n)
    row = judge(claim, statement, tested, moduli, settings)
    shares = moduli["attacked"].low_share(settings.cutoff, settings.mask)
    rows = [
        {"image": i, "label": int(found.labels[i]), "before": int(found.before[i]), "after": int(found.after[i]),
         "low_share": float(value), "tau": float(moduli["attacked"].ratios[i])}
        for i, value in enumerate(shares)
    ]  # fmt: skip
    context.save_table(claim, rows)
    figure = draw(found, moduli["attacked"].maps, settings, title_of(context, role, settings, len(shares)))
    return replace(row, pictures=context.save_pictures(claim, figure))


def run(context: Context, settings: Settings | None = None) -> Finding:
    """Measure, judge, draw: fig3.png, fig3.pdf, fig3.csv (a row an image)."""
    return run_for(context, "fig3", "normal", STATEMENT, TESTED, settings or Settings.of(context))
