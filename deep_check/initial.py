"""Weights before training: He initialisation, drawn by counter, the same bits on every machine and device."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from deep_check.architecture import Architecture
from theory_sim.counter_random import fill_normals

STREAM = 64  # far from the streams of theory_sim: what one draws does not depend on the other


def initial_state(architecture: Architecture, seed: int) -> dict[str, NDArray[np.float32]]:
    """A state dict: weights N(0, 2/fan_in) [He et al. 2015, Eq. 10], batch norms the identity, biases 0.

    The weights of a layer depend on nothing but the seed and the layer's place among the layers.
    """
    state: dict[str, NDArray[np.float32]] = {}
    layer = 0
    for name, shape in architecture.state_shapes.items():
        if len(shape) == 1:
            ones = name.endswith("running_var") or (name.endswith("weight") and "bn" in name)
            state[name] = np.full(shape, 1.0 if ones else 0.0, np.float32)
            continue
        drawn = np.empty(int(np.prod(shape)))
        fill_normals(np.uint64(seed), STREAM, layer, float(np.sqrt(2 / np.prod(shape[1:]))), drawn)
        state[name] = drawn.astype(np.float32).reshape(shape)
        layer += 1
    return state
