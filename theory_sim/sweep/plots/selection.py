"""`--select KEY=...`: one value, several, or a range of a parameter."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from theory_sim.errors import InputError, require
from theory_sim.sweep.plots.labels import setting_text, value_text
from theory_sim.sweep.plots.quantities import require_parameter

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
    """Where a value lies; a number matches to the digits that anyone would type."""
    if values.dtype.kind in "iuf":
        found = np.flatnonzero(np.isclose(values.astype(np.float64), _number(key, text), rtol=5e-3, atol=0))
        if len(found) > 1:  # a dense list: the nearest only
            exact = values[found].astype(np.float64)
            nearest = exact[np.argmin(np.abs(exact - float(text)))]
            found = found[exact == nearest]
    else:
        found = np.flatnonzero(values == text)
    require(found.size > 0, f"--select {key}={text}: not among the values swept; allowed is {_allowed(values)}")
    return found


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
