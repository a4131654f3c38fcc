"""The points of a sweep: its dimensions, the values of every point, and the document that says it all."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from theory_sim.configuration import ALTERNATIVES, DEFAULT_RELATIVE_RESIDUAL, key_types, only_with
from theory_sim.errors import require
from theory_sim.sweep.laws import Law, as_column, draw_uniform, whole
from theory_sim.sweep.schema import DRAWS, SPECTRA

SAMPLE = "sample"  # the dimension of what is drawn jointly
# Dimensions from the outermost to the innermost: neighbouring points share the network, then the input, then the band.
ORDER = (
    *("seed", "source", "picture", "dim", "tile_size", "width"),
    *("weight_law", "weight_scale", "outer_law", "outer_scale"),
    *("piece", "alpha", "alpha0"),
    *("transform", "mask", "convention", "cutoff"),
    *("activation", "sharpness", "leak", "loss"),
    *("learning_rate", "relative_rate", "label", "residual", "relative_residual", "n_steps", "engine"),
    *("attack", "attack_radius", "attack_step_size", "attack_steps", "attack_step", "attack_ball", "attack_start"),
)


@dataclass(frozen=True)
class Recording:
    """Which steps are recorded. steps: their number, spread evenly over a run from 0 to its end, or the steps.

    spectra: of schema.SPECTRA. draw: of schema.DRAWS, all weights of a network or only what its scalars need. Raises
    InputError on fewer than one record, on steps that do not ascend from >= 0, and on spectra of drawn scalars.
    """

    steps: int | tuple[int, ...] = 11
    spectra: str = "none"
    draw: str = "weights"

    def __post_init__(self) -> None:
        if isinstance(self.steps, tuple):
            require(len(self.steps) > 0, "record.steps = []: allowed is a number of records, or a list of steps")
            object.__setattr__(self, "steps", tuple(whole("record.steps", step, 0) for step in self.steps))
            ascend = all(a < b for a, b in zip(self.steps, self.steps[1:], strict=False))
            require(ascend, f"record.steps = {_toml(self.steps)}: allowed are ascending steps")
        else:
            object.__setattr__(self, "steps", whole("record.steps", self.steps, 1, 10**7))
        require(self.spectra in SPECTRA, f"record.spectra = {self.spectra!r}: allowed are {', '.join(SPECTRA)}")
        require(self.draw in DRAWS, f"record.draw = {self.draw!r}: allowed are {', '.join(DRAWS)}")
        require(
            self.draw == "weights" or self.spectra == "none",
            f"record.spectra = {self.spectra!r} with record.draw = {self.draw!r}: allowed is 'none'",
        )

    @property
    def size(self) -> int:
        """Number of records."""
        return len(self.steps) if isinstance(self.steps, tuple) else self.steps


def record_shares(n_records: int) -> NDArray[np.float64]:
    """Share of a run's steps done at each of `n_records` evenly spread records, (n_records,); of one: the last."""
    return np.linspace(0.0, 1.0, n_records) if n_records > 1 else np.ones(1)


@dataclass(frozen=True, eq=False)
class Dimension:
    """One dimension of the result. columns: the values of its key, or of every drawn key for `sample`, each (size,)."""

    name: str
    columns: dict[str, NDArray]

    @property
    def size(self) -> int:
        """Number of points along this dimension."""
        return len(next(iter(self.columns.values())))


@dataclass(frozen=True)
class Sampling:
    """How the dimension `sample` is drawn: n points by a method of METHODS, one column for each law, in their order."""

    n: int
    method: str
    seed: int
    laws: dict[str, Law]

    def draw(self) -> Dimension:
        """The drawn values; the same bits for the same fields. Raises InputError as `draw_uniform` and `Law.draw`."""
        uniform = draw_uniform(self.method, self.n, len(self.laws), self.seed)
        laws = enumerate(self.laws.items())
        return Dimension(SAMPLE, {name: law.draw(name, uniform[:, i]) for i, (name, law) in laws})


@dataclass(frozen=True, eq=False)
class SweepDefinition:
    """Everything that decides the numbers of a sweep. Equal if their `toml` is.

    fixed: the value of every key that is not swept; dimensions: outermost first; a point's index counts through them
    in C order.
    """

    fixed: dict[str, Any]
    dimensions: tuple[Dimension, ...]
    recording: Recording
    sampling: Sampling | None = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SweepDefinition) and self.toml() == other.toml()

    def __hash__(self) -> int:
        return hash(self.toml())

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of the dimensions."""
        return tuple(dimension.size for dimension in self.dimensions)

    @property
    def n_points(self) -> int:
        """Number of networks."""
        return math.prod(self.shape)

    @cached_property
    def _swept(self) -> dict[str, tuple[int, NDArray]]:
        """Axis and values of every swept key."""
        return {key: (axis, column) for axis, d in enumerate(self.dimensions) for key, column in d.columns.items()}

    def values(self, key: str) -> NDArray:
        """The values that a key takes somewhere in the sweep, not repeated if it is fixed; absent: NaN or -1."""
        if key in self._swept:
            return self._swept[key][1]
        return as_column(key, [_present(key, self.fixed[key])])

    def columns(self, first: int, last: int) -> dict[str, NDArray]:
        """The value of every key of a Configuration at the points first ... last - 1, each (last - first,).

        Words are <U, whole numbers int64 (absent: -1), others float64 (absent: NaN). η or r is decided as in
        `Configuration.with_defaults`, and so is y where the loss is the mean squared error.
        """
        n = last - first
        indices = np.unravel_index(np.arange(first, last), self.shape)
        out = {}
        for key in key_types():
            if key in self._swept:
                axis, column = self._swept[key]
                out[key] = column[indices[axis]]
            else:
                out[key] = np.full(n, self.values(key)[0])
        if not any(key in self._swept or self.fixed[key] is not None for key in ALTERNATIVES[1]):
            out["relative_residual"] = np.where(out["loss"] == "mse", DEFAULT_RELATIVE_RESIDUAL, np.nan)
        return out

    def without_effect(self) -> list[str]:
        """The swept keys that do nothing at some or all points.

        Each as "alpha (only with source = power-law)", or "alpha at 50% of the points (only ...)" where another swept
        key decides it.
        """
        idle = []
        for key in self._swept:
            condition, words = only_with(key)
            if not condition:
                continue
            share = 1.0 - float(np.isin(self.values(condition), words).mean())
            if share > 0:
                where = f" at {100 * share:.3g}% of the points" if share < 1 else ""
                idle.append(f"{key}{where} (only with {condition} = {' or '.join(words)})")
        return idle

    def toml(self) -> str:
        """The sweep as a TOML document with every value resolved, which `parse_sweep` reads back to an equal sweep.

        Values of a grid are written out, so that they are the same on every machine.
        """
        lines = ["[run]"]
        lines += [f"{key} = {_toml(self.fixed[key])}" for key in key_types() if self.fixed.get(key) is not None]
        lines += ["", "[grid]"]
        lines += [f"{d.name} = {_grid_toml(d)}" for d in self.dimensions if d.name != SAMPLE]
        if self.sampling is not None:
            lines += ["", f"[{SAMPLE}]", f"n = {self.sampling.n}", f"method = {_toml(self.sampling.method)}"]
            given = {"seed": self.sampling.seed} if "seed" not in self.sampling.laws else {}
            lines += [f"{key} = {value}" for key, value in given.items()]
            laws = self.sampling.laws.items()
            lines += [f"{key} = {_law_toml(law)}" for key, law in laws]
        steps = self.recording.steps
        lines += ["", "[record]", f"steps = {_toml(list(steps) if isinstance(steps, tuple) else steps)}"]
        lines += [f"spectra = {_toml(self.recording.spectra)}", f"draw = {_toml(self.recording.draw)}"]
        return "\n".join(lines) + "\n"


def _present(key: str, value: Any) -> Any:
    """A value for a column: what is absent becomes -1 in a column of whole numbers, NaN in one of numbers."""
    if value is not None:
        return value
    return -1 if int in key_types()[key] else math.nan


def _toml(value: Any) -> str:
    """A number, a word or a list of them: JSON writes them as TOML does."""
    return json.dumps(value, ensure_ascii=False)


def _law_toml(law: Law) -> str:
    bounds = zip(("min", "max"), law.bounds, strict=True)
    entries = {law.kind: list(law.given)} | {name: bound for name, bound in bounds if math.isfinite(bound)}
    return f"{{ {', '.join(f'{key} = {_toml(value)}' for key, value in entries.items())} }}"


def _grid_toml(dimension: Dimension) -> str:
    values = dimension.columns[dimension.name].tolist()
    if dimension.name == "seed" and bool((np.diff(values) == 1).all()):
        return f"{{ replicates = {len(values)}, first = {values[0]} }}"
    return _toml(values)
