"""Flipping any one sign, factor, band or comparison in the code of a claim changes a verdict or fails a test.

Every mutant of the modules below is put into the running code. It is caught if a row of the ledger that runs it changes
its verdicts on seeded networks (printed, corrected, or of the negative control), if the judge no longer says what its
slow twin says, or if a unit test fails. Mutants that change nothing are listed with their reason in the file
equivalent_mutants.txt; with ALL_MUTANTS=1 in the environment they are run as well, and one that is caught after all is
an error in the list.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from tests import test_closed_form, test_recurrences
from tests.claims import test_judges, test_samples
from tests.claims.bench import Bench, executed, remembered_runs
from tests.claims.mutation import Mutant, mutants
from tests.claims.unit_tests import UnitTests
from theory_sim import closed_form, recurrences
from theory_sim.claims import (
    CLAIMS,
    adversarial,
    adversarial_sample,
    assumptions,
    dataset_sample,
    datasets,
    gradient_laws,
    kinks,
    paths,
    pgd,
    samples,
    sign_attacks,
    signals,
    theorem1,
    theorem2,
    theorem3,
)

LAWS = (theorem1, theorem2, theorem3, gradient_laws, pgd, assumptions, signals)
OURS = (datasets, kinks, sign_attacks, adversarial)
CORE = (paths, samples, dataset_sample, adversarial_sample, recurrences, closed_form)
TABLE = Path(__file__).with_name("equivalent_mutants.txt").read_text(encoding="utf-8")
KNOWN = [line for line in TABLE.splitlines() if line and not line.startswith("#")]
ALL = os.environ.get("ALL_MUTANTS") == "1"


class Court:
    """All that a mutant may fail."""

    def __init__(self) -> None:
        benches = [Bench(claim) for claim in CLAIMS]
        assert not any(bench.changes() for bench in benches)
        assert not any(bench.differs_from_twin() for bench in benches)
        self.benches = [(bench, executed(bench.verdicts)) for bench in benches]
        self.units = UnitTests(test_closed_form, test_recurrences, test_judges, test_samples)

    def catches(self, mutant: Mutant) -> bool:
        original = mutant.function.__code__
        touched = [bench for bench, seen in self.benches if original in seen]
        with mutant.installed():
            return (
                any(bench.changes() for bench in touched)
                or any(bench.differs_from_twin() for bench in touched)
                or self.units.fail(original)
            )


@pytest.fixture(scope="module")
def court() -> Iterator[Court]:
    with remembered_runs() as stop:
        court = Court()
        stop()
        yield court


@pytest.mark.parametrize("module", [*LAWS, *OURS, *CORE], ids=lambda module: module.__name__.split(".")[-1])
def test_every_mutant_is_caught(module: ModuleType, court: Court) -> None:
    survivors = {m.name for m in mutants(module) if (ALL or m.name not in KNOWN) and not court.catches(m)}
    assert survivors - set(KNOWN) == set()
    if ALL:
        of_module = {name for name in KNOWN if name.split(".")[0] == module.__name__.split(".")[-1]}
        assert of_module - survivors == set(), "caught after all"


def test_the_list_of_equivalent_mutants_is_current() -> None:
    names = [mutant.name for module in (*LAWS, *OURS, *CORE) for mutant in mutants(module)]
    assert len(names) == len(set(names)) > 900
    assert set(KNOWN) <= set(names)
    assert len(KNOWN) == len(set(KNOWN))


def test_a_mutant_is_taken_out_again() -> None:
    mutant = next(m for m in mutants(recurrences) if m.name == "recurrences.eq13: 2 * decay -> 1 * decay")
    assert recurrences.eq13(1.0, 0.0, 0.0, 0.5) == 0.0
    with mutant.installed():
        assert recurrences.eq13(1.0, 0.0, 0.0, 0.5) == 0.5
    assert recurrences.eq13(1.0, 0.0, 0.0, 0.5) == 0.0
