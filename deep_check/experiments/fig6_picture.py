"""Fig. 6 drawn: accuracy against the cut-off, with intervals, the levels without a filter, and the paper's numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from deep_check.attacks import NORM_NAMES
from deep_check.experiments.fig6 import PAPER
from theory_sim.picture_style import BLUE, GREEN, GREY, RED, STYLE, new_figure

LOOKS = {"none": (BLUE, "-", "o", "no attack"), "blind": (GREEN, "--", "s", "attacker blind to the filter"),
         "aware": (RED, "-.", "^", "attacker knows the filter")}  # fmt: skip


@dataclass(frozen=True)
class Panel:
    """Rows of `fig6.measure` of which those of one norm and mask are drawn, with the paper's numbers or without."""

    title: str
    rows: Sequence[Mapping[str, str]]
    norm: str
    mask: str
    paper: bool = True


def panels_of(rows: Sequence[Mapping[str, str]], radii: Mapping[str, str]) -> tuple[Panel, ...]:
    """A panel for every norm and mask of the rows. radii: norm -> radius in words."""
    masks = sorted({row["mask"] for row in rows if row["mask"]})
    return tuple(
        Panel(f"{NORM_NAMES[norm]} attack, radius {radius}; {mask} of low frequencies", rows, norm, mask)
        for mask in masks
        for norm, radius in radii.items()
    )


def draw(panels: Sequence[Panel], title: str) -> Figure:
    """One panel, or two in a line."""
    columns = min(2, len(panels))
    lines = -(-len(panels) // columns)
    with rc_context(STYLE):
        figure = new_figure(max(6.4, 4.6 * columns), 3.6 * lines + 0.5)
        places = figure.subplots(lines, columns, squeeze=False, sharex=True, sharey=True)
        for place, panel in zip(places.flat, panels, strict=False):
            _panel(place, panel)
        for place in places.flat[len(panels) :]:
            place.set_visible(False)
        for place in places[-1]:
            place.set_xlabel("cut-off of the filter (cycles per image)")
        for line in places:
            line[0].set_ylabel("accuracy")
        figure.legend(*places[0][0].get_legend_handles_labels(), loc="outside lower left", ncols=2 * columns)
        figure.suptitle(title, x=0.01, ha="left", fontsize=10)
    return figure


def _panel(panel: Any, content: Panel) -> None:
    rows, norm, mask = content.rows, content.norm, content.mask
    panel.set_title(content.title)
    for attacker, (colour, dashes, marker, words) in LOOKS.items():
        own = [row for row in rows if row["attacker"] == attacker and row["norm"] in ("", norm)]
        curve = sorted((float(row["cutoff"]), row) for row in own if row["cutoff"] and row["mask"] == mask)
        for row in own:
            if not row["cutoff"] and attacker != "aware":
                share = float(row["accuracy"])
                panel.axhline(share, color=colour, linewidth=0.8, linestyle=":", zorder=1)
                panel.annotate(
                    f"no filter: {share:.1%}", (0, share), xycoords=("axes fraction", "data"), xytext=(3, 2),
                    textcoords="offset points", ha="left", va="bottom", fontsize=7, color=colour,
                )  # fmt: skip
        if not curve:
            continue
        cutoffs = [cutoff for cutoff, _ in curve]
        values, low, high = ([float(row[name]) for _, row in curve] for name in ("accuracy", "low", "high"))
        panel.fill_between(cutoffs, low, high, color=colour, alpha=0.18, linewidth=0)
        panel.plot(cutoffs, values, color=colour, linestyle=dashes, marker=marker, markersize=3.5, label=words)
    told = {key: value for key, value in PAPER.items() if key[0] and content.paper}
    panel.plot(
        [float(cutoff) for cutoff, _ in told], list(told.values()), linestyle="", marker="x", markersize=7, color=GREY,
        markeredgewidth=1.6, label="the paper's numbers (its own network)",
    )  # fmt: skip
    panel.set_ylim(-0.02, 1.02)
    panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    panel.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    panel.grid(axis="y", linewidth=0.4, alpha=0.5)
