"""The networks that come with the package, by what they are for: deep_check/models/ROLE.safetensors."""

from __future__ import annotations

from pathlib import Path

from theory_sim.errors import require

ROLES = ("normal", "mse", "adversarial", "two_layer")
FOLDER = Path(__file__).parent / "models"


def shipped(role: str) -> Path:
    """Where the weights of a role are, whether they are there or not. Raises InputError on another role."""
    require(role in ROLES, f"role {role!r}: allowed are {', '.join(ROLES)}")
    return FOLDER / f"{role}.safetensors"


def weights_or_shipped(weights: Path | None, role: str) -> Path:
    """The user's file, or the shipped one of the role. Raises InputError if neither is there."""
    if weights is not None:
        return weights
    path = shipped(role)
    require(path.is_file(), f"no {role} network comes with this installation ({path.name}): allowed is --weights FILE")
    return path
