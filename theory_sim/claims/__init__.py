"""The claims of the paper, judged: one file a family, each with its list `CLAIMS`."""

from theory_sim.claims import (
    adversarial,
    assumptions,
    datasets,
    gradient_laws,
    kinks,
    pgd,
    sign_attacks,
    signals,
    theorem1,
    theorem2,
    theorem3,
)
from theory_sim.claims.base import Claim

PAPER = (assumptions, signals, gradient_laws, theorem1, theorem2, theorem3, pgd)
FAMILIES = (*PAPER, datasets, kinks, sign_attacks, adversarial)
ORDER = (
    *("assumption1", "assumption2", "assumption3", "assumption4", "eq2", "eq3", "eq16"),
    *("eq8", "eq8_ntk", "eq13", "eq14", "eq15"),
    *("thm1_t0", "thm1_t1", "thm1_growth", "thm1_keeps", "thm1_majority", "thm2", "thm3", "thm3_weak"),
    *("lemma1", "eq21", "eq22", "eq23", "thm4"),
    *("eq8_dataset", "dataset", "kinks", "fgsm", "linf_pgd", "adv_training"),  # ours, beyond the paper
)
CLAIMS: tuple[Claim, ...] = tuple(
    sorted(
        (claim for family in FAMILIES for claim in family.CLAIMS),
        key=lambda claim: ORDER.index(claim.id),
    )
)
BY_KEY = {claim.key: claim for claim in CLAIMS}

__all__ = ["BY_KEY", "CLAIMS", "ORDER", "Claim"]
