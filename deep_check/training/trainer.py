"""A whole run: epochs over the images, a log, checkpoints, and the weights at its end.

A run that was interrupted goes on where it was, in the middle of an epoch too, and ends in the same bits.
"""

from __future__ import annotations

import json
import math
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deep_check.checks import check_precision
from deep_check.experiments.manifest import data_facts
from deep_check.ops.augment_cpu import augment
from deep_check.training.card import CARD, title, write_card
from deep_check.training.checkpoint import NAME as CHECKPOINT
from deep_check.training.checkpoint import load_checkpoint, save_checkpoint
from deep_check.training.draws import crops_and_flips, order_of_images, starts
from deep_check.training.observation import OBSERVED, PREDICTED, is_observed, observe, write_rows
from deep_check.training.recipe import Recipe
from deep_check.training.steps import Steps
from deep_check.training.steps_cuda import CudaSteps
from deep_check.two_layer.steps import TwoLayerSteps
from deep_check.weights_files import write
from theory_sim.errors import InputError, require
from theory_sim.files import replacing
from theory_sim.inputs.cifar10 import Cifar10
from theory_sim.intervals import wilson
from theory_sim.picture_style import save_figure
from theory_sim.provenance import provenance

EVERY_S = 60.0  # seconds between checkpoints within an epoch
FACTS = ("identity", "log", "epoch", "place", "sums")  # of a checkpoint
WEIGHTS, LOG, RECIPE = "weights.safetensors", "log.csv", "recipe.json"
PICTURES = ("training.png", "training.pdf")


@dataclass(frozen=True)
class Progress:
    """Where a run stands: `step` of `n_steps` steps done, `loss` the mean so far in this epoch."""

    epoch: int
    n_epochs: int
    step: int
    n_steps: int
    loss: float
    images_per_second: float


def train(
    recipe: Recipe,
    training: Cifar10,
    test: Cifar10,
    folder: Path,
    report: Callable[[Progress], None] = lambda _: None,
    epoch_done: Callable[[dict[str, Any]], None] = lambda _: None,
    device: str = "cpu",
    precision: str = "float32",
) -> dict[str, Any]:
    """Train by the recipe into `folder`, from its checkpoint if it has one; the last row of the log.

    Leaves weights.safetensors, card.md, log.csv, training.png and .pdf, recipe.json, a checkpoint, and observed.csv
    (predicted.csv) where the recipe observes (predicts). report: called after every step; epoch_done: after every
    epoch. device: "cpu" or "cuda", precision: of the convolutions there, see `ResNet`. Raises InputError if the folder
    holds a run of another recipe, device or precision or of other images, if the loss or a weight is not finite (the
    last checkpoint stays), or if the disk refuses; KeyboardInterrupt after Ctrl-C, with a checkpoint of the step that
    was done last.
    """
    folder.mkdir(parents=True, exist_ok=True)
    n = len(training.labels)
    require(n >= recipe.batch_size, f"batch_size {recipe.batch_size}: allowed is <= {n}, the number of images")
    steps = steps_of(recipe, device, precision)
    run = {"device": device, "precision": precision}
    identity = {
        "recipe": recipe.as_dict(),
        "images": data_facts(training.images, training.labels, training.notes),
        "run": run,
    }
    log: list[dict[str, Any]] = []
    observed: dict[str, list[dict[str, Any]]] = {OBSERVED: [], PREDICTED: []}  # file -> rows
    epoch, place, sums = 0, 0, [0.0, 0.0]
    found = load_checkpoint(folder)
    if found is not None:
        arrays, facts = found
        missing = [name for name in FACTS if name not in facts]
        require(not missing, f"checkpoint {folder / CHECKPOINT}: no {', '.join(missing)}: allowed are those of `train`")
        facts["identity"]["recipe"] = {**Recipe().as_dict(), **facts["identity"]["recipe"]}  # keys of today
        facts["identity"].setdefault("run", {"device": "cpu", "precision": "float32"})
        _require_same(identity, facts["identity"], folder)
        steps.restore(arrays)
        log, epoch, place, sums = facts["log"], facts["epoch"], facts["place"], facts["sums"]
        observed |= facts.get("observed", {})
    _write(folder / RECIPE, json.dumps(recipe.as_dict(), indent=1))

    per_epoch = n // recipe.batch_size  # the images left over come in other epochs
    total = recipe.n_steps(per_epoch)

    def diverged(what: str, step: int) -> InputError:
        kept = load_checkpoint(folder)
        last = "no checkpoint was made before"
        if kept is not None:
            last = (
                f"the last good checkpoint, of step {kept[1]['epoch'] * per_epoch + kept[1]['place']}, is in {folder}"
            )
        where = f"epoch {(step - 1) // per_epoch + 1}, batch {(step - 1) % per_epoch + 1} of {per_epoch}"
        return InputError(f"{what} at step {step} ({where}): training stops, {last}; try a smaller learning_rate")

    def save() -> None:
        arrays = steps.arrays()
        for name, array in arrays.items():  # the loss was that of the weights before the step
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                raise diverged(f"{name.removeprefix('state.')} is not finite", _steps_done(log, place))
        facts = {"identity": identity, "log": log, "epoch": epoch, "place": place, "sums": sums, "observed": observed}
        save_checkpoint(folder, arrays, facts)
        for name, rows in observed.items():
            if rows:
                write_rows(folder / name, rows)

    def look(step: int) -> None:
        if is_observed(recipe, step, total):
            found = observe(steps.evaluated(), recipe, training, step, steps.predicted())
            for name, rows in zip((OBSERVED, PREDICTED), found, strict=True):
                observed[name] += rows

    with _interruptible() as stopped:
        saved = time.monotonic()
        while epoch < recipe.epochs:
            begun = time.monotonic()
            order = order_of_images(recipe.seed, epoch, n)
            offsets, flips = crops_and_flips(recipe.seed, epoch, n, recipe.padding)
            first_place, last_place = place, min(per_epoch, total - epoch * per_epoch)
            while place < last_place:
                chosen = order[place * recipe.batch_size : (place + 1) * recipe.batch_size]
                images = _batch(recipe, training, chosen, offsets, flips, place)
                done = epoch * per_epoch + place
                start = None
                if recipe.adversary != "none":
                    start = starts(recipe.seed, epoch, place * recipe.batch_size, images.shape)
                labels = training.labels[chosen].astype(np.int64)
                look(done)
                with np.errstate(all="ignore"):  # what is not finite is said once
                    loss, right = steps.step(images, labels, recipe.learning_rate_at(done, total), start)
                if not math.isfinite(loss):
                    raise diverged(f"the loss is {loss}", done + 1)
                place += 1
                sums = [sums[0] + loss, sums[1] + right]
                rate = (place - first_place) * recipe.batch_size / (time.monotonic() - begun)
                report(Progress(epoch + 1, recipe.epochs, done + 1, total, sums[0] / place, rate))
                if stopped() or time.monotonic() - saved > EVERY_S:
                    save()
                    saved = time.monotonic()
                if stopped():
                    raise KeyboardInterrupt
            row = {
                "epoch": epoch + 1,
                "step": epoch * per_epoch + place,
                "training_loss": sums[0] / place,
                "training_accuracy": sums[1] / (place * recipe.batch_size),
                **accuracy(steps.evaluated(), test),
                "seconds": round(time.monotonic() - begun, 1),
            }
            log = [*log, row]
            epoch, place, sums = epoch + 1, 0, [0.0, 0.0]
            if row["step"] == total:
                look(total)
                epoch = recipe.epochs  # also where max_steps ends the run
            save()
            saved = time.monotonic()
            write_rows(folder / LOG, log)
            epoch_done(row)
    facts = {
        **steps.facts, "recipe": recipe.as_dict(), "result": log[-1],
        "seconds": round(sum(row["seconds"] for row in log), 1), "images": identity["images"],
        "notes": [*training.notes, *test.notes], **run, **provenance(),
    }  # fmt: skip
    write(folder / WEIGHTS, steps.state(), facts)
    write_card(folder / WEIGHTS, folder / CARD)
    _draw(folder, log, title(recipe))
    return log[-1]


def steps_of(recipe: Recipe, device: str = "cpu", precision: str = "float32") -> Steps | TwoLayerSteps | CudaSteps:
    """Of the recipe's network on a device. Raises InputError on what the device does not have."""
    check_precision(precision, device)
    if recipe.network == "two-layer":
        require(device == "cpu", f"device {device} for the two-layer network: allowed is cpu")
        return TwoLayerSteps(recipe)
    return CudaSteps(recipe, precision=precision) if device == "cuda" else Steps(recipe)


def accuracy(logits: Callable[[NDArray[np.float32]], NDArray[Any]], data: Cifar10) -> dict[str, Any]:
    """`accuracy` on all images with its 95 % interval `low` ... `high` (Wilson), and `n`."""
    n = len(data.labels)
    right = int((logits(_unit(data.images)).argmax(axis=1) == data.labels).sum())
    low, high = wilson(right, n)
    return {"accuracy": right / n, "low": low, "high": high, "n": n}


def _batch(
    recipe: Recipe,
    data: Cifar10,
    chosen: NDArray[np.intp],
    offsets: NDArray[np.int64],
    flips: NDArray[np.bool_],
    place: int,
) -> NDArray[np.float32]:
    images = _unit(data.images[chosen])
    own = slice(place * recipe.batch_size, place * recipe.batch_size + len(chosen))
    return augment(images, offsets[own], flips[own] & recipe.flip, recipe.padding)


def _unit(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    return (images / np.float64(255)).astype(np.float32)


def _steps_done(log: list[dict[str, Any]], place: int) -> int:
    """After the epochs of the log and `place` batches of the next."""
    return (log[-1]["step"] if log else 0) + place


def _require_same(wanted: dict[str, Any], found: dict[str, Any], folder: Path) -> None:
    different = [
        f"{key}: {found[part].get(key)!r} there, {value!r} asked for"
        for part in wanted
        for key, value in wanted[part].items()
        if found[part].get(key) != value
    ]
    require(
        not different, f"{folder} holds another run ({'; '.join(different)}): allowed is the same run, or another --out"
    )


def _draw(folder: Path, log: list[dict[str, Any]], words: str) -> None:
    from deep_check.training.picture import draw

    figure = draw(log, words)
    with replacing([folder / name for name in PICTURES]) as fresh:
        for path in fresh:
            save_figure(figure, path)


def _write(path: Path, text: str) -> None:
    with replacing([path]) as (fresh,):
        fresh.write_text(text, encoding="utf-8")


@contextmanager
def _interruptible() -> Iterator[Callable[[], bool]]:
    """Ctrl-C and SIGTERM are asked for after a step; a second Ctrl-C interrupts at once. Only in the main thread."""
    wanted: list[int] = []

    def note(number: int, frame: Any) -> None:
        if wanted:
            raise KeyboardInterrupt
        wanted.append(number)

    old: dict[signal.Signals, Any] = {}
    try:
        for name in (signal.SIGINT, signal.SIGTERM):
            old[name] = signal.signal(name, note)
    except ValueError:  # another thread's: signals are its caller's
        pass
    try:
        yield lambda: bool(wanted)
    finally:
        for name, handler in old.items():
            signal.signal(name, handler)
