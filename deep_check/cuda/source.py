"""The CUDA sources: which files belong together, and the one text that a compiler gets of them.

One text needs no include path, and a compiler's cache cannot miss a change of an included file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from deep_check.ops import conv2d_tiles, kernel_families

FOLDER = Path(__file__).parent.parent / "ops"


@dataclass(frozen=True)
class Family:
    """Sources that are compiled together.

    files: names in deep_check/ops, in the order of the text; kernels: names as C++ has them, instances of templates
    included ("sum<float, 4>"), the same word for word at every launch; values: integer constants that both Python and
    the kernels use, an enumeration at the head of the text.
    """

    files: tuple[str, ...]
    kernels: tuple[str, ...]
    values: tuple[tuple[str, int], ...] = ()


FAMILIES: Mapping[str, Family] = {
    "conv2d": Family(
        ("async_copy.cuh", "conv2d_epilogue.cuh", "conv2d_tile.cuh", "conv2d_weights.cu", "conv2d.cu"),
        conv2d_tiles.KERNELS,
        conv2d_tiles.VALUES,
    ),
    "conv2d_mma": Family(
        ("tile_mma.cuh", "conv2d_epilogue.cuh", "conv2d_mma.cu"), conv2d_tiles.MMA_KERNELS, conv2d_tiles.VALUES
    ),
    **{name: Family(*row) for name, row in kernel_families.FAMILIES.items()},
}


def source(family: str) -> str:
    """The text of a family: what all have, its constants, its files, each with its own line numbers; ASCII."""
    found = FAMILIES[family]
    texts = ((name, (FOLDER / name).read_text(encoding="utf-8")) for name in found.files)
    parts = [prelude(found), *(f'#line 1 "{name}"\n{text}' for name, text in texts)]
    return "\n".join(parts).encode("ascii", "replace").decode()  # only comments have other characters


def prelude(family: Family) -> str:
    """Dynamic shared memory, which the emulator of the tests has in its own way, and the constants."""
    lines = [f"    {name} = {value},\n" for name, value in family.values]
    enumeration = f"enum {{\n{''.join(lines)}}};\n" if lines else ""
    shared = "#ifndef EMULATED\n#define DYNAMIC_SHARED(T, name) extern __shared__ __align__(16) T name[]\n#endif\n"
    return shared + enumeration


@cache
def families_by_kernel() -> dict[str, str]:
    """Kernel -> its family. Kernels' names are unique."""
    return {kernel: name for name, family in FAMILIES.items() for kernel in family.kernels}
