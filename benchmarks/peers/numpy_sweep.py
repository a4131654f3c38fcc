"""Training runs of several settings as plain NumPy loops: the weight matrix itself is updated, one FFT a step."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray


def prepare(problem: dict[str, NDArray], threads: int) -> Callable[[], dict[str, NDArray]]:
    """One loop for each setting of `problem` (keys: see `benchmarks.sweep.trajectory_problem`)."""
    outer, x, bin_weights = problem["outer"], problem["x"], problem["bin_weights"]
    n_steps, low = int(problem["n_steps"]), int(problem["cutoff"]) + 1
    relu, spectra = str(problem["activation"]) == "relu", bool(problem["spectra"])

    def train(rate: float, label: float) -> dict[str, NDArray]:
        weights = problem["weights"].copy()
        output, low_energy, high_energy = np.empty((3, n_steps + 1))
        power = np.empty((n_steps + 1 if spectra else 0, bin_weights.size))
        for t in range(n_steps + 1):
            s = weights @ x
            if relu:
                value, slope = np.maximum(s, 0.0), (s > 0).astype(float)
            else:
                value, slope = np.maximum(s, 0.0) + np.log1p(np.exp(-np.abs(s))), 1.0 / (1.0 + np.exp(-s))
            active = outer * slope
            spectrum = np.fft.rfft(active @ weights)
            energy = spectrum.real**2 + spectrum.imag**2
            if spectra:
                power[t] = energy
            energy *= bin_weights
            output[t], low_energy[t], high_energy[t] = outer @ value, energy[:low].sum(), energy[low:].sum()
            weights -= rate * (output[t] - label) * np.outer(active, x)
        ratio = low_energy / (low_energy + high_energy)
        bands = {"low_energy": low_energy, "high_energy": high_energy}
        return {"output": output, "low_frequency_ratio": ratio, **({"power": power} if spectra else bands)}

    def run() -> dict[str, NDArray]:
        runs = [train(*setting) for setting in zip(problem["learning_rates"], problem["labels"], strict=True)]
        return {key: np.stack([run[key] for run in runs]) for key in runs[0]}

    return run
