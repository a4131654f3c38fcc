"""The sweep's CUDA engine: networks a second, beside the CPU engine on all cores and what its arithmetic needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.kernels import Report
from benchmarks.results import Row
from benchmarks.timing import Side, compare

BOUND = 1e-10  # of τ, the output, and what else is compared
COMPARED = ("tau", "output_start", "residual_along")
# Float64 instructions: of a normal (logarithm, root, sine and cosine of a pair, halved; the integer work beside them
# is not counted), and of its product with the input.
OF_A_NORMAL = 31
ACTIVATIONS = ("relu", "softplus")


@dataclass(frozen=True)
class Sizes:
    """Dimension, width, steps; networks of a turn on each device (ReLU; a smooth one takes a share of them)."""

    dim: int = 1025
    width: int = 512
    n_steps: int = 1000
    networks: int = 8192
    on_cpu: int = 256
    smooth_share: float = 1 / 16


QUICK = Sizes(dim=17, width=8, n_steps=10, networks=12, on_cpu=6, smooth_share=0.5)


def instructions(sizes: Sizes, activation: str) -> float:
    """Float64 multiply-adds or other instructions that one network takes at the least.

    Every weight is drawn, and multiplied with the input; for a smooth activation also with a' at every step.
    """
    steps = 0 if activation == "relu" else sizes.n_steps
    return float(sizes.width * sizes.dim * (OF_A_NORMAL + 1 + steps))


def networks_of(sizes: Sizes, activation: str) -> tuple[int, int]:
    """Networks of a turn on the GPU, and on the CPU."""
    share = 1.0 if activation == "relu" else sizes.smooth_share
    return max(round(share * sizes.networks), 2), max(round(share * sizes.on_cpu), 2)


def problem_of(sizes: Sizes, activation: str) -> dict[str, Any]:
    """What to train; a setting is one network, by its seed."""
    n = networks_of(sizes, activation)[0]
    shape = {name: np.array(getattr(sizes, name)) for name in ("dim", "width", "n_steps")}
    return {**shape, "activation": np.array(activation), "learning_rates": np.zeros(n), "labels": np.zeros(n)}


def prepare(problem: Mapping[str, NDArray], threads: int, device: str) -> Callable[[], dict[str, NDArray]]:
    """All networks of the problem drawn, trained, measured and judged, as `python -m theory_sim sweep` does it."""
    from theory_sim.sweep.definition import parse_sweep
    from theory_sim.sweep.engine import compute

    n, dim = len(problem["labels"]), int(problem["dim"])
    definition = parse_sweep(
        {
            "run": {"dim": dim, "width": int(problem["width"]), "cutoff": dim // 8, "n_steps": int(problem["n_steps"]),
                    "activation": str(problem["activation"])},
            "grid": {"seed": {"replicates": n}},
            "record": {"steps": 2},
        }
    )  # fmt: skip
    parts = np.linspace(0, n, (threads if device == "cpu" else 1) + 1).astype(int)
    columns = [definition.columns(int(a), int(b)) for a, b in pairwise(parts) if b > a]
    pool = ThreadPoolExecutor(len(columns))

    def run() -> dict[str, NDArray]:
        found = list(pool.map(lambda own: compute(own, definition.recording, dim // 2 + 1, device=device), columns))
        return {name: np.concatenate([part[name] for part in found]) for name in COMPARED}

    return run


def measure(sizes: Sizes, repeats: int, report: Report, instruction_rate: float | None) -> tuple[list[Row], list[dict]]:
    """Rows, and for each activation networks a second on both devices beside the floor of the arithmetic.

    instruction_rate: float64 instructions a second of the GPU, None: unknown.
    """
    rows: list[Row] = []
    rates: list[dict[str, Any]] = []
    for activation in ACTIVATIONS:
        title = f"sweep, {activation} d={sizes.dim} m={sizes.width} steps={sizes.n_steps}"
        report(title)
        here, there = networks_of(sizes, activation)
        ours = Side("cuda engine", "benchmarks.gpu_sweep:prepare", {"device": "cuda"}, settings=here)
        cpu = Side("cpu engine", "benchmarks.gpu_sweep:prepare", {"device": "cpu"}, settings=there)
        found = compare(title, problem_of(sizes, activation), [ours], [cpu], repeats=repeats, bound=BOUND)
        rows += [replace(row, device="cuda") for row in found]
        for row in found:
            if row.ours_s is None or row.peer_s is None:
                continue
            least = None if instruction_rate is None else instructions(sizes, activation) / instruction_rate
            rates.append(
                {"job": title, "networks_per_s": 1 / row.ours_s, "cpu_networks_per_s": 1 / row.peer_s,
                 "floor_s": least, "floor_share": None if least is None else least / row.ours_s}
            )  # fmt: skip
    return rows, rates
