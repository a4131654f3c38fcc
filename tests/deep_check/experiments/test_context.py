"""What experiments are given, and which there are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from deep_check.experiments import registry
from deep_check.experiments.context import Context, MissingError
from tests.deep_check.experiments.accuracies import small_files
from tests.deep_check.training.test_trainer import TEST
from theory_sim.errors import InputError


@pytest.fixture
def context(tmp_path: Path) -> Context:
    """A small network as the normal one, and a test batch of 40 images."""
    net, _ = small_files(tmp_path)
    weights = {"normal": net, "mse": tmp_path / "nowhere.npz"}
    return Context(tmp_path, tmp_path, "quick", "cpu", partial=True, weights=weights)


def test_images_networks_and_their_digests(context: Context) -> None:
    assert context.images.shape == (40, 3, 32, 32)
    assert context.images.dtype == np.float32
    np.testing.assert_array_equal(context.labels, TEST.labels)
    assert context.data_facts["n"] == 40
    assert context.net("normal") is context.net("normal")
    facts = context.weights_facts(["normal"])["normal"]
    assert facts["file"] == "net.safetensors"
    assert len(facts["digest"]) == 16
    with pytest.raises(MissingError, match=r"no weights of the mse network \(nowhere.npz\); --weights mse=FILE"):
        context.net("mse")


def test_random_images_are_drawn_once_and_without_replacement(context: Context) -> None:
    images, labels = context.random_images(10)
    more, _ = context.random_images(1000)
    assert len(more) == 40
    np.testing.assert_array_equal(more[:10], images)
    assert len(np.unique(more.reshape(40, -1), axis=0)) == 40
    assert [np.abs(context.images[context.labels == label] - image).max((1, 2, 3)).min()
            for image, label in zip(images, labels, strict=True)] == [0.0] * 10  # fmt: skip
    other = Context(context.data, context.out, seed=1, partial=True).random_images(10)[0]
    assert not np.array_equal(other, images)


def test_pictures_and_tables(context: Context) -> None:
    from theory_sim.picture_style import new_figure

    context.out = context.out / "deeper" / "out"
    assert context.save_pictures("fig9", new_figure(1, 1)) == ("fig9.png", "fig9.pdf")
    path = context.save_table("fig9", [{"k": 1, "τ": 0.5}, {"k": 2, "τ": 0.25}])
    assert path.read_text(encoding="utf-8").splitlines() == ["k,τ", "1,0.5", "2,0.25"]
    assert (context.out / "fig9.pdf").stat().st_size > 100
    assert context.pick(1, 2) == 1


def test_what_is_refused(context: Context) -> None:
    for fields, words in (({"scale": "huge"}, "scale 'huge'"), ({"seed": -1}, "seed -1"),
                          ({"weights": {"best": Path()}}, "weights of 'best': allowed are normal")):  # fmt: skip
        with pytest.raises(InputError, match=words):
            Context(context.data, context.out, **fields)


def test_every_empirical_claim_is_registered() -> None:
    assert set(registry.EXPERIMENTS) == {f"fig{i}" for i in range(1, 14)} | {"table_accuracy"}
    assert registry.choose(None) == list(registry.EXPERIMENTS.values())
    assert [experiment.id for experiment in registry.choose(" fig6 ")] == ["fig6"]
    for name in ("fig66", "", "Fig6"):
        with pytest.raises(InputError, match=r"near: .*fig"):
            registry.choose(name)
