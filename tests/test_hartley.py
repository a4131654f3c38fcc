"""Hartley coefficients: orthonormal, their own inverse, and every band sum is diagonal in them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import fft

from tests.helpers import assert_close, assert_differs
from theory_sim.errors import InputError
from theory_sim.hartley import band_weights, coefficients, half_spectrum, partners, power_scale, signal_of
from theory_sim.spectrum import Band, Convention, Mask, Transform, transform

SHAPES = [(1,), (2,), (9,), (8,), (4, 4), (5, 5), (6, 5), (5, 6)]
KINDS: list[Transform] = ["dft", "dct"]


def signals(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(sum(shape)).standard_normal((3, int(np.prod(shape))))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", SHAPES)
def test_orthonormal_with_inverse(shape: tuple[int, ...], kind: Transform) -> None:
    v = signals(shape)
    h = coefficients(v, shape, kind)
    assert_close("inverse", signal_of(h, shape, kind), v, "round_off")
    assert_close("inner products", h @ h.T, v @ v.T, "round_off")
    assert_close("half spectrum", half_spectrum(h, shape, kind), transform(v, shape, kind), "round_off")
    basis = coefficients(np.eye(v.shape[1]), shape, kind)
    assert_close("orthonormal", basis @ basis.T, np.eye(v.shape[1]), "round_off")


@pytest.mark.parametrize("shape", SHAPES)
def test_definition(shape: tuple[int, ...]) -> None:
    v = signals(shape)
    full = fft.fftn(v.reshape(3, *shape), axes=range(1, 1 + len(shape)), norm="ortho").reshape(3, -1)
    assert_close("(Re - Im)/√d", coefficients(v, shape), full.real - full.imag, "round_off")


@pytest.mark.parametrize("convention", ["two-sided", "one-sided"])
@pytest.mark.parametrize("mask", ["disc", "square"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", SHAPES[2:])
def test_band_sums_are_diagonal(shape: tuple[int, ...], kind: Transform, mask: Mask, convention: Convention) -> None:
    v = signals(shape)
    u, band = v[2], Band(shape, 1.5, convention, mask, kind)
    h, weights = coefficients(v, shape, kind), band_weights(band)
    low, high = band.energies(band.transform(v))
    assert_close("L", h**2 @ weights[0], low, "round_off")
    assert_close("H", h**2 @ weights[1], high, "round_off")
    cross_low, cross_high = band.crosses(band.transform(v), band.transform(u))
    assert_close("low cross", (h * h[2]) @ weights[0], cross_low, "round_off")
    assert_close("high cross", (h * h[2]) @ weights[1], cross_high, "round_off")
    assert_differs("control: bands swapped", h**2 @ weights[1], low, "round_off")
    first, second = partners(shape, kind)
    power = power_scale(shape, kind) * (h[:, first] ** 2 + h[:, second] ** 2)
    assert_close("power", power, np.abs(band.transform(v)) ** 2, "round_off")


def test_channels_are_refused() -> None:
    with pytest.raises(InputError, match="shape"):
        partners((3, 4, 4))
