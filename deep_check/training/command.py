"""The command `train`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from deep_check.experiments.options import Data, Device


def train(
    data: Data = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the run; the same command goes on from there.")] = None,
    config: Annotated[
        Path | None, typer.Option(help="Recipe: normal, mse, ..., or a TOML file; --keys lists its keys.")
    ] = None,
    settings: Annotated[list[str] | None, typer.Option("--set", help="key=value, over the recipe's.")] = None,
    hold_out: Annotated[
        bool, typer.Option("--hold-out", help="Train on batches 1-4 and judge on 5: to choose a recipe.")
    ] = False,
    partial: Annotated[bool, typer.Option("--partial", help="Take batches that are not whole, and name them.")] = False,
    device: Device = "auto",
    precision: Annotated[str, typer.Option(help="Of convolutions on cuda: float32, tf32 or bf16.")] = "float32",
    keys: Annotated[bool, typer.Option("--keys", help="Print every key with its default, and stop.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Only the last line.")] = False,
) -> None:
    """Train a ResNet or a two-layer network on CIFAR-10: normally, with MSE, against an adversary.

    Interrupted, the same command goes on to the same bits. Recipes that come along: adversarial, mse, normal,
    two-layer, and for a GPU adversarial-pgd, normal-adam.
    """
    import time

    from deep_check.checks import check_precision, choose_device
    from deep_check.data import find_data
    from deep_check.experiments.manifest import data_facts, weights_facts, write_manifest
    from deep_check.training.card import CARD
    from deep_check.training.observation import OBSERVED, PREDICTED
    from deep_check.training.recipe import Recipe, read_recipe
    from deep_check.training.trainer import LOG, PICTURES, RECIPE, WEIGHTS, Progress, train
    from theory_sim.errors import InputError
    from theory_sim.inputs.cifar10 import BATCHES, load_cifar10
    from theory_sim.progress import Progress as Shown

    if keys:
        for name, value in Recipe().as_dict().items():
            typer.echo(f"{name} = {str(value).lower() if isinstance(value, bool) else repr(value)}")
        return
    if out is None:
        raise InputError("train: --out FOLDER is needed, that of the run")
    data = find_data(data)
    recipe = read_recipe(config, settings or ())
    place = "cpu" if recipe.network == "two-layer" and device == "auto" else choose_device(device)
    check_precision(precision, place)
    training = load_cifar10(data, BATCHES[:4] if hold_out else BATCHES[:5], partial=partial)
    test = load_cifar10(data, ("data_batch_5" if hold_out else "test_batch",), partial=partial)
    with Shown(quiet) as shown:
        for note in (*training.notes, *test.notes):
            shown.note(note)

        def report(progress: Progress) -> None:
            shown.update("images", progress.step * recipe.batch_size, progress.n_steps * recipe.batch_size)

        def epoch_done(row: dict[str, Any]) -> None:
            if not quiet:
                shown.note(describe(row))

        begun = time.monotonic()
        row = train(recipe, training, test, out, report, epoch_done, place, precision)
    asked = {"recipe": recipe.as_dict(), "hold_out": hold_out, "precision": precision, "partial": partial}
    write_manifest(
        out, "train", asked, seed=recipe.seed, data=data_facts(training.images, training.labels, training.notes),
        weights={"trained": weights_facts(out / WEIGHTS)}, device=place, seconds=time.monotonic() - begun,
        files=[name for name in (WEIGHTS, CARD, LOG, RECIPE, *PICTURES, OBSERVED, PREDICTED) if (out / name).is_file()],
    )  # fmt: skip
    typer.echo(f"{out / WEIGHTS}: {describe(row)}")


def describe(row: dict[str, Any]) -> str:
    """A row of the log in words."""
    return (
        f"epoch {row['epoch']}: loss {row['training_loss']:.4f}, right {row['training_accuracy']:.1%} in training and "
        f"{row['accuracy']:.2%} [{row['low']:.2%}, {row['high']:.2%}] of {row['n']:,} others, {row['seconds']:.0f} s"
    )
