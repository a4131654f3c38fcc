"""Training runs of several settings in the fastest eager PyTorch known to us: no autograd, W updated in place."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray


def prepare(problem: dict[str, NDArray], threads: int) -> Callable[[], dict[str, NDArray]]:
    """One loop for each setting of `problem` (keys: see `benchmarks.sweep.trajectory_problem`)."""
    import torch

    torch.set_num_threads(threads)
    n_steps, low = int(problem["n_steps"]), int(problem["cutoff"]) + 1
    relu, spectra = str(problem["activation"]) == "relu", bool(problem["spectra"])

    def train(rate: float, label: float) -> dict[str, NDArray]:
        weights, x = torch.tensor(problem["weights"]), torch.tensor(problem["x"])
        outer, bin_weights = torch.tensor(problem["outer"]), torch.tensor(problem["bin_weights"])
        output, low_energy, high_energy = torch.empty(3, n_steps + 1, dtype=torch.float64)
        power = torch.empty(n_steps + 1 if spectra else 0, len(bin_weights), dtype=torch.float64)
        for t in range(n_steps + 1):
            s = weights @ x
            if relu:
                value, active = torch.relu(s), outer * (s > 0)
            else:
                value, active = torch.nn.functional.softplus(s), outer * torch.sigmoid(s)
            spectrum = torch.fft.rfft(active @ weights)
            energy = spectrum.real**2 + spectrum.imag**2
            if spectra:
                power[t] = energy
            energy *= bin_weights
            f = float(outer @ value)
            output[t], low_energy[t], high_energy[t] = f, energy[:low].sum(), energy[low:].sum()
            weights.addr_(active, x, alpha=-rate * (f - label))
        ratio = low_energy / (low_energy + high_energy)
        bands = {"low_energy": low_energy, "high_energy": high_energy}
        recorded = {"output": output, "low_frequency_ratio": ratio, **({"power": power} if spectra else bands)}
        return {key: tensor.numpy() for key, tensor in recorded.items()}

    def run() -> dict[str, NDArray]:
        with torch.inference_mode():
            runs = [train(*setting) for setting in zip(problem["learning_rates"], problem["labels"], strict=True)]
        return {key: np.stack([run[key] for run in runs]) for key in runs[0]}

    return run
