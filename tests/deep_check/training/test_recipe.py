"""Recipes: what they read, what they refuse, and the learning rate along a run."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from deep_check.training.recipe import Recipe, read_recipe
from theory_sim.errors import InputError


def test_a_file_changes_defaults_and_settings_change_the_file(tmp_path: Path) -> None:
    file = tmp_path / "recipe.toml"
    file.write_text('epochs = 3\noptimizer = "adam"\nlearning_rate = 1\n')
    recipe = read_recipe(file, ["epochs=5"])
    assert (recipe.epochs, recipe.optimizer, recipe.learning_rate) == (5, "adam", 1.0)
    assert recipe.batch_size == Recipe().batch_size
    assert Recipe(**recipe.as_dict()) == recipe


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("epoch=3", "'epoch': did you mean epochs"),
        ("epochs=0", "epochs = 0"),
        ("epochs=2.5", "epochs = 2.5"),
        ("flip=1", "flip = 1"),
        ("learning_rate=nan", "learning_rate = nan"),
        ("learning_rate=fast", "learning_rate = 'fast'"),
        ("momentum=1.0", "momentum"),
        ("loss=margin", "loss = 'margin': allowed are cross_entropy, mse"),
        ("adversary=l2", "adversary = 'l2'"),
        ("depth=31", "depth 31"),
        ("radius=8", "radius = 8"),
        ("epochs", "key=value"),
    ],
)
def test_what_is_not_allowed_is_named(setting: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        read_recipe(None, [setting])


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no recipe .*none\.toml: allowed are adversarial, .*or a TOML file"):
        read_recipe(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_bytes(b"epochs = \xff")
    with pytest.raises(InputError, match=r"bad\.toml"):
        read_recipe(tmp_path / "bad.toml")


@pytest.mark.parametrize("schedule", ["one-cycle", "cosine"])
def test_the_learning_rate_rises_to_its_peak_and_falls_to_zero(schedule: str) -> None:
    recipe = Recipe(schedule=schedule, learning_rate=0.5, warm_up=0.25)
    rates = [recipe.learning_rate_at(step, 400) for step in range(400)]
    top = rates.index(max(rates))
    assert top == 100
    assert rates[top] == 0.5
    assert rates[0] > 0
    assert all(a < b for a, b in pairwise(rates[: top + 1]))
    assert all(a > b for a, b in pairwise(rates[top:]))
    assert 0 < rates[-1] < 0.01
    assert Recipe(schedule="constant", learning_rate=0.5).learning_rate_at(7, 400) == 0.5
