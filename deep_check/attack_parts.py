"""An attack part by part: an interrupted one goes on where it was, to the same bits."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deep_check.attacks import Adversarial
from deep_check.cpu.threads import n_threads
from deep_check.cuda.attack import CAPTURED_BATCH
from deep_check.experiments.differences import differences, in_one_line
from deep_check.experiments.kept_arrays import read_arrays, write_arrays
from deep_check.experiments.rows import AGAIN
from deep_check.filtering import Target
from theory_sim.errors import require

Array = NDArray[np.float32]
PART, PART_OF_THREAD = 256, 64  # images: seconds of PGD on two cores, and enough for every core where there are many
NAMES = ("images", "fooled", "losses")


def part_size(device: str) -> int:
    """Images of a part, on "cpu" or "cuda": what was lost is little, and cores or the GPU are busy."""
    return CAPTURED_BATCH if device == "cuda" else max(PART, PART_OF_THREAD * n_threads())


def run_in_parts(
    run: Callable[..., Adversarial],
    target: Target,
    images: Array,
    labels: NDArray[Any],
    attack: Any,
    size: int,
    folder: Path | None = None,
    identity: Mapping[str, Any] | None = None,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> Adversarial:
    """What `run` finds for images (n, c, h, w) float32 and labels (n,), `size` images at a time.

    run, attack: such as `run_attack` and its `Attack`; random numbers are by the image's number, so that parts change
    nothing. folder: where each part is kept as soon as it is done, and read from if it is there; None: nothing is kept.
    identity: all that decides the numbers, JSON values; parts of other code or another device are made again. report:
    told what is done, and all. Raises InputError as `run`, and if the folder's parts are of another attack.
    """
    asked = json.loads(json.dumps(dict(identity or {})))
    if folder is not None:
        _require_same(folder, asked)
    found: list[dict[str, NDArray[Any]]] = []
    begin, n = 0, len(labels)
    while begin < n:
        path = None if folder is None else folder / f"{begin:06}.npz"
        part = None if path is None else _read(path, asked, images[begin:])
        if part is None:
            own = slice(begin, begin + size)

            def tell(done: int, total: int, begin: int = begin, own: slice = own) -> None:
                each = total // len(labels[own])
                report(begin * each + done, n * each)

            part = vars(run(target, images[own], labels[own], attack, tell, first=begin))
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
                write_arrays(path, asked, {name: part[name] for name in NAMES})
        found.append(part)
        begin += len(part["losses"])
    return Adversarial(*(np.concatenate([part[name] for part in found]) for name in NAMES))


def remove_parts(folder: Path) -> None:
    """Delete what `run_in_parts` has kept; a folder that holds something else stays."""
    for path in folder.glob("*.npz"):
        if path.stem.isdecimal():
            path.unlink()
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


def _read(path: Path, asked: Mapping[str, Any], images: Array) -> dict[str, NDArray[Any]] | None:
    """A part that is there and of this attack, None if there is none."""
    identity, part = read_arrays(path, NAMES) or ({}, {})
    if identity != asked:
        return None
    shape, n = part["images"].shape, len(part["losses"])
    return part if 0 < n <= len(images) and shape == (n, *images.shape[1:]) else None


def _require_same(folder: Path, asked: Mapping[str, Any]) -> None:
    wanted = {name: value for name, value in asked.items() if name not in AGAIN}
    for path in sorted(folder.glob("*.npz")):
        there, _ = read_arrays(path, ()) or (wanted, {})
        different = differences({name: value for name, value in there.items() if name not in AGAIN}, wanted)
        require(
            not different,
            f"{folder} is of another attack, which was interrupted ({in_one_line(different)}): allowed is the same, "
            f"another --out, or to delete it",
        )
