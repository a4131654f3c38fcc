"""Results that are kept row by row, so that an interrupted measurement goes on where it was."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from deep_check.experiments.differences import differences, in_one_line
from theory_sim.errors import InputError, require
from theory_sim.files import replacing

AGAIN = ("code", "device")  # where only these differ, the rows are ours, and to be measured again


class Rows:
    """Rows of a CSV file, each with a key of its own, beside a manifest that says what they belong to.

    Both are replaced as a whole. Rows that other code or another device has measured are measured again. Raises
    InputError if the folder holds rows of another measurement (the difference is named) or a damaged file.
    """

    def __init__(
        self, folder: Path, name: str, columns: Sequence[str], key: Sequence[str], identity: Mapping[str, Any]
    ) -> None:
        """identity: all that decides the numbers; JSON values."""
        self._csv, self._manifest = folder / f"{name}.csv", folder / f"{name}.json"
        self._columns, self._key = tuple(columns), tuple(key)
        self._identity = json.loads(json.dumps(dict(identity)))
        folder.mkdir(parents=True, exist_ok=True)
        self.rows: list[dict[str, str]] = []
        if self._manifest.exists():
            self._continue()

    def get(self, key: Mapping[str, Any], measure: Callable[[], Mapping[str, Any]]) -> dict[str, str]:
        """The row of this key, measured and written if it is not there yet; all values as text."""
        wanted = tuple(str(key[name]) for name in self._key)
        for row in self.rows:
            if tuple(row[name] for name in self._key) == wanted:
                return row
        full = {**key, **measure()}
        row = {name: _text(full[name]) for name in self._columns}
        self.rows.append(row)
        self._write()
        return row

    def _continue(self) -> None:
        try:
            found = json.loads(self._manifest.read_text(encoding="utf-8"))["identity"]
            with self._csv.open(newline="", encoding="utf-8") as file:
                self.rows = list(csv.DictReader(file))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{self._manifest} or {self._csv.name} is damaged ({error}): delete both to begin again"
            ) from None
        asked = {name: value for name, value in self._identity.items() if name not in AGAIN}
        different = differences({name: found.get(name) for name in asked}, asked)
        require(
            not different,
            f"{self._csv} is of another measurement ({in_one_line(different)}): allowed is the same, or another --out",
        )
        if any(found.get(name) != self._identity.get(name) for name in AGAIN):
            self.rows = []

    def _write(self) -> None:
        with replacing([self._csv, self._manifest]) as (table, manifest):
            with table.open("w", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, self._columns)
                writer.writeheader()
                writer.writerows(self.rows)
            manifest.write_text(json.dumps({"identity": self._identity}, indent=1), encoding="utf-8")


def _text(value: Any) -> str:
    return repr(value) if isinstance(value, float) else str(value)
