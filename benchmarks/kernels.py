"""The benchmark of `deep_check`: every operation of a ResNet-32 and its whole networks beside PyTorch."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from numpy.typing import NDArray

from benchmarks.kernels_jobs import Operation, Problem, Sizes, operations
from benchmarks.kernels_network import (
    ATTACK_BOUND,
    ATTACK_MEASURE,
    TRAINING_BOUND,
    TRAINING_MEASURE,
    attack_error,
    attack_exact,
    attack_operations,
    attack_problem,
    network_state,
    training_error,
    training_exact,
    training_operations,
    training_problem,
)
from benchmarks.results import Row
from benchmarks.timing import Side, compare
from deep_check.initial import initial_state
from theory_sim.errors import InputError, require

DEVICES = ("auto", "cpu", "cuda")
OURS = {"cpu": "numba", "cuda": "cuda"}
EAGER_ASKED, COMPILED_ASKED, TRAINING_ASKED = 1 / 0.45, 1 / 0.5, 1 / 0.85  # times the speed of the peer's best form
COMPILED = {"cpu": "default", "cuda": "max-autotune"}  # mode of torch.compile
WARM = 1  # calls of a turn that nobody times: caches and threads wake up after the pause

Report = Callable[[str], None]
Compare = Callable[..., list[Row]]


@dataclass(frozen=True)
class Cost:
    """What a job is at the least: floating-point operations (None: not what it is about), bytes (None: not counted)."""

    operations: float | None
    bytes: float | None


def choose_device(asked: str) -> str:
    """The device that runs the benchmark: cpu or cuda. Raises InputError on another name, and without a GPU on cuda."""
    require(asked in DEVICES, f"--device {asked}: allowed are {', '.join(DEVICES)}")
    if asked == "cpu":
        return asked
    from deep_check.cuda.device import cuda_device

    try:
        cuda_device()
    except InputError:
        if asked == "cuda":
            raise
        return "cpu"
    return "cuda"


def choose_peers(names: Sequence[str], device: str) -> tuple[list[str], dict[str, str]]:
    """Peers of `names` that can run, "torch" and "torch compile", and the others with the reason.

    Raises InputError on an unknown name.
    """
    if [name for name in names if name != "torch"] or not names:
        raise InputError(f"peer {', '.join(names) or 'none'}: allowed is torch")
    if importlib.util.find_spec("torch") is None:
        return [], {"torch": "torch is not installed (extra 'bench')"}
    compiler = os.environ.get("CXX", "g++")
    if device == "cpu" and shutil.which(compiler) is None:
        return ["torch"], {"torch compile": f"torch.compile needs a C++ compiler, {compiler} is not there"}
    return ["torch", "torch compile"], {}


def measure(
    sizes: Sizes, device: str, peers: Sequence[str], repeats: int, report: Report, only: str = ""
) -> tuple[list[Row], dict[str, Cost], dict[str, Any]]:
    """All rows whose job has `only` in its name, the cost of each job, and what else the protocol says.

    report is told each job before it starts.
    """
    rows: list[Row] = []
    costs: dict[str, Cost] = {}
    for operation in operations(sizes):
        if only in operation.name:
            report(operation.name)
            costs[operation.name] = Cost(operation.operations, operation.bytes)
            rows += [replace(row, device=device) for row in _operation_rows(operation, sizes, device, peers, repeats)]
    state, weights = network_state(sizes.architecture)
    for job, cost, measured in _networks(sizes, state, device, peers, repeats):
        if only in job:
            report(job)
            costs[job] = cost
            rows += [replace(row, device=device) for row in measured()]
    require(bool(rows), f"--only {only}: no job has this in its name")
    return rows, costs, {"attacked_weights": weights}


def _operation_rows(operation: Operation, sizes: Sizes, device: str, peers: Sequence[str], repeats: int) -> list[Row]:
    problem = operation.problem()
    ours = [Side(OURS[device], f"benchmarks.kernels_{device}:prepare", {"kind": operation.kind})]
    theirs = []
    if "torch" in peers:
        for layout in operation.layouts:
            options = {"kind": operation.kind, "layout": layout, "device": device}
            name = f"torch {layout}" if len(operation.layouts) > 1 else "torch"
            theirs.append(Side(name, "benchmarks.peers.torch_kernels:prepare", options))
    rows = compare(
        operation.name, problem, ours, theirs, repeats=repeats, bound=operation.bound, exact=operation.exact(problem),
        calls=operation.calls(sizes.turn_s), warm=WARM,
    )  # fmt: skip
    return ask_of_fastest(rows, operation.asked)


def ask_of_fastest(rows: list[Row], asked: float | None) -> list[Row]:
    """The rows, with `asked` in that of the fastest peer: the slower forms are only shown."""
    timed = [row for row in rows if row.peer_s is not None]
    if asked is None or not timed:
        return rows
    fastest = min(timed, key=lambda row: row.peer_s or 0.0)
    return [replace(row, asked=asked) if row is fastest else row for row in rows]


def _networks(
    sizes: Sizes, state: Mapping[str, NDArray], device: str, peers: Sequence[str], repeats: int
) -> Iterator[tuple[str, Cost, Callable[[], list[Row]]]]:
    """Job, cost, and what measures it."""
    architecture = sizes.architecture
    known: dict[int, dict[str, NDArray]] = {}  # exact results by the number of checked images: the images are the same

    def attack(job: str, n: int, peers: Sequence[str]) -> list[Row]:
        problem = attack_problem(sizes, n, state)
        checked = len(problem["checked"])
        if checked not in known:
            known[checked] = attack_exact(problem)
        sides = list(_torch("attack", device)) if "torch" in peers else []
        if "torch compile" in peers:
            options = {"layout": "channels_last", "compiled": COMPILED[device], "device": device}
            sides.append(Side("torch compile", "benchmarks.peers.torch_networks:prepare_attack", options))
        rows = compare(
            job, problem, [_ours("attack", device)], sides, repeats=repeats, bound=ATTACK_BOUND, exact=known[checked],
            error=attack_error, measure=ATTACK_MEASURE, warm=WARM,
        )  # fmt: skip
        eager = ask_of_fastest([row for row in rows if row.peer != "torch compile"], EAGER_ASKED)
        return eager + ask_of_fastest([row for row in rows if row.peer == "torch compile"], COMPILED_ASKED)

    def training(job: str, n: int) -> list[Row]:
        problem: Problem = training_problem(sizes, n, initial_state(architecture, 0))
        sides = list(_torch("training", device)) if "torch" in peers else []
        rows = compare(
            job, problem, [_ours("training", device)], sides, repeats=repeats, bound=TRAINING_BOUND,
            exact=training_exact(problem), error=training_error, measure=TRAINING_MEASURE, warm=WARM,
        )  # fmt: skip
        return ask_of_fastest(rows, TRAINING_ASKED)

    for n in sizes.attacks + sizes.attacks_alone:
        job = f"PGD step, {n} images"
        chosen = [] if n in sizes.attacks_alone else peers
        cost = Cost(n * attack_operations(architecture), None)
        yield job, cost, partial(attack, job, n, chosen)
    for n in sizes.trainings:
        job = f"training step, {n} images"
        yield job, Cost(n * training_operations(architecture), None), partial(training, job, n)


def _ours(what: str, device: str) -> Side:
    module = "kernels_network" if device == "cpu" else "kernels_cuda"
    return Side(OURS[device], f"benchmarks.{module}:prepare_{what}")


def _torch(what: str, device: str) -> Iterator[Side]:
    for layout in ("nchw", "channels_last"):
        options = {"layout": layout, "device": device}
        yield Side(f"torch {layout}", f"benchmarks.peers.torch_networks:prepare_{what}", options)


def memory_lines(rows: Sequence[Row]) -> Iterator[str]:
    """By how much memory grew in whole networks, for people."""
    for job in dict.fromkeys(row.job for row in rows if "step, " in row.job and "images" in row.job):
        own = [row for row in rows if row.job == job]
        found = {row.ours: row.ours_memory for row in own} | {row.peer: row.peer_memory for row in own if row.peer}
        parts = [f"{side} {memory / 2**20:,.0f} MiB" for side, memory in found.items() if memory is not None]
        if parts and sys.platform == "linux":
            yield f"memory grew, {job}: {', '.join(parts)}"
