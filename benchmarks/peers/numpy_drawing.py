"""Random networks in NumPy: W of i.i.d. N(0, 1), and its product with the input."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray


def prepare(problem: dict[str, NDArray], threads: int) -> Callable[[], dict[str, NDArray]]:
    """One network for each setting of `problem` (keys: see `benchmarks.sweep.drawing_problem`)."""
    x, width = problem["x"], int(problem["width"])
    rng = np.random.default_rng(0)
    weights = np.empty((width, x.size))

    def run() -> dict[str, NDArray]:
        starts = np.empty((len(problem["learning_rates"]), width))
        for start in starts:
            rng.standard_normal(out=weights)
            start[:] = weights @ x
        return {"weights": weights, "starts": starts}

    return run
