"""The kernels of the CPU with the other number of lanes: a machine without registers of 512 bits gets the same."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from deep_check.ops.lanes import CHOICES, LANES

HERE = Path(__file__).parent
FILES = ("ops/test_blocks.py", "ops/test_conv2d_cpu.py", "ops/test_batch_norm_cpu.py", "ops/test_head_shortcut_cpu.py",
         "test_attack_network_cpu.py", "test_training_network_cpu.py")  # fmt: skip
OTHER = sum(CHOICES) - LANES


def run(arguments: list[str], lanes: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "DEEP_CHECK_LANES": lanes}
    return subprocess.run(
        [sys.executable, *arguments], env=environment, capture_output=True, text=True, cwd=HERE.parents[1], check=False
    )


@pytest.mark.skipif("DEEP_CHECK_LANES" in os.environ, reason="this is the run with the other number of lanes")
def test_with_the_other_number_of_lanes() -> None:
    done = run(["-m", "pytest", "-q", "-p", "no:cacheprovider", *(str(HERE / file) for file in FILES)], str(OTHER))
    assert done.returncode == 0, done.stdout[-3000:]
    assert " passed" in done.stdout
    told = run(["-c", "from deep_check.ops.lanes import LANES; print(LANES)"], str(OTHER))
    assert told.stdout.strip() == str(OTHER)


def test_another_number_is_refused() -> None:
    done = run(["-c", "import deep_check.ops.lanes"], "12")
    assert "DEEP_CHECK_LANES=12: allowed are 8, 16" in done.stderr
