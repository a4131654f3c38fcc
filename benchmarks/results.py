"""The one format of all benchmarks: rows with times, ratio and agreement, where they were measured, JSON and table."""

from __future__ import annotations

import datetime
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from importlib import metadata
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from theory_sim.errors import InputError, require
from theory_sim.provenance import commit

QUIET = 0.1  # cores that others may take while something is timed: more than that is seen in the times
PROBE_S = 1.0
PACKAGES = ("numpy", "scipy", "numba", "torch", "jax", "jaxlib")


@dataclass(frozen=True)
class Row:
    """One of ours against one peer in one job. Times in seconds of one call; None where nothing was timed.

    ours_s, peer_s: medians over `repeats` turns, with their smallest and largest; ratio: ours_s / peer_s, below 1 where
    we are faster. agreement: worst max|ours - peer| / max|peer| over the job's arrays, None if they cannot be compared;
    bound: what is allowed; reason: why the row failed, empty if it did not. threads: of each pool in both processes.
    ours_settings, peer_settings: times are per setting, of so many a turn; None where a call is one piece of work.
    asked: the speed-up 1 / ratio that we have promised ourselves; None where it is only shown.
    Where the job has an exact evaluation, agreement and peer_agreement are the errors of ours and of the peer's, as
    `measure` says. peer is empty, and what is the peer's None, where ours stands alone. ours_memory, peer_memory: bytes
    by which resident memory grew at its peak in the discarded turn; None where the system does not tell.
    """

    job: str
    ours: str
    peer: str
    bound: float
    device: str = "cpu"
    ours_s: float | None = None
    peer_s: float | None = None
    ratio: float | None = None
    agreement: float | None = None
    reason: str = ""
    ours_min_s: float | None = None
    ours_max_s: float | None = None
    peer_min_s: float | None = None
    peer_max_s: float | None = None
    repeats: int = 0
    threads: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    ours_settings: int | None = None
    peer_settings: int | None = None
    asked: float | None = None
    peer_agreement: float | None = None
    measure: str = "max|error| / max"
    ours_memory: int | None = None
    peer_memory: int | None = None

    @property
    def passed(self) -> bool:
        """True if both sides ran and their results agree."""
        return not self.reason

    def timed(self, ours: Sequence[float], peer: Sequence[float]) -> Row:
        """The same row with the seconds of both sides' turns; `peer` is empty where ours stands alone."""
        ours_s = statistics.median(ours)
        row = replace(self, ours_s=ours_s, ours_min_s=min(ours), ours_max_s=max(ours), repeats=len(ours))
        if not peer:
            return row
        peer_s = statistics.median(peer)
        return replace(row, peer_s=peer_s, ratio=ours_s / peer_s, peer_min_s=min(peer), peer_max_s=max(peer))

    def as_dict(self) -> dict[str, Any]:
        """JSON object of the row; `passed` included."""
        return {**asdict(self), "passed": self.passed}


def row_of(found: Mapping[str, Any]) -> Row:
    """The row of a JSON object as `Row.as_dict` makes it; other keys are left out."""
    return Row(**{name.name: found[name.name] for name in fields(Row) if name.name in found})


def n_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def hardware() -> dict[str, Any]:
    """CPU model, cores this process may use and the machine has, memory in GiB."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        facts = dict(line.split(":", 1) for line in info.read_text().splitlines() if ":" in line)
        facts = {key.strip(): value.strip() for key, value in facts.items()}
        if {"model name", "cpu family", "model"} <= facts.keys():  # the name alone often hides the generation
            model = f"{facts['model name']} (family {facts['cpu family']}, model {facts['model']})"
    pages = {"SC_PHYS_PAGES", "SC_PAGE_SIZE"} <= os.sysconf_names.keys()
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30 if pages else None
    return {
        "cpu": model,
        "cores": n_cores(),
        "cores_of_machine": os.cpu_count(),
        "memory_gib": None if memory is None else round(memory, 1),
        "system": f"{platform.system()} {platform.machine()}",
    }


def seconds_of_others() -> float | None:
    """Core-seconds that the machine has spent so far on processes that are neither this one nor its ended children.

    Its growth over a run, by the run's time, is the number of cores that others took away. None where the system does
    not tell.
    """
    try:
        ticks = [int(text) for text in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    except OSError:
        return None
    idle, waiting = ticks[3:5]
    own = os.times()
    ours = own.user + own.system + own.children_user + own.children_system
    return (sum(ticks) - idle - waiting) / os.sysconf("SC_CLK_TCK") - ours


class Patience:
    """Waits for a quiet machine, so many seconds altogether. No process of the caller's own may run meanwhile."""

    def __init__(self, seconds: float) -> None:
        """seconds: 0 never waits."""
        self.left = seconds

    def wait(self) -> None:
        """Return when others take less than QUIET cores, or when no patience is left or the system does not tell."""
        while self.left > 0:
            before, start = seconds_of_others(), time.monotonic()
            time.sleep(min(PROBE_S, self.left))
            after, elapsed = seconds_of_others(), time.monotonic() - start
            self.left -= elapsed
            if before is None or after is None or (after - before) / elapsed < QUIET:
                return


def versions() -> dict[str, str]:
    """Python and the packages that are installed of PACKAGES."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def document(
    benchmark: str,
    rows: Iterable[Row],
    skipped: Mapping[str, str],
    protocol: Mapping[str, Any],
    **more: Any,
) -> dict[str, Any]:
    """The whole result as one JSON object; `skipped`: peer -> why; `more`: what only this benchmark has."""
    return {
        "benchmark": benchmark,
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "hardware": hardware(),
        "versions": versions(),
        "protocol": dict(protocol),
        "skipped": dict(skipped),
        "rows": [row.as_dict() for row in rows],
        **more,
    }


def require_writable(path: Path) -> None:
    """Raise InputError unless a file can be made at `path`; nothing is left behind."""
    require(not path.is_dir(), f"--out {path}: is a folder, a file name is needed")
    try:
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise InputError(f"--out {path}: cannot be written ({error.strerror})") from error


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write atomically: `path` holds the whole document or what it held before. Raises OSError, ValueError (NaN)."""
    text = json.dumps(content, indent=1, allow_nan=False) + "\n"
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_text(text, encoding="utf-8")
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def print_table(rows: Sequence[Row], console: Console) -> None:
    """The rows as a table, times in milliseconds: median, smallest and largest."""
    table = Table("job", "ours", "peer", title_justify="left")
    for column in ("ours ms", "peer ms", "ours / peer", "speed-up", "asked", "agreement"):
        table.add_column(column, justify="right")
    for i, row in enumerate(rows):
        times = [
            _milliseconds(row.ours_s, row.ours_min_s, row.ours_max_s),
            _milliseconds(row.peer_s, row.peer_min_s, row.peer_max_s),
        ]
        ratio = "" if row.ratio is None else f"{row.ratio:.3g}"
        speed_up, asked = _times(None if row.ratio is None else 1 / row.ratio), _times(row.asked)
        last = f"{row.agreement:.1e}" if row.passed else f"FAILED: {row.reason}"
        if row.passed and row.peer_agreement is not None:
            last += f" / {row.peer_agreement:.1e}"
        end = i + 1 == len(rows) or rows[i + 1].job != row.job
        table.add_row(row.job, row.ours, row.peer, *times, ratio, speed_up, asked, last, end_section=end)
    console.print(table)


def _milliseconds(median: float | None, low: float | None, high: float | None) -> str:
    if median is None or low is None or high is None:
        return ""
    return f"{1e3 * median:.3g} ({1e3 * low:.3g}-{1e3 * high:.3g})"


def _times(factor: float | None) -> str:
    if factor is None:
        return ""
    return f"{factor:,.0f}×" if factor >= 100 else f"{factor:.3g}×"
