"""The version has one source, the public API is what it says, and the set-up files hold nothing of one machine."""

from __future__ import annotations

import re
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

import pytest

import deep_check
import theory_sim
from tests.test_architecture import imports_of

ROOT = Path(__file__).parent.parent


def test_version_has_one_source() -> None:
    assert version("spectral-claims") == theory_sim.__version__
    assert "version =" not in (ROOT / "pyproject.toml").read_text().split("[tool.setuptools.dynamic]")[0]


@pytest.mark.parametrize("package", [theory_sim, deep_check])
def test_public_names_exist_and_are_documented(package: ModuleType) -> None:
    assert len(set(package.__all__)) == len(package.__all__) > 3
    for name in package.__all__:
        assert getattr(package, name).__doc__, name


def test_set_up_files_name_no_machine() -> None:
    for name in ("pyproject.toml", "Makefile", ".ci/run", "README.md"):
        text = (ROOT / name).read_text(encoding="utf-8")
        assert not re.search(r"/(home|root|work)/|index-url|extra-index", text), name


@pytest.mark.parametrize("package", ["theory_sim", "deep_check"])
def test_everything_imported_is_declared(package: str) -> None:
    """A clean environment has what a package imports: no package of the developer's machine is taken for granted."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    optional = [name for key in ("cuda12", "cluster") for name in project["optional-dependencies"][key]]
    declared = {re.split(r"[<>=\[]", name)[0] for name in [*project["dependencies"], *optional]}
    known = {"PIL": "pillow", "cupy": "cupy-cuda12x", "cupyx": "cupy-cuda12x"}
    used = {name.split(".")[0] for path in (ROOT / package).rglob("*.py") for name in imports_of(path)}
    used -= set(sys.stdlib_module_names) | {"theory_sim", "deep_check"}
    assert {known.get(name, name) for name in used} - declared == set()
    assert "numpy" in used
