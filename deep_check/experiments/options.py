"""What commands share: options of one name and meaning; fractions, lists and ranges as words."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Annotated

import typer

from theory_sim.errors import InputError, require

Data = Annotated[
    Path | None, typer.Option(help="CIFAR-10: the official folder or archive; default: what `fetch` has fetched.")
]
Weights = Annotated[
    Path | None, typer.Option(help="Weights of a CIFAR ResNet, .safetensors or .npz; default: the shipped ones.")
]
Folder = Annotated[Path, typer.Option(help="Folder of the results; the same command goes on from there.")]
Partial = Annotated[bool, typer.Option("--partial", help="Take a test batch that is not whole.")]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress.")]


def number(name: str, text: str) -> float:
    """A number or a fraction such as 8/255. Raises InputError on anything else."""
    try:
        return float(Fraction(text.replace(" ", "")))
    except (ValueError, ZeroDivisionError, OverflowError):
        raise InputError(f"--{name} {text!r}: allowed is a number or a fraction such as 8/255") from None


def numbers(name: str, text: str) -> tuple[float, ...]:
    """first:last, whole numbers and both included, or a list with commas. Raises InputError on anything else."""
    first, colon, last = text.partition(":")
    if colon:
        require(
            first.isdecimal() and last.isdecimal() and int(first) <= int(last),
            f"--{name} {text!r}: allowed is first:last, whole numbers, or a list such as 4,8,12",
        )
        return tuple(float(value) for value in range(int(first), int(last) + 1))
    found = tuple(number(name, part) for part in text.split(","))
    require(len(set(found)) == len(found), f"--{name} {text!r}: allowed is each number once")
    return found


def words(name: str, text: str, allowed: tuple[str, ...]) -> tuple[str, ...]:
    """A list with commas. Raises InputError on a word that is not allowed, or twice there."""
    found = tuple(part.strip() for part in text.split(","))
    for word in found:
        require(word in allowed, f"--{name} {word!r}: allowed are {', '.join(allowed)}")
    require(len(set(found)) == len(found), f"--{name} {text!r}: allowed is each word once")
    return found
