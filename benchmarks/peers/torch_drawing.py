"""Random networks in PyTorch: W of i.i.d. N(0, 1), and its product with the input."""

from __future__ import annotations

from collections.abc import Callable

from numpy.typing import NDArray


def prepare(problem: dict[str, NDArray], threads: int) -> Callable[[], dict[str, NDArray]]:
    """One network for each setting of `problem` (keys: see `benchmarks.sweep.drawing_problem`)."""
    import torch

    torch.set_num_threads(threads)
    x, width = torch.tensor(problem["x"]), int(problem["width"])
    generator = torch.Generator().manual_seed(0)
    weights = torch.empty(width, len(x), dtype=torch.float64)

    def run() -> dict[str, NDArray]:
        starts = torch.empty(len(problem["learning_rates"]), width, dtype=torch.float64)
        for start in starts:
            weights.normal_(generator=generator)
            start[:] = weights @ x
        return {"weights": weights.numpy(), "starts": starts.numpy()}

    return run
