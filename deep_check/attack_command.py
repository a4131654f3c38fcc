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
        Path | None,
        typer.Option(
            help="Write images, labels, losses, fooled to this .npz file, a picture and a manifest beside; "
            "the same command goes on where it was interrupted."
        ),
    ] = None,
    device: Device = "auto",
    json_: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    quiet: Quiet = False,
) -> None:
    """Accuracy under an attack, with its 95 % interval; defaults are the paper's PGD."""
    import time

    import numpy as np

    from deep_check.attack_parts import part_size, remove_parts, run_in_parts
    from deep_check.attacks import METHODS, NORM_NAMES, named_attack, run_attack, target_labels
    from deep_check.data import find_data, read_test_images
    from deep_check.experiments.options import size
    from deep_check.experiments.perturbations import Perturbed, classes
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
        check_target("--out", out, (".npz",), make=True)
    allowed = (*METHODS, "square", "noise")
    require(method in allowed, f"method {method!r}: allowed are {', '.join(allowed)}")
    require(target is None or method in METHODS, f"target {target!r} of {method}: allowed is none")
    require(not early_stop or method == "pgd", f"early stop of {method}: allowed is that of pgd")
    require(queries is None or method in ("square", "noise"), f"queries {queries} of {method}: allowed is none")
    require(share is None or method == "square", f"share {share} of {method}: allowed is none")
    run: Any
    chosen: Any
    norm = {"fgsm": "linf", "fgm": "l2"}.get(method, norm)
    reach = size("radius", radius, norm)
    if method == "square":
        run, chosen = run_square, Square(norm, reach, 5000 if queries is None else queries, share, seed)
    elif method == "noise":
        run, chosen = run_noise, Noise(norm, reach, 100 if queries is None else queries, seed)
    else:
        changes: dict[str, Any] = {"radius": reach, "loss": loss, "seed": seed, "targeted": target is not None}
        if method == "pgd":
            step = size("step-size", step_size, norm, positive=True)
            changes |= {"step_size": step, "norm": norm, "steps": steps, "start": start, "restarts": restarts,
                        "early_stop": early_stop}  # fmt: skip
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
        parts = None if out is None else out.with_suffix(".parts")
        asked = {"method": method, "settings": vars(chosen), "target": target, "filter": filter_ and vars(filter_)}
        found = run_in_parts(
            run, attacked, images, aims, chosen, part_size(net.device), parts,
            {} if out is None else {**asked, **_identity(file, images, labels, aims, net.device)},
            lambda done, all_: progress.update(what, done, all_),
        )  # fmt: skip
    n = len(images)
    seen = Perturbed(images, labels, found.images, classes(attacked, images), classes(attacked, found.images))
    counts = {"clean": int((seen.before == labels).sum()), "attacked": int((seen.after == labels).sum())}
    if target is not None:
        counts["reached"] = int(found.fooled.sum())
    intervals = {name: wilson(count, n) for name, count in counts.items()}
    result: dict[str, Any] = {"n": n, "cutoff": cutoff, "method": method, "target": target, "attack": vars(chosen)}
    for name, (low, high) in intervals.items():
        result[name] = {"accuracy" if name != "reached" else "share": counts[name] / n, "low": low, "high": high}
    if out is not None and parts is not None:
        from deep_check.attack_picture import draw
        from deep_check.experiments.manifest import data_facts, weights_facts, write_manifest

        shares = ", ".join(f"{name} {counts[name] / n:.1%} [{low:.1%}, {high:.1%}]"
                           for name, (low, high) in intervals.items())  # fmt: skip
        words = getattr(chosen, "loss", "margin").replace("_", " ")
        title = (
            f"{file.name}{'' if filter_ is None else f' behind a filter of cut-off {cutoff:g}'}, {n:,} test images\n"
            f"{method}, {NORM_NAMES[norm]} radius {radius}: {shares}\n"
            f"{words} loss after it: median {np.median(found.losses):.3g}, "
            f"{found.losses.min():.3g} ... {found.losses.max():.3g}"
        )
        arrays = {"images": found.images, "labels": labels, "losses": found.losses, "fooled": found.fooled}
        arrays |= {} if target is None else {"targets": aims}
        written = _write(out, arrays, draw(seen, found.losses, reach, title))
        write_manifest(
            out.parent, "attack", {**result, "mask": mask, "limit": limit, "partial": partial}, seed=seed,
            data=data_facts(images, labels, notes), weights={"normal": weights_facts(file)}, device=net.device,
            seconds=time.monotonic() - begun, files=written, name=out.stem,
        )  # fmt: skip
        remove_parts(parts)
    if json_:
        import json

        typer.echo(json.dumps(result))
        return
    for name, (low, high) in intervals.items():
        typer.echo(f"{name:8}  {counts[name] / n:.2%} [{low:.2%}, {high:.2%}] of {n:,} test images")


def _identity(file: Path, images: Any, labels: Any, aims: Any, device: str) -> dict[str, str]:
    """Of what is attacked, where, and by which code: parts of other images or weights are not taken for one's own."""
    from deep_check.data import digest
    from deep_check.experiments.manifest import code_of, weights_facts

    return {
        "weights": weights_facts(file)["digest"], "images": digest({"images": images, "labels": labels, "aims": aims}),
        "device": device, "code": code_of("attack_parts"),
    }  # fmt: skip


def _write(path: Path, arrays: dict[str, Any], figure: Any) -> list[str]:
    """The arrays and the picture, all or none; the files' names."""
    import numpy as np

    from theory_sim.files import replacing
    from theory_sim.picture_style import save_figure

    path.parent.mkdir(parents=True, exist_ok=True)
    targets = [path, path.with_suffix(".png"), path.with_suffix(".pdf")]
    with replacing(targets) as (fresh, *pictures):
        with fresh.open("wb") as file:
            np.savez_compressed(file, **arrays)
        for picture in pictures:
            save_figure(figure, picture)
    return [target.name for target in targets]
