"""What a sweep will store, by its definition alone: variables, coordinates, chunks; and which points cannot run."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from theory_sim.configuration import Configuration
from theory_sim.errors import InputError
from theory_sim.sweep.definition import Recording, SweepDefinition
from theory_sim.sweep.layout import Layout
from theory_sim.sweep.points import record_shares
from theory_sim.sweep.schema import CLAIM, CLAIMS, FREQUENCY, RECORD, VERSION, VERSIONS, Variable, variables
from theory_sim.sweep.store import Coordinate
from theory_sim.sweep.validity import REASONS, invalid

CHUNK_SECONDS = 1.5  # of one core: what Ctrl-C waits for, and what a killed process loses
MOST_POINTS, MOST_BYTES = 4096, 2**25  # of one chunk
MOST_CHUNKS = 1024  # beyond it chunks grow instead, up to MOST_POINTS: every chunk is a file of each variable
# Rough costs of a unit: drawing one of its weights, one of its training steps (ReLU's are integrated by events).
WEIGHT_SECONDS, SMOOTH_STEP_SECONDS, RELU_STEP_SECONDS = 4e-9, 5e-8, 2e-9


@dataclass(frozen=True)
class Contents:
    """What is stored of each point. attack: whether any is attacked; n_frequency: bins of a spectrum, 0 for none."""

    recording: Recording
    attack: bool
    n_frequency: int

    @classmethod
    def of(cls, definition: SweepDefinition) -> Contents:
        """What the definition asks for."""
        attack = set(definition.values("attack").tolist()) != {"fgm"}
        n_frequency = _n_frequency(definition) if definition.recording.spectra != "none" else 0
        return cls(definition.recording, attack, n_frequency)

    @property
    def variables(self) -> list[Variable]:
        """All variables, in the order of the schema."""
        return variables(self.recording.spectra, self.attack, REASONS)

    @property
    def sizes(self) -> dict[str, int]:
        """Sizes of the dimensions beyond the swept ones."""
        return {
            RECORD: self.recording.size,
            CLAIM: len(CLAIMS),
            VERSION: len(VERSIONS),
            FREQUENCY: self.n_frequency,
        }

    @property
    def point_bytes(self) -> int:
        """Bytes of a point, not compressed."""
        return sum(values.nbytes for values in self.empty(1).values())

    def empty(self, n_points: int) -> dict[str, NDArray]:
        """All variables of `n_points` points without a result."""
        sizes = self.sizes
        shapes = {v.name: (n_points, *(sizes[dim] for dim in v.dims)) for v in self.variables}
        return {v.name: np.full(shapes[v.name], v.missing, v.dtype) for v in self.variables}


def layout_of(definition: SweepDefinition, contents: Contents, device: str = "cpu") -> Layout:
    """Chunks of a sweep, the same on every machine; on `cuda` they are as large as they may be."""
    most = min(MOST_POINTS, max(MOST_BYTES // contents.point_bytes, 1))
    if device != "cuda":
        timely = max(CHUNK_SECONDS / _nominal_seconds(definition), definition.n_points / MOST_CHUNKS)
        most = min(most, max(int(timely), 1))
    return Layout.of(definition.shape, most)


def coordinates_of(definition: SweepDefinition, contents: Contents) -> dict[str, Coordinate]:
    """Every coordinate by its name."""
    meaning = {f.name: f.metadata["doc"] for f in fields(Configuration)}
    found: dict[str, Coordinate] = {}
    for dimension in definition.dimensions:
        if dimension.name not in dimension.columns:
            found[dimension.name] = Coordinate(dimension.name, np.arange(dimension.size), "number of the drawn point")
        for name, values in dimension.columns.items():
            found[name] = Coordinate(dimension.name, values, meaning[name])
    steps = definition.recording.steps
    if isinstance(steps, tuple):
        found[RECORD] = Coordinate(RECORD, np.array(steps), "training step of each record")
    else:
        found[RECORD] = Coordinate(RECORD, record_shares(steps), "share of the training steps done at each record")
    found[CLAIM] = Coordinate(CLAIM, np.array(CLAIMS), "claim of the paper")
    found[VERSION] = Coordinate(VERSION, np.array(VERSIONS), "statement as printed, or as corrected")
    if contents.n_frequency:
        found[FREQUENCY] = Coordinate(FREQUENCY, np.arange(contents.n_frequency), "bin of the half spectrum")
    return found


def _n_frequency(definition: SweepDefinition) -> int:
    """Bins of the longest spectrum of any point."""
    full = set(definition.values("transform").tolist()) != {"dft"}
    sources = set(definition.values("source").tolist())
    found = [0]
    if sources != {"tiles"}:
        found += [size if full else size // 2 + 1 for size in definition.values("dim").tolist()]
    if "tiles" in sources:
        found += [size * (size if full else size // 2 + 1) for size in definition.values("tile_size").tolist()]
    return max(found)


def _nominal_seconds(definition: SweepDefinition) -> float:
    """Mean cost of a point on a common core, roughly."""
    chosen = np.unique(np.linspace(0, definition.n_points - 1, 64).astype(np.int64))
    total = 0.0
    for point in map(int, chosen):
        one = {key: values[0] for key, values in definition.columns(point, point + 1).items()}
        dim = int(one["tile_size"]) ** 2 if one["source"] == "tiles" else int(one["dim"])
        step = RELU_STEP_SECONDS if one["activation"] == "relu" else SMOOTH_STEP_SECONDS
        total += int(one["width"]) * (dim * WEIGHT_SECONDS + int(one["n_steps"]) * step)
    return total / len(chosen)


@dataclass(frozen=True)
class Survey:
    """Which points cannot be run. by_reason: word of validity.REASONS -> number of points; examples: one line each."""

    n_points: int
    by_reason: dict[str, int]
    examples: list[str]

    @property
    def n_invalid(self) -> int:
        """Points that cannot be run."""
        return sum(self.by_reason.values())

    def require_valid(self) -> None:
        """Raise InputError with examples if any point cannot be run."""
        if self.n_invalid:
            raise InputError(
                f"{self.n_invalid:,} of {self.n_points:,} points cannot be run: {'; '.join(self.examples)} "
                "(--skip-invalid leaves them out)"
            )


def survey(definition: SweepDefinition) -> Survey:
    """Count what cannot be run, before anything is; an example for each of the first three reasons."""
    found = invalid(definition)
    by_reason = {row.reason: row.n_points for row in found}
    return Survey(definition.n_points, by_reason, [row.message for row in found[:3]])
