"""The convolutions of the CPU beside the float64 references, in every kernel that the network takes."""

from __future__ import annotations

import numpy as np
import pytest

from deep_check.architecture import Architecture
from deep_check.ops import conv2d_reference as reference
from deep_check.ops.blocks import MASK, blank, blank_mask, n_blocks, pack, unpack, unpack_mask
from deep_check.ops.conv2d_cpu import (
    BACKWARD,
    FORWARD,
    BlockConvolution,
    Scratch,
    conv2d,
    conv2d_input_gradient,
    conv2d_weight_gradient,
)
from tests.deep_check.derivatives import assert_adjoint, assert_caught
from tests.helpers import assert_close, assert_differs

# n, in, out, height, width, stride
SHAPES = [
    (1, 1, 1, 1, 1, 1), (1, 1, 1, 1, 1, 2), (2, 3, 5, 7, 11, 1), (17, 2, 3, 5, 6, 2), (3, 5, 7, 13, 4, 2),
    (2, 4, 4, 2, 9, 1), (1, 7, 6, 3, 3, 2), (2, 9, 8, 4, 16, 1), (2, 8, 16, 12, 8, 1), (1, 8, 8, 20, 4, 1),
]  # fmt: skip
NETWORK = sorted({(2, c.in_channels, c.out_channels, c.size, c.size, c.stride) for c in Architecture(32).convolutions})


def drawn(shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    n, ci, co, h, w, stride = shape
    rng = np.random.default_rng(shape)
    d_output = rng.standard_normal((n, co, -(-h // stride), -(-w // stride))).astype(np.float32)
    weights = rng.standard_normal((co, ci, 3, 3)) / np.sqrt(9 * ci)
    return rng.standard_normal((n, ci, h, w)).astype(np.float32), weights.astype(np.float32), d_output


def is_fast(shape: tuple[int, ...]) -> bool:
    return BlockConvolution(*shape[1:]).fast


def test_all_kernels_are_met() -> None:
    """The network's own sizes take Winograd's transform but for the stem and the two strides of 2."""
    slow = [shape for shape in NETWORK if not is_fast(shape)]
    assert slow == [(2, 3, 16, 32, 32, 1), (2, 16, 32, 32, 32, 2), (2, 32, 64, 16, 16, 2)]
    assert {is_fast(shape) for shape in SHAPES} == {True, False}


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize("shape", SHAPES + NETWORK)
def test_forward_and_gradients(shape: tuple[int, ...], fast: bool) -> None:
    images, weights, d_output = drawn(shape)
    stride, size = shape[-1], shape[3:5]
    sums = "winograd" if fast and is_fast(shape) else "float32_sum"
    assert_close("forward", conv2d(images, weights, stride, fast=fast), reference.conv2d(images, weights, stride), sums)
    assert_close(
        "input gradient",
        conv2d_input_gradient(d_output, weights, size, stride, fast=fast),
        reference.conv2d_input_gradient(d_output, weights, size, stride),
        sums,
    )
    assert_close(
        "weight gradient",
        conv2d_weight_gradient(images, d_output, stride, fast=fast),
        reference.conv2d_weight_gradient(images, d_output, stride),
        "winograd" if fast and BlockConvolution(*shape[1:], training=True).fast_weights else "float32_sum",
    )


@pytest.mark.parametrize("shape", [SHAPES[3], SHAPES[8], NETWORK[1]])
def test_gradients_are_adjoints(shape: tuple[int, ...]) -> None:
    images, weights, _ = drawn(shape)
    stride, size = shape[-1], shape[3:5]
    f = np.float32
    assert_adjoint(
        "by images",
        lambda v: conv2d(v.astype(f), weights, stride).astype(float),
        lambda u: conv2d_input_gradient(u.astype(f), weights, size, stride).astype(float),
        images.shape,
        "winograd",
    )
    assert_adjoint(
        "by weights",
        lambda v: conv2d(images, v.astype(f), stride).astype(float),
        lambda u: conv2d_weight_gradient(images, u.astype(f), stride).astype(float),
        weights.shape,
        "winograd",
    )


def test_a_wrong_tap_is_seen() -> None:
    """Negative control: weights turned by 180°, transposed kernels, or a shifted image are other functions."""
    images, weights, d_output = drawn(NETWORK[-1])
    expected = reference.conv2d(images, weights)
    for wrong in (weights[:, :, ::-1, ::-1], weights.swapaxes(2, 3)):
        assert_differs("wrong taps", conv2d(images, np.ascontiguousarray(wrong)), expected, "winograd")
        assert_caught(lambda w=wrong: assert_close("taps", conv2d(images, w), expected, "winograd"))
    right = reference.conv2d_weight_gradient(images, d_output)
    shifted = np.roll(images, 1, axis=3)
    assert_differs("shifted", conv2d_weight_gradient(shifted, d_output), right, "winograd")


@pytest.mark.parametrize("shape", [SHAPES[2], SHAPES[4], SHAPES[8], *NETWORK])
def test_epilogues(shape: tuple[int, ...]) -> None:
    """Bias, residual and ReLU with its signs; the masked input gradient with the gradient of the skip path."""
    n, ci, co, h, w, stride = shape
    images, weights, d_output = drawn(shape)
    rng = np.random.default_rng(5)
    conv = BlockConvolution(ci, co, h, w, stride)
    conv.set_weights(weights)
    scratch = Scratch.of([conv])
    ho, wo = conv.out_height, conv.out_width
    sums = "winograd" if conv.fast else "float32_sum"
    bias = rng.standard_normal(-(-co // 4) * 4).astype(np.float32)
    residual = rng.standard_normal((n, co, ho, wo)).astype(np.float32)
    skip = rng.standard_normal(images.shape).astype(np.float32)
    x, y, r = blank(1, ci, h, w)[0], blank(1, co, ho, wo)[0], blank(1, co, ho, wo)[0]
    mask = blank_mask(1, co, ho, wo)[0]
    pack(images, x[None])
    pack(residual, r[None])
    conv.forward(x, y, scratch, FORWARD, bias, r, mask)
    expected = reference.conv2d(images, weights, stride) + bias[:co, None, None] + residual
    scale = float(np.abs(expected).max())
    actual = unpack(y[None], n)
    assert_close("forward", actual, np.maximum(expected, 0), sums, scale=scale)
    signs = unpack_mask(mask[None], n)
    assert (signs == (actual > 0)).all()
    assert signs.any()
    assert not signs.all()

    d_y, d_x = blank(1, co, ho, wo)[0], blank(1, ci, h, w)[0]
    below = rng.integers(0, np.iinfo(MASK).max, (ci, h, w), dtype=MASK, endpoint=True)
    pack(d_output, d_y[None])
    pack(skip, d_x[None])
    conv.input_gradient(d_y, d_x, scratch, BACKWARD, d_x, below)
    expected = reference.conv2d_input_gradient(d_output, weights, (h, w), stride) + skip
    expected *= unpack_mask(below[None], n)
    assert_close("backward", unpack(d_x[None], n), expected, "winograd" if conv.fast_backward else "float32_sum")


def test_an_image_is_the_same_in_every_lane_and_batch() -> None:
    images, weights, _ = drawn((5, 16, 16, 32, 32, 1))
    whole = conv2d(images, weights)
    assert (conv2d(images[::-1], weights)[::-1] == whole).all()
    assert (conv2d(images[2:3], weights)[0] == whole[2]).all()


def test_blocks_add_up() -> None:
    """The weight gradient of many blocks is the sum of theirs."""
    assert n_blocks(40) > 2
    for shape, key in (((40, 3, 5, 6, 7, 1), "float32_sum"), ((40, 8, 12, 8, 4, 1), "winograd")):
        images, _, d_output = drawn(shape)
        expected = reference.conv2d_weight_gradient(images, d_output)
        assert_close("many blocks", conv2d_weight_gradient(images, d_output), expected, key)
