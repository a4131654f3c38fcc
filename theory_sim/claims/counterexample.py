"""Counterexamples as files: written whole, replayed number by number."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from theory_sim.claims import BY_KEY
from theory_sim.claims.base import Claim
from theory_sim.claims.encoding import Sample, decode, encode, numbers, with_reference
from theory_sim.claims.shrinking import shrink
from theory_sim.errors import InputError, require

FORMAT = "theory_sim counterexample 1"
AGREEMENT = 1e-9  # of the largest stored number of a name
MISSING = "missing"


def make(claim: Claim, version: str, sample: Sample, origin: str) -> dict[str, Any]:
    """Shrink a violating sample and describe it whole: a JSON object that `replay` takes."""
    small = shrink(claim, version, with_reference(sample))  # the engine that updates W itself has the last word
    outcome = claim.judge(small)
    word = None if outcome is None else getattr(outcome, version)
    return {
        "format": FORMAT,
        "claim": claim.id,
        "case": claim.case,
        "version": version,
        "statement": claim.statement if version == "printed" else claim.correction,
        "violation": _word(word),
        "unit": "order (local, global)" if claim.kind == "order" else f"margin; violated below {-claim.tolerance:g}",
        "origin": origin,
        "sample": encode(small),
        "numbers": numbers(small),
    }


def _word(word: Any) -> list[float | None]:
    """A margin or a pair of orders as a list JSON can hold; empty if the sample does not meet the hypotheses."""
    values = [] if word is None else np.atleast_1d(word).tolist()
    return [v if math.isfinite(v) else None for v in values]


@dataclass(frozen=True)
class Replay:
    """What replaying found: the claim, whether it is violated again, and every number beside its stored value."""

    claim: Claim
    version: str
    violated: bool
    violation: list[float | None]
    stored_violation: list[float | None]
    rows: list[tuple[str, int, float | None, float | None]]  # name, index, stored, recomputed
    worst: float

    @property
    def agrees(self) -> bool:
        """True if the statement is violated again and every number agrees within AGREEMENT."""
        return self.violated and self.worst <= AGREEMENT


def file_name(claim: str, case: str) -> str:
    """Of the file that holds a row's counterexample."""
    words = "".join(c if c.isalnum() else "-" for c in case).strip("-")
    return f"{claim}{'--' + words if words else ''}.json"


def load(path: Path) -> list[dict[str, Any]]:
    """Counterexamples in a file: one written by `verify`, or all of a ledger's JSON. InputError if there is none."""
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None
    except ValueError as error:
        raise InputError(f"{path} is not JSON: {error}") from None
    if isinstance(content, dict) and isinstance(content.get("claims"), list):
        found = [row["counterexample"] for row in content["claims"] if row.get("counterexample")]
        require(bool(found), f"{path} holds no counterexample")
        return found
    require(
        isinstance(content, dict) and content.get("format") == FORMAT,
        f"{path} is not a counterexample: allowed is format {FORMAT!r}",
    )
    return [content]


def replay(fields: dict[str, Any]) -> Replay:
    """Recompute everything with the reference engine and compare. InputError on unknown claims or broken samples."""
    require(fields.get("format") == FORMAT, f"format {fields.get('format')!r}: allowed is {FORMAT!r}")
    key = f"{fields.get('claim')}[{fields.get('case')}]" if fields.get("case") else str(fields.get("claim"))
    require(key in BY_KEY, f"unknown claim {key!r} in the counterexample")
    version = fields.get("version")
    require(version in ("printed", "corrected"), f"version {version!r}: allowed are printed, corrected")
    claim, stored = BY_KEY[key], fields.get("numbers")
    require(isinstance(fields.get("sample"), dict), "this is not a whole counterexample: missing key 'sample'")
    require(isinstance(stored, dict), "this is not a whole counterexample: missing key 'numbers'")
    sample = decode(fields["sample"])
    outcome = claim.judge(sample)
    word = None if outcome is None else getattr(outcome, str(version))
    rows: list[tuple[str, int, float | None, float | None]] = []
    worst = 0.0
    for name, values in numbers(sample).items():
        old = stored.get(name, []) if isinstance(stored, dict) else []
        size = max([abs(v) for v in values if v is not None] + [1e-300])
        for i, value in enumerate(values):
            before = old[i] if isinstance(old, list) and i < len(old) else None
            rows.append((name, i, before, value))
            if value is not None or before is not None:
                worst = max(worst, math.inf if value is None or before is None else abs(value - before) / size)
        if not isinstance(old, list) or len(old) != len(values):
            worst = math.inf
    again, before_word = _word(word), fields.get("violation", [])
    for now, then in zip(again, before_word, strict=False):
        if now is not None and then is not None:
            worst = max(worst, abs(now - then) / max(abs(now), 1.0))
    violated = outcome is not None and claim.violates(outcome, str(version))
    return Replay(claim, str(version), violated, again, before_word, rows, worst)
