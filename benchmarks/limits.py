"""What this machine can do, measured now on all its cores: the lines that no engine on it can cross."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Barrier

import numba as nb
import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from benchmarks.results import n_cores
from deep_check.ops.lanes import LANES, multiply_tile, store_tile, zero_tile
from theory_sim.counter_random import WEIGHTS, fill_normals
from theory_sim.descent.vector_math import exp_nonpositive, log1p_unit

CACHED = 16 << 20  # bytes
CHAINS = 16  # vectors of sums in registers, more than a core has multiply-adds under way


@dataclass(frozen=True)
class Limits:
    """Rates of the whole machine, per second, float64.

    products: floating-point operations of matrix products (a multiplication and an addition are two); bytes: read and
    written by a loop over arrays that no cache holds; softplus: values with their slopes, in cache; normals: N(0, 1) of
    our counter-based generator.
    """

    products: float
    bytes: float
    softplus: float
    normals: float

    def __str__(self) -> str:
        """One line for people."""
        return (
            f"{self.products / 1e9:.3g} GFLOP/s in matrix products, {self.bytes / 1e9:.3g} GB/s read and written, "
            f"{self.softplus / 1e6:.4g} million softplus/s with slope, {self.normals / 1e6:.4g} million normals/s"
        )


@dataclass(frozen=True)
class Float32Limits:
    """Rates of the whole machine, per second, float32.

    fma: floating-point operations of fused multiply-adds in registers, as our kernels write them; products: of matrix
    products; bytes: read and written by a loop over arrays that no cache holds; cached_bytes: over arrays of CACHED
    bytes in all cores together, about what an operation of a network works on.
    """

    fma: float
    products: float
    bytes: float
    cached_bytes: float

    def __str__(self) -> str:
        """One line for people."""
        return (
            f"float32: {self.fma / 1e9:.3g} GFLOP/s in fused multiply-adds, {self.products / 1e9:.3g} in matrix "
            f"products, {self.bytes / 1e9:.3g} GB/s of memory, {self.cached_bytes / 1e9:.3g} GB/s of "
            f"{CACHED >> 20} MiB used again and again"
        )


@nb.njit(nogil=True)
def _multiply_add(rows: NDArray, columns: NDArray, rounds: int, out: NDArray) -> None:
    tile = zero_tile(4)
    for _ in range(rounds):
        tile = multiply_tile(tile, rows, 0, columns, 0, LANES)  # the loads go out of the loop
    store_tile(out, 0, 4 * LANES, LANES, tile)


@nb.njit(nogil=True)
def _double(source: NDArray, target: NDArray) -> None:
    for i in range(source.size):
        target[i] = source[i] + source[i]


@nb.njit(nogil=True, fastmath={"contract", "reassoc", "nsz", "arcp"}, error_model="numpy")
def _softplus(s: NDArray, slope: NDArray, rounds: int) -> float:
    total = 0.0
    for _ in range(rounds):
        for i in range(s.size):
            e = exp_nonpositive(-abs(s[i]))
            g = 1.0 / (1.0 + e)
            slope[i] = g if s[i] >= 0.0 else e * g
            total += max(s[i], 0.0) + log1p_unit(e)
    return total


@nb.njit(nogil=True)
def _normals(out: NDArray, rounds: int) -> None:
    for row in range(rounds):
        fill_normals(0, WEIGHTS, row, 1.0, out)


def measure_limits(*, quick: bool = False) -> Limits:
    """Best of several measurements, one thread on each core. `quick`: too short to mean anything."""
    size, long, rounds = (64, 2**12, 2) if quick else (1024, 2**23, 2000)
    row = np.random.default_rng(0).standard_normal(512)

    def product() -> Callable[[], object]:
        a, out = np.ones((size, size)), np.empty((size, size))
        return lambda: np.dot(a, a, out)

    def stream() -> Callable[[], object]:
        source, target = np.ones(long), np.ones(long)
        return lambda: _double(source, target)

    def transcendental() -> Callable[[], object]:
        slope = np.empty_like(row)
        return lambda: _softplus(row, slope, rounds)

    def draw() -> Callable[[], object]:
        out = np.empty_like(row)
        return lambda: _normals(out, rounds)

    with threadpool_limits(1):
        return Limits(
            products=_rate(product, 2.0 * size**3),
            bytes=_rate(stream, 16.0 * long),
            softplus=_rate(transcendental, float(row.size * rounds)),
            normals=_rate(draw, float(row.size * rounds)),
        )


def measure_float32_limits(*, quick: bool = False) -> Float32Limits:
    """Best of several measurements, one thread on each core. `quick`: too short to mean anything."""
    size, long, rounds = (64, 2**12, 64) if quick else (2048, 2**24, 2**22)
    short = min(long, CACHED // 8 // n_cores())

    def fma() -> Callable[[], object]:
        rows, columns, out = (np.ones(n, np.float32) for n in (4, 4 * LANES, CHAINS * LANES))
        return lambda: _multiply_add(rows, columns, rounds, out)

    def product() -> Callable[[], object]:
        a, out = np.ones((size, size), np.float32), np.empty((size, size), np.float32)
        return lambda: np.dot(a, a, out)

    def stream(n: int, times: int = 1) -> Callable[[], Callable[[], object]]:
        def prepare() -> Callable[[], object]:
            source, target = np.ones(n, np.float32), np.ones(n, np.float32)
            return lambda: [_double(source, target) for _ in range(times)]

        return prepare

    with threadpool_limits(1):
        return Float32Limits(
            fma=_rate(fma, 2.0 * CHAINS * LANES * rounds),
            products=_rate(product, 2.0 * size**3),
            bytes=_rate(stream(long), 8.0 * long),
            cached_bytes=_rate(stream(short, 16), 16 * 8.0 * short),
        )


def _rate(prepare: Callable[[], Callable[[], object]], amount: float, repeats: int = 7) -> float:
    """Amount per second: every core works on arrays of its own at the same time; the best of `repeats` rounds."""
    n = n_cores()
    barrier = Barrier(n)

    def work(_: int) -> list[tuple[float, float]]:
        run = prepare()
        run()  # compilation, first touch of memory
        spans = []
        for _ in range(repeats):
            barrier.wait()
            start = time.perf_counter()
            run()
            spans.append((start, time.perf_counter()))
        return spans

    with ThreadPoolExecutor(n) as pool:
        rounds = zip(*pool.map(work, range(n)), strict=True)
        return max(n * amount / (max(end for _, end in spans) - min(start for start, _ in spans)) for spans in rounds)
