"""How two sweeps differ, for the user whose store was begun with another one."""

from __future__ import annotations

import json
import tomllib
from typing import Any

LONGEST = 8  # lists beyond this number of values are abridged


def differences(old_toml: str, new_toml: str) -> list[str]:
    """How the sweep of a store differs from the one asked for, a line for each key; empty if in nothing."""
    old, new = (_entries(tomllib.loads(text)) for text in (old_toml, new_toml))
    lines = []
    for key in dict.fromkeys([*old, *new]):
        stored, asked = old.get(key), new.get(key)
        if stored != asked:
            before, after = _both_shown(stored, asked)
            lines.append(f"{key}: {before} in the store, {after} asked for")
    drawn_old, drawn_new = ([key for key, value in entries.items() if _is_law(value)] for entries in (old, new))
    if drawn_old != drawn_new and sorted(drawn_old) == sorted(drawn_new):
        lines.append(f"order of drawn keys: {', '.join(drawn_old)} in the store, {', '.join(drawn_new)} asked for")
    return lines


def _entries(document: dict[str, Any]) -> dict[str, Any]:
    """Every entry by its key; those of [record] and the options of [sample] with their section's name."""
    entries: dict[str, Any] = {}
    for section, keys in document.items():
        for key, value in keys.items():
            plain = section in ("run", "grid") or (section == "sample" and _is_law(value))
            entries[key if plain else f"{section}.{key}"] = value
    return entries


def _is_law(value: Any) -> bool:
    return isinstance(value, dict) and "replicates" not in value


def _both_shown(stored: Any, asked: Any) -> tuple[str, str]:
    """Both values in words; where two abridged lists look the same, the first difference between them."""
    before, after = _shown(stored), _shown(asked)
    if before == after:
        lists = zip(_values(stored), _values(asked), strict=False)
        at, *both = next(((i, a, b) for i, (a, b) in enumerate(lists) if a != b), (0, stored, asked))
        before, after = (f"{text} (value {at}: {_shown(v)})" for text, v in zip((before, after), both, strict=True))
    return before, after


def _values(value: Any) -> list[Any]:
    """The values of a list, or of the lists of a law, one after the other."""
    if isinstance(value, dict):
        return [one for entry in value.values() for one in _values(entry)]
    return value if isinstance(value, list) else [value]


def _shown(value: Any) -> str:
    if value is None:
        return "absent"
    if isinstance(value, dict):
        return " ".join(f"{key} {_shown(entry)}" for key, entry in value.items())
    if isinstance(value, list) and len(value) > LONGEST:
        return f"{len(value)} values {value[0]} ... {value[-1]}"
    return json.dumps(value, ensure_ascii=False)
