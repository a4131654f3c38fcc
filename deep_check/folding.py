"""Batch normalisation in evaluation mode and the input's normalisation, folded into the convolutions.

In evaluation mode a batch normalisation multiplies and shifts each channel by fixed numbers, and so does the input's
normalisation: both become part of the neighbouring convolution's weights and of a bias. Computed in float64 and rounded
to float32 once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deep_check.architecture import EPSILON, Architecture

Array = NDArray[np.float32]


class Folded(NamedTuple):
    """A network in evaluation mode as convolutions with bias, ReLU, shortcuts, pool and linear layer.

    convolutions: weights (out, in, 3, 3) and bias (out,) of each, in forward order; linear: weight (k, c), bias (k,);
    border: (in_channels,) what the first convolution finds outside of an image. Zero padding comes after the input's
    normalisation, so in units of the image the border is its mean; every other border is zero.
    centred_bias: the first convolution's bias for images from which the border was subtracted, whose border is zero.
    """

    convolutions: tuple[tuple[Array, Array], ...]
    linear: tuple[Array, Array]
    border: Array
    centred_bias: Array


def fold(architecture: Architecture, state: Mapping[str, NDArray], mean: ArrayLike, std: ArrayLike) -> Folded:
    """Fold a state dict and the input's normalisation (x - mean)/std, each (in_channels,), into a `Folded` network.

    state: as architecture.state_shapes names it. Raises KeyError where an entry is missing: checks are the caller's.
    """
    border, deviation = np.asarray(mean, dtype=float), np.asarray(std, dtype=float)
    folded: list[tuple[Array, Array]] = []
    for conv in architecture.convolutions:
        scale, shift, running_mean, running_variance = (
            np.asarray(state[f"{conv.batch_norm}.{part}"], dtype=float)
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        factor = scale / np.sqrt(running_variance + EPSILON)
        weights = np.asarray(state[f"{conv.name}.weight"], dtype=float) * factor[:, None, None, None]
        bias = shift - factor * running_mean
        if not folded:
            weights = weights / deviation[:, None, None]
            centred_bias = bias
            bias = bias - np.einsum("ocij,c->o", weights, border)
        folded.append((_single(weights), _single(bias)))
    linear = _single(state["linear.weight"]), _single(state["linear.bias"])
    return Folded(tuple(folded), linear, _single(border), _single(centred_bias))


def _single(values: NDArray) -> Array:
    return np.ascontiguousarray(values, dtype=np.float32)
