"""The command line: one line registers a command, one place turns mistakes into one line on stderr.

Commands live beside what they run and import what is heavy when they run, so that `--help` stays fast.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from theory_sim.claims.command import replay, verify
from theory_sim.errors import InputError
from theory_sim.simulation.command import simulate
from theory_sim.sweep.command import sweep
from theory_sim.sweep.plots.command import plot

OK, WRONG, INTERRUPTED = 0, 2, 130

app = typer.Typer(
    name="theory_sim",
    help="Is a frequency-domain theory of adversarial examples true, where exactly, and what does it predict?",
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(verify)
app.command()(replay)
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
    """Run the command line and return its exit code.

    A command's own code (`typer.Exit`) is passed on. InputError, a wrong option, an unwritable or full disk and too
    little memory: one line `error: ...` on stderr, code 2. Ctrl-C: 130.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    try:
        code = app(args=arguments or ["--help"], standalone_mode=False)
    except InputError as error:
        return _refuse(str(error))
    except OSError as error:
        return _refuse(f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror or error))
    except MemoryError as error:
        return _refuse(f"not enough memory: {error}")
    except (typer.Abort, KeyboardInterrupt):
        typer.echo("interrupted", err=True)
        return INTERRUPTED
    except Exception as error:
        if hasattr(error, "format_message"):  # a wrong option or command; the class's home differs between versions
            return _refuse(error.format_message())
        raise
    return code if isinstance(code, int) else OK


def _refuse(message: str) -> int:
    typer.echo("error: " + " ".join(message.split()), err=True)
    return WRONG
