"""One page of pictures of all benchmarks: ratios to the fastest peer, growth with size, and memory."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullFormatter

from theory_sim.files import replacing
from theory_sim.picture_style import BLUE, GREEN, GREY, RED, STYLE, new_figure

Rows = Sequence[dict[str, Any]]
COLOURS = (BLUE, RED, GREEN, GREY)
SIZED = re.compile(r"^(?P<what>.*), (?P<n>\d+) images$")


def draw(document: dict[str, Any], folder: Path) -> Path:
    """Write `folder`/summary.png from the result of `all`."""
    rows = [row for row in document["rows"] if row["passed"] and row["ours_s"] is not None]
    fastest = fastest_peers(rows)
    kernels = [row for row in fastest if row["benchmark"] == "kernels" and not SIZED.match(row["job"])]
    whole = [row for row in fastest if row not in kernels]
    with rc_context(STYLE):
        height = 0.19 * max(len(kernels), len(whole), 20) + 1
        figure = new_figure(14.5, height + 4.5)
        grid = figure.add_gridspec(2, 1, height_ratios=[height, 4.2])
        above, below = figure.add_subfigure(grid[0]), figure.add_subfigure(grid[1])  # long names narrow only their own
        panels = above.subplots(1, 2)
        _ratios(panels[0], whole, "Whole jobs")
        _ratios(panels[1], kernels, "Operations of ResNet-32")
        panels = below.subplots(1, 2)
        _growth(panels[0], rows)
        _memory(panels[1], rows)
        hardware, date = document["hardware"], document["date"][:10]
        quick = " (tiny sizes: means nothing)" if document["protocol"]["quick"] else ""
        figure.suptitle(
            f"{hardware['cpu']}, {hardware['cores']} cores; commit {document['commit'][:10]}, {date}; "
            f"medians, spread of our turns{quick}",
            x=0.01, ha="left", fontsize=10,
        )  # fmt: skip
        path = folder / "summary.png"
        with replacing([path]) as (fresh,):
            figure.savefig(fresh, dpi=130, format="png")
    return path


def fastest_peers(rows: Rows) -> list[dict[str, Any]]:
    """Of each job, our fastest engine beside the fastest peer."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for row in rows:
        if row["ratio"] is None:
            continue
        key = row["benchmark"], row["job"]
        if key not in found or (row["ours_s"], row["peer_s"]) < (found[key]["ours_s"], found[key]["peer_s"]):
            found[key] = row
    return list(found.values())


def _ratios(panel: Axes, rows: Rows, title: str) -> None:
    places = range(len(rows))
    for place, row in zip(places, rows, strict=True):
        low, high = row["ours_min_s"] / row["peer_s"], row["ours_max_s"] / row["peer_s"]
        colour = BLUE if row["ratio"] <= 1 else RED
        panel.plot([low, high], [place, place], "-", color=colour, linewidth=1.2)
        panel.plot(row["ratio"], place, "o", color=colour, markersize=4)
        if row["asked"]:
            panel.plot(1 / row["asked"], place, "|", color="black", markersize=9)
    panel.axvline(1, color="0.5", linewidth=0.8)
    panel.set_xscale("log")
    panel.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if _span(rows) < 3 else (1.0,)))
    panel.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    panel.xaxis.set_minor_formatter(NullFormatter())
    panel.set_yticks(list(places), [f"{row['job']} ({row['peer']})" for row in rows], fontsize=7)
    panel.set_ylim(max(len(rows), 1) - 0.5, -0.5)
    panel.set_title(title)
    panel.set_xlabel("our time / the fastest peer's;  | what was asked")
    panel.grid(axis="x", linewidth=0.4, alpha=0.5)


def _span(rows: Rows) -> float:
    """Decades of the ratios."""
    ratios = [row["ratio"] for row in rows] or [1.0]
    return math.log10(max(ratios) / min(ratios))


def _sized(rows: Rows) -> dict[str, dict[str, list[tuple[int, dict[str, Any]]]]]:
    """Job without its size -> side -> (size, row)."""
    found: dict[str, dict[str, list[tuple[int, dict[str, Any]]]]] = {}
    for row in rows:
        match = SIZED.match(row["job"])
        if match:
            own = found.setdefault(match["what"], {})
            own.setdefault("ours", []).append((int(match["n"]), row))
            if row["peer"]:
                own.setdefault(row["peer"], []).append((int(match["n"]), row))
    return {what: sides for what, sides in found.items() if len({n for n, _ in sides["ours"]}) > 1}


def _growth(panel: Axes, rows: Rows) -> None:
    for colour, (what, sides) in zip(COLOURS, _sized(rows).items(), strict=False):
        for side, points in sides.items():
            key = "ours_s" if side == "ours" else "peer_s"
            curve = sorted({n: row[key] for n, row in points}.items())
            mine = side == "ours"
            label = f"{what}, ours" if mine else (f"{what}, peers" if side == next(iter([*sides][1:])) else None)
            panel.plot(
                *zip(*curve, strict=True), color=colour, linestyle="-" if mine else ":", marker="o" if mine else "x",
                markersize=4, linewidth=1.4 if mine else 0.9, label=label,
            )  # fmt: skip
    panel.set(xscale="log", yscale="log", xlabel="images", ylabel="seconds", title="Growth with the number of images")
    if panel.lines:
        panel.legend(fontsize=7)
    panel.grid(linewidth=0.4, alpha=0.5)


def _memory(panel: Axes, rows: Rows) -> None:
    for colour, sides in zip(COLOURS, _sized(rows).values(), strict=False):
        for side, points in sides.items():
            key = "ours_memory" if side == "ours" else "peer_memory"
            curve = sorted({n: row[key] / 2**20 for n, row in points if row[key]}.items())
            if curve:
                panel.plot(
                    *zip(*curve, strict=True), color=colour, linestyle="-" if side == "ours" else ":",
                    marker="o" if side == "ours" else "x", markersize=4,
                )  # fmt: skip
    panel.set(xscale="log", yscale="log", xlabel="images", ylabel="MiB", title="Memory by which a process grew")
    panel.grid(linewidth=0.4, alpha=0.5)
