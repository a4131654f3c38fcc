"""The theory's jobs: one trajectory with all its spectra, and data-set training; ours and the peers to compare with."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.results import Row
from benchmarks.timing import Side, compare
from theory_sim.descent import DatasetTraining, run, run_dataset
from theory_sim.errors import InputError
from theory_sim.inputs.power_law import power_law_signal
from theory_sim.network import Activation, Network, sample_network
from theory_sim.spectrum import Band, ratio, transform
from theory_sim.training import Training

BOUND = 1e-10  # agreement asked of every row, of max|ĝ| over the run
ENGINES = {"relu": ("reference", "collapsed", "numba", "events"), "softplus": ("reference", "collapsed", "numba")}

TRAJECTORY_PEERS = {
    "numpy": Side("numpy", "benchmarks.peers.numpy_trajectory:prepare"),
    "torch": Side("torch", "benchmarks.peers.torch_trajectory:prepare"),
    "jax": Side("jax", "benchmarks.peers.jax_trajectory:prepare"),
}
DATASET_PEERS = {"numpy": Side("numpy", "benchmarks.peers.numpy_dataset:prepare")}


@dataclass(frozen=True)
class Sizes:
    """Dimension d, width m, steps, samples n and probes (points whose spectrum is recorded) of the data-set job."""

    dim: int = 1025
    width: int = 512
    n_steps: int = 1000
    n_samples: int = 32
    n_probes: int = 4


QUICK = Sizes(dim=33, width=16, n_steps=50, n_samples=4, n_probes=2)


def trajectory_problem(sizes: Sizes, activation: str) -> dict[str, NDArray]:
    """Arrays of one training run: weights (m, d), outer (m,), x (d,), and scalars; float64, the same at every call.

    ‖x‖ = 1 and the learning rate is far below the edge of stability; the label is far enough for units to die.
    """
    rng = np.random.default_rng(0)
    network = sample_network(sizes.dim, sizes.width, Activation(activation), rng, outer_law="scaled_signs")
    x = power_law_signal(sizes.dim, 1.0, 1.0, rng)
    return {
        "weights": network.weights,
        "outer": network.outer,
        "x": x / np.linalg.norm(x),
        "label": np.array(10.0),
        "learning_rate": np.array(0.02),
        "n_steps": np.array(sizes.n_steps),
        "cutoff": np.array(sizes.dim // 8),
        "activation": np.array(activation),
    }


def dataset_problem(sizes: Sizes) -> dict[str, NDArray]:
    """Arrays of one Softplus data-set run: weights, outer, inputs (n, d), labels ±1 (n,), probes (k, d), scalars."""
    rng = np.random.default_rng(1)
    network = sample_network(sizes.dim, sizes.width, Activation("softplus"), rng, outer_law="scaled_signs")
    inputs = np.stack([power_law_signal(sizes.dim, 1.0, 1.0, rng) for _ in range(sizes.n_samples)])
    inputs /= np.linalg.norm(inputs, axis=1, keepdims=True)
    return {
        "weights": network.weights,
        "outer": network.outer,
        "inputs": inputs,
        "labels": rng.choice([-1.0, 1.0], sizes.n_samples),
        "probes": inputs[: sizes.n_probes],
        "learning_rate": np.array(0.5),
        "n_steps": np.array(sizes.n_steps),
    }


def prepare_trajectory(problem: dict[str, NDArray], threads: int, engine: str) -> Callable[[], dict[str, NDArray]]:
    """Our side of the trajectory job: one engine, then all half spectra and τ."""
    activation = Activation(str(problem["activation"]))
    network = Network(problem["weights"], problem["outer"], activation)
    rate, n_steps = float(problem["learning_rate"]), int(problem["n_steps"])
    training = Training(network, problem["x"], float(problem["label"]), rate, n_steps)
    band = Band((network.dim,), float(problem["cutoff"]))

    def run_once() -> dict[str, NDArray]:
        spectrum = band.transform(run(training, engine).input_gradient)
        return {"gradient_spectrum": spectrum, "low_frequency_ratio": ratio(*band.energies(spectrum))}

    return run_once


def prepare_dataset(problem: dict[str, NDArray], threads: int, engine: str) -> Callable[[], dict[str, NDArray]]:
    """Our side of the data-set job: `engine` of `run_dataset`, then the probes' half spectra."""
    network = Network(problem["weights"], problem["outer"], Activation("softplus"))
    rate, n_steps = float(problem["learning_rate"]), int(problem["n_steps"])
    training = DatasetTraining(network, problem["inputs"], problem["labels"], rate, n_steps, problem["probes"])

    def run_once() -> dict[str, NDArray]:
        return {"gradient_spectrum": transform(run_dataset(training, engine).input_gradient, (network.dim,))}

    return run_once


def choose_peers(names: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Peers of `names` that are installed, and the others with the reason. Raises InputError on an unknown name."""
    unknown = [name for name in names if name not in TRAJECTORY_PEERS]
    if unknown or not names:
        raise InputError(f"peer {', '.join(unknown) or 'none'}: allowed are {', '.join(TRAJECTORY_PEERS)}")
    skipped = {
        name: f"{name} is not installed (extra 'bench')" for name in names if importlib.util.find_spec(name) is None
    }
    return [name for name in dict.fromkeys(names) if name not in skipped], skipped


def measure(sizes: Sizes, peers: Sequence[str], repeats: int, report: Callable[[str], None]) -> list[Row]:
    """All rows of the theory benchmark; `report` is told each job before it starts."""
    rows: list[Row] = []
    if not peers:
        return rows
    size = f"d={sizes.dim} m={sizes.width} steps={sizes.n_steps}"
    for activation, engines in ENGINES.items():
        job = f"trajectory {activation} {size}"
        report(job)
        ours = [Side(engine, "benchmarks.theory:prepare_trajectory", {"engine": engine}) for engine in engines]
        theirs = [TRAJECTORY_PEERS[name] for name in peers]
        rows += compare(job, trajectory_problem(sizes, activation), ours, theirs, repeats=repeats, bound=BOUND)
    theirs = [DATASET_PEERS[name] for name in peers if name in DATASET_PEERS]
    if theirs:
        job = f"data set softplus n={sizes.n_samples} {size}"
        report(job)
        engines = ("collapsed", "numba")
        ours = [Side(engine, "benchmarks.theory:prepare_dataset", {"engine": engine}) for engine in engines]
        rows += compare(job, dataset_problem(sizes), ours, theirs, repeats=repeats, bound=BOUND)
    return rows
