"""One small SVG a claim: what was measured of each case with its 95 % interval, beside what the statement asks for."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

LEFT, WIDTH, ROW = 12.0, 336.0, 34.0
VERSIONS = ("printed", "corrected")
SHARES = (0.0, 0.01, 0.1, 0.25, 0.5, 1.0)


def plot(rows: Sequence[dict[str, Any]]) -> str:
    """An `<svg>` for the rows (as in the ledger's JSON) of one claim; rows of one kind share an axis."""
    parts: list[str] = []
    top = 0.0
    for kind in ("margin", "order", "value"):
        chosen = [row for row in rows if row["kind"] == kind]
        if chosen:
            drawn, top = _panel(kind, chosen, top)
            parts += drawn
            top += 10
    words = f"Evidence for {rows[0]['claim']}: {len(rows)} cases; the numbers are in the table"
    return (
        f'<svg class="evidence" viewBox="0 0 360 {top:.0f}" width="360" height="{top:.0f}" role="img" '
        f'aria-label="{escape(words)}">{"".join(parts)}</svg>'
    )


def _panel(kind: str, rows: Sequence[dict[str, Any]], top: float) -> tuple[list[str], float]:
    low, high, ticks, asked, title = _axis(kind, rows)
    bottom = top + 34 + ROW * len(rows)

    def at(value: float) -> float:
        share = min(max(value, low), high)
        place = share**0.5 if kind == "margin" else (share - low) / (high - low)
        return LEFT + WIDTH * place

    out = [f'<text class="title" x="0" y="{top + 13:.0f}">{title}</text>']
    for tick in ticks:
        label = f"{100 * tick:g} %" if kind == "margin" else f"{tick:g}"
        anchor = "end" if at(tick) > LEFT + WIDTH - 20 else "middle"
        out.append(_line("grid", at(tick), top + 20, at(tick), bottom - 14))
        out.append(f'<text text-anchor="{anchor}" x="{at(tick):.1f}" y="{bottom - 2:.0f}">{label}</text>')
    out.append(_line("asked", at(asked), top + 20, at(asked), bottom - 14))
    for i, row in enumerate(rows):
        y = top + 32 + ROW * i
        out.append(f'<text class="case" x="{LEFT + 5}" y="{y:.0f}">{escape(row["case"] or "all networks")}</text>')
        for shift, version in zip((8, 16), VERSIONS, strict=True):
            out += _mark(version, kind, row["details"][version], at, y + shift)
    return out, bottom + 4


def _axis(kind: str, rows: Sequence[dict[str, Any]]) -> tuple[float, float, Sequence[float], float, str]:
    """low, high, ticks, what the statement asks for, title."""
    if kind == "margin":
        return 0.0, 1.0, SHARES, 0.0, "share of networks that violate it (root scale)"
    if kind == "order":
        return 0.0, 3.0, (0, 1, 2, 3), 2.0, "slope of ln error against ln step; asked: 2"
    ends = [abs(end) for row in rows for v in VERSIONS for end in row["details"][v]["interval"] or ()]
    reach = max([*ends, 0.05]) * 1.1
    step = float(f"{reach / 2:.0e}")
    return -reach, reach, (-step, 0.0, step), 0.0, "measured mean minus the stated one; asked: 0"


def _mark(version: str, kind: str, found: dict[str, Any], at: Any, y: float) -> list[str]:
    interval = found["interval"]
    if found["verdict"] is None or interval is None or None in interval:
        return []
    low, high = interval
    if kind == "margin":
        middle = found["violations"] / found["n"]
    else:
        middle = found["order"][0] if kind == "order" and found["order"] else (low + high) / 2
    x = at(middle)
    name = "as carried over or printed" if version == "printed" else "as corrected"
    shape = (
        f'<path d="M{x:.1f} {y - 4.5:.1f}l4.5 4.5l-4.5 4.5l-4.5 -4.5z"/>'
        if version == "printed"
        else f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5"/>'
    )
    title = f"{name}: {middle:.4g} [{low:.4g}, {high:.4g}], n = {found['n']:,}"
    return [f'<g class="{version}"><title>{title}</title>', _line("", at(low), y, at(high), y), shape, "</g>"]


def _line(look: str, x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line class="{look}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'
