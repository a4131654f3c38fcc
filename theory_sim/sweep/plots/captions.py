"""What stands above a picture: what is shown, of how many networks, what was averaged, and of which commit."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from theory_sim.sweep.plots.labels import words
from theory_sim.sweep.plots.quantities import swept, valid

CHARACTERS_PER_INCH = 12  # of a title in the fonts of STYLE
HASH = 10  # digits of a commit


def count_text(n: int, what: str) -> str:
    """A number with its noun: "1 network", "12,000 networks"."""
    return f"{n:,} {what}" + ("" if n == 1 else "s")


def networks_text(dataset: xr.Dataset) -> str:
    """How many networks a result holds, and how many of its points have none."""
    run = valid(dataset)
    n = int(run.sum())
    missing = int(np.prod([dataset.sizes[dim] for dim in swept(dataset)], dtype=np.int64)) - n
    text = count_text(n, "network")
    return text + (f" ({count_text(missing, 'point')} without a result)" if missing else "")


def over_text(dataset: xr.Dataset, dims: Sequence[str]) -> str:
    """What a statistic runs over: "16 seeds × 5 values of cut-off"; "" for nothing."""
    parts = []
    for dim in dims:
        n = dataset.sizes[dim]
        if dim == "sample":
            parts.append(count_text(n, "draw"))
        elif dim == "seed":
            parts.append(count_text(n, "seed"))
        else:
            parts.append(f"{count_text(n, 'value')} of {words(dim)}")
    return " × ".join(parts)


def commit_text(dataset: xr.Dataset) -> str:
    """The commit of the code that computed the result, short; "" if it is not known."""
    revision, plus, changes = str(dataset.attrs.get("commit", "")).partition("+")
    known = revision not in ("", "unknown")
    return f"commit {revision[:HASH]}{plus}{changes}" if known else ""


def put_title(figure: Figure, headline: str, parts: Sequence[str]) -> None:
    """The headline, below it the parts that are not empty, in lines of the figure's width."""
    width = int(figure.get_figwidth() * CHARACTERS_PER_INCH)
    lines = [""]
    for part in filter(None, parts):
        joined = f"{lines[-1]}  ·  {part}" if lines[-1] else part
        if len(joined) <= width or not lines[-1]:
            lines[-1] = joined
        else:
            lines.append(part)
    lines = [line for whole in (headline, *lines) for line in textwrap.wrap(whole, width)]
    figure.suptitle("\n".join(lines), fontsize=10, x=0.01, ha="left")
