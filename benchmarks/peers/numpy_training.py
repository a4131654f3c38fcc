"""Full-batch training on n samples as a plain NumPy loop that updates W and records f at every step."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray


def prepare(problem: dict[str, NDArray], threads: int) -> Callable[[], dict[str, NDArray]]:
    """One loop for each setting of `problem` (keys: see `benchmarks.sweep.training_problem`)."""
    outer, inputs, targets = (problem[key] for key in ("outer", "inputs", "targets"))
    n_steps, n = int(problem["n_steps"]), len(inputs)

    def train(rate: float) -> NDArray:
        weights = problem["weights"].copy()
        output = np.empty((n_steps + 1, n))
        for t in range(n_steps + 1):
            s = inputs @ weights.T
            small = np.exp(-np.abs(s))
            output[t] = (np.maximum(s, 0.0) + np.log1p(small)) @ outer
            slope = np.where(s > 0, 1.0, small) / (1.0 + small)
            weights -= ((rate / n * (output[t] - targets))[:, None] * outer * slope).T @ inputs
        return output

    return lambda: {"output": np.stack([train(rate) for rate in problem["learning_rates"]])}
