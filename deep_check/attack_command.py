"""The command `attack`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from deep_check.experiments.options import Data, Device, Partial, Quiet, Weights


def attack(
    weights: Weights = None,
    data: Data = None,
    method: Annotated[
        str, typer.Option(help="pgd, fgsm (one linf step), fgm (one l2 step), square (needs no gradient) or noise.")
    ] = "pgd",
    norm: Annotated[str, typer.Option(help="Of pgd, square and noise: linf or l2.")] = "linf",
    radius: Annotated[str, typer.Option(help="In units of images in [0, 1]; fractions can be typed.")] = "8/255",
    step_size: Annotated[str, typer.Option(help="Of pgd.")] = "4/255",
    steps: Annotated[int, typer.Option(help="Of pgd.")] = 40,
    start: Annotated[str, typer.Option(help="Of pgd: random or zero.")] = "random",
    restarts: Annotated[int, typer.Option(help="Of pgd: the worst case of each image counts.")] = 1,
    loss: Annotated[
        str, typer.Option(help="Of pgd, fgsm, fgm: cross_entropy, mse, margin_mse or margin.")
    ] = "cross_entropy",
    target: Annotated[
        str | None, typer.Option(help="Class to be reached: its number, next (label + 1) or random.")
    ] = None,
    early_stop: Annotated[
        bool, typer.Option("--early-stop", help="Of pgd: leave an image at the first point that fools.")
    ] = False,
    queries: Annotated[int | None, typer.Option(help="Of square, default 5000; draws of noise, default 100.")] = None,
    share: Annotated[
        float | None, typer.Option(help="Of square: of the pixels in the first one; 0.8 suits robust networks.")
    ] = None,
    cutoff: Annotated[float | None, typer.Option(help="A low-pass filter before the network, known to all.")] = None,
    mask: Annotated[str, typer.Option(help="Of the filter: disc or square.")] = "disc",
    limit: Annotated[int | None, typer.Option(help="Only the first so many test images.")] = None,
    partial: Partial = False,
    seed: Annotated[int, typer.Option(help="Of random starts.")] = 0,
    out: Annotated[
        Path | None, typer.Option(help="Write images, labels, losses, fooled to this .npz file, a manifest beside.")
    ] = None,
    device: Device = "auto",
    json_: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    quiet: Quiet = False,
) -> None:
    """Accuracy under an attack, with its 95 % interval; defaults are the paper's PGD."""
    import time

    from deep_check.attacks import METHODS, count_right, named_attack, run_attack, target_labels
    from deep_check.data import find_data, read_test_images
    from deep_check.experiments.options import number
    from deep_check.filtering import Filtered, LowPass, Target
    from deep_check.models import weights_or_shipped
    from deep_check.noise import Noise, run_noise
    from deep_check.resnet import ResNet
    from deep_check.square import Square, run_square
    from theory_sim.errors import require
    from theory_sim.files import check_target
    from theory_sim.intervals import wilson
    from theory_sim.progress import Progress

    if out is not None:
        check_target("--out", out, (".npz",))
    allowed = (*METHODS, "square", "noise")
    require(method in allowed, f"method {method!r}: allowed are {', '.join(allowed)}")
    require(target is None or method in METHODS, f"target {target!r} of {method}: allowed is none")
    require(not early_stop or method == "pgd", f"early stop of {method}: allowed is that of pgd")
    require(queries is None or method in ("square", "noise"), f"queries {queries} of {method}: allowed is none")
    require(share is None or method == "square", f"share {share} of {method}: allowed is none")
    run: Any
    chosen: Any
    size = number("radius", radius)
    if method == "square":
        run, chosen = run_square, Square(norm, size, 5000 if queries is None else queries, share, seed)
    elif method == "noise":
        run, chosen = run_noise, Noise(norm, size, 100 if queries is None else queries, seed)
    else:
        changes: dict[str, Any] = {"radius": size, "loss": loss, "seed": seed, "targeted": target is not None}
        if method == "pgd":
            changes |= {"step_size": number("step-size", step_size), "norm": norm, "steps": steps, "start": start,
                        "restarts": restarts, "early_stop": early_stop}  # fmt: skip
        run, chosen = run_attack, named_attack(method, **changes)
    filter_ = None if cutoff is None else LowPass(cutoff, mask)
    begun, file = time.monotonic(), weights_or_shipped(weights, "normal")
    net = ResNet.from_file(file, device)
    attacked: Target = net if filter_ is None else Filtered(net, filter_)
    images, labels, notes = read_test_images(find_data(data), partial, limit)
    aims = labels
    if target is not None:
        aims = target_labels(target, labels, net.architecture.n_classes, seed)
        left_out = int((aims < 0).sum())
        require(left_out < len(aims), f"target {target}: all images are of this class already")
        images, labels, aims = images[aims >= 0], labels[aims >= 0], aims[aims >= 0]
        notes = (*notes, f"{left_out} images are of class {target}, and left out") if left_out else notes
    with Progress(quiet) as progress:
        for note in () if quiet else notes:
            progress.note(note)
        what = {"square": "queries", "noise": "draws"}.get(method, "gradients")
        found = run(attacked, images, aims, chosen, lambda done, all_: progress.update(what, done, all_))
    n = len(images)
    counts = {"clean": count_right(attacked, images, labels), "attacked": count_right(attacked, found.images, labels)}
    if target is not None:
        counts["reached"] = int(found.fooled.sum())
    if out is not None:
        arrays = {"images": found.images, "labels": labels, "losses": found.losses, "fooled": found.fooled}
        _write(out, arrays if target is None else {**arrays, "targets": aims})
    intervals = {name: wilson(count, n) for name, count in counts.items()}
    result: dict[str, Any] = {"n": n, "cutoff": cutoff, "method": method, "target": target, "attack": vars(chosen)}
    for name, (low, high) in intervals.items():
        result[name] = {"accuracy" if name != "reached" else "share": counts[name] / n, "low": low, "high": high}
    if out is not None:
        from deep_check.experiments.manifest import data_facts, weights_facts, write_manifest

        write_manifest(
            out.parent, "attack", {**result, "mask": mask, "limit": limit, "partial": partial}, seed=seed,
            data=data_facts(images, labels, notes), weights={"normal": weights_facts(file)}, device=net.device,
            seconds=time.monotonic() - begun, files=[out.name], name=out.stem,
        )  # fmt: skip
    if json_:
        import json

        typer.echo(json.dumps(result))
        return
    for name, (low, high) in intervals.items():
        typer.echo(f"{name:8}  {counts[name] / n:.2%} [{low:.2%}, {high:.2%}] of {n:,} test images")


def _write(path: Path, arrays: dict[str, Any]) -> None:
    import numpy as np

    from theory_sim.files import replacing

    with replacing([path]) as (fresh,), fresh.open("wb") as file:
        np.savez_compressed(file, **arrays)
