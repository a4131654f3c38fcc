"""Where compiled kernels are kept between processes.

Numba compiles a function again when its own file has changed, but not when a function that it calls, in another file,
has: results would then come from code that is no longer there. So importing this module, before any kernel is
declared, points Numba at a folder named by a digest of every module with kernels and of all that those import, unless
NUMBA_CACHE_DIR names one. A package that builds on this one calls `keep_code_of` for its own kernels.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numba as nb

PACKAGE = Path(__file__).resolve().parent
# A module with kernels imports Numba, or decorates by what another module made of it.
_KERNELS = re.compile(rb"^import numba|^@(?:kernel|part)\b", re.MULTILINE)


def _sources(package: Path, first: Sequence[str] | None = None) -> dict[str, bytes]:
    """Modules with kernels, or `first`, and, from one to the next, all modules of the package that they import."""
    texts = {
        ".".join(path.relative_to(package).with_suffix("").parts): path.read_bytes() for path in package.rglob("*.py")
    }
    found: dict[str, bytes] = {}
    waiting = [name for name, text in texts.items() if _KERNELS.search(text)] if first is None else list(first)
    while waiting:
        name = waiting.pop()
        if name in texts and name not in found:
            found[name] = texts[name]
            waiting += _imported(texts[name], package.name)
    return found


def _imported(text: bytes, package: str) -> set[str]:
    """Names in the package that may be modules, of the imports at a module's left margin."""
    imports = rf"^(?:from|import) {package}\b(?:\.([\w.]+))?(?: import (\([^)]*\)|[^\n]*))?".encode()
    names = set()
    for module, items in re.findall(imports, text, re.MULTILINE):
        path = f"{module.decode()}." if module else ""
        names |= {path[:-1], f"{path}__init__", *(f"{path}{item}" for item in re.findall(r"\w+", items.decode()))}
    return names


@cache
def digest(package: Path = PACKAGE, first: tuple[str, ...] | None = None) -> str:
    """Of the sources behind every number, 16 hexadecimal digits: of those that this process began with.

    first: modules (names within the package) to begin from, in place of all that have kernels. Imports are followed
    where they stand at a module's left margin, those within functions are not.
    """
    found = hashlib.sha256()
    for name, text in sorted(_sources(package, first).items()):
        found.update(f"{name}\0".encode() + text)
    return found.hexdigest()[:16]


@cache
def digest_above(package: Path, first: tuple[str, ...]) -> str:
    """Of modules of a package that builds on this one and of all that they import, from there and from here."""
    above = _sources(package, first)
    here = set().union(*(_imported(text, PACKAGE.name) for text in above.values()))
    parts = (digest(package, first), digest(PACKAGE, tuple(sorted(here))))
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def keep_code_of(package: Path, choice: str = "") -> None:
    """Keep kernels declared from now on under a digest of this package's and of `package`'s sources.

    package: the folder of a package whose kernels may call those of this one; its `__init__` calls this before it
    imports any of them. choice: of what else the compiled code depends on, beyond sources and processor.
    """
    parts = (digest(), digest(package.resolve()), choice)
    _keep(package.resolve(), hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16])


def _keep(package: Path, name: str) -> None:
    if "NUMBA_CACHE_DIR" not in os.environ:
        nb.config.CACHE_DIR = str(_home(package) / f"numba-{name}")


def _home(package: Path) -> Path:
    """Beside the package's other compiled files; in the user's cache where the package cannot be written."""
    beside = package / "__pycache__"
    if os.access(beside if beside.is_dir() else package, os.W_OK):
        return beside
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / package.name


_keep(PACKAGE, digest())  # now: the files may be edited while the process runs
