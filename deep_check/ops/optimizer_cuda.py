"""Adam and stochastic gradient descent on a CUDA device; see optimizer_reference.

What changes from step to step (the count, the learning rate) lies in the device's memory: a captured step can be
replayed. `settings` makes it; `adam_step` itself counts the steps.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from deep_check.cuda.device import Device
from deep_check.ops.conv2d_tiles import ceil_div
from deep_check.ops.kernel_families import OPTIMIZER_SETTINGS
from deep_check.ops.launching import launch
from theory_sim.errors import require

ADAM_FACTORS = 8  # float32 numbers that a step of Adam needs while it runs


def settings(**values: float) -> NDArray[np.float64]:
    """Host array of a step's settings, to be copied to the device: those of OPTIMIZER_SETTINGS, 0 where not given.

    step counts the steps done so far. Raises InputError on a name that is not among them.
    """
    for name in values:
        require(name in OPTIMIZER_SETTINGS, f"setting {name!r}: allowed are {', '.join(OPTIMIZER_SETTINGS)}")
    return np.array([values.get(name, 0.0) for name in OPTIMIZER_SETTINGS])


def adam_step(
    device: Device,
    parameters: Any,
    gradients: Any,
    first_moment: Any,
    second_moment: Any,
    on_device: Any,
    factors: Any,
) -> None:
    """Count the step and change parameters and both moments, float32 (size,).

    on_device: `settings` (step, learning_rate, beta1, beta2, epsilon, weight_decay); factors: (ADAM_FACTORS,) float32,
    scratch.
    """
    device.launch("adam_begin", (1,), (1,), (on_device, factors))
    size = parameters.shape[0]
    arguments = (parameters, gradients, first_moment, second_moment, factors, np.int64(size))
    launch(device, "adam_step", ceil_div(size, 4), arguments)


def sgd_step(device: Device, parameters: Any, gradients: Any, velocity: Any, on_device: Any, nesterov: bool) -> None:
    """Change parameters and velocity, float32 (size,).

    on_device: `settings` (learning_rate, momentum, weight_decay).
    """
    size = parameters.shape[0]
    arguments = (parameters, gradients, velocity, on_device, np.int32(nesterov), np.int64(size))
    launch(device, "sgd_step", ceil_div(size, 4), arguments)
