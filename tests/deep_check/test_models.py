"""The networks that come with the package: their cards say what the files say, their accuracy can be had again."""

from __future__ import annotations

from pathlib import Path

import pytest

from deep_check.data import read_test_images
from deep_check.experiments.context import Context
from deep_check.models import FOLDER, ROLES, shipped
from deep_check.training.card import card_of
from deep_check.training.recipe import Recipe, known_recipes, read_recipe
from deep_check.training.trainer import accuracy
from deep_check.weights_files import read
from theory_sim.errors import InputError
from theory_sim.inputs.cifar10 import load_cifar10

RECIPES = Path(__file__).parents[2] / "deep_check" / "recipes"
LEAST = {"normal": 0.85, "mse": 0.85, "two_layer": 0.4}  # what is asked of them
OF_ROLE = {"normal": "normal", "mse": "mse", "adversarial": "adversarial", "two_layer": "two-layer"}
present = [role for role in ROLES if shipped(role).is_file()]


def test_those_that_figures_need_are_there() -> None:
    assert present == list(ROLES)
    with pytest.raises(InputError, match="allowed are normal, mse, adversarial, two_layer"):
        shipped("other")


@pytest.mark.parametrize("role", present)
def test_the_card_is_the_file_s(role: str) -> None:
    path = shipped(role)
    assert (FOLDER / f"{role}.md").read_text(encoding="utf-8") == card_of(path)
    facts = read(path)[1]
    assert Recipe(**facts["recipe"]) == read_recipe(RECIPES / f"{OF_ROLE[role]}.toml")
    assert len(facts["commit"]) == 40  # of a clean checkout


@pytest.mark.parametrize("role", present)
def test_the_accuracy_is_the_file_s(role: str, cifar10_dir: Path, tmp_path: Path) -> None:
    """On the images that it was measured on, to the last image; on others the intervals must meet."""
    told = read(shipped(role))[1]["result"]
    net = Context(cifar10_dir, tmp_path, device="cpu").net(role)
    found = accuracy(net, load_cifar10(cifar10_dir, partial=True))
    if found["n"] == told["n"]:
        assert found["accuracy"] == told["accuracy"]
    assert found["low"] <= told["high"]
    assert told["low"] <= found["high"]
    assert found["low"] > LEAST.get(role, 0.2)
    images, labels, _ = read_test_images(cifar10_dir, partial=True)
    shuffled = (net(images[:200]).argmax(axis=1) == labels[200:400]).mean()  # negative control: others' labels
    assert shuffled < 0.2


@pytest.mark.parametrize("name", known_recipes())
def test_recipes_are_read_by_name(name: str) -> None:
    recipe = read_recipe(Path(name))
    assert recipe == read_recipe(RECIPES / f"{name}.toml")
    assert (recipe.adversary != "none") == name.startswith("adversarial")
