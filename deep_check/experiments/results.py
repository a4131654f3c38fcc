"""What an experiment found: verdicts, the statistics behind them, and `results.json`, the ledger's empirical rows.

The file's format is that of `theory_sim.empirical`, whose names are here too: deep_check writes, theory_sim reads.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from theory_sim.empirical import (
    FORMAT,
    IN_PART,
    NOT_REPRODUCED,
    REPRODUCED,
    UNDECIDED,
    VERDICTS,
    VERSION,
    Effect,
    Finding,
    Measured,
    read_results,
)
from theory_sim.errors import require
from theory_sim.files import replacing
from theory_sim.intervals import wilson
from theory_sim.provenance import provenance

__all__ = [
    "IN_PART",
    "NOT_REPRODUCED",
    "REPRODUCED",
    "UNDECIDED",
    "VERDICTS",
    "Effect",
    "Finding",
    "Measured",
    "mean",
    "mean_interval",
    "paired_difference",
    "read_results",
    "share",
    "share_difference",
    "verdict",
    "write_results",
]


def verdict(directions: Sequence[Measured], measured: Iterable[Measured] = ()) -> str:
    """The verdict of a statement whose direction is that every one of `directions` is above 0 [DESIGN.md, ledger].

    not reproduced: one of them is below 0 by its 95 % interval. undecided: one has an interval that holds 0, or none,
    or there are no directions. Otherwise reproduced if the paper's number lies inside of the interval of every one of
    `measured` that has one (trivially where there are none), and in part if not.
    """
    signs = [_sign(one) for one in directions]
    if -1 in signs:
        return NOT_REPRODUCED
    if 0 in signs or not signs:
        return UNDECIDED
    return REPRODUCED if all(_agrees(one) for one in measured if one.paper is not None) else IN_PART


def _sign(one: Measured) -> int:
    if one.low is None or one.high is None:
        return 0
    return int(one.low > 0) - int(one.high < 0)


def _agrees(one: Measured) -> bool:
    if one.paper is None or one.low is None or one.high is None:
        return False
    return one.low <= one.paper <= one.high


def mean_interval(values: ArrayLike) -> tuple[float, float, float]:
    """Mean of values (n,), n >= 2, and its 95 % interval by Student's t: (mean, low, high).

    Raises InputError on fewer values and on NaN or infinity.
    """
    known = np.asarray(values, float)
    require(known.ndim == 1 and known.size >= 2, f"values of shape {known.shape}: allowed are 2 numbers or more")
    require(bool(np.isfinite(known).all()), "values: allowed are finite numbers")
    middle = float(known.mean())
    half = float(stats.t.ppf(0.975, known.size - 1)) * float(known.std(ddof=1)) / math.sqrt(known.size)
    return middle, middle - half, middle + half


def mean(name: str, values: ArrayLike, paper: float | None = None, unit: str = "") -> Measured:
    """The mean of values (n,) as a measured number, by `mean_interval`."""
    return Measured(name, *mean_interval(values), n=np.size(values), paper=paper, unit=unit)


def paired_difference(name: str, values: ArrayLike, others: ArrayLike, unit: str = "") -> Measured:
    """Mean of values - others, both (n,) on the same images, by `mean_interval`. Raises InputError on other shapes."""
    first, second = np.asarray(values, float), np.asarray(others, float)
    require(first.shape == second.shape, f"pairs of shapes {first.shape} and {second.shape}: allowed are equal ones")
    return mean(name, first - second, unit=unit)


def share(name: str, count: int, n: int, paper: float | None = None) -> Measured:
    """count/n with its 95 % Wilson interval."""
    return Measured(name, count / n, *wilson(count, n), n=n, paper=paper)


def share_difference(name: str, first: Measured, second: Measured) -> Measured:
    """Difference of two shares with its 95 % interval from theirs [Newcombe 1998, method 10].

    Shares on the same images go up and down together: for them the interval is too wide rather than too narrow.
    """
    down, up = _arms(first)
    other_down, other_up = _arms(second)
    gap = first.value - second.value
    low, high = gap - math.hypot(down, other_up), gap + math.hypot(up, other_down)
    return Measured(name, gap, low, high, min(first.n, second.n))


def _arms(one: Measured) -> tuple[float, float]:
    require(one.low is not None, f"{one.name!r}: allowed are shares with their intervals")
    return one.value - float(one.low or 0), float(one.high or 0) - one.value


def write_results(path: Path, findings: Sequence[Finding]) -> None:
    """Write rows to results.json, each in place of the row of its claim there; the file is replaced as a whole.

    Raises InputError if the file there is not of the format, or if the disk refuses.
    """
    path = Path(path)
    rows = {row.claim: row for row in (read_results(path) if path.exists() else [])}
    rows |= {row.claim: row for row in findings}
    content = {
        "format": FORMAT,
        "version": VERSION,
        "rows": [row.as_dict() for row in rows.values()],
        "provenance": provenance(),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing([path]) as (fresh,):
        fresh.write_text(json.dumps(content, ensure_ascii=False, indent=1, allow_nan=False) + "\n", encoding="utf-8")
