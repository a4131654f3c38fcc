"""Random networks in JAX: W of i.i.d. N(0, 1), and its product with the input, both in one compiled function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray


def prepare(problem: dict[str, NDArray], threads: int) -> Callable[[], dict[str, NDArray]]:
    """One network for each setting of `problem` (keys: see `benchmarks.sweep.drawing_problem`)."""
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    x, width = jnp.asarray(problem["x"]), int(problem["width"])

    @jax.jit
    def draw(key: Any) -> Any:
        weights = jax.random.normal(key, (width, len(x)), jnp.float64)
        return weights, weights @ x

    def run() -> dict[str, NDArray]:
        drawn = [draw(key) for key in jax.random.split(jax.random.key(0), len(problem["learning_rates"]))]
        return {"weights": np.asarray(drawn[-1][0]), "starts": np.stack([np.asarray(start) for _, start in drawn])}

    return run
