"""One trajectory in JAX: `value_and_grad` inside `lax.scan`, the whole run compiled by `jit`, float64 on the CPU."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray


def prepare(problem: dict[str, NDArray], threads: int) -> Callable[[], dict[str, NDArray]]:
    """The scan over `problem` (keys: see `benchmarks.theory.trajectory_problem`); XLA's pool takes the cores it sees.

    Compilation happens in the first call, the discarded warm turn.
    """
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    label, rate = float(problem["label"]), float(problem["learning_rate"])
    n_steps, cutoff, dim = int(problem["n_steps"]), int(problem["cutoff"]), problem["x"].size
    sigma = jax.nn.relu if str(problem["activation"]) == "relu" else jax.nn.softplus
    multiplicity = np.full(dim // 2 + 1, 2.0)
    multiplicity[0] = 1.0
    if dim % 2 == 0:
        multiplicity[-1] = 1.0
    twice = jnp.asarray(multiplicity)

    def network(weights: Any, x: Any, outer: Any) -> Any:
        return outer @ sigma(weights @ x)

    @jax.jit
    def trajectory(start: Any, outer: Any, x: Any) -> Any:
        def step(weights: Any, _: None) -> Any:
            f, (d_weights, g) = jax.value_and_grad(network, argnums=(0, 1))(weights, x, outer)
            spectrum = jnp.fft.rfft(g)
            energy = twice * (spectrum.real**2 + spectrum.imag**2)
            ratio = energy[: cutoff + 1].sum() / energy.sum()
            return weights - rate * (f - label) * d_weights, (spectrum, ratio)

        return jax.lax.scan(step, start, None, length=n_steps + 1)[1]

    def run() -> dict[str, NDArray]:
        spectrum, ratio = trajectory(problem["weights"], problem["outer"], problem["x"])
        return {"gradient_spectrum": np.asarray(spectrum), "low_frequency_ratio": np.asarray(ratio)}

    return run
