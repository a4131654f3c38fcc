"""The benchmarks one by one: each measures, prints its table, and gives its result as one JSON object."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks import attack, kernels, kernels_jobs, kernels_roofline, results, scaling, sweep, theory, training
from benchmarks.limits import measure_float32_limits, measure_limits
from benchmarks.limits_cuda import measure_cuda_limits

Document = dict[str, Any]


@dataclass(frozen=True)
class Options:
    """peers: of all that were asked for, those that the benchmark knows are taken. repeats: None takes its own default.

    plots: a folder for its pictures; wait: seconds in all to wait for a quiet machine; only: part of the jobs' names.
    """

    peers: tuple[str, ...]
    device: str = "auto"
    repeats: int | None = None
    quick: bool = False
    plots: Path | None = None
    wait: float = 0.0
    only: str = ""


def run_theory(options: Options) -> Document:
    """One trajectory with all spectra (d=1025, m=512, 1,000 steps, float64), and data-set training (n=32)."""
    run = _Run("theory", options, 7)
    present, skipped = theory.choose_peers(options.peers)
    sizes = theory.QUICK if options.quick else theory.Sizes()
    rows = theory.measure(sizes, present, run.repeats, run.begin)
    return run.document(rows, skipped, sizes=asdict(sizes))


def run_sweep(options: Options) -> Document:
    """Many settings of one network, data-set training and drawing, on all cores; and the limits of this machine."""
    run = _Run("sweep", options, 5)
    present, skipped = theory.choose_peers(options.peers)
    sizes = sweep.QUICK if options.quick else sweep.Sizes()
    run.begin("measuring the machine")
    limits = measure_limits(quick=options.quick)
    rows = sweep.measure(sizes, present, run.repeats, run.begin)
    more: dict[str, Any] = {"limits": asdict(limits)}
    if options.plots is not None:
        curves = scaling.measure_scaling(run.begin, quick=options.quick)
        note(f"drew {scaling.draw(curves, limits, options.plots, quick=options.quick)}")
        more["scaling"] = [curve.as_dict() for curve in curves]
    print(f"this machine: {limits}")
    return run.document(rows, skipped, more, sizes=asdict(sizes))


def run_kernels(options: Options) -> Document:
    """Every operation of a ResNet-32 at its shapes, a PGD step and a training step; and the limits of this machine."""
    run = _Run("kernels", options, 9)
    place = kernels.choose_device(options.device)
    present, skipped = kernels.choose_peers(options.peers, place)
    sizes = kernels_jobs.QUICK if options.quick else kernels_jobs.Sizes()
    run.begin("measuring the machine")
    limits = (measure_cuda_limits if place == "cuda" else measure_float32_limits)(quick=options.quick)
    rows, costs, protocol = kernels.measure(sizes, place, present, run.repeats, run.begin, options.only)
    points = kernels_roofline.points(rows, costs, limits)
    if options.plots is not None:
        where = "GPU" if place == "cuda" else f"{results.n_cores()} cores"
        title = f"ResNet-{sizes.depth}, batch {sizes.n}, float32, {where}"
        note(f"drew {kernels_roofline.draw(points, limits, options.plots, title, quick=options.quick)}")
    kernels_roofline.print_points(points, console())
    print(f"this machine: {limits}")
    print(*kernels.memory_lines(rows), sep="\n")
    more = {"limits": asdict(limits), "roofline": [point.as_dict() for point in points]}
    return run.document(rows, skipped, more, sizes=asdict(sizes), device=place, **protocol)


def run_attack(options: Options) -> Document:
    """The paper's PGD of 40 steps on whole sets of images, plain and through the filter, from arrays to arrays."""
    run = _Run("attack", options, 3)
    place = kernels.choose_device(options.device)
    present, skipped = attack.choose_peers(options.peers)
    sizes = attack.QUICK if options.quick else attack.Sizes()
    rows, protocol, cost = attack.measure(sizes, place, present, run.repeats, run.begin)
    for n, share in cost.items():
        print(f"the filter makes an attack on {n} images longer by {share:.1%}")
    return run.document(rows, skipped, {"filter_cost": cost}, sizes=asdict(sizes), device=place, **protocol)


def run_training(options: Options) -> Document:
    """The first 50 steps of training, crops and flips included; their losses beside those of float64."""
    run = _Run("training", options, 3)
    place = kernels.choose_device(options.device)
    present, skipped = training.choose_peers(options.peers)
    sizes = training.QUICK if options.quick else training.Sizes()
    rows, images = training.measure(sizes, place, present, run.repeats, run.begin)
    return run.document(rows, skipped, sizes=asdict(sizes), device=place, images=images)


# Each benchmark with the peers that it knows.
RUNS: dict[str, tuple[Callable[[Options], Document], tuple[str, ...]]] = {
    "theory": (run_theory, tuple(theory.TRAJECTORY_PEERS)),
    "sweep": (run_sweep, tuple(theory.TRAJECTORY_PEERS)),
    "kernels": (run_kernels, ("torch",)),
    "attack": (run_attack, ("torchattacks",)),
    "training": (run_training, ("torch",)),
}


class _Run:
    """What all benchmarks do before, between and after their jobs."""

    def __init__(self, benchmark: str, options: Options, repeats: int) -> None:
        self._benchmark, self._options = benchmark, options
        self.repeats = repeats if options.repeats is None else options.repeats
        self._patience, self._busy = results.Patience(options.wait), Busy()

    def begin(self, job: str) -> None:
        """Say that a job begins, when the machine is quiet."""
        self._patience.wait()
        note(job)

    def document(
        self,
        rows: list[results.Row],
        skipped: dict[str, str],
        more: dict[str, Any] | None = None,
        **protocol: Any,
    ) -> Document:
        """Print the table; the whole result."""
        other_cores = self._busy.cores()
        results.print_table(rows, console())
        for reason in skipped.values():
            console().print(f"skipped: {reason}", highlight=False)
        if other_cores is not None:
            console().print(f"cores taken by other processes meanwhile: {other_cores:.2f}", highlight=False)
        protocol = {
            **protocol, "repeats": self.repeats, "quick": self._options.quick, "discarded_turns": 1,
            "other_cores": other_cores,
        }  # fmt: skip
        return results.document(self._benchmark, rows, skipped, protocol, **(more or {}))


class Busy:
    """How many cores other processes take from now on."""

    def __init__(self) -> None:
        """Start counting."""
        self._start, self._others = time.monotonic(), results.seconds_of_others()

    def cores(self) -> float | None:
        """The mean number so far; None where the system does not tell."""
        since = results.seconds_of_others()
        if since is None or self._others is None:
            return None
        return round((since - self._others) / (time.monotonic() - self._start), 2)


def note(job: str) -> None:
    """A line of progress."""
    Console(stderr=True).print(f"timing {job}", highlight=False)


def console() -> Console:
    """For tables: as wide as they need where nobody's terminal is."""
    return Console() if sys.stdout.isatty() else Console(width=180)
