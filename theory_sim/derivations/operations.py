"""The named operations by which one line of a derivation follows from others.

Each is a function of the lines it uses and of its arguments that returns the new line; `Operation` remembers the
arguments, so that a line can be computed again. What does not follow raises `RefusedError`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sympy import (
    Abs,
    Add,
    Basic,
    Derivative,
    Dummy,
    Eq,
    Expr,
    Ge,
    Gt,
    Indexed,
    Integer,
    KroneckerDelta,
    Le,
    Lt,
    Mul,
    Ne,
    Rel,
    Sum,
    Symbol,
    Wild,
    cancel,
    collect,
    expand,
    factor,
    integrate,
    limit,
    oo,
    series,
    sympify,
    together,
)  # fmt: skip

from theory_sim.derivations.equality import identical, nonnegative, normal, positive
from theory_sim.derivations.symbols import INDICES


class RefusedError(ValueError):
    """A line does not follow from the lines and the operation it is said to follow from."""


Lines = tuple[Any, ...]


@dataclass(frozen=True)
class Operation:
    """A name that readers see, the function behind it, and its arguments: SymPy objects that tests can change."""

    name: str
    function: Callable[..., Basic]
    arguments: tuple[Any, ...] = ()

    def apply(self, lines: Lines) -> Basic:
        """The new line. Raises RefusedError, also for what SymPy cannot do."""
        try:
            return self.function(lines, *self.arguments)
        except RefusedError:
            raise
        except (ValueError, TypeError, AttributeError) as error:
            raise RefusedError(f"{self.name}: {' '.join(str(error).split())}") from error


def _need(condition: Any, message: str) -> None:
    if not condition:
        raise RefusedError(message)


def _right(line: Rel, right: Any) -> Rel:
    """The relation with another right side; never decided by SymPy."""
    return line.func(line.lhs, right, evaluate=False)


def _equation(line: Any) -> Eq:
    _need(isinstance(line, Eq), f"not an equation: {line}")
    return line


# Definitions and hypotheses -------------------------------------------------------------------------------------------


def define(lines: Lines, statement: Basic) -> Basic:
    """A definition, or a hypothesis: what the line says is its own argument."""
    return statement


# Substitution ---------------------------------------------------------------------------------------------------------


def insert_into(e: Basic, rule: Eq) -> Basic:
    """Replace every instance of the rule's left side by its right side; the rule's free indices match anything."""
    left, right = rule.lhs, rule.rhs
    free = [v for v in left.free_symbols if v in INDICES and v in left.args]  # t + 1 means this t, not any
    if not free:
        return e.xreplace({left: right})
    wilds = {v: Wild(f"{v.name}_") for v in free}
    pattern = left.xreplace(wilds)

    def instance(node: Basic) -> Basic:
        found = node.match(pattern)
        assert found is not None
        values = {v: found[wild] for v, wild in wilds.items()}
        return _fresh(right, values).xreplace(values)

    return e.replace(
        lambda node: node.func == left.func and _base(node) == _base(left) and node.match(pattern), instance
    )


def _base(node: Basic) -> Any:
    return node.base if isinstance(node, Indexed) else None


def _fresh(e: Basic, values: dict[Symbol, Basic]) -> Basic:
    """Summation indices renamed where a substituted index would be caught by them."""
    used = {s for value in values.values() for s in value.free_symbols}
    bound = {v for total in e.atoms(Sum) for v in total.variables}
    spare = [v for v in sorted(INDICES, key=lambda v: v.name) if v not in used | bound | e.free_symbols]
    relatives = {"r": ("u",), "u": ("r",), "mu": ("nu",), "nu": ("mu",), "i": ("t",), "t": ("i",), "k": ("kp",)}
    renamed = {}
    for v in sorted(bound & used, key=lambda v: v.name):
        choice = [s for s in spare if s.name in relatives.get(v.name, ())] or spare
        renamed[v] = choice[0]
        spare.remove(choice[0])
    return e.xreplace(renamed)


def insert(lines: Lines) -> Basic:
    """The first line with the others used, in their order, from left to right, on its right side."""
    line, *rules = lines
    changed: Any = line.rhs if isinstance(line, Rel) else line
    for rule in rules:
        changed = insert_into(changed, _equation(rule))
    _need(changed != (line.rhs if isinstance(line, Rel) else line), f"nothing to insert into {line}")
    return _right(line, changed) if isinstance(line, Rel) else changed


def insert_left(lines: Lines) -> Basic:
    """As `insert`, on the left side."""
    line, *rules = lines
    changed = line.lhs
    for rule in rules:
        changed = insert_into(changed, _equation(rule))
    _need(changed != line.lhs, f"nothing to insert into {line.lhs}")
    return line.func(changed, line.rhs, evaluate=False)


def fold(lines: Lines, right: Expr) -> Basic:
    """Write the right side with the names that the other lines define; proved by putting the definitions back."""
    line, *rules = lines
    back, whole = sympify(right), line.rhs
    for rule in rules:
        back, whole = insert_into(back, _equation(rule)), insert_into(whole, rule)
    _need(identical(back, whole), f"{right} is not {line.rhs} by the definitions")
    return _right(line, sympify(right))


def specialise(lines: Lines, *equalities: Eq) -> Basic:
    """Give symbols or indices special values, one after the other."""
    (line,) = lines
    for e in equalities:
        line = line.xreplace({e.lhs: e.rhs})
    return line


# Rewriting: the value stays -----------------------------------------------------------------------------------------


def rewrite(lines: Lines, right: Expr) -> Basic:
    """The right side in another form, proved to be equal."""
    (line,) = lines
    old = line.rhs if isinstance(line, Rel) else line
    _need(identical(old, sympify(right)), f"{right} is not equal to {old}")
    return _right(line, sympify(right)) if isinstance(line, Rel) else sympify(right)


def expanded(lines: Lines) -> Basic:
    """Multiply out; sums are split and constants pulled in front."""
    (line,) = lines
    return _right(line, spread(line.rhs))


def spread(e: Expr) -> Expr:
    """Expand, sums term by term with constants in front; indices keep their names."""
    e = e.replace(lambda n: isinstance(n, Sum), _spread_sum)
    return expand(e)


def _spread_sum(total: Sum) -> Expr:
    if len(total.limits) > 1:
        return total
    v, low, high = total.limits[0]
    terms = []
    for term in Add.make_args(expand(total.function)):
        outside, inside = term.as_independent(v, as_Add=False)
        terms.append(outside * (Sum(inside, (v, low, high)) if inside != 1 else high - low + 1))
    return Add(*terms)


def collected(lines: Lines, *symbols: Expr) -> Basic:
    """Order by powers of the symbols."""
    (line,) = lines
    return _right(line, collect(expand(line.rhs), symbols))


def factored(lines: Lines) -> Basic:
    """Factor."""
    (line,) = lines
    return _right(line, factor(line.rhs))


def combined(lines: Lines) -> Basic:
    """Common denominator, common factors cancelled."""
    (line,) = lines
    return _right(line, cancel(together(line.rhs)))


# Equations ------------------------------------------------------------------------------------------------------------


def added(lines: Lines) -> Basic:
    """Add equations side by side."""
    return Eq(Add(*(_equation(e).lhs for e in lines)), Add(*(e.rhs for e in lines)), evaluate=False)


def subtracted(lines: Lines) -> Basic:
    """First equation minus the second, side by side."""
    one, two = map(_equation, lines)
    return Eq(one.lhs - two.lhs, one.rhs - two.rhs, evaluate=False)


def divided(lines: Lines) -> Basic:
    """First equation over the second, side by side."""
    one, two = map(_equation, lines)
    return Eq(one.lhs / two.lhs, one.rhs / two.rhs, evaluate=False)


def multiplied(lines: Lines, factor_: Expr) -> Basic:
    """Both sides times a factor; an inequality needs a positive one."""
    (line,) = lines
    _need(isinstance(line, Eq) or positive(factor_), f"{factor_} is not known to be positive")
    return line.func(expand(line.lhs * factor_), expand(line.rhs * factor_), evaluate=False)


def named(lines: Lines, name: Expr) -> Basic:
    """Give the left side a name: `name` stands for it from here on (checked by the definition that is used)."""
    line, definition = lines
    definition = _equation(definition)
    _need(definition.lhs == name, f"{definition} does not define {name}")
    _need(identical(insert_into(definition.rhs, definition), line.lhs), f"{name} is not {line.lhs}")
    return line.func(name, line.rhs, evaluate=False)


def summed(lines: Lines, factor_: Expr, v: Symbol, low: Expr, high: Expr) -> Basic:
    """Both sides times a factor, summed over an index."""
    (line,) = lines
    return Eq(Sum(factor_ * line.lhs, (v, low, high)), Sum(expand(factor_ * line.rhs), (v, low, high)), evaluate=False)


def solved(lines: Lines, unknown: Expr) -> Basic:
    """A linear equation solved for one symbol."""
    from sympy import solve

    (line,) = lines
    _need(isinstance(line, Eq), "only an equation can be solved")
    stand_in = Dummy()
    found = solve(line.xreplace({unknown: stand_in}), stand_in, dict=True)
    _need(len(found) == 1, f"{unknown} is not determined by {line}")
    return Eq(unknown, found[0][stand_in], evaluate=False)


# Calculus -------------------------------------------------------------------------------------------------------------


def differentiated(lines: Lines, name: Expr, variable: Expr) -> Basic:
    """Both sides differentiated; `name` is the derivative of the left side."""
    line = _equation(lines[0])
    return Eq(name, collapse(line.rhs.diff(variable)), evaluate=False)


def collapse(e: Expr) -> Expr:
    """Sums over a Kronecker delta: Σ_μ δ_μν c_μ = c_ν, for an index in range."""

    def one(total: Sum) -> Expr:
        (v, low, high), *more = total.limits
        if more:
            return total
        out = []
        for term in Add.make_args(expand(collapse(total.function))):
            deltas = [p for p in Mul.make_args(term) if isinstance(p, KroneckerDelta) and v in p.free_symbols]
            if not deltas:
                outside, inside = term.as_independent(v, as_Add=False)
                out.append(outside * Sum(inside, (v, low, high)) if inside != 1 else outside * (high - low + 1))
                continue
            delta = deltas[0]
            other = delta.args[1] if delta.args[0] == v else delta.args[0]
            out.append(Mul(*(p for p in Mul.make_args(term) if p is not delta)).xreplace({v: other}))
        return Add(*out)

    return e.replace(lambda n: isinstance(n, Sum), one)


def truncated(lines: Lines, order: Integer, *small: Expr) -> Basic:
    """Drop what is of the given order or higher in the small quantities together (Taylor's series)."""
    (line,) = lines
    return _right(line, taylor(line.rhs, int(order), small))


def taylor(e: Expr, order: int, small: tuple[Expr, ...]) -> Expr:
    """Taylor polynomial below `order` in a common scale h of the small quantities."""
    h = Dummy("h")
    scaled = e.xreplace({v: h * v for v in small})
    total, term, factorial = Integer(0), scaled, 1
    for n in range(order):
        total += term.xreplace({h: Integer(0)}).doit(deep=True) / factorial if n == 0 else _at_zero(term, h) / factorial
        term = term.diff(h)
        factorial *= n + 1
    return spread(total)


def _at_zero(e: Expr, h: Symbol) -> Expr:
    return e.xreplace({h: Integer(0)})


def expanded_in(lines: Lines, variable: Symbol, order: Integer) -> Basic:
    """Power series of the right side in a variable at 0, what is of the given order or higher dropped."""
    (line,) = lines
    return _right(line, series(line.rhs, variable, 0, int(order)).removeO())


def averaged(lines: Lines, name: Expr, variable: Symbol, low: Expr, high: Expr) -> Basic:
    """Mean of the right side over an interval; `name` stands for the mean of the left side."""
    (line,) = lines
    return Eq(name, integrate(line.rhs, (variable, low, high)) / (high - low), evaluate=False)


def at_limit(lines: Lines, name: Expr, variable: Symbol, point: Expr) -> Basic:
    """The right side of an equation in a limit (from above); `name` is the limit of the left side."""
    line = _equation(lines[0])
    stand_in = Dummy(positive=True)
    return Eq(name, limit(line.rhs.xreplace({variable: stand_in}), stand_in, point), evaluate=False)


# Signs and inequalities ---------------------------------------------------------------------------------------------


def decided(lines: Lines, relation: Rel) -> Basic:
    """The sign of the right side, from the signs of its symbols, term by term.

    `relation` compares the left side (or the expression) with 0.
    """
    (line,) = lines
    value = line.rhs if isinstance(line, Eq) else line
    name = line.lhs if isinstance(line, Eq) else line
    _need(relation.lhs == name and relation.rhs == 0, f"{relation} does not compare {name} with 0")
    tests = {
        Gt: lambda e: positive(e),
        Ge: lambda e: nonnegative(e),
        Lt: lambda e: positive(-e),
        Le: lambda e: nonnegative(-e),
        Eq: lambda e: normal(e) == 0,
    }
    _need(tests[relation.func](value), f"the assumptions do not decide {relation} for {value}")
    return relation


def bounded(lines: Lines, bound: Expr) -> Basic:
    """Left side >= a bound (in place of = or >=) that the right side exceeds by what is never negative."""
    (line,) = lines
    _need(isinstance(line, (Eq, Ge, Gt)), f"no lower bound: {line}")
    _need(nonnegative(line.rhs - bound), f"{line.rhs} >= {bound} does not follow from the signs of the symbols")
    return Ge(line.lhs, bound, evaluate=False)


def equivalent(lines: Lines, condition: Rel) -> Basic:
    """An inequality between the left side and 0 in another form: both differ by a positive factor.

    The line says left = right, and right > 0 (or >= 0, if the condition has = in it) is in question; the larger side of
    `condition` minus its smaller one, times a positive factor, must be the right side.
    """
    line = lines[0]
    apart = condition.gts - condition.lts
    ratio = cancel(together(line.rhs / apart))
    for rule in lines[1:]:
        ratio = cancel(together(insert_into(ratio, rule)))
    _need(positive(ratio), f"{line.rhs} is not a positive multiple of {apart}")
    return condition


def witness(lines: Lines, *values: Eq) -> Basic:
    """Numbers put in: one example, exact. A relation becomes one between numbers, an equation its value."""
    (line,) = lines
    found = line.xreplace({v.lhs: v.rhs for v in values})
    if isinstance(found, Eq):
        return Eq(line.lhs if line.lhs.is_Symbol else found.lhs, found.rhs.doit(), evaluate=False)
    return found


def induct(lines: Lines, claim: Eq, index: Symbol) -> Basic:
    """If a claim holds at 0 and, supposed at t, at t+1, it holds at every t: the two lines must be its instances."""
    base, step = map(_equation, lines)
    sides = ((claim.lhs.xreplace({index: n}), claim.rhs.xreplace({index: n})) for n in (Integer(0), index + 1))
    first, after = (Eq(*pair, evaluate=False) for pair in sides)
    _need(identical(base.lhs - base.rhs, first.lhs - first.rhs), f"{base} is not the claim at 0")
    _need(identical(step.lhs, after.lhs) and identical(step.rhs, after.rhs), f"{step} is not the claim at t+1")
    return claim


__all__ = [
    "Abs", "Derivative", "Ne", "Operation", "RefusedError", "oo",
]  # fmt: skip
