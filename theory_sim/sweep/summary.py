"""What came out of a sweep, in a few numbers: read from the store chunk by chunk, printed as tables or JSON."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from theory_sim.sweep.schema import CLAIMS, METHODS, VERSIONS
from theory_sim.sweep.store import SweepStore

if TYPE_CHECKING:
    from rich.console import Console

    from theory_sim.sweep.estimate import Estimate

READ = (
    "reason", "hypotheses", "verdict", "eq12_margin", "residual_start", "passes_input_tau", "tau_start", "input_tau",
    "diverged", "method", "rank",
)  # fmt: skip


def summarise(store: SweepStore) -> dict[str, Any]:
    """Counts over all points, ready for JSON.

    not_run: points by the reason why they have no result; claims: for each version the networks that met the
    hypotheses and could be judged, and those of them for which the claim holds; eq12, overshoots: networks for which
    it is known, and for which it is so, where the drive is negative Eq. 12 mirrored; fall_backs: networks whose
    low-rank form failed its check.
    """
    counts: Counter[str] = Counter()
    not_run: Counter[str] = Counter()
    judged, holds = (np.zeros((len(CLAIMS), len(VERSIONS)), np.int64) for _ in range(2))
    words = store.flags("reason")
    for chunk in range(store.layout.n_chunks):
        values = store.read(chunk, READ)
        reason = values["reason"]
        not_run.update(words.get(code, "not_computed") for code in reason[reason != 0].tolist())
        judged += (values["verdict"] >= 0).sum(axis=0)
        holds += (values["verdict"] == 1).sum(axis=0)
        margin = values["eq12_margin"] * np.sign(values["residual_start"])
        below = values["tau_start"] < values["input_tau"]
        counts.update(
            points=len(reason),
            eq12_known=int(np.isfinite(margin).sum()),
            eq12=int((margin > 0).sum()),
            overshoots_known=int(below.sum()),
            overshoots=int((below & ~np.isnan(values["passes_input_tau"])).sum()),
            diverged=int((values["diverged"] == 1).sum()),
            fall_backs=int(((values["method"] == METHODS.index("matrix")) & (values["rank"] >= 0)).sum()),
        )
    return {
        "store": str(store.path),
        "title": store.attributes["title"],
        "points": counts["points"],
        "run": counts["points"] - not_run.total(),
        "not_run": dict(not_run),
        "eq12": {"known": counts["eq12_known"], "holds": counts["eq12"]},
        "overshoots": {"known": counts["overshoots_known"], "holds": counts["overshoots"]},
        "diverged": counts["diverged"],
        "fall_backs": counts["fall_backs"],
        "claims": {
            claim: {
                version: {"judged": int(judged[i, j]), "holds": int(holds[i, j])} for j, version in enumerate(VERSIONS)
            }
            for i, claim in enumerate(CLAIMS)
        },
    }


def print_summary(out: Console, summary: dict[str, Any]) -> None:
    """The summary as two tables."""
    from rich import box
    from rich.table import Table

    out.print(summary["title"], highlight=False)
    table = Table(box=box.SIMPLE_HEAD, show_edge=False)
    for name in ("", "networks", "share"):
        table.add_column(name, justify="right" if name else "left")
    points, run = summary["points"], summary["run"]
    table.add_row("run", f"{run:,}", _share(run, points))
    for reason, count in summary["not_run"].items():
        table.add_row(f"not run: {reason.replace('_', ' ')}", f"{count:,}", _share(count, points))
    table.add_row("diverged", f"{summary['diverged']:,}", _share(summary["diverged"], run))
    table.add_row("fell back from the low-rank form", f"{summary['fall_backs']:,}", _share(summary["fall_backs"], run))
    for name, words in (("eq12", "Eq. 12 holds"), ("overshoots", "τ rises above τ(x)")):
        found = summary[name]
        table.add_row(words, f"{found['holds']:,}", _share(found["holds"], found["known"]))
    out.print(table)
    claims = Table(box=box.SIMPLE_HEAD, show_edge=False)
    for name in ("claim", *(f"{version}{more}" for version in VERSIONS for more in (" holds", ", of judged"))):
        claims.add_column(name, justify="left" if name == "claim" else "right")
    for claim, versions in summary["claims"].items():
        cells = [
            (_share(found["holds"], found["judged"]), f"{found['judged']:,}")
            for found in (versions[version] for version in VERSIONS)
        ]
        claims.add_row(claim, *(text for cell in cells for text in cell))
    out.print(claims)


def print_estimate(out: Console, found: Estimate) -> None:
    """What `--dry-run` says."""
    from theory_sim.progress import duration

    sizes = " × ".join(f"{size:,} {name}" for name, size in found.dimensions.items())
    n_invalid = sum(found.invalid.values())
    raw = f"{_size(found.bytes)} not compressed"
    if found.disk > found.bytes:
        raw = f"{_size(found.bytes)} of values; the rest is the overhead of {found.files:,} files"
    rows = [
        ("networks", f"{found.points:,} = {sizes}"),
        ("can be run", f"{found.points - n_invalid:,}"),
        *(
            ("cannot", f"{count:,}: {reason} (--skip-invalid leaves them out)")
            for reason, count in found.invalid.items()
        ),
        ("chunks", f"{found.chunks:,} of at most {found.chunk_points:,} networks"),
        ("time", f"about {duration(found.seconds)} on {found.workers} cores"),
        ("memory", f"about {_size(found.memory)}"),
        ("disk", f"about {_size(found.disk)} ({raw})"),
    ]
    width = max(len(name) for name, _ in rows)
    for name, text in rows:
        out.print(f"{name:<{width}}  {text}", highlight=False, markup=False)


def _share(count: int, total: int) -> str:
    return f"{100 * count / total:.1f} %" if total else "-"


def _size(count: int) -> str:
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.1f} MiB"
