"""What each operation reaches of what the machine could do: rates, shares, a table and the roofline picture.

An operation takes at least its operations at the rate of fused multiply-adds, and at least its bytes at the rate of
memory; the larger of both is its floor [Williams et al. 2009]. Operations are those of the sum as it is defined:
Winograd's transform needs fewer, and may lie above the roof.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.kernels import Cost
from benchmarks.limits import CACHED, Float32Limits
from benchmarks.results import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = {"forward": "#0072B2", "input gradient": "#D55E00", "weight gradient": "#009E73", "other": "#CC79A7"}
MARKERS = {"forward": "o", "input gradient": "s", "weight gradient": "^", "other": "D"}


@dataclass(frozen=True)
class Point:
    """One side of a job: rates per second, and shares of the limits; None where operations or bytes are not counted.

    intensity: operations a byte; floor_share: the floor by time, over the time taken.
    """

    job: str
    side: str
    seconds: float
    operations: float | None
    bytes: float | None
    intensity: float | None
    fma_share: float | None
    products_share: float | None
    bytes_share: float | None
    floor_share: float

    def as_dict(self) -> dict[str, Any]:
        """JSON object of the point."""
        return asdict(self)


def points(rows: Sequence[Row], costs: Mapping[str, Cost], limits: Float32Limits) -> list[Point]:
    """One for ours and one for the fastest peer of each job that was timed."""
    found = []
    for job in dict.fromkeys(row.job for row in rows if row.ours_s is not None):
        own = [row for row in rows if row.job == job]
        ours = next(row for row in own if row.ours_s is not None)
        found.append(_point(job, ours.ours, ours.ours_s or 0.0, costs[job], limits))
        peers = [(row.peer_s, row.peer) for row in own if row.peer_s is not None]
        if peers:
            seconds, side = min(peers)
            found.append(_point(job, side, seconds, costs[job], limits))
    return found


def _point(job: str, side: str, seconds: float, cost: Cost, limits: Float32Limits) -> Point:
    operations = None if cost.operations is None else cost.operations / seconds
    moved = None if cost.bytes is None else cost.bytes / seconds
    intensity = cost.operations / cost.bytes if cost.operations is not None and cost.bytes is not None else None
    floor = max((cost.operations or 0.0) / limits.fma, (cost.bytes or 0.0) / limits.bytes)
    return Point(
        job,
        side,
        seconds,
        operations,
        moved,
        intensity,
        None if operations is None else operations / limits.fma,
        None if operations is None else operations / limits.products,
        None if moved is None else moved / limits.bytes,
        floor / seconds,
    )


def print_points(found: Sequence[Point], console: Console) -> None:
    """The table of rates."""
    table = Table("job", "side", title_justify="left")
    for column in ("ms", "GFLOP/s", "of FMA peak", "of sgemm", "GB/s", "of memory", "FLOP/B", "floor / time"):
        table.add_column(column, justify="right")
    for i, point in enumerate(found):
        end = i + 1 == len(found) or found[i + 1].job != point.job
        table.add_row(
            point.job,
            point.side,
            f"{1e3 * point.seconds:.3g}",
            _number(point.operations, 1e9),
            _share(point.fma_share),
            _share(point.products_share),
            _number(point.bytes, 1e9),
            _share(point.bytes_share),
            _number(point.intensity),
            _share(point.floor_share),
            end_section=end,
        )
    console.print(table)


def _number(value: float | None, unit: float = 1.0) -> str:
    return "" if value is None else f"{value / unit:.3g}"


def _share(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.0f} %"


def draw(found: Sequence[Point], limits: Float32Limits, folder: Path, title: str, *, quick: bool = False) -> Path:
    """Write `folder`/roofline.png: ours filled, PyTorch's fastest form hollow, one column for each intensity."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 7), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    shown = [point for point in found if point.operations and point.intensity]
    _draw_roofs(axes, shown, limits)
    sides = {point.job: [] for point in shown}  # type: dict[str, list[Point]]
    for point in shown:
        sides[point.job].append(point)
    for own in sides.values():
        _draw_job(axes, own)
    _name_columns(axes, sides)
    axes.set(xscale="log", yscale="log", xlabel="operations a byte (FLOP/B), each array moved once", ylabel="GFLOP/s")
    axes.grid(which="major", color="0.9", linewidth=0.6)
    note = "operations are those of the direct sum: Winograd's transform needs fewer and may lie above the roof"
    axes.set_title(title + (" (tiny sizes: means nothing)" if quick else "") + f"\n{note}", fontsize=10)
    _draw_legend(axes)
    figure.draw_without_rendering()
    _name_slopes(axes, limits)
    path = folder / "roofline.png"
    figure.savefig(path, dpi=130)
    return path


def kind_of(job: str) -> str:
    """The colour's name for a job."""
    if not job.startswith("conv "):
        return "other"
    return next((kind for kind in ("input gradient", "weight gradient") if kind in job), "forward")


def _draw_roofs(axes: Axes, shown: Sequence[Point], limits: Float32Limits) -> None:
    intensities = [point.intensity or 1.0 for point in shown]
    left, right = min(intensities, default=1.0) / 3, max(intensities, default=100.0) * 2.5
    axes.set_xlim(left, right)
    for rate, style in ((limits.bytes, "-"), (limits.cached_bytes, "--")):
        top = min(right, limits.fma / rate)
        axes.plot([left, top], [left * rate / 1e9, top * rate / 1e9], style, color="0.35", linewidth=1.2)
    for rate, name, style in ((limits.fma, "fused multiply-adds", "-"), (limits.products, "sgemm", ":")):
        axes.plot([rate / limits.cached_bytes, right], [rate / 1e9] * 2, style, color="0.35", linewidth=1.2)
        above = style == "-"
        start = 1.05 * limits.fma / (limits.cached_bytes if above else limits.bytes)
        axes.annotate(
            f"{name}, {rate / 1e9:.0f} GFLOP/s", (start, rate / 1e9),
            xytext=(0, 3 if above else -3), textcoords="offset points", fontsize=8, color="0.25",
            va="bottom" if above else "top",
        )  # fmt: skip


def _name_slopes(axes: Axes, limits: Float32Limits) -> None:
    """Names along the sloping roofs; the layout must be final."""
    left = axes.get_xlim()[0]
    (x0, y0), (x1, y1) = axes.transData.transform([(left, left), (10 * left, 10 * left)])
    for rate, name in ((limits.bytes, "memory"), (limits.cached_bytes, f"{CACHED >> 20} MiB in cache")):
        axes.annotate(
            f"{name}, {rate / 1e9:.0f} GB/s", (1.05 * left, 1.05 * left * rate / 1e9), xytext=(0, 3),
            textcoords="offset points", rotation=float(np.degrees(np.arctan2(y1 - y0, x1 - x0))),
            rotation_mode="anchor", fontsize=8, color="0.25", va="bottom",
        )  # fmt: skip


def _draw_job(axes: Axes, own: Sequence[Point]) -> None:
    kind = kind_of(own[0].job)
    heights = [(point.operations or 0) / 1e9 for point in own]
    x = _place(own[0])
    if len(own) > 1:
        axes.plot([x, x], heights, "-", color=COLOURS[kind], linewidth=0.7, alpha=0.5, zorder=2)
    for point, height in zip(own, heights, strict=True):
        hollow = point is not own[0]
        axes.plot(
            x, height, MARKERS[kind], color=COLOURS[kind], markerfacecolor="white" if hollow else COLOURS[kind],
            markersize=7, zorder=3,
        )  # fmt: skip


def _place(point: Point) -> float:
    """The intensity, a little to the side by kind: operations of one shape have the same."""
    beside = {"forward": 0.95, "input gradient": 1.0, "weight gradient": 1.05, "other": 1.0}
    return (point.intensity or 1.0) * beside[kind_of(point.job)]


def _name_columns(axes: Axes, sides: Mapping[str, Sequence[Point]]) -> None:
    """Upright names at the bottom of each column of points, those of near columns joined."""
    lowest = min((point.operations or 1.0 for own in sides.values() for point in own), default=1e9) / 1e9
    highest = max((point.operations or 1.0 for own in sides.values() for point in own), default=1e9) / 1e9
    room = 0.28  # of the height, below all points
    axes.set_ylim(lowest / (highest / lowest) ** (room / (1 - room)) / 1.3, highest * 1.8)
    columns: list[tuple[float, list[str]]] = []
    for own in sorted(sides.values(), key=lambda own: own[0].intensity or 1.0):
        intensity, name = own[0].intensity or 1.0, _short(own[0].job)
        if columns and np.log10(intensity / columns[-1][0]) < 0.035:
            if name not in columns[-1][1]:
                columns[-1][1].append(name)
        else:
            columns.append((intensity, [name]))
    for intensity, names in columns:
        axes.annotate(
            "\n".join(names), (intensity, 0.01), xycoords=("data", "axes fraction"), rotation=90, fontsize=7,
            ha="center", va="bottom", color="0.2", linespacing=1.0,
        )  # fmt: skip
        axes.axvline(intensity, color="0.93", linewidth=0.6, zorder=0)


def _short(job: str) -> str:
    """A convolution's place, another job's name without its shape."""
    if job.startswith("conv "):
        return job.removeprefix("conv ").removeprefix("input gradient ").removeprefix("weight gradient ").split(",")[0]
    name, *_ = job.split(",")
    return name.split(" stage")[0]


def _draw_legend(axes: Axes) -> None:
    for kind, colour in COLOURS.items():
        name = kind if kind == "other" else f"convolution, {kind}"
        axes.plot([], [], MARKERS[kind], color=colour, label=name)
    axes.plot([], [], "o", color="0.4", markerfacecolor="white", label="hollow: PyTorch's fastest form")
    axes.legend(loc="lower right", bbox_to_anchor=(1.0, 0.12), fontsize=8, framealpha=0.95)
