"""Arrays that took long, kept in a file with what decides them: read again only for the same."""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from theory_sim.files import replacing


def write_arrays(path: Path, identity: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write a compressed .npz file of arrays of any shape and dtype, whole or not at all.

    identity: all that decides them, JSON values. Raises InputError if the disk refuses.
    """
    with replacing([path]) as (fresh,), fresh.open("wb") as file:
        content: dict[str, Any] = {"identity": np.array(json.dumps(dict(identity))), **arrays}
        np.savez_compressed(file, **content)


def read_arrays(path: Path, names: Sequence[str]) -> tuple[dict[str, Any], dict[str, NDArray[Any]]] | None:
    """The identity and the arrays of these names; None where there is no file, or a damaged one: it is made again."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            identity = json.loads(str(archive["identity"]))
            arrays = {name: archive[name] for name in names}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):
        return None
    return (identity, arrays) if isinstance(identity, dict) else None
