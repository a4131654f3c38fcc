"""Our side of the operations and networks on a CUDA device, timed by its events; arrays lie there beforehand."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.kernels_jobs import ADAM, CUTOFF, L2_RADIUS, L2_STEP, RADIUS, STEP, Problem
from benchmarks.kernels_network import LOSS, TRAINING_ADAM, network_of
from deep_check.architecture import EPSILON
from deep_check.cuda.attack_network import AttackNetwork
from deep_check.cuda.device import Device, cuda_device
from deep_check.cuda.training_network import TrainingNetwork
from deep_check.cuda.training_steps import Adam, TrainingSteps
from deep_check.ops import attack_step_cuda
from deep_check.ops.augment_cuda import augment
from deep_check.ops.batch_norm_cuda import SCRATCH, batch_norm_gradient, batch_norm_training
from deep_check.ops.conv2d_cuda import Convolution
from deep_check.ops.linear_cuda import linear, linear_input_gradient
from deep_check.ops.loss_cuda import loss
from deep_check.ops.optimizer_cuda import ADAM_FACTORS, adam_step, settings
from deep_check.ops.pool_cuda import global_average_pool, global_average_pool_gradient
from deep_check.ops.shortcut_cuda import shortcut, shortcut_gradient
from deep_check.ops.spectral_mask_cuda import LowPass

Run = Callable[[], dict[str, Any]]


class OnCupy:
    """A side on CuPy's device: `measure` is called in place of a clock around calls that only queue work."""

    def __init__(self, run: Run) -> None:
        """run: queues the work of one call."""
        import cupy

        self._cupy, self._run = cupy, run

    def __call__(self) -> dict[str, Any]:
        """One call, finished."""
        result = self._run()
        self._cupy.cuda.Device().synchronize()
        return result

    def measure(self, calls: int) -> float:
        """Seconds of one of so many calls."""
        start, end = self._cupy.cuda.Event(), self._cupy.cuda.Event()
        start.record()
        for _ in range(calls):
            self._run()
        end.record()
        end.synchronize()
        return float(self._cupy.cuda.get_elapsed_time(start, end)) / 1e3 / calls


def prepare(problem: Problem, threads: int, kind: str) -> OnCupy:
    """One operation of `kernels_jobs.operations`; threads: of the CPU, not used."""
    return OnCupy(OPERATIONS[kind](cuda_device(), problem))


def prepare_attack(problem: Problem, threads: int, precision: str = "float32") -> OnCupy:
    """A PGD step, one CUDA graph."""
    return OnCupy(attack(cuda_device(), problem, precision))


def prepare_training(problem: Problem, threads: int, precision: str = "float32") -> OnCupy:
    """A training step, one CUDA graph."""
    return OnCupy(training(cuda_device(), problem, precision))


def attack(device: Device, problem: Problem, precision: str = "float32") -> Run:
    """A PGD step on any device."""
    network = AttackNetwork(*network_of(problem), problem["mean"], problem["std"], device, precision)
    room, origin = network.make_room(len(problem["images"])), device.send(problem["images"])
    checked = problem["checked"]
    device.write(room.labels, problem["labels"].astype(np.int32))

    def work() -> None:
        network.forward(room)
        network.backward(room, LOSS)
        attack_step_cuda.pgd_linf_step(device, room.images, origin, room.d_images, STEP, RADIUS, room.images)

    step = device.capture(work)
    device.write(room.images, problem["images"])

    def run() -> dict[str, Any]:
        step()
        return {
            "gradient": lambda: device.fetch(room.d_images)[checked],
            "logits": lambda: device.fetch(room.logits)[checked],
        }

    return run


def training(device: Device, problem: Problem, precision: str = "float32") -> Run:
    """A training step on any device."""
    network = TrainingNetwork(*network_of(problem), problem["mean"], problem["std"], device, precision)
    adam = Adam(device, network.parameters.shape[0], *TRAINING_ADAM)
    steps = TrainingSteps(network, adam, len(problem["images"]), LOSS)
    steps.load(problem["images"], problem["labels"])

    def run() -> dict[str, Any]:
        steps.step()
        mean = partial(device.fetch, steps.mean_loss)
        return {"gradients": partial(device.fetch, network.gradients), "loss": lambda: mean()[0]}

    return run


def _sent(device: Device, problem: Problem, *names: str) -> list[Any]:
    return [device.send(np.ascontiguousarray(problem[name])) for name in names]


def _fetched(device: Device, **arrays: Any) -> dict[str, Any]:
    return {name: partial(device.fetch, array) for name, array in arrays.items()}


def _convolution(problem: Problem, c_in: int, c_out: int) -> Convolution:
    height, width = map(int, problem["size"])
    return Convolution(c_in, c_out, height, width, int(problem["stride"]))


def _conv2d(device: Device, problem: Problem) -> Run:
    c_out, c_in = problem["weights"].shape[:2]
    conv = _convolution(problem, c_in, c_out)
    x, weights = _sent(device, problem, "images", "weights")
    packed = device.empty(conv.packed_shape, np.float32)
    y = device.empty((len(x), c_out, conv.out_height, conv.out_width), np.float32)
    conv.pack(device, weights, packed)

    def run() -> dict[str, Any]:
        conv.forward(device, x, packed, y)
        return _fetched(device, output=y)

    return run


def _conv2d_input_gradient(device: Device, problem: Problem) -> Run:
    c_out, c_in = problem["weights"].shape[:2]
    conv = _convolution(problem, c_in, c_out)
    d_y, weights = _sent(device, problem, "d_output", "weights")
    packed = device.empty(conv.packed_turned_shape, np.float32)
    d_x = device.empty((len(d_y), c_in, conv.height, conv.width), np.float32)
    conv.pack_turned(device, weights, packed)

    def run() -> dict[str, Any]:
        conv.input_gradient(device, d_y, packed, d_x)
        return _fetched(device, d_images=d_x)

    return run


def _conv2d_weight_gradient(device: Device, problem: Problem) -> Run:
    c_in, c_out = problem["images"].shape[1], problem["d_output"].shape[1]
    conv = _convolution(problem, c_in, c_out)
    x, d_y = _sent(device, problem, "images", "d_output")
    parts = device.empty(conv.parts_shape(len(x)), np.float32)
    d_weights = device.empty((c_out, c_in, 3, 3), np.float32)

    def run() -> dict[str, Any]:
        conv.weight_gradient(device, x, d_y, parts, d_weights)
        return _fetched(device, d_weights=d_weights)

    return run


def _batch_norm(device: Device, problem: Problem) -> Run:
    x, scale, shift = _sent(device, problem, "x", "scale", "shift")
    y, (mean, variance) = device.empty(x.shape, np.float32), _channels(device, problem, 2)
    scratch = device.empty((x.shape[1], SCRATCH), np.float32)

    def run() -> dict[str, Any]:
        batch_norm_training(device, x, scale, shift, EPSILON, y, mean, variance, scratch)
        return _fetched(device, y=y, mean=mean, variance=variance)

    return run


def _batch_norm_gradient(device: Device, problem: Problem) -> Run:
    d_y, x, scale = _sent(device, problem, "d_y", "x", "scale")
    statistics = (problem["x"].mean((0, 2, 3), dtype=float), problem["x"].var((0, 2, 3), dtype=float))
    mean, variance = (device.send(part.astype(np.float32)) for part in statistics)
    d_x, (d_scale, d_shift) = device.empty(x.shape, np.float32), _channels(device, problem, 2)
    scratch = device.empty((x.shape[1], SCRATCH), np.float32)

    def run() -> dict[str, Any]:
        batch_norm_gradient(device, d_y, x, scale, mean, variance, EPSILON, d_x, d_scale, d_shift, scratch)
        return _fetched(device, d_x=d_x, d_scale=d_scale, d_shift=d_shift)

    return run


def _channels(device: Device, problem: Problem, n: int) -> list[Any]:
    return [device.empty((problem["x"].shape[1],), np.float32) for _ in range(n)]


def _shortcut(device: Device, problem: Problem) -> Run:
    (x,) = _sent(device, problem, "x")
    n, channels, height, width = x.shape
    y = device.empty((n, 2 * channels, height // 2, width // 2), np.float32)

    def run() -> dict[str, Any]:
        shortcut(device, x, y)
        return _fetched(device, y=y)

    return run


def _shortcut_gradient(device: Device, problem: Problem) -> Run:
    (d_y,) = _sent(device, problem, "d_y")
    n, wide, height, width = d_y.shape
    d_x = device.empty((n, wide // 2, 2 * height, 2 * width), np.float32)

    def run() -> dict[str, Any]:
        shortcut_gradient(device, d_y, d_x)
        return _fetched(device, d_x=d_x)

    return run


def _head(device: Device, problem: Problem) -> Run:
    x, weight, bias = _sent(device, problem, "x", "weight", "bias")
    pooled = device.empty(x.shape[:2], np.float32)
    logits = device.empty((x.shape[0], bias.shape[0]), np.float32)

    def run() -> dict[str, Any]:
        global_average_pool(device, x, pooled)
        linear(device, pooled, weight, bias, logits)
        return _fetched(device, logits=logits)

    return run


def _head_gradient(device: Device, problem: Problem) -> Run:
    d_logits, weight = _sent(device, problem, "d_logits", "weight")
    n, channels, side = d_logits.shape[0], weight.shape[1], int(problem["side"])
    d_pooled, d_x = (device.empty(shape, np.float32) for shape in ((n, channels), (n, channels, side, side)))

    def run() -> dict[str, Any]:
        linear_input_gradient(device, d_logits, weight, d_pooled)
        global_average_pool_gradient(device, d_pooled, d_x)
        return _fetched(device, d_x=d_x)

    return run


def _loss(device: Device, problem: Problem) -> Run:
    kind, (logits,) = str(problem["kind"]), _sent(device, problem, "logits")
    labels = device.send(problem["labels"].astype(np.int32))
    losses, d_logits = device.empty(logits.shape[:1], np.float32), device.empty(logits.shape, np.float32)

    def run() -> dict[str, Any]:
        loss(device, logits, labels, kind, losses, d_logits)
        return _fetched(device, losses=losses, d_logits=d_logits)

    return run


def _adam(device: Device, problem: Problem) -> Run:
    parameters, gradients = _sent(device, problem, "parameters", "gradients")
    first, second = _sent(device, problem, "first_moment", "second_moment")
    on_device = device.send(settings(step=float(problem["step"]) - 1, **ADAM._asdict()))
    factors = device.empty((ADAM_FACTORS,), np.float32)

    def moved() -> NDArray[Any]:
        return device.fetch(parameters).astype(float) - problem["parameters"]

    def run() -> dict[str, Any]:
        adam_step(device, parameters, gradients, first, second, on_device, factors)
        return {"moved": moved, **_fetched(device, first_moment=first, second_moment=second)}

    return run


def _augment(device: Device, problem: Problem) -> Run:
    (images,) = _sent(device, problem, "images")
    offsets, flips = device.send(problem["offsets"].astype(np.int32)), device.send(problem["flips"].astype(np.uint8))
    out = device.empty(images.shape, np.float32)

    def run() -> dict[str, Any]:
        augment(device, images, offsets, flips, out)
        return _fetched(device, out=out)

    return run


def _pgd_linf_step(device: Device, problem: Problem) -> Run:
    x, origin, gradient = _sent(device, problem, "x", "origin", "gradient")

    def run() -> dict[str, Any]:
        attack_step_cuda.pgd_linf_step(device, x, origin, gradient, STEP, RADIUS, x)
        return _fetched(device, x=x)

    return run


def _l2_step(device: Device, problem: Problem) -> Run:
    x, gradient = _sent(device, problem, "x", "gradient")
    out = device.empty(x.shape, np.float32)

    def run() -> dict[str, Any]:
        attack_step_cuda.l2_step(device, x, gradient, L2_STEP, out)
        return _fetched(device, out=out)

    return run


def _project_l2(device: Device, problem: Problem) -> Run:
    x, origin = _sent(device, problem, "x", "origin")
    out = device.empty(x.shape, np.float32)

    def run() -> dict[str, Any]:
        attack_step_cuda.project_l2(device, x, origin, L2_RADIUS, out)
        return _fetched(device, out=out)

    return run


def _low_pass(device: Device, problem: Problem) -> Run:
    (images,) = _sent(device, problem, "images")
    out = device.empty(images.shape, np.float32)
    low_pass = LowPass(device, images.shape, CUTOFF)

    def run() -> dict[str, Any]:
        low_pass(images, out)
        return _fetched(device, out=out)

    return run


OPERATIONS: dict[str, Callable[[Device, Problem], Run]] = {
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
