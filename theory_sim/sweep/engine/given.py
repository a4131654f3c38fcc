"""Many settings (η, y) of one given network: what a sweep's engine costs without drawing, judging and storing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numba as nb
import numpy as np
from numpy.typing import NDArray

from theory_sim.errors import require
from theory_sim.hartley import band_weights, coefficients
from theory_sim.network import Network
from theory_sim.spectrum import Band
from theory_sim.sweep.course import HIGH_ENERGY, LOW_ENERGY, N_PROBES, N_ROWS, OUTPUT
from theory_sim.sweep.engine.bands import weighted_dot
from theory_sim.sweep.engine.group import RELU, project, relu_state, sum_rows
from theory_sim.sweep.engine.relu import order_deaths, relu_course
from theory_sim.sweep.engine.smooth import LARGEST_RANK, N_CHECKS, N_COLUMNS, smooth_course, spread_units

Array = NDArray[np.float64]


@dataclass(frozen=True)
class GivenNetwork:
    """A network, its input and band as the engine takes them, with the projections s_0 = W x and g_0.

    weights (m, d) and x (d,): Hartley coefficients; outer, start (m,); gradient (d,); bands (2, d); x_top: max |x_i|.
    """

    network: Network
    weights: Array
    x: Array
    bands: Array
    start: Array
    gradient: Array
    x_top: float

    @classmethod
    def of(cls, network: Network, x: Array, band: Band) -> GivenNetwork:
        """From signals; raises InputError unless `band` is that of 1-D signals and the DFT."""
        require(len(band.shape) == 1 and band.kind == "dft", f"band of {band.shape}, {band.kind}: allowed is (d,), dft")
        weights, own_x = coefficients(network.weights, band.shape), coefficients(x, band.shape)
        start, gradient, active = np.empty(network.width), np.empty(network.dim), np.empty(network.width)
        project(weights, own_x, start)
        relu_state(start, network.outer, active)
        sum_rows(active, weights, gradient)
        return cls(network, weights, own_x, band_weights(band), start, gradient, float(np.abs(x).max()))


def train_settings(
    given: GivenNetwork,
    rates: Array,
    labels: Array,
    scalars: Array,
    power: Array,
    *,
    low_rank: bool = True,
    n_threads: int = 1,
) -> NDArray[np.int64]:
    """Train once for each η of `rates` (n,) and y of `labels` (n,), MSE; returns the rank of each, -1: none used.

    scalars (n, 3, T+1): filled with f, L, H; power (k, T+1, d//2+1): filled with |ĝ|², or (k, 0, 0): not wanted. k is
    a multiple of n_threads; with k < n setting i takes row i % k, so that the last k settings remain, as in a sweep
    that writes a chunk and goes on. low_rank False: the product with W_0 for all steps. BLAS should be held to one
    thread. Raises InputError on another k.
    """
    require(
        len(power) % n_threads == 0 and len(power) > 0,
        f"{len(power)} rows of spectra: allowed are multiples of {n_threads}",
    )
    ranks = np.full(len(rates), -1)
    act = given.network.activation
    constants = (act.code, float(act.sharpness), float(act.leak if act.name == "leaky_softplus" else 0.0))
    arrays = (given.weights, given.network.outer, given.x, given.bands, given.start, given.gradient)
    checks = np.random.default_rng(0).standard_normal((N_CHECKS, given.network.width))

    def part(first: int) -> None:
        own = slice(first, None, n_threads)
        _settings(
            *constants,
            *arrays,
            given.x_top,
            checks,
            rates[own],
            labels[own],
            low_rank,
            scalars[own],
            power[own],
            ranks[own],
        )

    with ThreadPoolExecutor(n_threads) as pool:
        list(pool.map(part, range(n_threads)))
    return ranks


@nb.njit(nogil=True, cache=True)
def _settings(
    code: int,
    sharpness: float,
    leak: float,
    weights: NDArray,
    outer: NDArray,
    x: NDArray,
    bands: NDArray,
    start: NDArray,
    gradient: NDArray,
    x_top: float,
    checks: NDArray,
    rates: NDArray,
    labels: NDArray,
    low_rank: bool,
    scalars: NDArray,
    power: NDArray,
    ranks: NDArray,
) -> None:
    n, m = scalars.shape[2], outer.size
    low, high = bands[0], bands[1]
    norm2 = 0.0
    for j in range(x.size):
        norm2 += x[j] * x[j]
    x_low, x_high = weighted_dot(low, x, x), weighted_dot(high, x, x)
    course, shared, final = np.empty((N_ROWS, n)), np.empty(n), np.empty(m)
    probe_at, probes = np.full((N_PROBES, 2), -1), np.empty((n, N_PROBES))
    no_steps, nothing = np.empty(0, np.int64), np.empty((0, x.size))
    deaths = order_deaths(start, outer, norm2)
    units = spread_units(start, outer)
    tall = 1 if code == RELU else n
    active, checked = np.empty(tall * m), np.empty((tall, N_CHECKS))
    columns, weights_of_rows = np.empty((N_COLUMNS, tall)), np.empty((LARGEST_RANK, tall))
    for i in range(rates.size):
        if code == RELU:
            relu_course(
                deaths, weights, outer, gradient, x, low, high, x_low, x_high, norm2, labels[i], rates[i], 0,
                shared, course, probe_at, probes, no_steps, nothing, power[i % power.shape[0]], final,
            )  # fmt: skip
        else:
            done, compact, rank = smooth_course(
                code, sharpness, leak, start, outer, norm2, labels[i], rates[i], 0, x_top, checks, units, low_rank,
                weights, x, low, high, active, checked, columns, weights_of_rows, shared, final, course, probe_at,
                probes, no_steps, nothing, power[i % power.shape[0]],
            )  # fmt: skip
            course[:, done:] = np.nan
            if compact:
                ranks[i] = rank
        scalars[i, 0], scalars[i, 1], scalars[i, 2] = course[OUTPUT], course[LOW_ENERGY], course[HIGH_ENERGY]
