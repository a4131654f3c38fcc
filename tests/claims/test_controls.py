"""Every statement that holds has a negative control that the same networks refute: a check that can fail."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.claims.members import members, small_members
from theory_sim.claims import CLAIMS
from theory_sim.claims.base import REFUTED, Claim, Evidence, judge_tally

HOLDING = [claim for claim in CLAIMS if any(known not in (None, REFUTED) for known in claim.known)]
RARE = {"thm1_keeps[relu kinks]": "fewer than 30 members among so few networks"}


@pytest.mark.parametrize("claim", HOLDING, ids=lambda claim: claim.key)
def test_the_control_is_refuted(claim: Claim) -> None:
    evidence = Evidence()
    for index, sample in enumerate([*members(claim.population), *small_members(claim.population)]):
        outcome = claim.judge(replace(sample))
        if outcome is not None:
            evidence.record(claim, outcome, sample, f"{index:04d}")
    if claim.key in RARE:
        assert evidence.versions["control"].violations > 0
    else:
        assert judge_tally(claim, evidence, "control").verdict == REFUTED
