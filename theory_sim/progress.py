"""How far a command is, for whoever waits: a Rich bar on a terminal, plain lines elsewhere, always on stderr."""

from __future__ import annotations

from time import monotonic
from types import TracebackType
from typing import Any, Self

EVERY = 5.0  # seconds between plain lines


class Watch:
    """Is told of progress and keeps it to itself."""

    def update(self, what: str, done: int, total: int) -> None:
        """`done` of `total` of `what` ("networks") are done by now."""

    def note(self, line: str) -> None:
        """Something the user should know."""


class Progress(Watch):
    """Shows what it is told, with rate and time left; only notes if `quiet`."""

    def __init__(self, quiet: bool) -> None:
        """Nothing is shown before the block that it manages begins."""
        from rich.console import Console

        self._console = Console(stderr=True)
        self._quiet = quiet
        self._bar: Any = None
        self._what = ""

    def __enter__(self) -> Self:
        """Begin to show."""
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        if not self._quiet and self._console.is_terminal:
            words = TextColumn("{task.description} {task.fields[rate]}")
            self._bar = Bar(words, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=self._console)
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the bar; the screen is as before."""
        if self._bar is not None:
            self._bar.stop()

    def update(self, what: str, done: int, total: int) -> None:
        """Redraw the bar, or print a line if the last one is old enough."""
        if self._quiet:
            return
        now = monotonic()
        if what != self._what:
            self._what, self._begin, self._first, self._last = what, now, done, now
            if self._bar is not None:
                for task in self._bar.task_ids:
                    self._bar.remove_task(task)
                self._task = self._bar.add_task(what, total=total, completed=done, rate="")
            return
        seconds = now - self._begin
        rate = (done - self._first) / seconds if seconds > 0 else 0.0
        if self._bar is not None:
            self._bar.update(self._task, completed=done, rate=f"{rate:,.0f}/s")
        elif now - self._last >= EVERY:
            self._last = now
            pace = f"{rate:,.0f}/s, {duration((total - done) / rate)} left" if rate else "begun (first use compiles)"
            self._print(f"{what}: {done:,} of {total:,}, {pace}")

    def note(self, line: str) -> None:
        """Print the line, above the bar if there is one."""
        self._print(f"note: {line}")

    def _print(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)


def duration(seconds: float) -> str:
    """Seconds in words: "8 s", "3 min", "2.5 h"."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 100 * 60 else f"{seconds / 3600:.1f} h"
