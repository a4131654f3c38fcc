"""Fixtures and settings of the whole suite."""

from __future__ import annotations

import os
from pathlib import Path

import matplotlib as mpl
import pytest
from hypothesis import HealthCheck, settings

from tests.cuda.nvrtc import TABLE
from tests.helpers import WORST_SHARE

mpl.use("Agg")
# Same seed, same result: examples are derived from the test itself, nothing is kept between runs.
settings.register_profile(
    "project", derandomize=True, database=None, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("project")
if os.environ.get("CUDA_MEMORY_POOL") == "off":  # .ci/sanitize: no array lies inside of a larger piece of memory
    import cupy

    cupy.cuda.set_allocator(None)


@pytest.fixture(scope="session")
def cifar10_dir() -> Path:
    """The folder with CIFAR-10 in its official binary layout."""
    folder = os.environ.get("CIFAR10_DIR")
    if not folder:
        pytest.skip("CIFAR10_DIR is not set: no CIFAR-10 to read")
    return Path(folder)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show how much of each tolerance the run used, and what the compiled kernels take."""
    if WORST_SHARE:
        terminalreporter.section("largest share of each tolerance used")
        for key, share in sorted(WORST_SHARE.items()):
            terminalreporter.write_line(f"{share:8.3f}  {key}")
    if TABLE:
        terminalreporter.section("registers a thread, bytes of spills and of shared memory")
        for key, use in sorted(TABLE.items()):
            terminalreporter.write_line(f"{use.registers:8d} {use.spills:5d} {use.shared:6d}  {key}")
