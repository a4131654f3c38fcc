"""What a sweep will cost, before anything starts: from a few of its points, computed now."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass

import numpy as np
import zarr

from theory_sim.sweep.definition import SweepDefinition
from theory_sim.sweep.execution import Compute, compute_points, engine_compute, usable_cores
from theory_sim.sweep.layout import Layout
from theory_sim.sweep.plan import Contents, layout_of, survey
from theory_sim.sweep.store import COMPRESSOR, Values

CALIBRATION_SECONDS = 3.0
RUN = 32  # neighbouring points computed together: they share networks as the points of a chunk do
FILE_BYTES = 4096  # what a file takes at least on most disks


@dataclass(frozen=True)
class Estimate:
    """Costs of a sweep. invalid: points by reason; seconds: on `workers` cores; bytes: not compressed, of the result.

    disk: bytes of the store, about; memory: bytes of the process at its peak, about.
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
    memory: int


def estimate(
    definition: SweepDefinition, workers: int = 0, device: str = "cpu", compute: Compute | None = None
) -> Estimate:
    """Costs of a sweep on `workers` cores (0: all), from CALIBRATION_SECONDS of its own points. Nothing is written."""
    contents, workers = Contents.of(definition), workers or usable_cores()
    layout = layout_of(definition, contents, device)
    found = survey(definition)
    seconds, values = _calibrate(definition, contents, layout, device, compute or engine_compute())
    n_points, n_calibrated = definition.n_points, len(values["reason"])
    share = layout.n_points / layout.n_chunks / n_calibrated
    sizes = [_stored_bytes(array) * share for array in values.values()]
    chunk_bytes = contents.point_bytes * int(np.prod(layout.chunk))
    return Estimate(
        dict(zip((d.name for d in definition.dimensions), definition.shape, strict=True)),
        n_points,
        dict(found.by_reason),
        layout.n_chunks,
        int(np.prod(layout.chunk)),
        workers,
        seconds * n_points / min(workers, layout.n_chunks),
        contents.point_bytes * n_points,
        int(layout.n_chunks * sum(np.ceil(size / FILE_BYTES) * FILE_BYTES for size in sizes)),
        _peak_memory() + 2 * workers * chunk_bytes,
    )


def _calibrate(
    definition: SweepDefinition, contents: Contents, layout: Layout, device: str, compute: Compute
) -> tuple[float, Values]:
    """Seconds a point takes on one core, and the values of the points that were computed."""
    rng = np.random.default_rng(0)
    done: list[Values] = []
    spent = 0.0
    while spent < CALIBRATION_SECONDS and sum(len(values["reason"]) for values in done) < definition.n_points:
        first, last = layout.span(int(rng.integers(layout.n_chunks)))
        if device != "cuda":
            first = int(rng.integers(first, max(last - RUN, first) + 1))
            last = min(first + RUN, last)
        columns = definition.columns(first, last)
        if not done:
            compute_points(contents, compute, device, columns)  # compiles
        begin = time.perf_counter()
        done.append(compute_points(contents, compute, device, columns))
        spent += time.perf_counter() - begin
    values = {name: np.concatenate([part[name] for part in done]) for name in done[0]}
    return spent / len(values["reason"]), values


def _stored_bytes(values: np.ndarray) -> int:
    array = zarr.create_array(
        {}, shape=values.shape, chunks=values.shape, dtype=values.dtype, compressors=COMPRESSOR, zarr_format=2
    )
    array[...] = values
    return int(array.nbytes_stored())


def _peak_memory() -> int:
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
