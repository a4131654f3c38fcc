"""Spectra of images and perturbations beside NumPy's full transforms, explicit sums and quadrature."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad

from deep_check import spectra as spectra_module
from deep_check.spectra import (
    band_means,
    log_spectra,
    log_spectrum_differences,
    low_frequency_ratios,
    radii,
    random_phase_difference,
    ring_means,
    spectra,
)
from tests.helpers import assert_close, assert_differs
from theory_sim.errors import InputError

SHAPES = ((5, 3, 32, 32), (4, 1, 6, 5), (3, 2, 5, 6), (2, 3, 7, 7), (2, 1, 1, 1))


def images_of(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return np.random.default_rng([*shape, seed]).uniform(size=shape)


def full(images: np.ndarray) -> np.ndarray:
    """The usual way: fft2 and fftshift, every bin, (n, c, h, w)."""
    return np.fft.fftshift(np.fft.fft2(images), axes=(-2, -1))


def distance(shape: tuple[int, ...], mask: str = "disc") -> np.ndarray:
    """Of each pixel of a centred map from its zero frequency."""
    y, x = (np.abs(np.arange(n) - n // 2) for n in shape[-2:])
    return np.hypot.outer(y, x) if mask == "disc" else np.maximum.outer(y, x)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("mask", ["disc", "square"])
def test_ratios_are_those_of_the_full_transform(shape: tuple[int, ...], mask: str) -> None:
    deltas = images_of(shape) - 0.5
    power = np.abs(full(deltas)) ** 2
    cutoffs = [0, 1, 2.5, 12, 23]
    expected = [power[..., distance(shape, mask) <= k].sum(axis=(1, 2)) / power.sum(axis=(1, 2, 3)) for k in cutoffs]
    found = low_frequency_ratios(deltas, cutoffs, mask)
    assert found.shape == (5, shape[0])
    assert found.dtype == np.float64
    assert_close("several cut-offs", found, expected, "spectrum", scale=1.0)
    assert_close("one cut-off", low_frequency_ratios(deltas, 2.5, mask), expected[2], "spectrum", scale=1.0)
    assert_close("everything is low", found[-1], np.ones(shape[0]), "round_off")
    if shape[-1] > 6:
        other = "square" if mask == "disc" else "disc"
        assert_differs("the other mask", low_frequency_ratios(deltas, 2.5, other), expected[2], "spectrum")


def test_ratios_of_waves_and_of_nothing() -> None:
    """A cosine of frequency (3, 4) lies at radius 5 and in the square of 4; a constant at 0; zero has no ratio."""
    y, x = np.mgrid[:32, :32]
    wave = np.cos(2 * np.pi * (3 * y + 4 * x) / 32)
    deltas = np.zeros((3, 3, 32, 32), np.float32)
    deltas[0, 1], deltas[1] = wave, 0.25
    found = low_frequency_ratios(deltas, [0, 4.9, 5])
    assert_close("wave", found[:, 0], [0.0, 0.0, 1.0], "single", scale=1.0)
    assert_close("constant", found[:, 1], [1.0, 1.0, 1.0], "single")
    assert np.isnan(found[:, 2]).all()
    assert_close("square", low_frequency_ratios(deltas[:1], [3.9, 4], "square")[:, 0], [0.0, 1.0], "single")


def test_ratios_do_not_depend_on_what_else_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    deltas = images_of((7, 3, 8, 8)) - 0.5
    whole = low_frequency_ratios(deltas, [1, 3])
    monkeypatch.setattr(spectra_module, "BLOCK", 3)
    assert_close("blocks", low_frequency_ratios(deltas, [1, 3]), whole, "round_off")
    assert_close("scale", low_frequency_ratios(1e-3 * deltas, [1, 3]), whole, "round_off")
    assert_differs("another delta", low_frequency_ratios(deltas[::-1], [1, 3]), whole, "round_off")


@pytest.mark.parametrize("shape", SHAPES)
def test_maps_are_the_full_transform_centred(shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spectra_module, "BLOCK", 2)
    images = images_of(shape)
    modulus = np.abs(full(images))
    assert_close("|F|", spectra(images), modulus.mean(axis=1), "spectrum")
    assert_close("log", log_spectra(images), 20 * np.log(modulus).mean(axis=1), "spectrum")
    assert_close("radii", radii(shape[-2:]), distance(shape), "round_off")
    assert_close("radii of squares", radii(shape[-2:], "square"), distance(shape, "square"), "exact")
    if shape[-1] == 32:
        assert_differs("not centred", spectra(images), np.abs(np.fft.fft2(images)).mean(axis=1), "spectrum")
        assert_differs("mirrored", spectra(images), modulus.mean(axis=1)[..., ::-1, :], "spectrum")


def test_log_spectrum_differences_are_the_full_transforms() -> None:
    images = images_of((5, 3, 32, 32))
    deltas = 0.1 * (images_of((5, 3, 32, 32), 1) - 0.5)
    before, after = full(images), full(images + deltas)
    found = log_spectrum_differences(images, images + deltas)
    rho = np.abs(full(deltas)) / np.abs(before)
    measured = 20 * np.abs(np.log(np.abs(after)) - np.log(np.abs(before)))
    assert_close("measured", found.measured, measured.mean(axis=1), "identity")
    assert_close("20 ln(1+ρ)", found.in_phase, 20 * np.log(1 + rho).mean(axis=1), "identity")
    assert_close("20 ρ", found.first_order, 20 * rho.mean(axis=1), "identity")
    exceeding = measured > 20 * np.log(1 + rho) * (1 + 1e-9)  # real bins can be in phase to the last bit
    assert_close("exceeding", found.exceeding, exceeding.mean(axis=1), "round_off")
    assert exceeding.any()
    assert_differs("mean phase and in phase", found.random_phase, found.in_phase, "identity")
    shrunk = log_spectrum_differences(images, images + 1e-6 * deltas)
    assert_close("(2/π) 20 ρ", shrunk.random_phase, 2 / np.pi * shrunk.first_order, "first_difference")
    assert_differs("and not 20 ρ", shrunk.random_phase, shrunk.first_order, "first_difference")


def test_the_mean_over_phases_is_that_of_random_phases() -> None:
    """On spectra whose phases are drawn the measured mean is our law's, and not the paper's two."""
    rng = np.random.default_rng(4)
    images = rng.normal(size=(400, 1, 32, 32))
    found = log_spectrum_differences(images, images + 0.3 * rng.normal(size=images.shape))
    n = found.measured.size
    gap = found.measured - found.random_phase
    assert abs(gap.mean()) < 4 * gap.std() / np.sqrt(n / 2)  # k and -k are one
    for law in (found.in_phase, found.first_order):
        assert abs((found.measured - law).mean()) > 40 * gap.std() / np.sqrt(n / 2)


@pytest.mark.parametrize("rho", [1e-6, 0.01, 0.5, 0.999, 1.0, 1.001, 1.5, 1.999, 2.0, 2.001, 7.0, 1e4])
def test_random_phase_difference_is_the_integral(rho: float) -> None:
    def integrand(phase: float) -> float:
        return abs(0.5 * np.log(max(1e-300, (1 - rho) ** 2 + 4 * rho * np.cos(phase / 2) ** 2)))

    kink = float(np.arccos(-min(rho, 2) / 2))
    parts = [
        quad(integrand, a, b, epsabs=0, epsrel=1e-12, limit=400)[0] for a, b in ((0, kink), (kink, np.pi)) if b > a
    ]
    assert_close("mean over phases", random_phase_difference(rho), sum(parts) / np.pi, "random_phase")
    if rho > 0.1:
        assert_differs("first order", random_phase_difference(rho), 2 * rho / np.pi, "random_phase")


def test_where_there_is_no_logarithm_nothing_counts() -> None:
    """Stripes: all but three bins are 0 in the images, whatever the rounding of their float32 pixels."""
    images = np.full((2, 3, 32, 32), np.float32(7 / 255))
    images[:, :, ::2] = 200 / 255
    adversarial = images + 0.05 * images_of(images.shape).astype(np.float32)
    found = log_spectrum_differences(images, adversarial).measured
    defined = np.zeros((32, 32), bool)
    defined[16, 16] = defined[0, 16] = True
    np.testing.assert_array_equal(np.isfinite(found), np.broadcast_to(defined, found.shape))
    rings = ring_means(found)
    assert np.isfinite(rings[:, [0, 16]]).all()
    assert np.isnan(rings[:, 1:16]).all()
    low, high = band_means(found, 8)
    assert_close("low", low, found[:, 16, 16], "round_off")
    assert_close("high", high, found[:, 0, 16], "round_off")


@pytest.mark.parametrize("mask", ["disc", "square"])
def test_means_over_bands_and_rings(mask: str) -> None:
    maps = images_of((4, 2, 9, 8))
    far = distance((9, 8), mask)
    low, high = band_means(maps, 2.5, mask)
    assert_close("low", low, maps[..., far <= 2.5].mean(axis=-1), "round_off")
    assert_close("high", high, maps[..., far > 2.5].mean(axis=-1), "round_off")
    assert_differs("swapped", low, high, "round_off")
    ring = np.rint(distance((9, 8)))
    expected = np.stack([maps[..., ring == r].mean(axis=-1) for r in range(int(ring.max()) + 1)], axis=-1)
    assert_close("rings", ring_means(maps), expected, "round_off")
    assert_close("a function of the radius", ring_means(ring), np.arange(ring.max() + 1), "round_off")


def test_white_noise_is_flat_and_a_blur_is_not() -> None:
    """Power and control of every test of concentration: the density over rings of what is known."""
    noise = np.random.default_rng(5).choice([-1.0, 1.0], size=(256, 3, 32, 32))
    flat = ring_means(spectra(noise))[:, 1:16]
    assert abs(flat.mean(axis=0) / flat.mean() - 1).max() < 0.02
    blurred = sum(np.roll(noise, shift, axis) for axis in (2, 3) for shift in (0, 1))
    low, high = band_means(spectra(blurred), 8)
    assert (low > 1.5 * high).all()
    low, high = band_means(spectra(noise), 8)
    assert abs(low.mean() / high.mean() - 1) < 0.02


def test_what_is_refused() -> None:
    good = images_of((2, 3, 8, 8))
    bad = good.copy()
    bad[1, 0, 0, 0] = np.nan
    for value, words in ((good[0], "shape"), (good[:0], "shape"), (bad, "NaN or infinity")):
        for function in (spectra, log_spectra, lambda images: low_frequency_ratios(images, 2)):
            with pytest.raises(InputError, match=words):
                function(value)
    with pytest.raises(InputError, match="cut-off -1"):
        low_frequency_ratios(good, -1)
    with pytest.raises(InputError, match="that of the images"):
        log_spectrum_differences(good, good[:1])
    with pytest.raises(InputError, match="below the largest frequency of 8x8"):
        band_means(good, 6)
