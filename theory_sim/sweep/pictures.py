"""What the pictures of a sweep hold: its definition names their files only."""

from __future__ import annotations

import hashlib
from pathlib import Path

from theory_sim.configuration import SAMPLE, only_with
from theory_sim.errors import InputError
from theory_sim.inputs import load_pictures, sample_picture
from theory_sim.sweep.definition import SweepDefinition

UNREADABLE = "unreadable"  # its points have a reason instead of a result


def picture_digests(definition: SweepDefinition) -> dict[str, str]:
    """Of every picture that points of the sweep are cut from: its name and 16 digits of the SHA-256 of its pixels."""
    source, words = only_with("picture")
    if not set(words) & set(definition.values(source).tolist()):
        return {}
    return {name: _digest(name) for name in definition.values("picture").tolist()}


def _digest(name: str) -> str:
    try:
        pictures = [sample_picture()] if name == SAMPLE else load_pictures(Path(name))
    except InputError:
        return UNREADABLE
    found = hashlib.sha256()
    for pixels in pictures:
        found.update(str(pixels.shape).encode() + pixels.tobytes())
    return found.hexdigest()[:16]
