"""Every statement the ledger refutes falls to a search that starts from no hint, and shrinks to something readable.

One strategy per population, the claim's own judge as the predicate. What Hypothesis finds is shrunk by Hypothesis and
judged again on a run of the reference engine, which updates W itself.
"""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, find, settings
from hypothesis.errors import NoSuchExample

from tests.claims.strategies import strategies
from theory_sim.claims import CLAIMS
from theory_sim.claims.base import REFUTED, Claim
from theory_sim.claims.encoding import with_reference
from theory_sim.claims.populations import POPULATIONS
from theory_sim.claims.samples import AttackSample, Eq8Sample, SignalSample
from theory_sim.claims.sources import Sources

# Small networks first: what they cannot show, larger ones are searched for.
SIZES = [
    (strategies(max_dim=5, max_width=2), 500),
    (strategies(max_dim=7, max_width=3), 6000),
]
# Statements that no drawn network can refute, and why: these are searched among seeded members of their population.
BY_POPULATION = {
    "eq2[images]": "speaks of natural images only: a drawn signal is none",
    "eq16[no bias, outer 0/1]": "a bias of six standard deviations needs width >= 128 and d >= 257",
}
SEARCH = settings(
    derandomize=True,
    database=None,
    deadline=None,
    phases=(Phase.generate, Phase.shrink),
    suppress_health_check=list(HealthCheck),
)
MOST_JUDGEMENTS = 800  # after the first hit: shrinking ends there, with the smallest found so far
MOST_STEPS = 48

REFUTED_CLAIMS = [claim for claim in CLAIMS if claim.known[0] == REFUTED]


def strength(claim: Claim) -> float:
    """Ten tolerances for margins; an order is counted as such."""
    return 10.0 if claim.kind == "margin" else 1.0


def refutes(claim: Claim, sample: Any) -> bool:
    outcome = claim.judge(sample)
    return outcome is not None and claim.violates(outcome, "printed", strength(claim))


class Budget:
    """A predicate that stops saying yes some time after its first yes, so that shrinking ends."""

    def __init__(self, claim: Claim) -> None:
        self.claim, self.left, self.hit = claim, MOST_JUDGEMENTS, False

    def __call__(self, sample: Any) -> bool:
        self.left -= self.hit
        found = self.left > 0 and refutes(self.claim, sample)
        self.hit |= found
        return found


@pytest.mark.parametrize("claim", [c for c in REFUTED_CLAIMS if c.key not in BY_POPULATION], ids=lambda c: c.key)
def test_search_finds_a_small_counterexample(claim: Claim) -> None:
    sample = search(claim)
    assert steps_of(sample) <= MOST_STEPS, sample
    assert refutes(claim, with_reference(sample)), sample


def search(claim: Claim) -> Any:
    for of_population, n in SIZES:
        with contextlib.suppress(NoSuchExample):
            return find(of_population[claim.population], Budget(claim), settings=settings(SEARCH, max_examples=n))
    raise NoSuchExample(claim.key)


def steps_of(sample: Any) -> int:
    if isinstance(sample, SignalSample):
        return 0
    if isinstance(sample, Eq8Sample):
        return int(sample.drives.size)
    return int(sample.n_steps if isinstance(sample, AttackSample) else sample.training.n_steps)


@pytest.mark.parametrize("claim", [c for c in REFUTED_CLAIMS if c.key in BY_POPULATION], ids=lambda c: c.key)
def test_seeded_members_refute_what_small_networks_cannot(claim: Claim) -> None:
    sources, draw = Sources.load(), POPULATIONS[claim.population]
    samples = (draw(np.random.default_rng([11, seed]), True, sources) for seed in range(400))
    assert any(sample is not None and refutes(claim, with_reference(sample)) for sample in samples)


def test_the_table_of_exceptions_is_current() -> None:
    assert set(BY_POPULATION) <= {claim.key for claim in REFUTED_CLAIMS}
