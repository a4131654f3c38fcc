"""A stand-in for the engine whose numbers follow from a point's own columns, and a process that sweeps with it."""

from __future__ import annotations

import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from theory_sim.errors import InputError
from theory_sim.progress import Watch
from theory_sim.sweep import plan
from theory_sim.sweep.definition import Recording, SweepDefinition, parse_sweep
from theory_sim.sweep.execution import local, run
from theory_sim.sweep.plan import Contents

GRID: dict[str, Any] = {
    "run": {"dim": 33, "cutoff": 4, "width": 8, "n_steps": 20},
    "grid": {"alpha": [1.0, 1.5, 2.0], "activation": ["relu", "softplus"], "seed": {"replicates": 8, "first": 3}},
    "record": {"steps": 5},
}
SAMPLED: dict[str, Any] = {
    "run": {"dim": 33, "cutoff": 4, "width": 8},
    "grid": {"n_steps": [10, 20], "attack": ["fgm", "fgsm"]},
    "sample": {
        "n": 32,
        "weight_scale": {"loguniform": [0.1, 10.0]},
        "outer_law": {"choice": ["signs", "gaussian"]},
    },
    "record": {"steps": [0, 10, 20], "spectra": "complex"},
}
SMOOTH: dict[str, Any] = {  # for the engine itself; with dct it also draws by NumPy
    "run": {"dim": 33, "cutoff": 4, "width": 24, "n_steps": 60, "activation": "softplus"},
    "grid": {"transform": ["dft", "dct"], "relative_rate": [0.1, 1.0], "seed": {"replicates": 5}},
    "record": {"steps": 3, "spectra": "complex"},
}
INVALID: dict[str, Any] = {
    "run": {"width": 8, "n_steps": 20},
    "grid": {"dim": [9, 17, 33], "cutoff": [2.0, 6.0, 12.0], "seed": {"replicates": 3}},
    "record": {"steps": 3},
}


def compute(
    columns: dict[str, NDArray],
    recording: Recording,
    n_frequency: int,
    *,
    attack: bool = False,
    device: str = "cpu",
    seconds: float = 0.0,
) -> dict[str, NDArray]:
    """Numbers in the place of results, `seconds` of work a point; where their sine is large, NaNs of either sign."""
    n = len(columns["seed"])
    time.sleep(seconds * n)
    point = columns["alpha"] + 7 * columns["seed"] + columns["dim"] + columns["weight_scale"] + columns["n_steps"] / 9
    point = point + np.array([len(word) for word in columns["activation"]], float) + columns["cutoff"]
    out = Contents(recording, attack, n_frequency).empty(n)
    for k, (name, values) in enumerate(out.items()):
        shape = (n, *(1,) * (values.ndim - 1))
        inner = np.arange(values[0].size, dtype=float).reshape(values.shape[1:])
        sine = np.sin(point.reshape(shape) * (k + 1) + inner)
        if values.dtype.kind == "i":
            values[...] = np.floor(2 * np.abs(sine))
        else:
            values[...] = np.where(sine > 0.95, np.copysign(np.nan, np.cos(40 * sine)), sine)
        if values.dtype.kind == "c":
            values.imag = np.cos(sine)
        if name == "reason":
            values[...] = 0
    return out


def bits(path: Path) -> dict[str, bytes]:
    """Every file of a store."""
    return {str(file.relative_to(path)): file.read_bytes() for file in sorted(path.rglob("*")) if file.is_file()}


class Recorder(Watch):
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.updates: list[tuple[str, int, int]] = []

    def update(self, what: str, done: int, total: int) -> None:
        self.updates.append((what, done, total))

    def note(self, line: str) -> None:
        self.notes.append(line)


def sweep(
    path: Path, document: dict[str, Any] = GRID, workers: int = 2, seconds: float = 0.0, watch: Watch | None = None
) -> None:
    """The sweep of a document by the stand-in."""
    definition: SweepDefinition = parse_sweep(document)
    run(definition, path, watch or Watch(), start=local(workers), compute=partial(compute, seconds=seconds))


def main() -> int:
    """python -m tests.sweep.fakes STORE SECONDS CHUNK: exit codes and stderr as those of the command."""
    plan.MOST_POINTS = int(sys.argv[3])

    class Lines(Watch):
        def update(self, what: str, done: int, total: int) -> None:
            print(what, done, total, flush=True)

        def note(self, line: str) -> None:
            print("note:", line, file=sys.stderr, flush=True)

    try:
        sweep(Path(sys.argv[1]), seconds=float(sys.argv[2]), watch=Lines())
    except InputError as error:
        print("error:", error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
