"""Computing what a store lacks: chunks go to threads here, or to a cluster's workers, and come back to one writer."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from theory_sim.compiled_code import digest
from theory_sim.errors import require
from theory_sim.progress import Watch
from theory_sim.provenance import provenance
from theory_sim.sweep.definition import SweepDefinition, differences
from theory_sim.sweep.pictures import picture_digests
from theory_sim.sweep.plan import Contents, coordinates_of, layout_of, survey
from theory_sim.sweep.store import UNDONE, SweepStore, counted, create, locked, place
from theory_sim.sweep.validity import reasons

CUDA_THREADS = 2  # one prepares while the GPU works for the other
TICK = 0.2  # seconds between looks at Ctrl-C and the clock
CODE = {"version", "commit", "sources"}  # of `_made_by`: with others of these, more than last bits may change
Columns = Mapping[str, NDArray]
Compute = Callable[..., dict[str, NDArray]]  # engine.compute
Task = Callable[[Columns], dict[str, NDArray]]


def compute_points(contents: Contents, compute: Compute, device: str, columns: Columns) -> dict[str, NDArray]:
    """Every variable at the points of `columns`, each (n_points, ...); what cannot be run stays missing.

    NaNs are made one and the same, so that a chunk's checksum does not depend on how a NaN came about.
    """
    codes = reasons(columns)
    valid = codes == 0
    out = contents.empty(len(codes))
    out["reason"][:] = codes
    if valid.any():
        chosen = {key: values[valid] for key, values in columns.items()}
        found = compute(chosen, contents.recording, contents.n_frequency, attack=contents.attack, device=device)
        for name, values in out.items():
            values[valid] = found[name]
    for values in out.values():
        if values.dtype.kind in "fc":
            values[np.isnan(values)] = np.nan
    return out


def engine_compute() -> Compute:
    """The engine, imported (and compiled) only where something is computed."""
    from theory_sim.sweep.engine import compute

    return compute


def usable_cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Workers(Protocol):
    """Where chunks are computed."""

    def submit(self, task: Task, columns: Columns) -> Future[dict[str, NDArray]]:
        """Compute task(columns) sometime."""

    def in_flight(self) -> int:
        """How many chunks should be submitted and not yet back."""


class Threads:
    """Threads that the interpreter does not wait for at its end, as a second Ctrl-C asks for."""

    def __init__(self, count: int) -> None:
        """Start `count` threads."""
        self._count, self._stopped = count, False
        self._tasks: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        for _ in range(count):
            threading.Thread(target=self._work, daemon=True).start()

    def _work(self) -> None:
        while (job := self._tasks.get()) is not None and not self._stopped:
            job()

    def submit(self, task: Task, columns: Columns) -> Future[dict[str, NDArray]]:
        """Compute task(columns) in the next idle thread."""
        future: Future[dict[str, NDArray]] = Future()

        def job() -> None:
            try:
                future.set_result(task(columns))
            except BaseException as error:
                future.set_exception(error)

        self._tasks.put(job)
        return future

    def in_flight(self) -> int:
        """One chunk a thread, and as many waiting."""
        return 2 * self._count

    def stop(self) -> None:
        """Let every thread end after what it is doing."""
        self._stopped = True
        for _ in range(self._count):
            self._tasks.put(None)


@contextmanager
def local(workers: int, device: str = "cpu") -> Iterator[Workers]:
    """Threads of this process (0: one a core), linear algebra held to one thread each; not many for the one GPU."""
    count = workers or usable_cores()
    with threadpool_limits(1):
        threads = Threads(count if device == "cpu" else min(count, CUDA_THREADS))
        try:
            yield threads
        finally:
            threads.stop()


def run(
    definition: SweepDefinition,
    path: Path,
    watch: Watch,
    *,
    device: str = "cpu",
    skip_invalid: bool = False,
    start: AbstractContextManager[Workers] | None = None,
    compute: Compute | None = None,
) -> SweepStore:
    """Compute every chunk that the store at `path` lacks; the store is created if there is none.

    start: where to compute, one thread a core if not given; compute: the engine's by default. Raises InputError if
    points cannot be run (unless `skip_invalid`), the store is another sweep's or another process's, or the disk is
    full; KeyboardInterrupt once the chunks in flight are stored after Ctrl-C, at once after a second one.
    """
    path = place(path)
    if not skip_invalid:
        survey(definition).require_valid()
    with locked(path):
        store = _open_or_create(definition, path, device)
        todo, damaged = store.repair(partial(watch.update, "checking"))
        if damaged:
            watch.note(f"{path}: {counted(len(damaged), 'damaged chunk')} computed again: {_few(damaged)}")
        if todo:
            _note_resume(store, device, len(todo), watch)
            task = partial(compute_points, Contents.of(definition), compute or engine_compute(), device)
            with _first_interrupt() as stopped, start or local(0) as workers:
                _fill(store, definition, todo, task, workers, stopped, watch)
                if stopped.is_set() and (store.marks() == UNDONE).any():
                    raise KeyboardInterrupt
    return SweepStore(path)


def _fill(
    store: SweepStore,
    definition: SweepDefinition,
    todo: Sequence[int],
    task: Task,
    workers: Workers,
    stopped: threading.Event,
    watch: Watch,
) -> None:
    """Compute and write the chunks `todo`; until `stopped`, as many are in flight as `workers` want."""
    sizes = {chunk: last - first for chunk in todo for first, last in [store.layout.span(chunk)]}
    left, done, total = iter(todo), store.layout.n_points - sum(sizes.values()), store.layout.n_points
    waiting: dict[Future[dict[str, NDArray]], int] = {}
    told = False
    watch.update("networks", done, total)
    while True:
        room = 0 if stopped.is_set() else workers.in_flight() - len(waiting)
        for chunk in islice(left, max(room, 0)):
            waiting[workers.submit(task, definition.columns(*store.layout.span(chunk)))] = chunk
        if not waiting:
            return
        if stopped.is_set() and not told:
            told = True
            watch.note(f"finishing {counted(len(waiting), 'chunk')} in flight; Ctrl-C again stops at once")
        for future in wait(waiting, TICK, FIRST_COMPLETED).done:
            chunk = waiting.pop(future)
            store.write(chunk, future.result())
            done += sizes[chunk]
        watch.update("networks", done, total)


def _open_or_create(definition: SweepDefinition, path: Path, device: str) -> SweepStore:
    if not path.exists():
        contents = Contents.of(definition)
        swept = [dimension.name for dimension in definition.dimensions]
        layout, coordinates = layout_of(definition, contents, device), coordinates_of(definition, contents)
        create(path, swept, contents.variables, coordinates, layout, _about(definition, device))
    store = SweepStore(path, writable=True)
    require_same(store, definition)
    return store


def require_same(store: SweepStore, definition: SweepDefinition) -> None:
    """Raise InputError, with the differences, unless the store is of this very sweep.

    Beside the definition itself: what it draws, which other versions of NumPy or SciPy may draw otherwise, and the
    contents of its pictures.
    """
    differing = differences(str(store.attributes["definition"]), definition.toml())
    if not differing:
        stored = store.coordinates()
        for name, coordinate in coordinates_of(definition, Contents.of(definition)).items():
            if name not in stored or not np.array_equal(stored[name].values, coordinate.values):
                differing.append(f"{name}: other values than those in the store")
        pictures = store.attributes.get("pictures", {})
        for name, content in picture_digests(definition).items():
            if pictures.get(name) != content:
                differing.append(f"picture {name}: changed since the store was begun")
    words = f"{store.path} belongs to another sweep: {'; '.join(differing)} (use another --out, or remove it)"
    require(not differing, words)


def _about(definition: SweepDefinition, device: str) -> dict[str, Any]:
    """What a store says of the sweep; no time, so that equal sweeps are equal bits."""
    dimensions = " × ".join(f"{dimension.size} {dimension.name}" for dimension in definition.dimensions)
    seeds = definition.values("seed")
    return {
        "title": f"{definition.n_points:,} networks: {dimensions}",
        "definition": definition.toml(),
        "seed": int(seeds[0]) if len(seeds) == 1 else f"{seeds.min()} ... {seeds.max()}",
        "pictures": picture_digests(definition),
        **_made_by(device),
    }


def _made_by(device: str) -> dict[str, str]:
    return {**provenance(), "sources": digest(), "device": device}


def _note_resume(store: SweepStore, device: str, n_todo: int, watch: Watch) -> None:
    """Say that a sweep goes on, and record with what, if that can change bits."""
    n_chunks, now = store.layout.n_chunks, _made_by(device)
    if n_todo == n_chunks:
        if any(store.attributes.get(key) != value for key, value in now.items()):
            store.record(now)
        return
    watch.note(f"{store.path} goes on: {n_chunks - n_todo:,} of {n_chunks:,} chunks are done")
    before = [{key: str(store.attributes.get(key)) for key in now}, *store.attributes.get("resumed", [])]
    changed = [key for key in now if now[key] != before[-1][key]]
    if changed:
        words = "; ".join(f"{key}: {before[-1][key]} until now, {now[key]} from here on" for key in changed)
        may_differ = "results of new chunks may differ" if CODE & set(changed) else "last bits of new chunks may differ"
        watch.note(f"{may_differ}: {words}")
        store.record({"resumed": [*before[1:], now]})


def _few(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers[:5])) + (", ..." if len(numbers) > 5 else "")


@contextmanager
def _first_interrupt() -> Iterator[threading.Event]:
    """An event that the first Ctrl-C sets; the second one raises KeyboardInterrupt."""
    stopped = threading.Event()

    def handle(*_: object) -> None:
        if stopped.is_set():
            raise KeyboardInterrupt
        stopped.set()

    if threading.current_thread() is not threading.main_thread():
        yield stopped
        return
    before = signal.signal(signal.SIGINT, handle)
    try:
        yield stopped
    finally:
        signal.signal(signal.SIGINT, before)
