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

from deep_check import random_balls
from deep_check.checks import check_labels, check_seed, check_unit_range
from deep_check.cuda.attack import CAPTURED_BATCH, captured_climb
from deep_check.filtering import Target
from deep_check.ops.attack_step_cpu import clip_box, pgd_l2_step, pgd_linf_step, project_l2, project_linf
from deep_check.ops.loss_cpu import loss as loss_of
from deep_check.ops.loss_reference import LOSSES
from deep_check.random_balls import LENGTHS, random_deltas
from theory_sim.counter_random import fill_uniforms
from theory_sim.errors import require

Array = NDArray[np.float32]
NORM_NAMES = {"linf": "ℓ∞", "l2": "ℓ₂"}  # in pictures
NORMS, STARTS, METHODS = tuple(NORM_NAMES), ("random", "zero"), ("pgd", "fgsm", "fgm")
LARGEST_RADII = {"linf": 1.0, "l2": 100.0}
BATCH = 1024  # images at once: memory does not grow with their number, and cores seldom wait for each other


@dataclass(frozen=True)
class Attack:
    """What the attacker does; defaults are the paper's [paper: Section 4.1].

    norm: "linf" takes sign steps, "l2" steps along the normalised gradient. radius, step_size: in units of images in
    [0, 1]. start: "random", uniform in the ball, or "zero". loss: what is made large. targeted: labels are those to be
    reached, and their loss is made small. early_stop: an image is left at the first point that reaches the aim, and no
    restart takes it up again: the accuracy is at most the other mode's from the same starts, the time much less, but δ
    is no longer what all steps lead to, which is what spectra need. Raises InputError on a value that is not allowed.
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
    early_stop: bool = False

    def __post_init__(self) -> None:
        for name, allowed in (("norm", NORMS), ("start", STARTS), ("loss", LOSSES)):
            value = getattr(self, name)
            require(value in allowed, f"{name} {value!r}: allowed are {', '.join(allowed)}")
        largest = LARGEST_RADII[self.norm]
        for name in ("radius", "step_size"):
            value = getattr(self, name)
            require(0 <= value <= largest, f"{name.replace('_', ' ')} {value}: allowed is 0 ... {largest:g}")
        for name in ("steps", "restarts"):
            require(getattr(self, name) >= 1, f"{name} {getattr(self, name)}: allowed is >= 1")
        require(self.restarts <= LENGTHS, f"restarts {self.restarts}: allowed is <= {LENGTHS}")
        check_seed(self.seed)
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


L2_BESIDE = Attack("l2", radius=0.5, step_size=0.1)  # shown beside the paper's, which does not say its norm


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
    judge: Target | None = None,
) -> Adversarial:
    """Attack images (n, c, h, w) float32 in [0, 1] with labels (n,).

    first: number of the first image, for random starts. report: told gradients done, and all. judge: what is to be
    fooled, if it is not the target whose gradients are taken (an attacker who knows another network, or no filter); of
    restarts, the worst for the judge counts. Who knows no judge cannot stop early at what it says: paths then go to
    their ends, and early_stop only spares restarts. Raises InputError on images outside of [0, 1], NaN, and labels that
    do not fit. The images given stay as they are.
    """
    images = np.ascontiguousarray(images, np.float32)
    check_unit_range(images)
    labels = check_labels(labels, n := len(images), 1 << 30)
    found, fooled, losses = images.copy(), np.zeros(n, bool), np.full(n, -np.inf, np.float32)
    total = attack.steps * attack.restarts * n
    path = attack if judge is None else replace(attack, early_stop=False)
    batch = BATCH if captured_climb(target, path) is None else CAPTURED_BATCH
    for restart in range(attack.restarts):
        standing = np.flatnonzero(~fooled) if attack.early_stop else np.arange(n)
        for begin in range(0, len(standing), batch):
            own = standing[begin : begin + batch]
            done = attack.steps * (restart * n + begin)

            def tell(gradients: int, done: int = done) -> None:
                report(done + gradients, total)

            x = _climb(target, images[own], labels[own], path, restart, first + own, tell)
            logits = (judge or target)(x)
            gain = (-1 if attack.targeted else 1) * loss_of(logits, labels[own], attack.loss)[0]
            reached = _reached(logits, labels[own], attack)
            # a restart that fools beats one that does not; of two alike the one with the larger loss stays
            better = (reached & ~fooled[own]) | ((reached == fooled[own]) & (gain > losses[own])) | (restart == 0)
            kept = own[better]
            found[kept], fooled[kept], losses[kept] = x[better], reached[better], gain[better]
    report(total, total)
    return Adversarial(found, fooled, -losses if attack.targeted else losses)


def target_labels(word: str, labels: NDArray[Any], n_classes: int, seed: int = 0, first: int = 0) -> NDArray[np.int64]:
    """Classes that a targeted attack is to reach, (n,), -1 where the word is the image's own class.

    word: "next" (label + 1, the first class after the last), "random" (any other class, by seed and image number), or
    a class by its number. Raises InputError on another word.
    """
    known = np.asarray(labels, np.int64)
    if word == "next":
        return (known + 1) % n_classes
    if word == "random":
        draws, share = np.empty(len(known), np.int64), np.empty(1)
        for i in range(len(known)):
            fill_uniforms(np.uint64(check_seed(seed)), random_balls.TARGETS, first + i, share)
            draws[i] = int(share[0] * (n_classes - 1))
        return (known + 1 + draws) % n_classes
    good = word.isdecimal() and int(word) < n_classes
    require(good, f"target {word!r}: allowed are 0 ... {n_classes - 1}, next, random")
    return np.where(known == int(word), -1, int(word))


def count_right(target: Target, images: Array, labels: NDArray[Any]) -> int:
    """How many images (n, c, h, w) the target gives their label."""
    parts = (slice(i, i + BATCH) for i in range(0, len(images), BATCH))
    return int(sum((target(images[part]).argmax(axis=1) == labels[part]).sum() for part in parts))


def _climb(
    target: Target,
    images: Array,
    labels: NDArray[Any],
    attack: Attack,
    restart: int,
    numbers: NDArray[np.int64],
    tell: Callable[[int], None],
) -> Array:
    """Where one restart leads to, a new array; tell: told gradients done."""
    x = _start(images, attack, restart, numbers)
    if (captured := captured_climb(target, attack)) is not None:
        tell(0)
        x = captured(x, images, labels)
        tell(attack.steps * len(x))
        return x
    step = pgd_linf_step if attack.norm == "linf" else pgd_l2_step
    size = -attack.step_size if attack.targeted else attack.step_size
    ends, going = (np.empty_like(x) if attack.early_stop else x), np.arange(len(x))
    for done in range(attack.steps):
        _, gradient, logits = target.input_gradient(x, labels, attack.loss)
        if attack.early_stop:
            there = _reached(logits, labels, attack)
            if there.any():
                ends[going[there]] = x[there]
                x, images, labels, gradient = x[~there], images[~there], labels[~there], gradient[~there]
                going = going[~there]
                if not len(going):
                    return ends
        step(x, images, gradient, size, attack.radius)
        tell((done + 1) * len(numbers))
    if attack.early_stop:
        ends[going] = x
    return ends


def _reached(logits: Array, labels: NDArray[Any], attack: Attack) -> NDArray[np.bool_]:
    """Whether the attacker's aim is reached, (n,)."""
    return np.asarray((logits.argmax(axis=1) == labels) == attack.targeted)


def _start(images: Array, attack: Attack, restart: int, numbers: NDArray[np.int64]) -> Array:
    """Where a restart begins, a new array."""
    if attack.start == "zero" or attack.radius == 0:
        return images.copy()
    deltas = random_deltas(
        attack.norm, attack.radius, images.shape[1:], numbers, attack.seed, random_balls.STARTS + restart
    )
    return into_ball(images + deltas, images, attack.norm, attack.radius)


def into_ball(x: Array, origin: Array, norm: str, radius: float) -> Array:
    """Into the ball, then into [0, 1]: the box is convex and holds the origin, so the second keeps the first."""
    project = project_linf if norm == "linf" else project_l2
    return clip_box(project(x, origin, radius))
