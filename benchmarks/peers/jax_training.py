"""Full-batch training on n samples in JAX: `value_and_grad` in a `lax.scan` under `jit`, f recorded at every step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray


def prepare(problem: dict[str, NDArray], threads: int) -> Callable[[], dict[str, NDArray]]:
    """One scan for each setting of `problem` (keys: see `benchmarks.sweep.training_problem`).

    XLA's pool takes the cores it sees. Compilation happens in the first call, the discarded warm turn.
    """
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    start, outer, inputs, targets = (jnp.asarray(problem[key]) for key in ("weights", "outer", "inputs", "targets"))
    n_steps = int(problem["n_steps"])

    def loss(weights: Any) -> Any:
        f = jax.nn.softplus(inputs @ weights.T) @ outer
        return (0.5 * (f - targets) ** 2).mean(), f

    @jax.jit
    def train(start: Any, rate: Any) -> Any:
        def step(weights: Any, _: None) -> Any:
            (_, f), d_weights = jax.value_and_grad(loss, has_aux=True)(weights)
            return weights - rate * d_weights, f

        return jax.lax.scan(step, start, None, length=n_steps + 1)[1]

    return lambda: {"output": np.stack([np.asarray(train(start, rate)) for rate in problem["learning_rates"]])}
