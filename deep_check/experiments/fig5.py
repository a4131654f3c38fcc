"""Fig. 5: one image, its adversarial example and perturbation; the two log-spectra and their difference.

[paper: Fig. 5, Section 4.2]
"""

from __future__ import annotations

from dataclasses import replace

from deep_check.experiments import log_difference
from deep_check.experiments.concentration import above_half
from deep_check.experiments.context import Context
from deep_check.experiments.log_difference import Measurement
from deep_check.experiments.mean_spectra import title_of
from deep_check.experiments.perturbations import Settings
from deep_check.experiments.results import Effect, Finding, share, verdict
from deep_check.spectra import band_means

STATEMENT = (
    "For an image attacked by PGD in a normally trained network, the log-spectrum difference of original and "
    "adversarial example is concentrated in the high frequencies."
)
TESTED = (
    "Random test images, of which the first that is classified correctly before and not after the attack is shown; PGD "
    "(linf, radius 8/255, steps of 4/255, random start, all steps taken); 20·|ln|F(x+δ)| - ln|F(x)|| a channel, "
    "averaged over channels. Direction: for more than half of the images, by the 95 % interval, its mean over |k| > 8 "
    "is above its mean over |k| <= 8. Beside it: the same of random signs in place of δ."
)


def judge(claim: str, statement: str, tested: str, measurement: Measurement) -> Finding:
    """The row of the ledger."""
    settings, n = measurement.settings, measurement.n

    def count(name: str) -> int:
        return int(log_difference.is_higher(measurement, name).sum())

    own = share("images whose difference is larger in the high band", count("attacked"), n)
    noise = share("the same of noise in place of δ", count("noise"), n)
    half = above_half(own)
    first = measurement.found.first_fooled
    low, high = band_means(measurement.differences["attacked"].measured[first], settings.cutoff, settings.mask)
    why = ": it follows from the spectra of images" if noise.value > 0.5 else ""
    conclusion = (
        f"The log-spectrum difference is larger at |k| > {settings.cutoff:g} than below for {own.value:.1%} of {n:,} "
        f"images ({high:.1f} against {low:.1f} for the one shown), and for {noise.value:.1%} of them with noise in "
        f"place of δ{why}."
    )
    effects = (Effect("norm of the attack", settings.other.norm, share(own.name, count("other"), n)),)
    return Finding(
        claim, claim.removeprefix("fig"), statement, tested, verdict((half,)), n, (half, own, noise), conclusion,
        {**settings.as_parameters(n), "image shown (paper: not said)": f"number {first} of those drawn"},
        effects if settings.effects else (),
    )  # fmt: skip


def run_for(context: Context, claim: str, role: str, statement: str, tested: str, settings: Settings) -> Finding:
    """Measure, judge, draw for a network; figs. 5 and 9."""
    from deep_check.experiments.fig5_picture import draw

    measurement = log_difference.measure(context, role, settings)
    row = judge(claim, statement, tested, measurement)
    context.save_table(claim, log_difference.image_table(measurement))
    figure = draw(measurement, title_of(context, role, settings, measurement.n))
    return replace(row, pictures=context.save_pictures(claim, figure))


def run(context: Context, settings: Settings | None = None) -> Finding:
    """Measure, judge, draw: fig5.png, fig5.pdf, fig5.csv (a row an image)."""
    return run_for(context, "fig5", "normal", STATEMENT, TESTED, settings or Settings.of(context))
