"""Fig. 7: Fig. 3 again, for a network trained with MSE loss and attacked by it.

The caption has it as "the difference of the spectrum between original and adversarial examples", which is F(δ).
[paper: Fig. 7]
"""

from __future__ import annotations

from deep_check.experiments import fig3
from deep_check.experiments.context import Context
from deep_check.experiments.perturbations import Settings
from deep_check.experiments.results import Finding

STATEMENT = (
    "With MSE loss too the spectra of the perturbations of single test images are concentrated in the low frequencies."
)
TESTED = f"Network trained with MSE loss, attacked by it. {fig3.TESTED}"


def run(context: Context, settings: Settings | None = None) -> Finding:
    """Measure, judge, draw: fig7.png, fig7.pdf, fig7.csv."""
    return fig3.run_for(context, "fig7", "mse", STATEMENT, TESTED, settings or Settings.of(context, "mse"))
