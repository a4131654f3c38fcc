"""Every kernel of a device beside its float64 reference, for users: `python -m deep_check selftest`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from deep_check.selftest.cases import Case, Pair, cases_of


class Row(NamedTuple):
    """One operation at one size.

    error: the largest |found - expected| relative to the largest |expected|, the worst of all results; infinite where
    NaN was found or nothing at all, and then `note` says why.
    """

    op: str
    shape: str
    error: float
    tolerance: float
    ok: bool
    note: str = ""


def run(operations: Any, report: Callable[[int, int], None] = lambda done, total: None) -> list[Row]:
    """Judge every case on a device's operations (`on_cpu` or `on_cuda`), in a fixed order.

    report: told how many of how many are done. A kernel that cannot be compiled or run is a row that failed.
    """
    todo = cases_of(operations)
    rows = []
    for done, case in enumerate(todo):
        report(done, len(todo))
        rows.append(judge(case, operations))
    report(len(todo), len(todo))
    return rows


def judge(case: Case, operations: Any) -> Row:
    """Run one case and compare."""
    try:
        error, note = max(map(relative_error, case.run(operations))), ""
    except Exception as failure:  # whatever a compiler or a driver raises is what the user wants to read here
        error, note = np.inf, " ".join(f"{type(failure).__name__}: {failure}".split())[:200]
    return Row(case.op, case.shape, float(error), case.tolerance, bool(error <= case.tolerance), note)


def relative_error(pair: Pair) -> float:
    """max |found - expected| / max |expected|; infinite where shapes differ or NaN is found."""
    found, expected = np.asarray(pair.found, float), np.asarray(pair.expected, float)
    if found.shape != expected.shape or not np.isfinite(found).all():
        return np.inf
    scale = pair.scale or float(np.abs(expected).max()) or 1.0
    return float(np.abs(found - expected).max()) / scale
