"""The sweep's jobs: many settings of one network, data-set training, drawing; ours on all cores, peers on all cores."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from benchmarks.results import Row, n_cores
from benchmarks.timing import Side, compare
from theory_sim.descent.dataset_numba import GramRecursion
from theory_sim.hartley import coefficients
from theory_sim.inputs.power_law import power_law_signal
from theory_sim.network import Activation, Network, sample_network
from theory_sim.spectrum import Band
from theory_sim.sweep.engine.given import GivenNetwork, train_settings
from theory_sim.sweep.engine.group import draw_rows, project

BOUND = 1e-10  # agreement asked of every row but drawing, of the largest value over the run


@dataclass(frozen=True)
class Sizes:
    """Dimension d, width m and steps; settings of ours in a turn (the peers do one on each core)."""

    dim: int = 1025
    width: int = 512
    n_steps: int = 1000
    settings: int = 200
    samples: tuple[int, ...] = (1, 8, 32, 128)

    def training_steps(self, n_samples: int) -> int:
        """Steps of data-set training: fewer where a step of the plain loop takes long."""
        return max(min(self.n_steps, 16 * self.n_steps // n_samples), 1)


QUICK = Sizes(dim=33, width=16, n_steps=50, settings=6, samples=(1, 4))


@dataclass(frozen=True)
class Trajectories:
    """A job on many settings of one network. asked: speed-up promised against each peer."""

    name: str
    activation: str
    spectra: bool
    asked: Mapping[str, float]
    low_rank: bool = True
    share: float = 1.0  # of `Sizes.settings`


TRAJECTORIES = (
    Trajectories("ReLU, band scalars", "relu", False, {"torch": 5000, "jax": 1500}),
    Trajectories("ReLU, all spectra", "relu", True, {"torch": 2000, "jax": 500}, share=0.5),
    Trajectories("softplus, band scalars", "softplus", False, {"torch": 200, "jax": 80}),
    Trajectories("softplus, all spectra", "softplus", True, {"torch": 120, "jax": 40}, share=0.5),
    Trajectories("softplus, matrix product", "softplus", True, {"torch": 30, "jax": 10}, low_rank=False, share=0.1),
)
# Peers by the name of the package they need; `torch manual` is the fastest eager form, `torch` the usual one.
TRAJECTORY_PEERS = {
    "numpy": {"numpy": "numpy_sweep"},
    "torch": {"torch": "torch_sweep", "torch manual": "torch_manual_sweep"},
    "jax": {"jax": "jax_sweep"},
}


def trajectory_problem(sizes: Sizes, job: Trajectories) -> dict[str, Any]:
    """One network (weights, outer, x as in `theory.trajectory_problem`) and the settings to train it with.

    learning_rates, labels (n,): far below the edge of stability, labels far enough for units to die; bin_weights
    (d//2 + 1,): of a two-sided sum; spectra: record power per bin, not only the bands' energies.
    """
    rng = np.random.default_rng(0)
    network = sample_network(sizes.dim, sizes.width, Activation(job.activation), rng, outer_law="scaled_signs")
    x = power_law_signal(sizes.dim, 1.0, 1.0, rng)
    cores = n_cores()
    n = max(round(job.share * sizes.settings) // cores, 1) * cores
    return {
        "weights": network.weights,
        "outer": network.outer,
        "x": x / np.linalg.norm(x),
        "learning_rates": rng.uniform(0.005, 0.02, n),
        "labels": rng.uniform(5.0, 10.0, n) * rng.choice([-1.0, 1.0], n),
        "n_steps": sizes.n_steps,
        "cutoff": sizes.dim // 8,
        "bin_weights": Band((sizes.dim,), sizes.dim // 8).weights,
        "activation": job.activation,
        "spectra": job.spectra,
    }


def training_problem(sizes: Sizes, n_samples: int) -> dict[str, Any]:
    """Softplus on n samples: weights, outer, inputs (n, d), targets ±1 (n,), learning rates; labels are not used."""
    rng = np.random.default_rng(1)
    network = sample_network(sizes.dim, sizes.width, Activation("softplus"), rng, outer_law="scaled_signs")
    inputs = np.stack([power_law_signal(sizes.dim, 1.0, 1.0, rng) for _ in range(n_samples)])
    n = max(sizes.settings // n_samples, n_cores())
    return {
        "weights": network.weights,
        "outer": network.outer,
        "inputs": inputs / np.linalg.norm(inputs, axis=1, keepdims=True),
        "targets": rng.choice([-1.0, 1.0], n_samples),
        "learning_rates": rng.uniform(0.2, 0.5, n),
        "labels": np.zeros(n),
        "n_steps": sizes.training_steps(n_samples),
    }


def drawing_problem(sizes: Sizes) -> dict[str, Any]:
    """An input of norm 1 and the width; a setting is one network to be drawn."""
    x = power_law_signal(sizes.dim, 1.0, 1.0, np.random.default_rng(2))
    n = max(sizes.settings // 5, 20)
    return {"x": x / np.linalg.norm(x), "width": sizes.width, "learning_rates": np.zeros(n), "labels": np.zeros(n)}


def prepare_trajectories(
    problem: dict[str, NDArray], threads: int, low_rank: bool = True
) -> Callable[[], dict[str, NDArray]]:
    """Our side of the trajectories: the sweep's engine on a given network, settings shared out among `threads`.

    Projections of the network (coefficients of W and x, W x) are made here, as the network is given. Scalars of all
    settings are kept; spectra fill one buffer a thread, as in a sweep that writes a chunk and goes on. The settings run
    backwards, so that what remains there are the first ones, which the peers run. low_rank False takes the matrix
    product that the engine falls back to.
    """
    network = Network(problem["weights"], problem["outer"], Activation(str(problem["activation"])))
    given = GivenNetwork.of(network, problem["x"], Band((network.dim,), float(problem["cutoff"])))
    rates, labels = problem["learning_rates"][::-1].copy(), problem["labels"][::-1].copy()
    n, n_records = len(rates), int(problem["n_steps"]) + 1
    spectra = bool(problem["spectra"])
    scalars, ratio = np.empty((n, 3, n_records)), np.empty((n, n_records))
    power = np.empty((threads, n_records, network.dim // 2 + 1) if spectra else (threads, 0, 0))
    hold_blas()

    def run() -> dict[str, NDArray]:
        train_settings(given, rates, labels, scalars, power, low_rank=low_rank, n_threads=threads)
        output, low, high = scalars.swapaxes(0, 1)
        np.divide(low, low + high, out=ratio)
        arrays = {"output": output, "low_frequency_ratio": ratio}
        arrays |= {"power": power} if spectra else {"low_energy": low, "high_energy": high}
        return {key: array[::-1][:threads] for key, array in arrays.items()}

    return run


def hold_blas() -> None:
    """One BLAS thread from now on: our threads work on settings, not on one product together."""
    import scipy.linalg  # noqa: F401 - Numba's products use SciPy's BLAS, which must be there to be held

    threadpool_limits(1)


def prepare_training(problem: dict[str, NDArray], threads: int) -> Callable[[], dict[str, NDArray]]:
    """Our side of data-set training: the compiled Gram form, settings shared out among `threads`.

    As on the peers' side the network is given, and with it its products with the samples.
    """
    inputs = problem["inputs"]
    start, gram = inputs @ problem["weights"].T, inputs @ inputs.T
    n_records = int(problem["n_steps"]) + 1
    pool = ThreadPoolExecutor(threads)
    hold_blas()

    def train(rate: float) -> NDArray:
        targets, activation = problem["targets"], Activation("softplus")
        return GramRecursion(start, gram, problem["outer"], activation, targets, rate).advance(n_records)[0]

    return lambda: {"output": np.stack(list(pool.map(train, problem["learning_rates"])))}


def prepare_drawing(problem: dict[str, NDArray], threads: int) -> Callable[[], dict[str, NDArray]]:
    """Our side of drawing: W as coefficients by the counter-based generator, and its products with the input."""
    x, width, n = coefficients(problem["x"], problem["x"].shape), int(problem["width"]), len(problem["labels"])
    starts = np.empty((n, width))
    pool = ThreadPoolExecutor(threads)

    def draw(thread: int) -> NDArray:
        weights = np.empty((width, x.size))
        for seed in range(thread, n, threads):
            draw_rows(seed, 1.0, weights)
            project(weights, x, starts[seed])
        return weights

    return lambda: {"weights": next(iter(pool.map(draw, range(threads)))), "starts": starts}


def moments(drawn: dict[str, NDArray]) -> dict[str, NDArray]:
    """Second and fourth moment of the weights and second of the products: 1, 3 and ‖x‖² = 1 but for their spread."""
    weights, starts = drawn["weights"], drawn["starts"]
    return {"moments": np.array([np.mean(weights**2), np.mean(weights**4), np.mean(starts**2)])}


def moments_bound(sizes: Sizes) -> float:
    """Six standard deviations of the least certain of `moments`, the fourth, of one network, as a share of it."""
    return 6 * float(np.sqrt(96 / (sizes.dim * sizes.width))) / 3


def measure(sizes: Sizes, peers: Sequence[str], repeats: int, report: Callable[[str], None]) -> list[Row]:
    """All rows of the sweep benchmark; `report` is told each job before it starts. peers: keys of TRAJECTORY_PEERS."""
    rows: list[Row] = []
    if not peers:
        return rows
    size = f"d={sizes.dim} m={sizes.width}"
    for job in TRAJECTORIES:
        problem = trajectory_problem(sizes, job)
        ours = _ours("given", "prepare_trajectories", problem, low_rank=job.low_rank)
        theirs = {label: file for peer in peers for label, file in TRAJECTORY_PEERS[peer].items()}
        title = f"{job.name} {size} steps={sizes.n_steps}"
        rows += _compare(title, problem, ours, theirs, job.asked, repeats, report)
    for n_samples in sizes.samples:
        problem = training_problem(sizes, n_samples)
        asked = dict.fromkeys(("numpy", "torch"), 0.5 * sizes.dim / n_samples)
        title = f"data set softplus n={n_samples} {size} steps={problem['n_steps']}"
        theirs = {peer: f"{peer}_training" for peer in peers}
        rows += _compare(title, problem, _ours("numba", "prepare_training", problem), theirs, asked, repeats, report)
    problem = drawing_problem(sizes)
    title = f"drawing W and W x {size}"
    report(title)
    n = len(problem["labels"])
    ours = Side("counter", "benchmarks.sweep:prepare_drawing", settings=n)
    drawing = [
        Side(peer, f"benchmarks.peers.{peer}_drawing:prepare", settings=n, processes=n_cores()) for peer in peers
    ]
    bound = moments_bound(sizes)
    return rows + compare(title, problem, [ours], drawing, repeats=repeats, bound=bound, compared=moments)


def _ours(name: str, function: str, problem: Mapping[str, Any], **options: Any) -> Side:
    return Side(name, f"benchmarks.sweep:{function}", options, settings=len(problem["learning_rates"]))


def _compare(
    job: str,
    problem: dict[str, Any],
    ours: Side,
    peers: Mapping[str, str],
    asked: Mapping[str, float],
    repeats: int,
    report: Callable[[str], None],
) -> list[Row]:
    """Rows of one job. peers: label -> file in `peers/`; each takes one process and one setting a core."""
    report(job)
    n = n_cores()
    theirs = [Side(label, f"benchmarks.peers.{file}:prepare", settings=n, processes=n) for label, file in peers.items()]
    rows = compare(job, problem, [ours], theirs, repeats=repeats, bound=BOUND)
    return [replace(row, asked=asked.get(row.peer)) for row in rows]
