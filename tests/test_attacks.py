"""Attacks by their properties: budget, identity at ε = 0, untouched input, loss, nearest point, parallel spectra."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize, stats

from tests.cases import random_training
from tests.helpers import assert_close, assert_differs, assert_order
from theory_sim.attacks import BALLS, STEPS, fgm, fgsm, loss_gradient, pgd, project, random_start
from theory_sim.errors import InputError
from theory_sim.network import ACTIVATIONS, Activation, Network
from theory_sim.spectrum import Band, low_frequency_ratio
from theory_sim.training import LOSSES, Training

VARIANTS = [(step, ball) for step in STEPS for ball in BALLS]


def starts(n: int, activation: str | None = None, loss: str | None = None, dim: int = 11) -> list[Training]:
    """Networks whose loss gradient at x is not zero, at a width that makes a dead one unlikely."""
    drawn = (random_training(s, activation=activation, loss=loss, dim=dim, width=16, rate=0.5) for s in range(4 * n))
    return [t for t in drawn if np.abs(loss_gradient(t.network, t.x, t.label, t.loss)).max() > 1e-3][:n]


def loss_at(training: Training, x: np.ndarray) -> float:
    f = training.network.output(x)
    mse = training.loss == "mse"
    return float(0.5 * (f - training.label) ** 2 if mse else np.logaddexp(0, -training.label * f))


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_loss_gradient_against_finite_differences(name: str, loss: str) -> None:
    h = 1e-6
    for t in starts(3, name, loss):
        numeric = [(loss_at(t, t.x + h * e) - loss_at(t, t.x - h * e)) / (2 * h) for e in np.eye(t.x.size)]
        actual = loss_gradient(t.network, t.x, t.label, loss)
        scale = max(1.0, loss_at(t, t.x), float(np.abs(actual).max()))
        assert_close("∇ₓℓ", actual, np.array(numeric), "first_difference", scale=scale)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_one_step_attacks_spend_their_budget_and_raise_the_loss_to_first_order(name: str, loss: str) -> None:
    """ℓ(x+δ) - ℓ(x) = ε·(dual norm of ∇ₓℓ) + O(ε²): 2 for FGM, 1 for FGSM."""
    for t in starts(3, name, loss):
        gradient = loss_gradient(t.network, t.x, t.label, loss)
        for attack, norm, dual in ((fgm, 2, 2), (fgsm, np.inf, 1)):
            delta = attack(t.network, t.x, t.label, 0.3, loss)
            assert_close("budget", np.linalg.norm(delta, norm), 0.3, "round_off")

            def rise(eps: float, t: Training = t, attack=attack) -> float:
                return loss_at(t, t.x + attack(t.network, t.x, t.label, eps, t.loss)) - loss_at(t, t.x)

            slope = float(np.linalg.norm(gradient, dual))
            assert rise(1e-4) > 0
            assert_order(attack.__name__, lambda e, r=rise, s=slope: abs(r(e) - e * s), 2, 1e-4, octaves=5)


@pytest.mark.parametrize("attack", [fgm, fgsm])
def test_zero_gradient_gives_zero_perturbation(attack) -> None:
    dead = Network(np.array([[-1.0, 0.0]]), np.array([1.0]), Activation())
    assert_close("δ", attack(dead, np.array([1.0, 2.0]), 1.0, 0.5), [0.0, 0.0], "exact")
    path = pgd(dead, np.array([1.0, 2.0]), 1.0, radius=0.5, step_size=0.1, n_steps=2, step="normalised")
    assert_close("δ", path.delta, np.zeros((3, 2)), "exact")


def test_fgm_and_fgsm_by_hand() -> None:
    """f = 3x₁ - 4x₂ at (2, 1): f - y = 2 - 1, ∇ₓℓ = (3, -4)."""
    net = Network(np.array([[3.0, -4.0]]), np.array([1.0]), Activation())
    x = np.array([2.0, 1.0])
    assert_close("∇ₓℓ", loss_gradient(net, x, 1.0), [3.0, -4.0], "exact")
    assert_close("fgm", fgm(net, x, 1.0, 0.5), [0.3, -0.4], "round_off")
    assert_close("fgsm", fgsm(net, x, 1.0, 0.5), [0.5, -0.5], "exact")
    assert_close("f < y turns it round", fgm(net, x, 3.0, 0.5), [-0.3, 0.4], "round_off")


def test_pgd_by_hand() -> None:
    """The same net with ξ = 0.1, raw steps, ε = 0.6: β = 1, then 1 + 0.5·5 = 3.5, and the ball stops it."""
    net = Network(np.array([[3.0, -4.0]]), np.array([1.0]), Activation())
    path = pgd(net, np.array([2.0, 1.0]), 1.0, radius=0.6, step_size=0.1, n_steps=2)
    unit = np.array([0.6, -0.8])
    assert_close("δ", path.delta, np.outer([0.0, 0.5, 0.6], unit), "round_off")
    assert_close("before the projection", path.unprojected, np.outer([0.5, 0.5 + 1.75], unit), "round_off")
    assert_close("β", path.gain, [1.0, 3.5, 4.0], "round_off")
    assert not path.region_left.any()


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize(("step", "ball"), VARIANTS)
def test_pgd_stays_in_its_ball_and_raises_the_loss(step: str, ball: str, loss: str) -> None:
    norm = 2 if ball == "l2" else np.inf
    for i, t in enumerate(starts(4, loss=loss)):
        start = random_start(t.x.size, 0.2, ball, np.random.default_rng(i)) if i % 2 else None
        before = t.x.copy(), t.network.weights.copy()
        path = pgd(
            t.network,
            t.x,
            t.label,
            radius=0.2,
            step_size=0.02,
            n_steps=25,
            step=step,
            ball=ball,
            start=start,
            loss=loss,
        )
        assert path.delta.shape == (26, 11)
        assert path.unprojected.shape == (25, 11)
        assert path.gain.shape == path.region_left.shape == (26,)
        norms = np.linalg.norm(path.delta, norm, axis=1)
        assert (norms <= 0.2 * (1 + 1e-15)).all()
        assert loss_at(t, t.x + path.delta[-1]) > loss_at(t, t.x + path.delta[0])
        np.testing.assert_array_equal(t.x, before[0])
        np.testing.assert_array_equal(t.network.weights, before[1])


@pytest.mark.parametrize("attack", [fgm, fgsm])
def test_one_step_attacks_do_not_modify_their_input(attack) -> None:
    t = starts(1)[0]
    x, weights = t.x.copy(), t.network.weights.copy()
    attack(t.network, t.x, t.label, 1.0, t.loss)
    np.testing.assert_array_equal(t.x, x)
    np.testing.assert_array_equal(t.network.weights, weights)


@pytest.mark.parametrize(("step", "ball"), VARIANTS)
def test_zero_radius_is_the_identity(step: str, ball: str) -> None:
    t = starts(1)[0]
    path = pgd(t.network, t.x, t.label, radius=0.0, step_size=0.1, n_steps=3, step=step, ball=ball, loss=t.loss)
    assert_close("pgd", path.delta, np.zeros((4, 11)), "exact")
    assert_close("fgm", fgm(t.network, t.x, t.label, 0.0, t.loss), np.zeros(11), "exact")
    assert_close("fgsm", fgsm(t.network, t.x, t.label, 0.0, t.loss), np.zeros(11), "exact")


@pytest.mark.parametrize("ball", BALLS)
def test_projection_is_the_nearest_point(ball: str) -> None:
    """Against SciPy's constrained minimiser, and the variational inequality ⟨v - Pv, u - Pv⟩ <= 0 in the ball."""
    rng = np.random.default_rng(3)
    for _ in range(6):
        v, radius = rng.standard_normal(4), 0.7
        p = project(v, radius, ball)
        if ball == "l2":
            limits = {"type": "ineq", "fun": lambda u: 0.49 - u @ u, "jac": lambda u: -2 * u}
            found = optimize.minimize(
                lambda u, v=v: (u - v) @ (u - v),
                np.zeros(4),
                jac=lambda u, v=v: 2 * (u - v),
                constraints=[limits],
                method="SLSQP",
                options={"ftol": 1e-14},
            ).x
        else:
            found = optimize.lsq_linear(np.eye(4), v, (-radius, radius), tol=1e-14).x
        assert_close("nearest", p, found, "projection")
        inside = np.array([random_start(4, radius, ball, rng) for _ in range(200)])
        assert ((inside - p) @ (v - p) <= 1e-12).all()
        assert_close("idempotent", project(p, radius, ball), p, "round_off")
        small = 0.1 * p
        assert_close("inside nothing moves", project(small, radius, ball), small, "exact")


@pytest.mark.parametrize(("dim", "ball"), [(1, "l2"), (5, "l2"), (5, "linf")])
def test_random_start_is_uniform_in_its_ball(dim: int, ball: str) -> None:
    """(‖δ‖/ε)^d is uniform in [0, 1] for a uniform draw from either ball, and no direction is preferred."""
    rng = np.random.default_rng(4)
    draws = np.array([random_start(dim, 2.0, ball, rng) for _ in range(3000)])
    norms = np.linalg.norm(draws, 2 if ball == "l2" else np.inf, axis=1)
    assert stats.kstest((norms / 2.0) ** dim, "uniform").pvalue > 1e-3
    assert stats.kstest(norms / 2.0, "uniform").pvalue < 1e-3 or dim == 1
    assert (np.abs(draws.mean(axis=0)) < 5 * 2.0 / np.sqrt(3000)).all()


@pytest.mark.parametrize(("step", "ball"), VARIANTS)
def test_from_zero_all_raw_iterates_are_parallel_to_the_gradient(step: str, ball: str) -> None:
    """PGD and FGM have one spectrum in the ℓ₂ ball with gradient steps; sign steps and the ℓ∞ ball leave the line."""
    one_spectrum = step != "sign" and ball == "l2"
    band, n = Band((11,), 2), 0
    for t in starts(12, "relu", "mse"):
        g = t.network.input_gradient(t.x)
        path = pgd(t.network, t.x, t.label, radius=0.01, step_size=0.05, n_steps=12, step=step, ball=ball)
        if path.region_left.any():
            continue
        cosine = np.abs(path.delta[1:] @ g) / (np.linalg.norm(path.delta[1:], axis=1) * np.linalg.norm(g))
        tau = low_frequency_ratio(path.delta[1:], band)
        expected = np.full(12, low_frequency_ratio(g, band))
        if one_spectrum:
            assert_close("cos", cosine, np.ones(12), "round_off")
            assert_close("τ", tau, expected, "identity")
        else:
            assert_differs("off the line", cosine, np.ones(12), "round_off")
            assert_differs("another τ", tau, expected, "identity")
        n += 1
    assert n >= 4


def test_gain_is_the_residual_at_the_perturbed_input_while_the_region_lasts() -> None:
    kept = left = 0
    for t in starts(20, "relu", "mse"):
        path = pgd(t.network, t.x, t.label, radius=0.6, step_size=0.003, n_steps=20)
        residual = t.network.output(t.x + path.delta) - t.label
        inside = ~path.region_left
        scale = float(np.abs(residual).max() + np.abs(t.label))
        assert_close("β", path.gain[inside], residual[inside], "identity", scale=scale)
        kept += int(inside.sum())
        left += bool(path.region_left.any())
        assert not path.region_left[0]
        assert (np.diff(path.region_left.astype(int)) >= 0).all()
    assert kept > 50
    assert left > 0


def test_a_unit_on_its_kink_is_inactive_and_leaves_the_region_when_it_wakes() -> None:
    net = Network(np.eye(2), np.ones(2), Activation())
    x = np.array([0.0, 1.0])
    for start, left in ((0.0, False), (-0.05, False), (0.05, True)):
        path = pgd(net, x, 0.0, radius=0.2, step_size=0.01, n_steps=2, start=np.array([start, 0.0]))
        np.testing.assert_array_equal(path.region_left, [left] * 3)


@pytest.mark.parametrize("ball", BALLS)
def test_a_start_on_the_sphere_is_in_the_ball(ball: str) -> None:
    t = starts(1, "softplus", "mse")[0]
    for size in (0.1, 0.1 * (1 + 1e-14)):
        pgd(t.network, t.x, t.label, radius=0.1, step_size=0.1, n_steps=1, ball=ball, start=size * np.eye(11)[0])
    with pytest.raises(InputError, match=r"start of norm 0\.11: allowed is <= 0\.1"):
        pgd(t.network, t.x, t.label, radius=0.1, step_size=0.1, n_steps=1, ball=ball, start=0.11 * np.eye(11)[0])


def test_fgm_is_one_normalised_pgd_step_of_full_length() -> None:
    t = starts(1, "softplus", "mse")[0]
    path = pgd(t.network, t.x, t.label, radius=0.3, step_size=0.3, n_steps=1, step="normalised")
    assert_close("fgm", path.delta[1], fgm(t.network, t.x, t.label, 0.3), "round_off")
    path = pgd(t.network, t.x, t.label, radius=0.3, step_size=0.3, n_steps=1, step="sign", ball="linf")
    assert_close("fgsm", path.delta[1], fgsm(t.network, t.x, t.label, 0.3), "exact")
