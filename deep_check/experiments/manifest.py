"""What a folder of results needs beside it: how they were made, COMMAND.manifest.json.

An object with `format`, `version`, `command`, `configuration` (every option), `seed`, `data` and `weights` (file names
and digests), `device`, `seconds`, `files`, and of the machine and the code `versions`, `hardware`, `commit` and
`package`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from deep_check.data import digest
from theory_sim.compiled_code import digest_above
from theory_sim.files import replacing
from theory_sim.provenance import provenance

FORMAT, VERSION = "deep_check manifest", 1
PACKAGE = Path(__file__).resolve().parent.parent
NETWORKS = tuple(f"{device}.{use}_network" for device in ("cpu", "cuda") for use in ("attack", "training"))


def write_manifest(
    folder: Path,
    command: str,
    configuration: Mapping[str, Any],
    *,
    seed: int,
    data: Mapping[str, Any],
    weights: Mapping[str, Mapping[str, str]],
    device: str,
    seconds: float,
    files: Sequence[str] = (),
    name: str | None = None,
) -> Path:
    """Write `folder`/COMMAND.manifest.json, or NAME.manifest.json, whole or not at all; its path.

    configuration: JSON values, or paths. data, weights: of `data_facts` and, by role, `weights_facts`; device: what was
    computed on; files: names of what was written. Raises InputError if the disk refuses.
    """
    known = provenance()
    content = {
        "format": FORMAT, "version": VERSION, "command": command, "configuration": dict(configuration), "seed": seed,
        "data": dict(data), "weights": dict(weights), "device": device, "seconds": round(seconds, 1),
        "files": list(files), "package": known["version"],
        **{name: known[name] for name in ("versions", "hardware", "commit")},
    }  # fmt: skip
    path = folder / f"{name or command}.manifest.json"
    with replacing([path]) as (fresh,):
        text = json.dumps(content, ensure_ascii=False, indent=1, allow_nan=False, default=str)
        fresh.write_text(text + "\n", encoding="utf-8")
    return path


def data_facts(images: NDArray[Any], labels: NDArray[Any], notes: Sequence[str]) -> dict[str, Any]:
    """Digest of images and labels, their number, and which batches are not whole."""
    return {"digest": digest({"images": images, "labels": labels}), "n": len(labels), "notes": list(notes)}


def weights_facts(path: Path) -> dict[str, str]:
    """Name of a weights file and the digest of its bytes: SHA-256, 16 hexadecimal digits."""
    with path.open("rb") as file:
        return {"file": path.name, "digest": hashlib.file_digest(file, "sha256").hexdigest()[:16]}


def code_of(module: str, package: Path = PACKAGE) -> str:
    """Digest of the code behind a module's numbers, 16 hexadecimal digits: stored numbers of other code are not ours.

    module: its name within the package, "experiments.fig4". Its file, all that it imports, directly or not, from this
    package and from `theory_sim`, the networks of all devices, which `ResNet` imports by name, and the CUDA sources.
    Imports within functions are not followed: so drawing is left out.
    """
    found = hashlib.sha256(digest_above(package, (module, *NETWORKS)).encode())
    for path in sorted(package.glob("ops/*.cu*")):
        found.update(f"{path.name}\0".encode() + path.read_bytes())
    return found.hexdigest()[:16]
