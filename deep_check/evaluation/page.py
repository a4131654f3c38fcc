"""The summary as one self-contained HTML page: no request leaves it, it is light or dark as the reader's system is."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from matplotlib import rc_context
from matplotlib.figure import Figure

from deep_check.attacks import NORM_NAMES
from deep_check.evaluation.conclusion import KINDS, Share, Summary, percent, radius_in_words, table
from deep_check.evaluation.plan import DEFENDED, NORMS
from deep_check.evaluation.selftest import Outcome
from theory_sim.picture_style import STYLE

TEMPLATE = Path(__file__).with_name("page.html.j2")
CARDS = (("clean", "no attack"), ("blind", "attacker blind to the filter"), ("aware", "attacker knows the filter"),
         ("all", "all attacks together"))  # fmt: skip


def render(
    title: str,
    summary: Summary,
    outcome: Outcome,
    rows: Sequence[dict[str, str]],
    radii: dict[str, str],
    pictures: dict[str, tuple[Figure, Figure]],
    footer: str,
) -> str:
    """The page. rows: by `measure.COLUMNS`; radii: in words; pictures: norm -> light and dark; footer: what made it."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=False)
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        title=title, summary=summary, footer=footer, table=_table(summary, radii), kinds=KINDS.values(),
        pictures=[tuple(map(_base64, pair)) for pair in pictures.values()],
        cards=[_card(summary, norm, radii[norm]) for norm in NORMS], checks=(*outcome.checks, *summary.checks),
        noticed=outcome.noticed, rows=[_row(row) for row in rows],
        n=next(iter(summary.cases.values()))["clean"].n,
    )  # fmt: skip


def _card(summary: Summary, norm: str, radius: str) -> dict[str, Any]:
    found = summary.cases[norm, DEFENDED]
    return {
        "attack": f"{NORM_NAMES[norm]} radius {radius}",
        "numbers": [(words, _number(found[kind])) for kind, words in CARDS if kind in found],
    }


def _table(summary: Summary, radii: dict[str, str]) -> list[Any]:
    return [(attack, system, [share and _number(share) for share in shares])
            for attack, system, shares in table(summary, radii)]  # fmt: skip


def _number(share: Share) -> dict[str, str]:
    low, high = share.interval
    return {"percent": percent(share.value), "interval": f"{100 * low:.1f} to {percent(high)}"}


def _row(row: dict[str, str]) -> dict[str, str]:
    if row["method"] == "gradient":
        zero, pixels = (percent(float(row[name])) for name in ("zero_gradients", "zero_pixels"))
        stand = f"gradient zero: {zero} of {row['n']} images, {pixels} of pixels"
        return {"system": row["system"], "attacker": "-", "attack": f"gradient of {row['loss']}", "stand": stand}
    counts = {"pgd": f"{row['steps']} steps, {row['restarts']} starts, {row['loss']}", "clean": "",
              "square": f"{row['steps']} queries", "noise": f"worst of {row['restarts']}"}[row["method"]]  # fmt: skip
    norm = row["norm"]
    budget = f"{NORM_NAMES[norm]} {radius_in_words(norm, float(row['radius']))}" if norm else ""
    words = ", ".join(part for part in (row["method"], budget, counts) if part)
    low, high = (percent(float(row[name])) for name in ("low", "high"))
    stand = f"{percent(float(row['accuracy']))} [{low}, {high}] of {row['n']}"
    return {"system": row["system"], "attacker": row["attacker"], "attack": words, "stand": stand}


def _base64(figure: Figure) -> str:
    buffer = BytesIO()
    with rc_context(STYLE):
        figure.savefig(buffer, format="png", dpi=130, facecolor=figure.get_facecolor())
    return base64.b64encode(buffer.getvalue()).decode("ascii")
