"""Adam and stochastic gradient descent: one step, in place, on flat float64 arrays of one length."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def adam_step(
    parameters: Array,
    gradients: NDArray,
    first_moment: Array,
    second_moment: Array,
    step: int,
    learning_rate: float,
    beta1: float,
    beta2: float,
    epsilon: float,
    weight_decay: float,
) -> None:
    """Change parameters and both moments [Kingma & Ba 2015, Algorithm 1]; step counts from 1, moments start at 0.

    weight_decay · parameters is added to the gradients, as torch.optim.Adam does (an ℓ₂ penalty, not AdamW's decay).
    """
    g = np.asarray(gradients, dtype=float) + weight_decay * parameters
    first_moment[:] = beta1 * first_moment + (1 - beta1) * g
    second_moment[:] = beta2 * second_moment + (1 - beta2) * g * g
    unbiased_first = first_moment / (1 - beta1**step)
    unbiased_second = second_moment / (1 - beta2**step)
    parameters -= learning_rate * unbiased_first / (np.sqrt(unbiased_second) + epsilon)


def sgd_step(
    parameters: Array,
    gradients: NDArray,
    velocity: Array,
    learning_rate: float,
    momentum: float,
    weight_decay: float,
    nesterov: bool,
) -> None:
    """Change parameters and velocity (0 before the first step), as torch.optim.SGD without dampening.

    g = gradients + weight_decay · parameters; velocity <- momentum · velocity + g; the step is along the velocity, with
    Nesterov's momentum along g + momentum · velocity.
    """
    g = np.asarray(gradients, dtype=float) + weight_decay * parameters
    velocity[:] = momentum * velocity + g
    parameters -= learning_rate * (g + momentum * velocity if nesterov else velocity)
