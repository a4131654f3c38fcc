"""The emulator in the place of a CUDA device, for the kernels of deep_check."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import DTypeLike, NDArray

from deep_check.cuda.device import CupyDevice, Device
from deep_check.cuda.source import FAMILIES, families_by_kernel, source
from tests.cuda.device import module, needs_compiler
from tests.cuda.emulator import EmulatedModule, EmulatorError, Traffic
from tests.deep_check.cuda.transforms import ScipyTransforms
from theory_sim.errors import InputError

DEVICES = [pytest.param("emulator", marks=needs_compiler), pytest.param("cupy", marks=pytest.mark.gpu)]


class Launch(NamedTuple):
    """A kernel that has run, its grid and arguments, and bytes asked for by the argument's place (check mode only)."""

    kernel: str
    grid: tuple[int, ...]
    arguments: tuple[Any, ...]
    traffic: dict[int, Traffic]


class EmulatedDevice:
    """A `deep_check.cuda.device.Device` that runs the kernels on the CPU; its arrays are NumPy's.

    mode: as the emulator's; order: of the threads; code: family -> changed source; only: the kernels to compile, so
    that a changed source compiles fast. launches: what has run, with the traffic of each array in check mode. What a
    CUDA device would refuse raises EmulatorError: copies to another type; memory, waiting, and kernels that are not
    compiled yet in captured work.
    """

    def __init__(
        self,
        mode: str = "fast",
        *,
        order: int = 0,
        code: Mapping[str, str] | None = None,
        only: Sequence[str] = (),
    ) -> None:
        self._mode, self.order, self._code, self._only = mode, order, dict(code or {}), tuple(only)
        self.launches: list[Launch] = []
        self._loaded: set[str] = set()
        self._captured: list[Callable[[], None]] | None = None

    def empty(self, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """A host array of bytes that nobody should use: NaN in floating point."""
        self._not_captured("memory is allocated")
        array = np.empty(shape, dtype)
        array.reshape(-1).view(np.uint8)[:] = 0xFF
        return array

    def full(self, shape: tuple[int, ...], value: float, dtype: DTypeLike) -> NDArray[Any]:
        """A host array."""
        self._not_captured("memory is allocated")
        return np.full(shape, value, dtype)

    def send(self, array: NDArray[Any]) -> NDArray[Any]:
        """A copy, as a device has it."""
        self._not_captured("memory is allocated")
        return array.copy()

    def fetch(self, array: NDArray[Any]) -> NDArray[Any]:
        """A copy, as of a device."""
        self._not_captured("the host waits")
        return array.copy()

    def write(self, array: NDArray[Any], values: NDArray[Any]) -> None:
        """Copy."""
        self._not_captured("the host writes")
        if (array.dtype, array.shape) != (values.dtype, values.shape):
            raise EmulatorError(f"{values.dtype} {values.shape} copied into {array.dtype} {array.shape}")
        array[...] = values

    def transforms(self, planes: int, height: int, width: int) -> ScipyTransforms:
        """SciPy's."""
        self._not_captured("memory is allocated")
        return ScipyTransforms(self._run)

    def capture(self, work: Callable[[], None], part: Callable[[], None] | None = None) -> Callable[[], None]:
        """The launches that `work` makes, with the arguments that they have now; it or its part is run once before."""
        (part or work)()
        self._captured = captured = []
        try:
            work()
        finally:
            self._captured = None

        def replay() -> None:
            for step in captured:
                step()

        return replay

    def launch(
        self,
        kernel: str,
        grid: tuple[int, ...],
        block: tuple[int, ...],
        arguments: Sequence[Any],
        shared_mem: int = 0,
    ) -> None:
        """Run a kernel on the CPU."""
        if kernel not in self._loaded:
            self._not_captured(f"{kernel} is compiled")
        self._loaded.add(kernel)
        self._run(partial(self._launch, kernel, grid, block, tuple(arguments), shared_mem))

    def _launch(
        self, kernel: str, grid: tuple[int, ...], block: tuple[int, ...], arguments: tuple[Any, ...], shared_mem: int
    ) -> None:
        function = self.module_of(kernel).get_function(kernel)
        function(grid, block, arguments, shared_mem=shared_mem, order=self.order)
        self.launches.append(Launch(kernel, grid, arguments, function.traffic))

    def _run(self, step: Callable[[], None]) -> None:
        if self._captured is None:
            step()
        else:
            self._captured.append(step)

    def _not_captured(self, what: str) -> None:
        if self._captured is not None:
            raise EmulatorError(f"{what} in captured work")

    def module_of(self, kernel: str) -> EmulatedModule:
        """The compiled family of a kernel, compiled at first use."""
        family = families_by_kernel()[kernel]
        kernels = tuple(name for name in FAMILIES[family].kernels if not self._only or name in self._only)
        return module(self._code.get(family) or source(family), kernels, self._mode)


def open_device(name: str) -> Device:
    """The device of a parameter of DEVICES; skips where CuPy or a CUDA device is missing."""
    if name == "emulator":
        return EmulatedDevice()
    pytest.importorskip("cupy", reason="needs CuPy and a CUDA device")
    try:
        return CupyDevice()
    except InputError as error:
        pytest.skip(str(error))
