"""The attack's self-test: a sound attack passes, each mistake is noticed, and what is not sound is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deep_check.attacks import Attack
from deep_check.data import read_test_images
from deep_check.evaluation import selftest
from deep_check.evaluation.defence import in_words, parse_defence
from deep_check.evaluation.selftest import Mistaken, half_flipped, run_selftest
from deep_check.filtering import Filtered, LowPass
from deep_check.resnet import ResNet
from tests.deep_check.test_real_weights import BESIDE
from theory_sim.errors import InputError

ATTACK = Attack(radius=0.1, step_size=0.03)
FILTER = LowPass(8)
N = 12


@pytest.fixture(scope="module")
def net() -> ResNet:
    return ResNet(8, "cpu", seed=2)


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(0).uniform(size=(N, 3, 32, 32)).astype(np.float32)


@pytest.fixture(scope="module")
def labels(net: ResNet, images: np.ndarray) -> np.ndarray:
    return Filtered(net, FILTER)(images).argmax(axis=1)


def test_the_attack_passes_and_its_copies_do_not(net: ResNet, images: np.ndarray, labels: np.ndarray) -> None:
    outcome = run_selftest(net, FILTER, images, labels, ATTACK)
    assert [check.name for check in outcome.checks if not check.passed] == []
    assert len(outcome.noticed) == 4
    for name, by in outcome.noticed.items():
        assert by, name
    assert "the gradient is that of the loss" in outcome.noticed["the filter forgotten in the gradient"]
    assert "more steps do more" in outcome.noticed["steps of size zero"]
    assert outcome.sound


@pytest.mark.parametrize("spoil", [half_flipped, np.zeros_like])
def test_an_attack_that_is_wrong_is_not_sound(net: ResNet, images: np.ndarray, labels: np.ndarray, spoil: Any) -> None:
    outcome = run_selftest(Mistaken(net, spoil), FILTER, images[:6], labels[:6], ATTACK)
    assert not outcome.sound
    assert any(not check.passed for check in outcome.checks)


def test_a_mistake_that_nothing_notices_is_not_sound(
    net: ResNet, images: np.ndarray, labels: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = selftest._checks
    monkeypatch.setattr(selftest, "_checks", lambda *given: real(*given)[1:3])
    monkeypatch.setattr(selftest, "MORE", 0.0)
    outcome = run_selftest(net, FILTER, images[:6], labels[:6], ATTACK)
    assert all(check.passed for check in outcome.checks)
    assert not outcome.noticed["the filter forgotten in the gradient"]
    assert not outcome.sound


def test_a_filter_that_takes_nothing_can_be_forgotten(net: ResNet, images: np.ndarray) -> None:
    labels = net(images).argmax(axis=1)
    outcome = run_selftest(net, LowPass(23), images[:6], labels[:6], ATTACK)
    assert "the filter forgotten in the gradient" not in outcome.noticed
    assert outcome.sound


def test_nothing_can_be_said_of_images_that_are_wrong(net: ResNet, images: np.ndarray, labels: np.ndarray) -> None:
    outcome = run_selftest(net, FILTER, images, (labels + 1) % 10, ATTACK)
    assert not outcome.sound


def test_defences_by_name() -> None:
    assert parse_defence("lowpass:12") == LowPass(12)
    assert parse_defence("lowpass:7.5:square:clip") == LowPass(7.5, "square", True)
    assert in_words(parse_defence("lowpass:4:clip")) == "low-pass filter, disc of radius 4, clipped to [0, 1]"
    for text in ("", "lowpass", "lowpass:", "lowpass:x", "highpass:3", "lowpass:3:ring", "lowpass:3:clip:clip",
                 "lowpass:3:disc:square", "lowpass:24", "lowpass:-1"):  # fmt: skip
        with pytest.raises(InputError):
            parse_defence(text)


def test_on_a_public_network(cifar10_dir: Path) -> None:
    if not BESIDE.exists():
        pytest.skip(f"{BESIDE.name} is not beside the project: no public weights to attack")
    images, labels, _ = read_test_images(cifar10_dir, partial=True, limit=16)
    outcome = run_selftest(ResNet.from_file(BESIDE, "cpu"), LowPass(12), images, labels, Attack())
    assert outcome.sound, outcome
