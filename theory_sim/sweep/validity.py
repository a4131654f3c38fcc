"""Points whose values do not go together, found for millions of them before the start.

The rules are those of `Configuration`, `Band.require_theory`, `simulation.start.prepare` and the engines, which see
one run at a time; the tests hold both together. The first rule that a point breaks is its reason.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from theory_sim.configuration import LARGEST_MEMORY, run_memory
from theory_sim.errors import InputError
from theory_sim.sweep.points import Dimension, SweepDefinition

Columns = Mapping[str, NDArray]


@dataclass(frozen=True)
class Rule:
    """reason: short words; broken: bool (n,) from columns; message: one line from the columns of one point."""

    reason: str
    broken: Callable[[Columns], NDArray[np.bool_]]
    message: Callable[[Columns], str]


def _tiles(c: Columns) -> NDArray[np.bool_]:
    return np.asarray(c["source"] == "tiles")


def _side(c: Columns) -> NDArray[np.int64]:
    return np.where(_tiles(c), c["tile_size"], c["dim"])


def _size(c: Columns) -> str:
    return f"{'tile_size' if _tiles(c)[0] else 'dim'} = {_side(c)[0]}"


def _logistic(c: Columns) -> NDArray[np.bool_]:
    return np.asarray(c["loss"] == "logistic")


def _residual_broken(c: Columns) -> NDArray[np.bool_]:
    return _logistic(c) & ~(np.isnan(c["residual"]) & np.isnan(c["relative_residual"]))


def _residual_message(c: Columns) -> str:
    key = "residual" if np.isnan(c["relative_residual"][0]) else "relative_residual"
    return f"{key} = {c[key][0]:g} with loss = logistic: allowed is label = -1 or 1"


def _label_broken(c: Columns) -> NDArray[np.bool_]:
    return _logistic(c) & ~np.isnan(c["label"]) & (np.abs(c["label"]) != 1)


def _memory(c: Columns) -> NDArray[np.float64]:
    dim = np.where(_tiles(c), c["tile_size"] ** 2, c["dim"]).astype(float)
    return np.asarray(run_memory(dim, c["width"], c["n_steps"]))


def _memory_message(c: Columns) -> str:
    return (
        f"n_steps = {c['n_steps'][0]} with {_size(c)} and width = {c['width'][0]} needs about "
        f"{_memory(c)[0] / 2**30:.3g} GiB: allowed is {LARGEST_MEMORY / 2**30:.3g} GiB"
    )


def _top_cutoff(c: Columns) -> NDArray[np.float64]:
    """What the cut-off must stay below: the mean of the bins, for images their largest radius."""
    dct = c["transform"] == "dct"
    side = np.where(dct, c["tile_size"] - 1, c["tile_size"] // 2)
    tiles = np.where(c["mask"] == "disc", np.hypot(side, side), side)
    line = np.where(dct, c["dim"] - 1, (c["dim"] - 1) / 2)
    return np.where(_tiles(c), tiles, line)


def _cutoff_broken(c: Columns) -> NDArray[np.bool_]:
    return (c["cutoff"] < 1) | (c["cutoff"] >= _top_cutoff(c))


def _cutoff_message(c: Columns) -> str:
    shape = f"{_size(c)}, mask = {c['mask'][0]}" if _tiles(c)[0] else _size(c)
    allowed = f"allowed is 1 <= cutoff < {_top_cutoff(c)[0]:g}"
    return f"cutoff = {c['cutoff'][0]:g} with {shape}, transform = {c['transform'][0]}: {allowed}"


@lru_cache(maxsize=1024)
def _pieces(picture: str, source: str, side: int) -> tuple[int, str]:
    """How many rows or tiles there are, and, if none, why."""
    from theory_sim.simulation.start import load_pieces

    try:
        return len(load_pieces(picture, source, (side, side) if source == "tiles" else (side,))), ""
    except InputError as error:
        return 0, str(error)


def _pieces_of(c: Columns, index: int = 0) -> tuple[int, str]:
    return _pieces(str(c["picture"][index]), str(c["source"][index]), int(_side(c)[index]))


def _n_pieces(c: Columns) -> NDArray[np.int64]:
    """The number of pieces to choose from; for power-law signals, which have none, more than any choice."""
    counts = np.full(len(c["source"]), np.iinfo(np.int64).max)
    pictured = np.flatnonzero(c["source"] != "power-law")
    if pictured.size:
        cut = np.rec.fromarrays([c["picture"][pictured], c["source"][pictured], _side(c)[pictured]])
        _, first, inverse = np.unique(cut, return_index=True, return_inverse=True)
        counts[pictured] = np.array([_pieces_of(c, pictured[i])[0] for i in first])[inverse]
    return counts


def _picture_message(c: Columns) -> str:
    return f"source = {c['source'][0]} with {_size(c)} and picture = {c['picture'][0]}: {_pieces_of(c)[1]}"


def _piece_message(c: Columns) -> str:
    source = c["source"][0]
    return f"piece = {c['piece'][0]} with {_size(c)}: allowed is 0 ... {_pieces_of(c)[0] - 1}, the {source}"


def _engine_broken(c: Columns) -> NDArray[np.bool_]:
    return (c["engine"] == "events") & ((c["activation"] != "relu") | _logistic(c))


def _engine_message(c: Columns) -> str:
    run = f"activation = {c['activation'][0]} and loss = {c['loss'][0]}"
    return f"engine = events with {run}: allowed are activation = relu and loss = mse"


RULES = (
    Rule("residual with the logistic loss", _residual_broken, _residual_message),
    Rule("too large for memory", lambda c: _memory(c) > LARGEST_MEMORY, _memory_message),
    Rule("cut-off out of range", _cutoff_broken, _cutoff_message),
    Rule("no usable picture", lambda c: _n_pieces(c) == 0, _picture_message),
    Rule("no such piece of the picture", lambda c: c["piece"] >= _n_pieces(c), _piece_message),
    Rule(
        "label other than -1 and 1 with the logistic loss",
        _label_broken,
        lambda c: f"label = {c['label'][0]:g} with loss = logistic: allowed is -1 or 1",
    ),
    Rule("events engine for a smooth activation or the logistic loss", _engine_broken, _engine_message),
)
AT_START = ("no active unit at the start", "zero gradient at the start", "start out of range")  # known when drawn
# The keys that rules look at: what else is swept does not change the reason of a point.
DECISIVE = {
    *("source", "picture", "piece", "dim", "tile_size", "width", "n_steps", "cutoff", "transform", "mask"),
    *("loss", "label", "residual", "relative_residual", "engine", "activation"),
}
CHUNK = 2**16
REASONS = ("valid", *(rule.reason for rule in RULES), *AT_START)


def reasons(columns: Columns) -> NDArray[np.int8]:
    """Index in REASONS of the first rule that each point breaks, (n,); 0 where none. Those AT_START cannot be known.

    columns: as `SweepDefinition.columns` gives them. Reads pictures, each once.
    """
    out = np.zeros(len(columns["source"]), dtype=np.int8)
    for code, rule in enumerate(RULES, start=1):
        out[rule.broken(columns) & (out == 0)] = code
    return out


def explain(columns: Columns, index: int) -> str:
    """Why the point `index` cannot be run, one line that names its values and what is allowed; "" if it can."""
    point = {key: column[index : index + 1] for key, column in columns.items()}
    code = int(reasons(point)[0])
    return RULES[code - 1].message(point) if code else ""


@dataclass(frozen=True)
class Invalid:
    """The points of a sweep that one rule refuses: how many, the index of the first, and why that one."""

    reason: str
    n_points: int
    first: int
    message: str


def invalid(definition: SweepDefinition) -> list[Invalid]:
    """All points that cannot be run, by reason in the order of REASONS; empty if every one can, as far as is known.

    Only dimensions of DECISIVE keys are gone through, so that 10⁹ points take no longer than what decides them.
    """
    kept = tuple(d if DECISIVE & set(d.columns) else _first_of(d) for d in definition.dimensions)
    reduced = replace(definition, dimensions=kept)
    counts = np.zeros(len(REASONS), dtype=np.int64)
    found: dict[int, tuple[int, str]] = {}
    for start in range(0, reduced.n_points, CHUNK):
        columns = reduced.columns(start, min(start + CHUNK, reduced.n_points))
        codes = reasons(columns)
        counts += np.bincount(codes, minlength=len(REASONS))
        for code in set(np.flatnonzero(counts).tolist()) - {0, *found}:
            index = int(np.argmax(codes == code))
            place = np.unravel_index(start + index, reduced.shape)
            found[code] = int(np.ravel_multi_index(place, definition.shape)), explain(columns, index)
    share = definition.n_points // reduced.n_points
    return [Invalid(REASONS[code], int(counts[code]) * share, *found[code]) for code in sorted(found)]


def _first_of(dimension: Dimension) -> Dimension:
    return Dimension(dimension.name, {key: column[:1] for key, column in dimension.columns.items()})
