"""random.cuh draws what counter_random.py draws, bit for bit, and Philox is the published generator."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.cuda import nvrtc
from tests.cuda.device import GENERATOR, generator_source, module, needs_compiler
from tests.helpers import assert_close, assert_differs
from theory_sim.counter_random import (
    OUTER,
    WEIGHTS,
    fill_normals,
    fill_outer,
    log_uniform,
    philox,
    turn,
    uniform,
)
from theory_sim.network import OUTER_LAWS

Draw = Callable[..., None]
THREADS = 64
SEEDS = [0, 1, 2**32 - 1, 2**32 + 5, 2**62 + 12345]
# Random123's kat_vectors for philox4x32-10: counter, key, words.
KNOWN = """
00000000 00000000 00000000 00000000 00000000 00000000 6627e8d5 e169c58d bc57ac4c 9b00dbd8
ffffffff ffffffff ffffffff ffffffff ffffffff ffffffff 408f276d 41c83b0e a20bc7c6 6d5451fd
243f6a88 85a308d3 13198a2e 03707344 a4093822 299f31d0 d16cfe09 94fdcceb 5001e420 24126ea1
"""


@pytest.fixture(
    params=[pytest.param("emulator", marks=needs_compiler), pytest.param("cupy", marks=pytest.mark.gpu)],
    scope="module",
)
def draw(request: pytest.FixtureRequest) -> Draw:
    """draw(kernel, n, *arguments): run with at least n threads; arrays among the arguments are filled in place."""
    if request.param == "emulator":
        compiled = module(generator_source(), GENERATOR)

        def emulated(name: str, n: int, *arguments: Any) -> None:
            compiled.get_function(name)((-(-n // THREADS),), (THREADS,), arguments)

        return emulated
    cupy = pytest.importorskip("cupy", reason="needs CuPy and a CUDA device")
    try:
        raw = cupy.RawModule(code=generator_source(), options=("-std=c++17",))
        cupy.cuda.Device().use()
    except cupy.cuda.runtime.CUDARuntimeError as error:
        pytest.skip(str(error))

    def on_device(name: str, n: int, *arguments: Any) -> None:
        sent = [cupy.asarray(a) if isinstance(a, np.ndarray) else a for a in arguments]
        raw.get_function(name)((-(-n // THREADS),), (THREADS,), tuple(sent))
        for host, array in zip(arguments, sent, strict=True):
            if isinstance(host, np.ndarray):
                host[...] = cupy.asnumpy(array)

    return on_device


@pytest.mark.skipif(nvrtc.library() is None, reason="needs nvidia-cuda-nvrtc")
def test_no_operation_may_be_fused() -> None:
    """In PTX, mul.rn and add.rn are rounded each by itself; without .rn they may become one, as fma is."""
    text = nvrtc.assembly(generator_source(), "compute_80")
    found = set(re.findall(r"\b((?:add|sub|mul|fma|mad|div|sqrt|rcp|neg)[a-z.0-9]*\.f64)\b", text))
    assert {"add.rn.f64", "mul.rn.f64", "div.rn.f64", "sqrt.rn.f64"} <= found
    assert found <= {"add.rn.f64", "sub.rn.f64", "mul.rn.f64", "div.rn.f64", "sqrt.rn.f64", "neg.f64"}
    changed = generator_source().replace("__dadd_rn(a, __dmul_rn(b, c))", "a + b * c")
    assert "fma.rn.f64" in nvrtc.assembly(changed, "compute_80")


def assert_same_bits(actual: NDArray[np.float64], expected: NDArray[np.float64]) -> None:
    np.testing.assert_array_equal(actual.view(np.int64), expected.view(np.int64))


def test_known_answers(draw: Draw) -> None:
    known = np.array([int(word, 16) for word in KNOWN.split()], np.uint32).reshape(3, 10)
    counters, keys, expected = (np.ascontiguousarray(part) for part in np.split(known, [4, 6], axis=1))
    words = np.zeros((3, 4), np.uint32)
    draw("draw_words", 3, counters, keys, np.int32(3), words)
    assert_close("Philox4x32-10", words, expected, "exact")


def test_words_are_those_of_the_host(draw: Draw) -> None:
    rng = np.random.default_rng(0)
    n = 500
    counters, keys = rng.integers(0, 2**32, (n, 4), np.uint32), rng.integers(0, 2**32, (n, 2), np.uint32)
    counters[:, 3] = 0
    words = np.zeros((n, 4), np.uint32)
    draw("draw_words", n, counters, keys, np.int32(n), words)
    host = [philox(*map(np.uint64, (*c[:3], *k))) for c, k in zip(counters, keys, strict=True)]
    np.testing.assert_array_equal(words, np.array(host, np.uint32))


@pytest.mark.parametrize("seed", SEEDS)
def test_normals_are_those_of_the_host(draw: Draw, seed: int) -> None:
    n, row = 20_000, seed % 1000
    actual, expected = np.zeros(2 * n), np.zeros(2 * n)
    draw("draw_normals", n, np.int64(seed), np.uint32(WEIGHTS), np.uint32(row), np.int32(n), actual)
    fill_normals(seed, WEIGHTS, row, 1.0, expected)
    assert_same_bits(actual, expected)
    assert abs(actual.mean()) < 5 / np.sqrt(2 * n)
    assert abs(actual.std() - 1) < 5 / np.sqrt(4 * n)
    draw("draw_normals", n, np.int64(seed), np.uint32(OUTER), np.uint32(row), np.int32(n), actual)
    assert_differs("another stream", actual, expected, "round_off")


def test_extreme_words(draw: Draw) -> None:
    """The smallest and the largest uniforms, every quadrant, and the places where the polynomials change over."""
    edges = [0, 1, 63, 64, 65, 2**30 - 1, 2**30, 2**31 - 1, 2**31, 2**31 + 2**30, 2**32 - 65, 2**32 - 64, 2**32 - 1]
    edges += [int(np.sqrt(0.5) * 2**32) + k for k in (-64, 0, 64)]
    words = np.array([(high, low) for high in edges for low in edges], np.uint32)
    actual = np.zeros((len(words), 4))
    draw("draw_extremes", len(words), words, np.int32(len(words)), actual)
    host = []
    for high, low in words.astype(np.uint64):
        u = uniform(high, low)
        host.append((u, log_uniform(u), *turn(high, low)))
    assert_same_bits(actual, np.array(host))
    assert 0 < actual[:, 0].min() < 2.0**-52
    assert 1 - 2.0**-52 < actual[:, 0].max() < 1
    assert_close("ln u", actual[:, 1], np.log(actual[:, 0]), "round_off", scale=1.0)
    assert_close("cos² + sin²", np.sum(actual[:, 2:] ** 2, axis=1), np.ones(len(words)), "round_off")


@pytest.mark.parametrize("law", OUTER_LAWS)
@pytest.mark.parametrize("seed", SEEDS[1:4])
def test_outer_weights_are_those_of_the_host(draw: Draw, law: str, seed: int) -> None:
    for width in (1, 7, 1001):
        actual, expected = np.zeros(width), np.zeros(width)
        code = OUTER_LAWS.index(law)
        draw("draw_outer", width, np.int64(seed), np.int32(code), np.float64(0.37), np.int32(width), actual)
        fill_outer(seed, code, 0.37, expected)
        assert_same_bits(actual, expected)
    assert len(np.unique(actual)) == (width if law == "gaussian" else 2)
