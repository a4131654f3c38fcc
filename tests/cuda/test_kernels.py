"""The sweep's kernels in the emulator: no race, no barrier missing, no bound passed; NVRTC compiles without spills."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest

from tests.cuda import nvrtc
from tests.cuda.device import GENERATOR, EmulatedDevice, generator_source, needs_compiler
from tests.cuda.emulator import EmulatorError
from tests.cuda.networks import group_of
from tests.sweep.test_cuda import assert_agrees, train
from theory_sim.sweep.batch import OPPOSITE, Group
from theory_sim.sweep.cuda.source import KERNELS, source

LARGEST_SPILL = 16  # bytes a thread
ARCHITECTURES = ("sm_80", "sm_90")


def small_group(activation: str, dim: int = 35) -> Group:
    """More units than threads and than a stage of units, more columns than threads, kink crossings, ragged tiles."""
    changes = [
        {"width": 70, "n_steps": 21, "rate": 1.8, "input": 1, "band": 1},
        {"width": 5, "n_steps": 3, "loss": "logistic", "label_kind": OPPOSITE, "outer_law": "signs"},
        {"width": 33, "n_steps": 16, "rate": 1.5, "label": -0.8, "seed": 9},
    ]
    return group_of(dim, [{"activation": activation, **change} for change in changes])


def assert_correct(group: Group, device: EmulatedDevice) -> None:
    result = train(device, group, 0, 2, 16, 21)
    for i in range(len(group.points)):
        assert_agrees(group, result, i, 0, 2, 16, 21)


@needs_compiler
@pytest.mark.parametrize("activation", ["relu", "softplus"])
@pytest.mark.parametrize("order", [0, -1, 7])
def test_no_race_and_no_bound_passed(activation: str, order: int) -> None:
    assert_correct(small_group(activation), EmulatedDevice("check", threads=64, n_resident=2, order=order))


@needs_compiler
@pytest.mark.parametrize("activation", ["squareplus", "leaky_softplus", "relu"])
def test_more_columns_than_threads(activation: str) -> None:
    assert_correct(small_group(activation, 71), EmulatedDevice("check", threads=32, n_resident=1, order=3))


class Fault(NamedTuple):
    """A change to the source, at one place."""

    activation: str
    before: str
    after: str = ""


# Found by the emulator's checks.
UNSAFE = {
    "units overwritten while in use": Fault("softplus", "__syncthreads();  // the last stage has been used"),
    "units used before they are there": Fault("softplus", "__syncthreads();  // the stage is complete"),
    "sums overwritten while in use": Fault(
        "softplus", "__syncthreads();  // nobody still reads the parts of the last reduction"
    ),
    "units read before they are drawn": Fault("relu", "__syncthreads();  // every warp has drawn its rows"),
    "the next network drawn too early": Fault(
        "relu", "__syncthreads();  // from here on scratch is the next network's"
    ),
    "dying units read before they are known": Fault("relu", "__syncthreads();  // all know them"),
    "a row of gradients too long": Fault(
        "relu",
        "                for (int j = thread; j < run.dim; j += blockDim.x)\n                    run.records",
        "                for (int j = thread; j <= run.dim; j += blockDim.x)\n                    run.records",
    ),
    "a column of weights too many": Fault("softplus", "if (both) here[1] =", "here[1] ="),
}
# Found by the numbers.
WRONG = {
    "one step too many": Fault("relu", "if (thread < n) {", "if (thread <= n) {"),
    "transposed tile": Fault("softplus", "stage[r * TILE + k]", "stage[k * TILE + r % TILE]"),
    "sign of the shift": Fault("softplus", "sums[k] - shift[k]", "sums[k] + shift[k]"),
    "units that never die downwards": Fault("relu", " || c <= alive.lower"),
    "sign of a dead unit's row": Fault("relu", "add_row(run, row, -outer[row]", "add_row(run, row, outer[row]"),
    "bands swapped": Fault("relu", "run.high = run.low + batch.dim", "run.high = run.low"),
}


def with_fault(fault: Fault, mode: str) -> EmulatedDevice:
    code = source()
    assert code.count(fault.before) == 1
    return EmulatedDevice(mode, n_resident=1, code=code.replace(fault.before, fault.after))


@needs_compiler
@pytest.mark.parametrize("name", UNSAFE)
def test_unsafe_code_is_found_by_the_checks(name: str) -> None:
    fault = UNSAFE[name]
    with pytest.raises(EmulatorError, match=r"race|uninitialised|out-of-bounds"):
        train(with_fault(fault, "check"), small_group(fault.activation), 0, 2, 16, 21)


@needs_compiler
@pytest.mark.parametrize("name", WRONG)
def test_wrong_code_is_found_by_the_numbers(name: str) -> None:
    fault = WRONG[name]
    with pytest.raises(AssertionError):
        assert_correct(small_group(fault.activation), with_fault(fault, "fast"))


@pytest.mark.skipif(nvrtc.library() is None, reason="needs nvidia-cuda-nvrtc")
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_nvrtc_compiles_without_spills(architecture: str) -> None:
    for code, kernels in ((source(), KERNELS), (generator_source(), GENERATOR)):
        for name, use in nvrtc.compile_source(code, architecture, kernels).items():
            nvrtc.TABLE[f"{name} {architecture}"] = use
            assert use.spills <= LARGEST_SPILL, (name, use)
            assert use.registers <= 128, (name, use)  # four blocks of 128 threads a multiprocessor
            assert use.shared <= 48 << 10, (name, use)


@pytest.mark.skipif(nvrtc.library() is None, reason="needs nvidia-cuda-nvrtc")
def test_nvrtc_refuses_what_is_not_cuda() -> None:
    with pytest.raises(nvrtc.NvrtcError, match="undeclared_name"):
        nvrtc.compile_source('extern "C" __global__ void f(float* x) { *x = undeclared_name; }', "sm_90", ("f",))


def test_the_source_is_one_ascii_text() -> None:
    """Some compilers take nothing else; and every line of it can be found again in its file."""
    code = source()
    assert code.isascii()
    assert [line.split('"')[1] for line in code.splitlines() if line.startswith("#line")] == [
        "random.cuh", "block.cuh", "network.cuh", "relu.cuh", "smooth.cuh", "train.cu",
    ]  # fmt: skip
    assert np.count_nonzero([line.startswith("#include") for line in code.splitlines()]) == 0
