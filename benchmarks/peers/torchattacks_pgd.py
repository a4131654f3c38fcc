"""PGD by torchattacks on a network as a user loads it: evaluation mode, NCHW, batches of a usual size."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Problem = dict[str, NDArray[Any]]


def prepare(problem: Problem, threads: int, filtered: bool, batch: int, device: str) -> Callable[[], dict[str, Any]]:
    """filtered: a low-pass filter, by `torch.fft`, is the network's first layer."""
    import torch
    import torchattacks

    from benchmarks.attack import excess
    from benchmarks.peers.torch_resnet import load

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    state = {name.removeprefix("state."): values for name, values in problem.items() if name.startswith("state.")}
    model: Any = load(int(problem["depth"]), state, problem["mean"], problem["std"])
    if filtered:
        model = torch.nn.Sequential(_low_pass(torch, float(problem["cutoff"]), problem["images"].shape[2:]), model)
    model.eval().to(device)
    radius = float(problem["radius"])
    options = {"eps": radius, "alpha": float(problem["step_size"]), "steps": int(problem["steps"])}
    attack = torchattacks.PGD(model, random_start=True, **options)
    images, labels = (torch.from_numpy(problem[name]).to(device) for name in ("images", "labels"))

    def losses(found: Any) -> NDArray[Any]:
        with torch.no_grad():
            parts = zip(found.split(batch), labels.split(batch), strict=True)
            each = [torch.nn.functional.cross_entropy(model(x), y, reduction="none") for x, y in parts]
        return np.asarray(torch.cat(each).cpu().numpy())

    def run() -> dict[str, Any]:
        parts = zip(images.split(batch), labels.split(batch), strict=True)
        found = torch.cat([attack(x, y) for x, y in parts]).cpu()
        return {
            "losses": lambda: losses(found.to(device)),
            "excess": lambda: excess(found.numpy(), problem["images"], radius),
        }

    return run


def _low_pass(torch: Any, cutoff: float, shape: tuple[int, int]) -> Any:
    rows, columns = (np.fft.fftfreq(shape[0]) * shape[0], np.fft.rfftfreq(shape[1]) * shape[1])
    mask = torch.from_numpy(np.hypot(rows[:, None], columns) <= cutoff)

    class LowPass(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("mask", mask)

        def forward(self, x: Any) -> Any:
            return torch.fft.irfft2(torch.fft.rfft2(x) * self.mask, s=shape)

    return LowPass()
