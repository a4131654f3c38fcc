"""A line of a derivation evaluated with NumPy on the numbers of a run: every sum is taken, every index ranges.

Independent of how the line was derived: it only reads the expression. An environment maps the SymPy names of symbols
to floats, of indexed families to arrays, and activation functions to vectorised functions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from sympy import (
    Abs,
    Add,
    Basic,
    Eq,
    Indexed,
    IndexedBase,
    KroneckerDelta,
    Mul,
    Number,
    NumberSymbol,
    Pow,
    Sum,
    Symbol,
    conjugate,
)  # fmt: skip
from sympy.core.function import AppliedUndef
from sympy.core.numbers import ImaginaryUnit

from theory_sim.derivations.symbols import INDICES

Environment = Mapping[str, Any]
PLAIN: dict[str, Any] = {
    "exp": np.exp, "log": np.log, "cos": np.cos, "sin": np.sin, "sign": np.sign, "atan": np.arctan, "re": np.real,
    "im": np.imag, "Max": np.maximum, "Min": np.minimum,
}  # fmt: skip


class UnboundError(KeyError):
    """The environment has no value for a symbol: the line speaks of something the run does not have."""


def evaluate(expression: Basic, environment: Environment, ranges: Mapping[Symbol, np.ndarray] | None = None) -> Any:
    """Value of an expression; `ranges` gives free indices their values, each on an axis of its own (broadcast).

    float or complex NumPy values. Raises UnboundError.
    """
    bound = dict(ranges or {})
    return _value(expression, environment, bound)


def free_indices(expression: Basic) -> list[Symbol]:
    """Indices that the expression holds for all values of."""
    return sorted((v for v in expression.free_symbols if v in INDICES), key=lambda v: v.name)


def residue(line: Eq, environment: Environment, limits: Mapping[str, tuple[int, int]]) -> tuple[float, float]:
    """(largest |left - right|, largest term of either side) over all values of the free indices of an equation.

    limits: index name -> (first, last). Raises UnboundError.
    """
    free = free_indices(line)
    ranges = {}
    for axis, v in enumerate(free):
        if v.name not in limits:
            raise UnboundError(v.name)
        first, last = limits[v.name]
        shape = [1] * len(free)
        shape[axis] = -1
        ranges[v] = np.arange(first, last + 1).reshape(shape)
    left, right = (np.asarray(evaluate(side, environment, ranges)) for side in (line.lhs, line.rhs))
    terms = [term for side in (line.lhs, line.rhs) for term in Add.make_args(side)]
    size = max(float(np.abs(evaluate(term, environment, ranges)).max()) for term in terms)
    return float(np.abs(left - right).max()), size


def _value(e: Any, env: Environment, bound: dict[Symbol, Any]) -> Any:
    if isinstance(e, (Number, NumberSymbol)):
        return float(e)
    if isinstance(e, ImaginaryUnit):
        return 1j
    if isinstance(e, Indexed):
        name = str(e.base.label)
        if name not in env:
            raise UnboundError(name)
        where = tuple(np.asarray(_value(j, env, bound)).astype(int) for j in e.indices)
        return np.asarray(env[name])[where]
    if isinstance(e, Symbol):
        if e in bound:
            return bound[e]
        if e.name not in env:
            raise UnboundError(e.name)
        return env[e.name]
    if isinstance(e, Sum):
        return _sum(e, env, bound)
    if isinstance(e, KroneckerDelta):
        return np.asarray(_value(e.args[0], env, bound) == _value(e.args[1], env, bound)).astype(float)
    values = [_value(arg, env, bound) for arg in e.args]
    if isinstance(e, Add):
        return sum(values[1:], values[0])
    if isinstance(e, Mul):
        product = values[0]
        for v in values[1:]:
            product = product * v
        return product
    if isinstance(e, Pow):
        exponent = values[1]
        if np.all(np.asarray(exponent) == np.rint(np.real(exponent))) and np.isrealobj(exponent):
            whole, base = np.asarray(exponent), np.asarray(values[0])
            base = base.astype(float) if base.dtype.kind in "iub" else base
            return base ** (int(whole) if whole.ndim == 0 else whole)
        return np.asarray(values[0]) ** exponent
    if isinstance(e, Abs):
        return np.abs(values[0])
    if isinstance(e, conjugate):
        return np.conj(values[0])
    name = type(e).__name__
    if name in ("Max", "Min"):
        out = values[0]
        for v in values[1:]:
            out = PLAIN[name](out, v)
        return out
    if name in PLAIN:
        return PLAIN[name](*values)
    if isinstance(e, AppliedUndef) or name in env:
        if name not in env:
            raise UnboundError(name)
        return env[name](*values)
    raise UnboundError(name)


def _sum(e: Sum, env: Environment, bound: dict[Symbol, Any]) -> Any:
    """The summation index gets an axis of its own, in front of all others."""
    (v, low, high), *more = e.limits
    body = e.function
    if more:
        body = Sum(e.function, *e.limits[:-1])
        v, low, high = e.limits[-1]
    first, last = (np.asarray(_value(b, env, bound)) for b in (low, high))
    if first.ndim or last.ndim:  # limits that depend on a free index: one value at a time
        shape = np.broadcast_shapes(first.shape, last.shape, *(np.shape(b) for b in bound.values()))
        first, last = np.broadcast_to(first, shape), np.broadcast_to(last, shape)
        out = np.empty(shape, complex)
        for place in np.ndindex(shape):
            here = {key: np.broadcast_to(b, shape)[place] for key, b in bound.items()}
            out[place] = _ranged(body, v, int(first[place]), int(last[place]), env, here)
        return out if out.imag.any() else out.real
    return _ranged(body, v, int(first), int(last), env, bound)


def _ranged(body: Basic, v: Symbol, first: int, last: int, env: Environment, bound: dict[Symbol, Any]) -> Any:
    depth = max((np.ndim(b) for b in bound.values()), default=0)
    ranged = np.arange(first, last + 1).reshape(-1, *[1] * depth)
    inner = {key: np.asarray(b).reshape(1, *[1] * (depth - np.ndim(b)), *np.shape(b)) for key, b in bound.items()}
    values = np.asarray(_value(body, env, {**inner, v: ranged}))
    if values.ndim < depth + 1:
        values = values.reshape(*[1] * (depth + 1 - values.ndim), *values.shape)
    if values.shape[0] == 1:
        values = np.broadcast_to(values, (last - first + 1, *values.shape[1:]))
    return values.sum(axis=0)


__all__ = ["Environment", "IndexedBase", "UnboundError", "evaluate", "free_indices", "residue"]
