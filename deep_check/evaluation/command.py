"""The command `evaluate`: what a defence is worth, with an attack that is tested first."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from deep_check.experiments.options import Data, Device, Folder, Partial, Quiet, Weights

NO_CONCLUSION = 1


def evaluate(
    out: Folder,
    data: Data = None,
    weights: Weights = None,
    defence: Annotated[str, typer.Option(help="lowpass:CUTOFF, with :square and :clip as options.")] = "lowpass:12",
    against: Annotated[
        str | None,
        typer.Option(help="Adversarially trained weights to compare with; default: the shipped ones; none: no such."),
    ] = None,
    transfer: Annotated[
        Path | None, typer.Option(help="Weights of another network, whose gradients an attacker without ours has.")
    ] = None,
    images: Annotated[int | None, typer.Option(help="The first so many test images; default: by the scale.")] = None,
    scale: Annotated[
        str, typer.Option(help="quick: 160 images, minutes; paper: all of them, hours on a CPU.")
    ] = "quick",
    radius: Annotated[str, typer.Option(help="Of the linf attacks, in units of images in [0, 1].")] = "8/255",
    step_size: Annotated[str, typer.Option(help="Of linf PGD.")] = "4/255",
    l2_radius: Annotated[str, typer.Option(help="Of the l2 attacks.")] = "0.5",
    l2_step_size: Annotated[str, typer.Option(help="Of l2 PGD.")] = "0.1",
    partial: Partial = False,
    seed: Annotated[int, typer.Option(help="Of all random numbers.")] = 0,
    device: Device = "auto",
    json_: Annotated[bool, typer.Option("--json", help="Print the summary as one JSON object.")] = False,
    quiet: Quiet = False,
) -> None:
    """What a filter before a network protects: attackers who know it and who do not, worst case of each image.

    The attack is tested first, on copies of it with a mistake. Exit code 1 where it is not good enough to conclude.
    """
    import time

    from deep_check.attacks import Attack
    from deep_check.data import find_data, read_test_images
    from deep_check.evaluation.conclusion import summarise
    from deep_check.evaluation.defence import in_words, parse_defence
    from deep_check.evaluation.measure import Evaluation, Networks
    from deep_check.evaluation.plan import SCALES, Settings, check_images
    from deep_check.evaluation.selftest import run_selftest
    from deep_check.experiments.manifest import code_of, data_facts, weights_facts, write_manifest
    from deep_check.experiments.options import size
    from deep_check.models import shipped, weights_or_shipped
    from deep_check.resnet import ResNet
    from theory_sim.errors import require
    from theory_sim.progress import Progress

    begun = time.monotonic()
    require(scale in SCALES, f"scale {scale!r}: allowed are {', '.join(SCALES)}")
    filter_, chosen = parse_defence(defence), SCALES[scale]
    sizes = {
        "linf": size("radius", radius, "linf", positive=True), "l2": size("l2-radius", l2_radius, "l2", positive=True),
    }  # fmt: skip
    steps = {
        "linf": size("step-size", step_size, "linf", positive=True),
        "l2": size("l2-step-size", l2_step_size, "l2", positive=True),
    }
    attacks = {norm: Attack(norm, sizes[norm], steps[norm]) for norm in sizes}
    files = {"normal": weights_or_shipped(weights, "normal")}
    if against is None and shipped("adversarial").is_file():
        files["adversarial"] = shipped("adversarial")
    elif against not in (None, "none"):
        files["adversarial"] = Path(str(against))
    if transfer is not None:
        files["transfer"] = transfer
    nets = {role: ResNet.from_file(file, device) for role, file in files.items()}
    x, y, notes = read_test_images(find_data(data), partial)
    check_images(images, len(y))
    x, y = x[: images or chosen.n], y[: images or chosen.n]
    settings = Settings(attacks, chosen, seed)
    facts = {role: weights_facts(file) for role, file in files.items()}
    identity: dict[str, Any] = {
        "weights": {role: fact["digest"] for role, fact in facts.items()},
        "images": data_facts(x, y, notes)["digest"],
        "defence": in_words(filter_),
        "device": nets["normal"].device,
        "code": code_of("evaluation.measure"),
    }
    networks = Networks(nets["normal"], filter_, nets.get("adversarial"), nets.get("transfer"))
    with Progress(quiet) as progress:
        for note in () if quiet else notes:
            progress.note(note)
        evaluation = Evaluation(
            networks, x, y, settings, out, identity,
            lambda done, total: progress.update("gradients of images", done, total),
        )  # fmt: skip
        if not quiet:
            progress.note("the attack is tested on itself")
        outcome = run_selftest(
            nets["normal"], filter_, x[: chosen.selftest], y[: chosen.selftest], attacks["linf"], seed
        )
        evaluation.run()
    radii = {"linf": radius, "l2": l2_radius}
    summary = summarise(evaluation.rows, radii, outcome)
    title = f"{files['normal'].name} behind a {in_words(filter_)}: {len(y):,} test images"
    written = _write(out, title, summary, outcome, evaluation.rows, radii, sizes)
    configuration = {
        "defence": defence, "scale": scale, "images": images, "radii": radii, "step_sizes": [step_size, l2_step_size],
        "partial": partial, "against": against,
    }  # fmt: skip
    write_manifest(
        out, "evaluate", configuration, seed=seed, data=data_facts(x, y, notes), weights=facts,
        device=nets["normal"].device, seconds=time.monotonic() - begun, files=written,
    )  # fmt: skip
    _print(summary, outcome, radii, out, written, json_)
    if not summary.sound:
        raise typer.Exit(NO_CONCLUSION)


def _write(
    out: Path, title: str, summary: Any, outcome: Any, rows: Any, radii: dict[str, str], sizes: dict[str, float]
) -> list[str]:
    """summary.json, .png, .pdf and .html, and the table's name with them."""
    import json

    from deep_check.evaluation.page import render
    from deep_check.evaluation.picture import draw
    from theory_sim.files import replacing
    from theory_sim.picture_style import save_figure
    from theory_sim.provenance import provenance

    known = provenance()
    footer = f"spectral-claims {known['version']}, commit {known['commit'][:12]}; {known['hardware']}"
    whole = draw(rows, summary, sizes, title)
    pairs = {norm: (draw(rows, summary, sizes, norms=[norm]), draw(rows, summary, sizes, dark=True, norms=[norm]))
             for norm in sizes}  # fmt: skip
    content = {
        "format": "deep_check evaluation", "version": 1, "title": title, **summary.as_dict(),
        "selftest": {"checks": [vars(check) for check in outcome.checks], "noticed": outcome.noticed},
    }  # fmt: skip
    targets = [out / f"summary{suffix}" for suffix in (".json", ".png", ".pdf", ".html")]
    with replacing(targets) as (numbers, picture, pdf, page):
        numbers.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        save_figure(whole, picture)
        save_figure(whole, pdf)
        page.write_text(render(title, summary, outcome, rows, radii, pairs, footer), encoding="utf-8")
    return ["evaluate.csv", *(target.name for target in targets)]


def _print(summary: Any, outcome: Any, radii: dict[str, str], out: Path, written: list[str], json_: bool) -> None:
    if json_:
        import json

        typer.echo(json.dumps(summary.as_dict(), ensure_ascii=False))
        return
    from deep_check.evaluation.conclusion import SYSTEMS

    for (norm, system), found in summary.cases.items():
        blind = f"blind {found['blind'].words}  " if "blind" in found else ""
        typer.echo(
            f"{norm} {radii[norm]}, {SYSTEMS[system]}:  clean {found['clean'].words}  {blind}"
            f"aware {found['aware'].words}  worst case {found['all'].words}"
        )
    noticed = sum(bool(by) for by in outcome.noticed.values())
    passed = sum(check.passed for check in (*outcome.checks, *summary.checks))
    total = len(outcome.checks) + len(summary.checks)
    typer.echo(
        f"checks of the attack: {passed} of {total} passed; mistakes noticed: {noticed} of {len(outcome.noticed)}"
    )
    typer.echo(f"{summary.verdict}.")
    for sentence in summary.sentences:
        typer.echo(f"- {sentence}")
    typer.echo(f"{out}: {', '.join(written)}")
