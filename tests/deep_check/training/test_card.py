"""Model cards: every number in them is the file's, and what a network is not depends on its recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from deep_check.cli import main
from deep_check.initial import initial_state
from deep_check.resnet import ResNet
from deep_check.training.card import card, limits
from deep_check.training.recipe import Recipe, read_recipe
from deep_check.weights import Weights, save_weights


def facts(recipe: Recipe) -> dict[str, Any]:
    return {
        "recipe": recipe.as_dict(), "seconds": 4000.0, "commit": "abc123", "hardware": "a machine",
        "versions": "numpy 2",
        "mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25], "images": {"n": 50_000}, "notes": ["test_batch: 1,017"],
        "result": {"epoch": 3, "step": 1170, "training_loss": 0.25, "training_accuracy": 0.9, "accuracy": 0.875,
                   "low": 0.85, "high": 0.89, "n": 1017},
    }  # fmt: skip


def test_says_what_the_file_says() -> None:
    text = card(facts(Recipe(epochs=3, seed=5)), 464_154)
    for words in ("# ResNet-32, cross entropy", "464,154 parameters", "87.50%, 95 % interval 85.00% to 89.00%",
                  "1,017 images", "1 h 7 min for 1,170 steps", "abc123", "a machine; numpy 2", "| seed | 5 |",
                  "50,000 training images of CIFAR-10; test_batch: 1,017"):  # fmt: skip
        assert words in text


def test_its_recipe_can_be_used_again(tmp_path: Path) -> None:
    recipe = Recipe(loss="mse", learning_rate=3e-4, flip=False, seed=2**40)
    text = card(facts(recipe), 1)
    file = tmp_path / "recipe.toml"
    file.write_text(text.partition("```toml\n")[2].partition("```")[0])
    assert read_recipe(file) == recipe


def test_what_it_is_not() -> None:
    told = {name: " ".join(limits(Recipe(**keys))) for name, keys in {
        "plain": {}, "adam": {"optimizer": "adam"}, "one step": {"adversary": "linf"},
        "as the paper": {"optimizer": "adam", "adversary": "linf", "attack_steps": 40, "step_size": 4 / 255},
        "two-layer": {"network": "two-layer"}}.items()}  # fmt: skip
    assert "Not robust" in told["plain"]
    assert "Not the paper's recipe" in told["plain"]
    assert "Not the paper's recipe" not in told["adam"]
    assert "here one step" in told["one step"]
    assert "Not" not in told["as the paper"]
    assert "One reading" in told["two-layer"]


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    net = ResNet(8, "cpu")
    weights = tmp_path / "weights.safetensors"
    save_weights(weights, Weights(net.architecture, initial_state(net.architecture, 0), facts(Recipe(depth=8))))
    assert main(["card", str(weights)]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("# ResNet-8, cross entropy\n")
    assert main(["card", str(weights), "--out", str(tmp_path / "card.md")]) == 0
    assert (tmp_path / "card.md").read_text() == printed
    net.save(tmp_path / "other.safetensors")
    assert main(["card", str(tmp_path / "other.safetensors")]) == 2
    assert "does not say how it was trained" in capsys.readouterr().err
