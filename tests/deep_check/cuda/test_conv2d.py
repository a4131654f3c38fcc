"""The CUDA convolutions beside float64: in the emulator, on a device under the marker `gpu`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from deep_check.cuda.device import Device
from deep_check.ops import conv2d_cuda, conv2d_tiles
from deep_check.ops.conv2d_cuda import Convolution, Epilogue, bits_shape
from deep_check.ops.shortcut_reference import shortcut, shortcut_gradient
from tests.cuda.device import needs_compiler
from tests.deep_check.cuda.convolutions import (
    AWKWARD,
    TOLERANCE,
    Case,
    Runner,
    Shape,
    assert_correct,
    assert_power,
    of_network,
    rounded,
)
from tests.deep_check.cuda.device import DEVICES, EmulatedDevice, open_device
from tests.helpers import assert_close, assert_differs
from theory_sim.errors import InputError

LOW = ("tf32", "bf16")
STAGE_1, INTO_2 = Shape(2, 16, 16, 32, 32), Shape(2, 16, 32, 32, 32, 2)
ODD, ODD_2 = Shape(3, 6, 8, 11, 13), Shape(3, 6, 12, 11, 13, 2)


@pytest.fixture(scope="module", params=DEVICES)
def device(request: pytest.FixtureRequest) -> Device:
    """The emulator, and a CUDA device if there is one."""
    return open_device(request.param)


@pytest.mark.parametrize("shape", of_network(3), ids=str)
@pytest.mark.parametrize("precision", TOLERANCE)
def test_numbers_at_the_networks_shapes(device: Device, shape: Shape, precision: str) -> None:
    """In the blocks that production selects; three images, so that a block with two has one alone."""
    case = Case(shape)
    assert_correct(device, case, precision)
    assert_power(case, precision)


@pytest.mark.parametrize("shape", AWKWARD, ids=str)
@pytest.mark.parametrize("precision", TOLERANCE)
def test_numbers_at_awkward_shapes(device: Device, shape: Shape, precision: str) -> None:
    assert_correct(device, Case(shape), precision)


def test_production_selects_a_block_for_each_stage() -> None:
    """No pixel and no channel of a block is idle, and all channels are in one block: activations are read once."""
    chosen = set()
    for shape in of_network(4):
        conv = Convolution(*shape[1:])
        for stride, channels, height, width in (
            (shape.stride, conv.out_channels, conv.out_height, conv.out_width),
            (1, conv.in_channels, conv.height, conv.width),
        ):
            tile: Any = conv2d_tiles.tile_for(stride, channels, width)
            if (channels, height) == (conv.in_channels, conv.height) and shape.stride == 2:
                tile = conv2d_tiles.gradient_tile_for(channels, width)
            assert height % tile.rows == 0
            assert width == tile.columns
            assert tile.grid(4, channels, height, width)[1] == 1
            assert tile.channels - channels < 4
            chosen.add(tile.kernel)
    assert len(chosen) == 8
    for table in (conv2d_tiles.STRIDE_1, conv2d_tiles.STRIDE_2, conv2d_tiles.STRIDE_2_GRADIENT):
        assert chosen.issuperset(tile.kernel for _, _, tile in table)


@pytest.mark.parametrize("shape", [STAGE_1, INTO_2, ODD, ODD_2], ids=str)
def test_gradients_are_adjoints(device: Device, shape: Shape) -> None:
    """⟨d_y, conv(x; w)⟩ = ⟨d_x, x⟩ = ⟨d_w, w⟩."""
    case = Case(shape)
    runner = Runner(device, case)
    y, d_x, d_weights = runner.forward(), runner.input_gradient(), runner.weight_gradient()
    products = [np.vdot(a.astype(float), b) for a, b in ((y, case.d_y), (d_x, case.x), (d_weights, case.weights))]
    scale = float(np.linalg.norm(case.d_y) * np.linalg.norm(case.y))
    assert_close("⟨d_x, x⟩", products[1], products[0], "convolution", scale=scale)
    assert_close("⟨d_w, w⟩", products[2], products[0], "convolution", scale=scale)


@pytest.mark.parametrize("shape", [STAGE_1, Shape(3, 64, 64, 8, 8), ODD, INTO_2, ODD_2], ids=str)
@pytest.mark.parametrize("residual_kind", ["none", "same", "other end"])
@pytest.mark.parametrize("precision", TOLERANCE)
def test_epilogue_of_the_forward_convolution(device: Device, shape: Shape, residual_kind: str, precision: str) -> None:
    case, generator = Case(shape), np.random.default_rng(5)
    n, channels, height, width = case.d_y.shape
    bias = generator.standard_normal(channels, dtype=np.float32)
    larger = (n, channels // 2, 2 * height - 1, 2 * width)  # both halves of "ceil(h / 2) rows"
    residual = {
        "none": None,
        "same": generator.standard_normal(case.d_y.shape, dtype=np.float32),
        "other end": generator.standard_normal(larger, dtype=np.float32),
    }[residual_kind]
    added: Any = 0.0 if residual is None else shortcut(residual) if residual_kind == "other end" else residual
    added = 4 * added  # visible beside the sums in every precision
    expected = case.y + bias[:, None, None] + added
    bits = device.full(bits_shape(case.d_y.shape), 0xFF, np.uint8)
    sent = None if residual is None else device.send(4 * residual)
    runner = Runner(device, case, precision)
    y = runner.forward(Epilogue("forward", device.send(bias), sent, bits))
    assert_close("y", y, np.maximum(expected, 0), TOLERANCE[precision])
    assert_close("bits", device.fetch(bits), np.packbits(y > 0, axis=-1, bitorder="little"), "exact")
    if residual is not None:
        assert_differs("y without residual", np.maximum(expected - added, 0), np.maximum(expected, 0), "convolution")
        raw = runner.forward(Epilogue(residual=sent))
        assert_close("raw", raw, expected - bias[:, None, None], TOLERANCE[precision])


@pytest.mark.parametrize("shape", [STAGE_1, Shape(3, 64, 64, 8, 8), ODD, INTO_2, ODD_2], ids=str)
@pytest.mark.parametrize("residual_kind", ["none", "same", "other end"])
@pytest.mark.parametrize("precision", TOLERANCE)
def test_epilogue_of_the_input_gradient(device: Device, shape: Shape, residual_kind: str, precision: str) -> None:
    case, generator = Case(shape), np.random.default_rng(6)
    n, channels, height, width = case.x.shape
    smaller = (n, 2 * channels, -(-height // 2), -(-width // 2))
    residual = {
        "none": None,
        "same": generator.standard_normal(case.x.shape, dtype=np.float32),
        "other end": generator.standard_normal(smaller, dtype=np.float32),
    }[residual_kind]
    added: Any = 0.0 if residual is None else residual
    if residual is not None and residual_kind == "other end":
        added = shortcut_gradient(residual, case.size)
    mask = generator.random(case.x.shape) < 0.5
    bits = device.send(np.packbits(mask, axis=-1, bitorder="little"))
    sent = None if residual is None else device.send(residual)
    runner = Runner(device, case, precision)
    d_x = runner.input_gradient(Epilogue("backward", residual=sent, bits=bits))
    assert_close("d_x", d_x, np.where(mask, case.d_x + added, 0), TOLERANCE[precision])
    assert (d_x[~mask] == 0).all()
    assert_differs("without the mask", case.d_x + added, np.where(mask, case.d_x + added, 0), TOLERANCE[precision])
    raw = runner.input_gradient(Epilogue(residual=sent))
    assert_close("raw", raw, case.d_x + added, TOLERANCE[precision])


@pytest.mark.parametrize("shape", [Shape(2, 3, 16, 32, 32), Shape(1, 3, 5, 7, 9), Shape(1, 19, 5, 7, 8)], ids=str)
@pytest.mark.parametrize("precision", TOLERANCE)
def test_border_other_than_zero(device: Device, shape: Shape, precision: str) -> None:
    """Where the input's normalisation is folded in, the padding is the mean of each channel."""
    case = Case(shape)
    border = np.linspace(-1, 2, shape.in_channels).astype(np.float32)
    centred = Case(shape)
    centred.x[...] -= border[:, None, None]
    constant = np.einsum("ocij,c->o", case.weights.astype(float), border)[:, None, None]
    y = Runner(device, case, precision).forward(Epilogue(border=device.send(border)))
    assert_close("y", y, centred.y + constant, TOLERANCE[precision])
    assert_differs("y with zeros around", case.y, centred.y + constant, "convolution")


@pytest.mark.parametrize("precision", LOW)
@pytest.mark.parametrize("shape", of_network(2), ids=str)
def test_tensor_cores_round_once(device: Device, shape: Shape, precision: str) -> None:
    """Beside float64 on rounded numbers nothing but the sums' own rounding is left."""
    case, exact = Case(shape), Case(shape)
    for array in (exact.x, exact.weights, exact.d_y):
        array[...] = rounded(array, precision)
    runner = Runner(device, case, precision)
    assert_close("y", runner.forward(), exact.y, "convolution_tensor_core_sums")
    assert_close("d_x", runner.input_gradient(), exact.d_x, "convolution_tensor_core_sums")
    assert np.abs(exact.y - case.y).max() > 1e-4 * np.abs(case.y).max()


@pytest.mark.parametrize("shape", [STAGE_1, INTO_2, Shape(5, 64, 64, 8, 8), ODD_2], ids=str)
@pytest.mark.parametrize("precision", TOLERANCE)
def test_same_bits_again(device: Device, shape: Shape, precision: str) -> None:
    """Twice the same; in the emulator also with the threads in another order; and an image alone as in its batch."""
    case = Case(shape)
    runners = [Runner(device, case, precision), Runner(device, case, precision)]
    if isinstance(device, EmulatedDevice):
        runners.append(Runner(EmulatedDevice(order=-1), case, precision))
    for name in ("forward", "input_gradient", "weight_gradient"):
        first, *others = (getattr(runner, name)() for runner in runners)
        for other in others:
            np.testing.assert_array_equal(other, first)
    alone = Case(shape._replace(n=1))
    alone.x[...], alone.d_y[...], alone.weights[...] = case.x[1:2], case.d_y[1:2], case.weights
    np.testing.assert_array_equal(Runner(device, alone, precision).forward(), runners[0].forward()[1:2])
    np.testing.assert_array_equal(Runner(device, alone, precision).input_gradient(), runners[0].input_gradient()[1:2])


def test_residual_in_place(device: Device) -> None:
    """The output may take the residual's place."""
    case = Case(STAGE_1)
    convolution = Convolution(*STAGE_1[1:])
    packed = device.empty(convolution.packed_shape, np.float32)
    convolution.pack(device, device.send(case.weights), packed)
    y = device.send(case.d_y)
    convolution.forward(device, device.send(case.x), packed, y, Epilogue(residual=y))
    assert_close("y", device.fetch(y), case.y + case.d_y, "convolution")


def test_nan_spreads_to_what_saw_it(device: Device) -> None:
    case = Case(ODD)
    case.x[1, 2, 5, 6] = np.nan
    bits = device.full(bits_shape(case.d_y.shape), 0, np.uint8)
    y = Runner(device, case).forward(Epilogue("forward", bits=bits))
    seen = np.zeros(y.shape, bool)
    seen[1, :, 4:7, 5:8] = True
    np.testing.assert_array_equal(np.isnan(y), seen)


def test_functions_that_allocate(device: Device) -> None:
    case = Case(ODD_2)
    x, weights, d_y = (device.send(array) for array in (case.x, case.weights, case.d_y))
    y = conv2d_cuda.conv2d(device, x, weights, 2)
    d_x = conv2d_cuda.conv2d_input_gradient(device, d_y, weights, case.size, 2)
    d_weights = conv2d_cuda.conv2d_weight_gradient(device, x, d_y, 2)
    for name, actual, expected in (("y", y, case.y), ("d_x", d_x, case.d_x), ("d_weights", d_weights, case.d_weights)):
        assert_close(name, device.fetch(actual), expected, "convolution")


@needs_compiler
def test_what_does_not_fit_is_said() -> None:
    device, case = EmulatedDevice(), Case(ODD)
    with pytest.raises(InputError, match="stride 3: allowed is 1, 2"):
        Convolution(1, 1, 4, 4, 3)
    with pytest.raises(InputError, match="precision 'half': allowed is float32, tf32, bf16"):
        Convolution(1, 1, 4, 4, 1, "half")
    with pytest.raises(InputError, match=r"weights of shape \(8, 6, 3, 3\): allowed is \(co, 5, 3, 3\)"):
        conv2d_cuda.conv2d(device, np.ascontiguousarray(case.x[:, :5]), case.weights)
    with pytest.raises(InputError, match=r"residual of shape \(3, 8, 11, 12\): allowed is \(3, 8, 11, 13\) or"):
        Runner(device, case).forward(Epilogue(residual=np.zeros((3, 8, 11, 12), np.float32)))
