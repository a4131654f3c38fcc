"""The command `filter`: Fig. 6 of the paper, and beside it the attacker who knows the filter."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from deep_check.experiments.options import Data, Device, Folder, Partial, Quiet, Weights


def filter_(
    out: Folder,
    data: Data = None,
    weights: Weights = None,
    cutoffs: Annotated[str, typer.Option(help="first:last, or a list 4,8,12.")] = "1:22",
    attacker: Annotated[str, typer.Option(help="blind, aware or both.")] = "both",
    norms: Annotated[str, typer.Option(help="linf, l2, or both with a comma.")] = "linf",
    masks: Annotated[str, typer.Option(help="disc, square, or both with a comma.")] = "disc",
    radius: Annotated[str, typer.Option(help="Of the linf attack, in units of images in [0, 1].")] = "8/255",
    step_size: Annotated[str, typer.Option(help="Of the linf attack.")] = "4/255",
    l2_radius: Annotated[str, typer.Option(help="Of the l2 attack.")] = "0.5",
    l2_step_size: Annotated[str, typer.Option(help="Of the l2 attack.")] = "0.1",
    steps: Annotated[int, typer.Option(help="Of every attack.")] = 40,
    restarts: Annotated[int, typer.Option(help="Random starts; the worst case of each image counts.")] = 1,
    clip: Annotated[bool, typer.Option("--clip", help="Clip filtered images to [0, 1].")] = False,
    limit: Annotated[int | None, typer.Option(help="Only the first so many test images.")] = None,
    partial: Partial = False,
    seed: Annotated[int, typer.Option(help="Of random starts.")] = 0,
    device: Device = "auto",
    quiet: Quiet = False,
) -> None:
    """Accuracy against the cut-off of a low-pass filter: clean, attacked blindly, and by who knows it (Fig. 6)."""
    import time
    from dataclasses import asdict

    from deep_check.attacks import Attack
    from deep_check.data import find_data, read_test_images
    from deep_check.experiments.fig6 import ATTACKERS, Settings, identity, measure
    from deep_check.experiments.fig6_picture import draw, panels_of
    from deep_check.experiments.manifest import data_facts, weights_facts, write_manifest
    from deep_check.experiments.options import numbers, size, words
    from deep_check.filtering import LARGEST_CUTOFF
    from deep_check.models import weights_or_shipped
    from deep_check.resnet import ResNet
    from theory_sim.errors import require
    from theory_sim.files import replacing
    from theory_sim.picture_style import save_figure
    from theory_sim.progress import Progress

    require(attacker in (*ATTACKERS, "both"), f"attacker {attacker!r}: allowed are blind, aware, both")
    common: dict[str, Any] = {"steps": steps, "restarts": restarts, "seed": seed}
    known = {
        norm: Attack(norm, size(option, own, norm), size(step_option, step, norm, positive=True), **common)
        for norm, option, own, step_option, step in (
            ("linf", "radius", radius, "step-size", step_size),
            ("l2", "l2-radius", l2_radius, "l2-step-size", l2_step_size),
        )
    }
    settings = Settings(
        numbers("cutoffs", cutoffs, LARGEST_CUTOFF),
        {norm: known[norm] for norm in words("norms", norms, tuple(known))},
        ATTACKERS if attacker == "both" else (attacker,),
        words("masks", masks, ("disc", "square")),
        clip,
    )
    begun = time.monotonic()
    file = weights_or_shipped(weights, "normal")
    net = ResNet.from_file(file, device)
    images, labels, notes = read_test_images(find_data(data), partial, limit)
    with Progress(quiet) as progress:
        for note in () if quiet else notes:
            progress.note(note)
        rows = measure(
            net, images, labels, settings, out, identity(net, images, labels),
            lambda done, total: progress.update("gradients of images", done, total),
        )  # fmt: skip
    radii = {"linf": radius, "l2": l2_radius}
    title = f"{file.name} on {len(images):,} test images, {steps} steps, {restarts} start{'s' * (restarts > 1)}"
    figure = draw(panels_of(rows, {norm: radii[norm] for norm in settings.attacks}), title)
    targets = [out / "fig6.png", out / "fig6.pdf"]
    with replacing(targets) as fresh:
        for path in fresh:
            save_figure(figure, path)
    write_manifest(
        out, "filter", {**asdict(settings), "weights": file, "data": data, "limit": limit, "partial": partial},
        seed=seed, data=data_facts(images, labels, notes), weights={"normal": weights_facts(file)}, device=net.device,
        seconds=time.monotonic() - begun, files=["fig6.csv", *(path.name for path in targets)],
    )  # fmt: skip
    for row in rows:
        if row["cutoff"] in ("", "12"):
            share, low, high = (float(row[name]) for name in ("accuracy", "low", "high"))
            typer.echo(
                f"cut-off {row['cutoff'] or 'none':>4}  attacker {row['attacker']:5}  {row['norm'] or '-':4}  "
                f"{row['mask'] or '-':6}  {share:.1%} [{low:.1%}, {high:.1%}]"
            )
    typer.echo(f"{out / 'fig6.csv'}, {targets[0].name}, {targets[1].name}")
