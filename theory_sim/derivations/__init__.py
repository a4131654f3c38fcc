"""Each equation of the paper derived from the definition of the network, one file a family as in `claims`.

`derive(id)` returns a `Derivation`; its lines are computed, checked again by `check`, and compared with explicit runs by
`worlds.check_numbers`.
"""

from __future__ import annotations

from functools import lru_cache

from theory_sim.derivations.derivation import Comparison, Derivation, Line, check


@lru_cache(maxsize=256)
def derive(identifier: str, sums: str = "weights") -> Derivation:
    """The derivation with this id."""
    from theory_sim.derivations.catalogue import FAMILIES

    return FAMILIES[identifier](sums)
