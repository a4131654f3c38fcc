"""A changed sign, factor, power or limit anywhere is refused: generated for every line of every derivation."""

from __future__ import annotations

import numpy as np
import pytest
from sympy import Eq

from tests.derivations.slips import changed_statements, with_arguments, with_definition
from theory_sim.derivations import derive
from theory_sim.derivations import operations as op
from theory_sim.derivations.catalogue import ORDER
from theory_sim.derivations.derivation import check, check_line_follows, recomputed, same
from theory_sim.derivations.numbers import UnboundError, residue
from theory_sim.derivations.operations import RefusedError
from theory_sim.derivations.worlds import ROUND_OFF, WORLDS, check_line

# Slips that make no difference, with the reason.
HARMLESS_DEFINITIONS = {
    ("assumption3", 1): "1/h grows without bound with any factor",
    ("thm1_growth", 10): "a positive multiple of Δτ_l has its sign",
}
HARMLESS_ARGUMENTS = {
    ("eq3", 8): "cos(−π) = cos π",
    ("eq3", 12): "the series has no term of third order, and its variable may be counted from the other side",
    ("eq13", 11): "how a right side is collected does not change it",
    ("eq15", 22): "a small quantity is as small with the other sign",
}


@pytest.mark.parametrize("identifier", ORDER)
def test_a_line_with_a_slip_does_not_follow(identifier: str) -> None:
    derivation, n = derive(identifier), 0
    for line in derivation.lines:
        again = recomputed(derivation, line)
        assert same(again, line.expression)
        for statement in changed_statements(line.expression, 5):
            assert not same(again, statement), f"line {line.number}: {statement}"
            n += 1
    assert n >= 2 * len(derivation.lines)


@pytest.mark.parametrize("identifier", ORDER)
def test_an_operation_with_a_slip_makes_another_line(identifier: str) -> None:
    derivation = derive(identifier)
    for line in derivation.lines:
        if (identifier, line.number) in HARMLESS_ARGUMENTS:
            continue
        for number, changed in enumerate(with_arguments(line)):
            if number < 3:
                with pytest.raises(RefusedError):
                    check_line_follows(derivation, changed)


@pytest.mark.parametrize("identifier", ORDER)
def test_another_definition_breaks_what_follows_or_the_numbers(identifier: str) -> None:
    """A definition that is changed together with its operation: later lines no longer follow, or runs contradict it."""
    derivation = derive(identifier)
    for line in derivation.lines:
        if line.operation.function is not op.define or (identifier, line.number) in HARMLESS_DEFINITIONS:
            continue
        for statement in changed_statements(line.expression, 1):
            wrong = with_definition(derivation, line, statement)
            try:
                check(wrong)
            except RefusedError:
                continue
            results = check_line(wrong.lines[line.number - 1], derivation.sums)
            assert not all(result.holds for result in results), f"line {line.number}: {statement}"


def test_harmless_slips_exist() -> None:
    for identifier, number in (*HARMLESS_DEFINITIONS, *HARMLESS_ARGUMENTS):
        assert len(derive(identifier).lines) >= number


@pytest.mark.parametrize("identifier", ORDER)
def test_numbers_tell_an_equation_from_one_with_a_slip(identifier: str) -> None:
    """Negative control of the comparison with runs: the other sign of every right side that is not 0 there."""
    told, n = 0, 0
    for line in derive(identifier).lines:
        if not isinstance(line.expression, Eq) or line.expression.lhs == 0:  # −0 = 0
            continue
        for name in line.worlds[:1]:
            env, limits = WORLDS[name](1.0, "two-sided")
            try:
                error, size = residue(Eq(line.expression.lhs, -line.expression.rhs, evaluate=False), env, limits)
            except UnboundError:
                continue
            if size > 0 and np.isfinite(size):
                n += 1
                told += error > 100 * ROUND_OFF * size
    assert n >= 1
    assert told >= 0.9 * n, f"{told} of {n} lines"
