"""The ledger: draw networks, let every claim judge those that meet its hypotheses, and say the verdicts.

Work is cut into chunks of networks of one population and size class; each network has its own random stream from
(seed, population, size class, index), so that results do not depend on how many processes share the work.
"""

from __future__ import annotations

import os
import signal
import threading
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context, parent_process
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import numpy as np

from theory_sim import __version__
from theory_sim.claims import BY_KEY
from theory_sim.claims.base import REFUTED, Claim, Evidence, Judgement, verdicts
from theory_sim.claims.checkpoint import Checkpoint
from theory_sim.claims.counterexample import make
from theory_sim.claims.populations import POPULATIONS
from theory_sim.claims.sources import Sources
from theory_sim.claims.theorem1 import REGIMES
from theory_sim.provenance import commit

CHUNK = 50
MOST_DRAWS = 2.5  # a claim whose hypotheses are rarely met gets at most this many draws per wanted network
LEAST_TARGET = 60
LARGE_SHARE = 0.56
SPARE = 1.15  # cases whose hypotheses are rarely met fall short; the others of their claim make up for it


@dataclass(frozen=True)
class Settings:
    """What a verification is asked to do: networks per theorem, seed, extra inputs, worker processes, checkpoint."""

    samples: int = 10_000
    seed: int = 0
    images: Path | None = None
    data: Path | None = None
    workers: int = 0  # 0: all usable cores
    checkpoint: Path | None = None

    @property
    def chunk(self) -> int:
        """Networks per chunk: few enough to show progress, many enough to keep bookkeeping small."""
        return CHUNK * max(1, self.samples // 20_000)


@dataclass
class LedgerRow:
    """One claim's verdicts with all their evidence."""

    claim: Claim
    evidence: Evidence
    printed: Judgement
    corrected: Judgement
    control: Judgement
    counterexample: dict[str, Any] | None = None

    @property
    def as_known(self) -> bool:
        """True if both verdicts are those recorded in the code."""
        return (self.printed.verdict, self.corrected.verdict) == self.claim.known


@dataclass
class _Progress:
    """Networks wanted and found of each claim and size class; decides what is drawn next."""

    targets: dict[str, dict[bool, int]]
    evidence: dict[str, dict[bool, Evidence]] = field(default_factory=dict)

    def short(self, key: str, large: bool) -> int:
        """How many members the claim still lacks in this size class; the small ones never outrun the large ones."""
        target, found = self.targets[key], self.evidence[key]
        goal = target[large]
        if not large:
            goal = min(goal, int(found[True].n * (1 - LARGE_SHARE) / LARGE_SHARE))
        return goal - found[large].n


def targets(claims: Sequence[Claim], samples: int) -> dict[str, dict[bool, int]]:
    """Networks wanted of every claim, large (True) and small: more than half of them large.

    The cases of one claim share `samples` (theorems and lemmas) or a tenth of it.
    """
    cases: dict[tuple[str, str, bool], int] = defaultdict(int)
    for claim in claims:
        cases[claim.id, claim.kind, claim.sampled_in_full] += 1
    wanted = {}
    for claim in claims:
        total = samples if claim.sampled_in_full else samples / 10
        total *= claim.times * (SPARE if claim.population in REGIMES else 1.0)
        total = max(total / cases[claim.id, claim.kind, claim.sampled_in_full], LEAST_TARGET)
        large = 1.0 if claim.large_only else LARGE_SHARE
        wanted[claim.key] = {True: int(np.ceil(large * total)), False: int(np.ceil((1 - large) * total))}
    return wanted


def _stream(seed: int, population: str, large: bool, index: int) -> np.random.Generator:
    return np.random.default_rng([seed, zlib.crc32(population.encode()), int(large), index])


_sources: Sources | None = None


def _start_worker(images: Path | None, data: Path | None) -> None:
    global _sources
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    parent = parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    _sources = Sources.load(images, data)


def _end_with(parent: BaseProcess) -> None:
    """End this worker when its parent has ended, however it did."""
    parent.join()
    os._exit(1)


@dataclass(frozen=True)
class _Chunk:
    """Networks first ... first+count-1 of one size class, and the claims that judge them."""

    large: bool
    first: int
    count: int
    keys: list[str]


def _judge_chunk(seed: int, population: str, chunk: _Chunk) -> dict[str, Evidence]:
    """Draw the chunk's networks and let its claims judge them."""
    assert _sources is not None
    draw, large = POPULATIONS[population], chunk.large
    found = {key: Evidence() for key in chunk.keys}
    for index in range(chunk.first, chunk.first + chunk.count):
        sample = draw(_stream(seed, population, large, index), large, _sources)
        if sample is None:
            continue
        for key, evidence in found.items():
            evidence.drawn += 1
            outcome = BY_KEY[key].judge(sample)
            if outcome is not None:
                evidence.record(
                    BY_KEY[key], outcome, sample, f"{population}/{'large' if large else 'small'}/{index:09d}"
                )
    return found


def _chunk_size(population: str, chunk: int) -> int:
    return chunk // 5 if population.startswith(("order", "attack trained")) else chunk


def _rounds(population: str, keys: Sequence[str], progress: _Progress, chunk: int) -> Iterator[list[_Chunk]]:
    """Rounds of chunks; every claim is asked only as often as it seems to need, later rounds fill what is short."""
    drawn = {True: 0, False: 0}
    asked = {(key, large): 0 for key in keys for large in (True, False)}
    size = _chunk_size(population, chunk)
    while True:
        plan = []
        for large in (True, False):
            need = {}
            for key in keys:
                short, seen = progress.short(key, large), asked[key, large]
                if short > 0 and seen < MOST_DRAWS * progress.targets[key][large]:
                    rate = progress.evidence[key][large].n / seen if seen else 1.0
                    need[key] = int(min(np.ceil(short / max(rate, 1e-3)), max(2 * seen, short)))
            first = drawn[large]
            for offset in range(0, max(need.values(), default=0), size):
                wanting = [key for key in need if need[key] > offset]
                plan.append(_Chunk(large, first + offset, size, wanting))
                drawn[large] += size
                for key in wanting:
                    asked[key, large] += size
        if not plan:
            return
        yield plan


def collect(
    claims: Sequence[Claim],
    settings: Settings,
    executor: ProcessPoolExecutor,
    report: Callable[[str, int, int], None] = lambda *_: None,
) -> dict[str, Evidence]:
    """Evidence of every claim from as many networks as `settings` asks for, judged by the workers of `executor`.

    report(population, networks judged so far, networks planned so far) is called after every chunk. Raises InputError
    if the checkpoint is another verification's.
    """
    progress = _Progress(targets(claims, settings.samples))
    by_population: dict[str, list[str]] = defaultdict(list)
    for claim in claims:
        by_population[claim.population].append(claim.key)
        progress.evidence[claim.key] = {True: Evidence(), False: Evidence()}
    header = {"seed": settings.seed, "samples": settings.samples, "claims": [claim.key for claim in claims]}
    header |= {"images": str(settings.images), "data": str(settings.data), "version": __version__, "commit": commit()}
    checkpoint = Checkpoint(settings.checkpoint, header)
    try:
        done = planned = 0
        running = {name: _rounds(name, keys, progress, settings.chunk) for name, keys in by_population.items()}
        # One round of every population at a time keeps the workers busy; a population's next round waits for its last.
        while running:
            submitted: list[tuple[str, _Chunk, str, Future[dict[str, Evidence]] | None]] = []
            for name in list(running):
                plan = next(running[name], None)
                if plan is None:
                    del running[name]
                    continue
                for chunk in plan:
                    label = f"{name}/{chunk.large}/{chunk.first}"
                    known = label in checkpoint.found
                    future = None if known else executor.submit(_judge_chunk, settings.seed, name, chunk)
                    submitted.append((name, chunk, label, future))
                    planned += chunk.count
            for name, chunk, label, future in submitted:
                found = checkpoint.get(label) if future is None else future.result()
                assert found is not None
                for key, evidence in found.items():
                    evidence.keep_better_examples(*progress.evidence[key].values())
                if future is not None:
                    checkpoint.put(label, found)
                for key, evidence in found.items():
                    progress.evidence[key][chunk.large].add(evidence)
                done += chunk.count
                report(name, done, planned)
    finally:
        checkpoint.close()
    merged = {}
    for key, parts in progress.evidence.items():
        merged[key] = parts[True]
        merged[key].add(parts[False])
    return merged


@contextmanager
def pool(settings: Settings) -> Iterator[ProcessPoolExecutor]:
    """Worker processes with one BLAS thread each; what has not begun when the block ends is dropped.

    Raises InputError on unreadable inputs before any process starts.
    """
    Sources.load(settings.images, settings.data)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    workers = settings.workers or cores
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    executor = ProcessPoolExecutor(
        workers, mp_context=get_context("spawn"), initializer=_start_worker, initargs=(settings.images, settings.data)
    )
    try:
        yield executor
    finally:
        executor.shutdown(cancel_futures=True)


def _counterexample(key: str, version: str, sample: Any, origin: str) -> dict[str, Any]:
    return make(BY_KEY[key], version, sample, origin)


def verify(
    claims: Sequence[Claim], settings: Settings, report: Callable[[str, int, int], None] = lambda *_: None
) -> list[LedgerRow]:
    """Judge the claims: one row each, with a shrunk counterexample for every refuted statement."""
    with pool(settings) as executor:
        collected = collect(claims, settings, executor, report)
        rows = [LedgerRow(claim, collected[claim.key], *verdicts(claim, collected[claim.key])) for claim in claims]
        wanted: list[tuple[LedgerRow, Future[dict[str, Any]]]] = []
        for row in rows:
            for version in ("printed", "corrected"):
                example = row.evidence.versions[version].example
                if getattr(row, version).verdict == REFUTED and example is not None:
                    origin = f"seed {settings.seed}, {example[1]}"
                    job = executor.submit(_counterexample, row.claim.key, version, example[2], origin)
                    wanted.append((row, job))
                    break
        for done, (row, future) in enumerate(wanted, 1):
            row.counterexample = future.result()
            report("counterexamples", done, len(wanted))
    return rows
