"""One place where a command line turns mistakes into one line on stderr and an exit code."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any

import typer

from theory_sim.errors import InputError

LATER_S = 0.05
OK, WRONG, INTERRUPTED, UNREAD = 0, 2, 130, 141


def run_app(app: typer.Typer, arguments: Sequence[str] | None = None) -> int:
    """Run the command that the arguments (of this process if None) name, and return the exit code.

    A command's own code (`typer.Exit`) is passed on. InputError, a wrong option, an unwritable or full disk and too
    little memory: one line `error: ...` on stderr, code 2. Ctrl-C: 130. A reader of
    stdout that has left: 141, silently.
    """
    with interruptible():
        return _run(app, list(sys.argv[1:] if arguments is None else arguments))


def _run(app: typer.Typer, arguments: Sequence[str]) -> int:
    for stream in (sys.stdout, sys.stderr):
        _print_any_name(stream)
    try:
        code = app(args=arguments or ["--help"], standalone_mode=False)
        sys.stdout.flush()
    except InputError as error:
        return _refuse(str(error))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the interpreter's last flush complains
        return UNREAD
    except SystemExit:  # what Rich makes of a broken pipe
        return UNREAD
    except OSError as error:
        return _refuse(f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror or error))
    except MemoryError as error:
        return _refuse(f"not enough memory: {error}")
    except (typer.Abort, KeyboardInterrupt):
        code = INTERRUPTED
    except Exception as error:
        if hasattr(error, "format_message"):  # a wrong option or command; the class's home differs between versions
            return _refuse(error.format_message())
        raise
    if code == INTERRUPTED:  # some versions of Typer turn Ctrl-C into this code, others raise
        typer.echo("interrupted", err=True)
    return code if isinstance(code, int) else OK


@contextmanager
def interruptible() -> Iterator[None]:
    """Let Ctrl-C through where it would be lost: in the main thread, unless somebody has a handler of his own.

    An exception raised while LLVM calls Python back is printed and forgotten, so that one is raised a moment later.
    """
    main = threading.current_thread() is threading.main_thread()
    usual = main and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if usual:
        signal.signal(signal.SIGINT, _interrupt)
    try:
        yield
    finally:
        if usual:
            signal.signal(signal.SIGINT, signal.default_int_handler)


def _interrupt(number: int, frame: FrameType | None) -> None:
    within = frame
    while within is not None:
        if "llvmlite" in within.f_code.co_filename:
            threading.Timer(LATER_S, signal.raise_signal, (number,)).start()
            return
        within = within.f_back
    raise KeyboardInterrupt


def _refuse(message: str) -> int:
    typer.echo("error: " + " ".join(message.split()), err=True)
    return WRONG


def _print_any_name(stream: Any) -> None:
    """Names of files that the stream's encoding cannot say are printed with escapes."""
    if hasattr(stream, "reconfigure"):
        stream.reconfigure(errors="backslashreplace")
