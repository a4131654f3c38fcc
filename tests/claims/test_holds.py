"""No small network contradicts what the ledger says holds, as printed or as corrected.

The strategies look where statements break: zero, repeated and mirrored units, one unit, four to nine inputs, ties
between bins, bins without a mirror image, even d, 2-D bands, runs of one step. Claims about means over random networks
(kind `value`) say nothing of a single network and are left to the ledger.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.claims.strategies import strategies
from theory_sim.claims import CLAIMS
from theory_sim.claims.base import FIRST_ORDER, HOLDS, Claim
from theory_sim.claims.samples import AttackSample, TrainingSample

WHOLE, SHORT = "whole runs", "short runs and images"
VARIANTS = {WHOLE: strategies(), SHORT: strategies(short=True, images=True)}
N_EXAMPLES = {WHOLE: 150, SHORT: 60}
LADDERS = ("order", "attack trained")  # six runs a network
NO_STRATEGY = {
    "signal image": "real images only",
    "signal noise": "a mean over noise",
    "start bernoulli": "networks of width >= 128 only",
    "kinks by width": "a mean over networks",
}
RARELY_MET = {
    "eq16[no bias]": "networks of width >= 128 only",
    "thm1_t1[relu r>2]": "the diverging run must have gone far while no unit crossed",
    "thm1_growth[relu r>2]": "L < H after t0 with Δτ_l >= 0, before the drive turns",
    "thm1_growth[relu kinks]": "L < H after t0 with Δτ_l >= 0",
    "adv_training[Fig. 13]": "the run must have gone on until its bound is near τ(x)",
    "eq21": "L_κ < H_κ although L_g > H_g, late in an attack",
}


def holding(population: str) -> list[tuple[Claim, str]]:
    """Claims of a population with the versions that every single network must respect."""
    return [
        (claim, version)
        for claim in CLAIMS
        if claim.population == population and claim.kind != "value"
        for version, known in zip(("printed", "corrected"), claim.known, strict=True)
        if known in (HOLDS, FIRST_ORDER)
    ]


CASES = [
    pytest.param(strategy, holding(population), variant, id=f"{population}, {variant}")
    for variant, of_population in VARIANTS.items()
    for population, strategy in of_population.items()
    if holding(population)
]


@pytest.mark.parametrize(("strategy", "statements", "variant"), CASES)
def test_no_small_network_contradicts_what_holds(
    strategy: st.SearchStrategy[Any], statements: list[tuple[Claim, str]], variant: str
) -> None:
    few = statements[0][0].population.startswith(LADDERS)

    met: Counter[str] = Counter()

    @settings(max_examples=N_EXAMPLES[variant] // (4 if few else 1))
    @given(strategy)
    def search(sample: Any) -> None:
        outcomes = {claim.key: claim.judge(sample) for claim, _ in statements}
        for claim, version in statements:
            outcome = outcomes[claim.key]
            met[claim.key] += outcome is not None
            assert outcome is None or not contradicts(claim, version, sample), f"{claim.key} {version}: {outcome}"

    search()
    if variant == WHOLE:
        assert {claim.key for claim, _ in statements} - set(+met) - set(RARELY_MET) == set()


def contradicts(claim: Claim, version: str, sample: Any) -> bool:
    """True if the sample violates the statement; an order, if it does so on a ladder of 64 times smaller steps too."""
    for candidate in (sample, finer(sample)) if claim.kind == "order" else (sample,):
        outcome = claim.judge(candidate)
        if outcome is None or not claim.violates(outcome, version):
            return False
    return True


def finer(sample: Any) -> Any:
    """The sample with the steps of its ladder 64 times smaller."""
    if isinstance(sample, TrainingSample):
        training = sample.training
        return replace(sample, training=training.with_rate(training.learning_rate / 64, training.n_steps))
    return replace(sample, start=sample.start / 64) if isinstance(sample, AttackSample) else sample


def test_every_population_is_searched() -> None:
    """A new population needs a strategy, or a reason why it has none."""
    assert {claim.population for claim in CLAIMS} == set(VARIANTS[WHOLE]) | set(NO_STRATEGY)
