"""The command `classify`: labels and confidence of images; with labels known, accuracy and its interval."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from deep_check.pictures import Pictures
    from deep_check.resnet import ResNet


def classify(
    images: Annotated[
        list[Path],
        typer.Argument(
            help="Image files, folders of them, .npy arrays; or CIFAR-10, folder or archive (its test set)."
        ),
    ],
    weights: Annotated[Path, typer.Option(help="Weights of a CIFAR ResNet: .safetensors or .npz.")],
    normalisation: Annotated[
        str | None,
        typer.Option(help="imagenet, cifar10 or none; default: what the weights' file says, or else imagenet."),
    ] = None,
    top: Annotated[int, typer.Option(help="How many labels an image.")] = 1,
    resize: Annotated[
        bool, typer.Option("--resize", help="Cut other sizes to a square, and scale it to 32x32.")
    ] = False,
    partial: Annotated[
        bool, typer.Option("--partial", help="Take a test batch of CIFAR-10 that is not whole.")
    ] = False,
    batch: Annotated[int, typer.Option(help="Images in memory at once.")] = 256,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda; auto: cuda where CuPy finds a GPU.")] = "auto",
    json_: Annotated[bool, typer.Option("--json", help="Print one JSON object, all images in it.")] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", help="Print labels only, or of CIFAR-10 the accuracy; no notes.")
    ] = False,
) -> None:
    """Labels of images, with the network's confidence; for CIFAR-10 accuracy with its 95 % interval."""
    from deep_check.checks import choose_device
    from theory_sim.errors import require
    from theory_sim.progress import Progress

    require(batch >= 1, f"batch {batch}: allowed is >= 1")
    chosen = choose_device(device)
    net, notes = _network(weights, chosen, normalisation)
    n_classes = net.architecture.n_classes
    require(1 <= top <= n_classes, f"top {top}: allowed are 1 ... {n_classes}")

    from deep_check.pictures import find_pictures

    pictures = find_pictures(images, net.architecture.size, resize, partial)
    require(pictures.labels is None or n_classes == 10, f"weights {weights} know {n_classes} classes: CIFAR-10 has 10")
    with Progress(quiet) as progress:
        for note in () if quiet else (*notes, *pictures.notes):
            progress.note(note)
        shares = _shares(net, pictures, batch, progress)
    result = _result(net, pictures, shares, top)
    result = {"weights": str(weights), "device": chosen, **result}
    if json_:
        import json

        typer.echo(json.dumps(result, ensure_ascii=False, allow_nan=False))
    elif quiet:
        _print_quietly(result)
    else:
        _print(result, shares, pictures)


def _network(weights: Path, device: str, normalisation: str | None) -> tuple[ResNet, list[str]]:
    """With its weights, and what the user should know of them."""
    from deep_check.normalisation import DEFAULT, NORMALISATIONS
    from deep_check.resnet import ResNet
    from theory_sim.errors import require

    known = ", ".join(NORMALISATIONS)
    require(
        normalisation is None or normalisation in NORMALISATIONS,
        f"normalisation {normalisation!r}: allowed are {known}",
    )
    given = NORMALISATIONS[normalisation] if normalisation else (None, None)
    net = ResNet.from_file(weights, device, *given)
    notes = list(net.notes)
    if normalisation is None and not {"mean", "std"} <= set(net.facts):
        notes.append(f"the weights do not say how images are normalised; taken is {DEFAULT} (--normalisation {known})")
    return net, notes


def _shares(net: ResNet, pictures: Pictures, batch: int, progress: Any) -> NDArray[np.float64]:
    """Softmax of the logits, (n, n_classes)."""
    import numpy as np

    from theory_sim.errors import InputError

    n = len(pictures.names)
    shares = np.empty((n, net.architecture.n_classes))
    progress.update("images", 0, n)
    for own, images in pictures.batches(batch):
        logits = net(images).astype(float)
        if not np.isfinite(logits).all():
            first = own.start + int(np.argwhere(~np.isfinite(logits))[0, 0])
            raise InputError(
                f"{pictures.names[first]}: its logits overflow with these weights; allowed are finite ones"
            )
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        shares[own] = powers / powers.sum(axis=1, keepdims=True)
        progress.update("images", own.stop, n)
    return shares


def _result(net: ResNet, pictures: Pictures, shares: NDArray[np.float64], top: int) -> dict[str, Any]:
    import numpy as np

    from deep_check.weights import describe
    from theory_sim.inputs.cifar10 import CLASSES
    from theory_sim.intervals import wilson

    words = CLASSES if shares.shape[1] == len(CLASSES) else [f"class {i}" for i in range(shares.shape[1])]
    order = np.argsort(-shares, axis=1, kind="stable")[:, :top]
    rows = []
    for i, name in enumerate(pictures.names):
        best = [{"label": words[c], "confidence": float(shares[i, c])} for c in order[i]]
        rows.append({"image": name, **best[0], "top": best})
    result: dict[str, Any] = {
        "network": describe(net.architecture),
        "mean": net.mean.tolist(),
        "std": net.std.tolist(),
        "n": len(rows),
    }
    if pictures.labels is not None:
        good = order[:, 0] == pictures.labels
        low, high = wilson(int(good.sum()), len(good))
        result["accuracy"] = {"correct": int(good.sum()), "share": float(good.mean()), "low": low, "high": high}
        for row, label, right in zip(rows, pictures.labels, good, strict=True):
            row |= {"true_label": words[label], "correct": bool(right)}
    return {**result, "images": rows}


def _accuracy(result: dict[str, Any]) -> str:
    found = result["accuracy"]
    low, high = 100 * found["low"], 100 * found["high"]
    return (
        f"{100 * found['share']:.2f} % [{low:.2f}, {high:.2f}] of {result['n']:,} images ({found['correct']:,} correct)"
    )


def _print_quietly(result: dict[str, Any]) -> None:
    if "accuracy" in result:
        typer.echo(_accuracy(result))
        return
    for row in result["images"]:
        typer.echo(", ".join(one["label"] for one in row["top"]))


def _print(result: dict[str, Any], shares: NDArray[np.float64], pictures: Pictures) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from theory_sim.terminal import console

    out = console()
    table = Table(box=box.SIMPLE_HEAD, show_edge=False)
    if pictures.labels is None:
        names = ["image", "label", "confidence"] + (["then"] if len(result["images"][0]["top"]) > 1 else [])
        for name in names:
            table.add_column(name, justify="right" if name == "confidence" else "left", overflow="fold")
        for row in result["images"]:
            others = ", ".join(f"{one['label']} {_percent(one['confidence'])}" for one in row["top"][1:])
            cells = [Text(row["image"]), Text(row["label"]), Text(_percent(row["confidence"])), Text(others)]
            table.add_row(*cells[: len(names)])
        out.print(table)
        return
    for name, justify in (
        ("class", "left"),
        ("images", "right"),
        ("correct", "right"),
        ("most often taken for", "left"),
    ):
        table.add_column(name, justify=justify, overflow="fold")  # type: ignore[arg-type]
    for name, n, share, rival in _by_class(shares.argmax(axis=1), pictures.labels):
        table.add_row(name, f"{n:,}", f"{100 * share:.1f} %", rival)
    out.print(table)
    typer.echo(f"\n{result['network']}: {_accuracy(result)}, 95 % interval")


def _percent(share: float) -> str:
    """Never a 0 or a 100 that was rounded."""
    text = f"{100 * share:.2f}"
    if text == "100.00" and share < 1:
        text = ">99.99"
    return f"{'<0.01' if text == '0.00' and share > 0 else text} %"


def _by_class(found: NDArray[Any], labels: NDArray[Any]) -> list[tuple[str, int, float, str]]:
    """Class, images of it, share found, and the label that the others got most often."""
    import numpy as np

    from theory_sim.inputs.cifar10 import CLASSES

    rows = []
    for label, name in enumerate(CLASSES):
        own = found[labels == label]
        if own.size:
            wrong = np.bincount(own[own != label], minlength=len(CLASSES))
            rival = f"{CLASSES[int(wrong.argmax())]} ({int(wrong.max())})" if wrong.any() else ""
            rows.append((name, int(own.size), float((own == label).mean()), rival))
    return rows
