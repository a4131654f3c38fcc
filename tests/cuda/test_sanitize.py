"""The script that runs the CUDA tests under compute-sanitizer: what it would do, and what it says where it cannot."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / ".ci" / "sanitize"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "SANITIZER": "no-such-sanitizer"}
    return subprocess.run([str(SCRIPT), *arguments], capture_output=True, text=True, check=False, env=environment)


def test_a_dry_run_prints_both_commands() -> None:
    done = run("--dry-run")
    assert done.returncode == 0
    memcheck, racecheck = done.stdout.splitlines()
    for line, tool in ((memcheck, "memcheck"), (racecheck, "racecheck")):
        assert f"no-such-sanitizer --tool {tool} --error-exitcode 9" in line
        assert line.startswith("CUDA_MEMORY_POOL=off ")
        assert line.endswith("-m gpu tests/cuda tests/deep_check/cuda tests/sweep/test_cuda.py")
    assert run("--dry-run", "-k", "batch_norm").stdout.splitlines()[0].endswith("-m gpu -k batch_norm")


def test_what_is_missing_is_said() -> None:
    done = run()
    assert done.returncode == 1
    assert done.stdout == ""
    assert "missing here: no-such-sanitizer (of the CUDA toolkit)" in done.stderr
