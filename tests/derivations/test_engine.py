"""The engine itself: what is equal, what has a sign, what an operation refuses, and the evaluator beside NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sympy import Eq, Ge, Gt, I, Integer, Le, Lt, Sum, conjugate, cos, exp, oo, sin, sqrt

from theory_sim.derivations import operations as op
from theory_sim.derivations.equality import identical, nonnegative, normal, positive
from theory_sim.derivations.numbers import UnboundError, evaluate, residue
from theory_sim.derivations.operations import Operation, RefusedError
from theory_sim.derivations.symbols import (
    B,
    H,
    L,
    W,
    X,
    a,
    angle,
    b,
    c,
    cl,
    d,
    drives,
    e,
    eta,
    excess,
    f,
    g,
    gapt,
    gh,
    i,
    k,
    kc,
    m,
    mu,
    nu,
    p0,
    phi,
    q,
    r,
    ratio,
    s,
    sigma,
    slope,
    t,
    u,
    v,
    x,
    y,
)  # fmt: skip

INNER = Sum(W[r, mu] * x[mu], (mu, 0, d - 1))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Sum(a[r] * INNER, (r, 1, m)), Sum(x[mu] * Sum(a[r] * W[r, mu], (r, 1, m)), (mu, 0, d - 1))),
        (Sum(2 * a[r] + b * x[mu] ** 2, (r, 1, m)), 2 * Sum(a[r], (r, 1, m)) + m * b * x[mu] ** 2),
        (Sum(drives[i], (i, 0, t)), Sum(drives[i], (i, 0, t - 1)) + drives[t]),
        (exp(I * phi[k]) + exp(-I * phi[k]), 2 * cos(phi[k])),
        (cos(angle) ** 2 + sin(angle) ** 2, Integer(1)),
        (1 / (1 + b) + b / (1 + b), Integer(1)),
        (
            (gh[k] + I * b) * conjugate(gh[k] + I * b),
            gh[k] * conjugate(gh[k]) + b**2 + I * b * conjugate(gh[k]) - I * b * gh[k],
        ),
        (Sum(drives[i], (i, 0, Integer(-1))), Integer(0)),
    ],
)
def test_equal_expressions_are_identical(one: Any, other: Any) -> None:
    assert identical(one, other)
    assert other == 0 or not identical(one, -other)
    assert not identical(one, other + 1)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Sum(a[r], (r, 1, m)) ** 2, Sum(a[r] ** 2, (r, 1, m))),
        (Sum(x[mu], (mu, 0, d - 1)), Sum(x[mu], (mu, 1, d - 1))),
        (Sum(sigma(s[r]), (r, 1, m)), Sum(slope(s[r]), (r, 1, m))),
        (conjugate(gh[k]), gh[k]),
        (sqrt(cl**2), cl),
        (Eq(B, q), Eq(B, -q)),
        (Gt(B, 0), Ge(B, 0)),
        (Eq(B, q), q),
        (x[mu], x[nu]),
    ],
)
def test_different_expressions_are_not(one: Any, other: Any) -> None:
    assert not identical(one, other)


def test_normal_form_does_not_depend_on_names_of_indices() -> None:
    assert normal(Sum(a[r], (r, 1, m))) == normal(Sum(a[k], (k, 1, m)))


@pytest.mark.parametrize(
    ("expression", "is_positive", "is_nonnegative"),
    [
        (b + c, True, True), (b * e + c * v, True, True), (c, False, True), (c * v, False, True), (b - e, False, False),
        (cl, False, False), (cl**2, False, True), (b * cl, False, False), (b + cl**2, True, True), (-b, False, False),
        (b * Sum(excess[i], (i, 0, t)), False, True), (b + Sum(excess[i], (i, 0, t)), True, True),
        (Sum(drives[i], (i, 0, t)), False, False), (Integer(0), False, True), (L + H, True, True),
        ((b - e) ** 2, False, True),
    ],
)  # fmt: skip
def test_signs_are_claimed_only_where_the_symbols_give_them(
    expression: Any, is_positive: bool, is_nonnegative: bool
) -> None:
    assert positive(expression) is is_positive
    assert nonnegative(expression) is is_nonnegative


LINE = Eq(B, p0 + 2 * q)
REFUSALS: list[tuple[Any, tuple[Any, ...], tuple[Any, ...]]] = [
    (op.insert, (LINE, Eq(cl, b)), ()),
    (op.insert_left, (LINE, Eq(cl, b)), ()),
    (op.insert, (LINE, Gt(p0, b)), ()),
    (op.fold, (LINE, Eq(cl, p0)), (cl + q,)),
    (op.rewrite, (LINE,), (p0 - 2 * q,)),
    (op.named, (LINE, Eq(cl, b)), (cl,)),
    (op.named, (LINE, Eq(cl, q)), (cl,)),
    (op.subtracted, (LINE, Gt(cl, b)), ()),
    (op.multiplied, (Gt(B, q),), (-b,)),
    (op.multiplied, (Gt(B, q),), (cl,)),
    (op.solved, (Gt(B, q),), (q,)),
    (op.solved, (Eq(B, q**2),), (q,)),
    (op.decided, (LINE,), (Gt(B, 0),)),
    (op.decided, (Eq(B, b + c),), (Lt(B, 0),)),
    (op.decided, (Eq(B, b + c),), (Gt(cl, 0),)),
    (op.decided, (Eq(B, b + c),), (Gt(B, 1),)),
    (op.decided, (Eq(B, c),), (Gt(B, 0),)),
    (op.bounded, (LINE,), (p0 + 3 * q,)),
    (op.bounded, (Lt(B, p0 + b),), (p0,)),
    (op.equivalent, (LINE,), (Gt(p0, q),)),
    (op.equivalent, (Eq(B, -b * (cl - q)),), (Gt(cl, q),)),
    (op.equivalent, (Eq(B, cl * (p0 - q)),), (Gt(p0, q),)),
    (op.induct, (Eq(gapt[0], b), Eq(gapt[t + 1], b * (t + 1))), (Eq(gapt[t], b * t), t)),
    (op.induct, (Eq(gapt[0], Integer(0)), Eq(gapt[t + 1], b * t)), (Eq(gapt[t], b * t), t)),
    (op.differentiated, (LINE,), (cl, -q)),
    (op.averaged, (LINE,), (cl, -q, Integer(0), Integer(1))),
]


@pytest.mark.parametrize(("function", "lines", "arguments"), REFUSALS)
def test_what_does_not_follow_is_refused(function: Any, lines: tuple[Any, ...], arguments: tuple[Any, ...]) -> None:
    with pytest.raises(RefusedError):
        Operation("op", function, arguments).apply(lines)


def apply(function: Any, *lines: Any, args: tuple[Any, ...] = ()) -> Any:
    return Operation("op", function, args).apply(lines)


def test_what_follows_is_what_one_gets_by_hand() -> None:
    assert apply(op.insert, LINE, Eq(q, b)) == Eq(B, p0 + 2 * b)
    assert apply(op.insert_left, Eq(B, q), Eq(B, cl)) == Eq(cl, q)
    assert apply(op.fold, LINE, Eq(cl, p0 + q), args=(cl + q,)) == Eq(B, cl + q)
    assert apply(op.specialise, Eq(B, q + p0), args=(Eq(q, p0), Eq(p0, b))) == Eq(B, 2 * b)
    assert apply(op.subtracted, Eq(B, q), Eq(cl, p0)) == Eq(B - cl, q - p0)
    assert apply(op.added, Eq(B, q), Eq(cl, p0)) == Eq(B + cl, q + p0)
    assert apply(op.divided, Eq(B, q), Eq(cl, p0)) == Eq(B / cl, q / p0)
    assert apply(op.multiplied, Gt(B, q), args=(b,)) == Gt(b * B, b * q)
    assert apply(op.factored, Eq(B, q**2 - b**2)).rhs == (q - b) * (q + b)
    assert apply(op.collected, Eq(B, q * b + q * p0), args=(q,)).rhs == q * (b + p0)
    assert apply(op.combined, Eq(B, 1 / b + 1 / e)).rhs.equals((b + e) / (b * e))
    assert apply(op.solved, Eq(B, 2 * q + p0), args=(q,)).rhs.equals((B - p0) / 2)
    assert apply(op.truncated, Eq(B, slope(q + eta * b)), args=(Integer(2), eta)).rhs.has(slope(q))
    assert apply(op.expanded_in, Eq(B, exp(ratio)), args=(ratio, Integer(3))).rhs.equals(1 + ratio + ratio**2 / 2)
    assert apply(op.averaged, Eq(B, cos(angle) ** 2), args=(cl, angle, Integer(0), Integer(1))).lhs == cl
    assert apply(op.at_limit, Eq(B, exp(-b * t)), args=(cl, t, oo)) == Eq(cl, 0)
    assert apply(op.decided, Eq(B, -b - c), args=(Lt(B, 0),)) == Lt(B, 0)
    assert apply(op.decided, Eq(B, -c), args=(Le(B, 0),)) == Le(B, 0)
    assert apply(op.bounded, Eq(B, q + c), args=(q,)) == Ge(B, q)
    assert apply(op.equivalent, Eq(B, b * (p0 - q)), args=(Lt(q, p0),)) == Lt(q, p0)
    assert apply(op.witness, Eq(B, q + 1), args=(Eq(q, 2),)) == Eq(B, Integer(3), evaluate=False)
    assert apply(op.summed, Eq(x[mu], g[mu]), args=(b, mu, Integer(0), d - 1)).lhs == Sum(b * x[mu], (mu, 0, d - 1))


def test_a_rule_holds_for_all_values_of_its_free_indices_only() -> None:
    rule = Eq(s[r], INNER)
    assert op.insert_into(s[u], rule) == INNER.xreplace({r: u})
    step = Eq(gapt[t + 1], b * gapt[t])
    assert op.insert_into(gapt[0], step) == gapt[0]  # t + 1 is one index, not any
    assert op.insert_into(gapt[t + 1], step) == b * gapt[t]


def test_an_index_is_not_caught_by_a_sum() -> None:
    caught = op.insert_into(Sum(s[mu], (mu, 1, m)), Eq(s[r], INNER))
    env = {"W": np.arange(25.0).reshape(5, 5), "x": np.array([1.0, 2, 0, 0, 0]), "m": 3, "d": 2}
    by_hand = sum(env["W"][row, 0] + 2 * env["W"][row, 1] for row in (1, 2, 3))  # type: ignore[index]
    assert float(evaluate(caught, env)) == by_hand


def test_derivative_of_a_sum_over_a_delta() -> None:
    whole = Sum(a[r] * sigma(INNER), (r, 1, m))
    found = op.collapse(whole.diff(x[nu]))
    assert identical(found, Sum(a[r] * slope(INNER) * W[r, nu], (r, 1, m)))
    assert not identical(found, Sum(a[r] * slope(INNER) * W[r, mu], (r, 1, m)))


def test_evaluator_beside_numpy() -> None:
    rng = np.random.default_rng(0)
    weights, outer, signal = rng.standard_normal((4, 5)), rng.standard_normal(4), rng.standard_normal(5)
    env = {"W": weights, "a": outer, "x": signal, "m": 3, "d": 5, "slope": np.tanh, "kc": 2, "X": np.abs(signal)}
    expression = Sum(a[r] * slope(INNER) * W[r, nu], (r, 1, m))
    expected = (outer[1:] * np.tanh(weights[1:] @ signal)) @ weights[1:]
    np.testing.assert_allclose(evaluate(expression, env, {nu: np.arange(5)}), expected, rtol=1e-14)
    nested = Sum(x[i] * Sum(x[t], (t, 0, i)), (i, 0, 3))
    assert float(evaluate(nested, env)) == pytest.approx(
        sum(signal[n] * signal[: n + 1].sum() for n in range(4)), rel=1e-14
    )
    assert float(evaluate(Sum(X[k] ** 2, (k, 0, kc)), env)) == pytest.approx(float(signal[:3] @ signal[:3]), rel=1e-14)
    with pytest.raises(UnboundError):
        evaluate(y + f, env)


def test_residue_finds_the_worst_index() -> None:
    env = {"x": np.array([1.0, 2.0]), "g": np.array([1.0, 2.5])}
    error, size = residue(Eq(g[mu], x[mu]), env, {"mu": (0, 1)})
    assert (error, size) == (0.5, 2.5)
    with pytest.raises(UnboundError):
        residue(Eq(g[mu], x[mu]), env, {})
