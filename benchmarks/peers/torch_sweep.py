"""Training runs of several settings in eager PyTorch as a user writes them: autograd for both gradients, SGD."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray


def prepare(problem: dict[str, NDArray], threads: int) -> Callable[[], dict[str, NDArray]]:
    """One loop for each setting of `problem` (keys: see `benchmarks.sweep.trajectory_problem`)."""
    import torch

    torch.set_num_threads(threads)
    n_steps, low = int(problem["n_steps"]), int(problem["cutoff"]) + 1
    sigma = torch.relu if str(problem["activation"]) == "relu" else torch.nn.functional.softplus
    spectra = bool(problem["spectra"])

    def train(rate: float, label: float) -> dict[str, NDArray]:
        weights = torch.tensor(problem["weights"], requires_grad=True)
        x = torch.tensor(problem["x"], requires_grad=True)
        outer, bin_weights = torch.tensor(problem["outer"]), torch.tensor(problem["bin_weights"])
        optimizer = torch.optim.SGD([weights], lr=rate)
        output, low_energy, high_energy = torch.empty(3, n_steps + 1, dtype=torch.float64)
        power = torch.empty(n_steps + 1 if spectra else 0, len(bin_weights), dtype=torch.float64)
        for t in range(n_steps + 1):
            f = outer @ sigma(weights @ x)
            (gradient,) = torch.autograd.grad(f, x, retain_graph=True)
            energy = torch.fft.rfft(gradient).abs() ** 2
            if spectra:
                power[t] = energy
            energy = bin_weights * energy
            output[t], low_energy[t], high_energy[t] = f.detach(), energy[:low].sum(), energy[low:].sum()
            optimizer.zero_grad()
            (0.5 * (f - label) ** 2).backward(inputs=[weights])
            optimizer.step()
        ratio = low_energy / (low_energy + high_energy)
        bands = {"low_energy": low_energy, "high_energy": high_energy}
        recorded = {"output": output, "low_frequency_ratio": ratio, **({"power": power} if spectra else bands)}
        return {key: tensor.numpy() for key, tensor in recorded.items()}

    def run() -> dict[str, NDArray]:
        runs = [train(*setting) for setting in zip(problem["learning_rates"], problem["labels"], strict=True)]
        return {key: np.stack([run[key] for run in runs]) for key in runs[0]}

    return run
