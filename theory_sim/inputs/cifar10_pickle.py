"""Pixels and labels of a Python batch of CIFAR-10, read from the pickle's opcodes: nothing in it is executed."""

from __future__ import annotations

import pickletools
from typing import Any

from theory_sim.errors import InputError, require

PIXELS = 3 * 32 * 32
_TEXT = {"SHORT_BINSTRING", "BINSTRING", "SHORT_BINBYTES", "BINBYTES", "BINBYTES8", "SHORT_BINUNICODE", "BINUNICODE",
         "BYTEARRAY8"}  # fmt: skip
_WHOLE = {"BININT", "BININT1", "BININT2", "INT", "LONG1"}


def read_python_batch(content: bytes, where: str) -> tuple[bytes, list[int]]:
    """Pixels, 3072 bytes an image (red, green, blue planes), and labels of a pickled batch.

    The pickle is a dict; `labels` is its list of integers, the pixels are its only long string. Raises InputError
    unless both are there and fit.
    """
    pixels, labels, key = b"", [], ""
    try:
        for opcode, given, _ in pickletools.genops(content):
            argument: Any = given
            if opcode.name in _TEXT:
                text = argument.encode("latin-1") if isinstance(argument, str) else bytes(argument)
                if len(text) >= PIXELS:
                    pixels = text
                else:
                    key = text.decode("latin-1")
            elif opcode.name in _WHOLE and key == "labels":
                labels.append(int(argument))
    except (ValueError, UnicodeError, KeyError, EOFError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"CIFAR-10 batch {where} is no whole pickle ({reason}): truncated file?") from None
    require(
        len(labels) > 0 and len(pixels) == PIXELS * len(labels),
        f"CIFAR-10 batch {where} has {len(labels)} labels, {len(pixels)} bytes of pixels: allowed are {PIXELS} a label",
    )
    require(all(0 <= label <= 255 for label in labels), f"CIFAR-10 batch {where}: allowed are labels 0 ... 9")
    return pixels, labels
