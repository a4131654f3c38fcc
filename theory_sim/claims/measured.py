"""The ledger's empirical rows: those of a results.json, beside the theory's, on a terminal and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from theory_sim.empirical import IN_PART, NOT_REPRODUCED, REPRODUCED, UNDECIDED, VERDICTS, Finding, Measured

COLOURS = {REPRODUCED: "green", IN_PART: "cyan", NOT_REPRODUCED: "red", UNDECIDED: "yellow"}


def print_measured(console: Console, rows: Sequence[Finding]) -> None:
    """One block a row: what the paper says, what was tested, the verdict, and every number beside the paper's."""
    for row in rows:
        weights = ", ".join(f"{role} {facts.get('file', '')}" for role, facts in row.weights.items())
        head = " · ".join(text for text in (f"Fig. {row.figure}" if row.figure[:1].isdigit() else row.figure, weights))
        console.print(f"\n[bold]{escape(row.claim)}[/]  [dim]{escape(head)}[/]")
        console.print(escape(f"  the paper: {row.statement}"))
        console.print(escape(f"  tested: {row.tested}"))
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, expand=False, show_edge=False)
        for name in ("measured", "value", "95 % interval", "n", "paper", "difference", "unit"):
            table.add_column(name, justify="left" if name in ("measured", "unit") else "right", overflow="fold")
        for one in row.measured:
            table.add_row(*_cells(escape(one.name), one))
        for effect in row.effects:
            table.add_row(*_cells(escape(f"{effect.choice}: {effect.value}; {effect.measured.name}"), effect.measured))
        console.print(table)
        console.print(f"  [{COLOURS[row.verdict]}]{row.verdict}[/] (n = {row.n:,}). {escape(row.conclusion)}")


def print_counts(console: Console, rows: Sequence[Finding], file: Path) -> None:
    """How many rows have which verdict."""
    counts = {verdict: sum(row.verdict == verdict for row in rows) for verdict in VERDICTS}
    words = ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count)
    console.print(escape(f"measured on networks, as {file} has it: {words or 'no rows'}"))


def as_json(row: Finding) -> dict[str, Any]:
    """A row among the ledger's `claims`: the fields of results.json, and kind `empirical`."""
    return {"kind": "empirical", **row.as_dict()}


def _cells(name: str, one: Measured) -> tuple[str, ...]:
    interval = "-" if one.low is None or one.high is None else f"{one.low:.4g} ... {one.high:.4g}"
    paper, difference = (
        "-" if v is None else f"{v:{form}}" for v, form in ((one.paper, ".4g"), (one.difference, "+.3g"))
    )
    return name, f"{one.value:.4g}", interval, f"{one.n:,}", paper, difference, escape(one.unit)
