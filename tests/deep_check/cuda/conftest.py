"""Shows the traffic of the kernels after the run."""

from __future__ import annotations

import pytest

from tests.deep_check.cuda.traffic import TABLE


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if TABLE:
        terminalreporter.section("global-memory traffic over its minimum; KiB: minimum, parameters, partial sums")
        for key, found in sorted(TABLE.items()):
            sizes = (size / 1024 for size in (found.minimum, found.parameters, found.scratch))
            terminalreporter.write_line(f"{found.ratio:8.2f} {' '.join(f'{size:8.1f}' for size in sizes)}  {key}")
