"""The benchmark of training: the first 50 steps of an epoch from the same weights, crops and flips, and their losses.

Both sides begin with the images as bytes. The losses are compared with those of the same run in float64.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.attack import IMAGES
from benchmarks.kernels import OURS, Report, ask_of_fastest
from benchmarks.kernels_jobs import Problem
from benchmarks.kernels_network import LOSS, MEAN, STD, TRAINING_ADAM, network_of
from benchmarks.results import Row
from benchmarks.timing import RunningSide, Side, compare
from deep_check.architecture import Architecture
from deep_check.initial import initial_state
from deep_check.training.draws import crops_and_flips, order_of_images
from theory_sim.errors import InputError

ASKED = 1 / 0.85  # times the speed of PyTorch's fastest eager form
BOUND = 0.1
FACTOR = 2.0  # our distance from float64 over PyTorch's, at the most
FLOOR = 1e-6  # what float32 makes of a loss: nearer to float64 than that, both are equal
MEASURE = "root mean square over the steps of (loss - loss in float64) / loss in float64"
PADDING = 4


@dataclass(frozen=True)
class Sizes:
    """Steps, images of a batch, and the network."""

    steps: int = 50
    n: int = 128
    depth: int = 32
    size: int = 32


QUICK = Sizes(steps=3, n=24, depth=8)


def choose_peers(names: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Peers of `names` that can run, and the others with the reason. Raises InputError on an unknown name."""
    if [name for name in names if name != "torch"] or not names:
        raise InputError(f"peer {', '.join(names) or 'none'}: allowed is torch")
    if importlib.util.find_spec("torch") is None:
        return [], {
            "torch": "torch is not installed (extra 'bench'); without it no run in float64, nothing is compared"
        }
    return ["torch"], {}


def measure(sizes: Sizes, device: str, peers: Sequence[str], repeats: int, report: Report) -> tuple[list[Row], str]:
    """Rows, and what the images are. A row fails where we are more than FACTOR times as far from float64 as PyTorch."""
    images, labels, source = training_images(sizes.steps * sizes.n)
    problem = problem_of(sizes, images, labels)
    job = f"training, {sizes.steps} steps of {sizes.n} images"
    ours = Side(OURS[device], f"benchmarks.training:prepare_{device}")
    target, theirs, exact = "benchmarks.peers.torch_networks:prepare_run", [], None
    if "torch" in peers:
        layouts = ("nchw", "channels_last")
        theirs = [Side(f"torch {layout}", target, {"layout": layout, "device": device}) for layout in layouts]
        report(f"{job}, in float64")
        exact = _once(Side("float64", target, {"layout": "nchw", "device": device, "double": True}), problem)
    report(job)
    rows = compare(
        job, problem, [ours], theirs, repeats=repeats, bound=BOUND, exact=exact or {}, error=curve_error,
        measure=MEASURE,
    )  # fmt: skip
    return ask_of_fastest([replace(row, device=device) for row in judged(rows)], ASKED), source


def judged(rows: list[Row]) -> list[Row]:
    """The rows, failed where ours is more than FACTOR times as far from float64 as PyTorch's farther form."""
    theirs = max((row.peer_agreement or 0.0 for row in rows), default=0.0)
    allowed = FACTOR * max(theirs, FLOOR)

    def reason(row: Row) -> str:
        off = row.agreement or 0.0
        return f"{off:.1e} from float64, {allowed:.1e} is allowed" if row.peer and off > allowed else row.reason

    return [replace(row, reason=reason(row)) if row.passed else row for row in rows]


def _once(side: Side, problem: Problem) -> dict[str, NDArray]:
    import tempfile

    with tempfile.TemporaryDirectory() as folder, RunningSide(side, problem, Path(folder)) as running:
        running.wait_until_ready()
        running.turn()
        return running.result().arrays


def training_images(n: int) -> tuple[NDArray[np.uint8], NDArray[np.int64], str]:
    """n images (n, 3, 32, 32) with labels, and what they are: CIFAR-10's if they are at hand, or drawn ones."""
    folder = os.environ.get(IMAGES)
    if folder:
        from theory_sim.inputs.cifar10 import load_cifar10

        data = load_cifar10(Path(folder), ("data_batch_1",), partial=True)
        if len(data.labels) >= n:
            return data.images[:n], data.labels[:n].astype(np.int64), "CIFAR-10 training images"
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (n, 3, 32, 32), np.uint8), rng.integers(0, 10, n), "drawn"


def problem_of(sizes: Sizes, images: NDArray[np.uint8], labels: NDArray[np.int64]) -> Problem:
    """All that both sides are given: images in the order of the epoch, where each is cropped, whether it is flipped."""
    order = order_of_images(0, 0, len(images))
    offsets, flips = crops_and_flips(0, 0, len(images), PADDING)
    state = initial_state(Architecture(depth=sizes.depth, size=sizes.size), 0)
    named = {f"state.{name}": values for name, values in state.items()}
    return {
        **named, "depth": np.array(sizes.depth), "mean": MEAN, "std": STD, "images": images[order],
        "labels": labels[order], "offsets": offsets, "flips": flips, "batch": np.array(sizes.n),
    }  # fmt: skip


def prepare_cpu(problem: Problem, threads: int) -> Callable[[], dict[str, Any]]:
    """Our side on the CPU; each call begins anew."""
    from deep_check.cpu.training_network import TrainingNetwork
    from deep_check.ops.optimizer_cpu import adam_step

    architecture, state = network_of(problem)
    network = TrainingNetwork(architecture, state, problem["mean"], problem["std"], threads)
    first, second = np.zeros_like(network.parameters), np.zeros_like(network.parameters)

    def run() -> dict[str, Any]:
        network.set_state(state)
        first[:], second[:] = 0, 0
        losses = []
        for step, (images, labels) in enumerate(_batches(problem), start=1):
            losses.append(network.loss_and_gradients(images, labels, LOSS)[0])
            adam_step(network.parameters, network.gradients, first, second, step, *TRAINING_ADAM)
        return {"losses": np.array(losses, float)}

    return run


def prepare_cuda(problem: Problem, threads: int) -> Callable[[], dict[str, Any]]:
    """Our side on the GPU; the first call, whose losses are compared, begins with the weights given, others go on."""
    from deep_check.cuda.device import cuda_device

    del threads
    return on_cuda(cuda_device(), problem)


def on_cuda(device: Any, problem: Problem) -> Callable[[], dict[str, Any]]:
    """The steps on any device, each one captured; batches are made on the host."""
    from deep_check.cuda.training_network import TrainingNetwork
    from deep_check.cuda.training_steps import Adam, TrainingSteps

    network = TrainingNetwork(*network_of(problem), problem["mean"], problem["std"], device)
    adam = Adam(device, network.parameters.shape[0], *TRAINING_ADAM)
    steps = TrainingSteps(network, adam, int(problem["batch"]), LOSS)

    def run() -> dict[str, Any]:
        losses = []
        for images, labels in _batches(problem):
            steps.load(images, labels)
            steps.step()
            losses.append(float(device.fetch(steps.mean_loss)[0]))
        return {"losses": np.array(losses)}

    return run


def _batches(problem: Problem) -> Iterator[tuple[NDArray[np.float32], NDArray[np.int64]]]:
    from deep_check.ops.augment_cpu import augment

    n = int(problem["batch"])
    for begin in range(0, len(problem["labels"]), n):
        own = slice(begin, begin + n)
        images = problem["images"][own].astype(np.float32) / np.float32(255)
        yield augment(images, problem["offsets"][own], problem["flips"][own], PADDING), problem["labels"][own]


def curve_error(found: Mapping[str, NDArray], exact: Mapping[str, NDArray]) -> float:
    """See MEASURE; infinite where something is not finite; 0 where there is no run in float64."""
    losses = found["losses"]
    if not np.isfinite(losses).all():
        return float("inf")
    if not exact:
        return 0.0
    if losses.shape != exact["losses"].shape:
        return float("inf")
    return float(np.sqrt(np.mean((losses / exact["losses"] - 1) ** 2)))
