"""Attacks on a CUDA device: whole attacks in one graph, beside the same attacks on the CPU from the same starts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from deep_check import Architecture, ResNet
from deep_check.attacks import Attack, named_attack, run_attack
from deep_check.cuda.attack import CapturedAttacks
from deep_check.cuda.attack_network import AttackNetwork
from deep_check.cuda.device import Device
from deep_check.filtering import Filtered, LowPass, Target
from deep_check.initial import initial_state
from tests.deep_check.cuda.device import DEVICES, EmulatedDevice, open_device
from tests.deep_check.networks import MEAN, STD, images_and_labels
from tests.helpers import assert_close, assert_differs

IMAGES, LABELS = images_and_labels(3, Architecture(8))
IMAGES[0, 0, :16] = 1.0  # a bright edge: filtered, it leaves [0, 1]
L2 = Attack(norm="l2", radius=0.5, step_size=0.2, steps=3, seed=5)
# One sign step: where rounding decides a sign, the images of both devices part for good.
LINF = Attack(steps=1, seed=5)


@pytest.fixture(params=DEVICES, scope="module")
def device(request: pytest.FixtureRequest) -> Device:
    return open_device(request.param)


@pytest.fixture
def nets(device: Device, monkeypatch: pytest.MonkeyPatch) -> tuple[ResNet, ResNet]:
    """The same network on the device and on the CPU."""
    with monkeypatch.context() as patch:
        if isinstance(device, EmulatedDevice):
            patch.setattr("deep_check.resnet.choose_device", lambda word: "cuda")
            patch.setattr("deep_check.cuda.attack_network.cuda_device", lambda: device)
        on_device = ResNet(8, device="cuda", seed=2)
        on_device(IMAGES[:1])
    return on_device, ResNet(8, device="cpu", seed=2)


def counted(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What is captured from now on."""
    captured: list[tuple[Any, ...]] = []
    original = CapturedAttacks._capture

    def capture(self: Any, kind: Any) -> Any:
        captured.append(kind)
        return original(self, kind)

    monkeypatch.setattr(CapturedAttacks, "_capture", capture)
    return captured


CASES: dict[str, tuple[Attack, LowPass | None]] = {
    "linf": (LINF, None),
    "l2": (L2, None),
    "margin, two starts": (replace(L2, loss="margin", restarts=2), None),
    "targeted": (replace(LINF, targeted=True), None),
    "fgsm": (named_attack("fgsm"), None),
    "l2 through the filter": (L2, LowPass(8)),
    "l2 through the clipped square filter": (L2, LowPass(6, "square", clip=True)),
    "linf through the filter": (LINF, LowPass(8)),
}


@pytest.mark.parametrize("case", CASES)
def test_as_on_the_cpu(nets: tuple[ResNet, ResNet], case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    attack, filter_ = CASES[case]
    kinds = counted(monkeypatch)

    def found(net: ResNet) -> Any:
        target: Target = net if filter_ is None else Filtered(net, filter_)
        told: list[tuple[int, int]] = []
        result = run_attack(target, IMAGES, LABELS, attack, lambda done, total: told.append((done, total)))
        assert told[-1] == (attack.steps * attack.restarts * len(IMAGES),) * 2
        return result

    here, there = (found(net) for net in reversed(nets))
    assert [kind.n_steps for kind in kinds] == [attack.steps]  # captured once, all steps in it, and not on the CPU
    moved = there.images
    if attack.norm == "linf":
        other_way = np.abs(moved - here.images) > attack.step_size / 2
        assert_close("pixels that went the other way", other_way.mean(), 0.0, "sign_flips", scale=1.0)
        moved = np.where(other_way, here.images, moved)
    assert_close("images", moved, here.images, "network_cuda")
    assert_differs("no attack", here.images, IMAGES, "network_cuda")
    assert_close("losses", there.losses, here.losses, "captured_losses")
    assert (there.fooled == here.fooled).all()
    if filter_ is not None:
        without = run_attack(nets[1], IMAGES, LABELS, attack).images
        assert_differs("no filter", without, here.images, "network_cuda")
        if filter_.clip:
            unclipped = Filtered(nets[1], replace(filter_, clip=False))
            assert_differs(
                "no clipping", run_attack(unclipped, IMAGES, LABELS, attack).images, here.images, "network_cuda"
            )


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("filter_", [None, LowPass(6, clip=True)])
def test_steps_of_one_graph_are_steps_of_several(device: Device, norm: str, filter_: LowPass | None) -> None:
    architecture = Architecture(8)
    network = AttackNetwork(architecture, initial_state(architecture, 2), MEAN, STD, device)
    start = np.clip(IMAGES + np.float32(0.01), 0, 1)
    many = Attack(norm=norm, radius=0.3, step_size=0.1, steps=3)
    attacks, x = CapturedAttacks(network), start
    for _ in range(many.steps):
        x = attacks.climb(x, IMAGES, LABELS, replace(many, steps=1), filter_)
    assert_close("steps", attacks.climb(start, IMAGES, LABELS, many, filter_), x, "exact")
    assert_differs(
        "two steps", attacks.climb(start, IMAGES, LABELS, replace(many, steps=2), filter_), x, "network_cuda"
    )


def test_batches_and_other_weights(
    nets: tuple[ResNet, ResNet], device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An image is attacked alike in any batch; a graph is captured once a size, and takes the weights of now."""
    net, kinds = nets[0], counted(monkeypatch)
    attack = replace(L2, steps=1, restarts=2)
    whole = run_attack(net, IMAGES, LABELS, attack)
    monkeypatch.setattr("deep_check.attacks.CAPTURED_BATCH", 2)
    cut = run_attack(net, IMAGES, LABELS, attack)
    assert_close("in batches", cut.images, whole.images, "exact")
    assert [kind.n for kind in kinds] == [3, 2, 1]
    net.load_state_dict(ResNet(8, "cpu", seed=3).state_dict())
    other = run_attack(net, IMAGES, LABELS, attack)
    assert [kind.n for kind in kinds] == [3, 2, 1]
    assert_differs("other weights", other.images, whole.images, "network_cuda")


def test_an_early_stop_takes_its_steps_one_by_one(nets: tuple[ResNet, ResNet], monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = counted(monkeypatch)
    attack = replace(L2, steps=2, early_stop=True)
    here, there = (run_attack(net, IMAGES, LABELS, attack) for net in nets)
    assert kinds == []
    assert_close("images", here.images, there.images, "network_cuda")
