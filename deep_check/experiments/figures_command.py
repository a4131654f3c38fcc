"""The command `figures`: every experiment, its picture, its numbers, and its row in results.json."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deep_check.experiments.options import Data, Device, Folder, Partial, Quiet

if TYPE_CHECKING:
    from deep_check.experiments.results import Finding


def figures(
    out: Folder,
    data: Data = None,
    only: Annotated[str | None, typer.Option(help="Ids with commas, fig6,fig11; default: all.")] = None,
    scale: Annotated[str, typer.Option(help="quick: minutes on two cores; paper: the paper's numbers.")] = "quick",
    weights: Annotated[
        list[str] | None, typer.Option(help="ROLE=FILE: normal, mse, adversarial or two_layer; default: shipped ones.")
    ] = None,
    partial: Partial = False,
    seed: Annotated[int, typer.Option(help="Of images drawn and random starts.")] = 0,
    device: Device = "auto",
    quiet: Quiet = False,
) -> None:
    """The paper's figures on real networks and images: pictures, numbers, and a verdict on each in results.json.

    What is in results.json from the same images, weights, observations, scale, seed, device and code is not measured
    again; a folder with rows of other images, weights, scale or seed is refused.
    """
    import time
    from functools import partial as partial_

    from deep_check.checks import choose_device
    from deep_check.data import find_data
    from deep_check.experiments.context import Context, MissingError
    from deep_check.experiments.kept import Kept
    from deep_check.experiments.manifest import write_manifest
    from deep_check.experiments.registry import choose
    from deep_check.models import ROLES
    from theory_sim.errors import require
    from theory_sim.progress import Progress, duration

    begun = time.monotonic()
    chosen, files = choose(only), _by_role(weights or [])
    used = {role: None for experiment in chosen for role in experiment.needs}
    for role in files:
        require(role in used, f"--weights of {role}: allowed are those that {only} uses: {', '.join(used)}")
    missing: list[str] = []
    done: list[Finding] = []
    with Progress(quiet) as progress:
        context = Context(find_data(data), out, scale, choose_device(device), seed, partial, files, progress)
        for note in () if quiet else context.notes:
            progress.note(note)
        kept = Kept(context, {"scale": scale}, ROLES, used)
        for i, experiment in enumerate(chosen):
            started = time.monotonic()
            try:
                row = kept.find(experiment)
                if row is not None:
                    done.append(row)
                    typer.echo(f"{row.claim}: {row.verdict} (measured before). {row.conclusion}")
                    continue
                if not quiet:
                    progress.note(f"{experiment.id} ({i + 1} of {len(chosen)}): {experiment.title}")
                row = kept.measure(experiment, partial_(experiment.run, context))
            except MissingError as error:
                missing.append(f"{experiment.id}: {error}")
                typer.echo(f"{experiment.id}: skipped: {error}")
                continue
            done.append(row)
            seconds = duration(time.monotonic() - started)
            typer.echo(f"{row.claim}: {row.verdict} (n = {row.n:,}, {seconds}). {row.conclusion}")
    require(bool(done), f"nothing could be measured: {'; '.join(missing)}")
    configuration = {"only": only, "scale": scale, "weights": weights or [], "partial": partial, "data": context.data}
    write_manifest(
        out, "figures", configuration, seed=seed, data=context.data_facts, weights=kept.weights, device=context.device,
        seconds=time.monotonic() - begun, files=kept.files,
    )  # fmt: skip
    skipped = f", {len(missing)} skipped" if missing else ""
    typer.echo(f"{kept.path}: {len(done)} experiments{skipped}, {duration(time.monotonic() - begun)}")


def _by_role(texts: list[str]) -> dict[str, Path]:
    """ROLE=FILE, or a file alone for the normal network. Raises InputError on a role named twice."""
    from deep_check.models import ROLES
    from theory_sim.errors import require

    found: dict[str, Path] = {}
    for text in texts:
        role, equals, file = text.partition("=")
        role, file = (role, file) if equals else ("normal", text)
        require(role in ROLES, f"--weights {text}: allowed is ROLE=FILE with ROLE of {', '.join(ROLES)}")
        require(role not in found, f"--weights {text}: allowed is each role once")
        require(Path(file).is_file(), f"--weights {text}: no such weights file: {file}")
        found[role] = Path(file)
    return found
