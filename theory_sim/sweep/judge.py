"""Verdicts of the claims on one run, compiled: what the ledger's judges say of the same network."""

from __future__ import annotations

from typing import Any, NamedTuple

import numba as nb
from numpy.typing import NDArray


class Path(NamedTuple):
    """One run as its judges see it, states t = 0 ... last, steps t = 0 ... last-1.

    tau, high_share: L/N and H/N (last+1,); growth: τ^(t+1) - τ^(t) without cancellation; drive: η^(t); drives: Σ η^(t)
    before step t; q: Q_t/P_t of the run's own rates; first_crossing: last+1 if there is none.
    """

    tau: NDArray
    high_share: NDArray
    growth: NDArray
    drive: NDArray
    drives: NDArray
    q: NDArray
    input_tau: float
    eq12_margin: float
    relative_rate: float
    last: int
    settled: int
    first_crossing: int


@nb.njit(nogil=True, cache=True, error_model="numpy")
def judge(course: NDArray, probes: NDArray, probe_start: NDArray, facts: Any, path: Path, verdicts: NDArray) -> None:
    """Fill verdicts, int8 (2, claims, versions)."""
