"""When two expressions are the same: a canonical form of sums, and a quick refusal by numbers."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from sympy import (
    Add,
    Basic,
    Dummy,
    Expr,
    Indexed,
    Integer,
    Mul,
    Rel,
    Sum,
    Symbol,
    cos,
    exp,
    expand,
    fraction,
    sin,
    together,
)
from sympy.core.function import AppliedUndef

from theory_sim.derivations.numbers import UnboundError, evaluate, free_indices
from theory_sim.derivations.symbols import FUNCTIONS, INDICES

NUMBERS_APART = 1e-9


def normal(expression: Expr) -> Expr:
    """Expanded, cosines as exponentials, sums split into monomials with constants in front and canonical indices."""
    e = expression
    if e.has(cos, sin):
        e = e.replace(lambda n: isinstance(n, (cos, sin)), lambda n: n.rewrite(exp))
    return _normal(e)


@lru_cache(maxsize=4096)
def _normal(e: Expr) -> Expr:
    if not e.args or isinstance(e, (Indexed, Symbol)):
        return e
    if isinstance(e, Sum):
        return _sum(e)
    args = [_normal(arg) if isinstance(arg, Expr) else arg for arg in e.args]
    rebuilt = e.func(*args) if tuple(args) != e.args else e
    return expand(rebuilt, deep=False) if not rebuilt.has(exp) else expand(rebuilt)


def _sum(e: Sum) -> Expr:
    function = e.function
    for limit in e.limits:
        function = _one_sum(_normal(function), *limit)
    return function


def _one_sum(body: Expr, v: Symbol, low: Expr, high: Expr) -> Expr:
    total: list[Expr] = []
    if high - low == -1:
        return Integer(0)
    if high in INDICES:  # the last term apart, so that sums to t and to t - 1 can be compared
        total.append(_normal(body.xreplace({v: high})))
        high = high - 1
    for term in Add.make_args(expand(body)):
        outside, inside = term.as_independent(v, as_Add=False)
        if inside == 1:
            total.append(outside * (high - low + 1))
            continue
        total.append(outside * _ordered(inside, [(v, low, high)]))
    return expand(Add(*total))


def _ordered(body: Expr, limits: list[tuple[Symbol, Expr, Expr]]) -> Expr:
    """A sum of a monomial; where its only inner sum is a factor, one multiple sum with its indices in a fixed order."""
    inner = [factor for factor in Mul.make_args(body) if isinstance(factor, Sum)]
    if len(inner) == 1:
        (v, low, high), *_ = inner[0].limits
        bound = {name for name, *_ in limits}
        if not (low.free_symbols | high.free_symbols) & bound:
            fresh = Dummy(integer=True, nonnegative=True)
            rest = Mul(*(factor for factor in Mul.make_args(body) if factor is not inner[0]))
            return _ordered(rest * inner[0].function.xreplace({v: fresh}), [*limits, (fresh, low, high)])
    for v, low, high in sorted(limits, key=lambda entry: (str(entry[2]), str(entry[1]))):
        dummy = Symbol(f"_j{_height(body)}", integer=True, nonnegative=True)
        body = Sum(body.xreplace({v: dummy}), (dummy, low, high))
    return body


def _height(e: Basic) -> int:
    inner = [_height(arg) for arg in e.args]
    return max(inner, default=0) + isinstance(e, Sum)


def identical(one: Any, other: Any) -> bool:
    """True if two expressions, or both sides of two relations, are equal for all values of their symbols.

    Proved by canonical forms; a difference in numbers refuses at once.
    """
    if one == other:
        return True
    if isinstance(one, Rel) or isinstance(other, Rel):
        same = isinstance(one, Rel) and isinstance(other, Rel) and one.rel_op == other.rel_op
        return same and identical(one.lhs, other.lhs) and identical(one.rhs, other.rhs)
    if not (isinstance(one, Expr) and isinstance(other, Expr)):
        return False
    if _numbers_differ(one, other):
        return False
    difference = normal(one - other)
    if difference == 0:
        return True
    opaque, names = _without_sums(difference)
    top = normal(fraction(together(opaque))[0])
    return bool(top == 0 or normal(top.xreplace(names)) == 0 or top.expand().equals(0))


def _without_sums(e: Expr) -> tuple[Expr, dict[Symbol, Expr]]:
    names = {total: Dummy(positive=total.is_positive) for total in e.atoms(Sum)}
    return e.xreplace(names), {v: k for k, v in names.items()}


def _numbers_differ(one: Expr, other: Expr, trials: int = 2) -> bool:
    """True if the two differ at random numbers; False also where they cannot be evaluated."""
    for trial in range(trials):
        try:
            env = _random(one, other, trial)
            ranges = {v: np.asarray(2 + n) for n, v in enumerate(free_indices(one - other))}
            with np.errstate(all="ignore"):
                a, b = (complex(np.asarray(evaluate(e, env, ranges))) for e in (one, other))
        except (UnboundError, TypeError, ValueError, IndexError):
            return False
        if np.isfinite(a) and np.isfinite(b) and abs(a - b) > NUMBERS_APART * (abs(a) + abs(b) + 1e-3):
            return True
    return False


SIZES = {"m": 3, "d": 5, "kc": 1, "K": 2}


def _random(one: Expr, other: Expr, trial: int) -> dict[str, Any]:
    rng = np.random.default_rng([77, trial])
    env: dict[str, Any] = dict(SIZES)
    symbols = sorted({*one.free_symbols, *other.free_symbols}, key=str)
    families = {atom.base for e in (one, other) for atom in e.atoms(Indexed)}
    for base in sorted(families, key=str):
        values = rng.uniform(0.3, 1.7, (9, 9, 9)[: _rank(base, one, other)])
        element = base[(0,) * values.ndim]
        if not element.is_nonnegative:
            values = values * rng.choice([-1, 1], values.shape)
        if element.is_real is None:
            values = values + 1j * rng.uniform(-1, 1, values.shape)
        env[str(base.label)] = values
    for symbol in symbols:
        if isinstance(symbol, Symbol) and symbol.name not in env:
            value = float(rng.uniform(0.3, 1.7))
            if symbol.is_integer:
                value = float(rng.integers(2, 5))
            elif not symbol.is_nonnegative:
                value *= float(rng.choice([-1, 1]))
                if symbol.is_negative:
                    value = -abs(value)
            env[symbol.name] = value
    shapes = {"sigma": np.tanh, "slope": np.cos, "curvature": np.sin}
    env.update({f.__name__: shapes[f.__name__] for f in FUNCTIONS})
    for call in {c for e in (one, other) for c in e.atoms(AppliedUndef)}:
        env[type(call).__name__] = np.sin
    return env


def _rank(base: Any, *expressions: Expr) -> int:
    return max(len(atom.indices) for e in expressions for atom in e.atoms(Indexed) if atom.base == base)


def positive(e: Expr) -> bool:
    """True if the assumptions on its symbols make an expression > 0, term by term once expanded."""
    if e.is_positive:
        return True
    terms = Add.make_args(expand(e))
    return all(_sign_of(term) in ("+", "+0") for term in terms) and any(_sign_of(term) == "+" for term in terms)


def nonnegative(e: Expr) -> bool:
    """As `positive`, for >= 0."""
    return bool(e.is_nonnegative) or all(_sign_of(term) in ("+", "+0") for term in Add.make_args(expand(e)))


def _never_negative(factor: Expr) -> bool:
    return bool(factor.is_nonnegative) or (isinstance(factor, Sum) and nonnegative(factor.function))


def _sign_of(term: Expr) -> str:
    if term.is_positive:
        return "+"
    if term.is_nonnegative:
        return "+0"
    number, rest = term.as_coeff_Mul()
    if rest.is_positive and number > 0:
        return "+"
    if number > 0 and all(_never_negative(factor) for factor in Mul.make_args(rest)):
        return "+0"
    return "0" if term == Integer(0) else "?"
