"""Mean spectra drawn: a map of all frequencies, and beside it what it is along the radius. Figs. 4, 8, 10 and 12."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure

from deep_check.attacks import NORM_NAMES
from deep_check.experiments import concentration, log_difference
from deep_check.experiments.image_panels import plain_numbers, show_map
from deep_check.experiments.results import mean_interval
from deep_check.experiments.spectrum_axes_picture import UNIT, in_signs, mark_cutoff, name_axes
from theory_sim.picture_style import BLACK, BLUE, GREEN, GREY, ORANGE, PURPLE, RED, STYLE, new_figure

AXIS = "frequency |k| (cycles per image)"
BELOW: Any = {"loc": "upper left", "bbox_to_anchor": (0, -0.14), "ncols": 2}  # within the panel curves run everywhere


def draw(
    modulus: concentration.Measurement | None,
    difference: log_difference.Measurement | None,
    title: str,
    *,
    logarithmic: bool = False,
) -> Figure:
    """A row for |F(δ)|, a row for the log-spectrum difference, whichever is given; logarithmic: the first map."""
    rows = [part for part in (modulus, difference) if part is not None]
    with rc_context(STYLE):
        figure = new_figure(10.2, 4.7 * len(rows) + 0.4)
        panels = figure.subplots(len(rows), 2, squeeze=False, width_ratios=(1, 1.35))
        letters = iter("ab")
        for line in panels:
            part = rows.pop(0)
            letter = f"({next(letters)}) " if len(panels) > 1 else ""
            if isinstance(part, concentration.Measurement):
                _moduli(figure, line, part, letter, logarithmic)
            else:
                _differences(figure, line, part, letter)
        figure.suptitle(f"{in_signs(title)}\n{UNIT}", x=0.01, ha="left", fontsize=10)
    return figure


def _moduli(figure: Figure, line: Any, part: concentration.Measurement, letter: str, logarithmic: bool) -> None:
    settings, moduli = part.settings, part.moduli
    values = moduli["attacked"].maps.mean(axis=0)
    away = np.delete(
        values.ravel(), values.size // 2 + values.shape[1] // 2
    )  # zero frequency may be far above all else
    norm = LogNorm(values.min(), values.max()) if logarithmic else Normalize(values.min(), away.max())
    words = "mean |F(δ)|" + (", logarithmic" if logarithmic else "")
    show_map(figure, line[0], values, words, settings, norm=norm, extend="neither" if logarithmic else "max")
    name_axes(line[0])
    line[0].set_title(f"{letter}mean |F(δ)|, {part.n:,} images")
    own, other = NORM_NAMES[settings.attack.norm], NORM_NAMES[settings.other.norm]
    curves = {
        "attacked": (BLUE, "-", f"{own} perturbations"), "other": (GREEN, "--", f"{other} perturbations"),
        "untrained": (ORANGE, "-.", f"untrained network, {own}"),
        "other untrained": (PURPLE, (0, (4, 1, 1, 1, 1, 1)), f"untrained network, {other}"),
        "noise": (GREY, ":", "random signs" if settings.attack.norm == "linf" else "random directions"),
    }  # fmt: skip
    panel = line[1]
    for name, (colour, dashes, words) in curves.items():
        if name in moduli:
            _curve(panel, moduli[name].densities, colour, dashes, words)
    if logarithmic:
        panel.set_yscale("log")
        plain_numbers(panel.yaxis)
    else:
        panel.set_ylim(bottom=0)
    limits = panel.get_ylim()
    images = moduli["images"].densities.mean(axis=0)
    words = f"images ({images[0]:.0f} at 0, {images[-1]:.2f} at {len(images) - 1})"
    _curve(panel, moduli["images"].densities, BLACK, (0, (1, 3)), words)
    panel.set_ylim(limits)  # the images' range would leave nothing to be seen of δ
    mark_cutoff(panel, settings.cutoff)
    panel.set(xlabel=AXIS, ylabel="|F| over its mean", title="density over rings, 95 % intervals shaded")
    panel.legend(**BELOW)


def _differences(figure: Figure, line: Any, part: log_difference.Measurement, letter: str) -> None:
    settings = part.settings
    found = part.differences["attacked"]
    show_map(figure, line[0], np.nanmean(found.measured, axis=0), "20·|ln|F(x+δ)| − ln|F(x)||", settings)
    name_axes(line[0])
    line[0].set_title(f"{letter}mean log-spectrum difference")
    own, other = NORM_NAMES[settings.attack.norm], NORM_NAMES[settings.other.norm]
    curves = (
        (found.measured, BLUE, "-", f"{own} perturbations"),
        (found.random_phase, RED, (0, (5, 2)), "Eq. 3 averaged over random phases"),
        (found.in_phase, ORANGE, "-.", "Eq. 3: 20 ln(1+ρ), ρ = |F(δ)|/|F(x)|"),
        (part.differences["other"].measured, GREEN, "--", f"{other} perturbations"),
        (part.differences["noise"].measured, GREY, ":", "noise in place of δ"),
    )
    for maps, colour, dashes, words in curves:
        _curve(line[1], log_difference.rings(maps), colour, dashes, words)
    mark_cutoff(line[1], settings.cutoff)
    line[1].set(xlabel=AXIS, ylabel="20·|ln|F(x+δ)| − ln|F(x)||", title="means over rings, 95 % intervals shaded")
    line[1].set_ylim(bottom=0)
    line[1].legend(**BELOW)


def _curve(panel: Any, values: Any, colour: str, dashes: Any, words: str) -> None:
    """values (n, n_rings): mean and interval of each ring, over the images that have them."""
    known = values[np.isfinite(values).all(axis=1)]
    middle, low, high = np.transpose([mean_interval(ring) for ring in known.T])
    radius = np.arange(len(middle))
    panel.fill_between(radius, low, high, color=colour, alpha=0.2, linewidth=0)
    panel.plot(radius, middle, color=colour, linestyle=dashes, label=words)
