"""Fig. 6 drawn: accuracy against the cut-off, with intervals, the levels without a filter, and the paper's numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from deep_check.experiments.fig6 import PAPER
from theory_sim.picture_style import BLUE, GREEN, GREY, RED, STYLE, new_figure

LOOKS = {"none": (BLUE, "-", "o", "no attack"), "blind": (GREEN, "--", "s", "attacker blind to the filter"),
         "aware": (RED, "-.", "^", "attacker knows the filter")}  # fmt: skip
NORMS = {"linf": "ℓ∞", "l2": "ℓ₂"}


def draw(rows: Sequence[Mapping[str, str]], radii: Mapping[str, str], title: str) -> Figure:
    """A panel for every norm and mask. rows: of `fig6.measure`; radii: norm -> radius in words."""
    norms = list(radii)
    masks = sorted({row["mask"] for row in rows if row["mask"]})
    with rc_context(STYLE):
        figure = new_figure(max(6.4, 4.6 * len(norms)), 3.9 * len(masks) + 0.3)
        panels = figure.subplots(len(masks), len(norms), squeeze=False, sharex=True, sharey=True)
        for line, mask in zip(panels, masks, strict=True):
            for panel, norm in zip(line, norms, strict=True):
                _panel(panel, rows, norm, mask)
                panel.set_title(f"{NORMS[norm]} attack, radius {radii[norm]}; {mask} of low frequencies")
        for panel in panels[-1]:
            panel.set_xlabel("cut-off of the filter (cycles per image)")
        for line in panels:
            line[0].set_ylabel("accuracy")
        figure.legend(*panels[0][0].get_legend_handles_labels(), loc="outside lower left", ncols=4)
        figure.suptitle(title, x=0.01, ha="left", fontsize=10)
    return figure


def _panel(panel: Any, rows: Sequence[Mapping[str, str]], norm: str, mask: str) -> None:
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
    told = {key: value for key, value in PAPER.items() if key[0]}
    panel.plot(
        [float(cutoff) for cutoff, _ in told], list(told.values()), linestyle="", marker="x", markersize=7, color=GREY,
        markeredgewidth=1.6, label="the paper's numbers (its own network)",
    )  # fmt: skip
    panel.set_ylim(-0.02, 1.02)
    panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    panel.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    panel.grid(axis="y", linewidth=0.4, alpha=0.5)
