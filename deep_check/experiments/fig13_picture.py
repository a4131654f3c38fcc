"""Fig. 13 drawn: low-frequency ratios against the cut-off, with and without zero frequency, for both norms."""

from __future__ import annotations

from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from deep_check.attacks import NORM_NAMES
from deep_check.experiments.concentration import defined
from deep_check.experiments.fig13 import ALL_CUTOFFS, WORDS, Measurement, Ratios
from deep_check.experiments.spectrum_axes_picture import mark_cutoff
from theory_sim.picture_style import BLACK, BLUE, GREY, RED, STYLE, new_figure

LOOKS = {"images": (BLACK, "-"), "adversarial": (RED, "--"), "normal": (BLUE, "-."), "noise": (GREY, ":")}


def draw(measurement: Measurement, names: str) -> Figure:
    """names: of the networks."""
    settings = measurement.settings
    own, other = settings.attack, settings.other
    choices = measurement.choices
    panels = (
        (measurement.own, f"{NORM_NAMES[own.norm]} perturbations"),
        (choices["zero frequency", "left out"], f"{NORM_NAMES[own.norm]}, zero frequency left out"),
        (
            choices["norm of the attack", other.norm],
            f"{NORM_NAMES[other.norm]} perturbations, radius {other.radius:.3g}",
        ),
    )
    with rc_context(STYLE):
        figure = new_figure(11.4, 4.3)
        for panel, (ratios, title) in zip(figure.subplots(1, 3, sharey=True), panels, strict=True):
            _panel(panel, ratios)
            mark_cutoff(panel, settings.cutoff)
            panel.set(title=title, xlabel="cut-off (cycles per image)")
        first = figure.axes[0]
        first.set_ylabel("low-frequency ratio τ")
        figure.legend(*first.get_legend_handles_labels(), loc="outside lower left", ncols=5)
        figure.suptitle(
            f"{names}; {measurement.n:,} random CIFAR-10 test images; mean τ, 95 % intervals shaded",
            x=0.01, ha="left", fontsize=10,
        )  # fmt: skip
    return figure


def _panel(panel: Any, ratios: Ratios) -> None:
    for name, (colour, dashes) in LOOKS.items():
        found = [defined(name, ratios.at(name, cutoff)) for cutoff in ALL_CUTOFFS]
        low, high = [one.low for one in found], [one.high for one in found]
        panel.fill_between(ALL_CUTOFFS, low, high, color=colour, alpha=0.2, linewidth=0)
        panel.plot(ALL_CUTOFFS, [one.value for one in found], color=colour, linestyle=dashes, label=WORDS[name])
    panel.set_ylim(-0.02, 1.02)
    panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    panel.grid(axis="y", linewidth=0.4, alpha=0.5)
