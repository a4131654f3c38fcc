"""Accuracy against the budget, and what stands against every attack at the radius that counts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from deep_check.attacks import NORM_NAMES
from deep_check.evaluation.conclusion import KINDS, Summary, radius_in_words
from deep_check.evaluation.measure import BLIND_TO
from deep_check.evaluation.plan import AWARE, BARE, BLIND, DEFENDED, NORMS, ROBUST, ROBUST_DEFENDED
from theory_sim.picture_style import BLUE, GREEN, ORANGE, PURPLE, RED, SKY, STYLE, new_figure

LOOKS: Any = {  # colour, dashes, marker, words
    (BARE, AWARE): (BLUE, ":", "o", "no filter"),
    (DEFENDED, BLIND): (GREEN, "--", "s", "filter, attacker blind to it"),
    (DEFENDED, AWARE): (RED, "-", "^", "filter (upper panels: attacker knows it)"),
    (ROBUST, AWARE): (ORANGE, "-.", "D", "adversarially trained"),
    (ROBUST_DEFENDED, AWARE): (PURPLE, "-", "v", "adversarially trained, filter"),
}


DARK: Any = {
    **dict.fromkeys(
        ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color", "axes.titlecolor"), "#dddddd"
    ),
    **dict.fromkeys(("figure.facecolor", "axes.facecolor", "savefig.facecolor"), "#16191d"),
}


def draw(
    rows: Sequence[dict[str, str]],
    summary: Summary,
    radii: dict[str, float],
    title: str = "",
    dark: bool = False,
    norms: Sequence[str] = NORMS,
) -> Figure:
    """A column a norm. rows: by `measure.COLUMNS`; radii: norm -> the one that counts."""
    looks: Any = {**STYLE, **(DARK if dark else {})}
    with rc_context(looks):
        figure = new_figure(5.2 * len(norms), 7.6)
        panels = figure.subplots(2, len(norms), sharey="row", squeeze=False)
        for norm, above, below in zip(norms, *panels, strict=True):
            _curves(above, rows, norm, radii[norm], dark)
            _dots(below, summary, norm, dark)
            n = max((int(row["n"]) for row in rows if row["part"] == "budget" and row["norm"] == norm), default=0)
            above.set_title(f"{NORM_NAMES[norm]}: accuracy against the budget, {n:,} images")
            radius = radius_in_words(norm, radii[norm])
            below.set_title(f"{NORM_NAMES[norm]}, radius {radius}: what stands against each attack")
        panels[0][0].set_ylabel("accuracy")
        there = {system for norm, system in summary.cases if norm in norms}
        marks = [Line2D([], [], color=_colour(colour, dark), linestyle=dashes, marker=marker, markersize=4, label=words)
                 for (system, _), (colour, dashes, marker, words) in LOOKS.items() if system in there]  # fmt: skip
        shaded = Patch(color="#888888", alpha=0.3, linewidth=0, label="shaded: 95 % interval")
        figure.legend(handles=[*marks, shaded], loc="outside lower left", ncols=3 if len(norms) > 1 else 2)
        if title:
            figure.suptitle(title, x=0.01, ha="left", fontsize=10)
    return figure


def _colour(colour: str, dark: bool) -> str:
    return SKY if dark and colour == BLUE else colour


def _curves(panel: Any, rows: Sequence[dict[str, str]], norm: str, radius: float, dark: bool) -> None:
    for (system, attacker), (colour, dashes, marker, _) in LOOKS.items():
        own = [row for row in rows if (row["part"], row["system"], row["attacker"], row["norm"])
               == ("budget", system, attacker, norm)]  # fmt: skip
        if not own:
            continue
        colour = _colour(colour, dark)
        own.sort(key=lambda row: float(row["radius"]))
        scale = 255 if norm == "linf" else 1
        budgets = [float(row["radius"]) * scale for row in own]
        values, low, high = ([float(row[name]) for row in own] for name in ("accuracy", "low", "high"))
        panel.fill_between(budgets, low, high, color=colour, alpha=0.15, linewidth=0)
        panel.plot(budgets, values, color=colour, linestyle=dashes, marker=marker, markersize=4)
    where = radius * (255 if norm == "linf" else 1)
    panel.axvline(where, color="#888888", linewidth=0.8)
    panel.annotate("radius of the\nlower panel", (where, 1.0), xycoords=("data", "axes fraction"), xytext=(3, -2),
                   textcoords="offset points", va="top", fontsize=7, color="#888888")  # fmt: skip
    panel.set_xscale("log", base=2)
    panel.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    unit = "1/255 of the pixel range" if norm == "linf" else "pixel ranges, root of the sum of squares"
    panel.set_xlabel(
        f"radius ({unit})\na curve ends where no image stands;\n"
        f"the blind attacker's at {BLIND_TO} × the marked radius or later"
    )
    panel.set_ylim(-0.02, 1.02)
    panel.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    panel.grid(axis="y", linewidth=0.4, alpha=0.4)


def _dots(panel: Any, summary: Summary, norm: str, dark: bool) -> None:
    cases = {system: found for (of, system), found in summary.cases.items() if of == norm}
    kinds = [kind for kind in KINDS if any(kind in found for found in cases.values())]
    for i, (system, found) in enumerate(cases.items()):
        shift = 0.14 * (i - (len(cases) - 1) / 2)
        for row, kind in enumerate(kinds):
            if kind not in found:
                continue
            blind = system == DEFENDED and kind == "blind"
            colour, _, marker, _ = LOOKS[system, BLIND if blind else AWARE]
            own, value, (low, high) = _colour(colour, dark), found[kind].value, found[kind].interval
            panel.errorbar([value], [row + shift], xerr=[[max(0.0, value - low)], [max(0.0, high - value)]],
                           color=own, marker=marker, markersize=4, linestyle="", elinewidth=1)  # fmt: skip
    panel.set_yticks(range(len(kinds)), [KINDS[kind] for kind in kinds])
    panel.set_ylim(len(kinds) - 0.5, -0.5)
    panel.set_xlim(-0.02, 1.02)
    panel.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    panel.set_xlabel("share of the images that stand, 95 % interval")
    panel.grid(axis="x", linewidth=0.4, alpha=0.4)
