"""Compiled kernels belong to one state of the sources: a change in any file leads to another folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numba
import pytest

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


def test_a_package_on_top_keeps_its_code_by_both_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setattr("numba.config.CACHE_DIR", "")
    uncached = compiled_code.digest.__wrapped__
    monkeypatch.setattr(compiled_code, "digest", uncached)
    package = tmp_path / "upper"
    (package / "inner").mkdir(parents=True)
    made = "from upper.inner import made\n\n@kernel\ndef f(x):\n    return x\n"
    files = {
        "__init__.py": "",
        "inner/__init__.py": "",
        "kernels.py": made,
        "inner/made.py": "STEP = 1\n",
        "cli.py": "",
    }
    for name, text in files.items():
        (package / name).write_text(text)

    def folder(choice: str = "") -> Path:
        compiled_code.keep_code_of(package, choice)
        return Path(numba.config.CACHE_DIR)

    first = folder()
    assert first.parent == package / "__pycache__" or first.parent.name == "upper"
    assert folder() == first
    (package / "cli.py").write_text("pass\n")
    assert folder() == first
    assert folder("8") != first
    for changed in ("kernels.py", "inner/made.py"):
        (package / changed).write_text(files[changed] + "\n")
        assert folder() != first
        first = folder()
    # What it builds on has changed.
    monkeypatch.setattr(compiled_code, "digest", lambda package=None: uncached(package) if package else "other")
    assert folder() != first


def test_deep_check_keeps_its_code_so() -> None:
    import deep_check

    sources = compiled_code._sources(Path(deep_check.__file__).parent)
    assert {"ops.lanes", "ops.conv2d_cpu_direct", "ops.head_cpu", "ops.blocks"} <= sources.keys()
    assert not {"architecture", "cli"} & sources.keys()


def test_sources_from_one_module_on(tmp_path: Path) -> None:
    """Whichever way the import is written; what only a function imports is left out."""
    texts = {
        "top": "from upper import one\nfrom upper.inner import (\n    two,\n)\nimport upper.three as t\n",
        "one": "def f():\n    from upper import lazy\n", "inner.two": "", "three": "", "lazy": "", "four": "",
    }  # fmt: skip
    package = tmp_path / "upper"
    (package / "inner").mkdir(parents=True)
    for name, text in texts.items():
        (package / f"{name.replace('.', '/')}.py").write_text(text)
    assert compiled_code._sources(package, ("top",)).keys() == {"top", "one", "inner.two", "three"}
    assert compiled_code._sources(package).keys() == set()  # none has kernels


def test_the_package_keeps_its_code_so() -> None:
    if "NUMBA_CACHE_DIR" not in os.environ:
        assert Path(numba.config.CACHE_DIR).name.startswith("numba-")
    assert theory_sim.compiled_code is compiled_code
