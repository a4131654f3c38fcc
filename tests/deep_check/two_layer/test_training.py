"""Training of the two-layer network by the usual command: it learns, stops, goes on, and leads theory along."""

from __future__ import annotations

import csv
import os
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from deep_check.training.observation import CUTOFFS, OBSERVED, PREDICTED, distances
from deep_check.training.recipe import Recipe, read_recipe
from deep_check.training.trainer import WEIGHTS, Progress, accuracy, train
from deep_check.two_layer import TwoLayer
from deep_check.two_layer.network import initial_weights
from tests.deep_check.training.test_trainer import TEST, TRAINING, images
from tests.helpers import assert_close
from theory_sim.errors import InputError

RECIPE = Recipe(
    network="two-layer", width=30, predict=True, loss="mse", epochs=3, max_steps=14, batch_size=16, optimizer="sgd",
    learning_rate=0.05, schedule="constant", momentum=0.0, weight_decay=0.0, padding=0, flip=False, observe_every=5,
    observe_images=8, observe_steps=3,
)  # fmt: skip


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("two-layer")
    train(RECIPE, TRAINING, TEST, folder)
    return folder


def read(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


def test_one_step_is_that_of_plain_sgd(tmp_path: Path) -> None:
    train(replace(RECIPE, max_steps=1), TRAINING, TEST, tmp_path)
    net = TwoLayer(*initial_weights(30, 0))
    from deep_check.training.draws import order_of_images

    chosen = order_of_images(0, 0, len(TRAINING.labels))[:16]
    batch = (TRAINING.images[chosen] / 255).astype(np.float32)
    gradient = net.loss_and_gradient(batch, TRAINING.labels[chosen].astype(int), "mse")[1]
    found = TwoLayer.from_file(tmp_path / WEIGHTS)
    assert_close("W after a step", found.inner, net.inner - 0.05 * gradient, "float32")
    assert np.array_equal(found.outer, net.outer)
    assert np.abs(0.05 * gradient).max() > 1e-4


def test_learns(tmp_path: Path) -> None:
    recipe = replace(RECIPE, predict=False, observe_every=0, epochs=15, max_steps=0, learning_rate=0.1)
    row = train(recipe, images(320, 0), TEST, tmp_path)
    assert row["low"] > 0.3  # guessing gives 0.1
    net = TwoLayer.from_file(tmp_path / WEIGHTS)
    assert accuracy(net, TEST)["accuracy"] == row["accuracy"]
    assert net.facts["recipe"] == recipe.as_dict()


@pytest.mark.parametrize(("rate", "nearest", "farthest"), [(0.05, 0.0, 0.6), (5e-5, 0.95, 0.99999)])
def test_theory_is_exact_at_the_start_and_near_it_for_small_steps(
    tmp_path: Path, rate: float, nearest: float, farthest: float
) -> None:
    """Negative control: at a rate at which many units change sign it is far away, and the numbers say so."""
    train(replace(RECIPE, learning_rate=rate), TRAINING, TEST, tmp_path)
    rows = read(tmp_path / PREDICTED)
    assert {int(row["step"]) for row in rows} == {0, 1, 2, 5, 10, 14}
    assert len(rows) == 6 * 2 * len(CUTOFFS)
    for row in rows:
        if int(row["step"]) == 0:
            assert abs(float(row["difference"])) < 1e-6
            assert float(row["cosine"]) > 1 - 1e-6
        assert float(row["cosine_low"]) <= float(row["cosine"]) <= float(row["cosine_high"])
    last = [float(row["cosine"]) for row in rows if int(row["step"]) == 14]
    assert nearest < min(last) < farthest


@pytest.mark.parametrize("stop", [3, 6, 14])
def test_goes_on_to_the_same_bits(whole: Path, tmp_path: Path, stop: int) -> None:
    def interrupt(progress: Progress) -> None:
        if progress.step == stop:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        train(RECIPE, TRAINING, TEST, tmp_path, report=interrupt)
    train(RECIPE, TRAINING, TEST, tmp_path)
    for name in (OBSERVED, PREDICTED):
        assert (tmp_path / name).read_text() == (whole / name).read_text()
    nets = [TwoLayer.from_file(folder / WEIGHTS) for folder in (tmp_path, whole)]
    assert np.array_equal(nets[0].inner, nets[1].inner)


@pytest.mark.parametrize("change", [{"momentum": 0.9}, {"weight_decay": 1e-4}, {"optimizer": "adam"},
                                    {"adversary": "linf"}])  # fmt: skip
def test_only_plain_sgd(tmp_path: Path, change: dict) -> None:
    with pytest.raises(InputError, match="two-layer network: allowed is optimizer sgd"):
        train(replace(RECIPE, **change), TRAINING, TEST, tmp_path)


def test_distances_beside_loops() -> None:
    rng = np.random.default_rng(2)
    first, second = rng.normal(size=(2, 5, 3, 32, 32)).astype(np.float32)
    second = (first + second).astype(np.float32)
    first[2] = 0  # has neither ratio nor direction
    rows = distances(first, second)
    pairs = [(a.astype(float), b.astype(float)) for a, b in zip(first, second, strict=True) if a.any()]
    cosines = [(a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum()) for a, b in pairs]
    k = np.hypot(*np.meshgrid(np.fft.fftfreq(32, 1 / 32), np.fft.fftfreq(32, 1 / 32)))
    for row, cutoff in zip(rows, CUTOFFS, strict=True):
        powers = [[(np.abs(np.fft.fft2(x)) ** 2).sum(axis=0) for x in pair] for pair in pairs]
        gaps = [a[k <= cutoff].sum() / a.sum() - b[k <= cutoff].sum() / b.sum() for a, b in powers]
        assert_close("cosine", row["cosine"], np.mean(cosines), "reference")
        assert_close("difference", row["difference"], np.mean(gaps), "reference", scale=1.0)
        assert row["difference_low"] < row["difference"] < row["difference_high"]
    assert distances(first[2:3], second[2:3]) == []


def test_the_recipe_is_read() -> None:
    path = Path(__file__).parents[3] / "deep_check" / "recipes" / "two-layer.toml"
    recipe = read_recipe(path)
    assert (recipe.network, recipe.width, recipe.max_steps, recipe.loss) == ("two-layer", 500, 2000, "mse")
