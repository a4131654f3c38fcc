"""The small kernels of the CPU against their references, at sizes of 1, odd, prime, and across the lanes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from deep_check.ops import (
    attack_step_cpu,
    attack_step_reference,
    augment_cpu,
    augment_reference,
    linear_cpu,
    linear_reference,
    loss_cpu,
    loss_reference,
    optimizer_cpu,
    optimizer_reference,
    pool_cpu,
    pool_reference,
    spectral_mask_cpu,
    spectral_mask_reference,
)
from tests.deep_check.derivatives import assert_adjoint
from tests.helpers import assert_close, assert_differs
from theory_sim.errors import InputError

Array = np.ndarray
SHAPES = [(1, 1, 1, 1), (2, 3, 5, 7), (17, 2, 8, 8), (3, 3, 32, 32)]


def drawn(*shape: int) -> Array:
    return np.random.default_rng(shape).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("kind", loss_cpu.LOSSES)
@pytest.mark.parametrize(("n", "k"), [(1, 2), (5, 10), (31, 7)])
def test_loss(kind: str, n: int, k: int) -> None:
    logits, labels = 4 * drawn(n, k), np.random.default_rng(n).integers(0, k, n)
    losses, d_logits = loss_cpu.loss(logits, labels, kind)
    expected, d_expected = loss_reference.loss(logits, labels, kind)
    assert losses.dtype == d_logits.dtype == np.float32
    assert_close("loss", losses, expected, "float32")
    assert_close("gradient", d_logits, d_expected, "float32")
    assert_differs("other labels", loss_cpu.loss(logits, (labels + 1) % k, kind)[1], d_expected, "float32")
    one = loss_cpu.loss(logits[-1:], labels[-1:], kind)
    np.testing.assert_array_equal(one[1], d_logits[-1:])  # same bits, whatever the batch


def test_loss_at_extremes() -> None:
    logits, labels = np.array([[3e38, -3e38, 0], [1e-40, 0, 0], [5, 5, 5]], np.float32), np.array([1, 0, 1])
    with np.errstate(over="ignore"):
        expected = loss_reference.loss(logits, labels, "cross_entropy")[0].astype(np.float32)
    losses, d_logits = loss_cpu.loss(logits, labels, "cross_entropy")
    assert_close("loss", losses, expected, "float32", scale=float(np.log(3)))
    np.testing.assert_array_equal(d_logits[0], [1, -1, 0])
    assert_close("ties", loss_cpu.loss(logits, labels, "margin")[1][2], [1, -1, 0], "exact")
    bad = np.array([[np.nan, 1.0]], np.float32)
    assert np.isnan(loss_cpu.loss(bad, np.array([0]), "cross_entropy")[0]).all()
    with pytest.raises(InputError, match=r"'hinge'.*cross_entropy"):
        loss_cpu.loss(logits, labels, "hinge")


@pytest.mark.parametrize(("n", "c", "k"), [(1, 1, 1), (5, 3, 7), (17, 64, 10), (33, 5, 2)])
def test_linear(n: int, c: int, k: int) -> None:
    x, weight, bias, d_y = drawn(n, c), drawn(k, c), drawn(k), drawn(n, k)
    expected = linear_reference.linear(x, weight, bias)
    assert_close("linear", linear_cpu.linear(x, weight, bias), expected, "float32_sum")
    assert_differs("no bias", linear_cpu.linear(x, weight, 0 * bias), expected, "float32_sum")
    actual = linear_cpu.linear_gradient(d_y, x, weight)
    for part, wanted in zip(actual, linear_reference.linear_gradient(d_y, x, weight), strict=True):
        assert_close("gradient", part, wanted, "float32_sum")
    np.testing.assert_array_equal(linear_cpu.linear(x[:1], weight, bias), linear_cpu.linear(x, weight, bias)[:1])


@pytest.mark.parametrize("shape", SHAPES)
def test_pool(shape: tuple[int, ...]) -> None:
    x, size = drawn(*shape), (shape[2], shape[3])
    expected = pool_reference.global_average_pool(x)
    assert_close("pool", pool_cpu.global_average_pool(x), expected, "float32_sum", scale=float(np.abs(x).mean()))
    d_y = drawn(*shape[:2])
    expected = pool_reference.global_average_pool_gradient(d_y, size)
    assert_close("gradient", pool_cpu.global_average_pool_gradient(d_y, size), expected, "float32")
    assert_adjoint(
        "pool",
        lambda v: pool_cpu.global_average_pool(v.astype(np.float32)),
        lambda u: pool_cpu.global_average_pool_gradient(u.astype(np.float32), size),
        shape,
        "float32_sum",
    )


@pytest.mark.parametrize("n", [1, 7, 16, 1009])
@pytest.mark.parametrize("decay", [0.0, 0.02])
def test_optimizers(n: int, decay: float) -> None:
    """Ten steps of float32 beside ten of float64, each from its own numbers."""
    start = drawn(n)
    settings = {
        "adam": lambda ops, p, g, a, b, t: ops.adam_step(p, g, a, b, t, 0.01, 0.9, 0.999, 1e-8, decay),
        "sgd": lambda ops, p, g, a, b, t: ops.sgd_step(p, g, a, 0.05, 0.9, decay, False),
        "nesterov": lambda ops, p, g, a, b, t: ops.sgd_step(p, g, a, 0.05, 0.9, decay, True),
        "plain": lambda ops, p, g, a, b, t: ops.sgd_step(p, g, a, 0.05, 0.0, decay, False),
    }
    for name, step in settings.items():
        single, double = start.copy(), start.astype(float)
        states = [np.zeros(n, np.float32) for _ in range(2)], [np.zeros(n) for _ in range(2)]
        for t in range(1, 11):
            gradient = drawn(t, n)[-1]
            step(optimizer_cpu, single, gradient, *states[0], t)
            step(optimizer_reference, double, gradient, *states[1], t)
        assert_close(name, single, double, "float32_steps", scale=max(1.0, float(np.abs(double).max())))
        assert_differs(name, single, start, "float32_steps", scale=1.0)
        for one, other in zip(*states, strict=True):
            assert_close(f"{name}'s state", one, other, "float32_steps")


def test_optimizers_refuse_what_they_would_not_change_in_place() -> None:
    good, strided, double = np.zeros(4, np.float32), np.zeros(8, np.float32)[::2], np.zeros(4)
    for bad in (strided, double, np.zeros(5, np.float32), np.zeros((4, 1), np.float32)):
        with pytest.raises(InputError, match="flat contiguous float32 of one length"):
            optimizer_cpu.sgd_step(good, bad, good, 0.1, 0.9, 0.0, False)
        with pytest.raises(InputError, match="flat contiguous float32 of one length"):
            optimizer_cpu.adam_step(good, good, bad, good, 1, 0.1, 0.9, 0.99, 1e-8, 0.0)
    with pytest.raises(InputError, match="step 0 of Adam"):
        optimizer_cpu.adam_step(good, good, good, good, 0, 0.1, 0.9, 0.99, 1e-8, 0.0)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("padding", [0, 1, 4])
def test_augment(shape: tuple[int, ...], padding: int) -> None:
    rng = np.random.default_rng(shape)
    images, offsets = drawn(*shape), rng.integers(0, 2 * padding + 1, (shape[0], 2))
    flips = rng.random(shape[0]) < 0.5
    flips[0] = True
    expected = augment_reference.augment(images, offsets, flips, padding)
    assert_close("augment", augment_cpu.augment(images, offsets, flips, padding), expected, "exact")
    if shape[3] > 1 and padding <= 1:  # 4 of an image of one pixel can leave nothing of it
        assert_differs("no flip", augment_cpu.augment(images, offsets, ~flips, padding), expected, "exact", scale=1.0)


def test_augment_refuses_crops_outside() -> None:
    images = drawn(2, 1, 4, 4)
    for offsets in ([[0, 0], [0, 9]], [[-1, 0], [0, 0]]):
        with pytest.raises(InputError, match=r"allowed are 0 ... 8"):
            augment_cpu.augment(images, np.array(offsets), np.zeros(2, bool))
    with pytest.raises(InputError, match=r"allowed is \(2, 2\)"):
        augment_cpu.augment(images, np.zeros((3, 2), int), np.zeros(2, bool))
    with pytest.raises(InputError, match=r"allowed is \(2,\)"):
        augment_cpu.augment(images, np.zeros((2, 2), int), np.zeros(3, bool))


STEPS: dict[str, Callable[..., Array]] = {
    "sign_step": lambda ops, x, origin, g: ops.sign_step(x, g, 0.03),
    "l2_step": lambda ops, x, origin, g: ops.l2_step(x, g, 0.3),
    "project_linf": lambda ops, x, origin, g: ops.project_linf(x, origin, 0.05),
    "project_l2": lambda ops, x, origin, g: ops.project_l2(x, origin, 0.2),
    "clip_box": lambda ops, x, origin, g: ops.clip_box(x),
    "clip_box to another box": lambda ops, x, origin, g: ops.clip_box(x, 0.25, 0.5),
    "pgd_linf_step": lambda ops, x, origin, g: ops.pgd_linf_step(x.copy(), origin, g, 0.03, 0.05),
    "pgd_l2_step": lambda ops, x, origin, g: ops.pgd_l2_step(x.copy(), origin, g, 0.3, 0.2),
}


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("shape", SHAPES)
def test_attack_steps(name: str, shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(shape)
    origin = rng.uniform(size=shape).astype(np.float32)
    x = (origin + rng.uniform(-0.3, 0.3, shape)).astype(np.float32)
    x[0, 0, 0, 0] = 1.5  # outside of the box and of the balls
    gradient = (drawn(*shape) * (rng.random(shape) < 0.9)).astype(np.float32)
    step, before = STEPS[name], x.copy()
    actual = step(attack_step_cpu, x, origin, gradient)
    expected = step(attack_step_reference, x.astype(float), origin.astype(float), gradient.astype(float))
    assert actual.dtype == np.float32
    assert_close(name, actual, expected, "float32", scale=1.0)
    assert_differs("moved", actual, before, "float32", scale=1.0)
    np.testing.assert_array_equal(x, before)
    last = step(attack_step_cpu, x[-1:], origin[-1:], gradient[-1:])
    np.testing.assert_array_equal(last, actual[-1:])


def test_attack_steps_keep_budget_and_box() -> None:
    rng = np.random.default_rng(0)
    origin = rng.uniform(size=(9, 3, 8, 8)).astype(np.float32)
    x, radius = origin.copy(), 8 / 255
    for _ in range(5):
        assert attack_step_cpu.pgd_linf_step(x, origin, drawn(*x.shape), 4 / 255, radius) is x
    assert float(np.abs(x.astype(float) - origin).max()) <= radius + 2.0**-25  # the bounds are float32 below 1
    assert x.min() >= 0
    assert x.max() <= 1
    far = attack_step_cpu.l2_step(origin, drawn(*x.shape), 3.0)
    inside = attack_step_cpu.project_l2(far, origin, 0.5)
    norms = np.sqrt(((inside.astype(float) - origin) ** 2).sum((1, 2, 3)))
    assert_close("norms", norms, np.full(9, 0.5), "float32")
    np.testing.assert_array_equal(attack_step_cpu.project_linf(far, origin, 0.0), origin)


def test_attack_steps_at_zero_tiny_and_nan() -> None:
    x = np.full((2, 1, 2, 3), 0.5, np.float32)
    np.testing.assert_array_equal(attack_step_cpu.l2_step(x, np.zeros_like(x), 0.1), x)
    np.testing.assert_array_equal(attack_step_cpu.sign_step(x, -np.zeros_like(x), 0.1), x)
    tiny = np.full_like(x, 1e-40)
    moved = attack_step_cpu.l2_step(x, tiny, 0.1).astype(float) - x
    assert_close("norm", np.sqrt((moved**2).sum((1, 2, 3))), [0.1, 0.1], "float32", scale=1.0)
    lost = np.full_like(x, np.nan)
    for step in (lambda: attack_step_cpu.sign_step(x, lost, 0.1), lambda: attack_step_cpu.l2_step(x, lost, 0.1)):
        assert np.isnan(step()).all()
    for fused in (attack_step_cpu.pgd_linf_step, attack_step_cpu.pgd_l2_step):
        assert np.isnan(fused(x.copy(), x, lost, 0.1, 0.1)).all()
        with pytest.raises(InputError, match="contiguous float32"):
            fused(x.swapaxes(2, 3), x, x, 0.1, 0.1)


@pytest.mark.parametrize("mask", spectral_mask_reference.MASKS)
@pytest.mark.parametrize("shape", [*SHAPES, (131, 1, 4, 6)])
@pytest.mark.parametrize("cutoff", [0, 1.5, 12, 23])
def test_low_pass(shape: tuple[int, ...], cutoff: float, mask: str) -> None:
    images = drawn(*shape)
    actual = spectral_mask_cpu.low_pass(images, cutoff, mask)
    assert actual.dtype == np.float32
    assert_close("filter", actual, spectral_mask_reference.low_pass(images, cutoff, mask), "float32_fft", scale=1.0)
    assert_close("projection", spectral_mask_cpu.low_pass(actual, cutoff, mask), actual, "float32_fft", scale=1.0)
    np.testing.assert_array_equal(spectral_mask_cpu.low_pass(images[-1:], cutoff, mask), actual[-1:])
    assert_adjoint(
        "self-adjoint",
        lambda v: spectral_mask_cpu.low_pass(v.astype(np.float32), cutoff, mask),
        lambda u: spectral_mask_cpu.low_pass(u.astype(np.float32), cutoff, mask),
        shape,
        "float32_fft",
    )
    if cutoff == 0 and min(shape[2:]) > 1:
        assert_differs("filtered", actual, images, "float32_fft")


def test_low_pass_refuses() -> None:
    images = drawn(1, 1, 4, 4)
    with pytest.raises(InputError, match=r"'ring'.*disc, square"):
        spectral_mask_cpu.low_pass(images, 1, "ring")
    for cutoff in (-1.0, float("nan")):
        with pytest.raises(InputError, match="finite number >= 0"):
            spectral_mask_cpu.low_pass(images, cutoff)
