"""The theorems' part of the ledger as one picture: claims by regimes, verdicts as printed and as corrected."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Polygon, Rectangle

from theory_sim.claims.base import FIRST_ORDER, HOLDS, REFUTED, UNDECIDED
from theory_sim.claims.ledger import LedgerRow

# Okabe-Ito colours, told apart by every common kind of colour vision, and by their marks in grey.
LOOKS = {HOLDS: ("#009E73", "✓"), FIRST_ORDER: ("#56B4E9", "≈"), REFUTED: ("#D55E00", "✗"), UNDECIDED: ("#F0E442", "?")}
COLUMNS = {
    "eq8": "Eq. 8 itself,\ndrive > 0 for ever",
    "relu": "ReLU, f > y,\nr ≤ 1, no kink",
    "relu kinks": "ReLU,\nunits die",
    "relu f<y": "ReLU,\nf < y",
    "relu 1<r<2": "ReLU,\n1 < r < 2",
    "relu r>2": "ReLU, r > 2\n(diverges)",
    "smooth": "Softplus\nand kin",
    "eq8 outside": "Eq. 8, decay\nabove 1",
}
LINES = {
    "thm1_t0": "Thm 1: Δτ_l > Δτ_h after t₀",
    "thm1_t1": "Thm 1: τ rises for ever from some t₁ on",
    "thm1_growth": "Remark: τ rises after t₀ while L < H",
    "thm1_keeps": "Remark: once τ rises after t₀, for ever",
    "thm1_majority": "Remark: once L > H after t₀, for ever",
    "thm2": "Thm 2: R_k > R_k' until t₀",
    "thm3": "Thm 3: τ(δ) < τ(x) under Eq. 12",
    "thm3_weak": "A.3: the step-t condition (Eq. 17)",
}


class Judged(NamedTuple):
    """What the picture needs of a row: its verdicts and the number of networks."""

    claim_id: str
    case: str
    printed: str | None
    corrected: str | None
    n: int


def judged(row: LedgerRow) -> Judged:
    """Of a row as `verify` makes it."""
    return Judged(row.claim.id, row.claim.case, row.printed.verdict, row.corrected.verdict, row.evidence.n)


def plot_theorems(rows: Sequence[Judged]) -> Figure:
    """Upper left half of a cell: as printed; lower right half: as corrected; grey: nothing to judge."""
    by_case = {(row.claim_id, row.case): row for row in rows}
    figure, axes = plt.subplots(figsize=(12.6, 5.6), layout="constrained")
    for i, claim_id in enumerate(LINES):
        for j, regime in enumerate(COLUMNS):
            row = by_case.get((claim_id, regime))
            verdicts = (None, None) if row is None else (row.printed, row.corrected)
            axes.add_patch(Rectangle((j, i), 1, 1, facecolor="0.88", edgecolor="none"))
            halves = (((j, i), (j + 1, i), (j, i + 1)), ((j + 1, i), (j + 1, i + 1), (j, i + 1)))
            for half, verdict, place in zip(halves, verdicts, ((0.27, 0.32), (0.73, 0.70)), strict=True):
                if verdict is not None:
                    colour, mark = LOOKS[verdict]
                    axes.add_patch(Polygon(half, closed=True, facecolor=colour, edgecolor="none"))
                    ink = "black" if verdict in (UNDECIDED, FIRST_ORDER) else "white"
                    axes.text(j + place[0], i + place[1], mark, ha="center", va="center", color=ink, fontsize=13)
            axes.add_patch(Rectangle((j, i), 1, 1, facecolor="none", edgecolor="white", linewidth=3))
    axes.set_xlim(0, len(COLUMNS))
    axes.set_ylim(len(LINES), 0)
    axes.set_xticks([j + 0.5 for j in range(len(COLUMNS))], list(COLUMNS.values()), fontsize=9.5)
    axes.set_yticks([i + 0.5 for i in range(len(LINES))], list(LINES.values()), fontsize=10.5)
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    drawn = [row for row in rows if row.claim_id in LINES and row.case in COLUMNS]
    shown = {v for row in drawn for v in (row.printed, row.corrected)}
    legend = [Patch(facecolor=LOOKS[v][0], label=f"{LOOKS[v][1]}  {v}") for v in LOOKS if v in shown]
    legend.append(Patch(facecolor="0.88", label="nothing to judge"))
    axes.legend(handles=legend, loc="upper center", bbox_to_anchor=(0.5, -0.01), ncols=len(legend), frameon=False)
    networks = sum(row.n for row in drawn)
    axes.set_title(
        f"upper left: as printed · lower right: as corrected · {networks:,} judgements of networks", fontsize=11, pad=12
    )
    return figure


def save_theorems(rows: Sequence[LedgerRow], path: Path) -> None:
    """Draw to PNG, PDF or SVG by the suffix of `path`."""
    figure = plot_theorems([judged(row) for row in rows])
    figure.savefig(path, dpi=150)
    plt.close(figure)
