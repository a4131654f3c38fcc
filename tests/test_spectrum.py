"""The DFT, its bands and the filter against explicit sums and NumPy's full transforms."""

from __future__ import annotations

import numpy as np
import pytest

from tests.helpers import assert_close, assert_differs
from theory_sim.errors import InputError
from theory_sim.spectrum import (
    Band,
    frequency_grid,
    inverse_transform,
    log_spectrum,
    low_frequency_ratio,
    low_pass_filter,
    parse_convention,
    ratio,
    transform,
)

SIZES = (1, 2, 3, 4, 7, 8, 16, 33)
IMAGES = ((1, 1), (2, 2), (4, 4), (5, 6), (6, 5), (7, 3), (8, 8))
SHAPES = (*[(n,) for n in SIZES], *IMAGES, (3, 4, 6), (3, 5, 5))
CONVENTIONS = ("two-sided", "one-sided")


def paper_dft(v: np.ndarray) -> np.ndarray:
    """Explicit O(d²) sum with the paper's sign e^{+i2πkμ/d}, all d bins."""
    d = v.shape[-1]
    k = np.arange(d)
    return v @ np.exp(2j * np.pi * np.outer(k, k) / d)


def full_spectrum(signal: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Every bin (no half spectrum), per channel, by `paper_dft` along each axis: (channels, *last axes)."""
    image = signal.reshape(shape if len(shape) != 2 else (1, *shape))
    out = paper_dft(image)
    return out if len(shape) == 1 else np.swapaxes(paper_dft(np.swapaxes(out, -1, -2)), -1, -2)


def signed(n: int) -> np.ndarray:
    """Signed frequency of each of n bins in FFT order; the Nyquist bin as -n/2."""
    return (np.arange(n) + n // 2) % n - n // 2


def full_radius(shape: tuple[int, ...], mask: str) -> np.ndarray:
    axes = np.meshgrid(*[signed(n) for n in shape[-2:]], indexing="ij")
    return np.sqrt(sum(k**2 for k in axes)) if mask == "disc" else np.max(np.abs(axes), axis=0)


def pairs(shape: tuple[int, ...]) -> np.ndarray:
    """True for one bin of each {k, -k}: what a one-sided sum counts, over the full grid of the last axes."""
    sizes = shape[-2:]
    keep = np.zeros(sizes, bool)
    for index in np.ndindex(*sizes):
        keep[index] = not keep[tuple(-i % n for i, n in zip(index, sizes, strict=True))] or keep[index]
    return keep


def signal_of(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return np.random.default_rng([11, seed]).standard_normal(int(np.prod(shape)))


@pytest.mark.parametrize("d", SIZES)
def test_transform_is_the_explicit_sum_conjugated(d: int) -> None:
    v = signal_of((d,))
    explicit = paper_dft(v)[: d // 2 + 1]
    assert_close("rfft", transform(v, (d,)), np.conj(explicit), "spectrum")
    if d > 2:
        assert_differs("the other sign", transform(v, (d,)), explicit, "spectrum")


@pytest.mark.parametrize("shape", [*IMAGES, (3, 5, 6), (3, 4, 4)])
def test_transform_2d_is_the_explicit_sum_conjugated(shape: tuple[int, ...]) -> None:
    v = signal_of(shape)
    half = full_spectrum(v, shape)[..., : shape[-1] // 2 + 1]
    assert_close("rfft2", transform(v, shape), np.conj(half).ravel(), "spectrum")


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", ["dft", "dct"])
def test_inverse_transform_returns_the_signal(shape: tuple[int, ...], kind: str) -> None:
    v = np.stack([signal_of(shape, s) for s in range(3)])
    back = inverse_transform(transform(v, shape, kind), shape, kind)
    assert_close("round trip", back, v, "round_off")


@pytest.mark.parametrize("d", SIZES)
def test_dct_is_the_explicit_cosine_sum(d: int) -> None:
    v = signal_of((d,))
    k = np.arange(d)
    basis = np.cos(np.pi * np.outer(k, 2 * np.arange(d) + 1) / (2 * d)) * np.sqrt(2 / d)
    basis[0] /= np.sqrt(2)
    assert_close("dct", transform(v, (d,), "dct"), basis @ v, "spectrum")
    assert_close("orthonormal", np.sum(transform(v, (d,), "dct") ** 2), v @ v, "round_off")


def test_dct_2d_is_separable_and_its_disc_a_quarter_disc() -> None:
    shape = (6, 8)
    v = signal_of(shape)
    rows = np.stack([transform(row, (8,), "dct") for row in v.reshape(shape)])
    both = np.stack([transform(column, (6,), "dct") for column in rows.T]).T
    band = Band(shape, 3.5, kind="dct")
    assert_close("dct2", band.transform(v), both.ravel(), "spectrum")
    low = np.add.outer(np.arange(6) ** 2, np.arange(8) ** 2) <= 3.5**2
    assert_close("τ", low_frequency_ratio(v, band), (both[low] ** 2).sum() / (v @ v), "spectrum")
    assert band.self_conjugate.all()
    assert (band.weights == 1).all()


@pytest.mark.parametrize("shape", SHAPES)
def test_parseval_with_two_sided_weights(shape: tuple[int, ...]) -> None:
    v = signal_of(shape)
    band = Band(shape, 1.0)
    samples = int(np.prod(shape[-2:]))
    low, high = band.energies(band.transform(v))
    assert_close("Parseval", low + high, samples * (v @ v), "spectrum")
    assert_close("number of bins", band.weights.sum(), band.dim, "exact")


def test_parseval_fails_if_the_nyquist_bin_counts_twice() -> None:
    v = signal_of((8,))
    spectrum = transform(v, (8,))
    weights = np.array([1, 2, 2, 2, 2])
    assert_differs("Nyquist twice", weights @ np.abs(spectrum) ** 2, 8 * (v @ v), "spectrum")


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("mask", ["disc", "square"])
@pytest.mark.parametrize("convention", CONVENTIONS)
def test_band_energies_against_the_full_spectrum(shape: tuple[int, ...], mask: str, convention: str) -> None:
    """Sums over every bin (two-sided) or over one of each ±k (one-sided), from a transform without symmetry."""
    v, u = signal_of(shape, 1), signal_of(shape, 2)
    full, other = full_spectrum(v, shape), full_spectrum(u, shape)
    counted = np.ones(shape[-2:], bool) if convention == "two-sided" else pairs(shape)
    radius = full_radius(shape, mask)
    for cutoff in (0, 1, 1.5, 2, 3):
        band = Band(shape, cutoff, convention, mask)
        low, high = counted & (radius <= cutoff), counted & (radius > cutoff)
        power, product = np.abs(full) ** 2, (full * np.conj(other)).real
        expected = [power[..., low].sum(), power[..., high].sum()]
        scale = float(power.sum())
        assert_close("energies", band.energies(band.transform(v)), expected, "spectrum", scale=scale)
        crosses = [product[..., low].sum(), product[..., high].sum()]
        scale = float(np.abs(product).sum())
        assert_close("crosses", band.crosses(band.transform(v), band.transform(u)), crosses, "spectrum", scale=scale)


@pytest.mark.parametrize("cutoff", [0, 1, 5, 12, 16, 22, 22.6, 22.7])
def test_disc_ratio_against_fftshift(cutoff: float) -> None:
    """The usual way of image papers: fft2, fftshift, distance from the centre pixel."""
    image = np.random.default_rng(3).random((3, 32, 32))
    centred = np.fft.fftshift(np.fft.fft2(image), axes=(-2, -1))
    y, x = np.mgrid[:32, :32] - 16
    low = np.hypot(x, y) <= cutoff
    expected = (np.abs(centred) ** 2)[:, low].sum() / (np.abs(centred) ** 2).sum()
    assert_close("τ", low_frequency_ratio(image.ravel(), Band((3, 32, 32), cutoff)), expected, "spectrum")
    filtered = np.fft.ifft2(np.fft.ifftshift(centred * low, axes=(-2, -1))).real
    assert_close("filter", low_pass_filter(image.ravel(), Band((3, 32, 32), cutoff)), filtered.ravel(), "spectrum")


def test_the_largest_useful_radius_of_32x32_is_the_corner() -> None:
    band = Band((32, 32), 22)
    assert_close("radius", band.radius.max(), np.hypot(16, 16), "round_off")
    assert 22.6 < band.radius.max() < 22.7
    image = signal_of((32, 32))
    assert_close("everything passes", low_pass_filter(image, Band((32, 32), 22.7)), image, "round_off")
    lost = image - low_pass_filter(image, Band((32, 32), 22.6))
    corner = np.where(np.add.outer(np.arange(32), np.arange(32)) % 2, -1.0, 1.0).ravel() / 32
    assert_close("only the corner is lost", lost, (image @ corner) * corner, "spectrum", scale=1.0)
    assert_differs("the corner was there", lost, np.zeros_like(lost), "spectrum", scale=1.0)


@pytest.mark.parametrize("shape", SHAPES)
def test_self_conjugate_bins_are_those_that_are_their_own_mirror_image(shape: tuple[int, ...]) -> None:
    band = Band(shape, 1)
    spectrum = band.transform(signal_of(shape))
    own = np.zeros(shape[-2:], bool)
    for index in np.ndindex(*shape[-2:]):
        own[index] = all((2 * i) % n == 0 for i, n in zip(index, shape[-2:], strict=True))
    half = own[..., : shape[-1] // 2 + 1].ravel()
    np.testing.assert_array_equal(band.self_conjugate, np.tile(half, shape[0] if len(shape) == 3 else 1))
    assert_close("real there", spectrum.imag[band.self_conjugate], 0 * spectrum.real[band.self_conjugate], "round_off")
    assert (np.abs(spectrum.imag[~band.self_conjugate]) > 1e-6).all()


@pytest.mark.parametrize("shape", SHAPES)
def test_one_sided_weights_count_each_pair_once(shape: tuple[int, ...]) -> None:
    band = Band(shape, 1, "one-sided")
    channels = shape[0] if len(shape) == 3 else 1
    assert_close("pairs", band.weights.sum(), channels * pairs(shape).sum(), "exact")
    assert (band.weights > 0).all()


def test_the_conventions_differ_by_how_zero_frequency_counts() -> None:
    """x̂ = (2, 1, 1): two-sided 4/(4+1+1), one-sided 4/(4+1)."""
    signal = inverse_transform(np.array([2.0, 1.0]), (3,))
    assert_close("two-sided", low_frequency_ratio(signal, Band((3,), 0)), 4 / 6, "round_off")
    assert_close("one-sided", low_frequency_ratio(signal, Band((3,), 0, "one-sided")), 4 / 5, "round_off")


def test_nyquist_counts_once_in_both_conventions() -> None:
    """d = 4, x̂ = (1, 1, 3): two-sided (1+2)/(1+2+9), one-sided (1+1)/(1+1+9)."""
    signal = inverse_transform(np.array([1.0, 1.0, 3.0]), (4,))
    assert_close("two-sided", low_frequency_ratio(signal, Band((4,), 1)), 3 / 12, "round_off")
    assert_close("one-sided", low_frequency_ratio(signal, Band((4,), 1, "one-sided")), 2 / 11, "round_off")


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", ["dft", "dct"])
@pytest.mark.parametrize("mask", ["disc", "square"])
def test_low_pass_is_an_orthogonal_projection(shape: tuple[int, ...], kind: str, mask: str) -> None:
    band = Band(shape, 1.5, mask=mask, kind=kind)
    v, u = signal_of(shape, 1), signal_of(shape, 2)
    once = low_pass_filter(v, band)
    scale = float(np.abs(v).max())
    assert_close("idempotent", low_pass_filter(once, band), once, "round_off", scale=scale)
    scale = float(np.linalg.norm(u) * np.linalg.norm(v))
    assert_close("self-adjoint", u @ once, low_pass_filter(u, band) @ v, "round_off", scale=scale)
    assert_close("orthogonal", once @ (v - once), 0.0, "round_off", scale=scale)
    if band.is_low.all():
        assert_close("identity", once, v, "round_off")
    else:
        assert_differs("something was removed", once, v, "round_off")
        assert_close("τ of the filtered", low_frequency_ratio(once, band), 1.0, "round_off")


def test_square_holds_the_disc() -> None:
    disc, square = Band((16, 16), 5), Band((16, 16), 5, mask="square")
    assert (square.is_low | ~disc.is_low).all()
    assert square.is_low.sum() > disc.is_low.sum()


def test_frequency_grid_is_signed_and_repeats_per_channel() -> None:
    vertical, horizontal = frequency_grid((2, 4, 3))
    np.testing.assert_array_equal(vertical, np.tile(np.repeat([0, 1, -2, -1], 2), 2))
    np.testing.assert_array_equal(horizontal, np.tile([0, 1], 8))


def test_leading_axes_are_a_batch() -> None:
    batch = np.random.default_rng(5).standard_normal((2, 3, 12))
    band = Band((3, 4), 1)
    assert band.transform(batch).shape == (2, 3, 9)
    each = np.array([[low_frequency_ratio(v, band) for v in row] for row in batch])
    assert_close("ratio", low_frequency_ratio(batch, band), each, "round_off")
    assert low_pass_filter(batch, band).shape == batch.shape


def test_zero_signal_has_no_ratio() -> None:
    assert np.isnan(low_frequency_ratio(np.zeros(5), Band((5,), 1)))
    assert np.isnan(ratio(np.array(0.0), np.array(0.0)))


def test_log_spectrum_is_twenty_natural_logarithms() -> None:
    assert_close("20 ln|v̂|", log_spectrum(np.array([np.e, 1j, 0])), [20.0, 0.0, -np.inf], "round_off")


def test_scaling_a_signal_keeps_its_ratio_and_swapping_bands_does_not() -> None:
    v, band = signal_of((33,)), Band((33,), 4)
    tau = low_frequency_ratio(v, band)
    assert_close("scaled", low_frequency_ratio(-1e6 * v, band), tau, "round_off")
    low, high = band.energies(band.transform(v))
    assert_differs("swapped", ratio(high, low), tau, "round_off")


@pytest.mark.parametrize(("shape", "top"), [((9,), 4), ((8,), 3.5), ((8, 8), np.hypot(4, 4))])
def test_the_theory_needs_both_bands(shape: tuple[int, ...], top: float) -> None:
    Band(shape, 1).require_theory()
    Band(shape, np.nextafter(top, 0)).require_theory()
    for cutoff in (0, 0.5, top, top + 1):
        with pytest.raises(InputError, match="allowed is 1 <= cut-off <"):
            Band(shape, cutoff).require_theory()


def test_parse_convention() -> None:
    assert [parse_convention(text) for text in CONVENTIONS] == list(CONVENTIONS)
