"""Judges say what slow twins say that share none of their code, number by number."""

from __future__ import annotations

import pytest

from tests.claims.twins import LADDERS, TWINS, comparison
from theory_sim.claims import BY_KEY

LEAST_COMPARED = 8


@pytest.mark.parametrize("key", BY_KEY)
def test_judge_and_twin_agree(key: str) -> None:
    found = comparison(key)
    found.check()
    assert found.n_members >= LEAST_COMPARED


def test_there_is_no_twin_without_a_claim() -> None:
    assert {*TWINS, *LADDERS} == set(BY_KEY)
    assert not set(TWINS) & set(LADDERS)
