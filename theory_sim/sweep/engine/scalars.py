"""ReLU networks of which only the scalars are drawn: f, L, H and both crosses have the law they have with all of W.

Let W have i.i.d. N(0, σ²) entries and let all coefficients of a band weigh the same (two-sided sums). Split signal
space into span(x), the rest of span(x_l, x_h), spanned by e = (‖x_h‖²x_l - ‖x_l‖²x_h)/(‖x_l‖‖x_h‖‖x‖), and the rests
of both bands, of n_l = dim(low) - 1 and n_h = dim(high) - 1 dimensions. A Gaussian row has independent parts in them.

1. s_r = w_r·x is all of w_r that decides which unit dies when, f, and C: i.i.d. N(0, σ²‖x‖²).
2. v = Σ_alive a_r w_r has the part (Σ a_r s_r) x/‖x‖² along x. The other parts are independent of every s_r, hence of
   the order of the deaths. At the start the part along e is N(0, σ²A₂) and those in the rests have the squared lengths
   σ²A₂·χ²(n), with A₂ = Σ_alive a_r².
3. A death takes a w out of v. Given the sum, the dying row's part in any of these spaces is normal with mean a v/A₂
   and variance σ²(1 - a²/A₂) in each direction. So v becomes κv + |a|σ√κ·g with κ = 1 - a²/A₂ and a standard normal g,
   and the squared length R of an n-dimensional part becomes (κ√R + |a|σ√κ·z)² + a²σ²κ·χ²(n - 1), z along v: a Markov
   chain of the lengths alone, because a standard normal vector has no preferred direction.

L and H are the band's weight times (part along x and e)² + R. Nothing of this needs W, or of x more than ‖x_l‖ and
‖x_h‖. Single bins of ĝ, and so Theorem 2, are not drawn; networks that share a seed but not an input have the right law
each by itself, not together.
"""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np
from numpy.typing import NDArray

from theory_sim.counter_random import MASK, S32, SCALARS, fill_normals, fill_outer, normal_pair, philox, uniform
from theory_sim.sweep.batch import RELATIVE_RATE
from theory_sim.sweep.course import N_PROBES, N_ROWS
from theory_sim.sweep.engine.bands import dot, weighted_dot
from theory_sim.sweep.engine.group import relu_state, resolve
from theory_sim.sweep.engine.relu import fill_segment, last_finite, order_deaths, relu_path
from theory_sim.sweep.measure import measure

START, DEATHS = 1, 2  # rows of the stream after that of the s_r: what is drawn at the start, and at the deaths
METHOD = 5  # index in schema.METHODS


@nb.njit(nogil=True, cache=True)
def _chi_square(freedom: int, index: int, row: int, k0: Any, k1: Any) -> float:
    """χ² with `freedom` >= 0 degrees; exact, by rejection [Marsaglia, Tsang: ACM TOMS 26 (2000) 363].

    Each attempt takes a block of normals and one of uniforms of its own: indices from `index` on, 2¹⁶ are kept free.
    """
    if freedom == 0:
        return 0.0
    if freedom == 1:
        z = normal_pair(np.uint64(index), np.uint64(row), np.uint64(SCALARS), k0, k1)[0]
        return float(z * z)
    d = 0.5 * freedom - 1.0 / 3.0
    c = 1.0 / np.sqrt(9.0 * d)
    attempt = index
    while True:
        z = normal_pair(np.uint64(attempt), np.uint64(row), np.uint64(SCALARS), k0, k1)[0]
        x0, x1, _, _ = philox(np.uint64(attempt + 1), np.uint64(row), np.uint64(SCALARS), k0, k1)
        v = (1.0 + c * z) ** 3
        if v > 0.0 and np.log(uniform(x0, x1)) < 0.5 * z * z + d - d * v + d * np.log(v):
            return 2.0 * d * v
        attempt += 2


@nb.njit(nogil=True, cache=True)
def draw_parts(seed: int, scale: float, a2: float, n_low: int, n_high: int, parts: NDArray) -> None:
    """parts (3,) of v at the start: along e, and the squared lengths in the rests of both bands; a2 = Σ_alive a_r²."""
    k0, k1 = np.uint64(seed) & MASK, np.uint64(seed) >> S32
    z = normal_pair(np.uint64(0), np.uint64(START), np.uint64(SCALARS), k0, k1)[0]
    parts[0] = scale * np.sqrt(a2) * z
    parts[1] = scale * scale * a2 * _chi_square(n_low, 1 << 16, START, k0, k1)
    parts[2] = scale * scale * a2 * _chi_square(n_high, 2 << 16, START, k0, k1)


@nb.njit(nogil=True, cache=True)
def take_out(
    a: float, a2: float, scale: float, n_low: int, n_high: int, unit: int, k0: Any, k1: Any, parts: NDArray
) -> None:
    """The parts after the death of `unit` with outer weight `a`; a2 with it still alive."""
    keep = max(1.0 - a * a / a2, 0.0)
    step = abs(a) * scale * np.sqrt(keep)
    row = DEATHS + unit  # its own numbers, whenever it dies
    z, z_low = normal_pair(np.uint64(0), np.uint64(row), np.uint64(SCALARS), k0, k1)
    z_high = normal_pair(np.uint64(1), np.uint64(row), np.uint64(SCALARS), k0, k1)[0]
    parts[0] = keep * parts[0] + step * z
    for band in range(2):
        n, along = (n_low, z_low) if band == 0 else (n_high, z_high)
        length = 0.0
        if n > 0:
            moved = keep * np.sqrt(parts[1 + band]) + step * along
            length = moved * moved + step * step * _chi_square(n - 1, (1 + band) << 16, row, k0, k1)
        parts[1 + band] = length


@nb.njit(nogil=True, cache=True)
def scalars_course(
    deaths: Any,
    outer: NDArray,
    scale: float,
    weight: float,
    x_low: float,
    x_high: float,
    n_low: int,
    n_high: int,
    norm2: float,
    label: float,
    rate: float,
    loss: int,
    seed: int,
    parts: NDArray,
    shared: NDArray,
    course: NDArray,
) -> None:
    """Fill `course` (9, T+1) as `relu_course` does. parts (3,): of `draw_parts`; weight: of a squared coefficient.

    x_low, x_high: L_x and H_x (weighted), both > 0.
    """
    up, down = deaths[0], deaths[1]
    k0, k1 = np.uint64(seed) & MASK, np.uint64(seed) >> S32
    n_steps = course.shape[1] - 1
    n, first_step, a2_of, dead = relu_path(deaths, norm2, label, rate, loss, shared, course)
    now, a1, a2 = parts.copy(), deaths[4][0] + deaths[6][0], deaths[5][0] + deaths[7][0]
    tilt = np.sqrt(x_high / x_low)
    n_up = n_down = 0
    for i in range(n):
        while n_up < dead[i, 0] or n_down < dead[i, 1]:
            if n_up < dead[i, 0]:
                r = up[n_up]
                n_up += 1
            else:
                r = down[n_down]
                n_down += 1
            take_out(outer[r], a2, scale, n_low, n_high, r, k0, k1, now)
            a1 = deaths[4][n_up] + deaths[6][n_down]
            a2 = deaths[5][n_up] + deaths[7][n_down]
        if a2_of[i] == 0.0:
            now[:] = 0.0
        end = first_step[i + 1] if i + 1 < n else n_steps + 1
        along, side = a1 / norm2, now[0] / np.sqrt(norm2)
        fill_segment(
            first_step[i], end, a2_of[i], along + side * tilt, weight * now[1], x_low, along - side / tilt,
            weight * now[2], x_high, n_up + n_down, shared, course,
        )  # fmt: skip


@nb.njit(nogil=True, cache=True)
def run_scalars(
    points: NDArray,
    inputs: NDArray,
    tops: NDArray,
    bands: NDArray,
    record_steps: NDArray,
    reasons: NDArray,
    facts: NDArray,
    rows: NDArray,
    records: NDArray,
    verdicts: NDArray,
    methods: NDArray,
    reason: NDArray,
    resolved: NDArray,
) -> None:
    """Draw, train and measure every point, all of them ReLU; arrays as in `group.run_group`."""
    longest = widest = 0
    for point in points:
        longest, widest = max(longest, point.n_steps), max(widest, point.width)
    course_buffer, shared_buffer = np.empty((N_ROWS, longest + 1)), np.empty(longest + 1)
    start_buffer, outer_buffer, active_buffer = np.empty(widest), np.empty(widest), np.empty(widest)
    no_probes, nothing = np.full((longest + 1, N_PROBES), np.nan), np.full(N_PROBES, np.nan)
    parts, length = np.empty(3), np.empty(1)
    x_low = x_high = weight = 0.0
    n_low = n_high = 0
    for i in range(points.size):
        point = points[i]
        m, n_steps = point.width, point.n_steps
        start, outer, active = start_buffer[:m], outer_buffer[:m], active_buffer[:m]
        x = inputs[point.input]
        if i == 0 or point.input != points[i - 1].input or point.band != points[i - 1].band:
            low, high = bands[point.band, 0], bands[point.band, 1]
            x_low, x_high = weighted_dot(low, x, x), weighted_dot(high, x, x)
            n_low = n_high = -1
            for j in range(x.size):
                n_low += low[j] > 0.0
                n_high += high[j] > 0.0
            weight = max(low.max(), high.max())
        norm2 = (x_low + x_high) / weight
        fill_outer(point.seed, point.outer_law, point.outer_scale, outer)
        fill_normals(point.seed, SCALARS, 0, point.weight_scale * np.sqrt(norm2), start)
        output, a2 = relu_state(start, outer, active)
        if not a2 > 0.0:
            reason[i] = reasons[0] if point.rate_kind == RELATIVE_RATE else reasons[1]
            continue
        draw_parts(point.seed, point.weight_scale, a2, n_low, n_high, parts)
        length[0] = np.sqrt(output * output / norm2 + parts[0] * parts[0] + parts[1] + parts[2])  # ‖g‖
        rate, label = resolve(point, output, a2, norm2, length)
        resolved[i, 0], resolved[i, 1] = rate, label
        course, shared = course_buffer[:, : n_steps + 1], shared_buffer[: n_steps + 1]
        deaths = order_deaths(start, outer, norm2)
        scalars_course(
            deaths, outer, point.weight_scale, weight, x_low, x_high, n_low, n_high, norm2, label, rate, point.loss,
            point.seed, parts, shared, course,
        )  # fmt: skip
        last = last_finite(course, shared, tops[point.input])
        if last < 0:
            reason[i] = reasons[2]
            continue
        course[:, last + 1 :] = np.nan
        methods[i] = METHOD
        fact = facts[i]
        fact.learning_rate, fact.label, fact.input_norm2 = rate, label, norm2
        fact.input_low, fact.input_high, fact.outer_norm2 = x_low, x_high, dot(outer, outer)
        fact.relu, fact.mse, fact.n_probes = 1, point.loss == 0, 0
        fact.n_steps, fact.last_finite_step = n_steps, last
        measure(course, no_probes, nothing, fact, record_steps[i], rows[i], records[i], verdicts[i])
