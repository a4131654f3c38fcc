"""Named arrays in files: .safetensors and .npz, never a pickle; written whole or not at all.

Both formats also hold one JSON object of facts about the arrays: under `deep_check` in the metadata of a .safetensors
file, in the entry `deep_check` of an .npz file, so that the same content is the same bytes.
"""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from theory_sim.errors import InputError, require
from theory_sim.files import check_target, replacing

SUFFIXES = (".safetensors", ".npz")
PICKLED = (".pt", ".pth", ".th", ".tar", ".bin", ".ckpt", ".pkl", ".pickle")
FACTS = "deep_check"
_CONVERT = (
    "pickles can run code when read and are not opened; convert it once with PyTorch: s = torch.load(FILE, "
    "weights_only=True); safetensors.torch.save_file(s.get('state_dict', s), 'weights.safetensors')"
)
_TYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1", "U8": "u1"}

Arrays = dict[str, NDArray[Any]]


def read(path: Path) -> tuple[Arrays, dict[str, Any]]:
    """Arrays by name, and the facts stored with them ({} if there are none).

    bfloat16 becomes float32, which holds it exactly. Raises InputError, one line, if the file is missing, damaged, of
    another format or a pickle.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    require(suffix not in PICKLED, f"weights {path}: {_CONVERT}")
    require(suffix in SUFFIXES, f"weights {path}: allowed are files ending in {', '.join(SUFFIXES)}")
    require(path.exists(), f"no such weights file: {path}")
    require(path.is_file(), f"weights {path}: is no file")
    readers: dict[str, Callable[[Path], tuple[Arrays, str]]] = {".safetensors": _read_safetensors, ".npz": _read_npz}
    arrays, text = readers[suffix](path)
    try:
        facts = json.loads(text)
    except ValueError:
        facts = None
    require(isinstance(facts, dict), f"weights {path}: what is stored under {FACTS!r} is damaged, it is no JSON object")
    return arrays, facts


def write(path: Path, arrays: Mapping[str, NDArray[Any]], facts: Mapping[str, Any]) -> None:
    """Write a .safetensors or .npz file. Raises InputError if the place, its name or the disk does not allow it."""
    path = Path(path)
    check_target("weights", path, SUFFIXES)
    text = json.dumps(facts, ensure_ascii=False, sort_keys=True, allow_nan=False)
    content: dict[str, Any] = {name: np.ascontiguousarray(values) for name, values in arrays.items()}
    with replacing([path]) as (fresh,):
        if path.suffix == ".npz":
            np.savez(fresh, **content | {FACTS: np.array(text)})
            return
        from safetensors import SafetensorError
        from safetensors.numpy import save

        try:
            fresh.write_bytes(save(content, {FACTS: text}))
        except SafetensorError as error:
            raise InputError(f"weights {path}: {_line(error)}") from None


def _read_safetensors(path: Path) -> tuple[Arrays, str]:
    from safetensors import SafetensorError, deserialize

    try:
        raw = path.read_bytes()
        entries = deserialize(raw)
    except (SafetensorError, OSError) as error:
        raise _damaged(path, error) from None
    arrays: Arrays = {}
    for name, entry in entries:
        kind, shape = entry["dtype"], entry["shape"]
        if kind == "BF16":
            upper = np.frombuffer(entry["data"], "<u2").astype(np.uint32) << 16
            arrays[name] = upper.view(np.float32).reshape(shape)
            continue
        require(kind in _TYPES, f"weights {path}: {name} is of type {kind}, allowed are BF16, {', '.join(_TYPES)}")
        arrays[name] = np.frombuffer(entry["data"], _TYPES[kind]).reshape(shape)
    length = int.from_bytes(raw[:8], "little")
    metadata = json.loads(raw[8 : 8 + length]).get("__metadata__") or {}  # the library has read it: it is JSON
    return arrays, metadata.get(FACTS, "{}")


def _read_npz(path: Path) -> tuple[Arrays, str]:
    try:
        require(zipfile.is_zipfile(path), f"cannot read weights {path}: damaged, cut short or no .npz archive")
        with np.load(path, allow_pickle=False) as archive:
            pickled = [name for name in archive.files if name.endswith(".pkl")]
            require(not pickled, f"weights {path}: {_CONVERT}")
            arrays = {name: np.asarray(archive[name]) for name in archive.files}
    except InputError:
        raise
    except (OSError, EOFError, ValueError, KeyError, MemoryError, zipfile.BadZipFile, zlib.error) as error:
        raise _damaged(path, error) from None
    facts = arrays.pop(FACTS, np.array("{}"))
    return arrays, str(facts)


def _damaged(path: Path, error: Exception) -> InputError:
    if isinstance(error, OSError) and error.strerror:
        return InputError(f"cannot read weights {path}: {error.strerror}")
    return InputError(f"cannot read weights {path}: damaged or cut short ({_line(error) or type(error).__name__})")


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:120]
