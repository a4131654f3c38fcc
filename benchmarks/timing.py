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
Error = Callable[[Mapping[str, NDArray], Mapping[str, NDArray]], float]
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


@dataclass(frozen=True)
class Result:
    """Arrays of a call; threads of each pool in the process; bytes by which its memory has grown (None: unknown)."""

    arrays: dict[str, NDArray]
    pools: dict[str, int]
    memory: int | None
    error: float = 0.0  # of the arrays, where the right ones are known


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

    def result(self) -> Result:
        """What the last turn left."""
        self.tell(f"save {self._result}")
        answer = self.answer()
        with np.load(self._result) as arrays:
            return Result(dict(arrays), answer["pools"], answer["memory"])


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

    def turn(self, calls: int = 1, warm: int = 0) -> float:
        """`warm` calls, then `calls` timed ones, in each process at once: seconds of a call by the slowest's own clock.

        Of one setting, if there are any.
        """
        for process in self._processes:
            process.tell(f"turn {calls} {warm}")
        seconds = max(float(process.answer()["seconds"]) for process in self._processes)
        return seconds / (self.settings or 1)

    def result(self) -> Result:
        """What the last turn left: all settings along axis 0, the pools of the first process, all processes' memory."""
        first, *others = parts = [process.result() for process in self._processes]
        if not others:
            return first
        arrays = {key: np.concatenate([part.arrays[key] for part in parts]) for key in first.arrays}
        known = [part.memory for part in parts if part.memory is not None]
        return Result(arrays, first.pools, sum(known) if len(known) == len(parts) else None)


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
    exact: Mapping[str, NDArray] | None = None,
    error: Error = agreement,
    measure: str = Row.measure,
    calls: int = 1,
    warm: int = 0,
) -> list[Row]:
    """One row for each pair of ours and a peer; all sides take turns in one run.

    The first turn of each side (compilation, first touch of memory) is one call and discarded, but its result must
    agree with the other side's within `bound`, or the row is marked failed and has no times. Then `repeats` rounds of
    one turn each, every other round in reverse order; a turn is `warm` calls and then `calls` timed ones. Names of
    sides must differ. Raises SideError if a side fails after its warm turn. Where the job has settings, the results of
    those that both sides compute are compared. `compared` makes of a side's arrays what is compared, where it is not
    the arrays themselves. exact: the right arrays, where they are known: each side must agree with these, and where
    there is no peer, ours have rows of their own. error: of a side's arrays and the right ones (or the peer's),
    infinite where there is none; measure: what it is, in words.
    """
    sides = [*ours, *peers]
    reasons: dict[str, str] = {}
    results: dict[str, Result] = {}
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        processes = {side.name: stack.enter_context(RunningSide(side, problem, folder)) for side in sides}
        for side, process in processes.items():
            try:
                process.wait_until_ready()
                process.turn()
                result = process.result()
                results[side] = replace(result, arrays=compared(result.arrays)) if compared else result
            except SideError as failure:
                reasons[side] = str(failure)

        if exact is not None:
            for side, result in results.items():
                results[side] = replace(result, error=error(result.arrays, exact))
            alone = [] if peers else [_checked_row(job, a, None, results, reasons, bound) for a in ours]
            rows = alone + [_checked_row(job, a, b, results, reasons, bound) for a in ours for b in peers]
        else:
            rows = [_compared_row(job, a, b, results, reasons, bound, error) for a in ours for b in peers]
        rows = [replace(row, measure=measure) for row in rows]
        timed = {side for row in rows if row.passed for side in (row.ours, row.peer)}
        seconds: dict[str, list[float]] = {side.name: [] for side in sides if side.name in timed}
        for turn in range(repeats):
            for side in seconds if turn % 2 == 0 else reversed(seconds):
                time.sleep(PAUSE_S)
                seconds[side].append(processes[side].turn(calls, warm))
    return [row.timed(seconds[row.ours], seconds.get(row.peer, ())) if row.passed else row for row in rows]


def _untimed_row(
    job: str, ours: Side, peer: Side | None, results: Mapping[str, Result], reasons: Mapping[str, str], bound: float
) -> Row:
    """The row of a pair after the warm turn, but for its agreement; failed if one of them has."""
    names = {"ours": ours.name} if peer is None else {"ours": ours.name, "peer": peer.name}
    row = Row(job, ours.name, names.get("peer", ""), bound, ours_settings=ours.settings,
              peer_settings=peer.settings if peer else None)  # fmt: skip
    broken = [f"{side}: {reasons[side]}" for side in names.values() if side in reasons]
    if broken:
        return replace(row, reason="; ".join(broken))
    threads = {who: results[side].pools for who, side in names.items()}
    memory = {f"{who}_memory": results[side].memory for who, side in names.items()}
    return replace(row, threads=threads, **memory)  # type: ignore[arg-type]


def _compared_row(
    job: str,
    ours: Side,
    peer: Side,
    results: Mapping[str, Result],
    reasons: Mapping[str, str],
    bound: float,
    error: Error,
) -> Row:
    """The row of a pair whose results must agree with each other."""
    row = _untimed_row(job, ours, peer, results, reasons, bound)
    if not row.passed:
        return row
    our_arrays, peer_arrays = results[ours.name].arrays, results[peer.name].arrays
    if peer.settings is not None:
        our_arrays, peer_arrays = common_settings(our_arrays, peer_arrays)
    found = error(our_arrays, peer_arrays)
    reason = "" if found <= bound else f"results differ by {found:.1e}, allowed is {bound:.0e}"
    return replace(row, agreement=found if np.isfinite(found) else None, reason=reason)


def _checked_row(
    job: str, ours: Side, peer: Side | None, results: Mapping[str, Result], reasons: Mapping[str, str], bound: float
) -> Row:
    """The row of a pair whose results must each agree with the exact ones; of ours alone where there is no peer."""
    row = _untimed_row(job, ours, peer, results, reasons, bound)
    if not row.passed:
        return row
    errors = {side: results[side].error for side in (row.ours, row.peer) if side}
    off = [f"{side} is off by {found:.1e}, allowed is {bound:.0e}" for side, found in errors.items() if found > bound]
    finite = {side: found for side, found in errors.items() if np.isfinite(found)}
    found = {"agreement": finite.get(row.ours), "peer_agreement": finite.get(row.peer)}
    return replace(row, reason="; ".join(off), **found)  # type: ignore[arg-type]


def common_settings(
    ours: Mapping[str, NDArray], peer: Mapping[str, NDArray]
) -> tuple[dict[str, NDArray], dict[str, NDArray]]:
    """Both sides' arrays cut to the settings (axis 0) that both hold."""
    n = min((len(array) for array in (*ours.values(), *peer.values())), default=0)
    return {key: array[:n] for key, array in ours.items()}, {key: array[:n] for key, array in peer.items()}
