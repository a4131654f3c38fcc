"""One side of a comparison in a process of its own: obeys single-line commands from `benchmarks.timing`.

Arguments: TARGET ("module:function"), OPTIONS (JSON object), PROBLEM (npz file), THREADS. Answers are JSON lines on the
standard output: after the start; after `turn CALLS WARM` (WARM calls, then CALLS timed ones: seconds of one of these);
after `save FILE` (the last call's result as npz; sizes of the thread pools that the process has by then; by how many
bytes its resident memory has grown at its peak). A result is a dictionary of arrays, or of functions that make them
where that is no part of the job. Ends when its input ends.

What `prepare` returns may have a method `measure(calls)` that returns seconds of one call, in place of the clock here:
a device has its own.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_info


def main(target: str, options: str, problem_file: str, threads: str) -> None:
    """Prepare the side, then obey until the input ends."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what a library prints must not get between the answers

    def answer(**content: object) -> None:
        answers.write(json.dumps(content) + "\n")

    module, function = target.split(":")
    with np.load(problem_file) as stored:
        problem = dict(stored)
    run = getattr(importlib.import_module(module), function)(problem, int(threads), **json.loads(options))
    before = _resident("VmRSS")
    answer(ready=True)
    turn = Turn(run)
    for line in sys.stdin:
        command, *arguments = line.strip().split(" ", 1)
        if command == "turn":
            calls, warm = map(int, arguments[0].split())
            answer(seconds=turn(calls, warm))
        elif command == "save":
            peak = _resident("VmHWM")  # before the arrays are copied
            arrays = {name: array() if callable(array) else array for name, array in turn.result.items()}
            np.savez(arguments[0], **arrays)
            memory = None if before is None or peak is None else max(0, peak - before)
            pools = {pool["internal_api"]: pool["num_threads"] for pool in threadpool_info()}
            answer(pools=pools, memory=memory)


class Turn:
    """Calls of one function, and the last one's result."""

    def __init__(self, run: Callable[[], dict[str, Any]]) -> None:
        """run: what a side's `prepare` returned."""
        self._run = run
        self.result: dict[str, Any] = {}

    def __call__(self, calls: int, warm: int) -> float:
        """Seconds of one of `calls` calls after `warm` others."""
        for _ in range(warm):
            self._call()
        measure = getattr(self._run, "measure", None)
        if measure is not None and self.result:
            return float(measure(calls))
        start = time.perf_counter()
        for _ in range(calls):
            self._call()
        return (time.perf_counter() - start) / calls

    def _call(self) -> None:
        self.result.clear()  # the memory of the last result is free for this one
        self.result = self._run()


def _resident(kind: str) -> int | None:
    """Bytes of resident memory, now (VmRSS, from when on the peak counts) or at the peak (VmHWM); None if unknown."""
    try:
        if kind == "VmRSS":
            Path("/proc/self/clear_refs").write_text("5")  # the peak is what is there now
        text = Path("/proc/self/status").read_text()
    except OSError:
        return None
    return next((1024 * int(line.split()[1]) for line in text.splitlines() if line.startswith(kind)), None)


if __name__ == "__main__":
    main(*sys.argv[1:])
