"""The emulator in the place of a CUDA device, and which kernels the tests may run where."""

from __future__ import annotations

import atexit
import platform
import shutil
import sys
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import DTypeLike, NDArray

from tests.cuda.emulator import EmulatedModule
from theory_sim.sweep.cuda.source import FILES, KERNELS, source

HERE = Path(__file__).parent
GENERATOR = ("draw_words", "draw_normals", "draw_extremes", "draw_outer")  # kernels of generator.cu
needs_compiler = pytest.mark.skipif(
    (sys.platform, platform.machine()) != ("linux", "x86_64")
    or any(shutil.which(tool) is None for tool in ("g++", "nm", "addr2line")),
    reason="the emulator needs Linux on x86-64, g++ and binutils",
)


@cache
def build_folder() -> Path:
    """Where compiled kernels are kept until this process ends."""
    folder = tempfile.mkdtemp(prefix="theory_sim_kernels_")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


def generator_source() -> str:
    """The generator of random numbers with kernels that write what it draws."""
    return source(FILES[:1]) + "\n" + (HERE / "generator.cu").read_text(encoding="utf-8")


@cache
def module(code: str, kernels: tuple[str, ...], mode: str = "fast") -> EmulatedModule:
    """`code` compiled once in each mode."""
    return EmulatedModule(code, kernels, build_folder(), mode)


class EmulatedDevice:
    """A `sweep.cuda.device.Device` that runs the kernels on the CPU, with blocks of few threads."""

    def __init__(
        self,
        mode: str = "fast",
        *,
        threads: int = 64,
        n_resident: int = 3,
        memory: int = 1 << 30,
        order: int = 0,
        code: str | None = None,
    ) -> None:
        self.n_resident, self.memory = n_resident, memory
        self._module = module(code or source(), KERNELS, mode)
        self._threads, self._order = threads, order

    def send(self, array: NDArray[Any]) -> NDArray[Any]:
        """A copy, as a device has it."""
        return array.copy()

    def full(self, shape: tuple[int, ...], value: float, dtype: DTypeLike) -> NDArray[Any]:
        """A host array."""
        return np.full(shape, value, dtype)

    def fetch(self, array: NDArray[Any]) -> NDArray[Any]:
        """The array itself."""
        return array

    def launch(self, kernel: str, n_blocks: int, arguments: Sequence[Any]) -> None:
        """Run a kernel on the CPU."""
        self._module.get_function(kernel)((n_blocks,), (self._threads,), arguments, order=self._order)
