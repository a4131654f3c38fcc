"""The device that CUDA kernels run on: a CUDA device through CuPy, or anything with the same few functions."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

import numpy as np
from numpy.typing import DTypeLike, NDArray

from deep_check.cuda.source import FAMILIES, families_by_kernel, source
from deep_check.cuda.transforms import CupyTransforms, Transforms
from theory_sim.errors import InputError, require

LOWEST_CAPABILITY = 80  # has asynchronous copies to shared memory, TF32 and BF16
MOST_STATIC_SHARED = 48 << 10  # bytes of shared memory that a kernel gets without asking for more


class Device(Protocol):
    """Memory, and kernels that fill it; all of it in one stream, in order.

    Arrays of a device are contiguous and begin at a multiple of 16 bytes. Host code takes their shape, dtype, reshape
    and leading slices, and nothing else; what is in them, only kernels and `fetch` read.
    """

    def empty(self, shape: tuple[int, ...], dtype: DTypeLike) -> Any:
        """Allocate a device array."""

    def full(self, shape: tuple[int, ...], value: float, dtype: DTypeLike) -> Any:
        """Allocate a device array filled with `value`."""

    def send(self, array: NDArray[Any]) -> Any:
        """Copy a contiguous host array to the device."""

    def fetch(self, array: Any) -> NDArray[Any]:
        """Copy back to the host."""

    def write(self, array: Any, values: Any) -> None:
        """Copy values, of the host or of the device and of the array's own shape, into a device array."""

    def transforms(self, planes: int, height: int, width: int) -> Transforms:
        """Fourier transforms of `planes` planes."""

    def capture(self, work: Callable[[], None], part: Callable[[], None] | None = None) -> Callable[[], None]:
        """What `work` launches, to be run again and again at less cost; it may neither allocate nor wait.

        The work may be run before this returns: what it changes is the caller's to restore. part: less work with the
        same kernels, to be run instead. The result keeps the work, and with it the memory that its kernels use.
        """

    def launch(
        self,
        kernel: str,
        grid: tuple[int, ...],
        block: tuple[int, ...],
        arguments: Sequence[Any],
        shared_mem: int = 0,
    ) -> None:
        """Run a kernel of `source.FAMILIES` on device arrays and NumPy scalars of the parameters' exact types.

        shared_mem: bytes of dynamic shared memory.
        """


@dataclass(frozen=True)
class _Captured:
    """A CUDA graph to be launched in the current stream; it knows addresses only, what is there belongs to `work`."""

    graph: Any
    work: Callable[[], None]
    stream: Callable[[], Any]

    def __call__(self) -> None:
        self.graph.launch(self.stream())


class CupyDevice:
    """The current CUDA device. CuPy compiles a family of kernels for it at first use and keeps it in its own cache."""

    def __init__(self) -> None:
        """Raises InputError if CuPy is missing or finds no device, or one that the kernels are not written for."""
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
        capability = int(cupy.cuda.Device().compute_capability)
        require(
            capability >= LOWEST_CAPABILITY,
            f"device cuda: a GPU of compute capability {capability / 10}, allowed are 8.0 (Ampere) and later, and cpu",
        )
        self.cupy = cupy
        self._modules: dict[str, Any] = {}
        self._kernels: dict[str, Any] = {}

    def empty(self, shape: tuple[int, ...], dtype: DTypeLike) -> Any:
        """Allocate a device array."""
        return self.cupy.empty(shape, dtype)

    def full(self, shape: tuple[int, ...], value: float, dtype: DTypeLike) -> Any:
        """Allocate a device array filled with `value`."""
        return self.cupy.full(shape, value, dtype)

    def send(self, array: NDArray[Any]) -> Any:
        """Copy a contiguous host array to the device."""
        return self.cupy.asarray(array)

    def fetch(self, array: Any) -> NDArray[Any]:
        """Copy back to the host."""
        return np.asarray(self.cupy.asnumpy(array))

    def write(self, array: Any, values: Any) -> None:
        """Copy values of the host or of the device into a device array, in CuPy's current stream."""
        if isinstance(values, np.ndarray):
            array.set(values)
        else:
            self.cupy.copyto(array, values)

    def transforms(self, planes: int, height: int, width: int) -> Transforms:
        """Plans of cuFFT."""
        return CupyTransforms(self.cupy, planes, height, width)

    def capture(self, work: Callable[[], None], part: Callable[[], None] | None = None) -> Callable[[], None]:
        """One CUDA graph. The work, or its part, runs before that once, which compiles what is not compiled yet."""
        (part or work)()
        stream = self.cupy.cuda.Stream(non_blocking=True)
        self.cupy.cuda.Device().synchronize()
        with stream, _no_collection():
            stream.begin_capture()
            try:
                work()
            finally:
                graph = stream.end_capture()
        return _Captured(graph, work, self.cupy.cuda.get_current_stream)

    def launch(
        self,
        kernel: str,
        grid: tuple[int, ...],
        block: tuple[int, ...],
        arguments: Sequence[Any],
        shared_mem: int = 0,
    ) -> None:
        """Run a kernel of `source.FAMILIES` in CuPy's current stream."""
        function = self._function(kernel)
        if shared_mem > MOST_STATIC_SHARED and function.max_dynamic_shared_size_bytes < shared_mem:
            function.max_dynamic_shared_size_bytes = shared_mem
        function(grid, block, tuple(arguments), shared_mem=shared_mem)

    def use_of(self, kernel: str) -> dict[str, int]:
        """`registers` a thread, bytes of local memory (`spills`) and of static shared memory (`shared`)."""
        function = self._function(kernel)
        names = {"registers": "num_regs", "spills": "local_size_bytes", "shared": "shared_size_bytes"}
        return {name: int(getattr(function, attribute)) for name, attribute in names.items()}

    def _function(self, kernel: str) -> Any:
        if kernel not in self._kernels:
            self._kernels[kernel] = self._module(families_by_kernel()[kernel]).get_function(kernel)
        return self._kernels[kernel]

    def _module(self, family: str) -> Any:
        if family not in self._modules:
            # No fast-math. Contraction stays on.
            self._modules[family] = self.cupy.RawModule(
                code=source(family), options=("-std=c++17",), name_expressions=FAMILIES[family].kernels
            )
        return self._modules[family]


@contextmanager
def _no_collection() -> Iterator[None]:
    """Keep Python from freeing others' device memory and plans meanwhile: that would end up in a capture."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@cache
def cuda_device() -> Device:
    """The device of this process, opened once. Raises InputError as `CupyDevice`."""
    return CupyDevice()
