"""Seeded networks of every population, drawn once and shared by the tests of controls and of mutants."""

from __future__ import annotations

import zlib
from functools import cache, lru_cache
from typing import Any

import numpy as np
from hypothesis import HealthCheck, Phase, given, settings

from tests.claims.strategies import strategies
from theory_sim.claims import CLAIMS
from theory_sim.claims.populations import POPULATIONS
from theory_sim.claims.sources import Sources

DRAWS = 300
LADDER_DRAWS = 50  # six runs a network
LARGE_DRAWS = 450  # of the populations of claims that speak of large networks only
LADDERS = ("order", "attack trained")


@lru_cache
def _sources() -> Sources:
    return Sources.load()


@cache
def members(population: str) -> list[Any]:
    """What a population draws: small networks, for speed, and large ones where a claim asks for them."""
    draw = POPULATIONS[population]
    n = LADDER_DRAWS if population.startswith(LADDERS) else DRAWS
    large_too = any(claim.large_only for claim in CLAIMS if claim.population == population)
    drawn = []
    for large, count in ((False, n), (True, LARGE_DRAWS if large_too else 0)):
        for index in range(count):
            rng = np.random.default_rng([13, zlib.crc32(population.encode()), int(large), index])
            drawn.append(draw(rng, large, _sources()))
    return [sample for sample in drawn if sample is not None]


SMALL = settings(
    max_examples=60,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@cache
def small_members(population: str) -> list[Any]:
    """What Hypothesis draws for a population: ties, cancellations, runs that stop early; [] if it has no strategy."""
    strategy = strategies(short=True).get(population)
    drawn: list[Any] = []
    if strategy is not None:
        SMALL(given(strategy)(lambda sample: drawn.append(sample)))()
    return drawn
