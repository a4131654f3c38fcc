"""A PGD step and a training step in PyTorch, each in the fastest form known to us."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.kernels_jobs import RADIUS, STEP
from benchmarks.kernels_network import TRAINING_ADAM
from benchmarks.peers.torch_kernels import as_array, fused_adam, on_device, prepare_torch

Problem = dict[str, NDArray[Any]]
Run = Callable[[], dict[str, Any]]


def prepare_attack(problem: Problem, threads: int, layout: str, compiled: str = "", device: str = "cpu") -> Run:
    """Evaluation mode, batch norm folded, parameters without gradients; both projections as one clamp.

    compiled: torch.compile's mode, empty for eager.
    """
    import torch

    from benchmarks.peers.torch_resnet import fold

    prepare_torch(torch, threads)
    memory_format = torch.channels_last if layout == "channels_last" else torch.contiguous_format
    network: Any = fold(_network(problem)).requires_grad_(False).to(device, memory_format=memory_format)
    if compiled:
        network = torch.compile(network, dynamic=False, mode=compiled)
    origin = torch.from_numpy(problem["images"]).to(device).contiguous(memory_format=memory_format)
    low, high = (origin - RADIUS).clamp_(0, 1), (origin + RADIUS).clamp_(0, 1)
    labels, checked = torch.from_numpy(problem["labels"]).to(device), problem["checked"]
    x = origin.clone()

    def run() -> dict[str, Any]:
        x.requires_grad_(True)
        logits = network(x)
        (gradient,) = torch.autograd.grad(torch.nn.functional.cross_entropy(logits, labels, reduction="sum"), x)
        x.requires_grad_(False)
        x.add_(gradient.sign(), alpha=STEP).clamp_(low, high)
        return {
            "gradient": lambda: as_array(gradient)[checked],
            "logits": lambda: as_array(logits.detach())[checked],
        }

    return on_device(torch, run, device)


def prepare_training(problem: Problem, threads: int, layout: str, device: str = "cpu") -> Run:
    """Eager autograd, statistics of the batch, the fused Adam."""
    import torch

    prepare_torch(torch, threads)
    memory_format = torch.channels_last if layout == "channels_last" else torch.contiguous_format
    network = _network(problem).train().to(device, memory_format=memory_format)
    images = torch.from_numpy(problem["images"]).to(device).contiguous(memory_format=memory_format)
    labels = torch.from_numpy(problem["labels"]).to(device)
    optimizer = fused_adam(torch, network.parameters(), TRAINING_ADAM)

    def gradients() -> NDArray[Any]:
        return np.concatenate([as_array(parameter.grad.contiguous()).ravel() for parameter in network.parameters()])

    def run() -> dict[str, Any]:
        optimizer.zero_grad(set_to_none=True)
        loss = torch.nn.functional.cross_entropy(network(images), labels)
        loss.backward()
        optimizer.step()
        return {"gradients": gradients, "loss": partial(as_array, loss.detach())}

    return on_device(torch, run, device)


def prepare_run(problem: Problem, threads: int, layout: str, device: str = "cpu", double: bool = False) -> Run:
    """Steps of training as `benchmarks.training` has them: crops and flips of a whole batch by one index.

    double: in float64.
    """
    import torch

    from benchmarks.training import PADDING

    prepare_torch(torch, threads)
    memory_format = torch.channels_last if layout == "channels_last" else torch.contiguous_format
    kind = torch.float64 if double else torch.float32
    images, labels, offsets, flips = (
        torch.from_numpy(problem[name]).to(device) for name in ("images", "labels", "offsets", "flips")
    )
    n, side = int(problem["batch"]), images.shape[-1]
    places = torch.arange(side, device=device)
    channels = torch.arange(images.shape[1], device=device)[None, :, None, None]

    def batch(own: slice) -> Any:
        padded = torch.nn.functional.pad(images[own], (PADDING,) * 4)
        columns = torch.where(flips[own, None], side - 1 - places, places)
        rows = (offsets[own, 0, None] + places)[:, None, :, None]
        columns = (offsets[own, 1, None] + columns)[:, None, None, :]
        every = torch.arange(len(padded), device=device)[:, None, None, None]
        x = padded[every, channels, rows, columns].to(kind) / 255
        return x.contiguous(memory_format=memory_format)

    def run() -> dict[str, Any]:
        network = _network(problem).train().to(device=device, dtype=kind, memory_format=memory_format)
        optimizer = fused_adam(torch, network.parameters(), TRAINING_ADAM)
        losses = []
        for begin in range(0, len(labels), n):
            own = slice(begin, begin + n)
            optimizer.zero_grad(set_to_none=True)
            loss = torch.nn.functional.cross_entropy(network(batch(own)), labels[own])
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
        found = torch.stack(losses).cpu().numpy()
        return {"losses": np.asarray(found, float)}

    return on_device(torch, run, device)


def _network(problem: Problem) -> Any:
    from benchmarks.peers.torch_resnet import load

    state = {name.removeprefix("state."): values for name, values in problem.items() if name.startswith("state.")}
    return load(int(problem["depth"]), state, problem["mean"], problem["std"])
