"""Seeded random states, images and labels for tests of whole networks."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from deep_check.architecture import Architecture

MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
SMALL = Architecture(depth=8, size=8)


def random_state(architecture: Architecture, seed: int = 0) -> dict[str, NDArray[np.float32]]:
    """Of a network whose activations neither vanish nor grow, every batch norm unlike the identity."""
    rng = np.random.default_rng([architecture.depth, seed])
    state = {}
    for name, shape in architecture.state_shapes.items():
        if name.endswith(("running_var", "running_mean")) or len(shape) == 1:
            low, high = (0.5, 1.5) if name.endswith(("running_var", "weight")) else (-0.3, 0.3)
            values = rng.uniform(low, high, shape)
        else:
            values = rng.normal(size=shape) * np.sqrt(2 / np.prod(shape[1:]))
        state[name] = values.astype(np.float32)
    return state


def images_and_labels(n: int, architecture: Architecture, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[Any]]:
    """n images in [0, 1] and labels."""
    rng = np.random.default_rng([n, architecture.size, seed])
    images = rng.uniform(size=(n, architecture.in_channels, architecture.size, architecture.size))
    return images.astype(np.float32), rng.integers(0, architecture.n_classes, n)
