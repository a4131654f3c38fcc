"""Global-memory traffic at ResNet-32's shapes, counted in the emulator: each kernel moves little more than it has to.

Counted are the bytes that threads ask for, as if there were no cache. Columns of their own have parameters, which every
block reads again, from the second-level cache, and partial sums that one launch leaves there for the next.
"""

from __future__ import annotations

from math import prod

import numpy as np
import pytest

from deep_check.architecture import Architecture
from deep_check.cuda.attack_network import AttackNetwork
from deep_check.cuda.source import families_by_kernel
from deep_check.cuda.training_network import TrainingNetwork
from deep_check.ops import conv2d_tiles
from deep_check.ops.conv2d_cuda import PRECISIONS, conv2d
from tests.cuda.device import needs_compiler
from tests.deep_check.cuda import checks, traffic
from tests.deep_check.cuda.convolutions import Case, Shape
from tests.deep_check.cuda.device import EmulatedDevice, Launch
from tests.deep_check.networks import MEAN, STD, images_and_labels, random_state

pytestmark = needs_compiler
LARGEST_RATIO = 1.5
CIFAR = Architecture(depth=8)  # has the layers of ResNet-32, most of them once
STAGES = ((2, 16, 32, 32), (2, 32, 16, 16), (2, 64, 8, 8))
# One thread that reads seven numbers; batch norm of planes that are no multiple of four.
NOT_OF_RESNET_32 = {
    "adam_begin",
    *(name for name in families_by_kernel() if name.startswith("batch_norm") and "<1" in name),
}


@pytest.fixture(scope="module")
def launches() -> list[Launch]:
    """An attack step in each precision, a training step, and what is in neither; two images."""
    device = EmulatedDevice("check")
    state, (images, labels) = random_state(CIFAR), images_and_labels(2, CIFAR)
    for precision in PRECISIONS:
        AttackNetwork(CIFAR, state, MEAN, STD, device, precision).input_gradient(images, labels, "cross_entropy")
    TrainingNetwork(CIFAR, state, MEAN, STD, device).loss_and_gradients(images, labels, "cross_entropy")
    n_parameters = sum(map(prod, Architecture(depth=32).parameter_shapes.values()))
    checks.check_adam(device, n_parameters, 1)
    checks.check_sgd(device, n_parameters, True, 1)
    for shape in STAGES:
        checks.check_relu(device, shape)
        checks.check_batch_norm(device, shape)
    for shape in STAGES[:2]:
        checks.check_shortcut(device, shape)
    checks.check_augment(device, (2, 3, 32, 32))
    checks.check_attack_steps(device, (2, 3, 32, 32))
    checks.check_low_pass(device, (2, 3, 32, 32), 8.0, "disc")
    case = Case(Shape(*STAGES[0][:2], 16, *STAGES[0][2:]))
    conv2d(device, case.x, case.weights)
    return [launch for launch in device.launches if launch.kernel not in NOT_OF_RESNET_32]


def test_each_kernel_moves_little_more_than_it_has_to(launches: list[Launch]) -> None:
    traffic.record(launches)
    assert {launch.kernel for launch in launches} == set(families_by_kernel()) - NOT_OF_RESNET_32
    for key, found in traffic.TABLE.items():
        assert found.ratio <= LARGEST_RATIO, (key, found)
        assert found.ratio >= 1 or key.startswith("augment"), (key, found)  # or the minimum is wrong; crops leave out


def test_a_block_of_few_channels_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sixteen channels a block where there are 64: the images are read four times."""
    few, device, case = conv2d_tiles.tile_for(1, 16, 8), EmulatedDevice("check"), Case(Shape(1, 64, 64, 8, 8))
    monkeypatch.setattr(conv2d_tiles, "tile_for", lambda *_: few)
    conv2d(device, case.x, case.weights)
    assert traffic.traffic_of(device.launches[-1]).ratio > LARGEST_RATIO


def test_an_array_that_the_kernel_has_no_use_for_is_noticed() -> None:
    device, ones = EmulatedDevice("check"), np.ones(64, np.float32)
    device.launch("relu_gradient", (1,), (256,), (ones, ones.copy(), ones.copy(), np.int64(64)))
    with pytest.raises(AssertionError, match="argument 2 is none of those that it needs"):
        traffic.traffic_of(device.launches[-1]._replace(kernel="relu"))
