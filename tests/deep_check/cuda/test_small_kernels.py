"""Every kernel but the convolutions, beside its float64 reference: in the emulator, and on a device."""

from __future__ import annotations

import numpy as np
import pytest

from deep_check.cuda.device import Device
from deep_check.ops import attack_step_cuda, augment_cuda, batch_norm_cuda, loss_cuda
from deep_check.ops.loss_reference import LOSSES
from tests.deep_check.cuda import checks
from tests.deep_check.cuda.device import DEVICES, open_device
from tests.helpers import assert_close
from theory_sim.errors import InputError

# Production's stages on few images, then sizes that fit no tile: odd, prime, 1, rows of no whole bytes.
SHAPES = [(3, 16, 32, 32), (2, 32, 16, 16), (2, 64, 8, 8), (2, 3, 12, 12), (5, 2, 7, 13), (2, 1, 1, 3), (1, 4, 6, 4)]


@pytest.fixture(params=DEVICES, scope="module")
def device(request: pytest.FixtureRequest) -> Device:
    return open_device(request.param)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("check", [checks.check_relu, checks.check_shortcut, checks.check_pool])
def test_layers(device: Device, check: object, shape: tuple[int, ...]) -> None:
    assert callable(check)
    check(device, shape)


@pytest.mark.parametrize(("n", "channels", "outputs"), [(37, 64, 10), (1, 1, 1), (3, 100, 7), (9, 31, 33)])
def test_linear(device: Device, n: int, channels: int, outputs: int) -> None:
    checks.check_linear(device, n, channels, outputs)


@pytest.mark.parametrize("kind", LOSSES)
@pytest.mark.parametrize(("n", "classes"), [(17, 10), (1, 2), (4, 100), (9, 33)])
def test_losses(device: Device, n: int, classes: int, kind: str) -> None:
    checks.check_loss(device, n, classes, kind)


@pytest.mark.parametrize("shape", SHAPES)
def test_batch_norm(device: Device, shape: tuple[int, ...]) -> None:
    checks.check_batch_norm(device, shape)


def test_batch_norm_where_sums_of_squares_would_cancel(device: Device) -> None:
    """A deviation of 1 around 1000: Σx² - (Σx)²/n would lose all but a digit of the variance."""
    checks.check_batch_norm(device, (3, 2, 32, 32), 1000.0)


def test_batch_norm_of_many_tiles(device: Device) -> None:
    """More tiles than a channel's sums have parts."""
    checks.check_batch_norm(device, (65, 1, 48, 48))


@pytest.mark.parametrize("residual", [None, "same", "shortcut"])
@pytest.mark.parametrize("shape", [(3, 32, 16, 16), (3, 6, 8, 8), (2, 2, 6, 6), (3, 4, 3, 5)])
def test_batch_norm_with_relu(device: Device, shape: tuple[int, ...], residual: str | None) -> None:
    checks.check_batch_norm_fused(device, shape, residual)


@pytest.mark.parametrize("size", [1, 3, 1024, 2051])
def test_optimizers(device: Device, size: int) -> None:
    checks.check_adam(device, size)
    checks.check_sgd(device, size, False)
    checks.check_sgd(device, size, True)


@pytest.mark.parametrize("shape", [(5, 3, 32, 32), (3, 1, 5, 7), (2, 2, 1, 1)])
def test_augmentation(device: Device, shape: tuple[int, ...]) -> None:
    checks.check_augment(device, shape)
    checks.check_augment(device, shape, 1)


@pytest.mark.parametrize("shape", [(4, 3, 32, 32), (3, 3, 40, 40), (3, 1, 5, 7), (1, 1, 1, 1), (2, 3, 37, 43)])
def test_attack_steps(device: Device, shape: tuple[int, ...]) -> None:
    """The images of the second and of the last are larger than what a block holds at once."""
    checks.check_attack_steps(device, shape)


@pytest.mark.parametrize("mask", ["disc", "square"])
@pytest.mark.parametrize(("shape", "cutoff"), [((2, 3, 32, 32), 8.0), ((2, 1, 9, 7), 2.2), ((3, 2, 4, 5), 1.0)])
def test_low_pass(device: Device, shape: tuple[int, ...], cutoff: float, mask: str) -> None:
    checks.check_low_pass(device, shape, cutoff, mask)


def test_nan_is_not_hidden(device: Device) -> None:
    x = checks.draw(1, 1, 2, 3)
    gradient = x.copy()
    gradient[0, 0, 1, 1] = np.nan
    moved = checks.run(device, attack_step_cuda.pgd_linf_step, x, x, gradient, 0.1, 0.1, checks.blank(1, 1, 2, 3))[-1]
    np.testing.assert_array_equal(np.isnan(moved), np.isnan(gradient))
    logits = np.array([[1, np.nan, 2]], np.float32)
    for kind in LOSSES:
        arguments = logits, np.zeros(1, np.int32), kind, checks.blank(1), checks.blank(1, 3)
        assert np.isnan(checks.run(device, loss_cuda.loss, *arguments)[2]).all()


def test_same_input_same_bits(device: Device) -> None:
    x, d_y = checks.draw(9, 5, 32, 32), checks.draw(9, 5, 32, 32, seed=1)
    ones, results = np.ones(5, np.float32), []
    for _ in range(2):
        out = checks.blank(*x.shape), checks.blank(5), checks.blank(5), checks.blank(5, batch_norm_cuda.SCRATCH)
        y, mean, variance = checks.run(device, batch_norm_cuda.batch_norm_training, x, ones, ones, 1e-5, *out)[3:6]
        arguments = d_y, x, ones, mean, variance, 1e-5, *out
        results.append([y, mean, variance, *checks.run(device, batch_norm_cuda.batch_norm_gradient, *arguments)[5:8]])
    for first, second in zip(*results, strict=True):
        assert_close("again", first, second, "exact")


def test_nothing_to_do(device: Device) -> None:
    """No images: nothing is launched."""
    empty = np.empty((0, 3, 4, 4), np.float32)
    checks.run(device, attack_step_cuda.clip_box, empty, empty)
    checks.run(device, attack_step_cuda.pgd_l2_step, empty, empty, empty, 1.0, 1.0, empty)
    offsets, flips = np.empty((0, 2), np.int32), np.empty(0, np.uint8)
    checks.run(device, augment_cuda.augment, empty, offsets, flips, empty)


def test_what_is_refused(device: Device) -> None:
    one = checks.blank(1)
    with pytest.raises(InputError, match="loss 'hinge': allowed are cross_entropy"):
        loss_cuda.loss(device, one, one, "hinge", one, one)
    with pytest.raises(InputError, match="cut-off -1"):
        checks.check_low_pass(device, (1, 1, 4, 4), -1.0, "disc")
