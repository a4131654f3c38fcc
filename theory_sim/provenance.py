"""What a stored number needs beside it: versions, commit, hardware."""

from __future__ import annotations

import os
import platform
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("numpy", "scipy", "numba", "xarray")


@cache
def provenance() -> dict[str, str]:
    """`version` (of theory_sim), `versions` (Python and packages), `commit`, `hardware`, one line each.

    Asked for once a process: the code that runs does not change under way.
    """
    from theory_sim import __version__

    return {"version": __version__, "versions": versions(), "commit": commit(), "hardware": hardware()}


def versions() -> str:
    """Python and the numerical packages: "Python 3.11.2, numpy 2.1.0, ..."."""
    parts = [f"Python {platform.python_version()}"]
    for name in PACKAGES:
        try:
            parts.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            parts.append(f"{name} missing")
    return ", ".join(parts)


def commit() -> str:
    """Git commit of the checkout this package lies in, "+changes" if edited since; "unknown" if it lies in none."""
    root = Path(__file__).resolve().parent.parent
    if not (root / ".git").exists():
        return "unknown"
    revision = _git(root, "rev-parse", "HEAD")
    edited = _git(root, "status", "--porcelain", "--untracked-files=no")
    return revision + ("+changes" if revision and edited else "") or "unknown"


def _git(root: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def hardware() -> str:
    """Processor, number of usable cores and operating system on one line."""
    return f"{_processor()}, {_cores()} cores, {platform.system()} {platform.machine()}"


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        return os.cpu_count() or 1
