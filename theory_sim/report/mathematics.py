"""Prose with LaTeX between dollar signs as HTML with MathML."""

from __future__ import annotations

import re
from html import escape

from theory_sim.mathml import to_mathml


def to_html(prose: str) -> str:
    """Escaped prose; each `$...$` becomes MathML inside of the line. ValueError on an odd number of dollar signs.

    Browsers do not break a `<math>` element: a formula becomes several, and a line may end between them, but not
    between a formula and what punctuates it.
    """
    parts = prose.strip().split("$")
    if len(parts) % 2 == 0:
        raise ValueError(f"odd number of dollar signs: {prose}")
    out = ""
    for i, part in enumerate(parts):
        if i % 2 == 0:
            out += escape(part[len(_punctuation(part)) if i else 0 :], quote=False)
            continue
        *pieces, last = to_mathml(part)
        following = _punctuation(parts[i + 1])
        out += "".join(pieces) + (f'<span class="unbroken">{last}{following}</span>' if following else last)
    return out


def _punctuation(words: str) -> str:
    found = re.match(r"[.,;:)]+", words)
    return found[0] if found else ""
