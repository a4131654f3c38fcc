"""One trajectory as a plain NumPy loop: the weight matrix itself is updated, the spectrum taken at every step."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray


def prepare(problem: dict[str, NDArray], threads: int) -> Callable[[], dict[str, NDArray]]:
    """The loop over `problem` (keys: see `benchmarks.theory.trajectory_problem`); BLAS threads come from outside."""
    outer, x = problem["outer"], problem["x"]
    label, rate = float(problem["label"]), float(problem["learning_rate"])
    n_steps, cutoff = int(problem["n_steps"]), int(problem["cutoff"])
    relu = str(problem["activation"]) == "relu"

    def run() -> dict[str, NDArray]:
        weights = problem["weights"].copy()
        spectrum = np.empty((n_steps + 1, x.size // 2 + 1), complex)
        ratio = np.empty(n_steps + 1)
        twice = np.full(x.size // 2 + 1, 2.0)  # every bin but k = 0 and Nyquist has a mirror image
        twice[0] = 1.0
        if x.size % 2 == 0:
            twice[-1] = 1.0
        for t in range(n_steps + 1):
            s = weights @ x
            if relu:
                value, slope = np.maximum(s, 0.0), (s > 0).astype(float)
            else:
                value, slope = np.maximum(s, 0.0) + np.log1p(np.exp(-np.abs(s))), 1.0 / (1.0 + np.exp(-s))
            active = outer * slope
            spectrum[t] = np.fft.rfft(active @ weights)
            energy = twice * (spectrum[t].real ** 2 + spectrum[t].imag ** 2)
            ratio[t] = energy[: cutoff + 1].sum() / energy.sum()
            weights -= rate * (outer @ value - label) * np.outer(active, x)
        return {"gradient_spectrum": spectrum, "low_frequency_ratio": ratio}

    return run
