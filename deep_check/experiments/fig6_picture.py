"""Fig. 6 drawn: accuracy against the cut-off, with intervals, the levels without a filter, and the paper's numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from deep_check.attacks import NORM_NAMES
from deep_check.experiments.fig6 import PAPER
from deep_check.experiments.options import number
from theory_sim.picture_style import BLUE, GREEN, GREY, RED, STYLE, new_figure

LOOKS = {"none": (BLUE, "-", "o", "no attack"), "blind": (GREEN, "--", "s", "attacker blind to the filter"),
         "aware": (RED, "-.", "^", "attacker knows the filter")}  # fmt: skip
CROSS: Any = {"marker": "x", "markersize": 7, "markeredgewidth": 1.6}  # of the paper's numbers
PAPER_RADIUS = 8 / 255  # of the linf attack behind PAPER
CLOSE = 0.1  # of the accuracy axis: levels nearer to each other than this would have labels that overlap


@dataclass(frozen=True)
class Panel:
    """Rows of `fig6.measure` of which those of one norm and mask are drawn.

    paper: draw the paper's numbers, which are of the linf attack of radius 8/255 and the disc alone.
    """

    title: str
    rows: Sequence[Mapping[str, str]]
    norm: str
    mask: str
    paper: bool = True


def panels_of(rows: Sequence[Mapping[str, str]], radii: Mapping[str, str]) -> tuple[Panel, ...]:
    """A panel for every norm and mask of the rows. radii: norm -> radius in words, such as 8/255."""
    masks = sorted({row["mask"] for row in rows if row["mask"]})

    def paper(norm: str, mask: str, radius: str) -> bool:
        return (norm, mask) == ("linf", "disc") and abs(number("radius", radius) - PAPER_RADIUS) < 1e-9

    return tuple(
        Panel(
            f"{NORM_NAMES[norm]} attack, radius {radius}; {mask} of low frequencies",
            rows,
            norm,
            mask,
            paper(norm, mask, radius),
        )
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
        figure.legend(handles=_legend(places[0][0], panels), loc="outside lower left", ncols=2 * columns)
        figure.suptitle(title, x=0.01, ha="left", fontsize=10)
    return figure


def _legend(first: Any, panels: Sequence[Panel]) -> list[Any]:
    """The curves of the first panel, and what all panels have in common."""
    handles, _ = first.get_legend_handles_labels()
    handles.append(Patch(color=GREY, alpha=0.25, linewidth=0, label="shaded: 95 % interval"))
    handles.append(Line2D([], [], color=GREY, linewidth=0.8, linestyle=":", label="no filter, colour of its curve"))
    if any(panel.paper for panel in panels):
        handles.append(
            Line2D([], [], color=GREY, linestyle="", **CROSS, label="the paper's network, colour of its curve")
        )
    return handles


def _panel(panel: Any, content: Panel) -> None:
    rows, norm, mask = content.rows, content.norm, content.mask
    panel.set_title(content.title)
    levels: list[tuple[float, str]] = []
    for attacker, (colour, dashes, marker, words) in LOOKS.items():
        own = [row for row in rows if row["attacker"] == attacker and row["norm"] in ("", norm)]
        curve = sorted((float(row["cutoff"]), row) for row in own if row["cutoff"] and row["mask"] == mask)
        levels += [(float(row["accuracy"]), colour) for row in own if not row["cutoff"] and attacker != "aware"]
        if not curve:
            continue
        cutoffs = [cutoff for cutoff, _ in curve]
        values, low, high = ([float(row[name]) for _, row in curve] for name in ("accuracy", "low", "high"))
        panel.fill_between(cutoffs, low, high, color=colour, alpha=0.18, linewidth=0)
        panel.plot(cutoffs, values, color=colour, linestyle=dashes, marker=marker, markersize=3.5, label=words)
    _levels(panel, levels)
    if content.paper:
        _paper(panel)
    panel.set_ylim(-0.02, 1.02)
    panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    panel.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    panel.grid(axis="y", linewidth=0.4, alpha=0.5)


def _levels(panel: Any, levels: Sequence[tuple[float, str]]) -> None:
    """Accuracies without a filter, each with its colour: named right of the panel, where no curve and no title is."""
    values = [share for share, _ in levels]
    apart = max(values, default=0.0) - min(values, default=0.0) >= CLOSE
    for share, colour in levels:
        panel.axhline(share, color=colour, linewidth=0.8, linestyle=":", zorder=1)
        place = "center" if apart or len(levels) == 1 else "bottom" if share == max(values) else "top"
        panel.annotate(
            f"no filter\n{share:.1%}", (1, share), xycoords=("axes fraction", "data"), xytext=(4, 0),
            textcoords="offset points", ha="left", va=place, fontsize=7, color=colour, annotation_clip=False,
        )  # fmt: skip


def _paper(panel: Any) -> None:
    for (cutoff, attacker), share in PAPER.items():
        if cutoff:
            colour = LOOKS[attacker][0]
            panel.plot([float(cutoff)], [share], color=colour, linestyle="", zorder=4, **CROSS)
            side, align = (-7, "right") if attacker == "none" else (7, "left")  # where our own curves leave room
            panel.annotate(
                f"paper: {share:.1%}", (float(cutoff), share), xytext=(side, 0), textcoords="offset points", ha=align,
                va="center", fontsize=7, color=colour,
            )  # fmt: skip
