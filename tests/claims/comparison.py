"""Comparing judges with slow twins: the same members, the same words, on seeded networks of each population."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from tests.claims.members import members, small_members
from theory_sim.claims import BY_KEY
from theory_sim.claims.base import Outcome

Words = tuple[Any, Any, Any] | None
Twin = Callable[[Any], Words]


class TooCloseError(Exception):
    """Round-off decides here, and judge and twin round differently."""


class Comparison:
    """A claim's first small 1-D members, and as many non-members, with what its twin says of them.

    Half are drawn by Hypothesis, half by the claim's population.
    """

    def __init__(self, key: str, twin: Twin, compared: int, atol: float) -> None:
        self.claim, self.atol = BY_KEY[key], atol
        self.cases: list[tuple[Any, Words]] = []
        self.n_members = 0
        for source in (small_members, members):
            self._add(source(self.claim.population), twin, compared * (3 if self.claim.large_only else 1))

    def _add(self, samples: list[Any], twin: Twin, compared: int) -> None:
        met = {True: 0, False: 0}
        for sample in samples:
            if len(sample.band.shape) > 1 or sample.is_large != self.claim.large_only:
                continue
            if min(met.values()) >= compared:
                break
            inside = self.claim.judge(replace(sample)) is not None
            if met[inside] >= compared:
                continue
            with contextlib.suppress(TooCloseError):
                self.cases.append((sample, twin(sample)))
                met[inside] += 1
        self.n_members += met[True]

    def check(self) -> None:
        """Assert that judge and twin say the same."""
        for sample, words in self.cases:
            assert_same(self.claim.key, self.claim.judge(replace(sample)), words, self.atol)


def assert_same(key: str, outcome: Outcome | None, words: Words, atol: float) -> None:
    """Same membership, and every word equal to six digits (orders: to 0.001)."""
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
            np.testing.assert_allclose(word, expected, rtol=0, atol=1e-3, err_msg=message)
