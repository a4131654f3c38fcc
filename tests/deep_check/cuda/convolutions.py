"""Convolutions of the tests: their shapes, random numbers of those shapes, and both engines' answers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from deep_check.architecture import Architecture
from deep_check.cuda.device import Device
from deep_check.ops import conv2d_reference as reference
from deep_check.ops.conv2d_cuda import RAW, Convolution, Epilogue
from tests.helpers import assert_close, assert_differs

Array = NDArray[Any]
TOLERANCE = {"float32": "convolution", "tf32": "convolution_tf32", "bf16": "convolution_bf16"}


class Shape(NamedTuple):
    """n images (in_channels, height, width) convolved into out_channels."""

    n: int
    in_channels: int
    out_channels: int
    height: int
    width: int
    stride: int = 1

    def __str__(self) -> str:
        return f"{self.in_channels}x{self.height}x{self.width}-to-{self.out_channels}-stride-{self.stride}"


def of_network(n: int) -> list[Shape]:
    """The different convolutions of ResNet-32, n images each."""
    found = {
        Shape(n, conv.in_channels, conv.out_channels, conv.size, conv.size, conv.stride)
        for conv in Architecture(32).convolutions
    }
    return sorted(found)


# Odd, prime and 1; below, at and beyond a tile; channels in several groups; the last image of a block alone.
AWKWARD = [
    Shape(2, 1, 1, 1, 1),
    Shape(2, 1, 1, 1, 1, 2),
    Shape(1, 5, 7, 11, 13),
    Shape(1, 17, 33, 13, 19),
    Shape(3, 6, 5, 8, 8),
    Shape(1, 3, 2, 37, 35),
    Shape(1, 70, 66, 9, 8),
    Shape(2, 5, 7, 11, 13, 2),
    Shape(1, 18, 34, 36, 35, 2),
    Shape(3, 7, 66, 7, 6, 2),
    Shape(1, 9, 4, 1, 16, 2),
]  # fmt: skip


@dataclass
class Case:
    """Random numbers of a shape, and what float64 makes of them."""

    shape: Shape
    seed: int = 0

    @cached_property
    def _random(self) -> tuple[Array, Array, Array]:
        generator = np.random.default_rng([self.seed, *self.shape])
        n, in_channels, out_channels, height, width, stride = self.shape
        out = (n, out_channels, -(-height // stride), -(-width // stride))
        shapes = (n, in_channels, height, width), (out_channels, in_channels, 3, 3), out
        first, second, third = (generator.standard_normal(shape, dtype=np.float32) for shape in shapes)
        return first, second, third

    @property
    def x(self) -> Array:
        return self._random[0]

    @property
    def weights(self) -> Array:
        return self._random[1]

    @property
    def d_y(self) -> Array:
        return self._random[2]

    @property
    def size(self) -> tuple[int, int]:
        return self.shape.height, self.shape.width

    @cached_property
    def y(self) -> Array:
        return reference.conv2d(self.x, self.weights, self.shape.stride)

    @cached_property
    def d_x(self) -> Array:
        return reference.conv2d_input_gradient(self.d_y, self.weights, self.size, self.shape.stride)

    @cached_property
    def d_weights(self) -> Array:
        return reference.conv2d_weight_gradient(self.x, self.d_y, self.shape.stride)


class Runner:
    """One case on a device, through the functions that networks use."""

    def __init__(self, device: Device, case: Case, precision: str = "float32") -> None:
        self.device, self.case = device, case
        self.convolution = Convolution(*case.shape[1:], precision)

    def forward(self, epilogue: Epilogue = RAW) -> Array:
        """Results of an epilogue's own arrays are in those."""
        packed = self.device.empty(self.convolution.packed_shape, np.float32)
        y = self.device.empty(self.case.d_y.shape, np.float32)
        self.convolution.pack(self.device, self.device.send(self.case.weights), packed)
        self.convolution.forward(self.device, self.device.send(self.case.x), packed, y, epilogue)
        return self.device.fetch(y)

    def input_gradient(self, epilogue: Epilogue = RAW) -> Array:
        packed = self.device.empty(self.convolution.packed_turned_shape, np.float32)
        d_x = self.device.empty(self.case.x.shape, np.float32)
        self.convolution.pack_turned(self.device, self.device.send(self.case.weights), packed)
        self.convolution.input_gradient(self.device, self.device.send(self.case.d_y), packed, d_x, epilogue)
        return self.device.fetch(d_x)

    def weight_gradient(self) -> Array:
        parts = self.device.empty(self.convolution.parts_shape(self.case.shape.n), np.float32)
        d_weights = self.device.empty(self.case.weights.shape, np.float32)
        x, d_y = self.device.send(self.case.x), self.device.send(self.case.d_y)
        self.convolution.weight_gradient(self.device, x, d_y, parts, d_weights)
        return self.device.fetch(d_weights)


def assert_correct(device: Device, case: Case, precision: str = "float32") -> None:
    """Forward and input gradient, in float32 the weight gradient too, beside float64."""
    runner, tolerance = Runner(device, case, precision), TOLERANCE[precision]
    assert_close("y", runner.forward(), case.y, tolerance)
    assert_close("d_x", runner.input_gradient(), case.d_x, tolerance)
    if precision == "float32":
        assert_close("d_weights", runner.weight_gradient(), case.d_weights, tolerance)


def assert_power(case: Case, precision: str = "float32") -> None:
    """Turned weights and swapped images are told from the right ones."""
    turned = case.weights[:, :, ::-1, ::-1]
    tolerance = TOLERANCE[precision]
    assert_differs("y", reference.conv2d(case.x, turned, case.shape.stride), case.y, tolerance)
    d_x = reference.conv2d_input_gradient(case.d_y, turned, case.size, case.shape.stride)
    assert_differs("d_x", d_x, case.d_x, tolerance)
    d_weights = reference.conv2d_weight_gradient(case.x[::-1], case.d_y, case.shape.stride)
    assert_differs("d_weights", d_weights, case.d_weights, tolerance)


def rounded(array: Array, precision: str) -> Array:
    """To the mantissa of TF32 (ties away from zero) or BF16 (ties to even)."""
    words = np.ascontiguousarray(array, np.float32).view(np.uint32)
    if precision == "tf32":
        return ((words + np.uint32(0x1000)) & np.uint32(0xFFFFE000)).view(np.float32)
    return ((words + np.uint32(0x7FFF) + (words >> 16 & 1)) & np.uint32(0xFFFF0000)).view(np.float32)
