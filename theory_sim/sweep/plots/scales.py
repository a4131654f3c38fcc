"""Scales of axes: linear, logarithmic, or logarithmic with a linear piece around 0, and what lies half-way on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from matplotlib.scale import SymmetricalLogTransform
from numpy.typing import NDArray

Array = NDArray[np.float64]
LEAST_RATIO = 4.0  # a narrower range is read as well on a linear axis
PAIR_RATIO = 100.0  # two values alone have no spacing: from this ratio on their axis is logarithmic
UNEVEN = 0.25  # share of the range by which values that start at 0 may be off an even spacing on a linear axis
BASE, LINEAR_PIECE = 10.0, 0.5  # of an axis that is logarithmic beyond its first positive value: decades for 0 ... it


@dataclass(frozen=True)
class Scale:
    """How numbers become places along an axis. threshold: where a symlog scale turns from linear to logarithmic."""

    name: Literal["linear", "log", "symlog"] = "linear"
    threshold: float = 1.0

    @property
    def is_logarithmic(self) -> bool:
        """Whether equal ratios are equal lengths everywhere."""
        return self.name == "log"

    @property
    def options(self) -> dict[str, Any]:
        """Matplotlib's arguments beside the name."""
        return {"base": BASE, "linthresh": self.threshold, "linscale": LINEAR_PIECE} if self.name == "symlog" else {}

    def place(self, values: Array) -> Array:
        """Places of numbers, in which the axis is linear."""
        if self.name == "symlog":
            return np.asarray(self._symlog().transform_non_affine(values), dtype=np.float64)
        return np.log(values) if self.is_logarithmic else values

    def value(self, places: Array) -> Array:
        """The numbers at places: the inverse of `place`."""
        if self.name == "symlog":
            return np.asarray(self._symlog().inverted().transform_non_affine(places), dtype=np.float64)
        return np.exp(places) if self.is_logarithmic else places

    def _symlog(self) -> SymmetricalLogTransform:
        return SymmetricalLogTransform(BASE, self.threshold, LINEAR_PIECE)


LINEAR, LOGARITHMIC = Scale(), Scale("log")


def scale_for(values: Array) -> Scale:
    """The scale on which numbers are spaced most evenly; values from 0 on that are far from even ones get symlog."""
    if is_logarithmic(values):
        return LOGARITHMIC
    distinct = np.unique(values)
    if len(distinct) > 2 and distinct[0] == 0 and _unevenness(distinct) > UNEVEN:
        return Scale("symlog", float(distinct[1]))
    return LINEAR


def is_logarithmic(values: Array) -> bool:
    """Whether numbers fill their range more evenly by their logarithms than by themselves."""
    values = np.unique(values)
    if len(values) < 2 or values[0] <= 0 or values[-1] / values[0] < LEAST_RATIO:
        return False
    if len(values) == 2:
        return bool(values[-1] / values[0] >= PAIR_RATIO)
    return _unevenness(np.log(values)) < _unevenness(values)


def _unevenness(values: Array) -> float:
    """Largest distance of ascending values from as many evenly spaced ones, as a share of the range."""
    return float(np.abs((values - values[0]) / (values[-1] - values[0]) - np.linspace(0, 1, len(values))).max())


def cell_edges(positions: Array, scale: Scale) -> Array:
    """Edges (n + 1,) half-way between ascending positions (n,) on the scale."""
    at = scale.place(positions)
    gaps = np.diff(at) if len(at) > 1 else np.ones(1)
    inner = (at[1:] + at[:-1]) / 2
    return scale.value(np.concatenate([[at[0] - gaps[0] / 2], inner, [at[-1] + gaps[-1] / 2]]))
