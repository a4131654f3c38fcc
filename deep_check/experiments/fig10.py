"""Fig. 10: Fig. 4b again, for a network trained with MSE loss and attacked by it.

The caption says "the log-spectrum of adversarial perturbations"; the text, which has Figs. 9 and 10 as the experiment
of Section 4.2, means the log-spectrum difference, and so do we. [paper: Fig. 10]
"""

from __future__ import annotations

from deep_check.experiments import log_difference
from deep_check.experiments.context import Context
from deep_check.experiments.mean_spectra import run_for
from deep_check.experiments.perturbations import Settings
from deep_check.experiments.results import Finding

STATEMENT = (
    "With MSE loss too the mean log-spectrum difference of adversarial examples is concentrated in the high "
    "frequencies."
)
TESTED = f"Network trained with MSE loss, attacked by it. {log_difference.TESTED}"


def run(context: Context, settings: Settings | None = None) -> Finding:
    """Measure, judge, draw: fig10.png, fig10.pdf, fig10-difference.csv, fig10-maps.npz."""
    chosen = settings or Settings.of(context, "mse")
    return run_for(context, "fig10", "mse", STATEMENT, TESTED, chosen, spectrum=False)
