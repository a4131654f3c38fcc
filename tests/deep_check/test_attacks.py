"""Attacks by their properties: budget, box, identity at radius 0, rising loss, independence of the batch, restarts."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deep_check import attacks
from deep_check.attacks import Attack, count_right, named_attack, run_attack, target_labels
from deep_check.data import read_test_images
from deep_check.filtering import Filtered, LowPass, Target
from deep_check.ops import spectral_mask_reference
from deep_check.resnet import ResNet
from tests.deep_check.derivatives import assert_caught
from tests.deep_check.test_real_weights import BESIDE
from tests.helpers import assert_close
from theory_sim.errors import InputError
from theory_sim.intervals import wilson

N = 20
QUICK = Attack(steps=5, seed=4)


@pytest.fixture(scope="module")
def net() -> ResNet:
    return ResNet(8, "cpu", seed=2)


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(0).uniform(size=(N, 3, 32, 32)).astype(np.float32)


@pytest.fixture(scope="module")
def labels(net: ResNet, images: np.ndarray) -> np.ndarray:
    """What the net says, so that everything can be lost."""
    return net(images).argmax(axis=1)


def loss_of(net: Target, images: np.ndarray, labels: np.ndarray, loss: str = "cross_entropy") -> np.ndarray:
    return np.asarray(net.input_gradient(images, labels, loss)[0])


def norms(delta: np.ndarray, norm: str) -> np.ndarray:
    flat = delta.reshape(len(delta), -1).astype(float)
    return np.abs(flat).max(axis=1) if norm == "linf" else np.linalg.norm(flat, axis=1)


ATTACKS = [
    QUICK,
    replace(QUICK, norm="l2", radius=0.5, step_size=0.2),
    replace(QUICK, start="zero"),
    replace(QUICK, loss="margin"),
    replace(QUICK, restarts=2),
    replace(QUICK, restarts=2, early_stop=True, radius=0.004, step_size=0.002),
    named_attack("fgsm", radius=0.03),
    named_attack("fgm", radius=0.5),
]


@pytest.mark.parametrize("attack", ATTACKS)
def test_budget_box_and_rising_loss(net: ResNet, images: np.ndarray, labels: np.ndarray, attack: Attack) -> None:
    before = images.copy()
    found = run_attack(net, images, labels, attack)
    assert (images == before).all()
    assert found.images.dtype == np.float32
    assert found.images.min() >= 0
    assert found.images.max() <= 1
    reached = norms(found.images - images, attack.norm)
    assert (reached <= attack.radius * (1 + 1e-5)).all()
    assert reached.max() > 0.9 * attack.radius  # the budget is used
    start, end = loss_of(net, images, labels, attack.loss), loss_of(net, found.images, labels, attack.loss)
    assert (end == found.losses).all()
    assert end.mean() > start.mean()
    assert (found.fooled == (net(found.images).argmax(axis=1) != labels)).all()
    assert found.accuracy == 1 - found.fooled.mean()


@pytest.mark.parametrize("start", ["random", "zero"])
@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_radius_zero_is_the_identity(
    net: ResNet, images: np.ndarray, labels: np.ndarray, norm: str, start: str
) -> None:
    found = run_attack(net, images, labels, replace(QUICK, norm=norm, start=start, radius=0.0))
    assert (found.images == images).all()
    assert not found.fooled.any()


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_the_mean_loss_rises_with_every_step(net: ResNet, images: np.ndarray, labels: np.ndarray, norm: str) -> None:
    attack = Attack(norm=norm, radius=0.03 if norm == "linf" else 1.0, step_size=0.003 if norm == "linf" else 0.1)
    means = [
        loss_of(net, run_attack(net, images, labels, replace(attack, steps=n, start="zero")).images, labels).mean()
        for n in range(1, 9)
    ]
    assert (np.diff(means) > 0).all()


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_an_image_is_attacked_alike_in_every_batch(
    net: ResNet, images: np.ndarray, labels: np.ndarray, norm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    attack = replace(QUICK, norm=norm, radius=0.1, steps=2, restarts=2)
    whole = run_attack(net, images, labels, attack)
    one = run_attack(net, images[7:8], labels[7:8], attack, first=7)
    assert (one.images[0] == whole.images[7]).all()
    monkeypatch.setattr("deep_check.attacks.BATCH", 6)
    cut = run_attack(net, images, labels, attack)
    assert (cut.images == whole.images).all()
    assert (cut.losses == whole.losses).all()
    other = run_attack(net, images, labels, replace(attack, seed=5))
    assert (other.images != whole.images).any()


def test_one_step_is_its_formula(net: ResNet, images: np.ndarray, labels: np.ndarray) -> None:
    gradient = net.input_gradient(images, labels, "cross_entropy").gradient
    fgsm = run_attack(net, images, labels, named_attack("fgsm", radius=0.02)).images
    assert_close("fgsm", fgsm, np.clip(images + np.float32(0.02) * np.sign(gradient), 0, 1), "single")
    lengths = np.sqrt((gradient.astype(float) ** 2).sum((1, 2, 3), keepdims=True))
    fgm = run_attack(net, images, labels, named_attack("fgm", radius=0.4)).images
    expected = np.clip(images + 0.4 * gradient / lengths, 0, 1)
    assert_close("fgm", fgm, expected, "single")
    wrong = np.clip(images - 0.4 * gradient / lengths, 0, 1)
    assert_caught(lambda: assert_close("fgm", fgm, wrong, "single"))


def test_restarts_keep_the_worst_case_of_each_image(net: ResNet, images: np.ndarray, labels: np.ndarray) -> None:
    weak = replace(QUICK, radius=0.004, step_size=0.002, steps=1)
    alone = [run_attack(net, images, labels, replace(weak, restarts=n)) for n in range(1, 5)]
    for few, many in pairwise(alone):
        assert (many.fooled >= few.fooled).all()
        assert (many.losses[many.fooled == few.fooled] >= few.losses[many.fooled == few.fooled]).all()
    assert (alone[-1].losses > alone[0].losses).any()


def test_a_target_is_approached(net: ResNet, images: np.ndarray, labels: np.ndarray) -> None:
    wanted = (labels + 1) % 10
    found = run_attack(net, images, wanted, replace(QUICK, targeted=True, steps=20))
    assert loss_of(net, found.images, wanted).mean() < loss_of(net, images, wanted).mean()
    assert (found.fooled == (net(found.images).argmax(axis=1) == wanted)).all()
    assert (found.losses == loss_of(net, found.images, wanted)).all()


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_early_stop_is_the_same_path_left_earlier(
    net: ResNet, images: np.ndarray, labels: np.ndarray, norm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An image that fools stays where it did so first; the others end where they do without the mode."""
    radius, step_size = (0.006, 0.003) if norm == "linf" else (0.4, 0.15)
    attack = replace(QUICK, norm=norm, radius=radius, step_size=step_size, steps=6)
    whole, early = (run_attack(net, images, labels, replace(attack, early_stop=mode)) for mode in (False, True))
    assert 0 < early.fooled.sum() < N
    assert (early.fooled >= whole.fooled).all()
    assert (early.images[~early.fooled] == whole.images[~early.fooled]).all()
    left = [run_attack(net, images, labels, replace(attack, steps=steps)) for steps in range(1, 7)]
    for i in np.flatnonzero(early.fooled):
        start = attacks._start(images[i : i + 1], attack, 0, np.array([i]))
        path = [start[0], *(found.images[i] for found in left)]
        first = next(x for x in path if net(x[None]).argmax() != labels[i])
        assert (early.images[i] == first).all()
    monkeypatch.setattr("deep_check.attacks.BATCH", 6)
    cut = run_attack(net, images, labels, replace(attack, early_stop=True, restarts=2))
    once = early.fooled
    assert (cut.images[once] == early.images[once]).all()  # no restart takes up what is fooled
    assert (cut.fooled >= once).all()


def test_another_judge_says_what_is_fooled(net: ResNet, images: np.ndarray, labels: np.ndarray) -> None:
    behind = Filtered(net, LowPass(6))
    own = behind(images).argmax(axis=1)
    found = run_attack(net, images, own, replace(QUICK, restarts=3), judge=behind)
    assert (found.fooled == (behind(found.images).argmax(axis=1) != own)).all()
    assert (found.losses == loss_of(behind, found.images, own)).all()
    once = run_attack(net, images, own, QUICK)
    alone = run_attack(net, images, own, QUICK, judge=behind)
    assert (alone.images == once.images).all()
    assert (found.losses >= alone.losses)[found.fooled == alone.fooled].all()
    spared = run_attack(net, images, own, replace(QUICK, restarts=3, early_stop=True), judge=behind)
    assert (spared.fooled == found.fooled).all()
    assert (spared.images[~spared.fooled] == found.images[~spared.fooled]).all()
    assert (spared.images[alone.fooled] == alone.images[alone.fooled]).all()  # a path's end, and no restart after it
    assert 0 < alone.fooled.sum() < N


def test_targets() -> None:
    labels = np.arange(40) % 10
    assert (target_labels("next", labels, 10) == (labels + 1) % 10).all()
    assert (target_labels("3", labels, 10) == np.where(labels == 3, -1, 3)).all()
    drawn = target_labels("random", np.zeros(4000, int), 10, seed=1)
    assert set(drawn) == set(range(1, 10))
    counts = np.bincount(drawn, minlength=10)[1:]
    assert ((counts - 4000 / 9) ** 2 / (4000 / 9)).sum() < 27  # chi-squared with 8 degrees of freedom: p = 0.0007
    assert (target_labels("random", np.zeros(9, int), 10, seed=1, first=5) == drawn[5:14]).all()
    assert (target_labels("random", np.zeros(4000, int), 10, seed=2) != drawn).any()
    for word in ("10", "-1", "cat", ""):
        with pytest.raises(InputError, match=r"allowed are 0 .* 9, next, random"):
            target_labels(word, labels, 10)


class Linear:
    """Losses weights · x: what a gradient through a filter can be compared with exactly."""

    def __init__(self, weights: np.ndarray) -> None:
        self.weights = weights

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return np.zeros((len(x), 10), np.float32)

    def input_gradient(self, x: np.ndarray, y: Any, loss: str) -> tuple[Any, Any, Any]:
        return (self.weights * x).sum((1, 2, 3)), self.weights.astype(np.float32), self(x)


@pytest.mark.parametrize("mask", ["disc", "square"])
def test_the_gradient_through_the_filter(images: np.ndarray, labels: np.ndarray, mask: str) -> None:
    rng = np.random.default_rng(3)
    weights, v = rng.standard_normal((2, *images.shape))
    target = Filtered(Linear(weights), LowPass(6, mask))
    gradient = target.input_gradient(images, labels, "mse").gradient
    h = 1e-2
    up, down = (target.input_gradient((images + s * h * v).astype(np.float32), labels, "mse").losses for s in (1, -1))
    expected = (gradient * v).sum((1, 2, 3))
    scale = float(np.abs(expected).max())
    assert_close("through", (up - down) / (2 * h), expected, "filter_difference", scale=scale)
    blind = (weights * v).sum((1, 2, 3))  # a gradient that passes the filter by
    assert_caught(lambda: assert_close("blind", blind, expected, "filter_difference", scale=scale))


def test_the_gradient_through_a_clipped_filter(images: np.ndarray, labels: np.ndarray) -> None:
    """Nothing passes where the filtered image is outside of [0, 1]."""
    weights = np.random.default_rng(3).standard_normal(images.shape)
    wide = ((images - 0.5) * 8 + 0.5).astype(np.float32)
    filtered = spectral_mask_reference.low_pass(wide, 6)
    inside = (filtered > 0) & (filtered < 1)
    assert 0.2 < inside.mean() < 0.95
    gradient = Filtered(Linear(weights), LowPass(6, clip=True)).input_gradient(wide, labels, "mse").gradient
    assert_close("clipped", gradient, spectral_mask_reference.low_pass(weights * inside, 6), "single")
    unclipped = spectral_mask_reference.low_pass(weights, 6)
    assert_caught(lambda: assert_close("clipped", gradient, unclipped, "single"))


def test_the_attacker_who_knows_the_filter_does_better(net: ResNet, images: np.ndarray, labels: np.ndarray) -> None:
    behind = Filtered(net, LowPass(8))
    own = behind(images).argmax(axis=1)
    blind = run_attack(net, images, own, QUICK).images
    aware = run_attack(behind, images, own, QUICK)
    assert loss_of(behind, aware.images, own).mean() > loss_of(behind, blind, own).mean()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Attack(radius=-0.1), "radius -0.1: allowed is 0 ... 1"),
        (lambda: Attack(radius=1.5), "radius 1.5"),
        (lambda: Attack(radius=float("nan")), "radius nan"),
        (lambda: Attack(steps=0), "steps 0: allowed is >= 1"),
        (lambda: Attack(norm="l1"), "norm 'l1': allowed are linf, l2"),
        (lambda: Attack(loss="hinge"), "loss 'hinge'"),
        (lambda: Attack(start="zero", restarts=2), "restarts 2"),
        (lambda: named_attack("cw"), "method 'cw': allowed are pgd, fgsm, fgm"),
        (lambda: LowPass(-1), "cut-off -1: allowed is 0 ... 23"),
        (lambda: LowPass(24), "cut-off 24"),
        (lambda: LowPass(float("nan")), "cut-off nan"),
        (lambda: LowPass(3, "ring"), "mask 'ring'"),
    ],
)
def test_what_is_not_allowed_is_named(make: Any, words: str) -> None:
    with pytest.raises(InputError) as caught:
        make()
    assert words in str(caught.value)


def test_images_that_are_no_pictures_are_refused(net: ResNet, images: np.ndarray, labels: np.ndarray) -> None:
    with pytest.raises(InputError, match=r"images\[0, 0, 0, 0\]"):
        run_attack(net, images + 2, labels, QUICK)
    with pytest.raises(InputError, match="labels"):
        run_attack(net, images, labels[:-1], QUICK)


def test_a_filter_of_the_largest_cut_off_keeps_everything(images: np.ndarray) -> None:
    assert_close("all", LowPass(23).apply(images), images, "single")
    assert_close("mean", LowPass(0).apply(images), np.broadcast_to(images.mean((2, 3), keepdims=True), images.shape),
                 "single")  # fmt: skip


def test_pgd_leaves_nothing_of_a_public_network(cifar10_dir: Path) -> None:
    """The paper's attack, and as a control the perturbations of other images."""
    if not BESIDE.exists():
        pytest.skip(f"{BESIDE.name} is not beside the project: no public weights to attack")
    images, labels, _ = read_test_images(cifar10_dir, partial=True, limit=64)
    net = ResNet.from_file(BESIDE, "cpu")
    found = run_attack(net, images, labels, Attack())
    assert count_right(net, images, labels) >= 56
    standing = int((~found.fooled).sum())
    assert wilson(standing, 64)[0] < 0.01, f"{standing} of 64 stand"
    assert standing <= 2
    foreign = np.clip(images + (found.images - images)[::-1], 0, 1)
    assert count_right(net, foreign, labels) > 16
