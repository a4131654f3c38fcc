"""Activations and the network against finite differences, integrals and identities."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, stats

from tests.helpers import assert_close, assert_differs
from theory_sim.network import ACTIVATIONS, Activation, Network, sample_network, sample_outer

SHARPNESSES = (1e-3, 0.3, 1.0, 7.0, 1e3)
SMOOTH = [Activation(name, b, leak) for name in ACTIVATIONS[1:] for b in SHARPNESSES for leak in (0.0, 0.2)]
ALL = [Activation("relu"), *SMOOTH]
EXTREME = np.array([-1e6, -1e3, -1.0, -1e-3, 0.0, 1e-3, 1.0, 1e3, 1e6])


def label(act: Activation) -> str:
    return f"{act.name}-{act.sharpness:g}-{act.leak:g}"


def grid(act: Activation) -> np.ndarray:
    """Points on both sides of the bend, whose width is 1/sharpness."""
    return np.linspace(-12, 12, 97) / act.sharpness


@pytest.mark.parametrize("act", SMOOTH, ids=label)
def test_slope_and_curvature_are_the_derivatives(act: Activation) -> None:
    s, h = grid(act), 1e-5 / act.sharpness
    slope = (act.value(s + h) - act.value(s - h)) / (2 * h)
    assert_close("σ'", act.slope(s), slope, "first_difference")
    curvature = (act.slope(s + h) - act.slope(s - h)) / (2 * h)
    assert_close("σ''", act.curvature(s), curvature, "first_difference")
    assert_differs("power", act.slope(s), np.full_like(s, act.slope(s).mean()), "first_difference")


@pytest.mark.parametrize("act", ALL, ids=label)
def test_values_and_slopes_are_the_integrals(act: Activation) -> None:
    for low, high in ((-3.0, -0.5), (-1.0, 2.0), (0.25, 6.0)):
        a, b = low / act.sharpness, high / act.sharpness
        options = {"epsabs": 0.0, "epsrel": 1e-12, "points": [0.0]}
        area = integrate.quad(act.slope, a, b, **options)[0] if act.smooth else max(b, 0.0) - max(a, 0.0)
        assert_close("∫σ'", act.value(b) - act.value(a), area, "quadrature", scale=1 / act.sharpness)
        if act.smooth:
            bend = integrate.quad(act.curvature, a, b, **options)[0]
            assert_close("∫σ''", act.slope(b) - act.slope(a), bend, "quadrature", scale=1.0)


@pytest.mark.parametrize("act", ALL, ids=label)
def test_assumption_3_bounds_are_reached_and_not_exceeded(act: Activation) -> None:
    s = np.concatenate([np.linspace(-40, 40, 4001) / act.sharpness, EXTREME])
    slope, curvature = act.slope(s), act.curvature(s)
    few_ulp = 1 + 4e-16
    assert (slope >= 0).all()
    assert (slope <= act.slope_bound * few_ulp).all()
    assert (curvature >= 0).all()
    assert_close("λ is reached", act.slope(1e9 / act.sharpness), act.slope_bound, "round_off")
    if act.smooth:
        assert (curvature <= act.curvature_bound * few_ulp).all()
        assert_close("γ is reached", act.curvature(0.0), act.curvature_bound, "round_off")
    else:
        assert act.curvature_bound == np.inf


@pytest.mark.parametrize("act", ALL, ids=label)
def test_extreme_arguments_stay_finite_and_silent(act: Activation) -> None:
    """Warnings are errors in this suite, so an overflow inside would fail here."""
    for values in (act.value(EXTREME), act.slope(EXTREME), act.curvature(EXTREME)):
        assert np.isfinite(values).all()
        assert (np.diff(values[:5]) >= 0).all()  # σ, σ' and σ'' all rise up to s = 0


def test_nan_stays_nan() -> None:
    for act in ALL:
        assert np.isnan(act.value(np.array([np.nan]))).all()


@pytest.mark.parametrize("b", SHARPNESSES)
def test_squareplus_keeps_its_digits_far_from_zero(b: float) -> None:
    """σ(s)·σ(-s) = 1/b² and σ'(s) + σ'(-s) = 1."""
    act = Activation("squareplus", b)
    product = act.value(EXTREME) * act.value(-EXTREME)
    assert_close("σ(s)σ(-s)", product, np.full_like(product, 1 / b**2), "round_off")
    tail = act.slope(np.array([-1e6])) * (1e6 * b) ** 2
    if b >= 1:
        assert_close("σ' ~ 1/(bs)² far left", tail, [1.0], "quadrature")


@pytest.mark.parametrize("b", SHARPNESSES)
def test_softplus_identities(b: float) -> None:
    act = Activation("softplus", b)
    assert_close("σ(s) - σ(-s) = s", act.value(EXTREME) - act.value(-EXTREME), EXTREME, "round_off")
    assert_close("σ(0) = ln 2 / b", act.value(0.0), np.log(2) / b, "round_off")
    assert_close("tail", act.value(-30 / b) * b, np.log1p(np.exp(-30)), "round_off")


def test_relu_is_off_at_its_kink() -> None:
    act = Activation("relu")
    assert_close("σ", act.value(EXTREME), np.where(EXTREME > 0, EXTREME, 0), "exact")
    assert_close("σ'", act.slope(EXTREME), [0, 0, 0, 0, 0, 1, 1, 1, 1], "exact")


def test_leaky_softplus_lies_between_its_parts() -> None:
    leaky, soft = Activation("leaky_softplus", 3.0, 0.2), Activation("softplus", 3.0)
    s = np.linspace(-4, 4, 33)
    assert_close("σ", leaky.value(s), 0.2 * s + 0.8 * soft.value(s), "round_off")
    assert (leaky.slope(s) > 0.2).all()


@pytest.mark.parametrize("act", [Activation("relu"), *SMOOTH[2:8]], ids=label)
@pytest.mark.parametrize(("dim", "width"), [(1, 1), (5, 3), (8, 1), (17, 40)])
def test_input_gradient_against_finite_differences(act: Activation, dim: int, width: int) -> None:
    rng = np.random.default_rng(dim * width)
    net = sample_network(dim, width, act, rng, outer_law="gaussian")
    x, h = rng.standard_normal(dim), 1e-6
    steps = h * np.eye(dim)
    numeric = (net.output(x + steps) - net.output(x - steps)) / (2 * h)
    scale = float(np.abs(net.outer) @ np.linalg.norm(net.weights, axis=1))
    assert_close("∇ₓf", net.input_gradient(x), numeric, "first_difference", scale=scale)
    assert_close(
        "f",
        net.output(x),
        sum(a * act.value(w @ x) for a, w in zip(net.outer, net.weights, strict=True)),
        "round_off",
        scale=scale,
    )


def test_leading_axes_are_a_batch() -> None:
    rng = np.random.default_rng(1)
    net = sample_network(4, 6, Activation("softplus"), rng)
    x = rng.standard_normal((2, 3, 4))
    assert net.preactivation(x).shape == (2, 3, 6)
    assert net.output(x).shape == (2, 3)
    each = np.array([[net.input_gradient(v) for v in row] for row in x])
    assert_close("∇ₓf", net.input_gradient(x), each, "round_off")
    assert (net.width, net.dim) == (6, 4)


def test_outer_laws() -> None:
    n = 100_000
    laws = {
        law: sample_outer(law, n, np.random.default_rng(7))
        for law in ("signs", "scaled_signs", "gaussian", "bernoulli")
    }
    assert set(laws["signs"]) == {-1.0, 1.0}
    assert set(laws["bernoulli"]) == {0.0, 1.0}
    assert_close("Σa²", laws["scaled_signs"] @ laws["scaled_signs"], 1.0, "round_off", scale=n**0.5)
    for law, positive in (("signs", 0.5), ("scaled_signs", 0.5), ("gaussian", 0.5), ("bernoulli", 0.5)):
        count = int((laws[law] > 0).sum())
        assert stats.binomtest(count, n, positive).pvalue > 1e-3, (law, count)
    assert stats.kstest(laws["gaussian"], "norm").pvalue > 1e-3


def test_inner_weights_are_gaussian_of_the_stated_scale() -> None:
    net = sample_network(200, 300, Activation(), np.random.default_rng(3), weight_scale=0.25)
    assert stats.kstest(net.weights.ravel() / 0.25, "norm").pvalue > 1e-3
    assert stats.kstest(net.weights.ravel() / 0.26, "norm").pvalue < 1e-3


def test_defaults_have_unit_scale() -> None:
    assert Activation("softplus") == Activation("softplus", sharpness=1.0, leak=0.1)
    drawn = [sample_network(5, 4, Activation(), np.random.default_rng(1), **kw) for kw in ({}, {"weight_scale": 1.0})]
    np.testing.assert_array_equal(drawn[0].weights, drawn[1].weights)


def test_same_seed_same_network() -> None:
    one, two = (sample_network(9, 5, Activation(), np.random.default_rng(8)) for _ in range(2))
    np.testing.assert_array_equal(one.weights, two.weights)
    np.testing.assert_array_equal(one.outer, two.outer)


def test_hand_worked_network() -> None:
    """f = 2·relu(3 - 1) - relu(-3 - 2): 4, gradient 2·(1, 1)."""
    net = Network(np.array([[1.0, 1.0], [-1.0, 2.0]]), np.array([2.0, -1.0]), Activation())
    x = np.array([3.0, -1.0])
    assert_close("f", net.output(x), 4.0, "exact")
    assert_close("a'", net.active_outer(x), [2.0, 0.0], "exact")
    assert_close("∇ₓf", net.input_gradient(x), [2.0, 2.0], "exact")
