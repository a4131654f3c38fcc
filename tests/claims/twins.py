"""Every claim's judge has a slow twin, written from the statement: here is which."""

from __future__ import annotations

from functools import cache

from tests.claims import twins_attacks, twins_extensions, twins_inputs, twins_laws, twins_theorems
from tests.claims.comparison import Comparison, Twin

FAMILIES = (twins_inputs, twins_laws, twins_theorems, twins_attacks, twins_extensions)
TWINS: dict[str, Twin] = {key: twin for family in FAMILIES for key, twin in family.TWINS.items()}
OF_LADDERS_TOO = (twins_laws, twins_attacks, twins_extensions)
LADDERS: dict[str, Twin] = {key: twin for family in OF_LADDERS_TOO for key, twin in family.LADDERS.items()}  # six runs
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
