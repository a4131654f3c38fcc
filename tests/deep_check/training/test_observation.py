"""The attack during training: what it measures, on networks of known answer, and whether training feels it."""

from __future__ import annotations

import csv
import json
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deep_check.ops.loss_reference import loss
from deep_check.training.checkpoint import NAME, load_checkpoint, save_checkpoint
from deep_check.training.observation import (
    COLUMNS,
    CUTOFFS,
    OBSERVED,
    attacks,
    is_observed,
    observe,
    perturbations,
    ratio_rows,
    sample,
)
from deep_check.training.recipe import Recipe
from deep_check.training.trainer import Progress, train
from tests.deep_check.training.test_trainer import RECIPE, TEST, TRAINING, weights_of
from tests.helpers import assert_close

SEEN = replace(RECIPE, observe_every=5, observe_images=8, observe_steps=3)


class Wave:
    """Logits (z, -z) with z the image's product with one wave: its gradient is that wave, whatever the weights do."""

    def __init__(self, vertical: int, horizontal: int) -> None:
        y, x = np.mgrid[:32, :32]
        wave = np.cos(2 * np.pi * (vertical * y + horizontal * x) / 32)
        self.wave = np.broadcast_to(wave, (3, 32, 32)).astype(np.float32)

    def __call__(self, images: np.ndarray) -> np.ndarray:
        z = (images * self.wave).sum(axis=(1, 2, 3))
        return np.stack([z, -z], axis=1)

    def input_gradient(self, images: np.ndarray, labels: np.ndarray, kind: str) -> tuple[Any, Any, Any]:
        logits = self(images)
        losses, d_logits = loss(logits, labels, kind)
        return losses, (d_logits[:, 0] - d_logits[:, 1])[:, None, None, None] * self.wave, logits


TWO_CLASSES = replace(TRAINING, labels=TRAINING.labels % 2)


@pytest.mark.parametrize(("wave", "low_from"), [((1, 2), 4), ((3, 6), 8), ((5, 10), 12), ((16, 16), None)])
def test_the_ratio_of_a_gradient_that_is_one_wave(wave: tuple[int, int], low_from: int | None) -> None:
    """Negative control: the same attack on a high wave has ratio 0 at the cut-off where a low wave has 1."""
    grey = replace(TWO_CLASSES, images=np.full_like(TRAINING.images, 128))  # a step of 1/2 in l2 stays far from the box
    rows, _ = observe(Wave(*wave), SEEN, grey, 3)
    for row in rows:
        assert tuple(row) == COLUMNS
        if row["attack"] != "images":
            wanted = float(low_from is not None and row["cutoff"] >= low_from)
            assert_close("mean", row["mean"], wanted, "float32_fft", scale=1.0)
            assert_close("spread", row["std"], 0.0, "float32_fft", scale=1.0)
    assert {row["attack"] for row in rows} == {"images", "fgm", "pgd"}


def test_attacks_keep_to_their_ball_and_fgm_follows_the_gradient() -> None:
    target = Wave(2, 3)
    images, labels = sample(SEEN, TWO_CLASSES, 0)
    for name, (deltas, found) in perturbations(target, SEEN, images, labels).items():
        norms = np.sqrt((deltas.astype(float) ** 2).sum(axis=(1, 2, 3)))
        assert norms.max() <= SEEN.observe_radius * (1 + 1e-5)
        assert norms.min() > 0.3 * SEEN.observe_radius
        assert found.images.min() >= 0
        assert found.images.max() <= 1
        start = target.input_gradient(images, labels, SEEN.loss)[0]
        assert (found.losses > start).all()
        assert attacks(SEEN)[name].start == "zero"


def test_statistics_are_those_of_an_explicit_sum() -> None:
    deltas = np.random.default_rng(0).normal(size=(12, 3, 32, 32)).astype(np.float32)
    deltas[3] = 0  # has no ratio
    deltas[5, 0, 0, 0] = np.nan
    power = (np.abs(np.fft.fft2(deltas[[0, 1, 2, 4, *range(6, 12)]].astype(float))) ** 2).sum(axis=1)
    k = np.fft.fftfreq(32, 1 / 32)
    for row, cutoff in zip(ratio_rows("fgm", deltas, 1.0, 0.5), CUTOFFS, strict=True):
        ratios = power[:, np.hypot(k[:, None], k) <= cutoff].sum(axis=1) / power.sum(axis=(1, 2))
        assert (row["n"], row["cutoff"]) == (10, cutoff)
        assert_close("mean, spread", [row["mean"], row["std"]], [ratios.mean(), ratios.std(ddof=1)], "round_off")
        half = 2.262157 * ratios.std(ddof=1) / np.sqrt(10)  # Student's t of 9 degrees of freedom, from a table
        assert row["high"] - row["low"] == pytest.approx(2 * half, rel=1e-6)
    assert ratio_rows("fgm", deltas[3:4], 1.0, 0.5) == []


def test_images_are_drawn_by_seed_and_step() -> None:
    first, labels = sample(SEEN, TRAINING, 7)
    assert first.shape == (8, 3, 32, 32)
    assert len({image.tobytes() for image in first}) == 8
    again, _ = sample(SEEN, TRAINING, 7)
    assert np.array_equal(first, again)
    assert labels.dtype == np.int64
    others = sample(SEEN, TRAINING, 8)[0], sample(replace(SEEN, seed=4), TRAINING, 7)[0]
    assert not any(np.array_equal(first, other) for other in others)


def test_when_the_network_is_looked_at() -> None:
    recipe = Recipe(observe_every=300)
    seen = [step for step in range(1000) if is_observed(recipe, step, 999)]
    assert seen == [0, 1, 2, 5, 10, 20, 50, 100, 200, 300, 500, 600, 900, 999]
    assert not any(is_observed(Recipe(), step, 999) for step in range(1000))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("observed")
    train(SEEN, TRAINING, TEST, folder)
    return folder


def test_training_does_not_feel_it(whole: Path, tmp_path: Path) -> None:
    train(replace(SEEN, observe_every=0), TRAINING, TEST, tmp_path)
    assert np.array_equal(weights_of(whole), weights_of(tmp_path))
    assert not (tmp_path / OBSERVED).exists()
    with (whole / OBSERVED).open() as file:
        rows = list(csv.DictReader(file))
    assert sorted({int(row["step"]) for row in rows}) == [0, 1, 2, 5, 10, 12]
    assert len(rows) == 6 * 3 * len(CUTOFFS)


@pytest.mark.parametrize("stop", [1, 5, 7, 12])
def test_goes_on_to_the_same_observations(whole: Path, tmp_path: Path, stop: int) -> None:
    def interrupt(progress: Progress) -> None:
        if progress.step == stop:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        train(SEEN, TRAINING, TEST, tmp_path, report=interrupt)
    assert (tmp_path / OBSERVED).read_text() != (whole / OBSERVED).read_text()
    train(SEEN, TRAINING, TEST, tmp_path)
    assert (tmp_path / OBSERVED).read_text() == (whole / OBSERVED).read_text()
    assert np.array_equal(weights_of(tmp_path), weights_of(whole))


def test_a_run_can_end_within_an_epoch(tmp_path: Path) -> None:
    row = train(replace(SEEN, max_steps=8), TRAINING, TEST, tmp_path)
    assert (row["epoch"], row["step"]) == (2, 8)
    again = train(replace(SEEN, max_steps=8), TRAINING, TEST, tmp_path, report=lambda _: pytest.fail("a step"))
    assert again == row
    assert json.loads((tmp_path / "recipe.json").read_text())["max_steps"] == 8


def test_a_checkpoint_from_before_these_keys_goes_on(tmp_path: Path) -> None:
    recipe = replace(RECIPE, epochs=1)
    train(recipe, TRAINING, TEST, tmp_path)
    found = load_checkpoint(tmp_path)
    assert found is not None
    arrays, facts = found
    for key in [key for key in recipe.as_dict() if key.startswith("observe") or key == "max_steps"]:
        del facts["identity"]["recipe"][key]
    del facts["observed"]
    (tmp_path / NAME).unlink()
    save_checkpoint(tmp_path, arrays, facts)
    assert train(recipe, TRAINING, TEST, tmp_path)["epoch"] == 1
