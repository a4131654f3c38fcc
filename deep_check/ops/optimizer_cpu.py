"""Adam and stochastic gradient descent: one step, in place, on flat float32 arrays; see `optimizer_reference`."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from deep_check.ops.lanes import kernel
from theory_sim.errors import require

Array = NDArray[np.float32]


def adam_step(
    parameters: Array,
    gradients: Array,
    first_moment: Array,
    second_moment: Array,
    step: int,
    learning_rate: float,
    beta1: float,
    beta2: float,
    epsilon: float,
    weight_decay: float,
) -> None:
    """Change parameters and both moments; arrays (n,) float32. step counts from 1.

    Raises InputError on step < 1 and on arrays that are not flat float32 of one length.
    """
    require(step >= 1, f"step {step} of Adam: allowed is >= 1")
    _check(parameters, gradients, first_moment, second_moment)
    _adam(
        parameters,
        gradients,
        first_moment,
        second_moment,
        np.float32(beta1),
        np.float32(1 - beta1),
        np.float32(beta2),
        np.float32(1 - beta2),
        np.float32(learning_rate / (1 - beta1**step)),
        np.float32(1 / math.sqrt(1 - beta2**step)),
        np.float32(epsilon),
        np.float32(weight_decay),
    )


def sgd_step(
    parameters: Array,
    gradients: Array,
    velocity: Array,
    learning_rate: float,
    momentum: float,
    weight_decay: float,
    nesterov: bool,
) -> None:
    """Change parameters and velocity (0 before the first step); arrays (n,) float32.

    Raises InputError on arrays that are not flat float32 of one length.
    """
    _check(parameters, gradients, velocity)
    rates = (np.float32(rate) for rate in (learning_rate, momentum, weight_decay))
    _sgd(parameters, gradients, velocity, *rates, bool(nesterov))


@kernel
def _adam(
    parameters: Array,
    gradients: Array,
    first_moment: Array,
    second_moment: Array,
    keep_first: np.float32,
    take_first: np.float32,
    keep_second: np.float32,
    take_second: np.float32,
    rate: np.float32,
    root_scale: np.float32,
    epsilon: np.float32,
    weight_decay: np.float32,
) -> None:
    for i in range(parameters.size):
        g = gradients[i] + weight_decay * parameters[i]
        m = keep_first * first_moment[i] + take_first * g
        v = keep_second * second_moment[i] + take_second * g * g
        first_moment[i] = m
        second_moment[i] = v
        parameters[i] -= rate * m / (np.sqrt(v) * root_scale + epsilon)


@kernel
def _sgd(
    parameters: Array,
    gradients: Array,
    velocity: Array,
    learning_rate: np.float32,
    momentum: np.float32,
    weight_decay: np.float32,
    nesterov: bool,
) -> None:
    for i in range(parameters.size):
        g = gradients[i] + weight_decay * parameters[i]
        v = momentum * velocity[i] + g
        velocity[i] = v
        parameters[i] -= learning_rate * (g + momentum * v if nesterov else v)


def _check(*arrays: Array) -> None:
    shape = arrays[0].shape
    for array in arrays:
        require(
            array.dtype == np.float32 and array.ndim == 1 and array.shape == shape and array.flags.c_contiguous,
            f"array of shape {array.shape}, {array.dtype}: the optimizer takes flat contiguous float32 of one length",
        )
