"""FGSM, FGM and projected gradient descent on a network's images, with restarts; the worst case of each image counts.

Images are in [0, 1] and so are adversarial ones; radii and steps are in the same units. Random starts are drawn by
counter: what happens to an image depends on the seed, the restart and the image's own number, not on its batch.
[paper: Section 4, Eq. 18]
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deep_check.checks import check_labels, check_unit_range
from deep_check.filtering import Target
from deep_check.ops.attack_step_cpu import clip_box, l2_step, pgd_linf_step, project_l2, project_linf
from deep_check.ops.loss_reference import LOSSES
from theory_sim.counter_random import fill_normals, fill_uniforms
from theory_sim.errors import require

Array = NDArray[np.float32]
NORMS, STARTS, METHODS = ("linf", "l2"), ("random", "zero"), ("pgd", "fgsm", "fgm")
STREAM = 100_000  # of random starts, one a restart: beyond those of training
BATCH = 256  # images at once: memory does not grow with their number


@dataclass(frozen=True)
class Attack:
    """What the attacker does; defaults are the paper's [paper: Section 4.1].

    norm: "linf" takes sign steps, "l2" steps along the normalised gradient. radius, step_size: in units of images in
    [0, 1]. start: "random", uniform in the ball, or "zero". loss: what is made large. targeted: labels are those to be
    reached, and their loss is made small. Raises InputError on a value that is not allowed.
    """

    norm: str = "linf"
    radius: float = 8 / 255
    step_size: float = 4 / 255
    steps: int = 40
    start: str = "random"
    restarts: int = 1
    loss: str = "cross_entropy"
    targeted: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        for name, allowed in (("norm", NORMS), ("start", STARTS), ("loss", LOSSES)):
            value = getattr(self, name)
            require(value in allowed, f"{name} {value!r}: allowed are {', '.join(allowed)}")
        largest = 1.0 if self.norm == "linf" else 100.0
        for name in ("radius", "step_size"):
            value = getattr(self, name)
            require(0 <= value <= largest, f"{name.replace('_', ' ')} {value}: allowed is 0 ... {largest:g}")
        for name in ("steps", "restarts"):
            require(getattr(self, name) >= 1, f"{name} {getattr(self, name)}: allowed is >= 1")
        repeats = self.start == "random" or self.restarts == 1
        require(repeats, f"restarts {self.restarts}: allowed is 1 from a zero start, they would all be the same")


def named_attack(method: str, **changes: Any) -> Attack:
    """`pgd` with the changes; `fgsm` and `fgm` are its one step of the whole radius from a zero start, linf and l2."""
    require(method in METHODS, f"method {method!r}: allowed are {', '.join(METHODS)}")
    if method == "pgd":
        return Attack(**changes)
    kept = {key: value for key, value in changes.items() if key in ("radius", "loss", "targeted", "seed")}
    one = replace(Attack(), norm="linf" if method == "fgsm" else "l2", steps=1, start="zero", **kept)
    return replace(one, step_size=one.radius)


@dataclass(frozen=True)
class Adversarial:
    """images (n, c, h, w), the worst case of all restarts; fooled (n,): the attacker's aim is reached; losses (n,)."""

    images: Array
    fooled: NDArray[np.bool_]
    losses: Array

    @property
    def accuracy(self) -> float:
        """Share of images whose label stood (of a targeted attack, whose target was not reached)."""
        return float(1 - self.fooled.mean())


def run_attack(
    target: Target,
    images: Array,
    labels: NDArray[Any],
    attack: Attack,
    report: Callable[[int, int], None] = lambda done, total: None,
    first: int = 0,
) -> Adversarial:
    """Attack images (n, c, h, w) float32 in [0, 1] with labels (n,).

    first: number of the first image, for random starts. report: told gradients done, and all. Raises InputError on
    images outside of [0, 1], NaN, and labels that do not fit. The images given stay as they are.
    """
    images = np.ascontiguousarray(images, np.float32)
    check_unit_range(images)
    labels = check_labels(labels, len(images), 1 << 30)
    total, done = attack.steps * attack.restarts * len(images), 0
    found = np.empty_like(images)
    fooled, losses = np.zeros(len(images), bool), np.empty(len(images), np.float32)
    for begin in range(0, len(images), BATCH):
        own = slice(begin, begin + BATCH)
        for restart in range(attack.restarts):
            x = _start(images[own], attack, restart, first + begin)
            for _ in range(attack.steps):
                gradient = target.input_gradient(x, labels[own], attack.loss)[1]
                x = _step(x, images[own], -gradient if attack.targeted else gradient, attack)
                done += len(x)
                report(done, total)
            loss, _, logits = target.input_gradient(x, labels[own], attack.loss)
            right = logits.argmax(axis=1) == labels[own]
            reached = right if attack.targeted else ~right
            gain = -loss if attack.targeted else loss
            if restart == 0:
                found[own], fooled[own], losses[own] = x, reached, gain
                continue
            # a restart that fools beats one that does not; of two alike the one with the larger loss stays
            better = (reached & ~fooled[own]) | ((reached == fooled[own]) & (gain > losses[own]))
            found[own][better], fooled[own][better], losses[own][better] = x[better], reached[better], gain[better]
    return Adversarial(found, fooled, -losses if attack.targeted else losses)


def count_right(target: Target, images: Array, labels: NDArray[Any]) -> int:
    """How many images (n, c, h, w) the target gives their label."""
    parts = (slice(i, i + BATCH) for i in range(0, len(images), BATCH))
    return int(sum((target(images[part]).argmax(axis=1) == labels[part]).sum() for part in parts))


def _start(images: Array, attack: Attack, restart: int, first: int) -> Array:
    """Where a restart begins, a new array."""
    if attack.start == "zero" or attack.radius == 0:
        return images.copy()
    size = images[0].size
    deltas = np.empty((len(images), size))
    for i, delta in enumerate(deltas):
        if attack.norm == "linf":
            fill_uniforms(np.uint64(attack.seed), STREAM + restart, first + i, delta)
            delta[:] = attack.radius * (2 * delta - 1)
        else:  # a direction, and a radius whose volume is uniform
            fill_normals(np.uint64(attack.seed), STREAM + restart, first + i, 1.0, delta)
            share = np.empty(1)
            fill_uniforms(np.uint64(attack.seed), 2 * STREAM + restart, first + i, share)
            delta *= attack.radius * share[0] ** (1 / size) / np.linalg.norm(delta)
    return _into_ball(images + deltas.reshape(images.shape).astype(np.float32), images, attack)


def _step(x: Array, origin: Array, gradient: Array, attack: Attack) -> Array:
    if attack.norm == "linf":
        return pgd_linf_step(x, origin, gradient, attack.step_size, attack.radius)
    return _into_ball(l2_step(x, gradient, attack.step_size), origin, attack)


def _into_ball(x: Array, origin: Array, attack: Attack) -> Array:
    """Into the ball, then into [0, 1]: the box is convex and holds the origin, so the second keeps the first."""
    project = project_linf if attack.norm == "linf" else project_l2
    return clip_box(project(x, origin, attack.radius))
