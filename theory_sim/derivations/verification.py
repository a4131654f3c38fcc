"""Is a derivation right? Every line computed again, every number compared; what was found, in a few words."""

from __future__ import annotations

from dataclasses import dataclass

from theory_sim.derivations.derivation import Derivation, check
from theory_sim.derivations.measured import Measured
from theory_sim.derivations.operations import RefusedError
from theory_sim.derivations.worlds import LineCheck, check_numbers


@dataclass(frozen=True)
class Verification:
    """What checking one derivation found.

    refusal: the line that does not follow, or None; lines: the lines against runs; measured: further comparisons.
    """

    id: str
    n_lines: int
    n_comparisons: int
    n_differences: int
    refusal: str | None
    lines: tuple[LineCheck, ...] = ()
    measured: tuple[Measured, ...] = ()

    @property
    def holds(self) -> bool:
        """Nothing refused, and numbers were compared and agree."""
        results = [*(line.holds for line in self.lines), *(m.holds for m in self.measured)]
        return self.refusal is None and bool(results) and all(results)

    @property
    def worst(self) -> float:
        """Largest relative error of an exact line."""
        return max((line.value for line in self.lines if line.kind == "exact"), default=0.0)

    @property
    def slopes(self) -> tuple[float, ...]:
        """Orders found for truncated lines."""
        return tuple(line.value for line in self.lines if line.kind == "slope")

    @property
    def summary(self) -> str:
        """One line."""
        if self.refusal is not None:
            return f"REFUSED: {self.refusal}"
        seen = len({line.line for line in self.lines})
        parts = [f"{self.n_lines} lines follow", f"{seen} agree with explicit runs to {self.worst:.0e}"]
        if self.slopes:
            parts.append(f"truncated ones to order {min(self.slopes):.2f}")
        parts += [f"{m.what}: {m.value:.3g}" for m in self.measured]
        failed = [f"line {r.line} in world {r.world}: {r.value:.2g}" for r in self.lines if not r.holds]
        failed += [
            f"{m.what}: {m.value:.3g}, allowed {m.allowed}, control {m.control}" for m in self.measured if not m.holds
        ]
        return "; ".join(parts) if not failed else "NUMBERS DIFFER: " + "; ".join(failed)


def verify(derivation: Derivation) -> Verification:
    """Compute every line again, then compare with numbers."""
    differences = sum(not c.agrees for c in derivation.comparisons)
    sizes = (derivation.id, len(derivation.lines), len(derivation.comparisons), differences)
    try:
        check(derivation)
    except RefusedError as refusal:
        return Verification(*sizes, str(refusal))
    lines, measured = check_numbers(derivation)
    return Verification(*sizes, None, tuple(lines), tuple(measured))
