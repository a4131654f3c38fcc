"""The convolutions in the emulator's check mode, and faults planted in copies of them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest

from deep_check.cuda.source import FAMILIES, source
from deep_check.ops import conv2d_tiles as tiles
from deep_check.ops.conv2d_cuda import Convolution, Epilogue, bits_shape
from tests.cuda.device import needs_compiler
from tests.cuda.emulator import EmulatorError
from tests.deep_check.cuda.convolutions import AWKWARD, TOLERANCE, Case, Runner, Shape, assert_correct, of_network
from tests.deep_check.cuda.device import EmulatedDevice
from tests.helpers import assert_close

MOST_SHARED = 113 << 10  # bytes: two blocks on a multiprocessor of Hopper, one on Ampere's
# With the stages' own blocks, of which these fill a part.
SMALL = [*AWKWARD, Shape(1, 3, 16, 5, 12), Shape(3, 13, 64, 8, 8), Shape(1, 13, 32, 16, 16, 2), Shape(1, 64, 5, 4, 4)]


@needs_compiler
@pytest.mark.parametrize("precision", TOLERANCE)
@pytest.mark.parametrize("order", [0, -1, 7])
def test_no_race_and_no_bound_passed(precision: str, order: int) -> None:
    device = EmulatedDevice("check", order=order)
    for shape in SMALL:
        assert_correct(device, Case(shape), precision)
    ran = {launch.kernel for launch in device.launches}
    family = "conv2d" if precision == "float32" else "conv2d_mma"
    own = {
        name for name in FAMILIES[family].kernels if precision == "float32" or ("true" in name) == (precision == "bf16")
    }
    assert own <= ran


@needs_compiler
@pytest.mark.parametrize("precision", TOLERANCE)
@pytest.mark.parametrize("order", [0, -1, 7])
def test_no_race_in_the_epilogues(precision: str, order: int) -> None:
    """All arrays at once, each of the exact size; rows of whole and of broken bytes."""
    device, generator = EmulatedDevice("check", order=order), np.random.default_rng(3)
    for shape in (Shape(3, 6, 8, 5, 8), Shape(1, 6, 8, 5, 13), Shape(1, 6, 12, 5, 8, 2), Shape(2, 6, 12, 4, 7, 2)):
        case = Case(shape)
        runner = Runner(device, case, precision)
        n, channels, height, width = case.d_y.shape
        bias, border = np.ones(channels, np.float32), np.ones(shape.in_channels, np.float32)
        larger = generator.standard_normal((n, channels // 2, 2 * height, 2 * width - 1), dtype=np.float32)
        bits = device.full(bits_shape(case.d_y.shape), 0, np.uint8)
        for residual in (larger, case.d_y):
            y = runner.forward(Epilogue("forward", bias, residual, bits, border if shape.stride == 1 else None))
            np.testing.assert_array_equal(bits, np.packbits(y > 0, axis=-1, bitorder="little"))
        n, channels, height, width = case.x.shape
        smaller = np.zeros((n, 2 * channels, -(-height // 2), -(-width // 2)), np.float32)
        bits = device.full(bits_shape(case.x.shape), 0xFF, np.uint8)
        for residual in (smaller, np.zeros_like(case.x)):
            d_x = runner.input_gradient(Epilogue("backward", residual=residual, bits=bits))
            assert_close("d_x", d_x, case.d_x, TOLERANCE[precision])


class Fault(NamedTuple):
    """A change at one place of a family's source, and the convolution that must find it."""

    part: str
    shape: Shape
    before: str
    after: str = ""
    precision: str = "float32"


THREE_CHUNKS = Shape(1, 12, 16, 8, 32)
WIDE, STAGE_3 = Shape(1, 16, 16, 16, 32), Shape(3, 13, 64, 8, 8)
BACK_2 = Shape(1, 16, 12, 8, 32, 2)
MANY = Shape(140, 2, 8, 8, 8)  # more tiles than parts, so that a block has a second one
# Found by the emulator's checks.
UNSAFE = {
    "sums begin before the stage is there": Fault("forward", WIDE, "__syncthreads();  // the stage is complete"),
    "stage overwritten while in use": Fault(
        "forward", THREE_CHUNKS, "__syncthreads();  // nobody still reads the stage"
    ),
    "gradient begins before the chunk is there": Fault(
        "input_gradient", BACK_2, "__syncthreads();  // the chunk is complete"
    ),
    "chunk overwritten while in use": Fault(
        "input_gradient", BACK_2, "__syncthreads();  // nobody still reads the chunk"
    ),
    "unit summed before it is there": Fault("weight_gradient", WIDE, "__syncthreads();  // the unit is complete"),
    "unit overwritten while in use": Fault("weight_gradient", MANY, "__syncthreads();  // nobody still reads the unit"),
    "team's sums read before they are there": Fault(
        "weight_gradient", WIDE, "__syncthreads();  // the team's sums are there"
    ),
    "team's sums overwritten while in use": Fault("weight_gradient", WIDE, "__syncthreads();  // and have been added"),
    "a channel too many": Fault("weight_gradient", Shape(1, 2, 9, 8, 8), "if (first_out + o + a < out_channels)"),
    "a part too many": Fault("weight_gradient", WIDE, "part < n_parts", "part <= n_parts"),
    "packed beyond the end": Fault("forward", Shape(1, 4, 4, 5, 13), "if (i >= terms * 9 * row_length) return;"),
    "a row of the picture too many": Fault(
        "forward", Shape(1, 3, 16, 13, 32), "y < height && x < width;", "x < width;"
    ),
    "columns beyond the row's end": Fault(
        "forward", Shape(1, 4, 4, 5, 13), "inside ? min(V, out.width - column) : 0", "inside ? V : 0"
    ),
    "words multiplied before they are there": Fault(
        "forward", WIDE, "__syncthreads();  // the words are there", precision="bf16"
    ),
    "words overwritten while in use": Fault(
        "forward", THREE_CHUNKS, "__syncthreads();  // nobody still reads them", precision="tf32"
    ),
    "chunk's words multiplied before they are there": Fault(
        "input_gradient", BACK_2, "__syncthreads();  // the chunk's words are there", precision="tf32"
    ),
}
# Found by the numbers.
WRONG = {
    "copies not waited for": Fault("forward", THREE_CHUNKS, "copy_wait<1>();", "copy_wait<2>();"),
    "taps transposed": Fault("forward", WIDE, "(3 * i + j) * CHANNELS, v + j", "(3 * j + i) * CHANNELS, v + j"),
    "halo of the wrong side": Fault(
        "forward", WIDE, "if (RIGHT) v[SEEN - 1] = line[4];", "if (RIGHT) v[SEEN - 1] = line[-1];"
    ),
    "taps not turned": Fault("input_gradient", WIDE, "(flipped ? 8 - tap : tap)", "tap"),
    "image of the neighbour": Fault("forward", STAGE_3, "first_image + i < n ? first_image + i", "first_image"),
    "parities swapped": Fault(
        "input_gradient", BACK_2, "const int p = 2 * q + (j != 1);", "const int p = 2 * q + (j == 1);"
    ),
    "later output for the wrong tap": Fault("input_gradient", BACK_2, "v[i == 0] + (j == 0)", "v[i == 2] + (j == 0)"),
    "rows summed by no team": Fault(
        "weight_gradient", WIDE, "int row = team; row < ROWS", "int row = team + 1; row < ROWS"
    ),
    "column before the four forgotten": Fault("weight_gradient", WIDE, "left[i] = v[4 * STRIDE];"),
    "channels exchanged": Fault(
        "weight_gradient",
        WIDE,
        "d_weights[(o * in_channels + c) * 9 + tap]",
        "d_weights[(c * in_channels + o) * 9 + tap]",
    ),
    "words of the wrong lane": Fault("forward", WIDE, "a[2] = mine[4 * ROW]", "a[2] = mine[3 * ROW]", "tf32"),
    "halves of a word swapped": Fault(
        "forward",
        WIDE,
        "{d[m][s][2 * half], d[m][s][2 * half + 1]};",
        "{d[m][s][2 * half + 1], d[m][s][2 * half]};",
        "bf16",
    ),
    "taps of the tensor core's gradient": Fault(
        "input_gradient", BACK_2, "(row + (i == 0)) * PITCH", "(row + (i == 2)) * PITCH", "tf32"
    ),
}


def run(fault: Fault, device: EmulatedDevice) -> None:
    case = Case(fault.shape)
    runner = Runner(device, case, fault.precision)
    expected = {"forward": "y", "input_gradient": "d_x", "weight_gradient": "d_weights"}[fault.part]
    assert_close(expected, getattr(runner, fault.part)(), getattr(case, expected), TOLERANCE[fault.precision])


def with_fault(fault: Fault, mode: str) -> EmulatedDevice:
    """Compiles the kernels that the convolution launches, and no others; without the fault they are right."""
    right = EmulatedDevice(mode)
    run(fault, right)
    family = "conv2d" if fault.precision == "float32" else "conv2d_mma"
    code = source(family)
    assert fault.before in code
    return EmulatedDevice(
        mode,
        code={family: code.replace(fault.before, fault.after)},
        only=sorted({launch.kernel for launch in right.launches}),
    )


@needs_compiler
@pytest.mark.parametrize("name", UNSAFE)
def test_unsafe_code_is_found_by_the_checks(name: str) -> None:
    with pytest.raises(EmulatorError, match=r"race|uninitialised|out-of-bounds|misaligned"):
        run(UNSAFE[name], with_fault(UNSAFE[name], "check"))


@needs_compiler
@pytest.mark.parametrize("name", WRONG)
def test_wrong_code_is_found_by_the_numbers(name: str) -> None:
    with pytest.raises(AssertionError):
        run(WRONG[name], with_fault(WRONG[name], "fast"))


def test_shared_memory_leaves_room_for_two_blocks() -> None:
    for shape in of_network(1):
        conv = Convolution(*shape[1:])
        chosen = [
            tiles.tile_for(shape.stride, conv.out_channels, conv.out_width).shared(conv.in_channels),
            tiles.weight_tile_for(shape.stride, conv.in_channels, conv.out_width).shared,
            tiles.mma_tile_for("tf32", shape.stride, conv.out_channels, conv.out_width).shared(conv.in_channels),
        ]
        assert max(chosen) <= MOST_SHARED
