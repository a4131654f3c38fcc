"""What differs between the settings that made what is there and those asked for, in words of one line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SHOWN, LONGEST = 3, 40  # differences that a refusal names; letters of a value


def differences(there: Any, asked: Any, name: str = "") -> list[str]:
    """What differs, in words, innermost names: "weights of normal ab there, cd asked for"; [] where nothing does.

    there, asked: JSON values.
    """
    if isinstance(there, Mapping) and isinstance(asked, Mapping):
        names = [*asked, *(key for key in there if key not in asked)]
        found = []
        for key in names:
            found += differences(there.get(key), asked.get(key), f"{name} of {key}" if name else str(key))
        return found
    return [] if there == asked else [f"{name} {_short(there)} there, {_short(asked)} asked for"]


def in_one_line(different: list[str]) -> str:
    """The first few of `differences`, and how many more there are."""
    more = f" and {len(different) - SHOWN} more" if len(different) > SHOWN else ""
    return "; ".join(different[:SHOWN]) + more


def _short(value: Any) -> str:
    text = "none" if value is None else "others" if isinstance(value, Mapping) else str(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
