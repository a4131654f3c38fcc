"""What a reader sees first: one result in words, and the theorems by regimes as a table and as a picture."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any, NamedTuple

from theory_sim.claims.picture import COLUMNS, LINES, LOOKS, Judged, plot_theorems


class Table(NamedTuple):
    """columns: regimes; lines: (claim id, words, verdicts (printed, corrected) or None by column)."""

    columns: list[str]
    lines: list[tuple[str, str, list[tuple[str | None, str | None] | None]]]


def theorems(rows: Sequence[dict[str, Any]]) -> Table:
    """Rows as in the ledger's JSON; lines and columns of which nothing was judged are left out."""
    verdicts = {(row["claim"], row["case"]): (row["printed"], row["corrected"]) for row in rows}
    lines = [name for name in LINES if any((name, case) in verdicts for case in COLUMNS)]
    cases = [case for case in COLUMNS if any((name, case) in verdicts for name in lines)]
    return Table(
        [COLUMNS[case].replace("\n", " ") for case in cases],
        [(name, LINES[name], [verdicts.get((name, case)) for case in cases]) for name in lines],
    )


def mark(verdict: str | None) -> str:
    """✓, ≈, ✗ or ?; nothing where there is no such version."""
    return "" if verdict is None else LOOKS[verdict][1]


def one_result(rows: Sequence[dict[str, Any]]) -> str | None:
    """How often Theorem 1 fails in the recurrence of its own proof; None if that was not judged."""
    row = next((row for row in rows if (row["claim"], row["case"]) == ("thm1_t1", "eq8")), None)
    found = None if row is None else row["details"]["printed"]
    if found is None or not found["n"] or found["interval"] is None:
        return None
    share, low, high = (100 * v for v in (found["violations"] / found["n"], *found["interval"]))
    return (
        "Theorem 1 says that the low-frequency ratio τ of an FGM perturbation rises for ever from some step t₁ on. In "
        "the paper's own recurrence it does so if and only if Eq. 12, the hypothesis of Theorem 3, holds (with ≤), and "
        "a random network with outer weights symmetric in sign meets Eq. 12 with probability ½: of "
        f"{found['n']:,} networks {share:.0f} % [{low:.1f}, {high:.1f}] end with τ falling."
    )


def picture(rows: Sequence[dict[str, Any]]) -> bytes | None:
    """The theorems' part of the ledger as a PNG file; None if none of it was judged."""
    judged = [Judged(row["claim"], row["case"], row["printed"], row["corrected"], row["n"]) for row in rows]
    if not theorems(rows).lines:
        return None
    out = io.BytesIO()
    plot_theorems(judged).savefig(out, format="png", dpi=150)
    return out.getvalue()
