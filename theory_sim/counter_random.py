"""Random numbers by counter: Philox4x32-10, the same bits on every device, whatever is drawn before or beside them.

A block of four 32-bit words belongs to a key (the seed) and a counter (index, row, stream, 0), so that the weight in
row r and column i of a network depends on nothing but (seed, r, i): a wider network extends a narrower one. Normals are
Box-Muller pairs. Their logarithm, square root, sine and cosine are written out as IEEE additions, multiplications,
divisions and square roots in a fixed order (coefficients and error bounds, < 1 ulp each, are those of fdlibm), without
fused multiply-add: CPU and GPU agree bit for bit. `sweep/cuda/random.cuh` is the twin of this file.
[Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2, 3, SC 2011]
"""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
WEIGHTS, OUTER, PHASES, PIECE, ATTACK, SCALARS = range(6)  # streams: what one draws does not depend on the others

MASK = np.uint64(0xFFFFFFFF)
MULTIPLIER_0, MULTIPLIER_1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
WEYL_0, WEYL_1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
ONE_BITS = np.uint64(0x3FF0000000000000)  # of 1.0
HALF_ROOT_BITS = np.int64(0x3FE6A09E667F3BCD)  # of √½
MAGIC_BITS, MAGIC = np.int64(0x4338000000000000), 6755399441055744.0  # 1.5·2⁵²: integers below 2⁵¹ to float64
LN2_HIGH, LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
S32, S26, S50, S2, S6, S52 = (np.uint64(n) for n in (32, 26, 50, 2, 6, 52))
FRACTION = np.uint64(2**50 - 1)
U1, U2, U3 = np.uint64(1), np.uint64(2), np.uint64(3)


@nb.njit(inline="always")
def philox(index: Any, row: Any, stream: Any, key_0: Any, key_1: Any) -> Any:
    """Four 32-bit words (as uint64) of the counter (index, row, stream, 0); all arguments uint64 below 2³²."""
    c0, c1, c2, c3 = index, row, stream, np.uint64(0)
    k0, k1 = key_0, key_1
    for _ in range(10):
        p0, p1 = MULTIPLIER_0 * c0, MULTIPLIER_1 * c2
        c0, c1, c2, c3 = (p1 >> S32) ^ c1 ^ k0, p1 & MASK, (p0 >> S32) ^ c3 ^ k1, p0 & MASK
        k0, k1 = (k0 + WEYL_0) & MASK, (k1 + WEYL_1) & MASK
    return c0, c1, c2, c3


@nb.njit(inline="always")
def uniform(high: Any, low: Any) -> Any:
    """(n + ½)/2⁵², n the upper 26 bits of each of two words: in (0, 1), exact."""
    bits = ONE_BITS | ((high >> S6) << S26) | (low >> S6)
    return (np.uint64(bits).view(np.float64) - 1.0) + 1.1102230246251565e-16


@nb.njit(inline="always")
def log_uniform(u: Any) -> Any:
    """Natural logarithm of a normal float64 > 0 (fdlibm's e_log.c), in operations that are the same everywhere."""
    bits = np.float64(u).view(np.int64)
    exponent = (bits - HALF_ROOT_BITS) >> np.int64(52)  # u = m·2^exponent, √½ <= m < √2
    m = np.int64(bits - (exponent << np.int64(52))).view(np.float64)
    k = np.int64(MAGIC_BITS + exponent).view(np.float64) - MAGIC
    f = m - 1.0
    s = f / (2.0 + f)
    z = s * s
    w = z * z
    t1 = w * (3.999999999940941908e-01 + w * (2.222219843214978396e-01 + w * 1.531383769920937332e-01))
    t2 = z * (
        6.666666666666735130e-01
        + w * (2.857142874366239149e-01 + w * (1.818357216161805012e-01 + w * 1.479819860511658591e-01))
    )
    half_square = 0.5 * f * f
    return k * LN2_HIGH - ((half_square - (s * (half_square + (t1 + t2)) + k * LN2_LOW)) - f)


@nb.njit(inline="always")
def turn(high: Any, low: Any) -> Any:
    """(cos, sin) of an angle uniform on the circle: a quadrant of 2 bits, and ±π/4 in 50 bits around it."""
    bits = ((high >> S6) << S26) | (low >> S6)
    quadrant = bits >> S50
    inside = np.uint64(ONE_BITS | ((bits & FRACTION) << S2)).view(np.float64)
    x = ((inside - 1.5) + 4.440892098500626e-16) * 1.5707963267948966
    z = x * x
    r = 8.33333333332248946124e-03 + z * (
        -1.98412698298579493134e-04
        + z * (2.75573137070700676789e-06 + z * (-2.50507602534068634195e-08 + z * 1.58969099521155010221e-10))
    )
    sine = x + (z * x) * (-1.66666666666666324348e-01 + z * r)
    r = z * (
        4.16666666666666019037e-02
        + z
        * (
            -1.38888888888741095749e-03
            + z
            * (
                2.48015872894767294178e-05
                + z * (-2.75573143513906633035e-07 + z * (2.08757232129817482790e-09 + z * -1.13596475577881948265e-11))
            )
        )
    )
    half = 0.5 * z
    w = 1.0 - half
    cosine = w + (((1.0 - w) - half) + z * r)
    swap = (quadrant & U1) != np.uint64(0)
    c, s = (sine, cosine) if swap else (cosine, sine)
    c = -c if ((quadrant + U1) & U2) != np.uint64(0) else c
    s = -s if (quadrant & U2) != np.uint64(0) else s
    return c, s


@nb.njit(inline="always")
def normal_pair(index: Any, row: Any, stream: Any, key_0: Any, key_1: Any) -> Any:
    """Two independent N(0, 1): columns 2·index and 2·index + 1 of a row."""
    x0, x1, x2, x3 = philox(index, row, stream, key_0, key_1)
    radius = np.sqrt(-2.0 * log_uniform(uniform(x0, x1)))
    c, s = turn(x2, x3)
    return radius * c, radius * s


@nb.njit(nogil=True, cache=True, error_model="numpy")
def fill_normals(seed: int, stream: int, row: int, scale: float, out: NDArray) -> None:
    """out[i] = scale · N(0, 1) of row `row`, i = 0 ... len(out) - 1."""
    n = out.size
    k0, k1 = np.uint64(seed) & MASK, np.uint64(seed) >> S32
    r, s = np.uint64(row), np.uint64(stream)
    for j in range(n // 2):
        a, b = normal_pair(np.uint64(j), r, s, k0, k1)
        out[2 * j] = scale * a
        out[2 * j + 1] = scale * b
    if n % 2:
        a, _ = normal_pair(np.uint64(n // 2), r, s, k0, k1)
        out[n - 1] = scale * a


@nb.njit(nogil=True, cache=True)
def fill_outer(seed: int, law: int, scale: float, out: NDArray) -> None:
    """out[r] = scale · a_r; law, of network.OUTER_LAWS: ±1, ±1/√m, N(0, 1), or 0 and 1 [paper: Assumption 4]."""
    k0, k1 = np.uint64(seed) & MASK, np.uint64(seed) >> S32
    unit = scale / np.sqrt(out.size) if law == 1 else scale
    for r in range(out.size):
        if law == 2:
            out[r] = scale * normal_pair(np.uint64(0), np.uint64(r), np.uint64(OUTER), k0, k1)[0]
        else:
            bit = philox(np.uint64(0), np.uint64(r), np.uint64(OUTER), k0, k1)[0] & U1
            out[r] = unit if bit else (0.0 if law == 3 else -unit)


@nb.njit(nogil=True, cache=True)
def fill_uniforms(seed: int, stream: int, row: int, out: NDArray) -> None:
    """out[i] uniform in (0, 1), one block each."""
    k0, k1 = np.uint64(seed) & MASK, np.uint64(seed) >> S32
    for j in range(out.size):
        x0, x1, _, _ = philox(np.uint64(j), np.uint64(row), np.uint64(stream), k0, k1)
        out[j] = uniform(x0, x1)


@nb.njit(nogil=True, cache=True)
def fill_power_law(seed: int, amplitude: NDArray, out: NDArray) -> None:
    """Hartley coefficients (d,) of a signal with |x̂[k]| = amplitude[k], k = 0 ... d//2, and uniform random phases.

    Self-conjugate bins (k = 0; Nyquist for even d) get a random sign [paper: Section 2.1].
    """
    k0, k1 = np.uint64(seed) & MASK, np.uint64(seed) >> S32
    d = out.size
    root = np.sqrt(float(d))
    for k in range(amplitude.size):
        x0, _, x2, x3 = philox(np.uint64(k), np.uint64(0), np.uint64(PHASES), k0, k1)
        size = amplitude[k] / root
        if k == 0 or 2 * k == d:
            out[k] = size if x0 & U1 else -size
        else:
            c, s = turn(x2, x3)
            out[k] = size * (c - s)
            out[d - k] = size * (c + s)
