"""Compiles CUDA source by NVRTC, for any GPU, on a machine without GPU, driver or CuPy; reads registers and spills."""

from __future__ import annotations

import ctypes
import importlib.util
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

OPTIONS = ("-std=c++17", "-ftz=true", "--device-as-default-execution-space")  # as CuPy's RawModule compiles


class NvrtcError(RuntimeError):
    """What NVRTC has to say about a source that it refuses."""


class Use(NamedTuple):
    """What one kernel takes: registers a thread, bytes of spills, stack and static shared memory."""

    registers: int
    spills: int
    stack: int
    shared: int


@lru_cache(maxsize=1)
def library() -> ctypes.CDLL | None:
    """NVRTC of the package nvidia-cuda-nvrtc or of an installed CUDA toolkit; None if there is none."""
    spec = importlib.util.find_spec("nvidia")
    roots = [Path(place) / "cu13" for place in (spec.submodule_search_locations or [] if spec else [])]
    for folder in [root / sub for root in [*roots, Path("/usr/local/cuda")] for sub in ("lib", "lib64")]:
        for built_in in folder.glob("libnvrtc-builtins.so.*"):
            ctypes.CDLL(str(built_in), mode=ctypes.RTLD_GLOBAL)  # libnvrtc opens it by name alone
        for main in folder.glob("libnvrtc.so.*"):
            return ctypes.CDLL(str(main))
    return None


def compile_source(code: str, architecture: str, kernels: Sequence[str]) -> dict[str, Use]:
    """Compile to machine code (sm_80, sm_90, ...); what each kernel uses. Raises NvrtcError with the compiler's log."""
    with _compiled(code, architecture, kernels) as (nvrtc, program, log):
        uses = _uses(log)
        out = {}
        for name in kernels:
            lowered = ctypes.c_char_p()
            _check(nvrtc, nvrtc.nvrtcGetLoweredName(program, name.encode(), ctypes.byref(lowered)))
            out[name] = uses[(lowered.value or b"").decode()]
        return out


def assembly(code: str, architecture: str, kernels: Sequence[str] = ()) -> str:
    """The PTX of a virtual architecture (compute_80, ...), with these instances of templates.

    Raises NvrtcError with the compiler's log.
    """
    with _compiled(code, architecture, kernels) as (nvrtc, program, _):
        return _text(nvrtc.nvrtcGetPTXSize, nvrtc.nvrtcGetPTX, program)


@contextmanager
def _compiled(
    code: str, architecture: str, kernels: Sequence[str]
) -> Iterator[tuple[ctypes.CDLL, ctypes.c_void_p, str]]:
    """The library, a compiled program, and the log."""
    nvrtc = library()
    if nvrtc is None:
        raise NvrtcError("no NVRTC found")
    program = ctypes.c_void_p()
    _check(nvrtc, nvrtc.nvrtcCreateProgram(ctypes.byref(program), code.encode(), b"kernels.cu", 0, None, None))
    try:
        for name in kernels:
            _check(nvrtc, nvrtc.nvrtcAddNameExpression(program, name.encode()))
        options = [option.encode() for option in (*OPTIONS, f"-arch={architecture}", "--ptxas-options=-v")]
        failed = nvrtc.nvrtcCompileProgram(program, len(options), (ctypes.c_char_p * len(options))(*options))
        log = _text(nvrtc.nvrtcGetProgramLogSize, nvrtc.nvrtcGetProgramLog, program)
        if failed:
            raise NvrtcError(log)
        yield nvrtc, program, log
    finally:
        nvrtc.nvrtcDestroyProgram(ctypes.byref(program))


def _text(size_of: Any, get: Any, program: ctypes.c_void_p) -> str:
    size = ctypes.c_size_t()
    size_of(program, ctypes.byref(size))
    text = ctypes.create_string_buffer(size.value)
    get(program, text)
    return text.value.decode()


def _check(nvrtc: ctypes.CDLL, code: int) -> None:
    if code:
        nvrtc.nvrtcGetErrorString.restype = ctypes.c_char_p
        raise NvrtcError(nvrtc.nvrtcGetErrorString(code).decode())


def _uses(log: str) -> dict[str, Use]:
    """Lowered name -> use, from the assembler's verbose log."""
    out = {}
    for part in log.split("Compiling entry function '")[1:]:
        frame = re.search(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads", part)
        registers, shared = re.search(r"Used (\d+) registers", part), re.search(r"(\d+) bytes smem", part)
        assert frame is not None
        assert registers is not None
        stack, stores, loads = (int(number) for number in frame.groups())
        out[part.split("'")[0]] = Use(int(registers[1]), stores + loads, stack, int(shared[1]) if shared else 0)
    return out
