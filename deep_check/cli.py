"""The command line of deep_check: one line registers a command.

Commands live beside what they run and import what is heavy when they run, so that `--help` stays fast.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from deep_check.attack_command import attack
from deep_check.classify import classify
from deep_check.evaluation.command import evaluate
from deep_check.experiments.figures_command import figures
from deep_check.experiments.filter_command import filter_
from deep_check.experiments.spectrum_command import spectrum
from deep_check.fetch_command import fetch
from deep_check.info import info
from deep_check.selftest.command import selftest
from deep_check.training.card_command import card
from deep_check.training.command import train
from theory_sim.command_line import run_app

app = typer.Typer(
    name="deep_check",
    help="ResNets for CIFAR-10 on hand-written kernels, forward and backward, on the CPU and on a GPU.",
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)
app.command()(selftest)
app.command()(info)
app.command()(classify)
app.command()(fetch)
app.command()(train)
app.command()(card)
app.command()(attack)
app.command("filter")(filter_)
app.command()(spectrum)
app.command()(figures)
app.command()(evaluate)


def _print_version(wanted: bool) -> None:
    if wanted:
        from theory_sim import __version__

        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version, and stop.")
    ] = False,
) -> None:
    pass


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code, as `command_line.run_app` says."""
    return run_app(app, arguments)
