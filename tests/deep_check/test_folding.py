"""Folding changes nothing: convolution, bias and border do what normalisation, convolution and batch norm do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from deep_check.architecture import EPSILON, Architecture
from deep_check.folding import Folded, fold
from deep_check.ops.batch_norm_reference import batch_norm_evaluation
from deep_check.ops.conv2d_reference import conv2d
from tests.helpers import assert_close, assert_differs

MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
ARCHITECTURE = Architecture(depth=8, size=8)


def random_state(seed: int = 0) -> dict[str, NDArray[Any]]:
    rng = np.random.default_rng(seed)
    state = {name: rng.normal(size=shape) for name, shape in ARCHITECTURE.state_shapes.items()}
    for name in state:
        if name.endswith("running_var"):
            state[name] = rng.uniform(0.1, 3, state[name].shape)
    return {name: values.astype(np.float32) for name, values in state.items()}


STATE = random_state()
FOLDED = fold(ARCHITECTURE, STATE, MEAN, STD)


def by_layers(index: int, x: NDArray[Any]) -> NDArray[Any]:
    """What the network computes, x already normalised."""
    conv = ARCHITECTURE.convolutions[index]
    scale, shift, mean, variance = (
        STATE[f"{conv.batch_norm}.{part}"] for part in ("weight", "bias", "running_mean", "running_var")
    )
    y = conv2d(x, STATE[f"{conv.name}.weight"], conv.stride)
    return batch_norm_evaluation(y, scale, shift, mean, variance, EPSILON)


def stem(folded: Folded, x: NDArray[Any], border: NDArray[Any]) -> NDArray[Any]:
    """The first convolution on images with a given border."""
    padded = np.tile(border[None, :, None, None], (len(x), 1, x.shape[2] + 2, x.shape[3] + 2))
    padded[:, :, 1:-1, 1:-1] = x
    weights, bias = folded.convolutions[0]
    return conv2d(padded, weights)[:, :, 1:-1, 1:-1] + bias[:, None, None]


@pytest.fixture
def images() -> NDArray[Any]:
    return np.random.default_rng(1).uniform(size=(3, 3, 8, 8))


def test_the_first_convolution_sees_the_mean_around_the_image(images: NDArray[Any]) -> None:
    expected = by_layers(0, (images - MEAN[:, None, None]) / STD[:, None, None])
    assert_close("with border", stem(FOLDED, images, FOLDED.border), expected, "folding")
    assert_differs("zeros around it", stem(FOLDED, images, 0 * FOLDED.border), expected, "folding")


def test_centred_images_have_a_border_of_zeros(images: NDArray[Any]) -> None:
    expected = by_layers(0, (images - MEAN[:, None, None]) / STD[:, None, None])
    weights, bias = FOLDED.convolutions[0]
    actual = conv2d(images - MEAN[:, None, None], weights)
    assert_close("centred", actual + FOLDED.centred_bias[:, None, None], expected, "folding")
    assert_differs("the other bias", actual + bias[:, None, None], expected, "folding")


@pytest.mark.parametrize("index", range(1, len(ARCHITECTURE.convolutions)))
def test_other_convolutions(index: int) -> None:
    conv = ARCHITECTURE.convolutions[index]
    x = np.random.default_rng(index).normal(size=(2, conv.in_channels, conv.size, conv.size))
    weights, bias = FOLDED.convolutions[index]
    actual = conv2d(x, weights, conv.stride) + bias[:, None, None]
    assert_close(conv.name, actual, by_layers(index, x), "folding")


def test_everything_is_single_precision() -> None:
    for values in (*[part for pair in FOLDED.convolutions for part in pair], *FOLDED.linear, *FOLDED[2:]):
        assert values.dtype == np.float32
        assert values.flags.c_contiguous
    np.testing.assert_array_equal(FOLDED.linear[0], STATE["linear.weight"])
