"""The attack during training: where the perturbations of random training images lie in the spectrum, step by step.

At step 0 (before any update), at a few early steps, at every k-th step and after the last, images drawn at random are
attacked by FGM and by PGD, both l2; the network is that of before the update, in evaluation mode, as an attacker has
it. [paper: Section 4.1, Fig. 2, Fig. 11]
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deep_check.attacks import Adversarial, Attack, named_attack, run_attack
from deep_check.experiments.results import mean_interval
from deep_check.filtering import Target
from deep_check.spectra import low_frequency_ratios
from deep_check.training.draws import observed_images
from deep_check.training.recipe import Recipe
from theory_sim.files import replacing
from theory_sim.inputs.cifar10 import Cifar10

Array = NDArray[np.float32]
EARLY = (0, 1, 2, 5, 10, 20, 50, 100, 200, 500)  # steps observed besides every k-th: the rise is on a log scale
CUTOFFS = (4, 8, 12, 16)  # the paper does not give its own
COLUMNS = ("step", "epoch", "attack", "cutoff", "mean", "low", "high", "std", "n", "loss", "accuracy")
OBSERVED, PREDICTED = "observed.csv", "predicted.csv"  # of the network, and of theory beside it


def is_observed(recipe: Recipe, step: int, n_steps: int) -> bool:
    """Whether the network is looked at after `step` of n_steps updates."""
    return recipe.observe_every > 0 and (step % recipe.observe_every == 0 or step in EARLY or step == n_steps)


def attacks(recipe: Recipe) -> dict[str, Attack]:
    """The two attacks by name, from a zero start: what is measured is the gradient's spectrum, not the start's."""
    return {
        "fgm": named_attack("fgm", radius=recipe.observe_radius, loss=recipe.loss),
        "pgd": Attack(norm="l2", radius=recipe.observe_radius, step_size=recipe.observe_step_size,
                      steps=recipe.observe_steps, start="zero", loss=recipe.loss),
    }  # fmt: skip


def sample(recipe: Recipe, training: Cifar10, step: int) -> tuple[Array, NDArray[np.int64]]:
    """The images of a step, (n, 3, 32, 32) float32 in [0, 1], and their labels: drawn by seed and step alone."""
    chosen = observed_images(recipe.seed, step, len(training.labels), recipe.observe_images)
    return (training.images[chosen] / np.float64(255)).astype(np.float32), training.labels[chosen].astype(np.int64)


def perturbations(
    target: Target, recipe: Recipe, images: Array, labels: NDArray[Any]
) -> dict[str, tuple[Array, Adversarial]]:
    """By attack: δ (n, c, h, w), and what `run_attack` found."""
    found = {name: run_attack(target, images, labels, attack) for name, attack in attacks(recipe).items()}
    return {name: (result.images - images, result) for name, result in found.items()}


def observe(
    target: Target, recipe: Recipe, training: Cifar10, step: int, theory: Target | None = None
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Rows of COLUMNS: of every attack, and of the images themselves ("images"), the ratio at every cut-off.

    mean with its 95 % interval low ... high (Student's t) and the standard deviation std of τ over the n images whose
    perturbation is not zero; loss: mean over the images, and accuracy: share of them, under that attack. theory: what
    the network was predicted to be; its rows come second, on the same images, with two more numbers, mean and 95 %
    interval each: `difference`, its τ minus the network's, and `cosine` between the two perturbations of an image.
    """
    images, labels = sample(recipe, training, step)
    epoch = round(step / (len(training.labels) // recipe.batch_size), 4)
    losses, _, logits = target.input_gradient(images, labels, recipe.loss)
    right = float((logits.argmax(axis=1) == labels).mean())
    rows = ratio_rows("images", images, float(losses.mean(dtype=float)), right)
    found = perturbations(target, recipe, images, labels)
    predicted = {} if theory is None else perturbations(theory, recipe, images, labels)
    rows += [row for name, own in found.items() for row in _rows(name, *own)]
    others = [
        {**row, **distance}
        for name, own in predicted.items()
        for row, distance in zip(_rows(name, *own), distances(own[0], found[name][0]), strict=False)
    ]
    return ([{"step": step, "epoch": epoch, **row} for row in rows],
            [{"step": step, "epoch": epoch, **row} for row in others])  # fmt: skip


def _rows(name: str, deltas: Array, found: Adversarial) -> list[dict[str, Any]]:
    return ratio_rows(name, deltas, float(found.losses.mean(dtype=float)), found.accuracy)


def distances(deltas: Array, others: Array) -> list[dict[str, float]]:
    """A row for every cut-off: mean difference of the ratios, mean cosine of the deltas, with intervals."""
    known = [bool(np.isfinite(pair).all()) and all(delta.any() for delta in pair)
             for pair in zip(deltas, others, strict=True)]  # fmt: skip
    if sum(known) < 2:
        return []
    first, second = (values[known].astype(float) for values in (deltas, others))
    rows = first.reshape(len(first), -1), second.reshape(len(second), -1)
    cosines = (rows[0] * rows[1]).sum(axis=1) / (np.linalg.norm(rows[0], axis=1) * np.linalg.norm(rows[1], axis=1))
    gaps = low_frequency_ratios(first, CUTOFFS) - low_frequency_ratios(second, CUTOFFS)
    return [{**_named("difference", mean_interval(gap)), **_named("cosine", mean_interval(cosines))} for gap in gaps]


def _named(name: str, interval: tuple[float, float, float]) -> dict[str, float]:
    return dict(zip((name, f"{name}_low", f"{name}_high"), interval, strict=True))


def ratio_rows(name: str, deltas: Array, loss: float, accuracy: float) -> list[dict[str, Any]]:
    """A row for every cut-off, without step and epoch; none where fewer than two deltas are finite and not zero."""
    deltas = deltas[[bool(np.isfinite(delta).all() and delta.any()) for delta in deltas]]
    if len(deltas) < 2:
        return []
    rows = []
    for cutoff, known in zip(CUTOFFS, low_frequency_ratios(deltas, CUTOFFS), strict=True):
        mean, low, high = mean_interval(known)
        rows.append(
            {"attack": name, "cutoff": cutoff, "mean": mean, "low": low, "high": high,
             "std": float(known.std(ddof=1)), "n": len(known), "loss": loss, "accuracy": accuracy}
        )  # fmt: skip
    return rows


def write_rows(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write a CSV file with the columns of the first row, replaced as a whole. Raises InputError if it cannot be."""
    with replacing([path]) as (fresh,), fresh.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
