"""What stands above a picture: what is shown, of how many networks, what was averaged, and of which commit."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from theory_sim.sweep.plots.cells import LEAST_UNITS, Cells
from theory_sim.sweep.plots.labels import words
from theory_sim.sweep.plots.quantities import swept, valid
from theory_sim.sweep.plots.trainings import replicate, trainings

CHARACTERS_PER_INCH = 12  # of a title in the fonts of STYLE
HASH = 10  # digits of a commit
NOUNS = {"sample": "draw", "seed": "seed"}
MOST_NAMED = 2  # averaged parameters in a title


def count_text(n: int, what: str) -> str:
    """A number with its noun: "1 network", "12,000 networks"."""
    return f"{n:,} {what}" + ("" if n == 1 else "s")


def networks_text(dataset: xr.Dataset) -> str:
    """How many trained networks a result holds, how often they were attacked, how many points have no result."""
    run = valid(dataset)
    n, n_trained = int(run.sum()), int(valid(trainings(dataset)).sum())
    missing = int(np.prod([dataset.sizes[dim] for dim in swept(dataset)], dtype=np.int64)) - n
    text = count_text(n_trained, "network") + (f", {n:,} points with an attack each" if n > n_trained else "")
    return text + (f" ({count_text(missing, 'point')} without a result)" if missing else "")


def over_text(dataset: xr.Dataset, dims: Sequence[str]) -> str:
    """What a statistic runs over: "16 seeds × 5 values of cut-off and 2 more parameters"; "" for nothing."""
    parts = []
    for dim in sorted(dims, key=lambda dim: dim not in NOUNS):
        n = dataset.sizes[dim]
        parts.append(count_text(n, NOUNS[dim]) if dim in NOUNS else f"{count_text(n, 'value')} of {words(dim)}")
    more = len(parts) - MOST_NAMED
    return " × ".join(parts[:MOST_NAMED]) + (f" and {count_text(more, 'more parameter')}" if more > 0 else "")


def interval_text(dataset: xr.Dataset, dims: Sequence[str], found: Cells, statistic: str) -> str:
    """What the bands around a line are, over `dims`; why there are none."""
    dim = replicate(dataset, dims)
    if dim is None:
        return "no intervals: neither seeds nor draws are averaged"
    noun = NOUNS[dim]
    if np.isfinite(found.low).any():
        some = "" if np.isfinite(found.low[found.n > 0]).all() else f", where {LEAST_UNITS} or more have a value"
        return f"bands: 95 % interval over {noun}s{some}"
    if dataset.sizes[dim] < LEAST_UNITS:
        return f"no intervals: fewer than {LEAST_UNITS} {noun}s"
    if statistic in ("mean", "share"):
        return f"no intervals: fewer than {LEAST_UNITS} {noun}s have a value"
    if statistic == "median":
        return f"no intervals: the median is over more than {noun}s"
    return ""


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
