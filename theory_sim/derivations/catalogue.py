"""Every derivation by its id, and the other names that readers use."""

from __future__ import annotations

import difflib
from collections.abc import Callable

from theory_sim.derivations import (
    assumptions,
    closed_form,
    gradient_laws,
    infinite_width,
    pgd,
    signals,
    theorem1,
    theorem2,
    theorem3,
)  # fmt: skip
from theory_sim.derivations.derivation import Derivation
from theory_sim.errors import InputError

_FOUND: dict[str, Callable[[str], Derivation]] = {}
for _family in (assumptions, closed_form, gradient_laws, infinite_width, pgd, signals, theorem1, theorem2, theorem3):
    _FOUND |= _family.FAMILY

ORDER = (
    "assumption1", "assumption2", "assumption3", "assumption4", "eq2", "eq3", "eq4", "eq7", "eq16", "eq8", "eq8_ntk",
    "infinite_width", "eq13", "eq14", "eq15", "closed_form", "sign_polynomial", "thm1_t0", "thm1_t1", "thm1_growth",
    "thm1_keeps", "thm1_majority", "thm1_negative", "thm2", "thm2_negative", "thm3", "thm3_weak",
    "thm3_negative", "lemma1", "eq22", "eq23", "thm4", "eq21",
)  # fmt: skip
FAMILIES = {identifier: _FOUND[identifier] for identifier in ORDER}
assert set(ORDER) == set(_FOUND)

# The same by equation number, or by part of the appendix.
ALIASES: dict[str, tuple[str, ...]] = {
    "eq1": ("eq8",), "eq6": ("eq7",), "eq9": ("eq15",), "eq10": ("thm1_t1",), "eq11": ("thm2",), "eq12": ("thm3",),
    "eq17": ("thm3_weak",), "eq18": ("lemma1",), "eq19": ("eq22",), "eq20": ("thm4",),
    "thm1": ("thm1_t0", "thm1_t1", "thm1_growth", "thm1_keeps", "thm1_majority", "thm1_negative"),
    "appendix_a1": ("eq13", "eq14", "eq15", "thm1_t0", "thm1_t1"), "appendix_a2": ("thm2",),
    "appendix_a3": ("eq16", "thm3_weak", "thm3"), "appendix_b1": ("eq22", "eq23", "lemma1", "thm4"),
    "negative_drive": ("thm1_negative", "thm2_negative", "thm3_negative"),
}  # fmt: skip


def resolve(name: str) -> tuple[str, ...]:
    """Ids that a name stands for: an id, an alias, or a row of the ledger (eq8[relu]).

    Raises InputError, with the near ones, on anything else.
    """
    plain = name.strip().split("[")[0]
    if plain in FAMILIES:
        return (plain,)
    if plain in ALIASES:
        return ALIASES[plain]
    near = difflib.get_close_matches(plain, [*FAMILIES, *ALIASES], n=4, cutoff=0.4) or list(ORDER)
    raise InputError(f"unknown derivation {name!r}: near are {', '.join(near)} (--list shows all)")
