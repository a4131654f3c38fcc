"""What an experiment is given: images, networks, how much to measure, where to write, whom to tell."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from deep_check.data import read_test_images
from deep_check.experiments.manifest import data_facts, weights_facts
from deep_check.models import ROLES, shipped
from deep_check.resnet import ResNet
from theory_sim.errors import InputError, require
from theory_sim.progress import Watch

Array = NDArray[np.float32]
T = TypeVar("T")
SCALES = ("quick", "paper")


class MissingError(InputError):
    """An experiment cannot run because something is not there; the message says what."""


@dataclass
class Context:
    """Settings of a run of experiments, and what they share.

    data: CIFAR-10, folder or archive; out: folder of all results; scale: "quick", under a minute an experiment on two
    cores, or "paper", the paper's numbers of images and steps; weights: role -> the user's file in place of the shipped
    one. Raises InputError on another scale or role, and a seed below 0.
    """

    data: Path
    out: Path
    scale: str = "paper"
    device: str = "auto"
    seed: int = 0
    partial: bool = False
    weights: Mapping[str, Path] = field(default_factory=dict)
    progress: Watch = field(default_factory=Watch)

    def __post_init__(self) -> None:
        require(self.scale in SCALES, f"scale {self.scale!r}: allowed are {', '.join(SCALES)}")
        require(self.seed >= 0, f"seed {self.seed}: allowed is >= 0")
        for role in self.weights:
            require(role in ROLES, f"weights of {role!r}: allowed are {', '.join(ROLES)}")
        self._nets: dict[str, Any] = {}

    def pick(self, quick: T, paper: T) -> T:
        """The value for this run's scale."""
        return quick if self.scale == "quick" else paper

    @cached_property
    def _test(self) -> tuple[Array, NDArray[np.int64], tuple[str, ...]]:
        return read_test_images(self.data, self.partial)

    @property
    def images(self) -> Array:
        """All test images, (n, 3, 32, 32) float32 in [0, 1]."""
        return self._test[0]

    @property
    def labels(self) -> NDArray[np.int64]:
        """Their labels, (n,)."""
        return self._test[1]

    @property
    def notes(self) -> tuple[str, ...]:
        """What of the data is not whole."""
        return self._test[2]

    def random_images(self, n: int) -> tuple[Array, NDArray[np.int64]]:
        """`n` test images drawn without replacement by the seed, and their labels; all of them if there are fewer.

        The first m of them are those of `random_images(m)`.
        """
        chosen = np.random.default_rng([self.seed, 10_000]).permutation(len(self.labels))[:n]
        return self.images[chosen], self.labels[chosen]

    @cached_property
    def data_facts(self) -> dict[str, Any]:
        """Digest of images and labels, their number, and what is not whole."""
        return data_facts(self.images, self.labels, self.notes)

    def weights_file(self, role: str) -> Path:
        """The user's file, or the shipped one. Raises MissingError if there is none."""
        path = self.weights[role] if role in self.weights else shipped(role)
        if not path.is_file():
            raise MissingError(f"no weights of the {role} network ({path.name}); --weights {role}=FILE gives them")
        return path

    def net(self, role: str) -> Any:
        """The ResNet of this role, or its `TwoLayer`; loaded once.

        Raises MissingError, and InputError as `from_file` of either.
        """
        if role not in self._nets:
            path = self.weights_file(role)
            if role == "two_layer":
                from deep_check.two_layer import TwoLayer

                self._nets[role] = TwoLayer.from_file(path)
            else:
                self._nets[role] = ResNet.from_file(path, self.device)
        return self._nets[role]

    def weights_facts(self, roles: Sequence[str]) -> dict[str, dict[str, str]]:
        """File name and digest of the bytes of each role's weights."""
        return {role: weights_facts(self.weights_file(role)) for role in roles}

    def report(self, what: str) -> Callable[[int, int], None]:
        """What `run_attack` and the like are given to tell their progress: (done, total)."""
        return lambda done, total: self.progress.update(what, done, total)

    def path(self, name: str) -> Path:
        """Of a file of results; the folder that it lies in is made."""
        path = self.out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def save_pictures(self, name: str, figure: Any) -> tuple[str, ...]:
        """Write NAME.png and NAME.pdf into the folder of results; their names."""
        from theory_sim.files import replacing
        from theory_sim.picture_style import save_figure

        targets = [self.path(f"{name}{suffix}") for suffix in (".png", ".pdf")]
        with replacing(targets) as fresh:
            for path in fresh:
                save_figure(figure, path)
        return tuple(path.name for path in targets)

    def save_table(self, name: str, rows: Sequence[Mapping[str, Any]]) -> Path:
        """Write the numbers behind a picture, NAME.csv: one row a mapping, columns those of the first."""
        import csv

        from theory_sim.files import replacing

        path = self.path(f"{name}.csv")
        with replacing([path]) as (fresh,), fresh.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        return path
