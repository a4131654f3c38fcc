"""The command info: devices, kernels and versions, whatever is missing here."""

from __future__ import annotations

import json
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from deep_check import info
from deep_check.cli import main
from deep_check.cuda.source import FAMILIES
from deep_check.ops.blocks import LANES
from theory_sim import nvrtc

KERNELS = [kernel for family in FAMILIES.values() for kernel in family.kernels]
needs_nvrtc = pytest.mark.skipif(nvrtc.library() is None, reason="NVRTC is not installed")


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deep_check.checks.distributions", lambda: [])
    monkeypatch.setitem(sys.modules, "cupy", None)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """One family alone: compiling all takes ten seconds."""
    monkeypatch.setattr("deep_check.cuda.source.FAMILIES", {"batch_norm": FAMILIES["batch_norm"]})


@needs_nvrtc
@pytest.mark.usefixtures("no_gpu", "small")
def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", "--json"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    found = json.loads(out)
    assert found["devices"]["cpu"]["lanes"] == LANES
    assert found["devices"]["cpu"]["threads"] >= 1
    assert "CuPy is not installed" in found["devices"]["cuda"]["missing"]
    assert "numba" in found["versions"]
    assert "cupy missing" in found["versions"]
    assert found["kernels_from"] == "NVRTC for sm_90"
    assert [row["kernel"] for row in found["kernels"]] == list(FAMILIES["batch_norm"].kernels)
    for row in found["kernels"]:
        assert 0 < row["registers"] <= 255
        assert row["spills"] >= 0
    rows = {row["shape"]: row for row in found["convolutions"]}
    assert len(rows) == 6
    assert rows["16x32x32 -> 16, stride 1"]["forward"] == "Winograd"
    assert rows["16x32x32 -> 32, stride 2"]["forward"] == "direct"


@pytest.mark.usefixtures("no_gpu")
def test_nothing_that_could_tell(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nvrtc, "library", lambda: None)
    assert main(["info"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "neither a GPU nor NVRTC is here to tell" in out
    for kernel in KERNELS:
        assert kernel in out
    assert max(map(len, out.splitlines())) <= 120


@needs_nvrtc
@pytest.mark.usefixtures("no_gpu", "small")
@pytest.mark.parametrize(
    ("architecture", "words"),
    [("sm_1", "allowed are sm_80"), ("x", "'x'"), ("sm_999", "NVRTC does not compile for sm_999")],
)
def test_another_architecture(capsys: pytest.CaptureFixture[str], architecture: str, words: str) -> None:
    assert main(["info", "--architecture", architecture]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert len(err.splitlines()) == 1
    assert words in err


def test_a_gpu(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """As CuPy tells it."""

    class Function:
        num_regs, local_size_bytes, shared_size_bytes = 40, 8, 64

    class Module:
        def get_function(self, name: str) -> Function:
            return Function()

    runtime: Any = SimpleNamespace(
        CUDARuntimeError=RuntimeError,
        getDeviceCount=lambda: 1,
        getDevice=lambda: 0,
        getDeviceProperties=lambda number: {"name": b"GPU X", "major": 9, "minor": 0, "totalGlobalMem": 80 * 2**30},
        driverGetVersion=lambda: 13000,
        runtimeGetVersion=lambda: 12090,
    )
    cuda = SimpleNamespace(runtime=runtime, Device=lambda: SimpleNamespace(compute_capability="90"))
    cupy = SimpleNamespace(cuda=cuda, __version__="14.0", RawModule=lambda **options: Module())
    monkeypatch.setattr("deep_check.checks.distributions", lambda: [])
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    assert info.gpu()["compute_capability"] == "9.0"
    assert main(["info", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["devices"]["cuda"]["name"] == "GPU X"
    assert found["kernels_from"] == "CuPy"
    assert [row["kernel"] for row in found["kernels"]] == KERNELS
    assert {row["registers"] for row in found["kernels"]} == {40}
    assert {row["spills"] for row in found["kernels"]} == {8}
