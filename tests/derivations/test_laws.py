"""Derived laws beside the code that computes with them: recurrences, the closed form, the theorems' bounds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sympy import Eq

from tests.helpers import assert_close, assert_differs
from theory_sim import recurrences as rec
from theory_sim.closed_form import Plane, relu_q, theorem1_t0, theorem2_t0
from theory_sim.derivations import derive
from theory_sim.derivations.numbers import evaluate
from theory_sim.derivations.symbols import k
from theory_sim.derivations.worlds import WORLDS

ENV: dict[str, Any] = dict(WORLDS["eq8"](1.0, "two-sided")[0])
BINS = {k: np.arange(9)}
SIX = ("L", "H", "cl", "ch", "Lx", "Hx")


def value(identifier: str, number: int, env: dict[str, Any] = ENV, side: str = "derived") -> Any:
    """Right side of a comparison of a derivation, on numbers of a run."""
    statement = getattr(derive(identifier).comparisons[number - 1], side)
    assert isinstance(statement, Eq)
    free = {index: v for index, v in BINS.items() if index in statement.free_symbols}
    return evaluate(statement.rhs, env, free)


def names(*wanted: str) -> tuple[Any, ...]:
    return tuple(ENV[name] for name in wanted)


PLANE = Plane(*names(*SIX))
# Derivation and comparison, printed or derived; what the code computes; a version of it that is wrong.
LAWS = [
    ("eq13", 1, "derived", lambda: rec.eq13_exact(ENV["E"], -2 * ENV["inner"], ENV["X"] ** 2, *names("drive", "decay")),
     lambda: rec.eq13(ENV["E"], -2 * ENV["inner"], *names("drive", "decay"))),
    ("eq13", 2, "printed", lambda: rec.eq13(ENV["E"], -2 * ENV["inner"], *names("drive", "decay")),
     lambda: rec.eq13(ENV["E"], 2 * ENV["inner"], *names("drive", "decay"))),
    ("eq14", 2, "derived", lambda: rec.eq14(ENV["gap"], ENV["Lx"] - ENV["Hx"], *names("drive", "decay"), 2.0),
     lambda: rec.eq14(ENV["gap"], ENV["Lx"] - ENV["Hx"], *names("drive", "decay"), 1.0)),
    ("eq14", 2, "printed", lambda: rec.eq14(ENV["gap"], ENV["Lx"] - ENV["Hx"], *names("drive", "decay"), 1.0),
     lambda: rec.eq14(ENV["gap"], ENV["Lx"] - ENV["Hx"], *names("drive", "decay"), 2.0)),
    ("eq15", 1, "derived", lambda: rec.eq15_exact(*names(*SIX, "drive", "decay")),
     lambda: rec.eq15(*names("L", "H", "cl", "ch", "drive", "N1"))),
    ("eq15", 2, "printed", lambda: rec.eq15(*names("L", "H", "cl", "ch", "drive", "N1")),
     lambda: rec.eq15(*names("H", "L", "cl", "ch", "drive", "N1"))),
    ("sign_polynomial", 2, "derived", lambda: PLANE.growth(*names("q", "q1")), lambda: PLANE.growth(*names("q1", "q"))),
]  # fmt: skip


@pytest.mark.parametrize(("identifier", "number", "side", "code", "wrong"), LAWS)
def test_code_computes_what_is_derived(identifier: str, number: int, side: str, code: Any, wrong: Any) -> None:
    found, expected = value(identifier, number, side=side), code()
    scale = float(np.abs(expected).max())
    assert_close(identifier, found, expected, "derived_law", scale=scale)
    assert_differs(f"{identifier}, wrong", wrong(), expected, "derived_law", scale=scale)


def test_closed_form_is_the_derived_one() -> None:
    from theory_sim.derivations.symbols import t

    curve = derive("closed_form").comparisons[0].derived
    found = evaluate(curve.rhs, ENV, {t: np.arange(6)})
    assert_close("closed form", found, PLANE.ratio(ENV["qt"][:6]), "derived_law", scale=1.0)
    assert_close("explicit", found, ENV["taut"][:6], "derived_law", scale=1.0)
    assert_differs("other sign of q", PLANE.ratio(-ENV["qt"][:6]), found, "derived_law", scale=1.0)


def test_sign_polynomial_is_the_derived_one() -> None:
    lines = derive("sign_polynomial").lines
    found = [evaluate(line.expression.rhs, ENV) for line in lines if str(line.expression.lhs) in ("p0", "p1", "p2")][:3]
    assert_close("p0, p1, p2", np.array(found), np.array(PLANE.sign_polynomial), "derived_law")


def test_q_of_relu_training() -> None:
    from theory_sim.derivations.symbols import t

    env = dict(WORLDS["relu"](1.0, "two-sided")[0])
    law = derive("closed_form").comparisons[1].derived
    found = evaluate(law.rhs, env, {t: np.arange(6)})
    assert_close("q", found, relu_q(np.arange(6), env["ell"], env["rho"], env["x2"]), "derived_law")
    assert_close("explicit q", found, env["Q"][:6], "derived_law")
    assert_differs("r / 2", relu_q(np.arange(6), env["ell"], env["rho"] / 2, env["x2"]), found, "derived_law")


def test_bounds_of_the_theorems() -> None:
    env = {"gapt": np.array([-0.7]), "n_min": 3.0, "eta": 0.01, "beta0": 0.2, "room": 1.5}
    comparison = derive("thm1_t0").comparisons[0]
    printed = theorem1_t0(-0.7, 0.01, 0.2, 3.0, 1.5)
    assert_close("printed t0", evaluate(comparison.printed.rhs, env), np.float64(printed), "derived_law")
    assert_close("derived t0", evaluate(comparison.derived.rhs, env), np.float64(printed / 2), "derived_law")
    u, v = 0.8 + 0.3j, 0.2 - 0.1j
    bound = theorem2_t0(np.array([1, v, u]), np.ones(3), 2, 1, 0.01, 0.5, 4.0)
    values = {"lead0": abs(u) ** 2 - abs(v) ** 2, "bracket": u.real - v.real, "drive_max": 0.01 * 0.5 * 4.0}
    found = evaluate(derive("thm2").comparisons[2].derived.rhs, values)
    assert_close("Theorem 2", found, bound, "derived_law")
    mirrored = evaluate(derive("thm2_negative").comparisons[0].derived.rhs, values)
    assert_close("Theorem 2, f < y", mirrored, bound, "derived_law")


def test_attack_laws() -> None:
    env = dict(WORLDS["attack"](1.0, "two-sided")[0])
    cross = 2 * (env["kh"] * np.conj(env["gh"])).real
    exact = rec.eq23_exact(np.abs(env["kh"]) ** 2, cross, np.abs(env["gh"]) ** 2, env["beta"])
    assert_close("eq23", value("eq23", 1, env), exact, "derived_law")
    assert_close(
        "eq22", env["kappa"] + env["beta"] * env["g"], rec.eq22(env["kappa"], env["beta"], env["g"]), "derived_law"
    )
    first = rec.eq20(*(env[n] for n in ("Lk", "Hk", "cl2", "ch2", "beta", "Nk1")))
    assert_close("eq20", value("thm4", 1, env, "printed"), np.float64(first), "derived_law")
    assert_differs("eq20 is not exact", np.float64(first), np.float64(env["rise_k"]), "derived_law")
