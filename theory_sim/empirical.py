"""The ledger's empirical rows: what was measured on real networks and images, in one file, `results.json`.

Whoever measures writes the file; the ledger and the report read it, and nothing else connects them. Format, version 1:

    {"format": "deep_check results", "version": 1, "rows": [ROW, ...], "provenance": {...}}

A ROW has the fields of `Finding`, all of them:

    claim        id of the claim, `fig6`; one row an id      figure       its number in the paper, "6"
    statement    what the paper says                         tested       what was tested, written before looking
    verdict      reproduced | reproduced in part | not reproduced | undecided
    n            images (or steps) that the verdict rests on
    measured     [MEASURED, ...]: the numbers that the verdict rests on, and those beside them
    parameters   {name: value}: every choice, above all where the paper is silent
    effects      [{"choice", "value", "name", "measured": MEASURED}, ...]: what another choice gives
    conclusion   one plain sentence, computed from the numbers
    pictures     [file name, ...], beside results.json       weights      {role: {"file", "digest"}}
    data         {"digest", "n", "notes"} of the images      identity     all that decides the numbers
    provenance   version, versions, commit, hardware, device, seconds: of this row's own measurement

and a MEASURED number, low ... high its 95 % interval (null where there is none), n what it was counted on:

    {"name", "value", "low", "high", "n", "paper", "difference", "unit"}

`paper` is the paper's number (null where it gives none), `difference` value - paper; shares are fractions of 1.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from theory_sim.errors import InputError, require

FORMAT, VERSION = "deep_check results", 1
REPRODUCED, IN_PART, NOT_REPRODUCED, UNDECIDED = "reproduced", "reproduced in part", "not reproduced", "undecided"
VERDICTS = (REPRODUCED, IN_PART, NOT_REPRODUCED, UNDECIDED)


@dataclass(frozen=True)
class Measured:
    """One number: its 95 % interval low ... high, n, and the paper's number where there is one.

    Raises InputError unless all are finite, low <= value <= high, and both ends of the interval are there or none.
    """

    name: str
    value: float
    low: float | None = None
    high: float | None = None
    n: int = 0
    paper: float | None = None
    unit: str = ""

    def __post_init__(self) -> None:
        for key in ("value", "low", "high", "paper"):
            number = getattr(self, key)
            good = _is_number(number) or (number is None and key != "value")
            require(good, f"{self.name!r}: {key} {number!r}: allowed is a finite number")
        require(_is_count(self.n), f"{self.name!r}: n {self.n!r}: allowed is a whole number >= 0")
        require(
            (self.low is None) == (self.high is None), f"{self.name!r}: allowed are both ends of the interval or none"
        )
        if self.low is not None and self.high is not None:
            inside = self.low <= self.value <= self.high
            require(inside, f"{self.name!r}: {self.value} is outside of its interval {self.low} ... {self.high}")

    @property
    def difference(self) -> float | None:
        """value - paper, None where the paper gives no number."""
        return None if self.paper is None else self.value - self.paper

    def as_dict(self) -> dict[str, Any]:
        """As it is written."""
        return {**asdict(self), "difference": self.difference}


@dataclass(frozen=True)
class Effect:
    """What `measured` is where a choice that the paper leaves open is made otherwise: `choice` = `value`."""

    choice: str
    value: str
    measured: Measured

    def as_dict(self) -> dict[str, Any]:
        """As it is written."""
        name = self.measured.name
        return {"choice": self.choice, "value": self.value, "name": name, "measured": self.measured.as_dict()}


@dataclass(frozen=True)
class Finding:
    """One empirical row; fields as in the module's docstring. Raises InputError on another verdict."""

    claim: str
    figure: str
    statement: str
    tested: str
    verdict: str
    n: int
    measured: tuple[Measured, ...]
    conclusion: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    effects: tuple[Effect, ...] = ()
    pictures: tuple[str, ...] = ()
    weights: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    identity: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        require(self.verdict in VERDICTS, f"{self.claim}: verdict {self.verdict!r}: allowed are {', '.join(VERDICTS)}")
        require(_is_count(self.n), f"{self.claim}: n {self.n!r}: allowed is a whole number >= 0")

    def as_dict(self) -> dict[str, Any]:
        """As it is written: values that JSON can hold."""
        row = {name: getattr(self, name) for name in _FIELDS}
        lists = {name: [part.as_dict() for part in getattr(self, name)] for name in ("measured", "effects")}
        return {**row, **lists, "pictures": list(self.pictures)}


def read_results(path: Path) -> list[Finding]:
    """All rows of a results.json. Raises InputError, one line, if it cannot be read or is not of this format."""
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"cannot read results {path}: {error.strerror}") from None
    except ValueError as error:
        raise InputError(f"results {path}: is not JSON ({error})") from None
    good = isinstance(content, dict) and content.get("format") == FORMAT
    require(good, f"results {path}: allowed are files of format {FORMAT!r}")
    require(
        content.get("version") == VERSION, f"results {path}: version {content.get('version')!r}: allowed is {VERSION}"
    )
    rows = content.get("rows")
    require(isinstance(rows, list), f"results {path}: rows: allowed is a list")
    found = []
    for i, row in enumerate(rows):
        try:
            found.append(_finding(row))
        except InputError as error:
            raise InputError(f"results {path}: row {i + 1}: {error}") from None
    claims = [row.claim for row in found]
    double = next((claim for claim in claims if claims.count(claim) > 1), None)
    require(double is None, f"results {path}: two rows of {double}: allowed is one a claim")
    return found


_TEXTS = ("claim", "figure", "statement", "tested", "verdict", "conclusion")
_LISTS, _OBJECTS = ("measured", "effects", "pictures"), ("parameters", "weights", "data", "identity", "provenance")
_FIELDS = (*_TEXTS[:5], "n", "measured", "conclusion", "parameters", *_LISTS[1:], *_OBJECTS[1:])


def _finding(row: Any) -> Finding:
    require(isinstance(row, dict), "allowed is an object")
    missing = [name for name in _FIELDS if name not in row]
    require(not missing, f"missing {', '.join(missing)}")
    for names, kind, word in ((_TEXTS, str, "a text"), (_LISTS, list, "a list"), (_OBJECTS, dict, "an object")):
        for name in names:
            require(isinstance(row[name], kind), f"{name}: allowed is {word}")
    require(all(isinstance(name, str) for name in row["pictures"]), "pictures: allowed are names of files")
    parts = {
        "measured": tuple(_measured(part) for part in row["measured"]),
        "effects": tuple(_effect(part) for part in row["effects"]),
        "pictures": tuple(row["pictures"]),
    }
    return Finding(**{**{name: row[name] for name in _FIELDS}, **parts})


def _measured(part: Any) -> Measured:
    names = ("name", "value", "low", "high", "n", "paper", "unit")
    require(isinstance(part, dict) and all(name in part for name in names), f"measured: allowed is {', '.join(names)}")
    require(isinstance(part["name"], str) and isinstance(part["unit"], str), "measured: name and unit are texts")
    return Measured(**{name: part[name] for name in names})


def _effect(part: Any) -> Effect:
    good = isinstance(part, dict) and all(isinstance(part.get(name), str) for name in ("choice", "value"))
    require(good and "measured" in part, "effects: allowed is choice and value, texts, and measured")
    return Effect(part["choice"], part["value"], _measured(part["measured"]))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
