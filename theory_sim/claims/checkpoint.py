"""A long verification's memory: one JSON line per finished chunk, so that the same command goes on where it stopped."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, TextIO

from theory_sim.claims.base import Evidence, Tally
from theory_sim.claims.encoding import decode, encode
from theory_sim.errors import InputError

FORMAT = "theory_sim verify checkpoint 1"


class Checkpoint:
    """Finished chunks by name, read from and appended to `path` (None: remembers nothing).

    header: what the chunks depend on; a file with another header is refused, a half-written last line ignored.
    """

    def __init__(self, path: Path | None, header: dict[str, Any]) -> None:
        """Open `path`, take in what it holds. InputError if it belongs to something else or cannot be read."""
        self.path = path
        self.found: dict[str, Any] = {}
        self._file: TextIO | None = None
        if path is None:
            return
        header = {"format": FORMAT, **header}
        whole = 0
        if path.exists():
            whole = self._read(path, header)
        self._file = path.open("a", encoding="utf-8")
        self._file.truncate(whole)
        if not whole:
            self._write(header)

    def _read(self, path: Path, header: dict[str, Any]) -> int:
        """Take in the whole lines; their length in bytes."""
        try:
            content = path.read_bytes()
            lines = content[: content.rfind(b"\n") + 1].splitlines()
            old = json.loads(lines[0]) if lines else None
        except (OSError, ValueError) as error:
            raise InputError(f"cannot read checkpoint {path}: {error}") from None
        if old is None and content:
            raise InputError(f"{path} is not a checkpoint of verify")
        if old is not None and old != header:
            keys = old if isinstance(old, dict) else {}
            other = [k for k in header if keys.get(k) != header[k]]
            raise InputError(f"checkpoint {path} belongs to another verification: {', '.join(other)} differ")
        for line in lines[1:]:
            entry = json.loads(line)
            self.found[entry["chunk"]] = entry["evidence"]
        return content.rfind(b"\n") + 1

    def get(self, chunk: str) -> dict[str, Evidence] | None:
        """Evidence of a finished chunk, None if it is not finished."""
        stored = self.found.get(chunk)
        return None if stored is None else {key: _evidence(fields) for key, fields in stored.items()}

    def put(self, chunk: str, evidence: dict[str, Evidence]) -> None:
        """Remember a finished chunk."""
        if self._file is not None:
            self._write({"chunk": chunk, "evidence": {key: _fields(e) for key, e in evidence.items()}})

    def _write(self, entry: dict[str, Any]) -> None:
        assert self._file is not None
        self._file.write(json.dumps(entry, separators=(",", ":")) + "\n")
        self._file.flush()

    def close(self) -> None:
        """Close the file; it stays on disk."""
        if self._file is not None:
            self._file.close()


def _fields(evidence: Evidence) -> dict[str, Any]:
    return {
        "counts": [evidence.n, evidence.drawn, evidence.large],
        "sources": evidence.sources,
        "versions": {
            name: {
                "counts": [t.n, t.violations],
                "worst": None if math.isinf(t.worst) else t.worst,
                "slopes": t.slopes,
                "sums": [t.total, t.squares],
                "example": None if t.example is None else [*t.example[:2], encode(t.example[2])],
            }
            for name, t in evidence.versions.items()
        },
    }


def _evidence(fields: dict[str, Any]) -> Evidence:
    versions = {}
    for name, t in fields["versions"].items():
        example = None if t["example"] is None else (*t["example"][:2], decode(t["example"][2]))
        worst = math.inf if t["worst"] is None else t["worst"]
        slopes = [(a, b) for a, b in t["slopes"]]
        (n, violations), (total, squares) = t["counts"], t["sums"]
        versions[name] = Tally(n, violations, worst, slopes, total, squares, example)
    n, drawn, large = fields["counts"]
    return Evidence(n, drawn, large, fields["sources"], versions)
