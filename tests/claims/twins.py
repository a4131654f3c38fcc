"""Every claim's judge has a slow twin, written from the statement: here is which."""

from __future__ import annotations

from functools import cache

from tests.claims import twins_attacks, twins_inputs, twins_laws, twins_theorems
from tests.claims.comparison import Comparison, Twin

TWINS: dict[str, Twin] = {**twins_inputs.TWINS, **twins_laws.TWINS, **twins_theorems.TWINS, **twins_attacks.TWINS}
LADDERS: dict[str, Twin] = {**twins_laws.LADDERS, **twins_attacks.LADDERS}  # six runs a network
COMPARED, OF_LADDERS = 14, 6  # members compared of either kind, and as many that meet no hypotheses
TOLERANCE = 1e-11
LOOSE = {
    "eq3[mean over phase]": 1e-6,  # the judge's ρ is 1e-6, the twin's is the limit 0
    "assumption1[r > 2]": 1e-9,  # the run itself multiplies round-off
}


@cache
def comparison(key: str) -> Comparison:
    """The claim's networks with what its twin says of them."""
    if key in LADDERS:
        return Comparison(key, LADDERS[key], OF_LADDERS, TOLERANCE)
    return Comparison(key, TWINS[key], COMPARED, LOOSE.get(key, TOLERANCE))
