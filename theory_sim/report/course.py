"""A counterexample's course as a small SVG: what its statement speaks of, step by step."""

from __future__ import annotations

from html import escape
from typing import Any

WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 360.0, 128.0, 46.0, 22.0, 22.0
LEAST_STEPS = 2  # fewer make no course
FAR = 4.0  # times the range of the course: a level beyond it would hide the course


def draw(fields: dict[str, Any]) -> str:
    """The `<svg>` of a counterexample's numbers along its steps; "" where there is no course to see.

    τ(δ) beside τ(x), for Lemma 1 the gain β beside 0, and for other claims on attacks τ(δ) beside τ(g).
    """
    stored = fields["numbers"]
    gain = fields["claim"] == "lemma1" and "gain" in stored
    values = stored.get("gain" if gain else "tau", [])
    points = [(i, v) for i, v in enumerate(values) if v is not None]
    if len(points) <= LEAST_STEPS:
        return ""
    beside = 0.0 if gain else next(stored[name][0] for name in ("input_tau", "gradient_tau") if name in stored)
    name = "β" if gain else "τ(δ)"
    asked = "0" if gain else "τ(x)" if "input_tau" in stored else "τ(g)"
    low, high = min(v for _, v in points), max(v for _, v in points)
    near = low - FAR * (high - low) <= beside <= high + FAR * (high - low)
    if near:
        low, high = min(low, beside), max(high, beside)
    room = 0.08 * (high - low) or 0.5
    low, high = low - room, high + room
    last = points[-1][0]

    def at(step: float, value: float) -> tuple[float, float]:
        across = LEFT + (WIDTH - LEFT - 12) * step / last
        return across, TOP + (HEIGHT - TOP - BOTTOM) * (high - value) / (high - low)

    path = "L".join(f"{x:.1f} {y:.1f}" for x, y in (at(*point) for point in points))
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5"/>' for x, y in (at(*point) for point in points))
    level = at(0, beside)[1]
    bottom, top = low + room, high - room
    digits = next((n for n in range(3, 9) if f"{bottom:.{n}g}" != f"{top:.{n}g}"), 3)
    ticks = "".join(
        f'<line class="grid" x1="{LEFT}" x2="{WIDTH - 12}" y1="{at(0, v)[1]:.1f}" y2="{at(0, v)[1]:.1f}"/>'
        f'<text text-anchor="end" x="{LEFT - 4}" y="{at(0, v)[1] + 4:.1f}">{v:.{digits}g}</text>'
        for v in (bottom, top)
    )
    steps = "".join(
        f'<text text-anchor="{anchor}" x="{at(step, low)[0]:.1f}" y="{HEIGHT - 6}">{word}</text>'
        for step, anchor, word in ((0, "start", "0"), (last, "end", f"step {last}"))
    )
    words = f"{name} along the counterexample, {asked} " + ("dashed" if near else f"= {beside:.3g} far off")
    line = f'<line class="input" x1="{LEFT}" x2="{WIDTH - 12}" y1="{level:.1f}" y2="{level:.1f}"/>' if near else ""
    return (
        f'<svg class="course" viewBox="0 0 {WIDTH:.0f} {HEIGHT:.0f}" width="{WIDTH:.0f}" role="img" '
        f'aria-label="{escape(words)}"><text class="title" x="0" y="12">{escape(words)}</text>{ticks}{steps}'
        f'{line}<g class="corrected"><path class="walk" d="M{path}"/>{dots}</g></svg>'
    )
