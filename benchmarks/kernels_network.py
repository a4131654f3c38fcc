"""Whole networks: one step of a PGD attack and one step of training, their inputs, exact results and our side."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.kernels_jobs import RADIUS, STEP, Problem, Rates, Sizes
from benchmarks.timing import agreement
from deep_check.architecture import Architecture
from deep_check.cpu.attack_network import AttackNetwork
from deep_check.cpu.training_network import TrainingNetwork
from deep_check.initial import initial_state
from deep_check.normalisation import NORMALISATIONS
from deep_check.ops.attack_step_cpu import pgd_linf_step
from deep_check.ops.optimizer_cpu import adam_step
from deep_check.reference_network import ReferenceNetwork
from deep_check.weights import load_weights

WEIGHTS = "RESNET32_WEIGHTS"  # a file of weights to measure with, instead of drawn ones
LOSS = "cross_entropy"
N_CHECKED = 32  # images of an attack's batch whose gradients are compared with exact ones
TRAINING_ADAM = Rates(1e-3)
MEAN, STD = (np.array(values, np.float32) for values in NORMALISATIONS["imagenet"])

ATTACK_BOUND = 5e-6
WORST_IMAGE = 2e-2  # where rounding turned the sign of a ReLU, one image's gradient jumps: on any machine, by any code
ATTACK_MEASURE = (
    f"the larger of: median over {N_CHECKED} images of ‖error‖₂/‖exact‖₂ of the input gradient; "
    f"the worst image's, times {ATTACK_BOUND / WORST_IMAGE:.1e}; max|error| / max of the logits"
)
TRAINING_BOUND = 1e-2  # of 128 images some meet the sign of a ReLU that rounding turned
TRAINING_MEASURE = "the larger of: ‖error‖₂/‖exact‖₂ of all gradients together; |error| / loss, times 100"


def network_state(architecture: Architecture) -> tuple[dict[str, NDArray[np.float32]], str]:
    """Weights of the file that RESNET32_WEIGHTS names, if they fit, else drawn ones; and which they are."""
    file = os.environ.get(WEIGHTS)
    if file and architecture == Architecture():
        return load_weights(Path(file), architecture).state, Path(file).name
    return initial_state(architecture, 0), "drawn"


def attack_problem(sizes: Sizes, n: int, state: Mapping[str, NDArray]) -> Problem:
    """n images, of which `checked` (places) are the same for every n."""
    checked = np.unique(np.linspace(0, n - 1, min(n, N_CHECKED)).astype(int))
    known, labels = _images(sizes, N_CHECKED, 0)
    images, all_labels = _images(sizes, n, 1)
    images[checked], all_labels[checked] = known[: len(checked)], labels[: len(checked)]
    return {**_network(sizes, state), "images": images, "labels": all_labels, "checked": checked}


def training_problem(sizes: Sizes, n: int, state: Mapping[str, NDArray]) -> Problem:
    """One batch of n images."""
    images, labels = _images(sizes, n, 2)
    return {**_network(sizes, state), "images": images, "labels": labels}


def _images(sizes: Sizes, n: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    rng = np.random.default_rng(seed)
    shape = (n, sizes.architecture.in_channels, sizes.size, sizes.size)
    return rng.random(shape, np.float32), rng.integers(0, sizes.architecture.n_classes, n)


def _network(sizes: Sizes, state: Mapping[str, NDArray]) -> Problem:
    named = {f"state.{name}": values for name, values in state.items()}
    return {**named, "depth": np.array(sizes.depth), "mean": MEAN, "std": STD}


def network_of(problem: Problem) -> tuple[Architecture, dict[str, NDArray[np.float32]]]:
    """Architecture and state dict of a problem."""
    state = {name.removeprefix("state."): values for name, values in problem.items() if name.startswith("state.")}
    return Architecture(depth=int(problem["depth"]), size=problem["images"].shape[2]), state


def attack_exact(problem: Problem) -> dict[str, NDArray]:
    """Input gradients and logits of the checked images, float64."""
    network = ReferenceNetwork(*network_of(problem), problem["mean"], problem["std"])
    checked = problem["checked"]
    _, gradient, logits = network.input_gradient(problem["images"][checked], problem["labels"][checked], LOSS)
    return {"gradient": gradient, "logits": logits}


def training_exact(problem: Problem) -> dict[str, NDArray]:
    """All gradients as one vector, and the loss, float64."""
    network = ReferenceNetwork(*network_of(problem), problem["mean"], problem["std"])
    loss, _, _ = network.loss_and_gradients(problem["images"], problem["labels"], LOSS)
    return {"gradients": network.gradients, "loss": np.array(loss)}


def attack_error(found: Mapping[str, NDArray], exact: Mapping[str, NDArray]) -> float:
    """See ATTACK_MEASURE; infinite where shapes differ or something is not finite."""
    names = ("gradient", "logits")
    logits = agreement({"logits": found["logits"]}, {"logits": exact["logits"]})
    if any(found[name].shape != exact[name].shape for name in names) or not np.isfinite(found["gradient"]).all():
        return float("inf")
    off = np.linalg.norm((found["gradient"] - exact["gradient"]).reshape(len(exact["gradient"]), -1), axis=1)
    off /= np.linalg.norm(exact["gradient"].reshape(len(off), -1), axis=1)
    return float(max(np.median(off), off.max() * ATTACK_BOUND / WORST_IMAGE, logits))


def training_error(found: Mapping[str, NDArray], exact: Mapping[str, NDArray]) -> float:
    """See TRAINING_MEASURE; infinite where shapes differ or something is not finite."""
    gradients, loss = found["gradients"], float(found["loss"])
    if gradients.shape != exact["gradients"].shape or not (np.isfinite(gradients).all() and np.isfinite(loss)):
        return float("inf")
    off = np.linalg.norm(gradients - exact["gradients"]) / np.linalg.norm(exact["gradients"])
    return float(max(off, 100 * abs(loss - exact["loss"]) / exact["loss"]))


def attack_operations(architecture: Architecture) -> float:
    """Of one image: all sums of the forward pass, and as many for the input gradient."""
    return 2 * sum(_sums(architecture))


def training_operations(architecture: Architecture) -> float:
    """Of one image: forward, input gradients and weight gradients; no input gradient of the stem."""
    sums = _sums(architecture)
    return 3 * sum(sums) - sums[0]


def _sums(architecture: Architecture) -> list[float]:
    """Floating-point operations of each convolution and of the linear layer, one image."""
    convolutions = architecture.convolutions
    sums = [2.0 * 9 * conv.in_channels * conv.out_channels * conv.out_size**2 for conv in convolutions]
    return [*sums, 2.0 * convolutions[-1].out_channels * architecture.n_classes]


def prepare_attack(problem: Problem, threads: int) -> Callable[[], dict[str, Any]]:
    """Our side of a PGD step on the CPU: input gradient, then step and projections in place."""
    network = AttackNetwork(*network_of(problem), problem["mean"], problem["std"], threads)
    origin, labels, checked = problem["images"], problem["labels"], problem["checked"]
    x, gradient = origin.copy(), np.empty_like(origin)

    def run() -> dict[str, Any]:
        _, _, logits = network.input_gradient(x, labels, LOSS, out=gradient)
        pgd_linf_step(x, origin, gradient, STEP, RADIUS)
        return {"gradient": lambda: gradient[checked], "logits": lambda: logits[checked]}

    return run


def prepare_training(problem: Problem, threads: int) -> Callable[[], dict[str, Any]]:
    """Our side of a training step on the CPU: forward, backward, Adam."""
    network = TrainingNetwork(*network_of(problem), problem["mean"], problem["std"], threads)
    first, second = np.zeros_like(network.parameters), np.zeros_like(network.parameters)
    images, labels = problem["images"], problem["labels"]
    step = 0

    def run() -> dict[str, Any]:
        nonlocal step
        step += 1
        loss, _, _ = network.loss_and_gradients(images, labels, LOSS)
        adam_step(network.parameters, network.gradients, first, second, step, *TRAINING_ADAM)
        return {"gradients": network.gradients, "loss": np.array(loss)}

    return run
