"""The emulator finds the planted faults of bugs.cu and lets correct kernels pass."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.cuda.device import module, needs_compiler
from tests.cuda.emulator import EmulatorError
from tests.helpers import assert_close

pytestmark = needs_compiler
CODE = (Path(__file__).parent / "bugs.cu").read_text(encoding="utf-8")
# Kernel: blocks, threads, elements of x, bytes of dynamic shared memory, what the message says.
BUGS = {
    "bug_global_bound": (1, 32, 31, 0, "out-of-bounds read of global argument 0 at byte 124 of 124"),
    "bug_global_negative": (1, 32, 32, 0, "out-of-bounds read|write-after-read race"),
    "bug_shared_bound": (1, 32, 32, 0, "out of array bounds"),
    "bug_dynamic_bound": (1, 32, 32, 128, "out-of-bounds write of shared dynamic"),
    "bug_misaligned": (1, 32, 33, 0, "misaligned"),
    "bug_uninitialised": (1, 64, 64, 0, "uninitialised read on shared"),
    "bug_divergent_barrier": (1, 64, 64, 0, "divergent __syncthreads"),
    "bug_half_warp": (1, 64, 64, 0, "deadlock"),
    "bug_no_barrier": (1, 64, 64, 0, "uninitialised read|race"),
    "bug_no_warp_barrier": (1, 32, 32, 0, "uninitialised read|race"),
    "bug_race_of_blocks": (2, 1, 1, 0, "race on global argument 0"),
}
CORRECT = ("ok_barrier", "ok_warp_barrier", "ok_atomic", "ok_warp_operations", "ok_counting_barrier")
KERNELS = (*BUGS, *CORRECT)


@pytest.mark.parametrize("name", BUGS)
@pytest.mark.parametrize("order", [0, -1, 5])
def test_faults_are_found(name: str, order: int) -> None:
    blocks, threads, n, shared, words = BUGS[name]
    kernel = module(CODE, KERNELS, "check").get_function(name)
    with pytest.raises(EmulatorError, match=words) as caught:
        kernel((blocks,), (threads,), (np.ones(n, np.float32), np.int32(n)), shared_mem=shared, order=order)
    assert "pc=" not in str(caught.value)  # addresses have become lines


@pytest.mark.parametrize("mode", ["fast", "check"])
@pytest.mark.parametrize("order", [0, -1, 1, 2])
def test_correct_kernels_pass(mode: str, order: int) -> None:
    """Also after a fault: no state is left behind."""
    compiled = module(CODE, KERNELS, mode)
    x = np.linspace(-1, 2, 64).astype(np.float32)
    warps = x.reshape(2, 32).astype(float)
    expected = {
        "ok_barrier": x[::-1],
        "ok_warp_barrier": x[:32][::-1],
        "ok_atomic": np.array([x[0] + 64, *x[1:]]),
        "ok_warp_operations": np.repeat(32 * warps.sum(1) + (warps > 0).sum(1), 32),
        "ok_counting_barrier": np.full(64, (x > 0).sum()),
    }
    for name in CORRECT:
        actual = x[: len(expected[name])].copy()
        compiled.get_function(name)((1,), (len(actual),), (actual, np.int32(64)), order=order)
        assert_close(name, actual, expected[name], "single")


def test_traffic_is_what_threads_ask_for() -> None:
    """Per argument, in check mode: each thread loads and stores one number; an atomic does both."""
    compiled = module(CODE, KERNELS, "check")
    for name in ("ok_barrier", "ok_atomic"):
        kernel = compiled.get_function(name)
        kernel((1,), (64,), (np.ones(64, np.float32), np.int32(64)))
        assert kernel.traffic == {0: (256, 256)}


def test_arguments_must_fit() -> None:
    kernel = module(CODE, KERNELS).get_function("ok_atomic")
    with pytest.raises(EmulatorError, match="argument 0"):
        kernel((1,), (1,), (np.ones(1), np.int32(1)))
    with pytest.raises(EmulatorError, match="argument 0"):
        kernel((1,), (1,), (np.ones((2, 2), np.float32)[:, 0], np.int32(1)))
    with pytest.raises(EmulatorError, match="argument 1"):
        kernel((1,), (1,), (np.ones(1, np.float32), 1))
    with pytest.raises(EmulatorError, match="1 arguments"):
        kernel((1,), (1,), (np.ones(1, np.float32),))
    with pytest.raises(EmulatorError, match="no kernel"):
        module(CODE, KERNELS).get_function("ok")


def test_code_that_does_not_compile_is_an_error() -> None:
    with pytest.raises(EmulatorError, match="expected"):
        module("__global__ void broken(float* x) { x[0] = ; }", ("broken",))
