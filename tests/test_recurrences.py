"""The paper's equations against vectors, explicit training and their order; printed factors as negative controls."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from tests.cases import random_training
from tests.helpers import assert_close, assert_differs, assert_order
from theory_sim import recurrences as rec
from theory_sim.attacks import pgd
from theory_sim.closed_form import Plane
from theory_sim.descent import Trajectory, run
from theory_sim.network import Activation, sample_network
from theory_sim.spectrum import Band
from theory_sim.training import Training

BANDS = [Band((17,), 3), Band((17,), 3, "one-sided"), Band((16,), 4), Band((16,), 4, "one-sided")]


def spectra(band: Band, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng([8, seed])
    return band.transform(rng.standard_normal(band.dim)), band.transform(np.cumsum(rng.standard_normal(band.dim)))


def quiet_steps(dim: int = 17) -> Iterator[tuple[Training, Trajectory, int]]:
    """ReLU runs and the steps at which no unit crosses its kink and something moves."""
    for seed in range(12):
        training = random_training(seed, activation="relu", loss="mse", dim=dim, width=16, rate=0.5, n_steps=12)
        trajectory = run(training, "reference")
        for t in range(12):
            quiet = trajectory.crossings[t + 1] == trajectory.crossings[t]
            if quiet and abs(trajectory.drive[t]) * np.abs(training.x).max() > 1e-6:
                yield training, trajectory, t


def test_eq8_is_exact_for_relu_between_crossings() -> None:
    n = 0
    for training, trajectory, t in quiet_steps():
        g, g_next, drive, decay = (
            v[t] for v in (trajectory.input_gradient, trajectory.input_gradient[1:], trajectory.drive, trajectory.decay)
        )
        scale = float(np.abs(g).max())
        assert_close("eq8", rec.eq8(g, training.x, drive, decay), g_next, "identity", scale=scale)
        assert_differs("wrong sign", rec.eq8(g, training.x, -drive, decay), g_next, "identity", scale=scale)
        n += 1
    assert n > 40


def test_eq8_broadcasts_over_steps() -> None:
    g_hat, x_hat = spectra(BANDS[0])
    drive, decay = np.array([0.1, 0.2]), np.array([0.0, 0.5])
    expected = np.stack([g_hat - 0.1 * x_hat, 0.5 * g_hat - 0.2 * x_hat])
    assert_close("eq8", rec.eq8(g_hat, x_hat, drive, decay), expected, "round_off")


def smooth_start(name: str) -> tuple[Training, float]:
    """A run whose one step can be made small, and ℓ' at its start."""
    rng = np.random.default_rng(12)
    net = sample_network(9, 6, Activation(name, 2.0), rng, outer_law="gaussian", weight_scale=0.5)
    x = rng.standard_normal(9)
    return Training(net, x, -1.0, 0.02, 1), float(net.output(x) + 1.0)


@pytest.mark.parametrize("name", ["softplus", "squareplus", "leaky_softplus"])
def test_order_of_eq8_is_one_and_of_the_corrected_laws_two(name: str) -> None:
    """One-step error against explicit training, over six octaves of the learning rate."""
    training, residual = smooth_start(name)
    net, x = training.network, training.x

    def explicit(eta: float) -> Trajectory:
        return run(training.with_rate(eta, 1), "reference")

    def printed(eta: float) -> float:
        step = explicit(eta)
        predicted = rec.eq8(step.input_gradient[0], x, step.drive[0], step.decay[0])
        return float(np.linalg.norm(predicted - step.input_gradient[1]))

    def corrected(eta: float) -> float:
        predicted = rec.eq8_ntk(net, x, eta, residual)
        return float(np.linalg.norm(predicted - explicit(eta).input_gradient[1]))

    def wrong_sign(eta: float) -> float:
        return float(np.linalg.norm(rec.eq8_ntk(net, x, -eta, residual) - explicit(eta).input_gradient[1]))

    assert_order("eq8", printed, 1, 1e-3)
    assert_order("eq8_ntk", corrected, 2, 1e-3)
    assert_order("eq8_ntk with the wrong sign", wrong_sign, 1, 1e-3)
    first = rec.eq8_ntk(net, x, 0.01, residual)
    assert_close("eq8 before the mean is taken", rec.eq8_units(net, x, 0.01, residual), first, "round_off")


def test_eq8_ntk_is_the_kernels_gradient() -> None:
    """(1/2)∇ₓK(x,x) with K = ‖a'‖²‖x‖², by central differences."""
    training, _ = smooth_start("softplus")
    net, x, h = training.network, training.x, 1e-6

    def kernel(v: np.ndarray) -> float:
        active = net.active_outer(v)
        return float((active @ active) * (v @ v))

    gradient = np.array([(kernel(x + h * e) - kernel(x - h * e)) / (2 * h) for e in np.eye(x.size)])
    predicted = net.input_gradient(x) - rec.eq8_ntk(net, x, 1.0, 1.0)
    assert_close("½∇K", predicted, gradient / 2, "first_difference", scale=float(np.abs(gradient).max()) * 2)


@pytest.mark.parametrize("band", BANDS, ids=lambda b: f"{b.shape}-{b.convention}")
def test_eq13_and_eq14_follow_from_eq8(band: Band) -> None:
    """Exact variants at round-off, for any drive and decay; printed eq13 to second order; eq14 needs the factor 2."""
    for seed in range(6):
        g_hat, x_hat = spectra(band, seed)
        start = Plane.of(g_hat, x_hat, band)
        drive, decay = 0.3, 0.2
        then = Plane.of(rec.eq8(g_hat, x_hat, drive, decay), x_hat, band)
        exact = rec.eq13_exact(start.low_energy, start.low_cross, start.input_low, drive, decay)
        assert_close("eq13", exact, then.low_energy, "identity")
        exact = rec.eq13_exact(start.high_energy, start.high_cross, start.input_high, drive, decay)
        assert_close("eq13", exact, then.high_energy, "identity")
        gap, gap_then = start.low_cross - start.high_cross, then.low_cross - then.high_cross
        input_gap = start.input_low - start.input_high
        assert_close("eq14", rec.eq14(gap, input_gap, drive, decay, 2), gap_then, "identity")
        assert_differs("eq14 as printed", rec.eq14(gap, input_gap, drive, decay, 1), gap_then, "identity")

        def eq13_error(h: float, a: np.ndarray = g_hat, b: np.ndarray = x_hat, p: Plane = start) -> float:
            low, _ = band.energies(rec.eq8(a, b, h, h / 3))
            return abs(float(rec.eq13(p.low_energy, p.low_cross, h, h / 3) - low))

        assert_order("eq13", eq13_error, 2, 1e-2)


def test_eq13_of_one_bin() -> None:
    """|ĝ|² = 25, c = -2·Re(ĝ conj x̂) = -12: (1 - 2·0.1)·25 + 0.5·(-12)."""
    assert_close("eq13", rec.eq13(25.0, -12.0, 0.5, 0.1), 14.0, "round_off")
    g, x = np.array([3.0 + 4.0j]), np.array([2.0 + 0j])
    exact = rec.eq13_exact(25.0, -12.0, 4.0, 0.5, 0.1)
    assert_close("eq13 exact", exact, float(np.abs(rec.eq8(g, x, 0.5, 0.1)[0]) ** 2), "round_off")


def test_eq14_on_explicit_relu_training() -> None:
    """The factor is 2, and a factor of 1 is off by far more than the tolerance."""
    n = 0
    for band in BANDS:
        for training, trajectory, t in quiet_steps(band.dim):
            g_hat, x_hat = band.transform(trajectory.input_gradient[t : t + 2]), band.transform(training.x)
            plane = Plane.of(g_hat, x_hat, band)
            gap = plane.low_cross - plane.high_cross
            input_gap = plane.input_low - plane.input_high
            scale = float(np.abs(g_hat).max() * np.abs(x_hat).max()) * band.dim
            change = trajectory.drive[t] * input_gap
            predicted = rec.eq14(gap[0], input_gap, trajectory.drive[t], trajectory.decay[t], 2)
            assert_close("eq14", predicted, gap[1], "identity", scale=scale)
            if abs(change) > 1e-6 * scale:
                printed = rec.eq14(gap[0], input_gap, trajectory.drive[t], trajectory.decay[t], 1)
                assert_differs("factor 1", printed, gap[1], "identity", scale=scale)
                n += 1
    assert n > 100


@pytest.mark.parametrize("band", BANDS, ids=lambda b: f"{b.shape}-{b.convention}")
def test_eq15_against_the_ratios_of_explicit_spectra(band: Band) -> None:
    for seed in range(6):
        g_hat, x_hat = spectra(band, seed)
        p = Plane.of(g_hat, x_hat, band)

        def change(drive: float, decay: float, a: np.ndarray = g_hat, b: np.ndarray = x_hat, tau: float = p.tau):
            low, high = band.energies(rec.eq8(a, b, drive, decay))
            return float(low / (low + high) - tau), float(low + high)

        explicit, _ = change(0.3, 0.2)
        exact = rec.eq15_exact(
            p.low_energy, p.high_energy, p.low_cross, p.high_cross, p.input_low, p.input_high, 0.3, 0.2
        )
        assert_close("eq15 exact", exact, explicit, "identity", scale=1.0)
        assert_differs("it changes", explicit, 0.0, "identity", scale=1.0)

        def first_order(h: float, p: Plane = p, change=change) -> float:
            explicit, total = change(h, 0.0)
            printed = rec.eq15(p.low_energy, p.high_energy, p.low_cross, p.high_cross, h, total)
            return abs(float(printed) - explicit)

        def swapped(h: float, p: Plane = p, change=change) -> float:
            explicit, total = change(h, 0.0)
            printed = rec.eq15(p.low_energy, p.high_energy, p.high_cross, p.low_cross, h, total)
            return abs(float(printed) - explicit)

        assert_order("eq15", first_order, 2, 1e-3)
        assert_order("eq15 with the crosses swapped", swapped, 1, 1e-3)


def test_eq22_is_exact_for_relu_inside_the_linear_region() -> None:
    """κ = δ/ξ of an explicit raw PGD, before each projection; then not, once the region is left."""
    n = 0
    for seed in range(20):
        training = random_training(seed, activation="relu", loss="mse", dim=9, width=5, rate=0.5)
        net, x = training.network, training.x
        g = net.input_gradient(x)
        if not np.abs(g).max() > 1e-3:
            continue
        path = pgd(net, x, training.label, radius=0.05, step_size=0.01, n_steps=8)
        for j in range(8):
            if path.region_left[j]:
                break
            kappa, after = path.delta[j] / 0.01, path.unprojected[j] / 0.01
            scale = float(np.abs(after).max())
            assert_close("eq22", rec.eq22(kappa, path.gain[j], g), after, "identity", scale=scale)
            assert_differs("wrong sign", rec.eq22(kappa, -path.gain[j], g), after, "identity", scale=scale)
            n += 1
    assert n > 50


@pytest.mark.parametrize("band", BANDS, ids=lambda b: f"{b.shape}-{b.convention}")
def test_eq20_and_eq23_against_explicit_spectra(band: Band) -> None:
    g_hat, kappa = spectra(band, 3)
    low, high = band.energies(kappa)
    cross_low, cross_high = (2 * c for c in band.crosses(kappa, g_hat))
    g_low, g_high = band.energies(g_hat)

    def after(gain: float) -> tuple[float, float]:
        a, b = band.energies(rec.eq22(kappa, gain, g_hat))
        return float(a), float(b)

    assert_close("eq23 low", rec.eq23_exact(low, cross_low, g_low, 0.7), after(0.7)[0], "identity")
    assert_close("eq23 high", rec.eq23_exact(high, cross_high, g_high, 0.7), after(0.7)[1], "identity")
    assert_order("eq23", lambda h: abs(float(rec.eq23(low, cross_low, h)) - after(h)[0]), 2, 1e-2)
    assert_order("eq23, wrong sign", lambda h: abs(float(rec.eq23(low, -cross_low, h)) - after(h)[0]), 1, 1e-2)

    def eq20_error(h: float, sign: int = 1) -> float:
        a, b = after(h)
        printed = rec.eq20(low, high, sign * cross_low, sign * cross_high, h, a + b)
        return abs(float(printed) - (a / (a + b) - float(low / (low + high))))

    assert_order("eq20", eq20_error, 2, 1e-3)
    assert_order("eq20, wrong sign", lambda h: eq20_error(h, -1), 1, 1e-3)


def test_integrated_scalars_converge_with_factor_two_only() -> None:
    """Global error at a fixed total drive is O(η) with factor 2; with factor 1 it does not vanish."""
    band = BANDS[0]
    g_hat, x_hat = spectra(band, 1)
    p = Plane.of(g_hat, x_hat, band)
    start = [float(v) for v in (p.low_energy, p.high_energy, p.low_cross, p.high_cross, p.input_low, p.input_high)]
    true = p.at(0.8)

    def errors(h: float, factor: float) -> np.ndarray:
        n = round(0.8 / h)
        out = rec.integrate_scalars(*start, np.full(n, h), np.zeros(n), factor)
        assert all(v.shape == (n + 1,) for v in out)
        ends = np.array([v[-1] for v in out])
        return np.abs(ends / [true.low_energy, true.high_energy, true.low_cross, true.high_cross] - 1)

    assert_order("factor 2", lambda h: float(errors(h, 2.0)[:2].max()), 1, 0.8 / 16, octaves=5)
    assert_close("crosses need no limit", errors(0.1, 2.0)[2:], [0.0, 0.0], "identity", scale=1.0)
    assert errors(0.8 / 512, 1.0).max() > 0.1


def test_integrated_scalars_first_row_is_the_start() -> None:
    out = rec.integrate_scalars(1.0, 2.0, 3.0, 4.0, 5.0, 6.0, np.array([0.1]), np.array([0.2]))
    assert_close("t = 0", [v[0] for v in out], [1.0, 2.0, 3.0, 4.0], "exact")
    assert_close("t = 1", [v[1] for v in out], [0.6 + 0.3, 1.2 + 0.4, 2.4 + 1.0, 3.2 + 1.2], "round_off")


# Data sets -----------------------------------------------------------------------------------------------------------


def set_step(name: str, scale: float, n: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """g(x) before and after a step on n samples with W itself, and by the law."""
    rng = np.random.default_rng([6, n])
    net = sample_network(7, 12, Activation(name), rng, outer_law="gaussian")
    x, inputs, residuals = rng.standard_normal(7), rng.standard_normal((n, 7)), rng.standard_normal(n)
    slopes = net.outer * net.activation.slope(net.preactivation(inputs))
    after = replace(net, weights=net.weights - scale / n * (residuals[:, None] * slopes).T @ inputs)
    return net.input_gradient(x), after.input_gradient(x), rec.eq8_dataset(net, x, inputs, scale, residuals)


@pytest.mark.parametrize("n", [1, 2, 5])
@pytest.mark.parametrize("name", ["softplus", "squareplus", "leaky_softplus"])
def test_eq8_dataset_is_a_first_order_law(name: str, n: int) -> None:
    def error(scale: float) -> float:
        _, after, law = set_step(name, scale, n)
        return float(np.linalg.norm(law - after))

    assert_order(f"eq8_dataset, {name}", error, 2.0, 1e-2)


def test_eq8_dataset_is_exact_for_relu_and_needs_every_sample() -> None:
    before, after, law = set_step("relu", 1e-4)
    assert_close("eq8_dataset", law, after, "identity")
    assert_differs("no step", before, after, "identity")


def test_eq8_dataset_of_one_sample_is_eq8_ntk() -> None:
    net = sample_network(7, 12, Activation("softplus"), np.random.default_rng(4))
    x = np.random.default_rng(5).standard_normal(7)
    law = rec.eq8_dataset(net, x, x[None], 0.01, np.array([0.7]))
    assert_close("n = 1", law, rec.eq8_ntk(net, x, 0.01, 0.7), "round_off")
