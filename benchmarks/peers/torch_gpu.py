"""A PGD step and a training step in PyTorch on a GPU: eager, compiled, or one CUDA graph; in three precisions.

float32 is float32; tf32 lets cuBLAS and cuDNN take the tensor cores; bf16 is the whole network in bfloat16 in an
attack, autocast with float32 weights in training. Everything but the graphs also runs on a CPU, to be tested there.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.kernels_jobs import RADIUS, STEP
from benchmarks.kernels_network import TRAINING_ADAM
from benchmarks.peers.torch_kernels import as_array, on_device, prepare_torch
from benchmarks.peers.torch_networks import _network

Problem = dict[str, NDArray[Any]]
Run = Callable[[], dict[str, Any]]
FORMS = ("eager", "compiled", "graph")
WARM = 3  # runs before a capture, in a stream of their own, as PyTorch asks for


def prepare_attack(problem: Problem, threads: int, layout: str, form: str, precision: str, device: str = "cuda") -> Run:
    """Evaluation mode, batch norm folded, parameters without gradients; both projections as one clamp."""
    import torch

    from benchmarks.peers.torch_resnet import fold

    memory_format = _prepare(torch, threads, layout, precision)
    kind = torch.bfloat16 if precision == "bf16" else torch.float32
    folded: Any = fold(_network(problem)).requires_grad_(False)
    network = folded.to(device=device, dtype=kind, memory_format=memory_format)
    if form == "compiled":
        network = torch.compile(network, dynamic=False, mode="max-autotune")
    origin = torch.from_numpy(problem["images"]).to(device).contiguous(memory_format=memory_format)
    low, high = (origin - RADIUS).clamp_(0, 1), (origin + RADIUS).clamp_(0, 1)
    labels, checked = torch.from_numpy(problem["labels"]).to(device), problem["checked"]
    x = origin.clone()

    def step() -> tuple[Any, Any]:
        leaf = x.detach().requires_grad_(True)  # the same memory
        logits = network(leaf.to(kind)).float()
        loss = torch.nn.functional.cross_entropy(logits, labels, reduction="sum")
        (gradient,) = torch.autograd.grad(loss, leaf)
        x.add_(gradient.sign(), alpha=STEP).clamp_(low, high)
        return gradient, logits.detach()

    replay = captured(torch, step, lambda: x.copy_(origin)) if form == "graph" else step

    def run() -> dict[str, Any]:
        gradient, logits = replay()
        return {"gradient": lambda: as_array(gradient)[checked], "logits": lambda: as_array(logits)[checked]}

    return on_device(torch, run, device)


def prepare_training(
    problem: Problem, threads: int, layout: str, form: str, precision: str, device: str = "cuda"
) -> Run:
    """Statistics of the batch, the fused Adam; of a graph forward, backward and optimizer are all in it."""
    import torch

    memory_format = _prepare(torch, threads, layout, precision)
    plain = _network(problem).train().to(device, memory_format=memory_format)
    network = torch.compile(plain, dynamic=False, mode="max-autotune") if form == "compiled" else plain
    images = torch.from_numpy(problem["images"]).to(device).contiguous(memory_format=memory_format)
    labels = torch.from_numpy(problem["labels"]).to(device)
    parameters = list(plain.parameters())
    rates = TRAINING_ADAM
    optimizer = torch.optim.Adam(
        parameters, rates.learning_rate, (rates.beta1, rates.beta2), rates.epsilon, rates.weight_decay,
        fused=True, capturable=form == "graph",
    )  # fmt: skip
    before = {name: value.clone() for name, value in plain.state_dict().items()}

    def step() -> Any:
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(device, torch.bfloat16) if precision == "bf16" else nullcontext():
            loss = torch.nn.functional.cross_entropy(network(images), labels)
        loss.backward()
        optimizer.step()
        return loss.detach()

    def restore() -> None:
        with torch.no_grad():
            for name, value in plain.state_dict().items():
                value.copy_(before[name])
            for state in optimizer.state.values():
                for value in state.values():
                    value.zero_()

    replay = captured(torch, step, restore) if form == "graph" else step

    def gradients() -> NDArray[Any]:
        return np.concatenate([as_array(parameter.grad.contiguous()).ravel() for parameter in parameters])

    def run() -> dict[str, Any]:
        return {"gradients": gradients, "loss": partial(as_array, replay())}

    return on_device(torch, run, device)


def captured(torch: Any, step: Callable[[], Any], restore: Callable[[], object]) -> Callable[[], Any]:
    """The step as one CUDA graph; restore: puts back what running it has changed."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(WARM):
            step()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        found = step()
    restore()

    def replay() -> Any:
        graph.replay()
        return found

    return replay


def _prepare(torch: Any, threads: int, layout: str, precision: str) -> Any:
    prepare_torch(torch, threads)
    if precision == "tf32":
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = True
    return torch.channels_last if layout == "channels_last" else torch.contiguous_format
