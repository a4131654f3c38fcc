"""The closed form against spectra of explicit vectors, brute force, explicit training and computer algebra."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp

from tests.cases import random_training
from tests.helpers import assert_close, assert_differs
from theory_sim.closed_form import (
    Plane,
    last_fall,
    plane_coefficients,
    relu_q,
    relu_q_limit,
    sign_breakpoints,
    signs_at,
    theorem1_t0,
    theorem2_t0,
)
from theory_sim.descent import run
from theory_sim.errors import InputError
from theory_sim.network import Activation, Network
from theory_sim.spectrum import Band, low_frequency_ratio
from theory_sim.training import Training

QS = np.array([-7.0, -1.0, -0.1, 0.0, 1e-3, 0.3, 1.0, 4.0, 50.0])
BANDS = [
    Band((17,), 3),
    Band((17,), 3, "one-sided"),
    Band((16,), 5),
    Band((16,), 5, "one-sided"),
    Band((6, 8), 2.5),
    Band((6, 8), 2.5, "one-sided"),
]


def vectors(dim: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A rough g and a smooth x: τ(g) < τ(x) as a rule."""
    rng = np.random.default_rng([4, seed])
    return rng.standard_normal(dim), np.cumsum(rng.standard_normal(dim)) / 3 + 0.5


def planes(n: int) -> list[Plane]:
    band = Band((17,), 3)
    pairs = [vectors(17, seed) for seed in range(n)]
    return [Plane.of(band.transform(g), band.transform(x), band) for g, x in pairs]


@pytest.mark.parametrize("band", BANDS, ids=lambda b: f"{b.shape}-{b.convention}")
def test_tau_of_q_is_the_ratio_of_the_explicit_vector(band: Band) -> None:
    for seed in range(5):
        g, x = vectors(band.dim, seed)
        plane = Plane.of(band.transform(g), band.transform(x), band)
        explicit = np.array([low_frequency_ratio(g - q * x, band) for q in QS])
        assert_close("τ(q)", plane.ratio(QS), explicit, "identity")
        assert_differs("it moves", explicit, np.full_like(explicit, explicit[3]), "identity")
        assert_differs("wrong sign of q", plane.ratio(-QS), explicit, "identity")
        other = Band(band.shape, band.cutoff, "one-sided" if band.convention == "two-sided" else "two-sided")
        wrong = Plane.of(other.transform(g), other.transform(x), other)
        assert_differs("other weights", wrong.ratio(QS), explicit, "identity")
        assert_close("τ(δ⁰)", plane.tau, low_frequency_ratio(g, band), "round_off")
        assert_close("τ(x)", plane.input_tau, low_frequency_ratio(x, band), "round_off")


def test_crosses_carry_the_factor_minus_two() -> None:
    """Δτ_l = -2 Σ_low w |ĝ||x̂| cos Δφ, from moduli and phases."""
    g, x = vectors(9)
    band = Band((9,), 2)
    g_hat, x_hat = np.fft.fft(g), np.fft.fft(x)
    cos = np.cos(np.angle(g_hat) - np.angle(x_hat))
    low = np.array([1, 1, 1, 0, 0, 0, 0, 1, 1], bool)
    terms = -2 * np.abs(g_hat) * np.abs(x_hat) * cos
    plane = Plane.of(band.transform(g), band.transform(x), band)
    assert_close("Δτ_l", plane.low_cross, terms[low].sum(), "identity", scale=float(np.abs(terms).sum()))
    assert_close("Δτ_h", plane.high_cross, terms[~low].sum(), "identity", scale=float(np.abs(terms).sum()))


def test_a_batch_of_gradients_gives_a_plane_of_arrays() -> None:
    band = Band((17,), 3)
    x = vectors(17)[1]
    g = np.random.default_rng(0).standard_normal((4, 17))
    plane = Plane.of(band.transform(g), band.transform(x), band)
    each = [Plane.of(band.transform(v), band.transform(x), band).ratio(0.7) for v in g]
    assert_close("τ", plane.ratio(0.7), each, "round_off")
    assert_close(
        "overshoot",
        plane.overshoot,
        [Plane.of(band.transform(v), band.transform(x), band).overshoot for v in g],
        "round_off",
    )


def test_moving_the_start_composes() -> None:
    for plane in planes(5):
        for a, b in ((0.3, 1.1), (-2.0, 0.5)):
            assert_close("at∘at", plane.at(a).at(b).ratio(QS), plane.at(a + b).ratio(QS), "identity")


def test_sign_polynomial_is_the_derivative_numerically() -> None:
    h = 1e-6
    for plane in planes(8):
        slope = (plane.ratio(QS + h) - plane.ratio(QS - h)) / (2 * h)
        total = plane.at(QS).low_energy + plane.at(QS).high_energy
        assert_close("τ'(q)", plane.slope_sign(QS) / total**2, slope, "first_difference", scale=1.0)
    assert_differs("power", slope, np.zeros_like(slope), "first_difference", scale=1.0)


def symbols_plane() -> tuple[Plane, tuple[sp.Symbol, ...]]:
    names = sp.symbols("L H c_l c_h L_x H_x", positive=True)
    return Plane(*names), names


def test_sign_polynomial_is_the_derivative_identically() -> None:
    plane, (low, high, c_l, c_h, l_x, h_x) = symbols_plane()
    q = sp.Symbol("q")
    top = low + c_l * q + l_x * q**2
    total = low + high + (c_l + c_h) * q + (l_x + h_x) * q**2
    identity = sp.diff(top / total, q) * total**2 - plane.slope_sign(q)
    assert sp.simplify(identity) == 0
    p0, p1, p2 = plane.sign_polynomial
    assert sp.simplify(identity + plane.slope_sign(q) - (p0 + p1 * q + p2 * q**2)) != 0  # the 2 in 2 p₁ q matters


def test_growth_is_the_difference_identically() -> None:
    plane, (low, high, c_l, c_h, l_x, h_x) = symbols_plane()
    q, q2 = sp.symbols("q q2")
    top, total = (lambda v: low + c_l * v + l_x * v**2), (lambda v: low + high + (c_l + c_h) * v + (l_x + h_x) * v**2)
    assert sp.simplify(top(q2) / total(q2) - top(q) / total(q) - plane.growth(q, q2)) == 0


def test_p2_is_eq12_and_does_not_move_along_the_plane() -> None:
    plane, (*_, l_x, h_x) = symbols_plane()
    q = sp.Symbol("q")
    assert sp.expand(plane.at(q).sign_polynomial[2] - plane.sign_polynomial[2]) == 0
    margin = l_x / (l_x + h_x) * (plane.low_cross + plane.high_cross) - plane.low_cross
    assert sp.simplify(margin * (l_x + h_x) - plane.sign_polynomial[2]) == 0
    signs = {np.sign(p.eq12_margin) == np.sign(p.sign_polynomial[2]) for p in planes(40)}
    assert signs == {True}
    assert {np.sign(p.eq12_margin) for p in planes(40)} == {-1.0, 1.0}


def test_growth_without_cancellation() -> None:
    for plane in planes(8):
        far = plane.growth(QS[:-1], QS[1:])
        assert_close("far", far, np.diff(plane.ratio(QS)), "identity", scale=1.0)
        q, h = 0.4, 1e-13
        total = plane.at(q).low_energy + plane.at(q).high_energy
        near = plane.growth(q, q + h) / (q + h - q)
        assert_close("near", near, plane.slope_sign(q) / total**2, "identity")


def test_overshoot_is_where_tau_passes_the_input() -> None:
    counts = {True: 0, False: 0}
    for plane in planes(60):
        if plane.tau >= plane.input_tau:
            continue
        finite = bool(np.isfinite(plane.overshoot))
        counts[finite] += 1
        assert finite == (plane.sign_polynomial[2] < 0)
        grid = np.geomspace(1e-4, 1e6, 400)
        if finite:
            q = plane.overshoot
            assert q > 0
            assert_close("τ there", plane.ratio(q), plane.input_tau, "identity")
            assert (plane.ratio(grid[grid < 0.999 * q]) < plane.input_tau).all()
            assert (plane.ratio(grid[grid > 1.001 * q]) > plane.input_tau).all()
        else:
            assert (plane.ratio(grid) < plane.input_tau).all()
    assert min(counts.values()) >= 5


def test_overshoot_by_hand() -> None:
    """L, H = 1, 3; c = (1, -3); L_x, H_x = 1, 1: (1 + q + q²)/(4 - 2q + 2q²) = 1/2 at q = 1/2."""
    plane = Plane(1.0, 3.0, 1.0, -3.0, 1.0, 1.0)
    assert_close("margin", plane.eq12_margin, -2.0, "exact")
    assert_close("overshoot", plane.overshoot, 0.5, "exact")
    assert_close("τ", plane.ratio(0.5), 0.5, "exact")
    assert Plane(1.0, 3.0, -1.0, 3.0, 1.0, 1.0).overshoot == np.inf  # margin 2: Eq. 12 holds
    assert Plane(1.0, 3.0, -0.1, 0.3, 1.0, 1.0).overshoot == np.inf  # margin 0.2: holds
    assert Plane(1.0, 3.0, 1.0, 1.0, 1.0, 1.0).overshoot == np.inf  # margin 0: holds with <=, τ(q) -> τ(x) from below


def test_plane_coefficients_iterate_eq8() -> None:
    """P ĝ⁰ - Q x̂ beside the iteration of vectors, with any drive and decay."""
    rng = np.random.default_rng(2)
    g0, x = vectors(9)
    drive, decay = rng.normal(size=30) * 0.1, rng.uniform(-0.1, 0.3, 30)
    p, q = plane_coefficients(drive, decay)
    g = g0
    for t in range(31):
        assert_close("plane", p[t] * g0 - q[t] * x, g, "identity")
        if t < 30:
            g = (1 - decay[t]) * g - drive[t] * x
    assert_differs("it moved", g, g0, "identity")
    both = plane_coefficients(np.stack([drive, drive], 1), np.stack([decay, 0 * decay], 1))
    assert_close("batch P", both[0][:, 0], p, "exact")
    assert_close("batch Q, no decay", both[1][:, 1], np.concatenate([[0], np.cumsum(drive)]), "round_off")


def test_relu_training_stays_in_the_plane_until_a_unit_dies() -> None:
    band, seen, left = Band((17,), 3), 0, 0
    for seed in range(30):
        training = random_training(seed, activation="relu", loss="mse", dim=17, width=16, rate=0.5, n_steps=40)
        trajectory = run(training, "reference")
        if not np.ptp(trajectory.output) > 0:
            continue
        until = int(np.argmax(trajectory.crossings > 0)) or 41
        p, q = plane_coefficients(trajectory.drive[:-1], trajectory.decay[:-1])
        g_hat, x_hat = band.transform(trajectory.input_gradient), band.transform(training.x)
        plane = Plane.of(g_hat[0], x_hat, band)
        if until > 1:
            tau = low_frequency_ratio(trajectory.input_gradient[:until], band)
            assert_close("τ", plane.ratio(q / p)[:until], tau, "identity", scale=1.0)
            seen += bool(np.ptp(tau) > 1e-6)
        if until < 41:
            error = np.abs(plane.ratio(q / p)[until:] - low_frequency_ratio(trajectory.input_gradient[until:], band))
            left += bool(error.max() > 1e-6)
    assert seen > 5
    assert left > 3  # after a death the plane of the first start no longer describes the run


def no_crossing(rate: float, n_steps: int = 60) -> Training:
    net = Network(np.array([[3.0, 0.5, 1.0], [1.0, 2.0, -1.0]]), np.array([1.0, -1.0]), Activation())
    return Training(net, np.array([2.0, 0.0, 0.0]), 3.0, rate / 8, n_steps)


@pytest.mark.parametrize("rate", [0.01, 0.5, 1.0, 1.3, 1.9])
@pytest.mark.parametrize("engine", ["events", "reference"])
def test_relu_q_against_training(rate: float, engine: str) -> None:
    """q_t = (g₀ - g_t)·x/‖x‖²; f₀ - y = 4 - 3, ‖x‖² = 4, ‖a'‖² = 2."""
    training = no_crossing(rate)
    trajectory = run(training, engine)
    assert trajectory.crossings[-1] == 0
    measured = (trajectory.input_gradient[0] - trajectory.input_gradient) @ training.x / training.input_norm2
    predicted = relu_q(np.arange(61), float(trajectory.residual[0]), rate, training.input_norm2)
    assert_close("q", predicted, measured, "identity")
    assert_differs("it moves", measured, np.zeros(61), "identity", scale=1.0)
    rises = np.diff(predicted[:8]) >= 0
    assert rises.all() if rate <= 1 else not rises.all()
    limit = relu_q_limit(float(trajectory.residual[0]), training.input_norm2)
    assert_close("q_∞", limit, 0.25, "round_off")
    if rate not in (0.01, 1.9):
        assert_close("limit reached", predicted[-1], limit, "quadrature")
    else:
        assert_differs("on its way", predicted[-1], limit, "quadrature")


def test_relu_q_diverges_beyond_two() -> None:
    q = relu_q(np.arange(30), 1.0, 2.5, 1.0)
    assert_close("q", q[:4], [0.0, 2.5, -1.25, 4.375], "round_off")
    assert (np.diff(np.abs(q - 1.0)) > 0).all()


def test_theorem1_t0_by_hand() -> None:
    """bζ = -6, n = 2, η = 1/2, β₀ = 3, L_x - H_x = 1: 6/(2·½·3·1) = 2."""
    assert_close("t₀", theorem1_t0(-6.0, 0.5, 3.0, 2.0, 1.0), 2.0, "exact")
    assert_close("t₀ of a start that is there", theorem1_t0(6.0, 0.5, 3.0, 2.0, 1.0), 0.0, "exact")


def test_half_of_theorem1_t0_is_enough() -> None:
    """At the least drive allowed, Δτ_l - Δτ_h (factor 2 a step) changes sign at t₀/2, not before."""
    gap, eta, beta0, n, input_gap = -10.3, 0.1, 2.0, 3.0, 0.7
    t0 = theorem1_t0(gap, eta, beta0, n, input_gap)
    steps = np.arange(200)
    explicit = gap + 2 * eta * beta0 * n * input_gap * steps
    assert_close("first positive step", int(np.argmax(explicit > 0)), int(np.ceil(t0 / 2)), "exact")


def test_theorem2_t0_by_hand() -> None:
    """û = ĝ/x̂ = 3 and 1: (9 - 1)/(2·η_max·(3 - 1)) = 2/η_max with η_max = 0.1·2·5 = 1."""
    x_hat = np.array([1.0, 2j, 0.5])
    g_hat = np.array([7.0, 2j, 1.5])
    assert_close("t₀", theorem2_t0(g_hat, x_hat, 2, 1, 0.1, 2.0, 5.0), 2.0, "round_off")
    assert_close("λ = ½", theorem2_t0(g_hat, x_hat, 2, 1, 0.1, 2.0, 5.0, 0.5), 8.0, "round_off")
    assert theorem2_t0(g_hat * -1, x_hat, 2, 1, 0.1, 2.0, 5.0) == np.inf  # bracket -3 + 1 < 0: never overtaken


def test_theorem2_t0_is_sharp_at_the_largest_drive() -> None:
    rng = np.random.default_rng(6)
    x_hat, g_hat = (rng.normal(size=12) + 1j * rng.normal(size=12) for _ in range(2))
    r = np.abs(g_hat / x_hat)
    pairs = np.array([(k, j) for k in range(12) for j in range(1, k) if r[k] > r[j]]).T
    t0 = theorem2_t0(g_hat, x_hat, pairs[0], pairs[1], 0.01, 1.5, 2.0)
    finite = np.isfinite(t0)
    assert 0 < finite.sum() < finite.size
    for k, j, bound in zip(*pairs, t0, strict=True):
        q = 0.03 * np.array([0.999, 1.001]) * (bound if np.isfinite(bound) else 1e3)
        gap = np.abs(g_hat[k] - q * x_hat[k]) / abs(x_hat[k]) - np.abs(g_hat[j] - q * x_hat[j]) / abs(x_hat[j])
        assert gap[0] > 0
        assert (gap[1] < 0) == np.isfinite(bound)


def test_theorem2_needs_an_input_at_both_frequencies() -> None:
    x_hat, g_hat = np.array([1.0, 0.0, 1.0]), np.ones(3)
    with pytest.raises(InputError, match="0 at frequencies"):
        theorem2_t0(g_hat, x_hat, 2, 1, 0.1, 1.0, 1.0)
    with pytest.raises(InputError, match="0 at frequencies"):
        theorem2_t0(g_hat, x_hat, np.array([2, 1]), np.array([0, 0]), 0.1, 1.0, 1.0)


@pytest.mark.parametrize(
    ("growth", "expected"),
    [([1, 1], 0), ([-1, 1, 1], 1), ([1, -1, 1], 2), ([1, 1, -1], 3), ([0, 1], 1), ([np.nan, 1], 1), ([], 0)],
)
def test_last_fall(growth: list[float], expected: int) -> None:
    assert last_fall(np.array(growth)) == expected


def test_signs_turn_once_each_at_their_breakpoint() -> None:
    gradient, x = np.array([2.0, -3.0, 1.0, -1.0, 0.0, 4.0, 0.0]), np.array([1.0, -1.0, -1.0, 2.0, 3.0, 0.0, -1.0])
    assert sign_breakpoints(gradient, x).tolist() == [2.0, 3.0, np.inf, np.inf, np.inf, np.inf, np.inf]
    q = np.array([0.0, 1.0, 2.5, 10.0])
    expected = np.sign(gradient - q[:, None] * x)
    assert signs_at(gradient, x, q).tolist() == expected.tolist()
    assert (signs_at(gradient, -x, q)[1:] != expected[1:]).any()
