"""References of ReLU, shortcut, pool, linear layer and augmentation: by hand, by dot products, by differences."""

from __future__ import annotations

import numpy as np
import pytest

from deep_check.ops.augment_reference import augment
from deep_check.ops.linear_reference import linear, linear_gradient
from deep_check.ops.pool_reference import global_average_pool, global_average_pool_gradient
from deep_check.ops.relu_reference import relu, relu_gradient
from deep_check.ops.shortcut_reference import shortcut, shortcut_gradient
from tests.deep_check.derivatives import assert_adjoint, assert_caught, assert_is_gradient
from tests.helpers import assert_close

SHAPES = [(1, 1, 1, 1), (2, 3, 5, 7), (1, 4, 4, 6)]


def test_relu() -> None:
    x = np.array([-2.0, -0.0, 0.0, 3.0])
    np.testing.assert_array_equal(relu(x), [0, 0, 0, 3])
    np.testing.assert_array_equal(relu_gradient(np.array([5.0, 6, 7, 8]), relu(x)), [0, 0, 0, 8])
    away = np.array([-1.0, 0.5, 2.0])
    assert_is_gradient(
        "relu", lambda v: float(relu(v) @ [1, 2, 3]), away, relu_gradient(np.array([1.0, 2, 3]), relu(away))
    )
    assert_caught(lambda: assert_is_gradient("relu", lambda v: float(relu(v) @ [1, 2, 3]), away, np.array([1.0, 2, 3])))


def test_shortcut_by_hand() -> None:
    """Three channels of 3x3: one zero channel before, two after, every second pixel between."""
    x = np.arange(27.0).reshape(1, 3, 3, 3)
    y = shortcut(x)
    assert y.shape == (1, 6, 2, 2)
    np.testing.assert_array_equal(y[0, :, 0, 1], [0, 2, 11, 20, 0, 0])
    np.testing.assert_array_equal(y[0, 1], [[0, 2], [6, 8]])


@pytest.mark.parametrize("shape", SHAPES)
def test_linear_maps_and_their_adjoints(shape: tuple[int, ...]) -> None:
    size = (shape[2], shape[3])
    assert_adjoint("shortcut", shortcut, lambda u: shortcut_gradient(u, size), shape)
    assert_adjoint("pool", global_average_pool, lambda u: global_average_pool_gradient(u, size), shape)
    if shape[1] > 1:
        assert_caught(lambda: assert_adjoint("place", shortcut, lambda u: shortcut_gradient(u[:, ::-1], size), shape))
    if shape[2] > 1:
        assert_caught(
            lambda: assert_adjoint("pool", global_average_pool, lambda u: np.tile(u[:, :, None, None], size), shape)
        )


def test_linear() -> None:
    rng = np.random.default_rng(0)
    x, weight, bias, d_y = (rng.standard_normal(shape) for shape in ((4, 3), (5, 3), 5, (4, 5)))
    by_hand = [[sum(x[n, c] * weight[k, c] for c in range(3)) + bias[k] for k in range(5)] for n in range(4)]
    assert_close("linear", linear(x, weight, bias), by_hand, "reference")
    d_x, d_weight, d_bias = linear_gradient(d_y, x, weight)
    assert_is_gradient("x", lambda v: float((linear(v, weight, bias) * d_y).sum()), x, d_x)
    assert_is_gradient("weight", lambda v: float((linear(x, v, bias) * d_y).sum()), weight, d_weight)
    assert_is_gradient("bias", lambda v: float((linear(x, weight, v) * d_y).sum()), bias, d_bias)
    assert_caught(lambda: assert_is_gradient("x", lambda v: float((linear(v, weight, bias) * d_y).sum()), x, -d_x))


def test_augment() -> None:
    """A crop is a shift with zeros coming in; padding, no flip: the image itself."""
    rng = np.random.default_rng(0)
    images = rng.standard_normal((4, 2, 5, 6))
    offsets, flips = np.array([[4, 4], [4, 4], [0, 8], [5, 3]]), np.array([False, True, False, True])
    out = augment(images, offsets, flips)
    np.testing.assert_array_equal(out[0], images[0])
    np.testing.assert_array_equal(out[1], images[1, :, :, ::-1])
    np.testing.assert_array_equal(out[2, :, 4:, :2], images[2, :, :1, 4:])
    assert not out[2, :, :4].any()
    assert not out[2, :, :, 2:].any()
    for row in range(5):  # element by element
        for column in range(6):
            i, j = row + 5 - 4, (5 - column) + 3 - 4
            inside = 0 <= i < 5 and 0 <= j < 6
            expected = images[3, :, i, j] if inside else np.zeros(2)
            np.testing.assert_array_equal(out[3, :, row, column], expected)
