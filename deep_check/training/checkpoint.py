"""What a run leaves on the disk to go on from: one file, replaced as a whole."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from theory_sim.errors import InputError
from theory_sim.files import replacing

NAME = "checkpoint.npz"
_FACTS = "facts.json"


def save_checkpoint(folder: Path, arrays: Mapping[str, NDArray[Any]], facts: Mapping[str, Any]) -> None:
    """Write arrays and facts (anything that JSON holds). Raises InputError if the disk refuses; the old one stays."""
    text = np.frombuffer(json.dumps(facts).encode(), np.uint8)
    with replacing([folder / NAME]) as (fresh,), fresh.open("wb") as file:
        content: dict[str, Any] = {**arrays, _FACTS: text}
        np.savez(file, **content)


def load_checkpoint(folder: Path) -> tuple[dict[str, NDArray[Any]], dict[str, Any]] | None:
    """Arrays and facts, None where there is no checkpoint. Raises InputError if the file is damaged."""
    path = folder / NAME
    if not path.exists():
        return None
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            arrays = dict(file)
        return arrays, json.loads(arrays.pop(_FACTS).tobytes())
    except (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"checkpoint {path} is damaged ({reason}): delete it to begin again") from None
