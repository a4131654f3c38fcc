"""exp and log1p for compiled loops, written so that LLVM turns the calling loop into SIMD code.

A call of the C library (`math.exp`) keeps a loop scalar unless Intel's SVML is installed. These are straight-line code
without branches, exact to 2 ulp, and inlined into the caller. They keep their accuracy under the fast-math flags
`contract`, `reassoc`, `arcp` and `nsz` of the caller: what must be rounded where it stands goes through LLVM's `rint`
and `fma`.
"""

from __future__ import annotations

from typing import Any

import numba as nb
from llvmlite import ir
from numba import extending
from numba.core import types

intrinsic: Any = extending.intrinsic  # its annotations count the typing context among a call's arguments

LOWEST = -708.0  # exp of less would be subnormal: given as 0
_LOG2_E = 1.4426950408889634
_LN2_HIGH, _LN2_LOW = 0.6931471805599453, 2.3190468138462996e-17  # their sum is ln 2 to 107 bits
_TO_INTEGER = 6755399441055744.0  # 1.5·2^52: in its sum with an integer k, the lowest bits are k


@intrinsic
def _round(_: Any, x: Any) -> Any:
    """The nearest integer as a float64."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        function = builder.module.declare_intrinsic("llvm.rint", [ir.DoubleType()])
        return builder.call(function, arguments)

    return types.float64(types.float64), generate


@intrinsic
def fused_multiply_add(_: Any, x: Any, y: Any, z: Any) -> Any:
    """x·y + z, rounded once."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.fma(*arguments)

    return types.float64(types.float64, types.float64, types.float64), generate


@intrinsic
def _power_of_two(_: Any, k: Any) -> Any:
    """2^k for an integer -1022 <= k <= 0, k given as the float64 `_TO_INTEGER + k`: k goes into the exponent's bits."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        word = ir.IntType(64)
        bits = builder.bitcast(arguments[0], word)
        biased = builder.add(bits, ir.Constant(word, 1023))
        return builder.bitcast(builder.shl(biased, ir.Constant(word, 52)), ir.DoubleType())

    return types.float64(types.float64), generate


@nb.njit(inline="always")
def exp_nonpositive(x: float) -> float:
    """e^x for x <= 0 within 2 ulp; 0 below `LOWEST`; NaN stays NaN. Not for x > 0."""
    bounded = LOWEST if x < LOWEST else x
    k = _round(bounded * _LOG2_E)
    r = fused_multiply_add(k, -_LN2_LOW, fused_multiply_add(k, -_LN2_HIGH, bounded))  # |r| <= ln(2) / 2
    # e^r = 1 + r + r²·q(r), q fitted at Chebyshev's nodes: relative error 1.6e-17
    q = 2.510038549551032e-08
    q = fused_multiply_add(q, r, 2.7620088445409746e-07)
    q = fused_multiply_add(q, r, 2.7557268459997064e-06)
    q = fused_multiply_add(q, r, 2.4801521295954376e-05)
    q = fused_multiply_add(q, r, 0.00019841269863053618)
    q = fused_multiply_add(q, r, 0.0013888888917213717)
    q = fused_multiply_add(q, r, 0.008333333333330062)
    q = fused_multiply_add(q, r, 0.04166666666662413)
    q = fused_multiply_add(q, r, 0.16666666666666669)
    q = fused_multiply_add(q, r, 0.5)
    power = fused_multiply_add(fused_multiply_add(q, r, 1.0), r, 1.0) * _power_of_two(k + _TO_INTEGER)
    return 0.0 if x < LOWEST else power


@nb.njit(inline="always")
def log1p_unit(z: float) -> float:
    """ln(1 + z) for 0 <= z <= 1 within 2 ulp; NaN stays NaN. Not for other z."""
    s = z / (2.0 + z)
    w = s * s
    # ln(1+z) = 2 artanh(s) = z - z²/2 + s·(z²/2 + w·p(w)), p fitted at Chebyshev's nodes: relative error 7.2e-18
    p = 0.1616404561194353
    p = fused_multiply_add(p, w, 0.08800738486144674)
    p = fused_multiply_add(p, w, 0.12001072809590713)
    p = fused_multiply_add(p, w, 0.13314144209654935)
    p = fused_multiply_add(p, w, 0.15385570064958623)
    p = fused_multiply_add(p, w, 0.18181789436132859)
    p = fused_multiply_add(p, w, 0.22222222717427864)
    p = fused_multiply_add(p, w, 0.2857142856710876)
    p = fused_multiply_add(p, w, 0.40000000000014585)
    p = fused_multiply_add(p, w, 0.6666666666666666)
    half_square = 0.5 * z * z
    return z + fused_multiply_add(s, fused_multiply_add(p, w, half_square), -half_square)
