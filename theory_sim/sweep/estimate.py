"""What a sweep will cost, before anything starts: from a few of its points, computed now."""

from __future__ import annotations

import resource
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import zarr

from theory_sim.sweep.definition import SweepDefinition
from theory_sim.sweep.execution import Compute, compute_points, engine_compute, usable_cores
from theory_sim.sweep.layout import Layout
from theory_sim.sweep.plan import Contents, layout_of, survey
from theory_sim.sweep.store import COMPRESSOR, Values
from theory_sim.sweep.validity import reasons

CALIBRATION_SECONDS = 3.0
TRIES = 1000  # chunks looked into for points that can be run
RUN = 32  # neighbouring points computed together: they share networks as the points of a chunk do
ARRAYS = 4  # of a chunk's results that a worker holds: two while it computes, then the chunk's, and one that waits
FILE_BYTES = 4096  # what a file takes at least on most disks


@dataclass(frozen=True)
class Estimate:
    """Costs of a sweep. invalid: points by reason; seconds: on `workers` cores; bytes: not compressed, of the result.

    disk: bytes of the store, about; files: of its chunks.
    memory: bytes of the process at its peak, about, with `workers` chunks under way.
    """

    dimensions: dict[str, int]
    points: int
    invalid: dict[str, int]
    chunks: int
    chunk_points: int
    workers: int
    seconds: float
    bytes: int
    disk: int
    files: int
    memory: int


def estimate(
    definition: SweepDefinition, workers: int = 0, device: str = "cpu", compute: Compute | None = None
) -> Estimate:
    """Costs of a sweep on `workers` cores (0: all), from CALIBRATION_SECONDS of its own points. Nothing is written."""
    contents, workers = Contents.of(definition), workers or usable_cores()
    layout = layout_of(definition, contents, device)
    found = survey(definition)
    n_points, n_valid = definition.n_points, definition.n_points - found.n_invalid
    cost = _calibrate(definition, contents, layout, device, compute or engine_compute())
    chunk_bytes = contents.point_bytes * int(np.prod(layout.chunk))
    at_once = 1 if device == "cuda" else min(workers, layout.n_chunks)
    disk = 0
    if cost.values:
        share = n_valid / layout.n_chunks / len(cost.values["reason"])
        sizes = [_stored_bytes(array) * share for array in cost.values.values()]
        disk = int(layout.n_chunks * sum(np.ceil(size / FILE_BYTES) * FILE_BYTES for size in sizes))
    return Estimate(
        dict(zip((d.name for d in definition.dimensions), definition.shape, strict=True)),
        n_points,
        found.by_reason,
        layout.n_chunks,
        int(np.prod(layout.chunk)),
        workers,
        cost.seconds * n_valid / at_once,
        contents.point_bytes * n_points,
        disk,
        layout.n_chunks * (len(contents.variables) + 1),
        cost.resting + workers * (cost.scratch + ARRAYS * chunk_bytes),
    )


@dataclass(frozen=True)
class _Cost:
    """seconds: of a point on one core; values: of the points that were computed, {} if none can be run.

    resting: bytes of the process between chunks; scratch: what it takes beyond them while it computes.
    """

    seconds: float
    values: Values
    resting: int
    scratch: int


def _calibrate(definition: SweepDefinition, contents: Contents, layout: Layout, device: str, compute: Compute) -> _Cost:
    """Compute points that can be run, from anywhere in the sweep, for CALIBRATION_SECONDS."""
    rng = np.random.default_rng(0)
    done: list[Values] = []
    spent, resting = 0.0, _resident()
    for _ in range(TRIES):
        if spent >= CALIBRATION_SECONDS or sum(len(values["reason"]) for values in done) >= definition.n_points:
            break
        columns = definition.columns(*layout.span(int(rng.integers(layout.n_chunks))))
        valid = np.flatnonzero(reasons(columns) == 0)
        if not valid.size:
            continue
        if device != "cuda":
            first = int(rng.integers(max(len(valid) - RUN, 0) + 1))
            valid = valid[first : first + RUN]
        chosen = {key: values[valid] for key, values in columns.items()}
        if not done:
            compute_points(contents, compute, device, chosen)  # compiles
            resting = _resident()
            with suppress(OSError):  # Linux begins a new peak; elsewhere the old one makes the estimate too large
                Path("/proc/self/clear_refs").write_text("5")
        begin = time.perf_counter()
        done.append(compute_points(contents, compute, device, chosen))
        spent += time.perf_counter() - begin
    if not done:
        return _Cost(0.0, {}, resting, 0)
    values = {name: np.concatenate([part[name] for part in done]) for name in done[0]}
    return _Cost(spent / len(values["reason"]), values, resting, max(_peak_memory() - resting, 0))


def _stored_bytes(values: np.ndarray) -> int:
    array = zarr.create_array(
        {}, shape=values.shape, chunks=values.shape, dtype=values.dtype, compressors=COMPRESSOR, zarr_format=2
    )
    array[...] = values
    return int(array.nbytes_stored())


def _resident() -> int:
    """Bytes of memory that the process has now; its peak where the system does not say."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    except OSError:
        return _peak_memory()


def _peak_memory() -> int:
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
