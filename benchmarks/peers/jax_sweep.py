"""Training runs of several settings in JAX: `value_and_grad` in a `lax.scan` under `jit`, one setting after another.

`vmap` over the settings takes as long for each of them (within 10 % on one core).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray


def prepare(problem: dict[str, NDArray], threads: int) -> Callable[[], dict[str, NDArray]]:
    """One scan for each setting of `problem` (keys: see `benchmarks.sweep.trajectory_problem`).

    XLA's pool takes the cores it sees. Compilation happens in the first call, the discarded warm turn.
    """
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    n_steps, low = int(problem["n_steps"]), int(problem["cutoff"]) + 1
    sigma = jax.nn.relu if str(problem["activation"]) == "relu" else jax.nn.softplus
    spectra = bool(problem["spectra"])
    start, outer, x, bin_weights = (jnp.asarray(problem[key]) for key in ("weights", "outer", "x", "bin_weights"))

    def network(weights: Any, x: Any) -> Any:
        return outer @ sigma(weights @ x)

    @jax.jit
    def train(start: Any, rate: Any, label: Any) -> dict[str, Any]:
        def step(weights: Any, _: None) -> Any:
            f, (d_weights, gradient) = jax.value_and_grad(network, argnums=(0, 1))(weights, x)
            spectrum = jnp.fft.rfft(gradient)
            power = spectrum.real**2 + spectrum.imag**2
            energy = bin_weights * power
            low_energy, high_energy = energy[:low].sum(), energy[low:].sum()
            bands = {"low_energy": low_energy, "high_energy": high_energy}
            ratio = low_energy / (low_energy + high_energy)
            recorded = {"output": f, "low_frequency_ratio": ratio, **({"power": power} if spectra else bands)}
            return weights - rate * (f - label) * d_weights, recorded

        return jax.lax.scan(step, start, None, length=n_steps + 1)[1]

    def run() -> dict[str, NDArray]:
        settings = zip(problem["learning_rates"], problem["labels"], strict=True)
        runs = [jax.block_until_ready(train(start, rate, label)) for rate, label in settings]
        return {key: np.stack([np.asarray(run[key]) for run in runs]) for key in runs[0]}

    return run
