"""The command line of theory_sim: one line registers a command.

Commands live beside what they run and import what is heavy when they run, so that `--help` stays fast.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from theory_sim.claims.command import replay, verify
from theory_sim.command_line import run_app
from theory_sim.derivations.command import derive
from theory_sim.report.command import report
from theory_sim.simulation.command import simulate
from theory_sim.sweep.command import sweep
from theory_sim.sweep.plots.command import plot

app = typer.Typer(
    name="theory_sim",
    help="Is a frequency-domain theory of adversarial examples true, where exactly, and what does it predict?",
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)
app.command()(verify)
app.command()(replay)
app.command()(derive)
app.command()(report)
app.command()(simulate)
app.command()(sweep)
app.command()(plot)


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
