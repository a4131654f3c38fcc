"""Figs. 2 and 11 drawn: the ratio against the step, a panel an attack; theory's prediction dashed, noise dotted."""

from __future__ import annotations

from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter

from deep_check.experiments.along_training import ATTACKS, CUTOFF, Curves
from deep_check.spectra import area_share
from theory_sim.picture_style import BLACK, BLUE, GREEN, GREY, ORANGE, RED, STYLE, new_figure

COLOURS = {4: BLUE, 8: RED, 12: GREEN, 16: ORANGE}
DASHES = (0, (3, 1.5))
PANELS = {"fgm": "(a) ℓ₂ FGM", "pgd": "(b) ℓ₂ PGD"}


def draw(observed: Curves, title: str, predicted: Curves | None = None) -> Figure:
    """Mean τ with its 95 % interval.

    Without a prediction τ itself against the step on a logarithmic scale, and of cut-off 8 also the standard deviation
    over the images. With one, whose network moves little, τ minus its value at the start against the step, as in the
    paper; the values at the start are in the legend. The standard deviation is more than the distance between these
    curves and would cover them all, so its range is told in the legend.
    """
    with rc_context(STYLE):
        figure = new_figure(10.2, 4.7 if predicted is None else 5.2)  # its legend has a line more
        for panel, attack in zip(figure.subplots(1, 2, sharey=True), ATTACKS, strict=True):
            _panel(panel, observed, predicted, attack)
            panel.set(title=PANELS[attack], xlabel="training step (0: before the first update)")
            panel.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
            panel.grid(axis="y", linewidth=0.4, alpha=0.5)
        what = "of the perturbations" if predicted is None else "minus its value at the start"
        figure.axes[0].set_ylabel(f"low-frequency ratio τ {what}")
        columns = 3 if predicted is None else 2
        figure.legend(handles=_legend(observed, predicted), loc="outside lower left", ncols=columns)
        figure.suptitle(title, x=0.01, ha="left", fontsize=10)
    return figure


def _panel(panel: Any, observed: Curves, predicted: Curves | None, attack: str) -> None:
    for (name, cutoff), curve in observed.items():
        if name != attack:
            continue
        colour, main = COLOURS.get(cutoff, BLACK), cutoff == CUTOFF
        zero = 0.0 if predicted is None else float(curve.mean[0])
        if main and predicted is None:
            panel.fill_between(curve.step, curve.mean - curve.std - zero, curve.mean + curve.std - zero, color=colour,
                               alpha=0.12, linewidth=0)  # fmt: skip
        panel.fill_between(curve.step, curve.low - zero, curve.high - zero, color=colour, alpha=0.3, linewidth=0)
        panel.plot(curve.step, curve.mean - zero, color=colour, linewidth=1.8 if main else 1.1)
        if predicted is None:
            panel.axhline(area_share(cutoff), color=colour, linewidth=0.8, linestyle=":")
        else:
            theory = predicted[attack, cutoff]
            panel.plot(theory.step, theory.mean - zero, color=colour, linewidth=1.4, linestyle=DASHES, zorder=3)
    last = max(curve.step[-1] for curve in observed.values())
    if predicted is None:
        panel.set_xscale("symlog", linthresh=1, linscale=0.35)
        panel.set_xticks(_ticks(last))
        panel.set_ylim(0, 1)
    else:
        panel.axhline(0, color=BLACK, linewidth=0.6)
    panel.set_xlim(0, last)


def _ticks(last: float) -> list[float]:
    """0, the powers of ten, and the last step, without powers so near to it that their labels would overlap."""
    powers = [10.0**i for i in range(16) if 10.0**i * 2.5 < last]
    return [0.0, *powers, last]


def _legend(observed: Curves, predicted: Curves | None) -> list[Any]:
    cutoffs = sorted({cutoff for attack, cutoff in observed if attack in ATTACKS})
    begins = {
        cutoff: ", ".join(f"{word} {observed[attack, cutoff].mean[0]:.3f}" for attack, word in ATTACKS.items())
        for cutoff in cutoffs
    }
    extra = {cutoff: "" if predicted is None else f"; τ at step 0: {begins[cutoff]}" for cutoff in cutoffs}
    handles: list[Any] = [
        Line2D([], [], color=COLOURS.get(cutoff, BLACK), label=f"cut-off {cutoff}, 95 % interval shaded{extra[cutoff]}")
        for cutoff in cutoffs
    ]
    if predicted is None:
        label = f"cut-off {CUTOFF}: ± one standard deviation over images"
        handles.append(Patch(color=COLOURS[CUTOFF], alpha=0.15, label=label))
        handles.append(Line2D([], [], color=GREY, linestyle=":", linewidth=0.8, label="white noise, same cut-off"))
    else:
        label = "theory, from the weights of the start alone"
        handles.append(Line2D([], [], color=GREY, linewidth=1.4, linestyle=DASHES, label=label))
        spread = [float(value) for attack in ATTACKS for value in observed[attack, CUTOFF].std]
        words = f"standard deviation over images, cut-off {CUTOFF}: {min(spread):.3f} to {max(spread):.3f}"
        handles.append(Line2D([], [], linestyle="", label=words))
    return handles
