"""Command line: `python -m benchmarks theory`. Exit code 0; 1 if a row failed; 2 on a user's mistake."""

from __future__ import annotations

import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmarks import results, theory
from theory_sim.errors import InputError, require

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Our code beside its peers, timed in one run.")


@app.callback()
def benchmarks() -> None:
    """Our code beside its peers, timed in one run."""


@app.command("theory")
def run_theory(
    out: Annotated[Path | None, typer.Option(help="Write the result to this JSON file.")] = None,
    peers: Annotated[str, typer.Option(help="Comma-separated peers; those not installed are skipped.")] = ",".join(
        theory.TRAJECTORY_PEERS
    ),
    repeats: Annotated[int, typer.Option(help="Timed turns of each side, after the discarded one.")] = 7,
    quick: Annotated[bool, typer.Option(help="Tiny sizes: shows that everything runs; times mean nothing.")] = False,
) -> int:
    """One trajectory with all spectra (d=1025, m=512, 1,000 steps, float64), and data-set training (n=32)."""
    require(repeats >= 1, f"--repeats {repeats}: allowed is >= 1")
    if out is not None:
        results.require_writable(out)
    present, skipped = theory.choose_peers([name.strip() for name in peers.split(",")])
    sizes = theory.QUICK if quick else theory.Sizes()
    start, others = time.monotonic(), results.seconds_of_others()
    notes = Console(stderr=True)
    rows = theory.measure(sizes, present, repeats, lambda job: notes.print(f"timing {job}", highlight=False))
    since = results.seconds_of_others()
    other_cores = None if others is None or since is None else round((since - others) / (time.monotonic() - start), 2)

    console = Console() if sys.stdout.isatty() else Console(width=160)
    results.print_table(rows, console)
    for reason in skipped.values():
        console.print(f"skipped: {reason}", highlight=False)
    if other_cores is not None:
        console.print(f"cores taken by other processes meanwhile: {other_cores:.2f}", highlight=False)
    if out is not None:
        protocol = {
            "sizes": asdict(sizes),
            "repeats": repeats,
            "discarded_turns": 1,
            "quick": quick,
            "other_cores": other_cores,
        }
        results.write_json(out, results.document("theory", rows, skipped, protocol))
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
