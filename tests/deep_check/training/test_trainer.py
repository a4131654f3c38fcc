"""Whole runs on a small set of images: they learn, stop, go on to the same bits, and refuse what does not fit."""

from __future__ import annotations

import csv
import os
import shutil
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deep_check.training.card import CARD
from deep_check.training.checkpoint import NAME, load_checkpoint, save_checkpoint
from deep_check.training.recipe import Recipe
from deep_check.training.steps import Steps
from deep_check.training.trainer import LOG, WEIGHTS, Progress, accuracy, train
from deep_check.weights import load_weights
from theory_sim.errors import InputError
from theory_sim.inputs.cifar10 import Cifar10

RECIPE = Recipe(depth=8, epochs=2, batch_size=16, learning_rate=0.05, seed=3)


def images(n: int, seed: int) -> Cifar10:
    """Ten classes that a small net can learn: a bright square in one of ten places, and noise."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 10, n).astype(np.uint8)
    pixels = rng.integers(0, 100, (n, 3, 32, 32), dtype=np.uint8)
    for image, label in zip(pixels, labels, strict=True):
        row, column = divmod(int(label), 4)
        image[label % 3, 10 * row : 10 * row + 8, 8 * column : 8 * column + 8] = 255
    return Cifar10(pixels, labels)


TRAINING, TEST = images(96, 0), images(40, 1)


def weights_of(folder: Path) -> np.ndarray:
    return np.concatenate([np.ravel(a) for a in load_weights(folder / WEIGHTS).state.values()])


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run") / "whole"
    train(RECIPE, TRAINING, TEST, folder)
    return folder


def test_leaves_weights_and_a_log(whole: Path) -> None:
    rows = list(csv.DictReader((whole / LOG).read_text().splitlines()))
    assert [int(row["epoch"]) for row in rows] == [1, 2]
    assert [int(row["step"]) for row in rows] == [6, 12]
    assert all(float(row["low"]) <= float(row["accuracy"]) <= float(row["high"]) for row in rows)
    facts = load_weights(whole / WEIGHTS).facts
    assert facts["recipe"] == RECIPE.as_dict()
    assert facts["result"]["accuracy"] == float(rows[-1]["accuracy"])
    assert "| seed | 3 |" in (whole / CARD).read_text()
    assert not [path for path in whole.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize("stop", [1, 6, 9])
def test_goes_on_to_the_same_bits(whole: Path, tmp_path: Path, stop: int) -> None:
    """Ctrl-C after a step, in the middle of an epoch or at its end."""

    def interrupt(progress: Progress) -> None:
        if progress.step == stop:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        train(RECIPE, TRAINING, TEST, tmp_path, report=interrupt)
    assert not (tmp_path / WEIGHTS).exists()
    seen: list[int] = []
    train(RECIPE, TRAINING, TEST, tmp_path, report=lambda progress: seen.append(progress.step))
    assert seen == list(range(stop + 1, 13))
    assert np.array_equal(weights_of(tmp_path), weights_of(whole))
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_finished_run_is_left_as_it_is(whole: Path) -> None:
    before = weights_of(whole)
    row = train(RECIPE, TRAINING, TEST, whole, report=lambda _: pytest.fail("a step"))
    assert row["epoch"] == 2
    assert np.array_equal(weights_of(whole), before)


def test_another_run_is_refused_with_the_difference(whole: Path) -> None:
    with pytest.raises(InputError, match=r"epochs: 2 there, 4 asked for"):
        train(replace(RECIPE, epochs=4), TRAINING, TEST, whole)
    with pytest.raises(InputError, match="another run"):
        train(RECIPE, images(96, 7), TEST, whole)


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 and no more", None])
def test_a_damaged_checkpoint_is_named(tmp_path: Path, damage: bytes | None, whole: Path) -> None:
    good = (whole / NAME).read_bytes()
    (tmp_path / NAME).write_bytes(good[: len(good) // 2] if damage is None else damage)
    with pytest.raises(InputError, match=r"checkpoint .* is damaged .* delete it"):
        train(RECIPE, TRAINING, TEST, tmp_path)


def test_a_loss_that_is_not_finite_stops_and_keeps_the_last_good_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = Steps.step

    def broken(self: Steps, *arguments: Any) -> tuple[float, int]:
        loss, right = step(self, *arguments)
        return (float("nan") if self.n_steps == 8 else loss), right

    monkeypatch.setattr(Steps, "step", broken)
    with pytest.raises(InputError, match=r"loss is nan at step 8 \(epoch 2, batch 2 of 6\): .* of step 6, is in"):
        train(RECIPE, TRAINING, TEST, tmp_path)
    found = load_checkpoint(tmp_path)
    assert found is not None
    assert (found[1]["epoch"], found[1]["place"], int(found[0]["n_steps"])) == (1, 0, 6)


def test_weights_that_are_not_finite_are_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last step's loss is that of the weights before it, and finite: the weights themselves are looked at."""
    step = Steps.step

    def broken(self: Steps, *arguments: Any) -> tuple[float, int]:
        found = step(self, *arguments)
        if self.n_steps == 12:
            self._network.parameter["linear.bias"][3] = np.inf
        return found

    monkeypatch.setattr(Steps, "step", broken)
    with pytest.raises(
        InputError, match=r"linear\.bias is not finite at step 12 \(epoch 2, batch 6 of 6\): .* step 6, is"
    ):
        train(RECIPE, TRAINING, TEST, tmp_path)
    assert not (tmp_path / WEIGHTS).exists()
    found = load_checkpoint(tmp_path)
    assert found is not None
    assert all(np.isfinite(array).all() for array in found[0].values())


def test_a_loss_that_grows_without_bound_stops_before_there_is_a_checkpoint(tmp_path: Path) -> None:
    wild = {"schedule": "constant", "learning_rate": 1e3, "momentum": 0.99, "weight_decay": 0.9}
    with pytest.raises(InputError, match=r" at step \d+ \(epoch 1, .*no checkpoint was made before"):
        train(replace(RECIPE, **wild), TRAINING, TEST, tmp_path)
    assert not (tmp_path / NAME).exists()


def test_another_programs_checkpoint_is_named(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, {"a": np.zeros(2)}, {"log": []})
    with pytest.raises(InputError, match=r"checkpoint\.npz: no identity, epoch, .*allowed are those of `train`"):
        train(RECIPE, TRAINING, TEST, tmp_path)


def test_other_images_with_the_same_sums_are_other_images(tmp_path: Path, whole: Path) -> None:
    shutil.copytree(whole, tmp_path / "run")
    turned = Cifar10(TRAINING.images[::-1], TRAINING.labels[::-1])
    with pytest.raises(InputError, match="digest: "):
        train(RECIPE, turned, TEST, tmp_path / "run")


@pytest.mark.parametrize("changes", [{}, {"optimizer": "adam", "learning_rate": 3e-3}, {"loss": "mse"}])
def test_learns(tmp_path: Path, changes: dict[str, Any]) -> None:
    recipe = replace(RECIPE, epochs=12, padding=1, flip=False, weight_decay=1e-4, **changes)
    row = train(recipe, images(320, 0), TEST, tmp_path)
    assert row["low"] > 0.5  # guessing gives 0.1


def test_an_adversary_stays_in_its_ball_and_raises_the_loss() -> None:
    recipe = replace(RECIPE, adversary="linf", radius=0.1, step_size=0.125)
    from deep_check.architecture import Architecture
    from deep_check.initial import initial_state

    steps = Steps(recipe, initial_state(Architecture(8), 1))
    x = (TRAINING.images[:32] / 255).astype(np.float32)
    labels = TRAINING.labels[:32].astype(np.int64)
    start = np.random.default_rng(0).uniform(-1, 1, x.shape).astype(np.float32)
    attacked = steps._attacked(x, labels, start)
    assert np.abs(attacked - x).max() <= 0.1 + 1e-6
    assert attacked.min() >= 0
    assert attacked.max() <= 1
    plain, moved = (steps._evaluation.input_gradient(a, labels, "cross_entropy")[0].mean() for a in (x, attacked))
    assert moved > plain
    assert not np.array_equal(attacked, steps._attacked(x, labels, -start))


def test_accuracy_has_its_interval() -> None:
    data = Cifar10(np.zeros((10, 3, 32, 32), np.uint8), np.array([1] * 7 + [2] * 3, np.uint8))
    found = accuracy(lambda x: np.tile(np.eye(10)[1], (len(x), 1)), data)
    assert found["accuracy"] == 0.7
    assert found["n"] == 10
    assert abs(found["low"] - 0.3968) < 1e-4  # Wilson's interval of 7 of 10, from a table
    assert abs(found["high"] - 0.8922) < 1e-4
