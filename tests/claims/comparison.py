"""Comparing judges with slow twins: the same members, the same words, on seeded networks of each population."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from tests.claims.members import members
from theory_sim.claims import BY_KEY
from theory_sim.claims.base import Outcome

Words = tuple[Any, Any, Any] | None
Twin = Callable[[Any], Words]


class TooCloseError(Exception):
    """Round-off decides here, and judge and twin round differently."""


class Comparison:
    """A claim's first small 1-D members, and as many non-members, with what its twin says of them."""

    def __init__(self, key: str, twin: Twin, compared: int, atol: float) -> None:
        self.claim, self.atol = BY_KEY[key], atol
        self.cases: list[tuple[Any, Words]] = []
        met = {True: 0, False: 0}
        for sample in members(self.claim.population):
            if len(sample.band.shape) > 1 or (sample.band.dim > 64 and not self.claim.large_only):
                continue
            if min(met.values()) >= compared:
                break
            inside = self.claim.judge(replace(sample)) is not None
            if met[inside] >= compared:
                continue
            try:
                self.cases.append((sample, twin(sample)))
            except TooCloseError:
                continue
            met[inside] += 1
        self.n_members = met[True]

    def check(self) -> None:
        """Assert that judge and twin say the same."""
        for sample, words in self.cases:
            assert_same(self.claim.key, self.claim.judge(replace(sample)), words, self.atol)


def assert_same(key: str, outcome: Outcome | None, words: Words, atol: float) -> None:
    """Same membership, and every word equal to six digits (orders: to 1e-4)."""
    assert (outcome is None) == (words is None), f"{key}: judge {outcome}, twin {words}"
    if outcome is None or words is None:
        return
    for name, expected in zip(("printed", "corrected", "control"), words, strict=True):
        word = getattr(outcome, name)
        message = f"{key} {name}: judge {word}, twin {expected}"
        assert (word is None) == (expected is None), message
        if word is None:
            continue
        if np.isscalar(word):
            np.testing.assert_allclose(word, expected, rtol=1e-6, atol=atol, err_msg=message)
        else:
            np.testing.assert_allclose(word, expected, rtol=0, atol=1e-4, err_msg=message)
