"""Stored numbers belong to the code and the device that made them: of others they are measured again."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deep_check.attacks import Attack
from deep_check.experiments import fig6, perturbations
from deep_check.experiments.context import Context
from deep_check.experiments.manifest import PACKAGE, code_of
from deep_check.experiments.perturbations import perturbed
from deep_check.experiments.registry import EXPERIMENTS
from deep_check.experiments.rows import Rows
from deep_check.resnet import ResNet
from tests.deep_check.experiments.accuracies import small_files
from theory_sim import compiled_code
from theory_sim.errors import InputError


@pytest.fixture
def package(tmp_path: Path) -> Iterator[Path]:
    """A copy of the package's sources, whose digests are computed anew whenever they are asked for."""
    copy = tmp_path / "deep_check"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__", "models"))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("deep_check.experiments.manifest.digest_above", compiled_code.digest_above.__wrapped__)
        patched.setattr(compiled_code, "digest", compiled_code.digest.__wrapped__)
        yield copy


def codes(package: Path) -> dict[str, str]:
    return {name: code_of(f"experiments.{name}", package) for name in EXPERIMENTS}


def changed(package: Path, name: str) -> set[str]:
    """Figures whose code is another after a line more in a file."""
    before = codes(package)
    with (package / name).open("a", encoding="utf-8") as file:
        file.write("\n")
    after = codes(package)
    return {name for name in EXPERIMENTS if before[name] != after[name]}


def test_a_figures_code_is_all_that_it_imports(package: Path) -> None:
    assert codes(package) == {name: experiment.code for name, experiment in EXPERIMENTS.items()}
    spectra = changed(package, "experiments/concentration.py")
    assert spectra >= {"fig4", "fig7", "fig8"}
    assert not spectra & {"fig2", "fig6", "table_accuracy"}
    assert changed(package, "experiments/fig6.py") == {"fig6", "table_accuracy"}
    assert changed(package, "experiments/fig4_picture.py") == changed(package, "cli.py") == set()
    for everywhere in ("ops/conv2d_cpu_direct.py", "ops/conv2d_mma.cu", "cuda/attack_network.py", "spectra.py"):
        assert changed(package, everywhere) >= {"fig4", "fig13"}, everywhere


def test_theorys_code_counts_where_it_is_imported(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = codes(package)
    theory = package.with_name("theory_sim")
    shutil.copytree(compiled_code.PACKAGE, theory, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(compiled_code, "PACKAGE", theory)
    assert codes(package) == before
    with (theory / "claims" / "ledger.py").open("a", encoding="utf-8") as file:
        file.write("\n")
    assert codes(package) == before
    with (theory / "spectrum.py").open("a", encoding="utf-8") as file:
        file.write("\n")
    assert not set(codes(package).values()) & set(before.values())


@pytest.mark.parametrize("name", ["code", "device"])
def test_rows_of_other_code_or_another_device_are_measured_again(tmp_path: Path, name: str) -> None:
    identity = {"weights": "ab", "code": "1", "device": "cpu"}

    def value(measured: float, **other: str) -> str:
        rows = Rows(tmp_path, "rows", ("k", "value"), ("k",), {**identity, **other})
        return rows.get({"k": 1}, lambda: {"value": measured})["value"]

    assert [value(0.5), value(0.25)] == ["0.5", "0.5"]
    assert value(0.25, **{name: "other"}) == "0.25"
    assert value(0.125, **{name: "other"}) == "0.25"
    with pytest.raises(InputError, match="another measurement"):
        value(0.125, **{name: "third"}, weights="cd")
    assert value(0.125, **{name: "other"}) == "0.25"  # and what was refused has changed nothing


def test_perturbations_of_other_code_or_another_device_are_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights, data = small_files(tmp_path)
    context = Context(data, tmp_path / "out", "quick", "cpu", partial=True, weights={"normal": weights})
    attack = Attack(steps=1)
    first = perturbed(context, "normal", attack, 4)
    run: Any = perturbations.run_attack
    calls: list[int] = []
    monkeypatch.setattr(perturbations, "run_attack", lambda *arguments: calls.append(1) or run(*arguments))
    perturbed(context, "normal", attack, 4)
    assert len(calls) == 0
    monkeypatch.setattr(perturbations, "code_of", lambda module: f"other {module}")
    np.testing.assert_array_equal(perturbed(context, "normal", attack, 4).adversarial, first.adversarial)
    perturbed(context, "normal", attack, 4)
    assert len(calls) == 1
    net, context.device = context.net("normal"), "another"
    perturbed(context, "normal", attack, 4)
    assert len(calls) == 2
    assert net.device == "cpu"
    assert len(list((context.out / perturbations.FOLDER).iterdir())) == 1  # in place of the old ones


def test_accuracies_know_their_code_and_device() -> None:
    net, images = ResNet(8, "cpu", seed=1), np.zeros((1, 3, 32, 32), np.float32)
    found = fig6.identity(net, images, np.zeros(1, np.int64))
    assert found["device"] == "cpu"
    assert found["code"] == code_of("experiments.fig6") == EXPERIMENTS["fig6"].code
