"""Where compiled kernels are kept between processes.

Numba compiles a function again when its own file has changed, but not when a function that it calls, in another file,
has: results would then come from code that is no longer there. So importing this module, before any kernel is
declared, points Numba at a folder named by a digest of all sources, unless NUMBA_CACHE_DIR names one.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numba as nb

PACKAGE = Path(__file__).resolve().parent


def _digest() -> str:
    found = hashlib.sha256()
    for path in sorted(PACKAGE.rglob("*.py")):
        found.update(f"{path.relative_to(PACKAGE)}\0".encode())
        found.update(path.read_bytes())
    return found.hexdigest()[:16]


def _home() -> Path:
    """Beside the package's other compiled files; in the user's cache where the package cannot be written."""
    beside = PACKAGE / "__pycache__"
    if os.access(beside if beside.is_dir() else PACKAGE, os.W_OK):
        return beside
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "theory_sim"


if "NUMBA_CACHE_DIR" not in os.environ:
    nb.config.CACHE_DIR = str(_home() / f"numba-{_digest()}")
