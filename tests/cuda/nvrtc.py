"""NVRTC for the tests, and the table of what kernels take, which is shown after the run."""

from __future__ import annotations

from theory_sim.nvrtc import NvrtcError, Use, assembly, compile_source, library

__all__ = ["TABLE", "NvrtcError", "Use", "assembly", "compile_source", "library"]

TABLE: dict[str, Use] = {}  # kernel and architecture -> use
