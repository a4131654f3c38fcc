"""Compiled kernels belong to one state of the sources: a change in any file leads to another folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import theory_sim
from theory_sim import compiled_code

SCRIPT = """
import sys
sys.path.insert(0, sys.argv[1])
import kernels.compiled_code
from kernels.caller import outer
print(outer(1.0))
"""
CALLER = """
import numba as nb
from kernels.callee import inner

@nb.njit(cache=True)
def outer(x):
    return 10.0 * inner(x)
"""
CALLEE = """
import numba as nb

@nb.njit(cache=True)
def inner(x):
    return x + {}
"""


def result(folder: Path) -> str:
    environment = {key: value for key, value in os.environ.items() if key != "NUMBA_CACHE_DIR"}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(folder)], capture_output=True, text=True, env=environment, check=True
    )
    return done.stdout.strip()


def test_a_changed_callee_is_not_answered_from_old_code(tmp_path: Path) -> None:
    package = tmp_path / "kernels"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "compiled_code.py").write_text(Path(compiled_code.__file__).read_text())
    (package / "caller.py").write_text(CALLER)
    (package / "callee.py").write_text(CALLEE.format(1.0))
    assert result(tmp_path) == "20.0"
    assert list((package / "__pycache__").glob("numba-*/**/*.nbi"))  # it was kept
    (package / "callee.py").write_text(CALLEE.format(2.0))
    assert result(tmp_path) == "30.0"
    # Control: without the digest Numba answers from the old code.
    (package / "compiled_code.py").write_text("")
    assert result(tmp_path) == "30.0"
    (package / "callee.py").write_text(CALLEE.format(3.0))
    assert result(tmp_path) == "30.0"


def test_the_package_keeps_its_code_so() -> None:
    if "NUMBA_CACHE_DIR" not in os.environ:
        import numba

        assert Path(numba.config.CACHE_DIR).name.startswith("numba-")
    assert theory_sim.compiled_code is compiled_code
