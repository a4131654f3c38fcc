"""The one Rich console for results."""

from __future__ import annotations

from rich.console import Console

PLAIN_WIDTH = 120  # where no terminal says how wide it is: a pipe, a file


def console() -> Console:
    """A console on stdout: colours and width of a terminal, plain lines of `PLAIN_WIDTH` elsewhere."""
    found = Console()
    return found if found.is_terminal else Console(width=PLAIN_WIDTH)
