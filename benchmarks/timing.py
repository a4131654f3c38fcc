"""A fair comparison: each side in its own process, results compared before anything is timed, turns alternating."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.results import Row

ROOT = Path(__file__).parents[1]
SETTINGS = ("learning_rates", "labels")  # arrays of a problem with one element for each setting
PAUSE_S = 0.1  # between turns: OpenBLAS threads spin for some 30 ms after their last product


@dataclass(frozen=True)
class Side:
    """One contestant: its name in the table and where its `prepare(problem, threads, **options)` is.

    target: "module:function"; options: further arguments by name, JSON values. settings: it computes the problem's
    first so many settings (arrays SETTINGS) and its times are per setting; None where the job has none. processes: each
    has one share of cores and settings; a turn takes as long as the last of them.
    """

    name: str
    target: str
    options: Mapping[str, Any] = field(default_factory=dict)
    settings: int | None = None
    processes: int = 1


class SideError(RuntimeError):
    """A side's process failed; the message is the last line it left."""


class SideProcess:
    """One running process of a side; a context manager that ends it. Methods raise SideError if it fails."""

    def __init__(self, side: Side, problem: Path, folder: Path, cores: Sequence[int]) -> None:
        """Start it on these cores; `problem` is the npz file, `folder` takes log and result."""
        self._log = folder / f"{problem.stem}.log"
        self._result = folder / f"{problem.stem}.result.npz"
        threads = str(len(cores))
        pools = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
        path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        arguments = [side.target, json.dumps(dict(side.options)), str(problem), threads]
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "benchmarks.worker", *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env={**os.environ, **dict.fromkeys(pools, threads), "PYTHONPATH": path, "JAX_PLATFORMS": "cpu"},
            )
        if hasattr(os, "sched_setaffinity"):  # before its imports start threads; some pools take all cores they see
            os.sched_setaffinity(self._process.pid, cores)

    def __enter__(self) -> SideProcess:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if error is not None:
            self._process.kill()
        self._process.communicate()

    def answer(self) -> dict:
        """The next answer; the first says that imports and other preparations are done."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._process.wait()
            left = self._log.read_text().strip().splitlines()
            raise SideError(left[-1] if left else f"ended with code {self._process.returncode}")
        return json.loads(line)

    def tell(self, command: str) -> None:
        """Give a command; `answer` waits for its end."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(command + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # the answer's absence says more

    def result(self) -> tuple[dict[str, NDArray], dict[str, int]]:
        """Arrays of the last turn, and threads of each pool in the process."""
        self.tell(f"save {self._result}")
        pools = self.answer()["pools"]
        with np.load(self._result) as arrays:
            return dict(arrays), pools


class RunningSide:
    """All processes of a side; a context manager that ends them. Methods raise SideError if one of them fails."""

    def __init__(self, side: Side, problem: Mapping[str, Any], folder: Path) -> None:
        """Start them, each with its share of the settings; `folder` takes problems, logs and results."""
        self.settings = side.settings
        cores = available_cores()
        with ExitStack() as stack:
            self._processes = []
            for part in range(side.processes):
                share = dict(problem)
                if side.settings is not None:
                    for name in SETTINGS:
                        share[name] = np.array_split(problem[name][: side.settings], side.processes)[part]
                file = folder / f"{side.name}.{part}.npz"
                np.savez(file, **share)
                own = cores[part :: side.processes] or cores  # all, if there are fewer cores than processes
                self._processes.append(stack.enter_context(SideProcess(side, file, folder, own)))
            self._stack = stack.pop_all()

    def __enter__(self) -> RunningSide:
        return self

    def __exit__(self, *error: Any) -> None:
        self._stack.__exit__(*error)

    def wait_until_ready(self) -> None:
        """Return when all are."""
        for process in self._processes:
            process.answer()

    def turn(self) -> float:
        """One call in each process at once: seconds of the slowest's own clock, of one setting if there are any."""
        for process in self._processes:
            process.tell("turn")
        seconds = max(float(process.answer()["seconds"]) for process in self._processes)
        return seconds / (self.settings or 1)

    def result(self) -> tuple[dict[str, NDArray], dict[str, int]]:
        """Arrays of the last turn, all settings along axis 0, and threads of each pool in the first process."""
        parts = [process.result() for process in self._processes]
        if len(parts) == 1:
            return parts[0]
        return {key: np.concatenate([arrays[key] for arrays, _ in parts]) for key in parts[0][0]}, parts[0][1]


def available_cores() -> list[int]:
    """Cores that this process may use."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))


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
    compared: Callable[[dict[str, NDArray]], dict[str, NDArray]] | None = None,
) -> list[Row]:
    """One row for each pair of ours and a peer; all sides take turns in one run.

    The first turn of each side (compilation, first touch of memory) is discarded, but its result must agree with
    the other side's within `bound`, or the row is marked failed and has no times. Then `repeats` rounds of one turn
    each, every other round in reverse order. Names of sides must differ. Raises SideError if a side fails after its
    warm turn. Where the job has settings, the results of those that both sides compute are compared.
    `compared` makes of a side's arrays what is compared, where it is not the arrays themselves.
    """
    sides = [*ours, *peers]
    reasons: dict[str, str] = {}
    results: dict[str, tuple[dict[str, NDArray], dict[str, int]]] = {}
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        processes = {side.name: stack.enter_context(RunningSide(side, problem, folder)) for side in sides}
        for side, process in processes.items():
            try:
                process.wait_until_ready()
                process.turn()
                arrays, pools = process.result()
                results[side] = (compared(arrays) if compared else arrays, pools)
            except SideError as error:
                reasons[side] = str(error)

        rows = [_untimed_row(job, a, b, results, reasons, bound) for a in ours for b in peers]
        timed = {side for row in rows if row.passed for side in (row.ours, row.peer)}
        seconds: dict[str, list[float]] = {side.name: [] for side in sides if side.name in timed}
        for turn in range(repeats):
            for side in seconds if turn % 2 == 0 else reversed(seconds):
                time.sleep(PAUSE_S)
                seconds[side].append(processes[side].turn())
    return [row.timed(seconds[row.ours], seconds[row.peer]) if row.passed else row for row in rows]


def _untimed_row(job: str, ours: Side, peer: Side, results: Mapping, reasons: Mapping[str, str], bound: float) -> Row:
    """The row of a pair after the warm turn: its agreement, or why there is none."""
    row = Row(job, ours.name, peer.name, bound, ours_settings=ours.settings, peer_settings=peer.settings)
    broken = [f"{side}: {reasons[side]}" for side in (ours.name, peer.name) if side in reasons]
    if broken:
        return replace(row, reason="; ".join(broken))
    (our_arrays, our_pools), (peer_arrays, peer_pools) = results[ours.name], results[peer.name]
    if peer.settings is not None:
        our_arrays, peer_arrays = common_settings(our_arrays, peer_arrays)
    error = agreement(our_arrays, peer_arrays)
    reason = "" if error <= bound else f"results differ by {error:.1e}, allowed is {bound:.0e}"
    finite = error if np.isfinite(error) else None
    return replace(row, agreement=finite, reason=reason, threads={"ours": our_pools, "peer": peer_pools})


def common_settings(
    ours: Mapping[str, NDArray], peer: Mapping[str, NDArray]
) -> tuple[dict[str, NDArray], dict[str, NDArray]]:
    """Both sides' arrays cut to the settings (axis 0) that both hold."""
    n = min((len(array) for array in (*ours.values(), *peer.values())), default=0)
    return {key: array[:n] for key, array in ours.items()}, {key: array[:n] for key, array in peer.items()}
