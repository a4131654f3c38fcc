"""Random numbers by counter: their law, and that they depend on nothing but seed, stream, row and position."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from tests.helpers import assert_close
from theory_sim.counter_random import (
    OUTER,
    WEIGHTS,
    fill_normals,
    fill_outer,
    fill_power_law,
    fill_uniforms,
    log_uniform,
    philox,
    turn,
    uniform,
)
from theory_sim.hartley import half_spectrum
from theory_sim.network import OUTER_LAWS

LEAST_P = 1e-4  # of seeded tests: none of them is near it, a wrong law is far below


def normals(seed: int, n: int, *, stream: int = WEIGHTS, row: int = 0) -> np.ndarray:
    out = np.empty(n)
    fill_normals(seed, stream, row, 1.0, out)
    return out


def uniforms(seed: int, n: int) -> np.ndarray:
    out = np.empty(n)
    fill_uniforms(seed, WEIGHTS, 0, out)
    return out


def test_known_words() -> None:
    """Random123's known answer of counter and key zero; the CUDA twin has the other vectors."""
    zero = np.uint64(0)
    assert philox(zero, zero, zero, zero, zero) == (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)


@pytest.mark.parametrize("seed", [0, 1, 2**31 - 1])
def test_laws(seed: int) -> None:
    z, u = normals(seed, 200_001), uniforms(seed, 200_000)
    assert stats.kstest(z, "norm").pvalue > LEAST_P
    assert stats.kstest(u, "uniform").pvalue > LEAST_P
    for order in (2, 3, 4, 6):  # tails weigh more with each
        expected = stats.norm.moment(order)
        spread = np.sqrt((stats.norm.moment(2 * order) - expected**2) / z.size)
        assert abs((z**order).mean() - expected) < 4.5 * spread
    pairs = z[:-1].reshape(-1, 2)
    assert abs(stats.pearsonr(*pairs.T).statistic) < 4.5 / np.sqrt(len(pairs))
    assert abs(stats.pearsonr(pairs[:, 0] ** 2, pairs[:, 1] ** 2).statistic) < 4.5 / np.sqrt(len(pairs))
    assert stats.kstest(z * 1.02, "norm").pvalue < LEAST_P  # power: 2 % of scale would be seen


def test_rows_seeds_and_streams_are_independent() -> None:
    n = 50_000
    drawn = [normals(0, n), normals(1, n), normals(0, n, row=1), normals(0, n, stream=OUTER), normals(2**32, n)]
    correlation = np.corrcoef(drawn) - np.eye(len(drawn))
    assert np.abs(correlation).max() < 4.5 / np.sqrt(n)


def test_a_longer_row_extends_a_shorter_one() -> None:
    for n in (1, 2, 7, 64):
        np.testing.assert_array_equal(normals(5, n), normals(5, 1000)[:n])
    wide, narrow = np.empty(40), np.empty(7)
    for law in range(len(OUTER_LAWS)):
        if OUTER_LAWS[law] != "scaled_signs":
            fill_outer(3, law, 1.0, wide)
            fill_outer(3, law, 1.0, narrow)
            np.testing.assert_array_equal(wide[:7], narrow)


def test_functions_beside_numpy() -> None:
    words = np.random.default_rng(0).integers(0, 2**32, (2000, 4)).astype(np.uint64)
    u = np.array([uniform(a, b) for a, b, _, _ in words])
    assert ((u > 0) & (u < 1)).all()
    expected = [((int(a) >> 6) * 2**26 + (int(b) >> 6) + 0.5) * 2.0**-52 for a, b, _, _ in words]
    assert_close("uniform", u, np.array(expected), "exact")
    values = np.concatenate([u, 2.0 ** -np.arange(1, 54.0), [1.0]])
    logs = np.array([log_uniform(v) for v in values])
    exact = np.array([float(np.log(np.longdouble(v))) for v in values])
    assert_close("logarithm", logs / np.spacing(np.abs(exact)), exact / np.spacing(np.abs(exact)), "ulp", scale=1.0)
    cosine, sine = np.array([turn(a, b) for _, _, a, b in words]).T
    assert_close("on the circle", cosine**2 + sine**2, np.ones(len(words)), "round_off")
    angle = np.arctan2(sine, cosine)
    assert stats.kstest(angle, stats.uniform(-np.pi, 2 * np.pi).cdf).pvalue > LEAST_P
    assert_close("cosine of its angle", np.cos(angle), cosine, "round_off", scale=1.0)


@pytest.mark.parametrize("law", OUTER_LAWS)
def test_outer_laws(law: str) -> None:
    out = np.empty(40_000)
    fill_outer(1, OUTER_LAWS.index(law), 2.0, out)
    if law == "gaussian":
        assert stats.kstest(out / 2, "norm").pvalue > LEAST_P
        return
    values = {"signs": [-2.0, 2.0], "scaled_signs": [-2 / 200, 2 / 200], "bernoulli": [0.0, 2.0]}[law]
    found, counts = np.unique(out, return_counts=True)
    assert_close("values", found, np.array(values), "round_off")
    assert stats.binomtest(int(counts[0]), out.size).pvalue > LEAST_P


@pytest.mark.parametrize("dim", [2, 5, 6, 33])
def test_power_law(dim: int) -> None:
    amplitude = np.arange(1, dim // 2 + 2, dtype=float) ** -0.7
    phases = []
    for seed in range(300):
        out = np.empty(dim)
        fill_power_law(seed, amplitude, out)
        spectrum = half_spectrum(out, (dim,))
        assert_close("|x̂|", np.abs(spectrum), amplitude, "round_off")
        phases.append(np.angle(spectrum))
    inside = np.array(phases)[:, 1 : (dim + 1) // 2]
    for column in inside.T:
        assert stats.kstest(column, stats.uniform(-np.pi, 2 * np.pi).cdf).pvalue > LEAST_P
    signs = np.array(phases)[:, 0]
    assert stats.binomtest(int((np.abs(signs) < 1).sum()), 300).pvalue > LEAST_P
