"""A fair comparison: each side in its own process, results compared before anything is timed, turns alternating."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.results import Row, n_cores

ROOT = Path(__file__).parents[1]
PAUSE_S = 0.1  # between turns: OpenBLAS threads spin for some 30 ms after their last product


@dataclass(frozen=True)
class Side:
    """One contestant: its name in the table and where its `prepare(problem, threads, **options)` is.

    target: "module:function"; options: further arguments by name, JSON values.
    """

    name: str
    target: str
    options: Mapping[str, str] = field(default_factory=dict)


class SideError(RuntimeError):
    """A side's process failed; the message is the last line it left."""


class SideProcess:
    """A running side; a context manager that ends the process. Methods raise SideError if the side fails."""

    def __init__(self, side: Side, problem: Path, folder: Path, threads: int) -> None:
        """Start it; `problem` is the npz file, `folder` takes log and result."""
        self._log = folder / f"{side.name}.log"
        self._result = folder / f"{side.name}.npz"
        pools = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
        path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        arguments = [side.target, json.dumps(dict(side.options)), str(problem), str(threads)]
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "benchmarks.worker", *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env={**os.environ, **dict.fromkeys(pools, str(threads)), "PYTHONPATH": path, "JAX_PLATFORMS": "cpu"},
            )

    def __enter__(self) -> SideProcess:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if error is not None:
            self._process.kill()
        self._process.communicate()

    def _answer(self) -> dict:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._process.wait()
            left = self._log.read_text().strip().splitlines()
            raise SideError(left[-1] if left else f"ended with code {self._process.returncode}")
        return json.loads(line)

    def _ask(self, command: str) -> dict:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(command + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # the answer's absence says more
        return self._answer()

    def wait_until_ready(self) -> None:
        """Return when imports and other preparations are done."""
        self._answer()

    def turn(self) -> float:
        """One call, in seconds of the side's own clock."""
        return float(self._ask("turn")["seconds"])

    def result(self) -> tuple[dict[str, NDArray], dict[str, int]]:
        """Arrays of the last turn, and threads of each pool in the process."""
        pools = self._ask(f"save {self._result}")["pools"]
        with np.load(self._result) as arrays:
            return dict(arrays), pools


def agreement(ours: Mapping[str, NDArray], peer: Mapping[str, NDArray]) -> float:
    """Worst of the arrays' max|ours - peer| / max|peer|; infinite if names, shapes or finiteness do not agree."""
    if ours.keys() != peer.keys() or any(ours[key].shape != peer[key].shape for key in ours):
        return float("inf")
    worst = 0.0
    for key in ours:
        with np.errstate(invalid="ignore", divide="ignore"):
            error = float(np.abs(ours[key] - peer[key]).max() / np.abs(peer[key]).max())
        worst = max(worst, error if np.isfinite(error) else float("inf"))
    return worst


def compare(
    job: str,
    problem: dict[str, Any],
    ours: Sequence[Side],
    peers: Sequence[Side],
    *,
    repeats: int,
    bound: float,
) -> list[Row]:
    """One row for each pair of ours and a peer; all sides take turns in one run.

    The first turn of each side (compilation, first touch of memory) is discarded, but its result must agree with
    the other side's within `bound`, or the row is marked failed and has no times. Then `repeats` rounds of one turn
    each, every other round in reverse order. Names of sides must differ. Raises SideError if a side fails after its
    warm turn.
    """
    sides = [*ours, *peers]
    threads = n_cores()
    reasons: dict[str, str] = {}
    results: dict[str, tuple[dict[str, NDArray], dict[str, int]]] = {}
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        np.savez(folder / "problem.npz", **problem)
        processes = {
            side.name: stack.enter_context(SideProcess(side, folder / "problem.npz", folder, threads)) for side in sides
        }
        for side, process in processes.items():
            try:
                process.wait_until_ready()
                process.turn()
                results[side] = process.result()
            except SideError as error:
                reasons[side] = str(error)

        rows = [_untimed_row(job, a.name, b.name, results, reasons, bound) for a in ours for b in peers]
        timed = {side for row in rows if row.passed for side in (row.ours, row.peer)}
        seconds: dict[str, list[float]] = {side.name: [] for side in sides if side.name in timed}
        for turn in range(repeats):
            for side in seconds if turn % 2 == 0 else reversed(seconds):
                time.sleep(PAUSE_S)
                seconds[side].append(processes[side].turn())
    return [row.timed(seconds[row.ours], seconds[row.peer]) if row.passed else row for row in rows]


def _untimed_row(job: str, ours: str, peer: str, results: Mapping, reasons: Mapping[str, str], bound: float) -> Row:
    """The row of a pair after the warm turn: its agreement, or why there is none."""
    broken = [f"{side}: {reasons[side]}" for side in (ours, peer) if side in reasons]
    if broken:
        return Row(job=job, ours=ours, peer=peer, bound=bound, reason="; ".join(broken))
    error = agreement(results[ours][0], results[peer][0])
    reason = "" if error <= bound else f"results differ by {error:.1e}, allowed is {bound:.0e}"
    threads = {"ours": results[ours][1], "peer": results[peer][1]}
    finite = error if np.isfinite(error) else None
    return Row(job=job, ours=ours, peer=peer, bound=bound, agreement=finite, reason=reason, threads=threads)
