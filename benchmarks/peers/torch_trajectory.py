"""One trajectory as an eager PyTorch loop, in the fastest eager form known to us.

Gradients are written by hand and W is updated in place (`addr_`); the form with autograd and an SGD optimizer takes
about 1.6 times as long and is not shown.
"""

from __future__ import annotations

from collections.abc import Callable

from numpy.typing import NDArray


def prepare(problem: dict[str, NDArray], threads: int) -> Callable[[], dict[str, NDArray]]:
    """The loop over `problem` (keys: see `benchmarks.theory.trajectory_problem`) on `threads` CPU threads."""
    import torch

    torch.set_num_threads(threads)
    label, rate = float(problem["label"]), float(problem["learning_rate"])
    n_steps, cutoff = int(problem["n_steps"]), int(problem["cutoff"])
    relu = str(problem["activation"]) == "relu"

    def run() -> dict[str, NDArray]:
        weights = torch.tensor(problem["weights"])
        outer, x = torch.tensor(problem["outer"]), torch.tensor(problem["x"])
        dim = x.numel()
        spectrum = torch.empty(n_steps + 1, dim // 2 + 1, dtype=torch.complex128)
        ratio = torch.empty(n_steps + 1, dtype=torch.float64)
        twice = torch.full((dim // 2 + 1,), 2.0, dtype=torch.float64)
        twice[0] = 1.0
        if dim % 2 == 0:
            twice[-1] = 1.0
        with torch.inference_mode():
            for t in range(n_steps + 1):
                s = weights @ x
                if relu:
                    value, active = torch.relu(s), outer * (s > 0)
                else:
                    value, active = torch.nn.functional.softplus(s), outer * torch.sigmoid(s)
                spectrum[t] = torch.fft.rfft(active @ weights)
                energy = twice * (spectrum[t].real ** 2 + spectrum[t].imag ** 2)
                ratio[t] = energy[: cutoff + 1].sum() / energy.sum()
                weights.addr_(active, x, alpha=-rate * (float(outer @ value) - label))
        return {"gradient_spectrum": spectrum.numpy(), "low_frequency_ratio": ratio.numpy()}

    return run
