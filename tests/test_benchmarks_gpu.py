"""Benchmarks of a GPU as far as a machine without one shows them: the script's dry run, our side emulated, peers."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import gpu, gpu_networks, gpu_sweep, kernels_cuda
from tests.cuda.device import EmulatedDevice as EmulatedSweepDevice
from tests.cuda.device import needs_compiler
from tests.deep_check.cuda.device import EmulatedDevice
from tests.helpers import assert_close
from theory_sim.command_line import run_app

ROOT = Path(__file__).parent.parent
SCRIPT = "benchmarks/gpu.sh"


def script(*arguments: str, file: Path | None = None, **variables: str) -> subprocess.CompletedProcess[str]:
    """The script, or a changed copy of it, as a user runs it."""
    environment = {**os.environ, "PYTHON": sys.executable, **variables}
    command = ["bash", str(file or SCRIPT), *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("step", "n", "words"),
    [
        ("training-bf16", 1, "-m benchmarks.gpu training --precision bf16"),
        ("conv-w", 1, "benchmarks kernels --device cuda --only conv weight gradient stage"),
        ("sanitizer", 1, ".ci/sanitize"),
    ],
)
def test_the_dry_run_checks_a_step(step: str, n: int, words: str) -> None:
    """.ci/run checks all of them: each starts Python."""
    done = script("--dry-run", "--only", step)
    assert done.returncode == 0, done.stderr
    assert words in done.stdout
    assert f"all {n} steps would run" in done.stdout


@pytest.mark.parametrize(
    ("step", "old", "new", "words"),
    [
        ("pgd-tf32", '--precision "$precision"', "--precision half", "allowed are float32, tf32, bf16"),
        ("conv-w", "--repeats 5", "--repeat 5", "no option --repeat"),
        ("tests", "tests/sweep/test_cuda.py)", "tests/nowhere.py)", "nowhere.py"),
        ("sweep", "benchmarks.gpu sweep", "benchmarks.gpu sweeps", "allowed are attack, training, sweep"),
        ("self", "deep_check selftest", "deep_check selftests", "selftests"),
    ],
)
def test_a_step_that_would_not_run_is_found(tmp_path: Path, step: str, old: str, new: str, words: str) -> None:
    text = (ROOT / SCRIPT).read_text(encoding="utf-8")
    assert old in text
    changed = ROOT / "benchmarks" / f".gpu-{tmp_path.name}.sh"  # the script goes to the folder above its own
    try:
        changed.write_text(text.replace(old, new), encoding="utf-8")
        done = script("--dry-run", "--only", step, file=changed)
    finally:
        changed.unlink()
    assert done.returncode == 1
    assert words in done.stderr
    assert "failed: " in done.stderr


def test_mistakes_of_the_script(tmp_path: Path) -> None:
    assert script("--fast").returncode == 2
    assert script("--dry-run", "--only", "nothing").returncode == 2
    assert script("--dry-run", PYTHON=str(tmp_path / "python")).returncode == 1


def test_without_a_gpu_nothing_is_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.json"
    for arguments, words in (
        (["nets"], "allowed are attack, training, sweep"),
        (["attack", "--precision", "half"], "allowed are float32, tf32, bf16"),
        (["attack", "--peers", "jax"], "allowed are eager, compiled"),
        (["attack", "--repeats", "0"], "allowed is >= 1"),
    ):
        assert run_app(gpu.app, [*arguments, "--out", str(out)]) == 2
        assert words in capsys.readouterr().err
    assert run_app(gpu.app, ["attack", "--out", str(out), "--check"]) == 0
    assert not out.exists()


def values(found: dict[str, Any]) -> dict[str, Any]:
    return {name: np.asarray(value() if callable(value) else value) for name, value in found.items()}


@needs_compiler
@pytest.mark.parametrize("job", gpu_networks.JOBS)
def test_our_side_in_every_precision(job: str) -> None:
    """Within its bound of the exact result, and further off where factors have fewer bits."""
    sizes = replace(gpu_networks.QUICK, attack=2, training=2)
    problem, exact, error, _ = gpu_networks._problem(sizes, job)
    device = EmulatedDevice()
    errors = []
    for precision in gpu_networks.PRECISIONS:
        found = values(getattr(kernels_cuda, job)(device, problem, precision)())
        errors.append(error(found, exact))
        assert errors[-1] <= gpu_networks.BOUNDS[job][precision]
    assert errors == sorted(errors)
    wrong = {name: -array for name, array in found.items()}
    assert error(wrong, exact) > gpu_networks.BOUNDS[job]["bf16"]


@pytest.mark.parametrize("job", gpu_networks.JOBS)
@pytest.mark.parametrize("form", ["torch nchw", "torch channels_last"])
def test_pytorch_agrees_in_every_precision(job: str, form: str) -> None:
    pytest.importorskip("torch", reason="needs PyTorch")
    from benchmarks.peers import torch_gpu

    problem, exact, error, _ = gpu_networks._problem(gpu_networks.QUICK, job)
    for precision in gpu_networks.PRECISIONS:
        side = gpu_networks.peer(job, form, precision, "cpu")
        found = values(getattr(torch_gpu, f"prepare_{job}")(problem, 1, **side.options)())
        assert error(found, exact) <= gpu_networks.BOUNDS[job][precision]


@needs_compiler
@pytest.mark.parametrize("activation", gpu_sweep.ACTIVATIONS)
def test_both_engines_train_the_same_networks(activation: str, monkeypatch: pytest.MonkeyPatch) -> None:
    device = EmulatedSweepDevice()
    monkeypatch.setattr("theory_sim.sweep.cuda.device.cuda_device", lambda: device)
    problem = gpu_sweep.problem_of(gpu_sweep.QUICK, activation)
    cuda, cpu = (gpu_sweep.prepare(problem, 2, place)() for place in ("cuda", "cpu"))
    assert len(cpu["tau"]) == gpu_sweep.networks_of(gpu_sweep.QUICK, activation)[0]
    assert len(np.unique(cpu["tau"])) > len(cpu["tau"])  # each network is another, and moves
    for name, array in cpu.items():
        assert_close(name, cuda[name], array, "engines")
    share = gpu_sweep.instructions(gpu_sweep.QUICK, "softplus") / gpu_sweep.instructions(gpu_sweep.QUICK, "relu")
    assert share == 42 / 32
