"""The benchmark of whole attacks: the paper's PGD on real images, plain and through the low-pass filter, end to end.

What a user does: from images as NumPy arrays to adversarial ones, beside torchattacks on the same network as loaded.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.kernels import OURS, Report, ask_of_fastest
from benchmarks.kernels_jobs import Problem
from benchmarks.kernels_network import MEAN, STD, network_of, network_state
from benchmarks.results import Row
from benchmarks.timing import Side, compare
from deep_check.architecture import Architecture
from theory_sim.errors import InputError

IMAGES = "CIFAR10_DIR"  # a folder with CIFAR-10, for real images in place of drawn ones
ASKED = 1 / 0.3  # times the speed of torchattacks
BOUND = 0.1
SLACK = 1e-6  # float32 rounds x + δ
MEASURE = "|difference| / mean of both sides' mean losses after the attack, infinite if budget or [0, 1] is left"


@dataclass(frozen=True)
class Sizes:
    """Numbers of images; those attacked through the filter; steps; the network; images of a batch of the peer."""

    plain: tuple[int, ...] = (100, 250, 1017)
    filtered: tuple[int, ...] = (250,)
    steps: int = 40
    depth: int = 32
    size: int = 32
    radius: float = 8 / 255
    step_size: float = 4 / 255
    cutoff: float = 12.0
    batch: int = 128


QUICK = Sizes(plain=(21,), filtered=(21,), steps=2, depth=8, size=32, batch=16)


def choose_peers(names: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Peers of `names` that can run, and the others with the reason. Raises InputError on an unknown name."""
    if [name for name in names if name != "torchattacks"] or not names:
        raise InputError(f"peer {', '.join(names) or 'none'}: allowed is torchattacks")
    missing = [name for name in ("torch", "torchattacks") if importlib.util.find_spec(name) is None]
    if missing:
        return [], {"torchattacks": f"{', '.join(missing)} not installed (extra 'bench')"}
    return ["torchattacks"], {}


def measure(
    sizes: Sizes, device: str, peers: Sequence[str], repeats: int, report: Report
) -> tuple[list[Row], dict[str, Any], dict[str, float]]:
    """Rows; what else the protocol says; by which share the filter makes an attack longer, by the number of images."""
    state, weights = network_state(Architecture(depth=sizes.depth, size=sizes.size))
    rows: list[Row] = []
    source = ""
    for through, counts in (("", sizes.plain), (" through the filter", sizes.filtered)):
        for n in counts:
            job = f"PGD-{sizes.steps}{through}, {n} images"
            report(job)
            images, labels, source = test_images(n)
            problem = problem_of(sizes, state, images, labels)
            options = {"filtered": bool(through), "device": device}
            theirs = []
            if "torchattacks" in peers:
                target = "benchmarks.peers.torchattacks_pgd:prepare"
                theirs.append(Side("torchattacks", target, {**options, "batch": sizes.batch}))
            found = compare(
                job, problem, [Side(OURS[device], "benchmarks.attack:prepare", options)], theirs, repeats=repeats,
                bound=BOUND, error=outcome_error, measure=MEASURE, exact=None if theirs else {},
            )  # fmt: skip
            found = [replace(row, device=device) for row in found]
            rows += ask_of_fastest(found, None if through else ASKED)
    return rows, {"attacked_weights": weights, "images": source}, filter_cost(rows, sizes)


def filter_cost(rows: Sequence[Row], sizes: Sizes) -> dict[str, float]:
    """Our time through the filter over that without it, minus 1, by the number of images."""
    times = {row.job: row.ours_s for row in rows if row.ours_s is not None}
    found = {}
    for n in sizes.filtered:
        plain = times.get(f"PGD-{sizes.steps}, {n} images")
        filtered = times.get(f"PGD-{sizes.steps} through the filter, {n} images")
        if plain and filtered:
            found[str(n)] = filtered / plain - 1
    return found


def test_images(n: int) -> tuple[NDArray[np.float32], NDArray[np.int64], str]:
    """n images in [0, 1] with labels, and what they are: test images of CIFAR-10 if they are at hand, or drawn ones."""
    folder = os.environ.get(IMAGES)
    if folder:
        from deep_check.data import read_test_images

        images, labels, _ = read_test_images(Path(folder), partial=True)
        if len(images) >= n:
            return images[:n], labels[:n], "CIFAR-10 test images"
    rng = np.random.default_rng(n)
    return rng.random((n, 3, 32, 32), np.float32), rng.integers(0, 10, n), "drawn"


def problem_of(
    sizes: Sizes, state: Mapping[str, NDArray], images: NDArray[np.float32], labels: NDArray[np.int64]
) -> Problem:
    """All that both sides are given."""
    named = {f"state.{name}": values for name, values in state.items()}
    numbers = {name: np.array(getattr(sizes, name)) for name in ("depth", "steps", "radius", "step_size", "cutoff")}
    return {**named, **numbers, "mean": MEAN, "std": STD, "images": images, "labels": labels}


def prepare(problem: Problem, threads: int, filtered: bool, device: str) -> Callable[[], dict[str, Any]]:
    """Our side, as a user calls it."""
    del threads  # those of all cores that the process may use
    from deep_check.attacks import Attack, run_attack
    from deep_check.filtering import Filtered, LowPass, Target
    from deep_check.resnet import ResNet

    net = ResNet(int(problem["depth"]), device=device, mean=problem["mean"], std=problem["std"])
    net.load_state_dict(network_of(problem)[1])
    target: Target = Filtered(net, LowPass(float(problem["cutoff"]))) if filtered else net
    attack = Attack("linf", float(problem["radius"]), float(problem["step_size"]), int(problem["steps"]))
    images, labels = problem["images"], problem["labels"]

    def run() -> dict[str, Any]:
        found = run_attack(target, images, labels, attack)
        return {"losses": found.losses, "excess": lambda: excess(found.images, images, attack.radius)}

    return run


def excess(found: NDArray, images: NDArray, radius: float) -> NDArray:
    """By how much budget or box are left at the most."""
    over = np.abs(found.astype(float) - images).max() - radius
    return np.array(max(over, -found.min(), found.max() - 1.0))


def outcome_error(ours: Mapping[str, NDArray], peer: Mapping[str, NDArray]) -> float:
    """See MEASURE; of a side alone (no `peer`), 0 unless it is infinite."""
    for side in (ours, peer):
        if side and (not np.isfinite(side["losses"]).all() or side["excess"] > SLACK):
            return float("inf")
    if not peer:
        return 0.0
    if ours["losses"].shape != peer["losses"].shape:
        return float("inf")
    first, second = ours["losses"].mean(), peer["losses"].mean()
    return float(2 * abs(first - second) / (first + second))
