"""One comparison of a derivation with numbers of explicit runs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Measured:
    """what: in words; value: error, slope or share found; allowed: (low, high); control: of a deliberate mistake."""

    what: str
    value: float
    allowed: tuple[float, float]
    control: float | None = None

    @property
    def holds(self) -> bool:
        """Inside of what is allowed, and the deliberate mistake is not."""
        low, high = self.allowed
        caught = self.control is None or not low <= self.control <= high
        return low <= self.value <= high and caught
