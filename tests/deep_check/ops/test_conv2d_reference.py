"""The reference convolution against SciPy's correlation, the dot-product test and finite differences."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import correlate2d

from deep_check.ops.conv2d_reference import conv2d, conv2d_input_gradient, conv2d_weight_gradient
from tests.deep_check.derivatives import assert_adjoint, assert_caught, assert_is_gradient
from tests.helpers import assert_close

# n, in, out, h, w, stride: one pixel, primes, a rectangle, odd sizes at stride 2
CASES = [(1, 1, 1, 1, 1, 1), (2, 3, 5, 7, 4, 1), (1, 1, 2, 1, 5, 2), (3, 2, 3, 5, 6, 2), (2, 3, 4, 8, 8, 2)]


def drawn(n: int, ci: int, co: int, h: int, w: int, stride: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng([n, ci, co, h, w, stride])
    d_output = rng.standard_normal((n, co, -(-h // stride), -(-w // stride)))
    return rng.standard_normal((n, ci, h, w)), rng.standard_normal((co, ci, 3, 3)), d_output


@pytest.mark.parametrize("case", CASES)
def test_is_scipys_correlation(case: tuple[int, ...]) -> None:
    images, weights, _ = drawn(*case)
    stride = case[-1]
    expected = np.stack(
        [
            [
                sum(correlate2d(x, k, mode="same")[::stride, ::stride] for x, k in zip(image, kernel, strict=True))
                for kernel in weights
            ]
            for image in images
        ]
    )
    assert_close("conv2d", conv2d(images, weights, stride), expected, "reference")
    if case[3] > 1:
        flipped = weights[:, :, ::-1, ::-1]  # a convolution in the mathematical sense is another function
        assert_caught(lambda: assert_close("flipped", conv2d(images, flipped, stride), expected, "reference"))


@pytest.mark.parametrize("case", CASES)
def test_gradients_are_adjoints(case: tuple[int, ...]) -> None:
    images, weights, _ = drawn(*case)
    stride, size = case[-1], (case[3], case[4])
    assert_adjoint(
        "by images",
        lambda v: conv2d(v, weights, stride),
        lambda u: conv2d_input_gradient(u, weights, size, stride),
        images.shape,
    )
    assert_adjoint(
        "by weights",
        lambda v: conv2d(images, v, stride),
        lambda u: conv2d_weight_gradient(images, u, stride),
        weights.shape,
    )


@pytest.mark.parametrize("case", CASES[1:])
def test_gradients_by_finite_differences(case: tuple[int, ...]) -> None:
    images, weights, d_output = drawn(*case)
    stride, size = case[-1], (case[3], case[4])

    def by_images(x: np.ndarray) -> float:
        return float((conv2d(x, weights, stride) * d_output).sum())

    def by_weights(w: np.ndarray) -> float:
        return float((conv2d(images, w, stride) * d_output).sum())

    d_images = conv2d_input_gradient(d_output, weights, size, stride)
    d_weights = conv2d_weight_gradient(images, d_output, stride)
    assert_is_gradient("by images", by_images, images, d_images)
    assert_is_gradient("by weights", by_weights, weights, d_weights)
    assert_caught(lambda: assert_is_gradient("sign", by_images, images, -d_images))
    assert_caught(lambda: assert_is_gradient("swapped", by_weights, weights, d_weights.swapaxes(2, 3)))
    wrong = conv2d_input_gradient(d_output, weights[:, :, ::-1, ::-1], size, stride)
    assert_caught(lambda: assert_is_gradient("kernel not turned", by_images, images, wrong))


def test_by_hand() -> None:
    """One image of ones: a pixel's value is the number of its neighbours, itself included, inside of the image."""
    counts = conv2d(np.ones((1, 1, 3, 4)), np.ones((1, 1, 3, 3)))[0, 0]
    np.testing.assert_array_equal(counts, [[4, 6, 6, 4], [6, 9, 9, 6], [4, 6, 6, 4]])
    np.testing.assert_array_equal(conv2d(np.ones((1, 1, 3, 4)), np.ones((1, 1, 3, 3)), 2)[0, 0], [[4, 6], [4, 6]])
