"""Fig. 8: Fig. 4a again, for a network trained with MSE loss and attacked by it.

The paper's caption has it as "the expectation of the spectrum of adversarial perturbations". [paper: Fig. 8]
"""

from __future__ import annotations

from deep_check.experiments import concentration
from deep_check.experiments.context import Context
from deep_check.experiments.mean_spectra import run_for
from deep_check.experiments.perturbations import Settings
from deep_check.experiments.results import Finding

STATEMENT = (
    "With MSE loss too the mean spectrum |F(δ)| of adversarial perturbations is concentrated in the low frequencies "
    "after a sufficient training."
)
TESTED = f"Network trained with MSE loss, attacked by it. {concentration.TESTED}"


def run(context: Context, settings: Settings | None = None) -> Finding:
    """Measure, judge, draw: fig8.png, fig8.pdf, fig8-spectrum.csv, fig8-maps.npz."""
    chosen = settings or Settings.of(context, "mse")
    return run_for(context, "fig8", "mse", STATEMENT, TESTED, chosen, difference=False)
