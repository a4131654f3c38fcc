"""The whole network in float64, from the reference operations only: what the fast networks are tested against.

Nothing is folded, fused or reused, every operation is one line. It has the interface of the fast networks, so that
anything written for them runs on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deep_check.architecture import EPSILON, MOMENTUM, Architecture, Convolution
from deep_check.ops.batch_norm_reference import (
    batch_norm_evaluation,
    batch_norm_gradient,
    batch_norm_training,
    running_statistics,
)
from deep_check.ops.conv2d_reference import conv2d, conv2d_input_gradient, conv2d_weight_gradient
from deep_check.ops.linear_reference import linear, linear_gradient
from deep_check.ops.loss_reference import loss as loss_of
from deep_check.ops.pool_reference import global_average_pool, global_average_pool_gradient
from deep_check.ops.relu_reference import relu, relu_gradient
from deep_check.ops.shortcut_reference import shortcut, shortcut_gradient

Array = NDArray[np.float64]


@dataclass
class _Visit:
    """What the way back needs of one convolution and its batch norm: inputs of both, statistics, ReLU's output."""

    x: Array
    convolved: Array
    mean: Array
    variance: Array
    y: Array


@dataclass
class _Pass:
    visits: list[_Visit]
    pooled: Array
    logits: Array


class ReferenceNetwork:
    """A network of an architecture, float64.

    state: arrays as architecture.state_shapes names them; mean, std: (in_channels,) of the input's normalisation
    (x - mean)/std. parameters, gradients: one flat array each, in the order of architecture.parameter_shapes;
    `state` has views into parameters, and the running statistics.
    """

    def __init__(
        self, architecture: Architecture, state: Mapping[str, NDArray], mean: ArrayLike, std: ArrayLike
    ) -> None:
        """Raises KeyError where an entry is missing: checks are the caller's."""
        self.architecture = architecture
        self.mean, self.std = np.array(mean, dtype=float), np.array(std, dtype=float)
        shapes = architecture.parameter_shapes
        n_parameters = sum(int(np.prod(shape)) for shape in shapes.values())
        self.parameters, self.gradients = np.zeros(n_parameters), np.zeros(n_parameters)
        self.state = _views(self.parameters, shapes)
        self._named_gradients = _views(self.gradients, shapes)
        for name, shape in architecture.state_shapes.items():
            if name in shapes:
                self.state[name][...] = state[name]
            else:
                self.state[name] = np.array(state[name], dtype=float).reshape(shape)

    def logits(self, images: NDArray) -> Array:
        """(n, c, h, w) -> (n, n_classes), evaluation mode."""
        return self._forward(images, training=False).logits

    def input_gradient(self, images: NDArray, labels: NDArray, loss: str) -> tuple[Array, Array, Array]:
        """Losses (n,), gradient of their sum by the images (n, c, h, w), and logits; evaluation mode."""
        done = self._forward(images, training=False)
        losses, d_logits = loss_of(done.logits, labels, loss)
        return losses, self._backward(done, d_logits, training=False), done.logits

    def loss_and_gradients(
        self, images: NDArray, labels: NDArray, loss: str, update_statistics: bool = False
    ) -> tuple[float, dict[str, Array], Array]:
        """Mean loss, its gradients by name (views into `gradients`), and logits, with the statistics of the batch.

        update_statistics: also move the running statistics.
        """
        done = self._forward(images, training=True)
        losses, d_logits = loss_of(done.logits, labels, loss)
        self._backward(done, d_logits / len(losses), training=True)
        if update_statistics:
            for conv, visit in zip(self.architecture.convolutions, done.visits, strict=True):
                mean, variance = f"{conv.batch_norm}.running_mean", f"{conv.batch_norm}.running_var"
                n_values = visit.y[:, 0].size
                self.state[mean], self.state[variance] = running_statistics(
                    self.state[mean], self.state[variance], visit.mean, visit.variance, n_values, MOMENTUM
                )
        return float(losses.mean()), self._named_gradients, done.logits

    def _forward(self, images: NDArray, training: bool) -> _Pass:
        visits: list[_Visit] = []

        def layer(conv: Convolution, x: Array, residual: Array | float) -> Array:
            scale, shift, running_mean, running_variance = self._batch_norm(conv)
            convolved = conv2d(x, self.state[f"{conv.name}.weight"], conv.stride)
            if training:
                normalised, mean, variance = batch_norm_training(convolved, scale, shift, EPSILON)
            else:
                mean, variance = running_mean, running_variance
                normalised = batch_norm_evaluation(convolved, scale, shift, mean, variance, EPSILON)
            visits.append(_Visit(x, convolved, mean, variance, relu(normalised + residual)))
            return visits[-1].y

        stem, *rest = self.architecture.convolutions
        x = (np.asarray(images, dtype=float) - self.mean[:, None, None]) / self.std[:, None, None]
        x = layer(stem, x, 0.0)
        for first, second in zip(rest[::2], rest[1::2], strict=True):
            skip = shortcut(x) if first.stride == 2 else x
            x = layer(second, layer(first, x, 0.0), skip)
        pooled = global_average_pool(x)
        return _Pass(visits, pooled, linear(pooled, self.state["linear.weight"], self.state["linear.bias"]))

    def _backward(self, done: _Pass, d_logits: Array, training: bool) -> Array:
        """Gradient by the images; in training also those by the parameters, into `gradients`."""

        def layer(conv: Convolution, visit: _Visit, d_normalised: Array) -> Array:
            scale = self.state[f"{conv.batch_norm}.weight"]
            if training:
                d_convolved, d_scale, d_shift = batch_norm_gradient(
                    d_normalised, visit.convolved, scale, visit.mean, visit.variance, EPSILON
                )
                self._named_gradients[f"{conv.batch_norm}.weight"][...] = d_scale
                self._named_gradients[f"{conv.batch_norm}.bias"][...] = d_shift
                d_weights = conv2d_weight_gradient(visit.x, d_convolved, conv.stride)
                self._named_gradients[f"{conv.name}.weight"][...] = d_weights
            else:
                d_convolved = d_normalised * (scale / np.sqrt(visit.variance + EPSILON))[:, None, None]
            size = (visit.x.shape[2], visit.x.shape[3])
            return conv2d_input_gradient(d_convolved, self.state[f"{conv.name}.weight"], size, conv.stride)

        d_pooled, d_weight, d_bias = linear_gradient(d_logits, done.pooled, self.state["linear.weight"])
        if training:
            self._named_gradients["linear.weight"][...] = d_weight
            self._named_gradients["linear.bias"][...] = d_bias
        stem, *rest = zip(self.architecture.convolutions, done.visits, strict=True)
        last = done.visits[-1].y
        d_x = global_average_pool_gradient(d_pooled, (last.shape[2], last.shape[3]))
        for (first, before), (second, after) in zip(rest[-2::-2], rest[::-2], strict=True):
            d_sum = relu_gradient(d_x, after.y)  # of the branch and of the skip
            d_middle = relu_gradient(layer(second, after, d_sum), before.y)
            size = (before.x.shape[2], before.x.shape[3])
            d_skip = shortcut_gradient(d_sum, size) if first.stride == 2 else d_sum
            d_x = layer(first, before, d_middle) + d_skip
        d_x = layer(*stem, relu_gradient(d_x, stem[1].y))
        return d_x / self.std[:, None, None]

    def _batch_norm(self, conv: Convolution) -> tuple[Array, Array, Array, Array]:
        scale, shift, mean, variance = (
            self.state[f"{conv.batch_norm}.{part}"] for part in ("weight", "bias", "running_mean", "running_var")
        )
        return scale, shift, mean, variance


def _views(flat: Array, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Array]:
    """Consecutive pieces of a flat array under the names and in the shapes given."""
    views, first = {}, 0
    for name, shape in shapes.items():
        end = first + int(np.prod(shape))
        views[name] = flat[first:end].reshape(shape)
        first = end
    return views
