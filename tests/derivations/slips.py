"""Slips of the pen, generated: a term with another sign or doubled, another power, another limit of a sum."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from sympy import Add, Basic, Eq, Expr, Ge, Gt, Integer, Le, Lt, Mul, Pow, Rel, S, Sum

from theory_sim.derivations.derivation import Derivation, Line, with_line
from theory_sim.derivations.operations import Operation, define

TURNED = {Gt: Lt, Ge: Lt, Lt: Gt, Le: Gt}


def slips_of(e: Expr, limit: int = 12) -> Iterator[Expr]:
    """Expressions with one slip each: a term's sign, a term doubled, a power raised; also inside of sums."""
    n = 0
    for changed in _slips(e):
        if changed != e and n < limit:
            n += 1
            yield changed


def _slips(e: Any) -> Iterator[Any]:
    if isinstance(e, Add):
        for term in e.args:
            yield e - 2 * term
            yield e + term
    elif isinstance(e, Expr) and not e.is_zero:
        yield -e
        yield 2 * e
    for position, part in enumerate(e.args):
        if isinstance(e, Sum) and position > 0:
            (v, low, high) = part
            yield Sum(e.function, (v, low + 1, high))
            continue
        if isinstance(e, (Add, Mul, Sum, Pow)) and isinstance(part, (Add, Mul, Sum, Pow)):
            for changed in _slips(part):
                yield e.func(*(changed if n == position else other for n, other in enumerate(e.args)))
        elif isinstance(e, Pow) and position == 1 and part.is_Integer:
            yield Pow(e.base, part + 1)


def changed_statements(statement: Basic, limit: int = 12) -> Iterator[Basic]:
    """An equation with a slip on its right side; an inequality with one, or turned round."""
    if not isinstance(statement, Rel):
        return
    if not isinstance(statement, Eq):
        yield TURNED[statement.func](statement.lhs, statement.rhs, evaluate=False)
    if statement.rhs == 0:
        yield statement.func(statement.lhs, Integer(1), evaluate=False)
    for right in slips_of(statement.rhs, limit):
        if right.is_finite is not False and right not in (S.NaN, statement.rhs):
            yield statement.func(statement.lhs, right, evaluate=False)


def with_statement(derivation: Derivation, line: Line, statement: Basic) -> tuple[Derivation, Line]:
    """The line says something else, its operation as before."""
    changed = replace(line, expression=statement)
    return with_line(derivation, changed), changed


def with_definition(derivation: Derivation, line: Line, statement: Basic) -> Derivation:
    """A definition is another one: the operation and what it says agree, the rest of the derivation is as before."""
    changed = replace(line, operation=Operation(line.operation.name, define, (statement,)), expression=statement)
    return with_line(derivation, changed)


def with_arguments(line: Line) -> Iterator[Line]:
    """The line with a slip in an argument of its operation (a target, a factor, a limit), its statement as before."""
    for position, argument in enumerate(line.operation.arguments):
        if isinstance(argument, Rel):
            changes: Iterator[Any] = changed_statements(argument, 4)
        elif isinstance(argument, Expr):
            changes = slips_of(argument, 4)
        else:
            continue
        for changed in changes:
            arguments = tuple(changed if n == position else a for n, a in enumerate(line.operation.arguments))
            yield replace(line, operation=Operation(line.operation.name, line.operation.function, arguments))
