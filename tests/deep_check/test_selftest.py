"""The self-test: all kernels agree, on the CPU and in the emulator; what is planted is reported as failed."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

import deep_check.selftest as under_test
from deep_check.cli import main
from deep_check.cuda.source import FAMILIES, source
from deep_check.ops import attack_step_cpu, attack_step_reference
from deep_check.selftest import cases as all_cases
from deep_check.selftest import on_cpu, relative_error, run
from deep_check.selftest.cases import Case, Pair, cases_of
from deep_check.selftest.command import describe, operations_of
from deep_check.selftest.on_cuda import CudaOperations
from tests.cuda.device import needs_compiler
from tests.deep_check.cuda.device import DEVICES, EmulatedDevice, open_device

FEW = ("sign step", "crop and flip", "PGD step, l∞")


def failures(rows: list[under_test.Row]) -> set[str]:
    return {row.op for row in rows if not row.ok}


def test_the_cpu_agrees_and_every_case_would_notice() -> None:
    """Results one place further on differ from the right ones by at least 100 tolerances."""
    for case in cases_of(on_cpu):
        pairs = case.run(on_cpu)
        for pair in pairs:
            assert relative_error(pair) <= case.tolerance, (case.op, case.shape)
        moved = [Pair(np.roll(pair.found, 1), pair.expected, pair.scale) for pair in pairs if np.size(pair.found) > 1]
        assert max(map(relative_error, moved)) > 100 * case.tolerance, (case.op, case.shape)


def test_every_reference_is_there() -> None:
    """What has a float64 reference is compared on the CPU; ReLU has no kernel of its own there."""
    references = [module for name, module in vars(all_cases).items() if name.endswith("_reference")]
    assert len(references) >= 10
    for module in references:
        for name, function in vars(module).items():
            own = callable(function) and function.__module__ == module.__name__
            if own and not name.startswith(("_", "relu", "conv2d")):
                assert hasattr(on_cpu, name), name


@pytest.fixture(scope="module", params=DEVICES)
def device(request: pytest.FixtureRequest) -> Any:
    return open_device(request.param)


def test_cuda_agrees(device: Any) -> None:
    """In the emulator every kernel of every family has run then."""
    rows = run(CudaOperations(device, n_images=3))
    assert failures(rows) == set(), [row for row in rows if not row.ok]
    if isinstance(device, EmulatedDevice):
        assert {launch.kernel for launch in device.launches} == {k for f in FAMILIES.values() for k in f.kernels}


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """The self-test of three operations."""
    whole = under_test.cases_of

    def some(operations: Any) -> list[Case]:
        return [case for case in whole(operations) if case.op in FEW]

    monkeypatch.setattr(under_test, "cases_of", some)


@needs_compiler
@pytest.mark.usefixtures("few")
def test_a_fault_in_a_cuda_source_fails() -> None:
    """Columns taken for rows."""
    code = source("small").replace("offsets[2 * image] - padding", "offsets[2 * image + 1] - padding")
    assert code != source("small")
    device = EmulatedDevice(code={"small": code}, only=("sign_step", "augment", "pgd_linf_step"))
    assert failures(run(CudaOperations(device, n_images=3))) == {"crop and flip"}


@pytest.mark.usefixtures("few")
def test_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["selftest", "--device", "cpu"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "6 of 6 agree with float64 on" in out
    assert out.count(" ok ") == 6
    assert max(map(len, out.splitlines())) <= 120
    assert main(["selftest", "--device", "cpu", "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")
    assert main(["selftest", "--device", "cpu", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["ok"]
    assert {row["op"] for row in found["rows"]} == set(FEW)


def wrong_way(x: Any, gradient: Any, step_size: float) -> Any:
    return attack_step_cpu.sign_step(x, -gradient, step_size)


def nothing(x: Any, gradient: Any, step_size: float) -> Any:
    return np.full_like(x, np.nan)


def refuses(x: Any, gradient: Any, step_size: float) -> Any:
    raise RuntimeError("no kernel image\nis available")


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("planted", [wrong_way, nothing, refuses])
def test_what_is_planted_is_reported(
    planted: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control: a step in the other direction, NaN, and a kernel that does not run."""
    monkeypatch.setattr(on_cpu, "sign_step", planted)
    assert failures(run(on_cpu)) == {"sign step"}
    assert main(["selftest", "--device", "cpu", "--quiet"]) == 1
    out, err = capsys.readouterr()
    assert err == ""
    assert out.count("FAILED") == 2
    assert ("RuntimeError: no kernel image" in out) == (planted is refuses)
    assert "4 of 6 agree" in out
    assert main(["selftest", "--device", "cpu", "--json"]) == 1
    found = json.loads(capsys.readouterr().out, parse_constant=lambda constant: pytest.fail(constant))
    assert not found["ok"]
    assert [row["ok"] for row in found["rows"] if row["op"] == "sign step"] == [False, False]


def test_errors() -> None:
    assert relative_error(Pair(np.array([1.0, 2.5]), np.array([1.0, 2.0]))) == 0.25
    assert relative_error(Pair(np.array([1.0, 2.5]), np.array([1.0, 2.0]), 5.0)) == 0.1
    assert relative_error(Pair(np.array([1.0]), np.array([1.0, 1.0]))) == np.inf
    assert relative_error(Pair(np.array([np.inf]), np.array([np.inf]))) == np.inf
    assert relative_error(Pair(0.5, 0.0)) == 0.5
    assert attack_step_reference.clip_box(np.full(3, 2.0)).max() == 1


def test_where() -> None:
    assert operations_of("cpu") is on_cpu
    assert "lanes" in describe("cpu")
