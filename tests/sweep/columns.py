"""Columns of a chunk from single configurations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from theory_sim.configuration import Configuration, key_types


def columns_of(configurations: Sequence[Configuration]) -> dict[str, NDArray]:
    """As `SweepDefinition.columns` gives them: one row a configuration, NaN (piece: -1) where a key is absent."""
    decided = [configuration.with_defaults() for configuration in configurations]
    out: dict[str, NDArray] = {}
    for field in fields(Configuration):
        kinds = key_types()[field.name]
        absent: Any = -1 if int in kinds else np.nan
        values = [absent if value is None else value for value in (getattr(c, field.name) for c in decided)]
        out[field.name] = np.array(values)
    return out
