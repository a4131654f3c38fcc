"""What commands share: options of one name and meaning; fractions, lists and ranges as words."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path
from typing import Annotated

import typer

from theory_sim.errors import require
from theory_sim.files import check_folder

Data = Annotated[
    Path | None, typer.Option(help="CIFAR-10: the official folder or archive; default: what `fetch` has fetched.")
]
Weights = Annotated[
    Path | None, typer.Option(help="Weights of a CIFAR ResNet, .safetensors or .npz; default: the shipped ones.")
]


def _folder(path: Path | None) -> Path | None:
    if path is not None:
        check_folder("--out", path)
    return path


Folder = Annotated[
    Path, typer.Option(help="Folder of the results; the same command goes on from there.", callback=_folder)
]
Partial = Annotated[bool, typer.Option("--partial", help="Take a test batch that is not whole.")]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress.")]


def number(name: str, text: str, most: float = math.inf, *, positive: bool = False) -> float:
    """A finite number or a fraction such as 8/255, in 0 ... most, and not 0 if `positive`.

    Raises InputError on anything else, with the text as it was typed.
    """
    try:
        value = float(Fraction(text.replace(" ", "")))
    except (ValueError, ZeroDivisionError, OverflowError):
        value = math.nan
    if most == math.inf:
        allowed = f"{'>' if positive else '>='} 0 and finite"
    else:
        allowed = f"above 0, up to {most:g}" if positive else f"0 ... {most:g}"
    good = 0 <= value <= most and math.isfinite(value) and not (positive and value == 0)
    require(good, f"--{name} {text!r}: allowed is {allowed}, a number or a fraction such as 8/255")
    return value


def size(name: str, text: str, norm: str, *, positive: bool = False) -> float:
    """Radius or step size of an attack in this norm, up to `LARGEST_RADII`. Raises InputError as `number`."""
    from deep_check.attacks import LARGEST_RADII

    require(norm in LARGEST_RADII, f"norm {norm!r}: allowed are {', '.join(LARGEST_RADII)}")
    return number(name, text, LARGEST_RADII[norm], positive=positive)


def numbers(name: str, text: str, most: float) -> tuple[float, ...]:
    """first:last, whole numbers and both included, or a list with commas, all in 0 ... most.

    Raises InputError on anything else.
    """
    first, colon, last = text.partition(":")
    if colon:
        require(
            first.isdecimal() and last.isdecimal() and int(first) <= int(last) <= most,
            f"--{name} {text!r}: allowed is first:last, whole numbers in 0 ... {most:g}, or a list such as 4,8,12",
        )
        return tuple(float(value) for value in range(int(first), int(last) + 1))
    found = tuple(number(name, part, most) for part in text.split(","))
    require(len(set(found)) == len(found), f"--{name} {text!r}: allowed is each number once")
    return found


def words(name: str, text: str, allowed: tuple[str, ...]) -> tuple[str, ...]:
    """A list with commas. Raises InputError on a word that is not allowed, or twice there."""
    found = tuple(part.strip() for part in text.split(","))
    for word in found:
        require(word in allowed, f"--{name} {word!r}: allowed are {', '.join(allowed)}")
    require(len(set(found)) == len(found), f"--{name} {text!r}: allowed is each word once")
    return found
