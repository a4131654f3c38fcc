"""The ledger on a terminal and as JSON."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from theory_sim.claims.base import FIRST_ORDER, HOLDS, REFUTED, UNDECIDED, Judgement
from theory_sim.claims.ledger import LedgerRow
from theory_sim.claims.sources import POWER_LAW

COLOURS = {HOLDS: "green", FIRST_ORDER: "cyan", REFUTED: "red", UNDECIDED: "yellow", None: "dim"}


def print_ledger(console: Console, rows: Sequence[LedgerRow], files: dict[str, str]) -> None:
    """One block a claim id: the statement, then its cases; `files`: row key -> counterexample file."""
    for claim_id, group in groupby(rows, key=lambda row: row.claim.id):
        cases = list(group)
        printed = "carried over" if cases[0].claim.ours else "printed"
        ours = "  [magenta]ours, not the paper's[/]" if cases[0].claim.ours else ""
        console.print(f"\n[bold]{claim_id}[/]  [dim]{escape(cases[0].claim.source)}[/]{ours}")
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, expand=False, show_edge=False)
        columns = ("case", f"as {printed}", "as corrected", "n (images)", f"evidence, {printed}", "evidence, corrected")
        for name in columns:
            table.add_column(name, justify="right" if name.startswith("n ") else "left", overflow="fold")
        statements: list[str] = []
        for row in cases:
            claim = row.claim
            says = "" if claim.ours and claim.known[0] is None else f"{printed}: {claim.statement}"
            for text in (says, f"corrected: {claim.correction}" if claim.correction else ""):
                if text and text not in statements:
                    statements.append(text)
            images = sum(n for kind, n in row.evidence.sources.items() if kind != POWER_LAW)
            mark = "" if row.as_known else "  [yellow]≠ known[/]"
            table.add_row(
                escape(claim.case or "-") + mark,
                _verdict(row.printed),
                _verdict(row.corrected),
                f"{row.evidence.n:,} ({images:,})",
                _evidence(row, "printed"),
                _evidence(row, "corrected"),
            )
        for text in statements:
            console.print("  " + escape(text))
        console.print(table)
        for row in cases:
            if row.claim.key in files:
                console.print(f"  [dim]counterexample to {escape(row.claim.key)}: {escape(files[row.claim.key])}[/]")


def print_summary(console: Console, rows: Sequence[LedgerRow], seconds: float) -> None:
    """Counts of verdicts, the paper's rows and ours, and the rows whose verdicts are not the recorded ones."""
    for ours, names in ((False, ("as printed", "as corrected")), (True, ("ours, carried over", "ours, as corrected"))):
        for version, name in zip(("printed", "corrected"), names, strict=True):
            counts: dict[str, int] = {}
            for row in rows:
                verdict = getattr(row, version).verdict
                if verdict is not None and row.claim.ours == ours:
                    counts[verdict] = counts.get(verdict, 0) + 1
            words = ", ".join(f"{counts[v]} {v}" for v in (HOLDS, FIRST_ORDER, REFUTED, UNDECIDED) if v in counts)
            if words:
                console.print(f"{name}: {words}")
    networks = sum(row.evidence.n for row in rows)
    console.print(f"{len(rows)} rows, {networks:,} judgements of networks, {seconds:.0f} s")
    different = [row for row in rows if not row.as_known]
    if not different:
        console.print("every verdict is the one recorded in the code")
    for row in different:
        known = " / ".join(v or "-" for v in row.claim.known)
        now = " / ".join(v or "-" for v in (row.printed.verdict, row.corrected.verdict))
        console.print(f"DIFFERS {escape(row.claim.key)}: recorded {known}, computed {now} (n = {row.evidence.n:,})")


def _verdict(judgement: Judgement) -> str:
    return f"[{COLOURS[judgement.verdict]}]{judgement.verdict or '-'}[/]"


def _number(value: float | None) -> str:
    return "-" if value is None or not math.isfinite(value) else f"{value:.2g}"


def _evidence(row: LedgerRow, version: str) -> str:
    """The measured order with its 95 % interval, a mean's interval, or worst margin and share of violating networks."""
    judgement, tally = getattr(row, version), row.evidence.versions[version]
    if judgement.verdict is None:
        return ""
    if row.claim.kind == "order":
        if judgement.order is None or judgement.interval is None:
            return "errors at round-off"
        whole = "" if math.isnan(judgement.order[1]) else f", {judgement.order[1]:.2f}"
        low, high = judgement.interval
        return escape(f"order {judgement.order[0]:.2f}{whole} [{low:.2f}, {high:.2f}]")
    if row.claim.kind == "value":
        return "" if judgement.interval is None else escape("bias [{:.3f}, {:.3f}]".format(*judgement.interval))
    share = f"{tally.violations:,} of {tally.n:,} refute; " if tally.violations else ""
    return escape(f"{share}worst {_number(judgement.worst)}")


def as_json(row: LedgerRow, seed: int) -> dict[str, Any]:
    """One row: the documented keys, and the details of every version."""
    claim, evidence = row.claim, row.evidence
    leading = row.printed if row.printed.verdict is not None else row.corrected
    return {
        "claim": claim.id,
        "case": claim.case,
        "ours": claim.ours,
        "printed": row.printed.verdict,
        "corrected": row.corrected.verdict,
        "n": evidence.n,
        "worst": _finite(leading.worst),
        "order": _pair(leading.order),
        "interval": _pair(leading.interval),
        "seed": seed,
        "counterexample": row.counterexample,
        "statement": claim.statement,
        "correction": claim.correction,
        "hypotheses": claim.hypotheses,
        "source": claim.source,
        "kind": claim.kind,
        "known": list(claim.known),
        "n_by_source": dict(sorted(evidence.sources.items())),
        "n_large": evidence.large,
        "drawn": evidence.drawn,
        "details": {
            name: {
                "verdict": j.verdict,
                "n": evidence.versions[name].n,
                "violations": evidence.versions[name].violations,
                "worst": _finite(j.worst),
                "order": _pair(j.order),
                "interval": _pair(j.interval),
            }
            for name, j in (("printed", row.printed), ("corrected", row.corrected), ("control", row.control))
        },
    }


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else value


def _pair(values: tuple[float, float] | None) -> list[float | None] | None:
    return None if values is None else [_finite(v) for v in values]
