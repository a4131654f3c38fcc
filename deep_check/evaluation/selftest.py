"""The attack tested on itself: what a sound attack must show, and whether broken copies of it would be noticed.

An evaluation is worth what its attack is worth. The same checks are put to the attack and to copies of it with a
mistake each; the attack has to pass all of them, and every copy has to fail one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deep_check.attacks import Attack, run_attack
from deep_check.filtering import Filtered, LowPass, Target
from deep_check.noise import Noise, run_noise
from deep_check.ops.loss_cpu import loss as loss_of
from deep_check.resnet import InputGradient

Array = NDArray[np.float32]
STEP = 0.005  # of central differences along the gradient, in l2: small beside what bends, large beside round-off
SLOPE = (0.9, 1.1)  # allowed of the slope along the gradient over its length, median over the images
MORE = 0.95  # of the images must be worse off by the attack than by noise
FORGETS = 0.85  # a defence that passes more of the gradient's energy on can be forgotten without harm
LARGE = 8  # times the radius leaves nothing
STEPS = 10


@dataclass(frozen=True)
class Check:
    """One question, what was found, and whether it is as it must be."""

    name: str
    passed: bool
    found: str


@dataclass(frozen=True)
class Outcome:
    """checks of the attack itself; noticed: mistake -> names of the checks that a copy with it fails."""

    checks: tuple[Check, ...]
    noticed: dict[str, tuple[str, ...]]

    @property
    def sound(self) -> bool:
        """The attack passes every check, and no copy does."""
        return all(check.passed for check in self.checks) and all(self.noticed.values())


@dataclass(frozen=True)
class Mistaken:
    """A target whose gradients are wrong: what is attacked is right, the attack is not."""

    target: Target
    spoil: Callable[[Array], Array]

    def __call__(self, images: Array) -> Array:
        """Logits, as they are."""
        return self.target(images)

    def input_gradient(self, images: Array, labels: NDArray[Any], loss: str) -> InputGradient:
        """Losses and logits as they are, the gradient spoilt."""
        losses, gradient, logits = self.target.input_gradient(images, labels, loss)
        return InputGradient(losses, self.spoil(gradient), logits)


@dataclass(frozen=True)
class Forgetful:
    """A defended network whose gradient is taken as if the defence passed it on unchanged."""

    network: Target
    defence: LowPass

    def __call__(self, images: Array) -> Array:
        """Logits of the filtered images."""
        return self.network(self.defence.apply(images))

    def input_gradient(self, images: Array, labels: NDArray[Any], loss: str) -> InputGradient:
        """The gradient by the filtered images, not by the images."""
        return InputGradient(*self.network.input_gradient(self.defence.apply(images), labels, loss))


def half_flipped(gradient: Array) -> Array:
    """The sign of every other pixel is wrong."""
    spoilt = gradient.copy()
    spoilt.reshape(-1)[::2] *= -1
    return spoilt


def of_another(gradient: Array) -> Array:
    """The gradient of the image before."""
    return np.roll(gradient, 1, axis=0)


def run_selftest(
    network: Target, defence: LowPass, images: Array, labels: NDArray[np.int64], attack: Attack, seed: int = 0
) -> Outcome:
    """Check the attack on the defended network, and copies of it. images (n, 3, 32, 32), two or more."""
    target = Filtered(network, defence)
    right = target(images).argmax(axis=1) == labels
    images, labels = images[right], labels[right]
    if len(images) < 2:
        return Outcome((Check("images", False, "fewer than two images are classified correctly"),), {})
    attack = replace(attack, steps=STEPS, restarts=1, start="random", loss="margin", early_stop=False, seed=seed)
    noise = run_noise(target, images, labels, Noise(attack.norm, attack.radius, STEPS, seed)).losses
    copies: dict[str, tuple[Target, Attack]] = {
        "half of the gradient's signs flipped": (Mistaken(target, half_flipped), attack),
        "the gradient of another image": (Mistaken(target, of_another), attack),
        "steps of size zero": (target, replace(attack, step_size=0.0)),
    }
    forgetful = Forgetful(network, defence)
    if _passed_on(forgetful, images, labels) < FORGETS:
        copies["the filter forgotten in the gradient"] = forgetful, attack
    checks = tuple(_checks(target, images, labels, attack, noise))
    noticed = {
        name: tuple(check.name for check in _checks(copy, images, labels, changed, noise) if not check.passed)
        for name, (copy, changed) in copies.items()
    }
    return Outcome(checks, noticed)


def _passed_on(forgetful: Forgetful, images: Array, labels: NDArray[np.int64]) -> float:
    """Share of the gradient's energy that the defence passes on, median over the images; 1 where there is none."""
    behind = forgetful.input_gradient(images, labels, "margin").gradient
    before = forgetful.defence.pull_back(images, behind)
    kept, all_ = ((part.astype(float) ** 2).sum((1, 2, 3)) for part in (before, behind))
    return float(np.median(np.divide(kept, all_, out=np.ones(len(images)), where=all_ > 0)))


def _checks(
    target: Target, images: Array, labels: NDArray[np.int64], attack: Attack, noise: Array
) -> tuple[Check, ...]:
    return (
        _slope(target, images, labels),
        _beats_noise(target, images, labels, attack, noise),
        _steps_help(target, images, labels, attack),
        _large_budget(target, images, labels, attack),
    )


def _slope(target: Target, images: Array, labels: NDArray[np.int64]) -> Check:
    """The gradient is the gradient: along it the margin rises as fast as the gradient is long."""
    gradient = target.input_gradient(images, labels, "margin")[1].astype(float)
    lengths = np.sqrt((gradient**2).sum((1, 2, 3)))
    name, good = "the gradient is that of the loss", lengths > 0
    if 2 * good.sum() < len(good):
        return Check(name, False, f"{int((~good).sum())} of {len(good)} images have no gradient")
    directions = gradient[good] / lengths[good][:, None, None, None]
    ends = [
        loss_of(target((images[good] + sign * STEP * directions).astype(np.float32)), labels[good], "margin")[0]
        for sign in (1, -1)
    ]
    ratios = (ends[0].astype(float) - ends[1]) / (2 * STEP) / lengths[good]
    middle = float(np.median(ratios))
    told = f"rise along the gradient over its length: {middle:.3f} (allowed {SLOPE[0]:g} to {SLOPE[1]:g})"
    return Check(name, SLOPE[0] <= middle <= SLOPE[1], told)


def _beats_noise(target: Target, images: Array, labels: NDArray[np.int64], attack: Attack, noise: Array) -> Check:
    share = float((run_attack(target, images, labels, attack).losses > noise).mean())
    told = f"{share:.0%} of the images are worse off than by the worst of {STEPS} random draws (at least {MORE:.0%})"
    return Check("better than noise", share >= MORE, told)


def _steps_help(target: Target, images: Array, labels: NDArray[np.int64], attack: Attack) -> Check:
    one, many = (run_attack(target, images, labels, replace(attack, steps=n)).losses for n in (1, STEPS))
    told = f"mean margin {one.mean():.2f} after one step, {many.mean():.2f} after {STEPS}"
    return Check("more steps do more", bool(many.mean() > one.mean()), told)


def _large_budget(target: Target, images: Array, labels: NDArray[np.int64], attack: Attack) -> Check:
    large = 1.0 if attack.norm == "linf" else 100.0
    factor = min(LARGE, large / attack.radius)
    wide = replace(
        attack, radius=factor * attack.radius, step_size=factor * attack.step_size, steps=4 * STEPS, early_stop=True
    )
    standing = int((~run_attack(target, images, labels, wide).fooled).sum())
    told = f"{standing} of {len(images)} images stand at {factor:g} times the radius (allowed 0)"
    return Check("a large budget leaves nothing", standing == 0, told)
