"""Batch normalisation of the CPU beside the float64 references."""

from __future__ import annotations

import numpy as np
import pytest

from deep_check.ops import batch_norm_cpu as cpu
from deep_check.ops import batch_norm_reference as reference
from deep_check.ops.blocks import LANES, blank, pack, unpack
from tests.deep_check.derivatives import assert_caught
from tests.helpers import assert_close, assert_differs

EPSILON = 1e-5
SHAPES = [(2, 1, 1, 1), (3, 5, 7, 4), (LANES, 2, 3, 3), (2 * LANES + 1, 3, 5, 5)]


def drawn(shape: tuple[int, ...], mean: float = 0.5) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(shape)
    x = (mean + rng.standard_normal(shape)).astype(np.float32)
    scale, shift = (0.5 + rng.random((2, shape[1]))).astype(np.float32)
    return x, scale, shift, rng.standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("mean", [0.5, 1000.0])
@pytest.mark.parametrize("shape", SHAPES)
def test_training(shape: tuple[int, ...], mean: float) -> None:
    """A mean of a thousand deviations costs the digits that the numbers themselves lack, and no more."""
    x, scale, shift, _ = drawn(shape, mean)
    y, m, v = cpu.batch_norm_training(x, scale, shift, EPSILON)
    y64, m64, v64 = reference.batch_norm_training(x, scale, shift, EPSILON)
    key = "float32_sum" if mean < 1 else "batch_norm_far"
    assert_close("y", y, y64, key)
    assert_close("mean", m, m64, "float32_sum")
    assert_close("variance", v, v64, "float32_sum" if mean < 1 else "batch_norm_far")
    if shape[0] * shape[2] > 8:
        assert_differs("unbiased", v * (x[:, 0].size / (x[:, 0].size - 1)), v64, "float32_sum")


@pytest.mark.parametrize("shape", SHAPES)
def test_evaluation(shape: tuple[int, ...]) -> None:
    x, scale, shift, other = drawn(shape)
    mean, variance = other.mean((0, 2, 3)), other.var((0, 2, 3)) + np.float32(0.1)
    expected = reference.batch_norm_evaluation(x, scale, shift, mean, variance, EPSILON)
    assert_close("y", cpu.batch_norm_evaluation(x, scale, shift, mean, variance, EPSILON), expected, "float32_sum")


@pytest.mark.parametrize("shape", SHAPES[1:])
def test_gradient(shape: tuple[int, ...]) -> None:
    x, scale, _, d_y = drawn(shape)
    mean, variance = x.mean((0, 2, 3), dtype=float), x.var((0, 2, 3), dtype=float)
    expected = reference.batch_norm_gradient(d_y, x, scale, mean, variance, EPSILON)
    actual = cpu.batch_norm_gradient(d_y, x, scale, mean, variance, EPSILON)
    for name, a, b in zip(("d_x", "d_scale", "d_shift"), actual, expected, strict=True):
        assert_close(name, a, b, "float32_sum", scale=max(1.0, float(np.abs(b).max())))
    fixed = d_y * (scale / np.sqrt(variance + EPSILON))[:, None, None]  # statistics taken for constants
    assert_caught(lambda: assert_close("constants", fixed, expected[0], "float32_sum"))


def test_running_statistics() -> None:
    old = np.array([[0.5, -1.0], [1.0, 2.0]], np.float32)
    new = np.array([[2.0, 3.0], [0.25, 4.0]], np.float32)
    expected = reference.running_statistics(*old, *new, 6, 0.1)
    for a, b in zip(cpu.running_statistics(*old, *new, 6, 0.1), expected, strict=True):
        assert_close("running", a, b, "single")
    biased = reference.running_statistics(*old, new[0], new[1] * 5 / 6, 6, 0.1)
    assert_differs("biased", biased[1], expected[1], "single")


@pytest.mark.parametrize("n", [LANES, LANES + 3])
def test_residual_relu_and_its_gradient(n: int) -> None:
    """What the network fuses: normalise, add, rectify; and backward the ReLU's gradient with both sums."""
    channels, height, width = 3, 4, 5
    x, scale, shift, d_y = drawn((n, channels, height, width))
    rng = np.random.default_rng(9)
    residual = rng.standard_normal(x.shape).astype(np.float32)
    blocks = [blank(2, channels, height, width) for _ in range(4)]
    for images, target in zip((x, residual, d_y), blocks, strict=False):
        pack(images, target)
    xs, rs, ds, ys = blocks
    lanes = np.zeros((2, LANES), np.float32)
    lanes.reshape(-1)[:n] = 1
    mean, variance = x.mean((0, 2, 3)), x.var((0, 2, 3))
    inverse = cpu.inverse_deviation(variance, EPSILON)
    sums = np.empty((2, channels, 2), np.float32)
    sizes = (channels, height, width)
    for b in range(2):
        flat = [part[b].reshape(-1) for part in (xs, rs, ds, ys)]
        cpu.normalise(*sizes, flat[0], mean, scale * inverse, shift, flat[1], True, lanes[b], flat[3])
        cpu.rectified_sums(*sizes, flat[0], mean, inverse, flat[3], flat[2], sums[b])
    y = np.maximum(reference.batch_norm_evaluation(x, scale, shift, mean, variance, EPSILON) + residual, 0)
    assert_close("y", unpack(ys, n), y, "float32_sum")
    assert (unpack(ys, 2 * LANES)[n:] == 0).all()  # nothing in empty lanes
    d = np.where(unpack(ys, n) > 0, d_y, 0)
    assert (unpack(ds, n) == d).all()
    normalised = (x - mean[:, None, None].astype(float)) * inverse[:, None, None]
    expected = np.stack([d.sum((0, 2, 3), dtype=float), (d * normalised).sum((0, 2, 3))], axis=1)
    assert_close("sums", sums.sum(0, dtype=float), expected, "float32_sum", scale=float(np.abs(d).sum()))
