"""Fig. 4: means over 1,000 test images, (a) of |F(δ)|, (b) of the log-spectrum difference.

[paper: Fig. 4, Section 4.1, Section 4.2]
"""

from __future__ import annotations

from deep_check.experiments import concentration, log_difference
from deep_check.experiments.context import Context
from deep_check.experiments.mean_spectra import run_for
from deep_check.experiments.perturbations import Settings
from deep_check.experiments.results import Finding

STATEMENT = (
    "Averaged over 1,000 random test images: (a) the spectrum |F(δ)| of adversarial perturbations is concentrated in "
    "the low frequencies after a sufficient training; (b) the log-spectrum difference of adversarial examples is "
    "concentrated in the high frequencies."
)
TESTED = f"(a) {concentration.TESTED} (b) {log_difference.TESTED}"


def run(context: Context, settings: Settings | None = None) -> Finding:
    """Measure, judge, draw: fig4.png, fig4.pdf, fig4-spectrum.csv, fig4-difference.csv, fig4-maps.npz."""
    chosen = settings or Settings.of(context)
    return run_for(context, "fig4", "normal", STATEMENT, TESTED, chosen)
