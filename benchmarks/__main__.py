"""Command line: `python -m benchmarks all`, one benchmark by name, `compare`. Exit code 0, 1 if a row failed, 2."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks import results, theory
from theory_sim.errors import InputError, require

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Our code beside its peers, timed in one run.",
)


@app.callback()
def benchmarks() -> None:
    """Our code beside its peers, timed in one run."""


Out = Annotated[Path | None, typer.Option(help="Write the result to this JSON file.")]
Peers = Annotated[str, typer.Option(help="Comma-separated peers; those not installed are skipped.")]
Repeats = Annotated[int | None, typer.Option(help="Timed turns of each side, after the discarded one.")]
Quick = Annotated[bool, typer.Option(help="Tiny sizes: shows that everything runs; times mean nothing.")]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda.")]
Wait = Annotated[float, typer.Option(help="Seconds in all to wait for a quiet machine before jobs.")]
Plots = Annotated[Path | None, typer.Option(help="Draw pictures into this folder.")]
ALL_PEERS = ",".join(theory.TRAJECTORY_PEERS)


@app.command("theory")
def run_theory(out: Out = None, peers: Peers = ALL_PEERS, repeats: Repeats = None, quick: Quick = False) -> int:
    """One trajectory with all spectra (d=1025, m=512, 1,000 steps, float64), and data-set training (n=32)."""
    return _run("theory", out, peers, repeats=repeats, quick=quick)


@app.command("sweep")
def run_sweep(
    out: Out = None, peers: Peers = ALL_PEERS, repeats: Repeats = None, quick: Quick = False,
    plots: Annotated[Path | None, typer.Option(help="Measure how costs grow, and draw it into this folder.")] = None,
) -> int:  # fmt: skip
    """Many settings of one network, data-set training and drawing, on all cores; and the limits of this machine."""
    return _run("sweep", out, peers, repeats=repeats, quick=quick, plots=plots)


@app.command("kernels")
def run_kernels(
    out: Out = None, device: Device = "auto", peers: Peers = "torch", repeats: Repeats = None, quick: Quick = False,
    plots: Plots = None, only: Annotated[str, typer.Option(help="Only jobs whose name has this text.")] = "",
    wait: Wait = 0.0,
) -> int:  # fmt: skip
    """Every operation of a ResNet-32 at its shapes, a PGD step and a training step; and the limits of this machine."""
    options = {"repeats": repeats, "quick": quick, "plots": plots, "only": only, "wait": wait}
    return _run("kernels", out, peers, device=device, **options)


@app.command("attack")
def run_attack(
    out: Out = None, device: Device = "auto", peers: Peers = "torchattacks", repeats: Repeats = None,
    quick: Quick = False, wait: Wait = 0.0,
) -> int:  # fmt: skip
    """The paper's PGD of 40 steps on whole sets of images, plain and through the filter, from arrays to arrays."""
    return _run("attack", out, peers, device=device, repeats=repeats, quick=quick, wait=wait)


@app.command("training")
def run_training(
    out: Out = None, device: Device = "auto", peers: Peers = "torch", repeats: Repeats = None, quick: Quick = False,
    wait: Wait = 0.0,
) -> int:  # fmt: skip
    """The first 50 steps of training, crops and flips included; their losses beside those of float64."""
    return _run("training", out, peers, device=device, repeats=repeats, quick=quick, wait=wait)


@app.command("all")
def run_all(
    out: Annotated[Path, typer.Option(help="JSON file; pictures go into a folder of its name beside it.")],
    device: Device = "auto", peers: Peers = "numpy,torch,jax,torchattacks", repeats: Repeats = None,
    quick: Quick = False, wait: Wait = 0.0,
) -> int:  # fmt: skip
    """All benchmarks into one file, with one page of pictures; the same command goes on where it was interrupted."""
    from benchmarks.everything import measure_all
    from benchmarks.runs import Options

    _check(out, repeats, wait=wait)
    options = Options(_names(peers), device, repeats, quick, None, wait)
    return _code(measure_all(options, out))


@app.command("compare")
def compare(
    first: Annotated[Path, typer.Argument(help="A result file, the older one.")],
    second: Annotated[Path, typer.Argument(help="A result file, the newer one.")],
    threshold: Annotated[float, typer.Option(help="A ratio that grew by more than this share is a regression.")] = 0.1,
) -> int:
    """Ratios to the peers in two result files side by side; exit code 1 if one of them is a regression."""
    from benchmarks.compare import compare_files, print_comparison

    require(0 <= threshold < float("inf"), f"--threshold {threshold}: allowed is a number >= 0")
    return print_comparison(compare_files(first, second, threshold))


def _run(benchmark: str, out: Path | None, peers: str, **options: Any) -> int:
    from benchmarks.runs import RUNS, Options

    _check(out, options["repeats"], options.get("plots"), options.get("wait", 0.0))
    document = RUNS[benchmark][0](Options(_names(peers), **options))
    if out is not None:
        results.write_json(out, document)
    return _code(document)


def _names(peers: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in peers.split(","))


def _check(out: Path | None, repeats: int | None, plots: Path | None = None, wait: float = 0.0) -> None:
    """Raise InputError on arguments that are not allowed."""
    require(repeats is None or repeats >= 1, f"--repeats {repeats}: allowed is >= 1")
    require(plots is None or plots.is_dir(), f"--plots {plots}: is not a folder")
    require(0 <= wait < float("inf"), f"--wait {wait}: allowed is a number of seconds >= 0")
    if out is not None:
        results.require_writable(out)


def _code(document: dict[str, Any]) -> int:
    return 0 if all(row["passed"] for row in document["rows"]) else 1


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
