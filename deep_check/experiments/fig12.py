"""Fig. 12: Fig. 4 again, for the two-layer network; (a) is drawn on a logarithmic scale, as in the paper.

[paper: Fig. 12, Appendix C.2]
"""

from __future__ import annotations

from deep_check.experiments import concentration, log_difference
from deep_check.experiments.context import Context
from deep_check.experiments.mean_spectra import run_for
from deep_check.experiments.perturbations import Settings
from deep_check.experiments.results import Finding

STATEMENT = (
    "For a two-layer network with a fixed outer layer too, (a) the mean spectrum |F(δ)| of adversarial perturbations "
    "is concentrated in the low frequencies after a sufficient training, with a large gap between low and high "
    "frequencies; (b) the mean log-spectrum difference is concentrated in the high frequencies."
)
TESTED = (
    f"Two-layer network, attacked by the loss it was trained with. (a) {concentration.TESTED} "
    f"(b) {log_difference.TESTED}"
)


def run(context: Context, settings: Settings | None = None) -> Finding:
    """Measure, judge, draw: fig12.png, fig12.pdf, fig12-spectrum.csv, fig12-difference.csv, fig12-maps.npz."""
    chosen = settings or Settings.of(context, "mse")
    return run_for(context, "fig12", "two_layer", STATEMENT, TESTED, chosen, logarithmic=True)
