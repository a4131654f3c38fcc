"""Which module may import which: read from the source, so that no import has to be run."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MODULES = sorted((ROOT / "theory_sim").rglob("*.py"))
DEEP = sorted((ROOT / "deep_check").rglob("*.py"))
REFERENCES = sorted((ROOT / "deep_check" / "ops").glob("*_reference.py"))


def imports_of(path: Path) -> set[str]:
    """Absolute names of everything a file imports, anywhere in it, relative imports resolved."""
    package = list(path.relative_to(ROOT).with_suffix("").parts[:-1])
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            names |= {module} | {f"{module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in ("import_module", "__import__"):
            names |= {arg.value for arg in node.args if isinstance(arg, ast.Constant)}
    return names


def offenders(files: list[Path], forbidden: tuple[str, ...]) -> list[str]:
    return [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in files
        for name in sorted(imports_of(path))
        if any(name == bad or name.startswith(bad + ".") for bad in forbidden)
    ]


def closure(files: list[Path]) -> list[Path]:
    """The files and every file of this project that they import, directly or not."""
    seen: set[Path] = set()
    todo = list(files)
    while todo:
        path = todo.pop()
        if path in seen:
            continue
        seen.add(path)
        for name in imports_of(path):
            where = ROOT / Path(*name.split("."))
            todo += [p for p in (where.with_suffix(".py"), where / "__init__.py") if p.is_file()]
    return sorted(seen)


def test_the_scan_sees_imports() -> None:
    found = imports_of(ROOT / "theory_sim/descent/__init__.py")
    assert "theory_sim.descent.events.run_events" in found
    assert len(MODULES) > 10


def test_descent_knows_nothing_of_what_it_is_evidence_for() -> None:
    descent = [path for path in MODULES if "descent" in path.parts]
    assert len(descent) >= 6
    forbidden = tuple(f"theory_sim.{name}" for name in ("recurrences", "closed_form", "claims", "derivations"))
    assert offenders(closure(descent), forbidden) == []


@pytest.mark.parametrize("package", ["deep_check", "benchmarks", "tests"])
def test_theory_sim_stands_alone(package: str) -> None:
    assert offenders(MODULES, (package,)) == []


@pytest.mark.parametrize("package", ["benchmarks", "tests"])
def test_deep_check_needs_nothing_but_theory_sim(package: str) -> None:
    assert len(DEEP) > 40
    assert offenders(DEEP, (package,)) == []


def test_references_know_nothing_of_what_they_judge() -> None:
    """The float64 operations, and the network made of them, are independent of every fast kernel."""
    assert len(REFERENCES) >= 10
    network = ROOT / "deep_check" / "reference_network.py"
    used = {str(path.relative_to(ROOT)) for path in closure([*REFERENCES, network])} - {"deep_check/__init__.py"}
    judged = ("_cpu.py", "_cuda.py", "lanes.py", "blocks.py", "folding.py", "theory_sim/spectrum.py")
    assert [path for path in used if path.endswith(judged) or "/cpu/" in path or "/cuda/" in path] == []
    assert offenders([*REFERENCES, network], ("numba", "cupy", "scipy")) == []


def test_peers_stay_out_of_the_packages() -> None:
    assert offenders([*MODULES, *DEEP], ("torch", "jax", "torchattacks", "foolbox")) == []


def test_there_is_one_fourier_transform() -> None:
    """Everything else goes through spectrum.py, on a GPU through CuPy's cuFFT alone."""
    others = [path for path in [*MODULES, *DEEP] if path.name != "spectrum.py"]
    assert offenders(others, ("scipy.fft", "numpy.fft", "scipy.fftpack")) == []
    uses = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in others
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr == "fft" and path.parts[-2:] != ("cuda", "transforms.py")
    ]
    assert uses == []  # np.fft.anything; a docstring's example may use it as its oracle


def test_the_scan_would_notice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{__name__}.ROOT", tmp_path)
    module = tmp_path / "theory_sim/descent/x.py"
    module.parent.mkdir(parents=True)
    module.write_text("def f():\n    from ..closed_form import Plane\n    import benchmarks.theory\n")
    assert offenders([module], ("theory_sim.closed_form",))
    assert offenders([module], ("benchmarks",))
