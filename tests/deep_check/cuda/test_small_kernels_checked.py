"""The small kernels in the emulator's check mode, and faults planted in copies of them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest

from deep_check.architecture import Architecture
from deep_check.cuda.attack_network import AttackNetwork
from deep_check.cuda.source import FAMILIES, FOLDER, prelude
from deep_check.cuda.training_network import TrainingNetwork
from deep_check.ops import launching
from deep_check.ops.loss_reference import LOSSES
from tests.cuda.device import needs_compiler
from tests.cuda.emulator import EmulatorError
from tests.deep_check.cuda import checks
from tests.deep_check.cuda.device import EmulatedDevice
from tests.deep_check.networks import MEAN, STD, images_and_labels, random_state
from tests.helpers import assert_close

Check = Callable[[EmulatedDevice], None]


def check_gather(device: EmulatedDevice) -> None:
    places = np.array([2, -1, 0], np.int32)
    out = checks.run(device, launching.gather, np.array([5, 6, 7], np.float32), places, checks.blank(3))[-1]
    assert_close("gathered", out, [7.0, 0.0, 5.0], "exact")


def check_losses(device: EmulatedDevice) -> None:
    for kind in LOSSES:
        checks.check_loss(device, 10, 35, kind)


def check_batch_norm(device: EmulatedDevice) -> None:
    """Vectors and single numbers, one tile and two, the second a part of one."""
    checks.check_batch_norm(device, (9, 2, 16, 16))
    checks.check_batch_norm(device, (3, 2, 3, 5))


def check_normalise(device: EmulatedDevice) -> None:
    for shape in ((3, 6, 8, 8), (2, 4, 3, 5)):
        for residual in (None, "same", "shortcut"):
            checks.check_batch_norm_fused(device, shape, residual)


def check_optimizers(device: EmulatedDevice) -> None:
    checks.check_adam(device, 1027, 2)
    checks.check_sgd(device, 1027, True)


CHECKS: dict[str, Check] = {
    "batch norm": check_batch_norm,
    "normalise": check_normalise,
    "gather": check_gather,
    "relu": lambda device: checks.check_relu(device, (3, 2, 5, 9)),
    "shortcut": lambda device: checks.check_shortcut(device, (2, 3, 5, 10)),
    "pool": lambda device: checks.check_pool(device, (2, 3, 6, 10)),
    "linear": lambda device: checks.check_linear(device, 35, 33, 3),
    "loss": check_losses,
    "optimizer": check_optimizers,
    "augment": lambda device: checks.check_augment(device, (3, 2, 6, 7), 2),
    "attack step": lambda device: checks.check_attack_steps(device, (3, 3, 7, 9)),
    "large images": lambda device: checks.check_attack_steps(device, (1, 3, 37, 38)),
    "low pass": lambda device: checks.check_low_pass(device, (2, 3, 5, 4), 1.5, "disc"),
}


@needs_compiler
@pytest.mark.parametrize("name", CHECKS)
@pytest.mark.parametrize("order", [0, -1, 7])
def test_no_race_and_no_bound_passed(name: str, order: int) -> None:
    CHECKS[name](EmulatedDevice("check", order=order))


@needs_compiler
@pytest.mark.parametrize("order", [0, -1, 7])
def test_no_race_in_whole_networks(order: int) -> None:
    """Every launch of an attack and of a training step, arrays that share memory included; same bits as unchecked."""
    architecture = Architecture(depth=8, size=4)
    state = random_state(architecture)
    images, labels = images_and_labels(3, architecture)
    results = []
    for device in (EmulatedDevice("check", order=order), EmulatedDevice("fast")):
        attack = AttackNetwork(architecture, state, MEAN, STD, device)
        net = TrainingNetwork(architecture, state, MEAN, STD, device)
        _, gradients, logits = net.loss_and_gradients(images, labels, "cross_entropy")
        found = [*attack.input_gradient(images, labels, "margin"), logits, *gradients.values(), *net.running.values()]
        results.append([device.fetch(array) for array in found])
    for a, b in zip(*results, strict=True):
        assert_close("checked", a, b, "exact")


class Fault(NamedTuple):
    """A change at one place of one file, and the check that must find it."""

    file: str
    check: str
    before: str
    after: str = ""


# Found by the emulator's checks.
UNSAFE = {
    "sums overwritten while in use": Fault(
        "reduction.cuh", "attack step", "__syncthreads();  // nobody still reads the parts of the last sum"
    ),
    "sums read before they are there": Fault("reduction.cuh", "batch norm", "__syncthreads();  // all parts are there"),
    "tiles read before they are there": Fault("linear.cu", "linear", "__syncthreads();  // the tiles are there"),
    "tiles overwritten while in use": Fault("linear.cu", "linear", "__syncthreads();  // nobody still reads the tiles"),
    "statistics read before they are there": Fault(
        "batch_norm.cu", "batch norm", "__syncthreads();  // the statistics are there"
    ),
    "sums of gradients read before they are there": Fault(
        "batch_norm.cu", "batch norm", "__syncthreads();  // the sums are there"
    ),
    "four numbers where fewer remain": Fault("elementwise.cuh", "optimizer", "if (k < count) p[k] =", "p[k] ="),
    "unaligned vectors": Fault("elementwise.cuh", "attack step", "((unsigned long long)p & 15) == 0", "true"),
    "a tile beyond the channel's end": Fault("batch_norm.cu", "batch norm", "if (j >= last) continue;"),
    "columns beyond the row's end": Fault("rows.cuh", "augment", "min(4, width - column)", "4"),
    "a channel that the shortcut has not": Fault(
        "batch_norm.cu", "normalise", "from >= 0 && from < half ? source[at] : 0.f", "from >= 0 ? source[at] : 0.f"
    ),
    "one place too many": Fault("gather.cu", "gather", "if (i >= n) return;", "if (i > n) return;"),
}
# Found by the numbers.
WRONG = {
    "channel and image swapped": Fault(
        "batch_norm.cu",
        "batch norm",
        "((long long)image * channel.channels + channel.index)",
        "((long long)channel.index * (channel.total / channel.plane) + image)",
    ),
    "all splits counted as full": Fault("batch_norm.cu", "batch norm", "(float)min(split, total - s * split)", "split"),
    "means not subtracted on the way back": Fault("batch_norm.cu", "batch norm", " - mean_d -", " -"),
    "nibbles of signs swapped": Fault("batch_norm.cu", "normalise", "mine | next << 4", "next | mine << 4"),
    "shortcut's channels at the start": Fault("batch_norm.cu", "normalise", "from = c - half / 2", "from = c"),
    "slope at zero": Fault("relu.cu", "relu", "output.v[k] > 0.f", "output.v[k] >= 0.f"),
    "signs from the wrong end": Fault("relu.cu", "relu", "> 0.f) << k", "> 0.f) << (7 - k)"),
    "rows and columns of the shortcut": Fault(
        "shortcut.cu", "shortcut", "line[2 * (four.column + k)]", "line[four.column + k]"
    ),
    "signs of another row": Fault("pool.cu", "pool", "bits[(long long)four.row *", "bits[(long long)(four.row / 2) *"),
    "transposed tile": Fault("linear.cu", "linear", "left[row + i][k]", "left[k][row + i]"),
    "the last of equals": Fault("loss.cu", "loss", "as_large && index < mine.index", "as_large && index > mine.index"),
    "one rate for both moments": Fault("optimizer.cu", "optimizer", "step * log(beta2)", "step * log(beta1)"),
    "flipped by one too many": Fault("augment.cu", "augment", "width - 1 - column", "width - column"),
    "row and column swapped": Fault("augment.cu", "augment", "offsets[2 * image + 1]", "offsets[2 * image]"),
    "step against the gradient": Fault("attack_step.cu", "attack step", "here + (float)", "here - (float)"),
    "ball around zero": Fault("attack_step.cu", "attack step", "(float)(centre[i].v[k] + shrink", "(float)(shrink"),
    "two bins of one mask": Fault("spectral_mask.cu", "low pass", "bin + 1 < bins ? bin + 1 : 0", "bin"),
}


def with_fault(fault: Fault, mode: str) -> EmulatedDevice:
    """Compiles the kernels of one file, of batch norm those on vectors: the check begins with them."""
    family = "batch_norm" if fault.check in ("batch norm", "normalise") else "small"
    common = [name for name in FAMILIES[family].files if name.endswith(".cuh")]
    own = fault.file if fault.file.endswith(".cu") else f"{fault.check.replace(' ', '_')}.cu"
    texts = {name: (FOLDER / name).read_text(encoding="utf-8") for name in (*common, own)}
    assert texts[fault.file].count(fault.before) == 1
    texts[fault.file] = texts[fault.file].replace(fault.before, fault.after)
    names = re.findall(r"__global__ void (?:__launch_bounds__\(THREADS\)\s+)?(\w+)\(", texts[own])
    kernels = [kernel for kernel in FAMILIES[family].kernels if kernel.split("<")[0] in names and "<1" not in kernel]
    code = "\n".join([prelude(FAMILIES[family]), *texts.values()])
    return EmulatedDevice(mode, code={family: code}, only=kernels)


@needs_compiler
@pytest.mark.parametrize("name", UNSAFE)
def test_unsafe_code_is_found_by_the_checks(name: str) -> None:
    fault = UNSAFE[name]
    with pytest.raises(EmulatorError, match=r"race|uninitialised|out-of-bounds|misaligned"):
        CHECKS[fault.check](with_fault(fault, "check"))


@needs_compiler
@pytest.mark.parametrize("name", WRONG)
def test_wrong_code_is_found_by_the_numbers(name: str) -> None:
    fault = WRONG[name]
    with pytest.raises(AssertionError):
        CHECKS[fault.check](with_fault(fault, "fast"))
