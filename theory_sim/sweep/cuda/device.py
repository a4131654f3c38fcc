"""The device an engine runs on: a CUDA device through CuPy, or anything with the same few functions."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, Protocol

import numpy as np
from numpy.typing import DTypeLike, NDArray

from theory_sim.errors import InputError
from theory_sim.sweep.cuda.source import KERNELS, source


class Device(Protocol):
    """Memory, and kernels that fill it. Arrays of a device are opaque to everything but its own functions."""

    n_resident: int  # blocks at once that keep the device busy
    memory: int  # bytes that a batch may take

    def send(self, array: NDArray[Any]) -> Any:
        """Copy a contiguous host array to the device."""

    def full(self, shape: tuple[int, ...], value: float, dtype: DTypeLike) -> Any:
        """Allocate a device array filled with `value`."""

    def fetch(self, array: Any) -> NDArray[Any]:
        """Copy back to the host."""

    def launch(self, kernel: str, n_blocks: int, arguments: Sequence[Any]) -> None:
        """Run a kernel of `source.KERNELS` on device arrays and NumPy scalars of the parameters' exact types."""


class CupyDevice:
    """The current CUDA device. CuPy compiles the kernels for it at first use and keeps them in its own cache."""

    THREADS = 128
    BLOCKS_PER_MULTIPROCESSOR = 8
    SHARE = 0.6  # of the free memory

    def __init__(self) -> None:
        """Raises InputError if CuPy is missing or finds no device."""
        try:
            import cupy
        except ImportError:
            raise InputError(
                "device cuda needs CuPy: allowed is cpu, or pip install 'spectral-claims[cuda12]' or '[cuda13]'"
            ) from None
        try:
            if cupy.cuda.runtime.getDeviceCount() < 1:
                raise InputError("device cuda: no CUDA device found, allowed is cpu")
        except cupy.cuda.runtime.CUDARuntimeError as error:
            raise InputError(f"device cuda: {' '.join(str(error).split())}; allowed is cpu") from None
        self._cupy = cupy
        # No fast-math. Contraction stays on: where bits matter, the source names each rounding.
        self._module = cupy.RawModule(code=source(), options=("-std=c++17",), name_expressions=KERNELS)
        attributes = cupy.cuda.Device().attributes
        self.n_resident = int(attributes["MultiProcessorCount"]) * self.BLOCKS_PER_MULTIPROCESSOR
        self.memory = int(self.SHARE * cupy.cuda.runtime.memGetInfo()[0])

    def send(self, array: NDArray[Any]) -> Any:
        """Copy a contiguous host array to the device."""
        return self._cupy.asarray(array)

    def full(self, shape: tuple[int, ...], value: float, dtype: DTypeLike) -> Any:
        """Allocate a device array filled with `value`."""
        return self._cupy.full(shape, value, dtype)

    def fetch(self, array: Any) -> NDArray[Any]:
        """Copy back to the host."""
        return np.asarray(self._cupy.asnumpy(array))

    def launch(self, kernel: str, n_blocks: int, arguments: Sequence[Any]) -> None:
        """Run a kernel of `source.KERNELS`."""
        self._module.get_function(kernel)((n_blocks,), (self.THREADS,), tuple(arguments))


@cache
def cuda_device() -> Device:
    """The device of this process, opened once. Raises InputError as `CupyDevice`."""
    return CupyDevice()
