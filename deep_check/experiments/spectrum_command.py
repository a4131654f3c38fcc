"""The command `spectrum`: Figs. 1, 3, 4 and 5 for given weights, Figs. 7 to 10 if they were trained with MSE loss."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deep_check.experiments.options import Data, Device, Folder, Partial, Quiet, Weights

if TYPE_CHECKING:
    from deep_check.experiments.context import Context
    from deep_check.experiments.perturbations import Settings
    from deep_check.experiments.results import Finding

FIGURES = {"normal": "fig1,fig3,fig4,fig5", "mse": "fig7,fig8,fig9,fig10"}
LOSSES = {"normal": "cross_entropy", "mse": "mse"}


def spectrum(
    weights: Weights = None,
    data: Data = None,
    out: Folder = Path("spectrum"),
    trained: Annotated[
        str, typer.Option(help="normal: Figs. 1, 3-5; mse: Figs. 7-10; auto: as the weights' file says.")
    ] = "auto",
    images: Annotated[int, typer.Option(help="Random test images.")] = 1000,
    norm: Annotated[str, typer.Option(help="Of the attack: linf, sign steps; l2, normalised steps.")] = "linf",
    radius: Annotated[str, typer.Option(help="In units of images in [0, 1]; fractions can be typed.")] = "8/255",
    step_size: Annotated[str, typer.Option(help="Of the attack.")] = "4/255",
    steps: Annotated[int, typer.Option(help="Of every attack; all are taken.")] = 40,
    start: Annotated[str, typer.Option(help="random or zero.")] = "random",
    loss: Annotated[
        str | None, typer.Option(help="cross_entropy, mse, margin_mse or margin; default: what was trained with.")
    ] = None,
    cutoff: Annotated[float, typer.Option(help="Up to where frequencies are low, cycles per image.")] = 8.0,
    mask: Annotated[str, typer.Option(help="Of low frequencies: disc or square.")] = "disc",
    effects: Annotated[
        bool, typer.Option(help="Say what other choices give: norm, cut-off, mask, start, steps, loss.")
    ] = True,
    partial: Partial = False,
    seed: Annotated[int, typer.Option(help="Of images drawn and random starts.")] = 0,
    device: Device = "auto",
    quiet: Quiet = False,
) -> None:
    """Where perturbations lie in the spectrum: |F(δ)| and the log-spectrum difference, with verdicts (Figs. 1, 3-5)."""
    import time
    from dataclasses import asdict, replace
    from functools import partial as partial_

    from deep_check.attacks import L2_BESIDE, NORMS, Attack
    from deep_check.checks import choose_device
    from deep_check.data import find_data
    from deep_check.experiments.context import Context, MissingError
    from deep_check.experiments.kept import Kept
    from deep_check.experiments.manifest import write_manifest
    from deep_check.experiments.options import size
    from deep_check.experiments.perturbations import Settings
    from deep_check.experiments.registry import choose
    from deep_check.models import weights_or_shipped
    from theory_sim.errors import require
    from theory_sim.progress import Progress, duration

    begun = time.monotonic()
    require(norm in NORMS, f"norm {norm!r}: allowed are {', '.join(NORMS)}")
    require(trained in ("auto", *FIGURES), f"--trained {trained!r}: allowed are auto, {', '.join(FIGURES)}")
    role = trained if trained != "auto" else _role(weights)
    file = weights_or_shipped(weights, role)
    known: Any = mask
    common: dict[str, Any] = {
        "steps": steps, "start": start, "seed": seed, "loss": loss or LOSSES[role]
    }  # fmt: skip
    beside = replace(L2_BESIDE, **common) if norm == "linf" else Attack("linf", **common)
    attack = Attack(norm, size("radius", radius, norm), size("step-size", step_size, norm, positive=True), **common)
    settings = Settings(images, attack, beside, cutoff, known, effects)
    done, missing = [], []
    with Progress(quiet) as progress:
        context = Context(
            find_data(data), out, "paper", choose_device(device), seed, partial, {role: file}, progress
        )  # fmt: skip
        there = len(context.labels)
        require(images <= there, f"images {images:,}: allowed is 2 ... {there:,}, the test images that are there")
        for note in () if quiet else context.notes:
            progress.note(note)
        kept = Kept(context, {"settings": asdict(settings)}, (role,))
        for experiment in choose(FIGURES[role]):
            try:
                run = partial_(_run, experiment.module, context, settings, LOSSES[role])
                done.append(kept.find(experiment) or kept.measure(experiment, run))
            except MissingError as error:
                missing.append(f"{experiment.id}: skipped: {error}")
    for row in done:
        typer.echo(f"{row.claim}: {row.verdict} (n = {row.n:,}). {row.conclusion}")
    for line in missing:
        typer.echo(line)
    configuration = {"trained": role, "weights": file, "data": context.data, "partial": partial}
    write_manifest(
        out, "spectrum", {**asdict(settings), **configuration},
        seed=seed, data=context.data_facts, weights=kept.weights or context.weights_facts([role]),
        device=context.device, seconds=time.monotonic() - begun, files=kept.files,
    )  # fmt: skip
    typer.echo(f"{kept.path}: {', '.join(row.claim for row in done)}, {duration(time.monotonic() - begun)}")


def _run(module: str, context: Context, settings: Settings, loss: str) -> Finding:
    """Of a figure's module, with what was tested as it is true of these settings."""
    from dataclasses import replace
    from importlib import import_module

    row: Finding = import_module(module).run(context, settings)
    return replace(row, tested=settings.said_of(row.tested, loss))


def _role(weights: Path | None) -> str:
    """Of a file that says by which loss it was trained; normal if it does not."""
    from deep_check.weights import load_weights

    if weights is None:
        return "normal"
    recipe = load_weights(weights).facts.get("recipe")
    return "mse" if isinstance(recipe, dict) and recipe.get("loss") == "mse" else "normal"
