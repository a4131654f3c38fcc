"""Where compiled kernels are kept between processes.

Numba compiles a function again when its own file has changed, but not when a function that it calls, in another file,
has: results would then come from code that is no longer there. So importing this module, before any kernel is
declared, points Numba at a folder named by a digest of every module with kernels and of all that those import, unless
NUMBA_CACHE_DIR names one.
"""

from __future__ import annotations

import hashlib
import os
import re
from functools import cache
from pathlib import Path

import numba as nb

PACKAGE = Path(__file__).resolve().parent


def _sources() -> dict[str, bytes]:
    """Modules that import Numba and, from one to the next, all modules of the package that they import."""
    texts = {
        ".".join(path.relative_to(PACKAGE).with_suffix("").parts): path.read_bytes() for path in PACKAGE.rglob("*.py")
    }
    imports = re.compile(rf"^(?:from|import) {PACKAGE.name}\.([\w.]+)".encode(), re.MULTILINE)
    found: dict[str, bytes] = {}
    waiting = [name for name, text in texts.items() if b"import numba" in text]
    while waiting:
        name = waiting.pop()
        if name in texts and name not in found:
            found[name] = texts[name]
            for module in imports.findall(texts[name]):
                waiting += [module.decode(), f"{module.decode()}.__init__"]
    return found


@cache
def digest() -> str:
    """Of the sources behind every number, 16 hexadecimal digits: of those that this process began with."""
    found = hashlib.sha256()
    for name, text in sorted(_sources().items()):
        found.update(f"{name}\0".encode() + text)
    return found.hexdigest()[:16]


def _home() -> Path:
    """Beside the package's other compiled files; in the user's cache where the package cannot be written."""
    beside = PACKAGE / "__pycache__"
    if os.access(beside if beside.is_dir() else PACKAGE, os.W_OK):
        return beside
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "theory_sim"


digest()  # now: the files may be edited while the process runs
if "NUMBA_CACHE_DIR" not in os.environ:
    nb.config.CACHE_DIR = str(_home() / f"numba-{digest()}")  # type: ignore[attr-defined]
