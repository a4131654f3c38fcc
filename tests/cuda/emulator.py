"""Runs CUDA kernels on the CPU, from the unmodified source, by g++ and emulator.h: numbers, races, barriers, bounds.

A thread is a fiber; blocks run one after another. What a GPU does otherwise and this does not: warps in lockstep or out
of order within a barrier interval (other orders of fibers are tried instead), fused multiply-add, and libm's last bits.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

HEADER, RUNTIME = Path(__file__).parent / "emulator.h", Path(__file__).parent / "emulator_runtime.cpp"
# fast: numbers only. check: g++ calls a hook of the runtime at every access, no sanitizer library is linked.
FLAGS = {"fast": ("-O2",), "check": ("-O1", "-g", "-fsanitize=thread,bounds,alignment")}
COMMON = ("g++", "-std=c++20", "-fPIC", "-fno-gnu-unique", "-ffp-contract=off", "-w")
PADDING = 4096  # bytes around a checked buffer in which an access is out of bounds
C_TYPES = {"f4": "f", "f8": "d", "i4": "i", "u4": "j", "i8": "lx", "u8": "my", "i1": "a", "u1": "h"}  # mangled names

_LIBC = ctypes.CDLL(None)
_malloc, _free = _LIBC.malloc, _LIBC.free
_malloc.restype, _malloc.argtypes, _free.argtypes = ctypes.c_void_p, [ctypes.c_size_t], [ctypes.c_void_p]


class EmulatorError(RuntimeError):
    """A kernel that does not compile, a call that does not fit it, or a fault found while it ran."""


class Traffic(NamedTuple):
    """Bytes that the threads of a launch asked for, of one array: each access counts, caches or not."""

    loaded: int
    stored: int


class EmulatedModule:
    """As cupy.RawModule: `get_function(name)` of the kernels in `code`.

    mode: of FLAGS; folder: where the compiled code is kept. Raises EmulatorError on code that does not compile.
    """

    def __init__(self, code: str, kernels: Sequence[str], folder: Path, mode: str = "fast") -> None:
        exports = "".join(f'EMULATOR_EXPORT("{name}", {name})\n' for name in kernels)
        parts = [code, exports, mode, HEADER.read_text(encoding="utf-8"), RUNTIME.read_text(encoding="utf-8")]
        self.mode = mode
        self.file = folder / f"{mode}-{hashlib.sha256(chr(0).join(parts).encode()).hexdigest()[:20]}.so"
        if not self.file.exists():
            folder.mkdir(parents=True, exist_ok=True)
            _compile(code + "\n" + exports, FLAGS[mode], self.file)
        self.library = ctypes.CDLL(str(self.file), mode=os.RTLD_LOCAL)
        self.library.emulator_signature.restype = self.library.emulator_error.restype = ctypes.c_char_p
        self.library.emulator_add_region.argtypes = [
            ctypes.c_size_t, ctypes.c_uint64, ctypes.c_int, ctypes.c_int, ctypes.c_char_p,
        ]  # fmt: skip
        self._base = self._register_shared()

    def get_function(self, name: str) -> EmulatedKernel:
        """Raises EmulatorError if there is no such kernel."""
        return EmulatedKernel(self, name)

    def explain(self, message: str) -> str:
        """`message` with every pc=0x... replaced by file:line of the kernel's source."""
        return re.sub(r"pc=(0x[0-9a-f]+)", lambda found: self._line(int(found[1], 16)), message)

    def _line(self, address: int) -> str:
        command = ["addr2line", "-e", str(self.file), hex(address - self._base - 1)]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip().split("/")[-1]

    def _register_shared(self) -> int:
        """Tell the checker where the __shared__ variables lie (local statics of the kernels); the load address."""
        listing = subprocess.run(["nm", "-S", str(self.file)], capture_output=True, text=True, check=True).stdout
        symbols = [line.split() for line in listing.splitlines()]
        address = {symbol[-1]: int(symbol[0], 16) for symbol in symbols if len(symbol) >= 3}
        launch = ctypes.cast(self.library.emulator_launch, ctypes.c_void_p).value
        assert launch is not None
        base = launch - address["emulator_launch"]
        for symbol in symbols:
            if len(symbol) < 4 or symbol[2] not in "bBuVvd":  # neither sized nor a variable
                continue
            name = symbol[3]
            if name.startswith("_ZZ") and "emulator" not in name:
                first, size = base + int(symbol[0], 16), int(symbol[1], 16)
                self.library.emulator_add_region(first, size, 4, 1, name.encode())
        return base


class EmulatedKernel:
    """A kernel to be called as CuPy's: kernel(grid, block, arguments). Arguments are checked more strictly."""

    def __init__(self, module: EmulatedModule, name: str) -> None:
        signature = module.library.emulator_signature(name.encode())
        if signature is None:
            raise EmulatorError(f"no kernel {name!r}")
        self.module, self.name, self.types = module, name, signature.decode().split()
        self.traffic: dict[int, Traffic] = {}  # of the last launch, in check mode, by the argument's place

    def __call__(
        self,
        grid: tuple[int, ...],
        block: tuple[int, ...],
        arguments: Sequence[Any],
        *,
        shared_mem: int = 0,
        order: int = 0,
    ) -> None:
        """Run; order: 0 threads in order, < 0 last ready first and blocks backwards, > 0 seed of a random schedule."""
        library = self.module.library
        if len(arguments) != len(self.types):
            raise EmulatorError(f"{self.name}: {len(arguments)} arguments, the kernel takes {len(self.types)}")
        copies: list[tuple[NDArray[Any], int, int]] = []
        values: list[Any] = []
        places: dict[int, int] = {}
        for i, (argument, kind) in enumerate(zip(arguments, self.types, strict=True)):
            self._check(i, argument, kind)
            if kind.startswith("P"):
                n_copies = len(copies)
                address = self._address(f"argument {i}", argument, copies)
                values.append(ctypes.c_void_p(address))
                if len(copies) > n_copies:  # an array given twice counts where it was given first
                    places[i] = address
            else:
                values.append(np.ctypeslib.as_ctypes_type(argument.dtype)(argument.item()))
        pointers = (ctypes.c_void_p * len(values))(*(ctypes.addressof(value) for value in values))
        sizes = [(ctypes.c_uint * 3)(*[*size, 1, 1][:3]) for size in (grid, block)]
        failed = library.emulator_launch(
            self.name.encode(), *sizes, ctypes.c_uint(shared_mem), pointers, ctypes.c_int64(order)
        )
        self.traffic = {place: self._traffic(address) for place, address in places.items()}
        for array, address, allocation in copies:
            ctypes.memmove(array.ctypes.data, address, array.nbytes)
            _free(allocation)
        library.emulator_forget_arguments()
        if failed:
            raise EmulatorError(f"{self.name}: {self.module.explain(library.emulator_error().decode())}")

    def _traffic(self, address: int) -> Traffic:
        loaded, stored = ctypes.c_uint64(), ctypes.c_uint64()
        self.module.library.emulator_traffic(ctypes.c_size_t(address), ctypes.byref(loaded), ctypes.byref(stored))
        return Traffic(loaded.value, stored.value)

    def _check(self, i: int, argument: Any, kind: str) -> None:
        codes = C_TYPES.get(argument.dtype.str[1:], "") if isinstance(argument, (np.ndarray, np.generic)) else ""
        if kind.startswith("P"):
            wanted = kind[1:].lstrip("K")
            fits = isinstance(argument, np.ndarray) and argument.flags.c_contiguous
            if not fits or (len(wanted) == 1 and wanted not in codes):  # a longer name is a struct's: bytes will do
                raise EmulatorError(f"{self.name}: argument {i} must be a contiguous array of C type {wanted!r}")
        elif isinstance(argument, np.ndarray) or kind not in codes:
            raise EmulatorError(f"{self.name}: argument {i} must be a NumPy scalar of C type {kind!r}")

    def _address(self, name: str, array: NDArray[Any], copies: list[tuple[NDArray[Any], int, int]]) -> int:
        """Where the kernel finds the array: in place, or for checks in a padded copy of its exact size."""
        if self.module.mode == "fast":
            return array.ctypes.data
        for other, address, _ in copies:
            if (other.ctypes.data, other.nbytes) == (array.ctypes.data, array.nbytes):  # given twice: in place
                return address
        allocation = _malloc(array.nbytes + 2 * PADDING)
        address = allocation + PADDING
        ctypes.memmove(address, array.ctypes.data, array.nbytes)
        copies.append((array, address, allocation))
        self.module.library.emulator_add_region(address, array.nbytes, array.itemsize, 0, name.encode())
        return address


def _compile(code: str, flags: tuple[str, ...], file: Path) -> None:
    with tempfile.TemporaryDirectory(dir=file.parent) as name:
        work = Path(name)
        (work / "kernels.cpp").write_text(code, encoding="utf-8")
        objects = work / "kernels.o", _runtime(file.parent)
        _run(*COMMON, *flags, "-include", _header(file.parent, flags), "-c", work / "kernels.cpp", "-o", objects[0])
        _run("g++", "-shared", "-Wl,-Bsymbolic", *objects, "-o", work / "module.so")
        os.replace(work / "module.so", file)


def _runtime(folder: Path) -> Path:
    """The runtime compiled, once for all modules of a folder."""
    file = folder / f"runtime-{_digest(RUNTIME)}.o"
    if not file.exists():
        _make(file, *COMMON, "-O2", "-c", RUNTIME)
    return file


def _header(folder: Path, flags: tuple[str, ...]) -> Path:
    """A copy of the header, compiled beside it, once for all modules of a folder with the same flags."""
    file = folder / f"emulator-{_digest(HEADER, *flags)}.h"
    compiled = file.with_name(f"{file.name}.gch")
    if not compiled.exists():
        shutil.copyfile(HEADER, file)
        _make(compiled, *COMMON, *flags, "-x", "c++-header", file)
    return file


def _digest(file: Path, *words: str) -> str:
    return hashlib.sha256(chr(0).join((file.read_text(encoding="utf-8"), *words)).encode()).hexdigest()[:20]


def _make(file: Path, *command: str | Path) -> None:
    """Run a compiler; its output appears under its name when it is whole."""
    with tempfile.TemporaryDirectory(dir=file.parent) as name:
        _run(*command, "-o", Path(name) / file.name)
        os.replace(Path(name) / file.name, file)


def _run(*command: str | Path) -> None:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    if done.returncode:
        raise EmulatorError(done.stderr[-4000:])
