"""Each equation of the paper derived from the definition of the network, one file a family as in `claims`.

`derive(id)` returns a `Derivation`; its lines are computed, checked again by `check`, and compared with explicit runs
by `worlds.check_numbers`.
"""

from __future__ import annotations

from functools import lru_cache

from theory_sim.derivations.derivation import CONVENTIONS, Comparison, Derivation, Line, check
from theory_sim.derivations.operations import RefusedError
from theory_sim.errors import require


@lru_cache(maxsize=256)
def derive(identifier: str, sums: str = "weights") -> Derivation:
    """The derivation with this id (`catalogue.ORDER`), band sums with any weights, two-sided or one-sided.

    Raises InputError on an unknown id or convention.
    """
    from theory_sim.derivations.catalogue import FAMILIES, ORDER

    require(identifier in FAMILIES, f"derivation {identifier!r}: allowed are {', '.join(ORDER)}")
    require(sums in CONVENTIONS, f"sums {sums!r}: allowed are {', '.join(CONVENTIONS)}")
    return FAMILIES[identifier](sums)


__all__ = ["CONVENTIONS", "Comparison", "Derivation", "Line", "RefusedError", "check", "derive"]
