"""What each small kernel must compute: one function a kernel, on any device and any shape."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deep_check.architecture import EPSILON, MOMENTUM
from deep_check.cuda.device import Device
from deep_check.ops import (
    attack_step_cuda,
    attack_step_reference,
    augment_cuda,
    augment_reference,
    batch_norm_cuda,
    batch_norm_reference,
    linear_cuda,
    linear_reference,
    loss_cuda,
    loss_reference,
    optimizer_cuda,
    optimizer_reference,
    pool_cuda,
    pool_reference,
    relu_cuda,
    relu_reference,
    shortcut_cuda,
    shortcut_reference,
    spectral_mask_cuda,
    spectral_mask_reference,
)
from tests.helpers import assert_close, assert_differs

Array = NDArray[np.float32]
Shape = Sequence[int]


def draw(*shape: int, seed: int = 0) -> Array:
    """Normal numbers; about a tenth of them zero, as after ReLU."""
    rng = np.random.default_rng([seed, *shape])
    return np.where(rng.uniform(size=shape) < 0.1, 0, rng.standard_normal(shape)).astype(np.float32)


def signs(y: NDArray[Any]) -> NDArray[np.uint8]:
    """The sign bits of (n, c, h, w), as conv2d_epilogue.cuh lays them out."""
    return np.packbits(np.asarray(y) > 0, axis=-1, bitorder="little")


def run(device: Device, function: Any, *arguments: Any, **options: Any) -> list[NDArray[Any]]:
    """Send the arrays among the arguments, call, fetch the arrays in their order as they are now."""
    sent = [device.send(a) if isinstance(a, np.ndarray) else a for a in arguments]
    options = {k: device.send(v) if isinstance(v, np.ndarray) else v for k, v in options.items()}
    function(device, *sent, **options)
    return [device.fetch(a) for host, a in zip(arguments, sent, strict=True) if isinstance(host, np.ndarray)]


def blank(*shape: int, dtype: Any = np.float32) -> NDArray[Any]:
    """What an output holds before."""
    return np.full(shape, -77 if np.dtype(dtype).kind == "f" else 85, dtype)


def check_relu(device: Device, shape: Shape) -> None:
    x, d_y = draw(*shape), draw(*shape, seed=1)
    x.reshape(-1)[-1] = np.nan
    y = run(device, relu_cuda.relu, x, blank(*shape))[-1]
    assert_close("relu", y, relu_reference.relu(x), "exact")
    assert_close("in place", run(device, lambda d, a: relu_cuda.relu(d, a, a), x)[0], y, "exact")
    d_x = run(device, relu_cuda.relu_gradient, d_y, y, blank(*shape))[-1]
    assert_close("relu gradient", d_x, relu_reference.relu_gradient(d_y, y), "exact")
    n, channels, height, width = shape
    bits = run(device, relu_cuda.pack_signs, y, blank(n, channels, height, -(-width // 8), dtype=np.uint8))[-1]
    np.testing.assert_array_equal(bits, signs(y))


def check_shortcut(device: Device, shape: Shape) -> None:
    x = draw(*shape)
    expected = shortcut_reference.shortcut(x)
    y = run(device, shortcut_cuda.shortcut, x, blank(*expected.shape))[-1]
    assert_close("shortcut", y, expected, "exact")
    d_y = draw(*expected.shape, seed=2)
    d_x = run(device, shortcut_cuda.shortcut_gradient, d_y, blank(*shape))[-1]
    assert_close("shortcut gradient", d_x, shortcut_reference.shortcut_gradient(d_y, (shape[2], shape[3])), "exact")


def check_pool(device: Device, shape: Shape) -> None:
    x, d_y = draw(*shape) + np.float32(1), draw(*shape[:2], seed=1)
    y = run(device, pool_cuda.global_average_pool, x, blank(*shape[:2]))[-1]
    assert_close("pool", y, pool_reference.global_average_pool(x), "kernel_sums")
    expected = pool_reference.global_average_pool_gradient(d_y, (shape[2], shape[3]))
    d_x = run(device, pool_cuda.global_average_pool_gradient, d_y, blank(*shape))[-1]
    assert_close("pool gradient", d_x, expected, "kernel_elementwise")
    before = draw(*shape, seed=3)
    d_x = run(device, pool_cuda.global_average_pool_gradient, d_y, blank(*shape), signs(before))[1]
    assert_close("pool and ReLU gradient", d_x, np.where(before > 0, expected, 0), "kernel_elementwise")


def check_linear(device: Device, n: int, channels: int, outputs: int) -> None:
    x, weight, bias, d_y = draw(n, channels), draw(outputs, channels, seed=1), draw(outputs), draw(n, outputs, seed=2)
    y = run(device, linear_cuda.linear, x, weight, bias, blank(n, outputs))[-1]
    assert_close("linear", y, linear_reference.linear(x, weight, bias), "kernel_sums")
    out = blank(n, channels), blank(outputs, channels), blank(outputs)
    actual = run(device, linear_cuda.linear_gradient, d_y, x, weight, *out)[3:]
    for name, a, e in zip(
        ("x", "weight", "bias"), actual, linear_reference.linear_gradient(d_y, x, weight), strict=True
    ):
        assert_close(f"d_{name}", a, e, "kernel_sums", scale=max(1.0, float(np.abs(e).max())))


def check_loss(device: Device, n: int, classes: int, kind: str) -> None:
    logits, labels = 5 * draw(n, classes), np.random.default_rng(n).integers(0, classes, n).astype(np.int32)
    if n > 2:
        logits[0] = logits[0, 0]  # ties
        logits[1] *= 30  # e^z would overflow
    expected, d_expected = loss_reference.loss(logits, labels, kind)
    losses, d_logits = run(device, loss_cuda.loss, logits, labels, kind, blank(n), blank(n, classes), factor=0.5)[2:]
    scale = max(1.0, float(np.abs(logits).max()))
    assert_close(kind, losses, expected, "kernel_sums", scale=max(scale, float(np.abs(expected).max())))
    assert_close(f"gradient of {kind}", d_logits, 0.5 * d_expected, "kernel_elementwise", scale=scale)
    mean = run(device, loss_cuda.mean_of, losses, blank(1))[-1]
    assert_close("mean", mean, losses.mean(dtype=float, keepdims=True), "kernel_elementwise")


def check_batch_norm(device: Device, shape: Shape, offset: float = 3.0) -> None:
    """With a mean much larger than the deviation: what cancels shows."""
    channels = shape[1]
    x, d_y = draw(*shape) + np.float32(offset), draw(*shape, seed=1)
    scale, shift = draw(channels, seed=2) + np.float32(1), draw(channels, seed=3)
    scratch = blank(channels, batch_norm_cuda.SCRATCH)
    mean, variance = blank(channels), blank(channels)
    expected, e_mean, e_variance = batch_norm_reference.batch_norm_training(x, scale, shift, EPSILON)
    out = blank(*shape), mean, variance, scratch
    y, mean, variance = run(device, batch_norm_cuda.batch_norm_training, x, scale, shift, EPSILON, *out)[3:6]
    size = max(1.0, float(np.abs(expected).max()), offset)
    assert_close("mean", mean, e_mean, "kernel_elementwise", scale=size)
    assert_close("variance", variance, e_variance, "kernel_sums", scale=max(float(e_variance.max()), 1e-6 * offset**2))
    # An error of the mean in its last place is one of y by offset / deviation.
    assert_close("normalised", y, expected, "kernel_sums", scale=size / float(np.sqrt(e_variance.min() + EPSILON)))
    given = run(device, batch_norm_cuda.batch_norm_evaluation, x, scale, shift, mean, variance, EPSILON, blank(*shape))[
        -1
    ]
    assert_close("given statistics", given, y, "kernel_elementwise", scale=size)
    gradients = batch_norm_reference.batch_norm_gradient(d_y, x, scale, e_mean, e_variance, EPSILON)
    out = blank(*shape), blank(channels), blank(channels), scratch
    actual = run(device, batch_norm_cuda.batch_norm_gradient, d_y, x, scale, mean, variance, EPSILON, *out)[5:8]
    for name, a, e in zip(("x", "scale", "shift"), actual, gradients, strict=True):
        size = max(float(np.abs(e).max()), float(np.sqrt(x.size / channels)))
        assert_close(f"d_{name}", a, e, "kernel_sums", scale=size * offset)


def check_batch_norm_fused(device: Device, shape: Shape, residual: str | None) -> None:
    """With residual, ReLU, sign bits and running statistics."""
    n, channels, height, width = shape
    x, scale, shift = draw(*shape), draw(channels, seed=2) + np.float32(1), draw(channels, seed=3)
    running = draw(channels, seed=4), np.abs(draw(channels, seed=5))
    added = None
    expected, mean, variance = batch_norm_reference.batch_norm_training(x, scale, shift, EPSILON)
    if residual == "same":
        added = draw(*shape, seed=6)
        expected = expected + added
    elif residual == "shortcut":
        added = draw(n, channels // 2, 2 * height - 1, 2 * width, seed=6)
        expected = expected + shortcut_reference.shortcut(added)
    bits = blank(n, channels, height, -(-width // 8), dtype=np.uint8)
    on_device = tuple(device.send(part) for part in running)
    sent_bits = device.send(bits)

    def fused(device: Device, *arguments: Any) -> None:
        others = None if added is None else device.send(added)
        batch_norm_cuda.batch_norm_training(
            device, *arguments, residual=others, relu=True, running=on_device, bits=sent_bits
        )

    out = blank(*shape), blank(channels), blank(channels), blank(channels, batch_norm_cuda.SCRATCH)
    y = run(device, fused, x, scale, shift, EPSILON, *out)[3]
    size = max(1.0, float(np.abs(expected).max())) / float(np.sqrt(variance.min() + EPSILON))
    assert_close("with ReLU", y, relu_reference.relu(expected), "kernel_sums", scale=size)
    np.testing.assert_array_equal(device.fetch(sent_bits), signs(y))
    assert_differs(
        "no residual" if added is not None else "no ReLU", y, relu_reference.relu(expected) - 1, "kernel_sums"
    )
    n_values = x.size // channels
    after = batch_norm_reference.running_statistics(*running, mean, variance, n_values, MOMENTUM)
    for name, a, e in zip(("mean", "variance"), on_device, after, strict=True):
        assert_close(f"running {name}", device.fetch(a), e, "kernel_sums", scale=max(1.0, float(np.abs(e).max())))


def check_adam(device: Device, size: int, steps: int = 5) -> None:
    start, zeros = draw(size), np.zeros(size, np.float32)
    p, m, v = (device.send(values) for values in (start, zeros, zeros))
    e_p, e_m, e_v = np.asarray(start, float), np.zeros(size), np.zeros(size)
    rate, beta1, beta2, epsilon, decay = 0.01, 0.9, 0.999, 1e-8, 1e-2
    host = optimizer_cuda.settings(learning_rate=rate, beta1=beta1, beta2=beta2, epsilon=epsilon, weight_decay=decay)
    settings, factors = device.send(host), device.send(blank(optimizer_cuda.ADAM_FACTORS))
    for step in range(1, steps + 1):
        g = draw(size, seed=step) + np.float32(0.1)
        optimizer_cuda.adam_step(device, p, device.send(g), m, v, settings, factors)
        optimizer_reference.adam_step(e_p, g, e_m, e_v, step, rate, beta1, beta2, epsilon, decay)
    for name, a, e in (("parameters", p, e_p), ("first moment", m, e_m), ("second moment", v, e_v)):
        assert_close(f"Adam's {name}", device.fetch(a), e, "kernel_sums", scale=max(1.0, float(np.abs(e).max())))
    assert device.fetch(settings)[0] == steps


def check_sgd(device: Device, size: int, nesterov: bool, steps: int = 3) -> None:
    start = draw(size)
    p, v = device.send(start), device.send(np.zeros(size, np.float32))
    e_p, e_v = np.asarray(start, float), np.zeros(size)
    rate, momentum, decay = 0.1, 0.9, 1e-2
    settings = device.send(optimizer_cuda.settings(learning_rate=rate, momentum=momentum, weight_decay=decay))
    for step in range(steps):
        g = draw(size, seed=step)
        optimizer_cuda.sgd_step(device, p, device.send(g), v, settings, nesterov)
        optimizer_reference.sgd_step(e_p, g, e_v, rate, momentum, decay, nesterov)
    for name, a, e in (("parameters", p, e_p), ("velocity", v, e_v)):
        assert_close(f"SGD's {name}", device.fetch(a), e, "kernel_sums", scale=max(1.0, float(np.abs(e).max())))


def check_augment(device: Device, shape: Shape, padding: int = 4) -> None:
    n = shape[0]
    rng = np.random.default_rng(n)
    offsets, flips = rng.integers(0, 2 * padding + 1, (n, 2)).astype(np.int32), rng.integers(0, 2, n).astype(np.uint8)
    offsets[0], flips[-1] = (0, 2 * padding), 1
    images = draw(*shape)
    out = run(device, augment_cuda.augment, images, offsets, flips, blank(*shape), padding)[-1]
    expected = augment_reference.augment(images, offsets, flips.astype(bool), padding)
    assert_close("augmented", out, expected, "exact")


def check_attack_steps(device: Device, shape: Shape) -> None:
    """Each step by itself, and the fused ones; the second image has a gradient of zeros, the third a tiny one."""
    origin = np.random.default_rng(1).uniform(size=shape).astype(np.float32)
    x, gradient = origin + np.float32(0.02) * draw(*shape), draw(*shape, seed=2)
    if shape[0] > 2:
        gradient[1], gradient[2] = 0, gradient[2] * np.float32(1e-30)
    ours, theirs = attack_step_cuda, attack_step_reference
    step, radius, wide = 0.0157, 0.0314, 0.3

    def compare(name: str, expected: NDArray[Any], *arguments: Any) -> None:
        actual = run(device, getattr(ours, name), *arguments, blank(*shape))[-1]
        assert_close(name, actual, expected, "kernel_elementwise")

    compare("sign_step", theirs.sign_step(x, gradient, step), x, gradient, step)
    compare("l2_step", theirs.l2_step(x, gradient, wide), x, gradient, wide)
    compare("project_linf", theirs.project_linf(x, origin, 0.01), x, origin, 0.01)
    compare("project_l2", theirs.project_l2(x, origin, 0.03), x, origin, 0.03)
    compare("clip_box", theirs.clip_box(x), x)
    inside = (x > 0) & (x < 1)
    assert x.size < 1000 or 0.01 < inside.mean() < 0.99
    for values in (x, theirs.clip_box(x).astype(np.float32)):
        compare("clip_box_gradient", np.where(inside, gradient, 0), gradient, values)
    expected = theirs.clip_box(theirs.project_linf(theirs.sign_step(x, gradient, step), origin, radius))
    compare("pgd_linf_step", expected, x, origin, gradient, step, radius)
    inside = theirs.clip_box(theirs.project_l2(theirs.l2_step(x, gradient, wide), origin, wide / 2))
    compare("pgd_l2_step", inside, x, origin, gradient, wide, wide / 2)
    for function, e, sizes in (("pgd_linf_step", expected, (step, radius)), ("pgd_l2_step", inside, (wide, wide / 2))):
        moved = run(
            device, lambda d, a, *rest, f=function: getattr(ours, f)(d, a, *rest, a), x, origin, gradient, *sizes
        )
        assert_close(f"{function} in place", moved[0], e, "kernel_elementwise")


def check_low_pass(device: Device, shape: Shape, cutoff: float, mask: str) -> None:
    images = draw(*shape)
    out = run(device, spectral_mask_cuda.low_pass, images, cutoff, blank(*shape), mask)[-1]
    assert_close("low pass", out, spectral_mask_reference.low_pass(images, cutoff, mask), "kernel_sums")
