"""Everything that decides a training run, as a TOML file says it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, get_type_hints

from deep_check.architecture import Architecture
from deep_check.normalisation import NORMALISATIONS
from theory_sim.configuration import parse_text, read_toml, require_known, split_setting
from theory_sim.errors import require

RECIPES = Path(__file__).parent.parent / "recipes"
CHOICES = {
    "network": ("resnet", "two-layer"),
    "hidden_activation": ("relu", "sigmoid", "relu-sigmoid"),
    "output_activation": ("sigmoid", "none"),
    "loss": ("cross_entropy", "mse"),
    "optimizer": ("adam", "sgd"),
    "schedule": ("constant", "one-cycle", "cosine"),
    "adversary": ("none", "linf"),
    "normalisation": tuple(NORMALISATIONS),
}
RANGES = {
    "width": (1, 100_000),
    "epochs": (1, 10_000), "batch_size": (2, 65_536), "learning_rate": (0, 1e3), "warm_up": (0, 1), "momentum": (0, 1),
    "beta2": (0, 1), "weight_decay": (0, 1), "radius": (0, 1), "step_size": (0, 1), "attack_steps": (1, 1000),
    "padding": (0, 16), "seed": (0, 2**63 - 1), "max_steps": (0, 10**9), "observe_every": (0, 10**9),
    "observe_images": (2, 10_000), "observe_radius": (0, 100), "observe_step_size": (0, 100),
    "observe_steps": (1, 1000),
}  # fmt: skip


@dataclass(frozen=True)
class Recipe:
    """One training run. Raises InputError on a value that is not allowed.

    network: a ResNet of `depth`, or the two-layer network of `width` hidden units with its two activations, of which
    `predict` leads theory's prediction along (`deep_check.two_layer`). learning_rate: the largest; one-cycle rises to
    it in a straight line over the share `warm_up` of all steps and falls to zero in a straight line, cosine falls along
    half a cosine after the same rise. momentum: of SGD (Nesterov's), and beta1 of Adam. weight_decay: L2, on all
    parameters. padding: of the random crop, 0 for none; flip: left-right, half of the images. adversary "linf": each
    batch is attacked first, `attack_steps` sign steps of `step_size` from a random start within `radius`, in units of
    images in [0, 1]. max_steps: where training ends if the epochs are not over by then, 0 for never. observe_every:
    every so many steps `observe_images` random training images are attacked (0: never), by l2 FGM and l2 PGD of
    `observe_steps` steps of `observe_step_size` within `observe_radius`, both from a zero start
    (`deep_check.training.observation`).
    """

    network: str = "resnet"
    depth: int = 32
    width: int = 500
    hidden_activation: str = "relu"
    output_activation: str = "sigmoid"
    predict: bool = False
    loss: str = "cross_entropy"
    epochs: int = 30
    batch_size: int = 128
    optimizer: str = "sgd"
    learning_rate: float = 0.2
    schedule: str = "one-cycle"
    warm_up: float = 0.25
    momentum: float = 0.9
    beta2: float = 0.999
    weight_decay: float = 5e-4
    padding: int = 4
    flip: bool = True
    adversary: str = "none"
    radius: float = 8 / 255
    step_size: float = 10 / 255
    attack_steps: int = 1
    normalisation: str = "cifar10"
    seed: int = 0
    max_steps: int = 0
    observe_every: int = 0
    observe_images: int = 100
    observe_radius: float = 0.5
    observe_step_size: float = 0.1
    observe_steps: int = 40

    def __post_init__(self) -> None:
        Architecture(self.depth)
        for name, kind in get_type_hints(type(self)).items():
            value = getattr(self, name)
            good = isinstance(value, kind) and not (kind is int and isinstance(value, bool))
            require(
                good,
                f"{name} = {value!r}: allowed is {'a word' if kind is str else f'a value of type {kind.__name__}'}",
            )
            if name in CHOICES:
                require(value in CHOICES[name], f"{name} = {value!r}: allowed are {', '.join(CHOICES[name])}")
            if name in RANGES:
                low, high = RANGES[name]
                require(
                    math.isfinite(value) and low <= value <= high, f"{name} = {value}: allowed is {low:g} ... {high:g}"
                )
        require(self.momentum < 1 and self.beta2 < 1, "momentum and beta2: allowed is < 1")

    def as_dict(self) -> dict[str, Any]:
        """All keys and values."""
        return asdict(self)

    def n_steps(self, per_epoch: int) -> int:
        """Steps of the whole run, with so many an epoch."""
        every = self.epochs * per_epoch
        return min(every, self.max_steps) if self.max_steps else every

    def learning_rate_at(self, step: int, n_steps: int) -> float:
        """Of step 0 ... n_steps - 1."""
        if self.schedule == "constant":
            return self.learning_rate
        peak = self.warm_up * n_steps
        if step < peak:
            return self.learning_rate * (step + 1) / (peak + 1)
        share = (step - peak) / max(1.0, n_steps - peak)
        return self.learning_rate * (
            (1 - share) if self.schedule == "one-cycle" else 0.5 * (1 + math.cos(math.pi * share))
        )


def known_recipes() -> tuple[str, ...]:
    """Names of the recipes that come with the package."""
    return tuple(sorted(path.stem for path in RECIPES.glob("*.toml")))


def read_recipe(path: Path | None = None, settings: Sequence[str] = ()) -> Recipe:
    """A recipe from a TOML file (all defaults without one), then changed by settings "key=value".

    path: or the name of one of `known_recipes`, unless there is a file of this name. Raises InputError if the file
    cannot be read, a key is unknown (near ones are named), or a value is not allowed.
    """
    if path is not None and str(path) in known_recipes() and not path.exists():
        path = RECIPES / f"{path}.toml"
    if path is not None:
        require(path.exists(), f"no recipe {path}: allowed are {', '.join(known_recipes())}, or a TOML file")
    given = read_toml(path) if path is not None else {}
    for name, text in map(split_setting, settings):
        given[name] = parse_text(text)
    types = get_type_hints(Recipe)
    for name, value in given.items():
        require_known(name, types)
        if types[name] is float and type(value) is int:
            given[name] = float(value)
    return replace(Recipe(), **given)
