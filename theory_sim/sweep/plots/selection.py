"""`--select KEY=...`: one value, several, or a range of a parameter."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from theory_sim.errors import InputError, require
from theory_sim.sweep.plots.labels import setting_text, value_text
from theory_sim.sweep.plots.quantities import require_parameter

LEAST_DIGITS = 3  # by which a number is typed: as many as captions and messages show
SHOWN = 8  # values named in a message


def select(dataset: xr.Dataset, settings: Sequence[str]) -> tuple[xr.Dataset, list[str]]:
    """The part of a result that the settings ask for, and in words what they fix.

    A setting is `KEY=VALUE`, `KEY=VALUE,VALUE` or, for numbers, `KEY=LOW:HIGH` with both ends included; a single value
    of a dimension takes the dimension away. Raises InputError on an unknown key and on a value that was not swept.
    """
    texts = []
    for setting in settings:
        key, equals, text = (part.strip() for part in setting.partition("="))
        require(bool(equals and key and text), f"--select {setting!r}: allowed is KEY=VALUE, KEY=A,B or KEY=LOW:HIGH")
        require_parameter(dataset, "--select", key)
        values = coordinate(dataset, key)
        dim = str(dataset[key].dims[0]) if key in dataset.coords else key
        if ":" in text and values.dtype.kind in "iuf":
            low, high = (_number(key, part) for part in text.split(":", 1))
            numbers = values.astype(np.float64)
            chosen = np.flatnonzero((numbers >= low) & (numbers <= high))
            require(chosen.size > 0, f"--select {setting}: nothing lies there; allowed is {_allowed(values)}")
            texts.append(f"{setting_text(key, low)} … {value_text(high)}")
        else:
            parts = text.split(",")
            found = [_positions(key, values, part.strip()) for part in parts]
            chosen = np.unique(np.concatenate(found))
            first = values[found[0][0]]
            texts.append(setting_text(key, first) + "".join(f", {value_text(values[f[0]])}" for f in found[1:]))
            if len(chosen) == 1 and dim == key:
                dataset = dataset.isel({dim: int(chosen[0])})
                continue
        dataset = dataset.isel({dim: chosen})
    return dataset, texts


def coordinate(dataset: xr.Dataset, key: str) -> NDArray[np.generic]:
    """Values of a parameter, (n,): numbers as stored, words as str, 0 ... n-1 where a dimension has no coordinate."""
    if key not in dataset.coords:
        return np.arange(dataset.sizes[key])
    values = np.asarray(dataset[key].values)
    return values if values.dtype.kind in "iuf" else values.astype(str)


def _positions(key: str, values: NDArray[np.generic], text: str) -> NDArray[np.intp]:
    """Where a value lies: a word or a whole number exactly, another number to the digits typed, three at least."""
    if values.dtype.kind in "iu":
        found = np.flatnonzero(values == _whole(key, text))
    elif values.dtype.kind == "f":
        found = _nearest(key, values, text)
    else:
        found = np.flatnonzero(values == text)
    require(found.size > 0, f"--select {key}={text}: not among the values swept; allowed is {_allowed(values)}")
    return found


def _nearest(key: str, values: NDArray[np.generic], text: str) -> NDArray[np.intp]:
    """Where a number lies; raises InputError if several different ones are the same to the digits typed."""
    number = _number(key, text)
    exact = np.flatnonzero(values == number)
    if exact.size or not np.isfinite(number):
        return exact
    digits = max(len(Decimal(text).as_tuple().digits), LEAST_DIGITS)
    different, inverse = np.unique(values, return_inverse=True)
    same = [i for i, value in enumerate(different.tolist()) if float(f"{value:.{digits}g}") == number]
    several = ", ".join(f"{value:.12g}" for value in different[same].tolist())
    require(len(same) <= 1, f"--select {key}={text}: is any of {several}, allowed is one of them with all its digits")
    return np.flatnonzero(np.isin(inverse, same))


def _whole(key: str, text: str) -> int | None:
    """The whole number typed, None for another number; not by way of a float, which has fewer digits than a seed."""
    _number(key, text)
    number = Decimal(text)
    return int(number) if number.is_finite() and number == number.to_integral_value() else None


def _number(key: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InputError(f"--select {key}={text}: allowed is a number") from None


def _allowed(values: NDArray[np.generic]) -> str:
    different = np.unique(values)
    if len(different) <= SHOWN:
        return ", ".join(value_text(v) for v in different.tolist())
    return f"{value_text(different[0].item())} ... {value_text(different[-1].item())} ({len(different)} values)"
