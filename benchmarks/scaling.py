"""What a network costs as it grows: seconds against d, m, steps and number of networks, with the machine's limits."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.limits import Limits
from benchmarks.results import n_cores
from benchmarks.sweep import Sizes, Trajectories, prepare_trajectories, trajectory_problem
from theory_sim.sweep.definition import parse_sweep
from theory_sim.sweep.engine import compute

if TYPE_CHECKING:
    from matplotlib.axes import Axes

REPEATS = 3  # the fastest counts
SLOPE_POINTS = 3  # the largest sizes, where a fixed cost counts least
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")  # of Okabe and Ito: told apart by colour-blind readers, too


@dataclass(frozen=True)
class Work:
    """One size: dimension d, width m, steps, networks (or settings) of a call."""

    dim: int = 1025
    width: int = 512
    n_steps: int = 1000
    networks: int = 16


BASE, QUICK_BASE = Work(), Work(33, 16, 50, 2)
AXES = {
    "dim": (129, 257, 513, 1025, 2049, 4097),
    "width": (64, 128, 256, 512, 1024, 2048),
    "n_steps": (100, 300, 1000, 3000, 10000),
    "networks": (1, 4, 16, 64, 256),
}
QUICK_AXES = {"dim": (17, 33, 65), "width": (8, 16, 32), "n_steps": (20, 50, 100), "networks": (1, 2, 4)}
NAMES = {"dim": "dimension d", "width": "width m", "n_steps": "steps", "networks": "networks (settings) of a call"}


@dataclass(frozen=True)
class Curve:
    """Seconds a network (or setting) of one job along one axis, the others at their base; slope of the log-log line."""

    job: str
    axis: str
    sizes: tuple[int, ...]
    seconds: tuple[float, ...]

    @property
    def slope(self) -> float:
        """d log(seconds) / d log(size) over the largest sizes."""
        x, y = np.log(self.sizes[-SLOPE_POINTS:]), np.log(self.seconds[-SLOPE_POINTS:])
        return float(np.polyfit(x, y, 1)[0])

    def as_dict(self) -> dict[str, Any]:
        """JSON object of the curve; `slope` included."""
        return {**asdict(self), "slope": self.slope}


def _points(activation: str) -> Callable[[Work], Callable[[], object]]:
    """Whole points of a sweep: a network of its own each, drawn, trained and measured."""

    def prepare(work: Work) -> Callable[[], object]:
        run = {"dim": work.dim, "width": work.width, "n_steps": work.n_steps, "activation": activation}
        run |= {"cutoff": work.dim // 8, "relative_rate": 0.01}
        definition = parse_sweep({"run": run, "grid": {"seed": {"replicates": work.networks}}})
        edges = np.linspace(0, work.networks, min(n_cores(), work.networks) + 1).astype(int)
        parts = [definition.columns(first, last) for first, last in pairwise(edges)]
        pool = ThreadPoolExecutor(len(parts))
        return lambda: list(pool.map(lambda part: compute(part, definition.recording, 0), parts))

    return prepare


def _settings(activation: str) -> Callable[[Work], Callable[[], object]]:
    """Further settings of one given network, the power of every bin at every step."""

    def prepare(work: Work) -> Callable[[], object]:
        sizes = Sizes(work.dim, work.width, work.n_steps, work.networks)
        problem = trajectory_problem(sizes, Trajectories("", activation, True, {}))
        problem = {key: np.asarray(value) for key, value in problem.items()}
        for key in ("learning_rates", "labels"):
            problem[key] = problem[key][: work.networks]
        return prepare_trajectories(problem, n_cores())

    return prepare


JOBS = {
    "point of a sweep, ReLU": _points("relu"),
    "point of a sweep, softplus": _points("softplus"),
    "setting, all spectra, ReLU": _settings("relu"),
    "setting, all spectra, softplus": _settings("softplus"),
}

# What one network takes at the least, by the machine's limits; of which job it bounds.
BOUNDS: dict[str, tuple[str | None, Callable[[Work, Limits], float]]] = {
    "m d normals": ("point of a sweep, ReLU", lambda work, limits: work.dim * work.width / limits.normals),
    "m T softplus": ("point of a sweep, softplus", lambda work, limits: work.width * work.n_steps / limits.softplus),
    "T d/2 powers to memory": (
        "setting, all spectra, ReLU",
        lambda work, limits: 8 * work.n_steps * (work.dim // 2 + 1) / limits.bytes,
    ),
    "matrix product T m d": (
        None,
        lambda work, limits: 2 * work.n_steps * work.width * work.dim / limits.products,
    ),
}


def measure_scaling(report: Callable[[str], None], *, quick: bool = False) -> list[Curve]:
    """One curve for each job and axis, in this process; `report` is told each axis before it starts."""
    base, axes = (QUICK_BASE, QUICK_AXES) if quick else (BASE, AXES)
    curves = []
    with threadpool_limits(1):
        for axis, sizes in axes.items():
            report(f"scaling with {NAMES[axis]}")
            for job, prepare in JOBS.items():
                works = [replace(base, **{axis: size}) for size in sizes]
                curves.append(Curve(job, axis, sizes, tuple(_seconds(prepare(work)) / work.networks for work in works)))
    return curves


def _seconds(run: Callable[[], object]) -> float:
    run()  # compilation, first touch of memory
    spans = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        run()
        spans.append(time.perf_counter() - start)
    return min(spans)


def draw(curves: list[Curve], limits: Limits, folder: Path, *, quick: bool = False) -> Path:
    """Write `folder`/scaling.png: one panel for each axis, jobs as lines with their slopes, limits dashed."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    base = QUICK_BASE if quick else BASE
    figure = Figure(figsize=(12, 10), layout="constrained")
    FigureCanvasAgg(figure)
    axes = list(dict.fromkeys(curve.axis for curve in curves))
    panels = figure.subplots(2, 2, sharey=True).flat
    for panel, axis in zip(panels, axes, strict=True):
        _draw_panel(panel, [curve for curve in curves if curve.axis == axis], limits, base)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, fontsize=9)
    figure.suptitle(
        f"Time a network on {n_cores()} cores (what is not on the axis: d = {base.dim}, m = {base.width}, "
        f"{base.n_steps} steps, {base.networks} networks a call)\n"
        f"Numbers: slopes over the {SLOPE_POINTS} largest sizes. Limits measured in the same run: {limits}",
        fontsize=9,
    )
    path = folder / "scaling.png"
    figure.savefig(path, dpi=130)
    return path


def _draw_panel(panel: Axes, curves: list[Curve], limits: Limits, base: Work) -> None:
    axis, sizes = curves[0].axis, curves[0].sizes
    colours = dict(zip(JOBS, COLOURS, strict=True))
    works = [replace(base, **{axis: size}) for size in sizes]
    for curve, marker in zip(curves, "osD^", strict=True):
        panel.plot(sizes, np.array(curve.seconds) * 1e3, marker=marker, color=colours[curve.job], label=curve.job)
    for name, (job, bound) in BOUNDS.items():
        colour = "0.4" if job is None else colours[job]
        milliseconds = [bound(work, limits) * 1e3 for work in works]
        panel.plot(sizes, milliseconds, "--", linewidth=1, color=colour, label=f"limit: {name}")
    panel.set_xscale("log")
    panel.set_yscale("log")
    panel.set_xticks(sizes, [f"{size:,}" for size in sizes])
    panel.minorticks_off()
    panel.set_xlim(right=sizes[-1] * (sizes[-1] / sizes[0]) ** 0.13)  # room for the slopes
    panel.set_xlabel(NAMES[axis])
    panel.set_ylabel("milliseconds a network")
    panel.tick_params(labelleft=True)
    panel.grid(alpha=0.3)
    place = 0.0
    for curve in sorted(curves, key=lambda curve: curve.seconds[-1]):
        place = max(curve.seconds[-1] * 1e3, place * 1.45)  # one above the other where lines meet
        text, ends = f"{curve.slope:.2f}", (sizes[-1], place)
        panel.annotate(text, ends, (8, 0), textcoords="offset points", va="center", color=colours[curve.job])
