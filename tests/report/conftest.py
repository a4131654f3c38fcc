"""One small report for all tests: three claims judged on few networks, two derivations, one measured figure."""

from __future__ import annotations

from pathlib import Path

import pytest

from theory_sim.claims.command import select
from theory_sim.claims.ledger import Settings, verify
from theory_sim.claims.show import as_json
from theory_sim.derivations.errata import errata
from theory_sim.empirical import Finding, Measured
from theory_sim.provenance import provenance
from theory_sim.report import build

CLAIMS = "eq3,eq14[relu],thm1_t1[relu],eq8_dataset"
DERIVATIONS = ("eq3", "eq14", "eq4")


def finding(**changed: object) -> Finding:
    """A row of results.json."""
    number = Measured("accuracy <b>", 0.5, 0.4, 0.6, 100, 0.51, "share")
    fields = {
        "claim": "fig6", "figure": "6", "statement": "says", "tested": "is tested", "verdict": "reproduced", "n": 100,
        "measured": (number,), "conclusion": "It is so.", "pictures": ("fig6.png",),
    }  # fmt: skip
    return Finding(**{**fields, **changed})  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def content() -> build.Content:
    """The report's parts."""
    rows = verify(select(CLAIMS), Settings(samples=60, workers=1))
    ledger = {"claims": [as_json(row, 0) for row in rows], "samples": 60, "seed": 0, "seconds": 1.0, **provenance()}
    derivations, failed = build.gather_derivations(DERIVATIONS, False)
    assert not failed
    return build.Content(ledger, provenance(), derivations, errata(identifiers=("eq3", "eq14")), measured=[finding()])


@pytest.fixture(scope="session")
def report(content: build.Content, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The written page."""
    return build.write(content, tmp_path_factory.mktemp("report") / "deeper")[0]
