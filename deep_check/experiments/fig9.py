"""Fig. 9: Fig. 5 again, for a network trained with MSE loss and attacked by it. [paper: Fig. 9]."""

from __future__ import annotations

from deep_check.experiments import fig5
from deep_check.experiments.context import Context
from deep_check.experiments.perturbations import Settings
from deep_check.experiments.results import Finding

STATEMENT = (
    "With MSE loss too the difference of the log-spectra of original and adversarial example is concentrated in the "
    "high frequencies."
)
TESTED = f"Network trained with MSE loss, attacked by it. {fig5.TESTED}"


def run(context: Context, settings: Settings | None = None) -> Finding:
    """Measure, judge, draw: fig9.png, fig9.pdf, fig9.csv."""
    return fig5.run_for(context, "fig9", "mse", STATEMENT, TESTED, settings or Settings.of(context, "mse"))
