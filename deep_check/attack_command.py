"""The command `attack`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer


def attack(
    weights: Annotated[Path, typer.Option(help="Weights of a CIFAR ResNet: .safetensors or .npz.")],
    data: Annotated[
        Path | None, typer.Option(help="CIFAR-10: the official folder or archive; default: what `fetch` has fetched.")
    ] = None,
    method: Annotated[str, typer.Option(help="pgd, fgsm (one linf step) or fgm (one l2 step).")] = "pgd",
    norm: Annotated[str, typer.Option(help="Of pgd: linf, sign steps; l2, normalised steps.")] = "linf",
    radius: Annotated[str, typer.Option(help="In units of images in [0, 1]; fractions can be typed.")] = "8/255",
    step_size: Annotated[str, typer.Option(help="Of pgd.")] = "4/255",
    steps: Annotated[int, typer.Option(help="Of pgd.")] = 40,
    start: Annotated[str, typer.Option(help="Of pgd: random or zero.")] = "random",
    restarts: Annotated[int, typer.Option(help="Of pgd: the worst case of each image counts.")] = 1,
    loss: Annotated[str, typer.Option(help="cross_entropy, mse, margin_mse or margin.")] = "cross_entropy",
    cutoff: Annotated[float | None, typer.Option(help="A low-pass filter before the network, known to all.")] = None,
    mask: Annotated[str, typer.Option(help="Of the filter: disc or square.")] = "disc",
    limit: Annotated[int | None, typer.Option(help="Only the first so many test images.")] = None,
    partial: Annotated[bool, typer.Option("--partial", help="Take a test batch that is not whole.")] = False,
    seed: Annotated[int, typer.Option(help="Of random starts.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Write images, labels, losses, fooled to this .npz file.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    json_: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress.")] = False,
) -> None:
    """Accuracy under an attack, with its 95 % interval; defaults are the paper's PGD."""
    from deep_check.attacks import count_right, named_attack, run_attack
    from deep_check.data import find_data, read_test_images
    from deep_check.experiments.options import number
    from deep_check.filtering import Filtered, LowPass, Target
    from deep_check.resnet import ResNet
    from theory_sim.files import check_target
    from theory_sim.intervals import wilson
    from theory_sim.progress import Progress

    if out is not None:
        check_target("--out", out, (".npz",))
    changes: dict[str, Any] = {"radius": number("radius", radius), "loss": loss, "seed": seed}
    if method == "pgd":
        changes |= {"step_size": number("step-size", step_size), "norm": norm, "steps": steps, "start": start,
                    "restarts": restarts}  # fmt: skip
    chosen = named_attack(method, **changes)
    filter_ = None if cutoff is None else LowPass(cutoff, mask)
    net = ResNet.from_file(weights, device)
    target: Target = net if filter_ is None else Filtered(net, filter_)
    images, labels, notes = read_test_images(find_data(data), partial, limit)
    clean = count_right(target, images, labels)
    with Progress(quiet) as progress:
        for note in () if quiet else notes:
            progress.note(note)
        found = run_attack(target, images, labels, chosen, lambda done, all_: progress.update("gradients", done, all_))
    n, stood = len(images), int((~found.fooled).sum())
    if out is not None:
        _write(out, {"images": found.images, "labels": labels, "losses": found.losses, "fooled": found.fooled})
    result = {"n": n, "cutoff": cutoff, "attack": vars(chosen)}
    for name, count in (("clean", clean), ("attacked", stood)):
        low, high = wilson(count, n)
        result[name] = {"accuracy": count / n, "low": low, "high": high}
    if json_:
        import json

        typer.echo(json.dumps(result))
        return
    for name, count in (("clean", clean), ("attacked", stood)):
        low, high = wilson(count, n)
        typer.echo(f"{name:8}  {count / n:.2%} [{low:.2%}, {high:.2%}] of {n:,} test images")


def _write(path: Path, arrays: dict[str, Any]) -> None:
    import numpy as np

    from theory_sim.files import replacing

    with replacing([path]) as (fresh,), fresh.open("wb") as file:
        np.savez_compressed(file, **arrays)
