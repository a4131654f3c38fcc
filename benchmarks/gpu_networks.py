"""Rows of whole networks on a GPU: a PGD step and a training step in each precision beside all forms of PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.kernels import Report, ask_of_fastest
from benchmarks.kernels_jobs import Sizes as NetworkSizes
from benchmarks.kernels_network import (
    ATTACK_MEASURE,
    LOSS,
    TRAINING_BOUND,
    TRAINING_MEASURE,
    attack_error,
    attack_problem,
    network_of,
    training_error,
    training_problem,
)
from benchmarks.results import Row
from benchmarks.timing import Side, compare
from deep_check.cpu.attack_network import AttackNetwork
from deep_check.cpu.training_network import TrainingNetwork
from deep_check.initial import initial_state

EXACT = "exact: our float32 kernels of the CPU"
PRECISIONS = ("float32", "tf32", "bf16")
JOBS = ("attack", "training")
# Each form of PyTorch: layout and form of `peers.torch_gpu`. Compiling takes minutes: it is measured by itself.
FORMS = {
    "torch nchw": ("nchw", "eager"),
    "torch channels_last": ("channels_last", "eager"),
    "torch graph nchw": ("nchw", "graph"),
    "torch graph channels_last": ("channels_last", "graph"),
    "torch max-autotune": ("channels_last", "compiled"),
}
COMPILED = ("torch max-autotune",)
ASKED = {"attack": 1.5, "training": 1.0}  # times the speed of the fastest of them
# Where factors have few bits ReLUs decide otherwise, and gradients move by the root of their share: 1.41 would be
# what unrelated gradients differ by.
BOUNDS = {
    "attack": {"float32": 1e-5, "tf32": 0.3, "bf16": 0.7},
    "training": {"float32": TRAINING_BOUND, "tf32": 0.3, "bf16": 0.7},
}


@dataclass(frozen=True)
class Sizes:
    """Images of an attack's batch and of a training batch; depth of the network, side of its images."""

    attack: int = 1000
    training: int = 512
    depth: int = 32
    size: int = 32

    def network(self) -> NetworkSizes:
        """As the other rows of whole networks have it."""
        return replace(NetworkSizes(), depth=self.depth, size=self.size)


QUICK = Sizes(attack=8, training=8, depth=8)


def measure(
    sizes: Sizes, job: str, precision: str, forms: Sequence[str], repeats: int, report: Report, target: str = "cuda"
) -> list[Row]:
    """Rows of one job of JOBS in one precision, ours beside the forms of PyTorch named; target: device of the peers."""
    names = {"attack": f"PGD step, {sizes.attack} images", "training": f"training step, {sizes.training} images"}
    title = f"{names[job]}, {precision}"
    report(title)
    problem, exact, error, measure_ = _problem(sizes, job)
    ours = Side("cuda", f"benchmarks.kernels_cuda:prepare_{job}", {"precision": precision})
    rows = compare(
        title, problem, [ours], [peer(job, form, precision, target) for form in forms], repeats=repeats,
        bound=BOUNDS[job][precision], exact=exact, error=error, measure=measure_, calls=5, warm=1,
    )  # fmt: skip
    return ask_of_fastest([replace(row, device="cuda") for row in rows], ASKED[job])


def peer(job: str, form: str, precision: str, device: str) -> Side:
    """A form of PyTorch as a side."""
    layout, how = FORMS[form]
    options = {"layout": layout, "form": how, "precision": precision, "device": device}
    return Side(form, f"benchmarks.peers.torch_gpu:prepare_{job}", options)


def _problem(
    sizes: Sizes, job: str
) -> tuple[dict[str, Any], Mapping[str, NDArray], Callable[[Mapping[str, NDArray], Mapping[str, NDArray]], float], str]:
    """The problem; what comes out by our kernels of the CPU (float64 would take minutes of a GPU's time); the error."""
    given = sizes.network()
    state = initial_state(given.architecture, 0)
    if job == "attack":
        problem = attack_problem(given, sizes.attack, state)
        network = AttackNetwork(*network_of(problem), problem["mean"], problem["std"])
        checked = problem["checked"]
        _, gradient, logits = network.input_gradient(problem["images"][checked], problem["labels"][checked], LOSS)
        return problem, {"gradient": gradient, "logits": logits}, attack_error, f"{ATTACK_MEASURE}; {EXACT}"
    problem = training_problem(given, sizes.training, state)
    trained = TrainingNetwork(*network_of(problem), problem["mean"], problem["std"])
    loss, _, _ = trained.loss_and_gradients(problem["images"], problem["labels"], LOSS)
    exact = {"gradients": trained.gradients.copy(), "loss": np.array(loss)}
    return problem, exact, training_error, f"{TRAINING_MEASURE}; {EXACT}"
