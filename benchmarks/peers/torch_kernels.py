"""The operations in PyTorch, each in the fastest eager form known to us, in the memory format that is asked for.

Gradients call the operator that autograd would call, without its bookkeeping. Layouts: nchw, channels_last.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.kernels_jobs import ADAM, CUTOFF, L2_RADIUS, L2_STEP, RADIUS, STEP, Rates

Problem = dict[str, NDArray[Any]]
Run = Callable[[], dict[str, Any]]
EPSILON = 1e-5


def prepare(problem: Problem, threads: int, kind: str, layout: str, device: str = "cpu") -> Run:
    """One operation on `threads` threads or a GPU; results are made NumPy arrays only where they are compared."""
    import torch

    prepare_torch(torch, threads)
    memory_format = torch.channels_last if layout == "channels_last" else torch.contiguous_format
    tensors = {}
    for name, array in problem.items():
        if array.dtype.kind == "U":
            continue
        tensor = torch.from_numpy(np.array(array)).to(device)
        tensors[name] = tensor.contiguous(memory_format=memory_format) if tensor.ndim == 4 else tensor
    with torch.device(device):
        step = OPERATIONS[kind](torch, tensors, problem)

    def run() -> dict[str, Any]:
        with torch.inference_mode():
            results = step()
        return {name: partial(as_array, tensor) for name, tensor in results.items()}

    return on_device(torch, run, device)


def prepare_torch(torch: Any, threads: int) -> None:
    """Threads of the CPU; float32 on a GPU means float32, as ours."""
    torch.set_num_threads(threads)
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.benchmark = True


def as_array(tensor: Any) -> NDArray[Any]:
    """A tensor, or what a function makes of tensors, as NumPy has it."""
    found = tensor() if callable(tensor) else tensor
    return np.asarray(found.cpu() if hasattr(found, "cpu") else found)


def on_device(torch: Any, run: Run, device: str) -> Run:
    """`run`, timed by the GPU's own clock if it works there."""
    return run if device == "cpu" else OnGpu(torch, run)


class OnGpu:
    """A side on a GPU: `measure` is called in place of a clock around calls that only queue work."""

    def __init__(self, torch: Any, run: Run) -> None:
        """run: queues the work of one call."""
        self._torch, self._run = torch, run

    def __call__(self) -> dict[str, Any]:
        """One call, finished."""
        result = self._run()
        self._torch.cuda.synchronize()
        return result

    def measure(self, calls: int) -> float:
        """Seconds of one of so many calls."""
        start, end = (self._torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        for _ in range(calls):
            self._run()
        end.record()
        end.synchronize()
        return float(start.elapsed_time(end)) / 1e3 / calls


def _conv2d(torch: Any, t: dict[str, Any], problem: Problem) -> Callable[[], dict[str, Any]]:
    stride = int(problem["stride"])
    return lambda: {"output": torch.conv2d(t["images"], t["weights"], None, stride, 1)}


def _convolution_backward(torch: Any, d_y: Any, x: Any, weights: Any, stride: int, mask: list[bool]) -> Any:
    arguments = ([stride] * 2, [1, 1], [1, 1], False, [0, 0], 1, mask)
    return torch.ops.aten.convolution_backward(d_y, x, weights, None, *arguments)


def _conv2d_input_gradient(torch: Any, t: dict[str, Any], problem: Problem) -> Callable[[], dict[str, Any]]:
    stride, size = int(problem["stride"]), [int(side) for side in problem["size"]]
    shape = (len(t["d_output"]), t["weights"].shape[1], *size)
    x = torch.empty(shape).contiguous(memory_format=_format(torch, t["d_output"]))
    mask = [True, False, False]
    return lambda: {"d_images": _convolution_backward(torch, t["d_output"], x, t["weights"], stride, mask)[0]}


def _conv2d_weight_gradient(torch: Any, t: dict[str, Any], problem: Problem) -> Callable[[], dict[str, Any]]:
    stride = int(problem["stride"])
    shape = (t["d_output"].shape[1], t["images"].shape[1], 3, 3)
    weights = torch.empty(shape).contiguous(memory_format=_format(torch, t["images"]))
    mask = [False, True, False]
    return lambda: {"d_weights": _convolution_backward(torch, t["d_output"], t["images"], weights, stride, mask)[1]}


def _format(torch: Any, like: Any) -> Any:
    return torch.contiguous_format if like.is_contiguous() else torch.channels_last


def _batch_norm(torch: Any, t: dict[str, Any], problem: Problem) -> Callable[[], dict[str, Any]]:
    def run() -> dict[str, Any]:
        y, mean, inverse = torch.native_batch_norm(t["x"], t["scale"], t["shift"], None, None, True, 0.0, EPSILON)
        return {"y": y, "mean": mean, "variance": lambda: inverse.double() ** -2 - EPSILON}

    return run


def _batch_norm_gradient(torch: Any, t: dict[str, Any], problem: Problem) -> Callable[[], dict[str, Any]]:
    x = problem["x"].astype(float)
    mean = torch.from_numpy(x.mean((0, 2, 3))).to(t["x"])
    inverse = torch.from_numpy(1 / np.sqrt(x.var((0, 2, 3)) + EPSILON)).to(t["x"])

    def run() -> dict[str, Any]:
        arguments = (t["scale"], None, None, mean, inverse, True, EPSILON, [True, True, True])
        d_x, d_scale, d_shift = torch.ops.aten.native_batch_norm_backward(t["d_y"], t["x"], *arguments)
        return {"d_x": d_x, "d_scale": d_scale, "d_shift": d_shift}

    return run


def _shortcut(torch: Any, t: dict[str, Any], problem: Problem) -> Callable[[], dict[str, Any]]:
    half = t["x"].shape[1] // 2
    around = (0, 0, 0, 0, half, half)
    return lambda: {"y": torch.nn.functional.pad(t["x"][:, :, ::2, ::2], around)}


def _shortcut_gradient(torch: Any, t: dict[str, Any], problem: Problem) -> Callable[[], dict[str, Any]]:
    n, wide, height, width = t["d_y"].shape
    shape, half, memory_format = (n, wide // 2, 2 * height, 2 * width), wide // 4, _format(torch, t["d_y"])

    def run() -> dict[str, Any]:
        d_x = torch.empty(shape, memory_format=memory_format).zero_()
        d_x[:, :, ::2, ::2] = t["d_y"][:, half : wide - half]
        return {"d_x": d_x}

    return run


def _head(torch: Any, t: dict[str, Any], problem: Problem) -> Callable[[], dict[str, Any]]:
    return lambda: {"logits": torch.nn.functional.linear(t["x"].mean((2, 3)), t["weight"], t["bias"])}


def _head_gradient(torch: Any, t: dict[str, Any], problem: Problem) -> Callable[[], dict[str, Any]]:
    side = int(problem["side"])

    def run() -> dict[str, Any]:
        d_pooled = (t["d_logits"] @ t["weight"]).div_(side * side)
        spread = d_pooled[:, :, None, None].expand(-1, -1, side, side)
        return {"d_x": spread.contiguous(memory_format=_format(torch, t["d_logits"]))}

    return run


def _loss(torch: Any, t: dict[str, Any], problem: Problem) -> Callable[[], dict[str, Any]]:
    """Loss of each example, and its gradient as autograd computes it."""
    logits, labels, kind = t["logits"].requires_grad_(), t["labels"], str(problem["kind"])

    def values() -> Any:
        if kind == "cross_entropy":
            return torch.nn.functional.cross_entropy(logits, labels, reduction="none")
        if kind == "mse":
            one_hot = torch.nn.functional.one_hot(labels, logits.shape[1])
            return 0.5 * (logits - one_hot).square().sum(1)
        own = logits.gather(1, labels[:, None])
        others = logits.scatter(1, labels[:, None], -torch.inf)
        margin = (others.amax(1, keepdim=True) - own)[:, 0]
        return margin if kind == "margin" else 0.5 * (1 + margin).square()

    def run() -> dict[str, Any]:
        with torch.inference_mode(False), torch.enable_grad():
            losses = values()
            (d_logits,) = torch.autograd.grad(losses.sum(), logits)
        return {"losses": losses.detach(), "d_logits": d_logits}

    return run


def _adam(torch: Any, t: dict[str, Any], problem: Problem) -> Callable[[], dict[str, Any]]:
    """One flat parameter, the fused kernel."""
    parameters = torch.nn.Parameter(t["parameters"].clone())
    parameters.grad = t["gradients"]
    optimizer = fused_adam(torch, [parameters], ADAM)
    state = {"exp_avg": t["first_moment"].clone(), "exp_avg_sq": t["second_moment"].clone()}
    optimizer.state[parameters] = {"step": torch.tensor(float(problem["step"]) - 1), **state}

    def run() -> dict[str, Any]:
        optimizer.step()
        moments = {"first_moment": state["exp_avg"], "second_moment": state["exp_avg_sq"]}
        return {"moved": lambda: parameters.detach().double() - t["parameters"], **moments}

    return run


def fused_adam(torch: Any, parameters: Any, rates: Rates) -> Any:
    """PyTorch's fastest Adam."""
    betas = rates.beta1, rates.beta2
    return torch.optim.Adam(
        parameters, rates.learning_rate, betas, rates.epsilon, weight_decay=rates.weight_decay, fused=True
    )


def _augment(torch: Any, t: dict[str, Any], problem: Problem) -> Callable[[], dict[str, Any]]:
    images, offsets, flips = t["images"], t["offsets"], t["flips"]
    n, channels, height, width = images.shape
    image, channel = torch.arange(n)[:, None, None, None], torch.arange(channels)[:, None, None]
    down, right = torch.arange(height), torch.arange(width)

    def run() -> dict[str, Any]:
        padded = torch.nn.functional.pad(images, (4, 4, 4, 4))
        rows = offsets[:, 0, None] + down
        columns = offsets[:, 1, None] + torch.where(flips[:, None], width - 1 - right, right)
        return {"out": padded[image, channel, rows[:, None, :, None], columns[:, None, None, :]]}

    return run


def _pgd_linf_step(torch: Any, t: dict[str, Any], problem: Problem) -> Callable[[], dict[str, Any]]:
    """Both projections as one clamp, its bounds made once for all steps."""
    x, low, high = t["x"].clone(), (t["origin"] - RADIUS).clamp_(0, 1), (t["origin"] + RADIUS).clamp_(0, 1)
    return lambda: {"x": x.add_(t["gradient"].sign(), alpha=STEP).clamp_(low, high)}


def _l2_step(torch: Any, t: dict[str, Any], problem: Problem) -> Callable[[], dict[str, Any]]:
    def run() -> dict[str, Any]:
        norm = torch.linalg.vector_norm(t["gradient"], dim=(1, 2, 3), keepdim=True)
        return {"out": t["x"] + t["gradient"] * (L2_STEP / norm)}

    return run


def _project_l2(torch: Any, t: dict[str, Any], problem: Problem) -> Callable[[], dict[str, Any]]:
    def run() -> dict[str, Any]:
        delta = t["x"] - t["origin"]
        norm = torch.linalg.vector_norm(delta, dim=(1, 2, 3), keepdim=True)
        return {"out": delta.mul_((L2_RADIUS / norm).clamp_(max=1)).add_(t["origin"])}

    return run


def _low_pass(torch: Any, t: dict[str, Any], problem: Problem) -> Callable[[], dict[str, Any]]:
    height, width = t["images"].shape[2:]
    rows, columns = torch.fft.fftfreq(height, 1 / height), torch.fft.rfftfreq(width, 1 / width)
    kept = (rows[:, None].square() + columns.square() <= CUTOFF**2).float()
    return lambda: {"out": torch.fft.irfft2(torch.fft.rfft2(t["images"]).mul_(kept), s=(height, width))}


OPERATIONS: dict[str, Callable[[Any, dict[str, Any], Problem], Callable[[], dict[str, Any]]]] = {
    "conv2d": _conv2d,
    "conv2d_input_gradient": _conv2d_input_gradient,
    "conv2d_weight_gradient": _conv2d_weight_gradient,
    "batch_norm": _batch_norm,
    "batch_norm_gradient": _batch_norm_gradient,
    "shortcut": _shortcut,
    "shortcut_gradient": _shortcut_gradient,
    "head": _head,
    "head_gradient": _head_gradient,
    "loss": _loss,
    "adam": _adam,
    "augment": _augment,
    "pgd_linf_step": _pgd_linf_step,
    "l2_step": _l2_step,
    "project_l2": _project_l2,
    "low_pass": _low_pass,
}
