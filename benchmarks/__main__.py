"""Command line: `python -m benchmarks theory`, `sweep`, `kernels`. Exit code 0, 1 if a row failed, 2 on a mistake."""

from __future__ import annotations

import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from benchmarks import results, theory
from theory_sim.errors import InputError, require

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Our code beside its peers, timed in one run.")


@app.callback()
def benchmarks() -> None:
    """Our code beside its peers, timed in one run."""


Out = Annotated[Path | None, typer.Option(help="Write the result to this JSON file.")]
Peers = Annotated[str, typer.Option(help="Comma-separated peers; those not installed are skipped.")]
Repeats = Annotated[int, typer.Option(help="Timed turns of each side, after the discarded one.")]
Quick = Annotated[bool, typer.Option(help="Tiny sizes: shows that everything runs; times mean nothing.")]
ALL_PEERS = ",".join(theory.TRAJECTORY_PEERS)


@app.command("theory")
def run_theory(out: Out = None, peers: Peers = ALL_PEERS, repeats: Repeats = 7, quick: Quick = False) -> int:
    """One trajectory with all spectra (d=1025, m=512, 1,000 steps, float64), and data-set training (n=32)."""
    present, skipped = _check(out, peers, repeats)
    sizes = theory.QUICK if quick else theory.Sizes()
    busy = Busy()
    rows = theory.measure(sizes, present, repeats, _note)
    protocol = {"sizes": asdict(sizes), "repeats": repeats, "quick": quick}
    return _finish("theory", rows, skipped, protocol, busy, out)


@app.command("sweep")
def run_sweep(
    out: Out = None,
    peers: Peers = ALL_PEERS,
    repeats: Repeats = 5,
    quick: Quick = False,
    plots: Annotated[Path | None, typer.Option(help="Measure how costs grow, and draw it into this folder.")] = None,
) -> int:
    """Many settings of one network, data-set training and drawing, on all cores; and the limits of this machine."""
    from benchmarks import scaling, sweep
    from benchmarks.limits import measure_limits

    present, skipped = _check(out, peers, repeats)
    _check_options(out, repeats, plots)
    sizes = sweep.QUICK if quick else sweep.Sizes()
    busy = Busy()
    _note("measuring the machine")
    limits = measure_limits(quick=quick)
    rows = sweep.measure(sizes, present, repeats, _note)
    more: dict[str, Any] = {"limits": asdict(limits)}
    if plots is not None:
        curves = scaling.measure_scaling(_note, quick=quick)
        _note(f"drew {scaling.draw(curves, limits, plots, quick=quick)}")
        more["scaling"] = [curve.as_dict() for curve in curves]
    print(f"this machine: {limits}")
    protocol = {"sizes": asdict(sizes), "repeats": repeats, "quick": quick}
    return _finish("sweep", rows, skipped, protocol, busy, out, **more)


@app.command("kernels")
def run_kernels(
    out: Out = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    peers: Peers = "torch",
    repeats: Repeats = 9,
    quick: Quick = False,
    plots: Annotated[Path | None, typer.Option(help="Draw roofline.png into this folder.")] = None,
    only: Annotated[str, typer.Option(help="Only jobs whose name has this text.")] = "",
    wait: Annotated[float, typer.Option(help="Seconds in all to wait for a quiet machine before jobs.")] = 0.0,
) -> int:
    """Every operation of a ResNet-32 at its shapes, a PGD step and a training step; and the limits of this machine."""
    from benchmarks import kernels, kernels_jobs, kernels_roofline
    from benchmarks.limits import measure_float32_limits
    from benchmarks.limits_cuda import measure_cuda_limits

    _check_options(out, repeats, plots)
    require(0 <= wait < float("inf"), f"--wait {wait}: allowed is a number of seconds >= 0")
    patience = results.Patience(wait)
    place = kernels.choose_device(device)
    present, skipped = kernels.choose_peers([name.strip() for name in peers.split(",")], place)
    sizes = kernels_jobs.QUICK if quick else kernels_jobs.Sizes()
    busy = Busy()

    def begin(job: str) -> None:
        patience.wait()
        _note(job)

    begin("measuring the machine")
    limits = (measure_cuda_limits if place == "cuda" else measure_float32_limits)(quick=quick)
    rows, costs, more = kernels.measure(sizes, place, present, repeats, begin, only)
    points = kernels_roofline.points(rows, costs, limits)
    if plots is not None:
        where = "GPU" if place == "cuda" else f"{results.n_cores()} cores"
        title = f"ResNet-{sizes.depth}, batch {sizes.n}, float32, {where}"
        _note(f"drew {kernels_roofline.draw(points, limits, plots, title, quick=quick)}")
    kernels_roofline.print_points(points, _console())
    print(f"this machine: {limits}")
    print(*kernels.memory_lines(rows), sep="\n")
    protocol = {"sizes": asdict(sizes), "repeats": repeats, "quick": quick, "device": place, **more}
    roofline = [point.as_dict() for point in points]
    return _finish("kernels", rows, skipped, protocol, busy, out, limits=asdict(limits), roofline=roofline)


def _check(out: Path | None, peers: str, repeats: int) -> tuple[list[str], dict[str, str]]:
    """Installed peers, and the others with the reason; raises InputError on arguments that are not allowed."""
    _check_options(out, repeats)
    return theory.choose_peers([name.strip() for name in peers.split(",")])


def _check_options(out: Path | None, repeats: int, plots: Path | None = None) -> None:
    """Raise InputError on arguments that are not allowed."""
    require(repeats >= 1, f"--repeats {repeats}: allowed is >= 1")
    require(plots is None or plots.is_dir(), f"--plots {plots}: is not a folder")
    if out is not None:
        results.require_writable(out)


def _note(job: str) -> None:
    Console(stderr=True).print(f"timing {job}", highlight=False)


def _console() -> Console:
    return Console() if sys.stdout.isatty() else Console(width=180)


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


def _finish(
    benchmark: str,
    rows: list[results.Row],
    skipped: dict[str, str],
    protocol: dict[str, Any],
    busy: Busy,
    out: Path | None,
    **more: Any,
) -> int:
    """Print the table, write the JSON file if one is wanted; the exit code."""
    other_cores = busy.cores()
    console = _console()
    results.print_table(rows, console)
    for reason in skipped.values():
        console.print(f"skipped: {reason}", highlight=False)
    if other_cores is not None:
        console.print(f"cores taken by other processes meanwhile: {other_cores:.2f}", highlight=False)
    if out is not None:
        protocol = {**protocol, "discarded_turns": 1, "other_cores": other_cores}
        results.write_json(out, results.document(benchmark, rows, skipped, protocol, **more))
    return 0 if all(row.passed for row in rows) else 1


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code; a user's mistake is one line on the standard error."""
    try:
        code = app(arguments, prog_name="python -m benchmarks", standalone_mode=False)
    except InputError as error:
        message = str(error)
    except Exception as error:
        if not hasattr(error, "format_message"):  # not one of the parser's own
            raise
        message = error.format_message()
    else:
        return int(code or 0)
    print(f"error: {message}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
