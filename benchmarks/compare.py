"""Two result files side by side: which ratio to a peer has grown by more than the turns spread."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from benchmarks.everything import read_document
from benchmarks.runs import console
from theory_sim.errors import require

Key = tuple[str, str, str, str]


@dataclass(frozen=True)
class Change:
    """A row that both files have.

    first, second: ratio ours / peer, with the spread of our turns over the peer's median. growth: second / first - 1.
    verdict: "slower" if it grew by more than the threshold and the spreads are apart, "faster" if it fell so, "same"
    otherwise; "failed" if the row passed in the first file and not in the second.
    """

    job: str
    peer: str
    first: tuple[float, float, float] | None
    second: tuple[float, float, float] | None
    growth: float | None
    verdict: str


@dataclass(frozen=True)
class Comparison:
    """changes: by row; notes: what else differs, and rows that only one file has."""

    changes: Sequence[Change]
    notes: Sequence[str]

    @property
    def regressions(self) -> list[Change]:
        """Rows that are slower or fail."""
        return [change for change in self.changes if change.verdict in ("slower", "failed")]


def compare_files(first: Path, second: Path, threshold: float) -> Comparison:
    """Raises InputError if a file is no result, or if they have no row in common."""
    documents = [read_document(path) for path in (first, second)]
    old, new = ({_key(row): row for row in document["rows"]} for document in documents)
    common = [key for key in old if key in new]
    require(bool(common), f"{first} and {second} have no row in common (job, device, ours, peer)")
    notes = []
    for name in ("hardware", "versions"):
        left, right = (document[name] for document in documents)
        keys = [key for key in sorted({*left, *right}) if left.get(key) != right.get(key)]
        notes += [f"{name}, {key}: {left.get(key)} and {right.get(key)}" for key in keys]
    for path, own, other in ((first, old, new), (second, new, old)):
        only = [key for key in own if key not in other]
        if only:
            notes.append(f"only in {path}: {', '.join(dict.fromkeys(key[0] for key in only))}")
    return Comparison([_change(old[key], new[key], threshold) for key in common], notes)


def _key(row: dict[str, Any]) -> Key:
    return row["job"], row["device"], row["ours"], row["peer"]


def _change(old: dict[str, Any], new: dict[str, Any], threshold: float) -> Change:
    first, second = _ratio(old), _ratio(new)
    growth, verdict = None, "failed" if old["passed"] and not new["passed"] else "same"
    if first and second:
        growth = second[0] / first[0] - 1
        if growth > threshold and second[1] > first[2]:
            verdict = "slower"
        elif growth < -threshold and second[2] < first[1]:
            verdict = "faster"
    return Change(new["job"], new["peer"], first, second, growth, verdict)


def _ratio(row: dict[str, Any]) -> tuple[float, float, float] | None:
    """Ratio and its spread; times in milliseconds stand in where ours is alone."""
    if not row["passed"] or row["ours_s"] is None:
        return None
    unit = row["peer_s"] or 1e-3
    return row["ours_s"] / unit, row["ours_min_s"] / unit, row["ours_max_s"] / unit


def print_comparison(found: Comparison) -> int:
    """Print it; exit code 1 if there is a regression."""
    table = Table(
        title="ratio ours / peer [spread of our turns]; milliseconds where there is no peer", title_justify="left"
    )
    for column in ("job", "peer"):
        table.add_column(column)
    for column in ("first", "second", "change", ""):
        table.add_column(column, justify="right")
    styles = {"slower": "red", "failed": "red", "faster": "green", "same": ""}
    for change in found.changes:
        growth = "" if change.growth is None else f"{change.growth:+.0%}"
        table.add_row(
            change.job, change.peer, _text(change.first), _text(change.second), growth, change.verdict,
            style=styles[change.verdict],
        )  # fmt: skip
    out = console()
    out.print(table)
    for line in found.notes:
        out.print(line, highlight=False)
    n = len(found.regressions)
    out.print(f"{len(found.changes)} rows in both, {n} regression{'' if n == 1 else 's'}", highlight=False)
    return 1 if n else 0


def _text(value: tuple[float, float, float] | None) -> str:
    return "failed" if value is None else f"{value[0]:.3g} [{value[1]:.3g}, {value[2]:.3g}]"
