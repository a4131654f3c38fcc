"""Full-batch training on n samples in eager PyTorch as a user writes it (autograd, SGD), f recorded at every step."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray


def prepare(problem: dict[str, NDArray], threads: int) -> Callable[[], dict[str, NDArray]]:
    """One loop for each setting of `problem` (keys: see `benchmarks.sweep.training_problem`)."""
    import torch

    torch.set_num_threads(threads)
    outer, inputs, targets = (torch.tensor(problem[key]) for key in ("outer", "inputs", "targets"))
    n_steps = int(problem["n_steps"])

    def train(rate: float) -> NDArray:
        weights = torch.tensor(problem["weights"], requires_grad=True)
        optimizer = torch.optim.SGD([weights], lr=rate)
        output = torch.empty(n_steps + 1, len(inputs), dtype=torch.float64)
        for t in range(n_steps + 1):
            f = torch.nn.functional.softplus(inputs @ weights.T) @ outer
            output[t] = f.detach()
            optimizer.zero_grad()
            (0.5 * (f - targets) ** 2).mean().backward()
            optimizer.step()
        return np.asarray(output.numpy())

    return lambda: {"output": np.stack([train(rate) for rate in problem["learning_rates"]])}
