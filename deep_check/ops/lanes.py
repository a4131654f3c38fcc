"""SIMD vectors for Numba: `LANES` float32 numbers, one image a lane, in one register.

Kernels of the CPU keep activations as (channel, row, column, lane): what is done to a pixel is done to the same pixel
of LANES images at once, so that neither a shuffle nor a remainder loop is ever needed. Numba vectorises loops only
where LLVM proves them safe; a vector type says what is meant. Arrays are flat float32 and indices count elements, with
neither wrap-around nor bounds checks. LLVM splits a vector into the registers that a machine has, so that the code
runs anywhere; LANES only says what pays.

A tile is a tuple of vectors that stay in registers through a loop: the functions `..._tile` are unrolled over it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import llvmlite.binding as llvm
import numba as nb
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, register_model

from theory_sim.errors import require

CHOICES = (8, 16)


def _choose() -> int:
    """16 lanes where registers of 512 bits exist, else 8; DEEP_CHECK_LANES overrides."""
    asked = os.environ.get("DEEP_CHECK_LANES")
    if asked:
        require(asked in map(str, CHOICES), f"DEEP_CHECK_LANES={asked}: allowed are 8, 16")
        return int(asked)
    return 16 if llvm.get_host_cpu_features().get("avx512f") else 8


LANES = _choose()


class _VectorType(types.Type):
    def __init__(self) -> None:
        super().__init__(f"float32x{LANES}")


vector = _VectorType()
_FLOAT, _INT32 = ir.FloatType(), ir.IntType(32)
_VECTOR = ir.VectorType(_FLOAT, LANES)
_BITS = ir.IntType(LANES)
bits = types.uint16 if LANES == 16 else types.uint8  # one bit a lane
# NaN and infinity keep their meaning; a * b + c may be fused.
_FLAGS = ("contract",)


@register_model(_VectorType)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _VECTOR)


def _address(context: Any, builder: Any, array_type: Any, array: Any, index: Any, kind: Any) -> Any:
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [index]), kind.as_pointer())


def _load(context: Any, builder: Any, array_type: Any, array: Any, index: Any, kind: Any = _VECTOR) -> Any:
    return builder.load(_address(context, builder, array_type, array, index, kind), align=4)


def _splat(builder: Any, number: Any) -> Any:
    undefined = ir.Constant(_VECTOR, ir.Undefined)
    first = builder.insert_element(undefined, number, _INT32(0))
    return builder.shuffle_vector(first, undefined, ir.Constant(ir.VectorType(_INT32, LANES), [0] * LANES))


def _zero() -> Any:
    return ir.Constant(_VECTOR, [0.0] * LANES)


def _fma(builder: Any, a: Any, b: Any, c: Any) -> Any:
    kind = ir.FunctionType(_VECTOR, [_VECTOR] * 3)
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, f"llvm.fma.v{LANES}f32"), [a, b, c])


def _total(builder: Any, v: Any) -> Any:
    n = LANES
    while n > 1:
        n //= 2
        kind = ir.VectorType(_INT32, n)
        low = builder.shuffle_vector(v, v, ir.Constant(kind, list(range(n))))
        high = builder.shuffle_vector(v, v, ir.Constant(kind, list(range(n, 2 * n))))
        v = builder.fadd(low, high)
    return builder.extract_element(v, _INT32(0))


def _totals(builder: Any, vectors: list[Any]) -> Any:
    """Of LANES vectors a vector whose lane n is the sum of vector n.

    Step d joins vectors d apart: of each the lanes with bit d clear and set are added, which leaves half of them, and
    the other vector's halves take the lanes that became free.
    """
    d = 1
    while len(vectors) > 1:
        joined = []
        for a, b in zip(vectors[::2], vectors[1::2], strict=True):
            low = [lane if not lane & d else LANES + lane - d for lane in range(LANES)]
            high = [lane + d if not lane & d else LANES + lane for lane in range(LANES)]
            kind = ir.VectorType(_INT32, LANES)
            parts = [builder.shuffle_vector(a, b, ir.Constant(kind, order)) for order in (low, high)]
            joined.append(builder.fadd(*parts))
        vectors, d = joined, 2 * d
    return vectors[0]


def _offset(builder: Any, index: Any, step: Any, n: int) -> Any:
    return builder.add(index, builder.mul(step, ir.Constant(step.type, n)))


@intrinsic
def load(_: Any, array: Any, i: Any) -> Any:
    """array[i : i + LANES]."""

    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return _load(context, builder, signature.args[0], values[0], values[1])

    return vector(array, types.intp), emit


@intrinsic
def store(_: Any, array: Any, i: Any, v: Any) -> Any:
    """array[i : i + LANES] = v."""

    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        place = _address(context, builder, signature.args[0], values[0], values[1], _VECTOR)
        builder.store(values[2], place, align=4)
        return context.get_dummy_value()

    return types.void(array, types.intp, vector), emit


@intrinsic
def broadcast(_: Any, array: Any, i: Any) -> Any:
    """array[i] in every lane."""

    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return _splat(builder, _load(context, builder, signature.args[0], values[0], values[1], _FLOAT))

    return vector(array, types.intp), emit


@intrinsic
def splat(_: Any, number: Any) -> Any:
    """A number, rounded to float32, in every lane."""

    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return _splat(builder, context.cast(builder, values[0], signature.args[0], types.float32))

    return vector(number), emit


def _elementwise(name: str, what: str) -> Any:
    def declare(_: Any, a: Any, b: Any) -> Any:
        def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            return getattr(builder, name)(*values, flags=_FLAGS)

        return vector(vector, vector), emit

    declare.__doc__ = what
    return intrinsic(declare)


add = _elementwise("fadd", "a + b.")
sub = _elementwise("fsub", "a - b.")
mul = _elementwise("fmul", "a · b.")
div = _elementwise("fdiv", "a / b.")


@intrinsic
def fma(_: Any, a: Any, b: Any, c: Any) -> Any:
    """a · b + c, rounded once."""

    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return _fma(builder, *values)

    return vector(vector, vector, vector), emit


@intrinsic
def total(_: Any, v: Any) -> Any:
    """Sum over the lanes, in pairs of halves: float32."""

    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return _total(builder, values[0])

    return types.float32(vector), emit


@intrinsic
def positive(_: Any, v: Any) -> Any:
    """Bit i is set where lane i is > 0."""

    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.bitcast(builder.fcmp_ordered(">", values[0], _zero()), _BITS)

    return bits(vector), emit


@intrinsic
def keep(_: Any, mask: Any, v: Any) -> Any:
    """Where bit i of the mask is set lane i of v, else 0."""

    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        chosen = builder.bitcast(values[0], ir.VectorType(ir.IntType(1), LANES))
        return builder.select(chosen, values[1], _zero())

    return vector(bits, vector), emit


@intrinsic
def relu(_: Any, v: Any) -> Any:
    """max(v, 0); NaN stays NaN, so that a net that has blown up shows it."""

    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.select(builder.fcmp_ordered("<=", values[0], _zero()), _zero(), values[0])

    return vector(vector), emit


def _tile_type(n: int) -> Any:
    return types.UniTuple(vector, n)


def _pack(builder: Any, items: list[Any]) -> Any:
    return cgutils.pack_array(builder, items)


def _unpack(builder: Any, tile: Any) -> list[Any]:
    return [builder.extract_value(tile, i) for i in range(tile.type.count)]


@intrinsic(prefer_literal=True)
def zero_tile(_: Any, columns: Any) -> Any:
    """A tile of 4 rows of zeros; columns is a literal."""
    count = 4 * columns.literal_value

    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return _pack(builder, [_zero()] * count)

    return _tile_type(count)(columns), emit


@intrinsic(prefer_literal=True)
def broadcast_tile(_: Any, array: Any, i: Any, columns: Any) -> Any:
    """A tile of 4 rows: array[i + row] in every lane of a row; columns is a literal."""
    n_columns = columns.literal_value

    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        items: list[Any] = []
        for row in range(4):
            index = builder.add(values[1], ir.Constant(values[1].type, row))
            items += [_splat(builder, _load(context, builder, signature.args[0], values[0], index, _FLOAT))] * n_columns
        return _pack(builder, items)

    return _tile_type(4 * n_columns)(array, types.intp, columns), emit


@intrinsic
def multiply_tile(_: Any, tile: Any, weights: Any, w: Any, x: Any, i: Any, step: Any) -> Any:
    """tile[r, c] += weights[w + r] · x[i + c·step ...], 4 rows: the inner step of a matrix product."""

    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        _, weights_type, _, x_type, _, _ = signature.args
        items = _unpack(builder, values[0])
        n_columns = len(items) // 4
        columns = [
            _load(context, builder, x_type, values[3], _offset(builder, values[4], values[5], c))
            for c in range(n_columns)
        ]
        for r in range(4):
            index = builder.add(values[2], ir.Constant(values[2].type, r))
            weight = _splat(builder, _load(context, builder, weights_type, values[1], index, _FLOAT))
            for c in range(n_columns):
                items[r * n_columns + c] = _fma(builder, weight, columns[c], items[r * n_columns + c])
        return _pack(builder, items)

    return tile(tile, weights, types.intp, x, types.intp, types.intp), emit


@intrinsic(prefer_literal=True)
def taps_tile(_: Any, tile: Any, weights: Any, w: Any, x: Any, i: Any, stride: Any) -> Any:
    """tile[r, c] += Σ_k weights[w + 4·k + r] · x[i + (stride·c + k)·LANES ...], k = 0 ... 2: one row of a 3x3 kernel.

    4 rows (output channels), the columns are pixels; stride is a literal. Each pixel is loaded once.
    """
    s = stride.literal_value

    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        _, weights_type, _, x_type, _, _ = signature.args
        items = _unpack(builder, values[0])
        n_columns = len(items) // 4
        kind = values[4].type
        pixels = [
            _load(context, builder, x_type, values[3], builder.add(values[4], ir.Constant(kind, n * LANES)))
            for n in range(s * (n_columns - 1) + 3)
        ]
        for k in range(3):
            for r in range(4):
                index = builder.add(values[2], ir.Constant(kind, 4 * k + r))
                weight = _splat(builder, _load(context, builder, weights_type, values[1], index, _FLOAT))
                for c in range(n_columns):
                    items[r * n_columns + c] = _fma(builder, weight, pixels[s * c + k], items[r * n_columns + c])
        return _pack(builder, items)

    return tile(tile, weights, types.intp, x, types.intp, stride), emit


@intrinsic(prefer_literal=True)
def sum_tile(_: Any, rows: Any, columns: Any) -> Any:
    """A tile of zeros for `outer_taps_tile`: rows x columns x 3 taps; both are literals."""
    count = 3 * rows.literal_value * columns.literal_value

    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return _pack(builder, [_zero()] * count)

    return _tile_type(count)(rows, columns), emit


@intrinsic(prefer_literal=True)
def outer_taps_tile(_: Any, tile: Any, rows: Any, a: Any, i: Any, a_step: Any, b: Any, j: Any, b_step: Any) -> Any:
    """tile[r, c, k] += a[i + r·a_step ...] · b[j + c·b_step + k·LANES ...], k = 0 ... 2; rows is a literal."""
    n_rows = rows.literal_value

    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        _, _, a_type, _, _, b_type, _, _ = signature.args
        items = _unpack(builder, values[0])
        n_columns = len(items) // n_rows  # pairs of column and tap
        kind = values[6].type
        columns = []
        for n in range(n_columns):
            index = builder.add(_offset(builder, values[6], values[7], n // 3), ir.Constant(kind, n % 3 * LANES))
            columns.append(_load(context, builder, b_type, values[5], index))
        for r in range(n_rows):
            row = _load(context, builder, a_type, values[2], _offset(builder, values[3], values[4], r))
            for n in range(n_columns):
                items[r * n_columns + n] = _fma(builder, row, columns[n], items[r * n_columns + n])
        return _pack(builder, items)

    return tile(tile, rows, a, types.intp, types.intp, b, types.intp, types.intp), emit


@intrinsic(prefer_literal=True)
def add_totals(_: Any, array: Any, i: Any, step: Any, columns: Any, tile: Any) -> Any:
    """array[i + r·step + n] += the sum over the lanes of tile[r, n], n = 0 ... 3·columns - 1; columns is a literal."""
    n_columns = 3 * columns.literal_value

    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        for n, item in enumerate(_unpack(builder, values[4])):
            r, c = divmod(n, n_columns)
            index = builder.add(_offset(builder, values[1], values[2], r), ir.Constant(values[1].type, c))
            place = _address(context, builder, signature.args[0], values[0], index, _FLOAT)
            builder.store(builder.fadd(builder.load(place), _total(builder, item)), place)
        return context.get_dummy_value()

    return types.void(array, types.intp, types.intp, columns, tile), emit


@intrinsic
def outer_tile(_: Any, tile: Any, a: Any, i: Any, a_step: Any, b: Any, j: Any, b_step: Any) -> Any:
    """tile[r, c] += a[i + r·a_step ...] · b[j + c·b_step ...], lane by lane, 4 rows."""

    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        _, a_type, _, _, b_type, _, _ = signature.args
        items = _unpack(builder, values[0])
        n_columns = len(items) // 4
        columns = [
            _load(context, builder, b_type, values[4], _offset(builder, values[5], values[6], c))
            for c in range(n_columns)
        ]
        for r in range(4):
            row = _load(context, builder, a_type, values[1], _offset(builder, values[2], values[3], r))
            for c in range(n_columns):
                items[r * n_columns + c] = _fma(builder, row, columns[c], items[r * n_columns + c])
        return _pack(builder, items)

    return tile(tile, a, types.intp, types.intp, b, types.intp, types.intp), emit


@intrinsic
def add_all_totals(_: Any, array: Any, i: Any, tile: Any) -> Any:
    """array[i + n] += the sum over the lanes of item n of a tile of 16, LANES of these sums at once."""

    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        items = _unpack(builder, values[2])
        for first in range(0, len(items), LANES):
            place = builder.add(values[1], ir.Constant(values[1].type, first))
            sums = _totals(builder, items[first : first + LANES])
            pointer = _address(context, builder, signature.args[0], values[0], place, _VECTOR)
            builder.store(builder.fadd(builder.load(pointer, align=4), sums), pointer, align=4)
        return context.get_dummy_value()

    return types.void(array, types.intp, tile), emit


@intrinsic
def store_tile(_: Any, array: Any, i: Any, row_step: Any, column_step: Any, tile: Any) -> Any:
    """array[i + r·row_step + c·column_step ...] = tile[r, c], 4 rows."""

    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        array_type = signature.args[0]
        for n, item in enumerate(_unpack(builder, values[4])):
            r, c = divmod(n, values[4].type.count // 4)
            index = _offset(builder, _offset(builder, values[1], values[2], r), values[3], c)
            builder.store(item, _address(context, builder, array_type, values[0], index, _VECTOR), align=4)
        return context.get_dummy_value()

    return types.void(array, types.intp, types.intp, types.intp, tile), emit


_OPTIONS = {"nogil": True, "cache": True, "boundscheck": False, "error_model": "numpy", "fastmath": {"contract"}}


def kernel(function: Callable[..., Any]) -> Any:
    """Compile for flat arrays: no GIL, no bounds checks, IEEE arithmetic with a·b + c fused."""
    return nb.njit(**_OPTIONS)(function)


def part(function: Callable[..., Any]) -> Any:
    """Compile a piece of kernels, written into each of them: a vector never passes through memory for it."""
    return nb.njit(**_OPTIONS, inline="always")(function)
