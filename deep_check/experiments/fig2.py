"""Fig. 2: the low-frequency ratio of perturbations of random images along the normal training of a ResNet.

[paper: Fig. 2, Section 4.1]
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from deep_check.experiments import along_training
from deep_check.experiments.along_training import Curves, described, directions, effects, levels, parameters
from deep_check.experiments.context import Context
from deep_check.experiments.results import Finding, verdict

STATEMENT = (
    "The low-frequency ratio τ of adversarial perturbations of 100 random images gradually increases along normal "
    "training: (a) l2 FGM, (b) l2 PGD."
)
TESTED = along_training.TESTED


def measure(context: Context) -> tuple[list[dict[str, Any]], Curves]:
    """What was observed while the normal network was trained. Raises MissingError without weights or observations."""
    path = along_training.observed_file(context, "normal")
    rows = along_training.read_rows(path)
    return rows, along_training.curves(rows, str(path))


def judge(found: Curves, recipe: Mapping[str, Any]) -> Finding:
    """The row of the ledger; recipe: of the run."""
    rising = directions(found)
    says = verdict(rising)
    n = int(found["fgm", along_training.CUTOFF].n.sum())
    conclusion = f"{described(found)}."
    return Finding("fig2", "2", STATEMENT, TESTED, says, n, (*rising, *levels(found)), conclusion,
                   parameters(recipe, found), effects(found))  # fmt: skip


def run(context: Context) -> Finding:
    """Read, judge, draw: fig2.png, fig2.pdf, fig2.csv."""
    from deep_check.experiments.along_training_picture import draw

    rows, found = measure(context)
    recipe = along_training.recipe_of(context.net("normal").facts)
    context.save_table("fig2", along_training.table(rows))
    title = f"{context.weights_file('normal').name}: perturbations of 100 random training images along its training"
    row = judge(found, recipe)
    return replace(row, pictures=context.save_pictures("fig2", draw(found, title)))
