"""Fig. 1: how spectra and log-spectra of an image, its perturbation and its adversarial example are calculated.

What the caption says of the low-frequency ratio of F(δ) along training is Fig. 2's; here is what one image can show.
[paper: Fig. 1, Section 2.2]
"""

from __future__ import annotations

from dataclasses import replace

from deep_check.experiments import log_difference
from deep_check.experiments.concentration import above_half
from deep_check.experiments.context import Context, MissingError
from deep_check.experiments.log_difference import Measurement
from deep_check.experiments.mean_spectra import title_of
from deep_check.experiments.perturbations import Settings
from deep_check.experiments.results import Finding, share, verdict

STATEMENT = (
    "An image that the network sees as one class (bird) is seen as another (frog) once δ is added; the log-spectrum "
    "difference |log|F(x+δ)| - log|F(x)|| is smaller in the low frequencies than in the high ones."
)
TESTED = (
    "Random test images, of which the first that is classified correctly before and not after the attack is shown; PGD "
    "(linf, radius 8/255, steps of 4/255, random start, all steps taken). Directions, each by the 95 % interval: more "
    "than half of the correctly classified images are no longer so; for more than half of all images the mean of the "
    "log-spectrum difference over |k| > 8 is above that over |k| <= 8."
)


def judge(measurement: Measurement) -> Finding:
    """The row of the ledger. Raises MissingError where no image is classified correctly."""
    found, settings, n = measurement.found, measurement.settings, measurement.n
    right = found.before == found.labels
    if not right.any():
        raise MissingError(f"none of {n:,} images is classified correctly: no attack can change that")
    lost = share("correctly classified images that are so no longer", int((found.after != found.labels)[right].sum()),
                 int(right.sum()))  # fmt: skip
    higher = share("images whose log-spectrum difference is larger in the high band",
                   int(log_difference.is_higher(measurement, "attacked").sum()), n)  # fmt: skip
    directions = (above_half(lost), above_half(higher))
    conclusion = (
        f"The attack changes the class of {lost.value:.1%} of the {lost.n:,} images that were classified correctly; "
        f"the log-spectrum difference is larger at |k| > {settings.cutoff:g} for {higher.value:.1%} of {n:,} images."
    )
    return Finding(
        "fig1", "1", STATEMENT, TESTED, verdict(directions), n, (*directions, lost, higher), conclusion,
        {**settings.as_parameters(n), "image shown (paper: a bird)": f"number {found.first_fooled} of those drawn"},
    )  # fmt: skip


def run(context: Context, settings: Settings | None = None) -> Finding:
    """Measure, judge, draw: fig1.png, fig1.pdf, fig1.csv (a row an image)."""
    from deep_check.experiments.fig1_picture import draw

    chosen = settings or Settings.of(context)
    measurement = log_difference.measure(context, "normal", chosen)
    context.save_table("fig1", log_difference.image_table(measurement))
    figure = draw(measurement, title_of(context, "normal", chosen, measurement.n))
    return replace(judge(measurement), pictures=context.save_pictures("fig1", figure))
