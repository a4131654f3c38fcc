"""The model card: what a weights file says of its own training, in words; made of its facts alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deep_check.training.recipe import Recipe
from deep_check.weights_files import read
from theory_sim.errors import require
from theory_sim.files import replacing

CARD = "card.md"
LOSSES = {"cross_entropy": "cross entropy", "mse": "squared error ½ Σ (z - y)² on one-hot labels"}
SCHEDULES = {"constant": "constant", "one-cycle": "one cycle", "cosine": "cosine"}


def card_of(path: Path) -> str:
    """The card of a weights file, Markdown. Raises InputError if it is none of ours: its training is not in it."""
    arrays, facts = read(path)
    known = all(name in facts for name in ("recipe", "result", "seconds", "commit", "hardware", "versions"))
    require(known, f"weights {path}: the file does not say how it was trained: allowed are those that `train` leaves")
    n = sum(values.size for name, values in arrays.items() if "running" not in name)
    return card(facts, n)


def write_card(weights: Path, target: Path) -> None:
    """Write the card of a weights file. Raises InputError as `card_of`, and if the disk refuses."""
    text = card_of(weights)
    with replacing([target]) as (fresh,):
        fresh.write_text(text, encoding="utf-8")


def card(facts: Mapping[str, Any], n_parameters: int) -> str:
    """Markdown from the facts that training stores. n_parameters: of the network."""
    recipe = Recipe(**facts["recipe"])
    result = facts["result"]
    right = f"{result['accuracy']:.2%}, 95 % interval {result['low']:.2%} to {result['high']:.2%}"
    hours, minutes = divmod(round(facts["seconds"] / 60), 60)
    time = f"{hours} h {minutes} min" if hours else f"{minutes} min" if minutes else f"{facts['seconds']:.0f} s"
    mean, std = (", ".join(f"{value:.4g}" for value in facts[name]) for name in ("mean", "std"))
    rows = [
        ("network", f"{network(recipe)}, {n_parameters:,} parameters"),
        ("input", f"CIFAR-10 images (n, 3, 32, 32) in [0, 1], normalised inside: mean {mean}, std {std}"),
        ("trained", training(recipe)),
        ("accuracy", f"{right} (Wilson), on {result['n']:,} images it was not trained on"),
        ("in training", f"loss {result['training_loss']:.4f}, {result['training_accuracy']:.2%} right, last epoch"),
        ("data", data(facts)),
        ("seed", str(recipe.seed)),
        ("commit", facts["commit"]),
        ("machine", f"{facts['hardware']}; {facts['versions']}"),
        ("time", f"{time} for {result['step']:,} steps, by the clock on the wall"),
    ]
    table = "\n".join(f"| {name} | {words} |" for name, words in rows)
    keys = "\n".join(f"{name} = {_toml(value)}" for name, value in recipe.as_dict().items())
    points = "\n".join(f"- {point}" for point in limits(recipe))
    return (
        f"# {title(recipe)}\n\n| | |\n|---|---|\n{table}\n\n## What it is not\n\n{points}\n\n"
        f"## Recipe\n\n```toml\n{keys}\n```\n"
    )


def title(recipe: Recipe) -> str:
    """What the network is, in one line."""
    how = {"cross_entropy": "cross entropy", "mse": "squared error"}[recipe.loss]
    adversary = "" if recipe.adversary == "none" else f", against an attacker of {_steps(recipe.attack_steps)}"
    return f"{network(recipe)}, {how}{adversary}"


def network(recipe: Recipe) -> str:
    """The architecture in words."""
    if recipe.network == "resnet":
        return f"ResNet-{recipe.depth}"
    outside = "" if recipe.output_activation == "none" else f", {recipe.output_activation} on the outputs"
    return f"two-layer network of {recipe.width} hidden units ({recipe.hidden_activation}{outside}; outer layer fixed)"


def training(recipe: Recipe) -> str:
    """Loss, optimizer, schedule, augmentation and attacker in words."""
    end = f", {recipe.max_steps:,} steps" if recipe.max_steps else f", {recipe.epochs} epochs"
    optimizer = (
        f"Adam (β₁ {recipe.momentum:g}, β₂ {recipe.beta2:g})"
        if recipe.optimizer == "adam"
        else f"SGD (Nesterov momentum {recipe.momentum:g})" if recipe.momentum else "plain SGD"
    )  # fmt: skip
    changes = [f"crops padded by {recipe.padding}"] * bool(recipe.padding) + ["flips"] * recipe.flip
    parts = [
        f"{LOSSES[recipe.loss]}{end} in batches of {recipe.batch_size}",
        f"{optimizer}, largest rate {recipe.learning_rate:g}, schedule {SCHEDULES[recipe.schedule]}, "
        f"weight decay {recipe.weight_decay:g}",
        f"augmented by {' and '.join(changes)}" if changes else "no augmentation",
    ]
    if recipe.adversary != "none":
        parts.append(
            f"every batch attacked first: {recipe.adversary}, radius {_in_255(recipe.radius)}, "
            f"{_steps(recipe.attack_steps)} of {_in_255(recipe.step_size)} from a random start"
        )
    return "; ".join(parts)


def data(facts: Mapping[str, Any]) -> str:
    """What it was trained and judged on."""
    n = facts.get("images", {}).get("n")
    found = [f"{n:,} training images of CIFAR-10"] if n else ["training images of CIFAR-10"]
    return "; ".join([*found, *facts.get("notes", [])])


def limits(recipe: Recipe) -> list[str]:
    """What the network must not be taken for."""
    points = ["Its accuracy is the table's, with that interval: nothing was measured beyond it."]
    if recipe.network == "resnet" and recipe.optimizer != "adam":
        points.append(
            "Not the paper's recipe: that is Adam, whose rate and epochs it does not give; its network reaches 93.03 %."
        )
    if recipe.network == "two-layer":
        points.append(
            "One reading of the paper's words on its two-layer network; the recipe's file says which, and what others "
            "there are."
        )
    if recipe.adversary == "none":
        points.append("Not robust: no attacker was there in training, and small perturbations fool it.")
    elif recipe.attack_steps < 40:
        points.append(
            f"Not the paper's adversarial training, which takes 40 steps of 4/255 a batch; here "
            f"{_steps(recipe.attack_steps)}. How robust it is must be measured: `python -m deep_check attack`."
        )
    return points


def _steps(n: int) -> str:
    return "one step" if n == 1 else f"{n} steps"


def _in_255(value: float) -> str:
    whole = value * 255
    return f"{whole:.0f}/255" if abs(whole - round(whole)) < 1e-6 else f"{value:g}"


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else repr(value)
