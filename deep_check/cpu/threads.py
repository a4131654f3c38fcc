"""The one pool of threads: each takes the next piece of work and has scratch of its own.

Kernels release the GIL; BLAS has no part in them, so that no second pool fights over the cores. Where all cores are
taken, each thread keeps to one: a scheduler that wakes two threads on one core leaves the other core idle for longer
than most pieces take.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Generic, TypeVar

from theory_sim.errors import require

Scratch = TypeVar("Scratch")
VARIABLE = "DEEP_CHECK_THREADS"


def n_threads() -> int:
    """Cores that this process may use, or what DEEP_CHECK_THREADS says. Raises InputError unless that is >= 1."""
    asked = os.environ.get(VARIABLE)
    if asked:
        require(asked.isdecimal() and int(asked) >= 1, f"{VARIABLE}={asked}: allowed is a whole number >= 1")
        return int(asked)
    return len(_cores()) or os.cpu_count() or 1


class Threads(Generic[Scratch]):
    """Runs work(index, scratch) for every index; what each index computes does not depend on which thread takes it."""

    def __init__(self, scratch: Callable[[], Scratch], n: int | None = None) -> None:
        """scratch: makes one thread's scratch. n: threads, default `n_threads()`."""
        self._scratch = [scratch() for _ in range(n or n_threads())]
        self._pool: ThreadPoolExecutor | None = None

    def run(self, work: Callable[[int, Scratch], None], n: int) -> None:
        """Call work(0, ...) ... work(n - 1, ...); the first exception is raised when all threads have stopped."""
        if n <= 1 or len(self._scratch) == 1:
            for index in range(n):
                work(index, self._scratch[0])
            return
        if self._pool is None:
            self._pool = _pool(len(self._scratch))
        indices = itertools.count()  # next() is atomic

        def loop(scratch: Scratch) -> None:
            while (index := next(indices)) < n:
                work(index, scratch)

        running = [self._pool.submit(loop, scratch) for scratch in self._scratch[:n]]
        try:
            wait(running)
        finally:
            while next(indices) < n:  # after Ctrl-C nothing is left to begin
                pass
            wait(running)
        for thread in running:
            thread.result()


def _pool(n: int) -> ThreadPoolExecutor:
    cores = iter(_cores() if n == len(_cores()) else [])

    def keep_to_one_core() -> None:
        core = next(cores, None)
        if core is not None:
            os.sched_setaffinity(0, {core})  # of this thread

    return ThreadPoolExecutor(n, thread_name_prefix="deep_check", initializer=keep_to_one_core)


def _cores() -> list[int]:
    """Cores that this process may use, [] where the system does not tell."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
