"""Training on n samples as a plain NumPy loop: forward, update of W and the probes' spectra at every step."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray


def prepare(problem: dict[str, NDArray], threads: int) -> Callable[[], dict[str, NDArray]]:
    """The loop over `problem` (keys: see `benchmarks.theory.dataset_problem`); BLAS threads come from outside."""
    outer, inputs, labels, probes = (problem[key] for key in ("outer", "inputs", "labels", "probes"))
    rate, n_steps = float(problem["learning_rate"]), int(problem["n_steps"])

    def run() -> dict[str, NDArray]:
        weights = problem["weights"].copy()
        spectrum = np.empty((n_steps + 1, len(probes), inputs.shape[1] // 2 + 1), complex)
        for t in range(n_steps + 1):
            s = inputs @ weights.T
            spectrum[t] = np.fft.rfft((outer / (1.0 + np.exp(-probes @ weights.T))) @ weights)
            value = np.maximum(s, 0.0) + np.log1p(np.exp(-np.abs(s)))  # faster than np.logaddexp
            residual = value @ outer - labels
            active = outer / (1.0 + np.exp(-s))
            weights -= rate / len(inputs) * (residual[:, None] * active).T @ inputs
        return {"gradient_spectrum": spectrum}

    return run
