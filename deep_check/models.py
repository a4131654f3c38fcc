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
