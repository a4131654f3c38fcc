"""Our side of the operations on the CPU: the block kernels that the networks are made of, on all threads.

Activations lie in blocks of images before the clock starts, and results are brought back after it: in a network they
are packed once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.kernels_jobs import ADAM, CUTOFF, L2_RADIUS, L2_STEP, RADIUS, STEP, Problem
from deep_check.architecture import EPSILON
from deep_check.cpu.threads import Threads
from deep_check.ops import attack_step_cpu
from deep_check.ops.augment_cpu import augment
from deep_check.ops.batch_norm_cpu import (
    block_moments,
    input_gradient,
    inverse_deviation,
    join_moments,
    lane_weights,
    normalise,
    rectified_sums,
)
from deep_check.ops.blocks import LANES, aligned, blank, n_blocks, pack, unpack
from deep_check.ops.conv2d_cpu import NO_MASK, NONE, BlockConvolution, Scratch
from deep_check.ops.head_cpu import head, head_gradient
from deep_check.ops.loss_cpu import loss
from deep_check.ops.optimizer_cpu import adam_step
from deep_check.ops.shortcut_cpu import shortcut_block, shortcut_gradient_block
from deep_check.ops.spectral_mask_cpu import low_pass

Array = NDArray[np.float32]
Run = Callable[[], dict[str, Any]]


def prepare(problem: Problem, threads: int, kind: str) -> Run:
    """One operation of `kernels_jobs.operations`."""
    return OPERATIONS[kind](problem, threads)


def _packed(images: Array) -> Array:
    blocks = blank(n_blocks(len(images)), *images.shape[1:])
    pack(images, blocks)
    return blocks


def _convolution(problem: Problem, c_in: int, c_out: int, threads: int) -> tuple[BlockConvolution, Threads[Scratch]]:
    height, width = map(int, problem["size"])
    training = "weights" not in problem
    conv = BlockConvolution(c_in, c_out, height, width, int(problem["stride"]), training=training)
    if not training:
        conv.set_weights(problem["weights"])
    return conv, Threads(lambda: Scratch.of([conv]), threads)


def _conv2d(problem: Problem, threads: int) -> Run:
    n, (c_out, c_in) = len(problem["images"]), problem["weights"].shape[:2]
    conv, pool = _convolution(problem, c_in, c_out, threads)
    x = _packed(problem["images"])
    y = blank(len(x), c_out, conv.out_height, conv.out_width)

    def run() -> dict[str, Any]:
        pool.run(lambda b, scratch: conv.forward(x[b], y[b], scratch), len(x))
        return {"output": lambda: unpack(y, n)}

    return run


def _conv2d_input_gradient(problem: Problem, threads: int) -> Run:
    n, (c_out, c_in) = len(problem["d_output"]), problem["weights"].shape[:2]
    conv, pool = _convolution(problem, c_in, c_out, threads)
    d_y = _packed(problem["d_output"])
    d_x = blank(len(d_y), c_in, conv.height, conv.width)

    def run() -> dict[str, Any]:
        pool.run(lambda b, scratch: conv.input_gradient(d_y[b], d_x[b], scratch), len(d_y))
        return {"d_images": lambda: unpack(d_x, n)}

    return run


def _conv2d_weight_gradient(problem: Problem, threads: int) -> Run:
    c_in, c_out = problem["images"].shape[1], problem["d_output"].shape[1]
    conv, pool = _convolution(problem, c_in, c_out, threads)
    x, d_y = _packed(problem["images"]), _packed(problem["d_output"])
    parts = aligned((len(x), conv.part_size))
    d_weights: Array = np.empty((c_out, c_in, 3, 3), np.float32)

    def run() -> dict[str, Any]:
        pool.run(lambda b, scratch: conv.weight_gradient(x[b], d_y[b], parts[b], scratch), len(x))
        conv.join_weight_gradient(parts, d_weights)
        return {"d_weights": d_weights}

    return run


def _batch_norm(problem: Problem, threads: int) -> Run:
    n, *shape = problem["x"].shape
    channels, height, width = shape
    x, y, lanes = _packed(problem["x"]), blank(n_blocks(n), *shape), lane_weights(n)
    counts = lanes.sum(axis=1).astype(int)
    moments = aligned((len(x), channels, 2))
    pool = Threads(lambda: None, threads)

    def run() -> dict[str, Any]:
        pool.run(lambda b, _: block_moments(*shape, counts[b], x[b].reshape(-1), lanes[b], moments[b]), len(x))
        mean, variance = join_moments(moments, counts * height * width)
        centre, factor = mean.astype(np.float32), problem["scale"] * inverse_deviation(variance, EPSILON)

        def work(b: int, _: None) -> None:
            flat = x[b].reshape(-1), centre, factor, problem["shift"], NONE, False, lanes[b], y[b].reshape(-1)
            normalise(*shape, *flat)

        pool.run(work, len(x))
        return {"y": lambda: unpack(y, n), "mean": mean, "variance": variance}

    return run


def _batch_norm_gradient(problem: Problem, threads: int) -> Run:
    n, *shape = problem["x"].shape
    channels, height, width = shape
    values = n * height * width
    x, d_y, d_x, lanes = _packed(problem["x"]), _packed(problem["d_y"]), blank(n_blocks(n), *shape), lane_weights(n)
    mean = problem["x"].mean((0, 2, 3), dtype=float).astype(np.float32)
    inverse = inverse_deviation(problem["x"].var((0, 2, 3), dtype=float), EPSILON)
    factor, sums = problem["scale"] * inverse, aligned((len(x), channels, 2))
    pool = Threads(lambda: None, threads)

    def add(b: int, _: None) -> None:
        rectified_sums(*shape, x[b].reshape(-1), mean, inverse, NONE, d_y[b].reshape(-1), sums[b])

    def run() -> dict[str, Any]:
        pool.run(add, len(x))
        d_shift, d_scale = sums.sum(axis=0, dtype=float).T
        plain, along = ((part / values).astype(np.float32) for part in (d_shift, d_scale))

        def work(b: int, _: None) -> None:
            arrays = (x[b].reshape(-1), mean, inverse, factor, plain, along, lanes[b])
            input_gradient(*shape, *arrays, d_y[b].reshape(-1), d_x[b].reshape(-1))

        pool.run(work, len(x))
        return {"d_x": lambda: unpack(d_x, n), "d_scale": d_scale, "d_shift": d_shift}

    return run


def _shortcut(problem: Problem, threads: int) -> Run:
    n, channels, height, width = problem["x"].shape
    x, y = _packed(problem["x"]), blank(n_blocks(n), 2 * channels, height // 2, width // 2)
    pool = Threads(lambda: None, threads)

    def run() -> dict[str, Any]:
        pool.run(lambda b, _: shortcut_block(channels, height, width, x[b].reshape(-1), y[b].reshape(-1)), len(x))
        return {"y": lambda: unpack(y, n)}

    return run


def _shortcut_gradient(problem: Problem, threads: int) -> Run:
    n, wide, height, width = problem["d_y"].shape
    sizes = wide // 2, 2 * height, 2 * width
    d_y, d_x = _packed(problem["d_y"]), blank(n_blocks(n), *sizes)
    pool = Threads(lambda: None, threads)

    def run() -> dict[str, Any]:
        pool.run(lambda b, _: shortcut_gradient_block(*sizes, d_y[b].reshape(-1), d_x[b].reshape(-1)), len(d_y))
        return {"d_x": lambda: unpack(d_x, n)}

    return run


def _head(problem: Problem, threads: int) -> Run:
    n, *shape = problem["x"].shape
    weight, bias = problem["weight"].reshape(-1), problem["bias"]
    x = _packed(problem["x"])
    pooled, logits = aligned((len(x), shape[0] * LANES)), aligned((len(x), bias.size, LANES))
    pool = Threads(lambda: None, threads)

    def run() -> dict[str, Any]:
        pool.run(lambda b, _: head(x[b].reshape(-1), *shape, weight, bias, pooled[b], logits[b].reshape(-1)), len(x))
        return {"logits": lambda: logits.transpose(0, 2, 1).reshape(-1, bias.size)[:n]}

    return run


def _head_gradient(problem: Problem, threads: int) -> Run:
    (n, k), side = problem["d_logits"].shape, int(problem["side"])
    shape = (problem["weight"].shape[1], side, side)
    weight, wide, d_x = problem["weight"].reshape(-1), aligned((n_blocks(n), LANES, k)), blank(n_blocks(n), *shape)
    wide.reshape(-1, k)[:n] = problem["d_logits"]
    d_logits = np.ascontiguousarray(wide.transpose(0, 2, 1)).reshape(len(wide), -1)
    pool = Threads(lambda: None, threads)

    def run() -> dict[str, Any]:
        pool.run(lambda b, _: head_gradient(d_logits[b], *shape, weight, NO_MASK, d_x[b].reshape(-1)), len(wide))
        return {"d_x": lambda: unpack(d_x, n)}

    return run


def _loss(problem: Problem, threads: int) -> Run:
    kind = str(problem["kind"])

    def run() -> dict[str, Any]:
        losses, d_logits = loss(problem["logits"], problem["labels"], kind)
        return {"losses": losses, "d_logits": d_logits}

    return run


def _adam(problem: Problem, threads: int) -> Run:
    parameters, first, second = (problem[name].copy() for name in ("parameters", "first_moment", "second_moment"))
    gradients, step = problem["gradients"], int(problem["step"])

    def run() -> dict[str, Any]:
        adam_step(parameters, gradients, first, second, step, *ADAM)
        moments = {"first_moment": first, "second_moment": second}
        return {"moved": lambda: parameters.astype(float) - problem["parameters"], **moments}

    return run


def _augment(problem: Problem, threads: int) -> Run:
    return lambda: {"out": augment(problem["images"], problem["offsets"], problem["flips"])}


def _pgd_linf_step(problem: Problem, threads: int) -> Run:
    x = problem["x"].copy()
    origin, gradient = problem["origin"], problem["gradient"]
    return lambda: {"x": attack_step_cpu.pgd_linf_step(x, origin, gradient, STEP, RADIUS)}


def _l2_step(problem: Problem, threads: int) -> Run:
    return lambda: {"out": attack_step_cpu.l2_step(problem["x"], problem["gradient"], L2_STEP)}


def _project_l2(problem: Problem, threads: int) -> Run:
    return lambda: {"out": attack_step_cpu.project_l2(problem["x"], problem["origin"], L2_RADIUS)}


def _low_pass(problem: Problem, threads: int) -> Run:
    return lambda: {"out": low_pass(problem["images"], CUTOFF)}


OPERATIONS: dict[str, Callable[[Problem, int], Run]] = {
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
