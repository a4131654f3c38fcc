"""Fig. 11: the low-frequency ratio along the training of the two-layer network, and theory's prediction of it.

The prediction is led along in training and knows the weights of the start, the batches and the rate only
(`deep_check.two_layer.prediction`). [paper: Fig. 11, Appendix C.2]
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from deep_check.experiments import along_training
from deep_check.experiments.along_training import (
    ATTACKS,
    CUTOFF,
    DISTANCES,
    Curves,
    described,
    directions,
    effects,
    levels,
    parameters,
)
from deep_check.experiments.context import Context
from deep_check.experiments.results import REPRODUCED, UNDECIDED, Effect, Finding, Measured, verdict
from theory_sim.errors import InputError, require
from theory_sim.intervals import wilson

STATEMENT = (
    "For a two-layer network of 500 hidden units with a fixed outer layer, trained by SGD without tricks to more than "
    "40 % test accuracy, the low-frequency ratio τ of perturbations increases along 2,000 iterations: (a) l2 FGM, "
    "(b) l2 PGD."
)
TESTED = (
    f"{along_training.TESTED} The network counts only if its test accuracy is above 40 % by its 95 % interval. Beside "
    "it, without weight for the verdict: theory's prediction of the same curves from the weights of the start, how far "
    "it is from them, and whether it has the direction of the rise."
)
LEAST_ACCURACY = 0.4
READINGS = {  # how each is trained stands in recipes/two-layer.toml
    "linear": "no sigmoid on the outputs, rate 0.003", "faster": "rate 0.3",
    "relu-sigmoid": "a sigmoid after the ReLU, none on the outputs",
    "sigmoid": "sigmoid units, no sigmoid on the outputs",
    "unnormalised": "images not normalised", "cross-entropy": "cross entropy, no sigmoid on the outputs",
}  # fmt: skip


def measure(context: Context) -> tuple[list[dict[str, Any]], list[dict[str, Any]], Curves, Curves]:
    """Rows and curves of what was observed and predicted while the network was trained.

    Raises MissingError without the files, InputError if they are damaged or not of one training.
    """
    files = [along_training.observed_file(context, "two_layer", name) for name in ("observed", "predicted")]
    observed, predicted = (along_training.read_rows(path) for path in files)
    curves = [along_training.curves(rows, str(path)) for rows, path in zip((observed, predicted), files, strict=True)]
    check(curves[0], curves[1], predicted, str(files[1]))
    return observed, predicted, curves[0], curves[1]


def check(observed: Curves, predicted: Curves, rows: Iterable[Mapping[str, Any]], source: str = "predictions") -> None:
    """Raise InputError unless the predictions are at the steps and cut-offs observed, with their distances from them.

    rows: of the predicted.csv, whose name is `source`.
    """
    for (attack, cutoff), curve in observed.items():
        if attack in ATTACKS:
            there = (attack, cutoff) in predicted
            same = there and np.array_equal(predicted[attack, cutoff].step, curve.step)
            require(same, f"{source}: {attack} at cut-off {cutoff}: allowed are the steps of the observations")
    good = all(math.isfinite(row.get(name, math.nan)) for row in rows for name in DISTANCES)
    require(good, f"{source}: allowed are finite numbers in the columns {', '.join(DISTANCES)}")


def readings(file: Path) -> dict[str, Curves]:
    """Observations of networks trained by other readings of the paper's words, by reading.

    file: the observed.csv of the network itself; theirs lie beside it, as observed-READING.csv. Raises InputError if
    one is damaged.
    """
    found = {name: file.with_name(f"{file.stem}-{name}.csv") for name in READINGS}
    return {
        name: along_training.curves(along_training.read_rows(path), str(path))
        for name, path in found.items()
        if path.is_file()
    }


def reading_effects(found: Mapping[str, Curves]) -> tuple[Effect, ...]:
    """Rises and slopes by other readings, and how many of the observed training images they see right in the end."""
    effects = []
    for name, own in found.items():
        told = list(directions(own))
        if ("images", CUTOFF) in own:
            last = own["images", CUTOFF]
            n = int(last.n[-1])
            right = round(float(last.accuracy[-1]) * n)
            told.append(Measured("observed training images seen right at the end", right / n, *wilson(right, n), n))
        effects += [Effect("reading of the network", READINGS[name], one) for one in told]
    return tuple(effects)


def readings_said(found: Mapping[str, Curves]) -> str:
    """How many of them rise, and the others, in words; nothing if there are none."""
    if not found:
        return ""
    rising = [name for name, own in found.items() if verdict(directions(own)) == REPRODUCED]
    others = "; ".join(READINGS[name] for name in found if name not in rising)
    return f" Of {len(found)} other readings of the network {len(rising)} rise{f', not: {others}' if others else ''}."


def result_of(facts: Mapping[str, Any]) -> Measured:
    """The test accuracy that the weights' file reports of its training. Raises InputError if it does not."""
    result = facts.get("result")
    try:
        assert isinstance(result, Mapping)
        return Measured("test accuracy", result["accuracy"], result["low"], result["high"], result["n"])
    except (AssertionError, KeyError):
        raise InputError(
            "weights of the two_layer network: no test accuracy in them: allowed are those of `train`, whose file has "
            "`result` with accuracy, low, high and n"
        ) from None


def theory(observed: Curves, predicted: Curves, rows: list[dict[str, Any]]) -> tuple[Measured, ...]:
    """The prediction's rise, its distance at the end, and its largest anywhere; rows: of the predicted.csv."""
    found = []
    for attack, word in ATTACKS.items():
        own = [row for row in rows if (row["attack"], row["cutoff"]) == (attack, CUTOFF)]
        last = max(own, key=lambda row: row["step"])
        worst = max(own, key=lambda row: abs(row["difference"]))
        curve = observed[attack, CUTOFF]
        n = int(last["n"])
        found += [
            predicted[attack, CUTOFF].rise(f"theory: τ of {word} at the end minus at the start"),
            Measured(f"theory's τ of {word} minus the network's at the end, image by image", last["difference"],
                     last["difference_low"], last["difference_high"], n),
            Measured(f"the same where it is largest, step {int(worst['step'])}", worst["difference"],
                     worst["difference_low"], worst["difference_high"], int(worst["n"])),
            Measured(f"cosine of theory's perturbation and the network's by {word} at the end", last["cosine"],
                     last["cosine_low"], last["cosine_high"], n),
            Measured(f"correlation of the two curves of τ by {word} over the observed steps",
                     float(np.corrcoef(curve.mean, predicted[attack, CUTOFF].mean)[0, 1]), n=len(curve.step)),
        ]  # fmt: skip
    return tuple(found)


def judge(
    observed: Curves,
    predicted: Curves,
    predicted_rows: list[dict[str, Any]],
    facts: Mapping[str, Any],
    others: Mapping[str, Curves] | None = None,
) -> Finding:
    """The row of the ledger; facts: what the weights' file says of its training; others: of `readings`."""
    accuracy, recipe = result_of(facts), along_training.recipe_of(facts)
    rising = directions(observed)
    says = verdict(rising) if accuracy.low is not None and accuracy.low > LEAST_ACCURACY else UNDECIDED
    n = int(observed["fgm", CUTOFF].n.sum())
    told = theory(observed, predicted, predicted_rows)
    rises = ", ".join(
        f"{predicted[attack, CUTOFF].mean[0]:.3f} to {predicted[attack, CUTOFF].mean[-1]:.3f} ({word})"
        for attack, word in ATTACKS.items()
    )
    cosines = " and ".join(f"{one.value:.2f}" for one in told if one.name.startswith("cosine"))
    conclusion = (
        f"{described(observed)}. Theory, from the weights of the start alone, has {rises}; at the end the cosine of "
        f"its perturbations and the network's is {cosines}. Test accuracy {accuracy.value:.1%}."
        f"{readings_said(others or {})}"
    )
    names = ("width", "hidden_activation", "output_activation", "loss", "learning_rate", "batch_size", "normalisation")
    chosen = {**parameters(recipe, observed), **{name: recipe[name] for name in names if name in recipe}}
    return Finding("fig11", "11", STATEMENT, TESTED, says, n, (*rising, accuracy, *told, *levels(observed)), conclusion,
                   chosen, effects(observed) + reading_effects(others or {}))  # fmt: skip


def run(context: Context) -> Finding:
    """Read, judge, draw: fig11.png, fig11.pdf, fig11.csv."""
    from deep_check.experiments.along_training_picture import draw

    rows, predicted_rows, observed, predicted = measure(context)
    others = readings(along_training.observed_file(context, "two_layer"))
    row = judge(observed, predicted, predicted_rows, context.net("two_layer").facts, others)
    context.save_table("fig11", along_training.table(rows) + along_training.table(predicted_rows, "theory"))
    title = f"{context.weights_file('two_layer').name}: perturbations of 100 random training images, and theory's"
    pictures = context.save_pictures("fig11", draw(observed, title, predicted))
    return replace(row, pictures=pictures)
