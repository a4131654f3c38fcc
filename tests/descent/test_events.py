"""The exact ReLU integrator: huge step counts, its stated closed form, and its search for the next death."""

from __future__ import annotations

import numpy as np
import pytest

from tests.cases import random_training
from tests.helpers import assert_close, assert_differs
from theory_sim.descent import run
from theory_sim.descent.events import NEVER, _first_reach
from theory_sim.network import Activation, Network
from theory_sim.training import Training

MILLION = 1_000_000


def two_units(rate: float, n_steps: int, label: float = 1.0) -> Training:
    """Units of either sign, neither of which dies on the way from f = 3 - 1 to 1; ‖x‖² = 1, ‖a'‖² = 2."""
    net = Network(np.array([[3.0, 0.5], [1.0, 2.0]]), np.array([1.0, -1.0]), Activation())
    return Training(net, np.array([1.0, 0.0]), label, rate / 2, n_steps)


def test_a_million_steps_equal_the_closed_form() -> None:
    """ℓ'_t = ℓ'₀ (1-r)^t, here through expm1/log1p, with r so small that the run is under way all the time."""
    r = 1e-6
    trajectory = run(two_units(r, MILLION), "events")
    t = np.arange(MILLION + 1)
    left = np.exp(t * np.log1p(-r))
    assert_close("ℓ'", trajectory.residual, left, "long_run")
    q = -np.expm1(t * np.log1p(-r))
    start = np.array([3.0 - 1.0, 0.5 - 2.0])
    assert_close("g", trajectory.input_gradient, start - q[:, None] * np.array([1.0, 0.0]), "long_run")
    assert_differs("it moved", trajectory.input_gradient[-1], start, "long_run")
    assert trajectory.crossings[-1] == 0


def test_a_million_steps_equal_the_stepping_engine() -> None:
    """Across deaths, too: from f = 2 to -5 the positive unit dies on the way."""
    training = two_units(1e-4, MILLION, label=-5.0)
    exact, stepped = run(training, "events"), run(training, "numba")
    assert exact.crossings[-1] == 1
    np.testing.assert_array_equal(exact.crossings, stepped.crossings)
    assert_close("f", exact.output, stepped.output, "long_run")
    assert_close("g", exact.input_gradient, stepped.input_gradient, "long_run")
    assert_close("f converges", exact.output[-1], -5.0, "round_off")


@pytest.mark.parametrize("rate", [0.3, 1.0, 1.7])
def test_where_it_converges(rate: float) -> None:
    """g_∞ = g₀ - (f₀-y)/‖x‖² x for 0 < r < 2 while no unit dies."""
    trajectory = run(two_units(rate, 500), "events")
    assert_close("g_∞", trajectory.input_gradient[-1], [2.0 - 1.0, -1.5], "round_off")


def test_each_death_takes_its_term_out_of_the_gradient() -> None:
    """g = Σ_alive a_r w_r(t) with w_r(t) = w_r(0) + (s_r(t)-s_r(0)) x/‖x‖², from the recorded preactivations alone."""
    training = random_training(6, activation="relu", loss="mse", dim=6, width=33, rate=3.0, n_steps=40)
    trajectory, net, x = run(training, "events"), training.network, training.x
    assert trajectory.crossings[-1] > 3
    for t in range(41):
        s = trajectory.preactivation[t]
        weights = net.weights + np.outer(s - trajectory.preactivation[0], x) / (x @ x)
        expected = (net.outer * (s > 0)) @ weights
        assert_close("g", trajectory.input_gradient[t], expected, "identity", scale=float(np.abs(net.weights).sum()))
        assert_close("f", trajectory.output[t], net.outer @ np.maximum(s, 0), "identity", scale=float(np.abs(s).sum()))
        assert_close("‖a'‖²", trajectory.active_norm2[t], (net.outer**2) @ (s > 0), "round_off", scale=33.0)


def test_dead_units_never_come_back_and_inactive_ones_never_move() -> None:
    for seed in range(20):
        training = random_training(seed, activation="relu", loss="mse", dim=4, width=33, rate=3.0)
        trajectory = run(training, "events")
        active = trajectory.preactivation > 0
        assert (np.diff(active.astype(int), axis=0) <= 0).all()
        assert trajectory.crossings[-1] <= 33
        still = ~active[0]
        moves = trajectory.preactivation[:, still] - trajectory.preactivation[0, still]
        assert_close("inactive", moves, np.zeros_like(moves), "exact")


def brute_first_reach(deviation: float, factor: float, level: float, upwards: bool, limit: int) -> int:
    d = deviation
    for k in range(1, limit + 1):
        d *= factor
        if d >= level if upwards else d <= level:
            return k
    return int(NEVER)


@pytest.mark.parametrize("upwards", [True, False])
def test_first_reach_against_stepping(upwards: bool) -> None:
    """Seeded over all regimes of the factor, and both signs of deviation and level."""
    rng = np.random.default_rng(1)
    found = 0
    for i in range(4000):
        factor = [rng.uniform(0.5, 0.999), 0.0, rng.uniform(-1, 0), -1.0, rng.uniform(-3, -1)][i % 5]
        deviation = rng.normal()
        level = deviation + abs(rng.normal()) * (1 if upwards else -1) * 10 ** rng.uniform(-3, 1)
        expected = brute_first_reach(deviation, factor, level, upwards, 300)
        k = int(_first_reach(deviation, factor, level, upwards))
        assert k == expected or (expected == NEVER and k > 300), (deviation, factor, level, k, expected)
        found += expected != NEVER
    assert found > 1000


def test_first_reach_of_nothing() -> None:
    assert _first_reach(0.0, 0.5, 1.0, True) == NEVER  # stands on the centre
    assert _first_reach(-1.0, 0.5, np.inf, True) == NEVER
    assert _first_reach(-1.0, 0.5, 0.0, True) == NEVER  # the centre itself is never reached


def test_units_without_outer_weight_do_not_count() -> None:
    net = Network(np.array([[3.0], [1.0]]), np.array([1.0, 0.0]), Activation())
    training = Training(net, np.array([1.0]), 1.0, 0.5, 10)
    assert_close("g", run(training, "events").input_gradient, run(training, "reference").input_gradient, "round_off")
