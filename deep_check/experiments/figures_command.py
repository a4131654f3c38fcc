"""The command `figures`: every experiment, its picture, its numbers, and its row in results.json."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deep_check.experiments.options import Data, Device, Folder, Partial, Quiet

if TYPE_CHECKING:
    from deep_check.experiments.context import Context
    from deep_check.experiments.registry import Experiment
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

    What is in results.json from the same images, weights, scale, seed, device and code is not measured again; a folder
    with rows of other images, weights, scale or seed is refused.
    """
    import time

    from deep_check.checks import choose_device
    from deep_check.data import find_data
    from deep_check.experiments.context import Context, MissingError
    from deep_check.experiments.manifest import write_manifest
    from deep_check.experiments.registry import choose
    from deep_check.experiments.results import read_results, write_results
    from theory_sim.errors import require
    from theory_sim.progress import Progress, duration

    begun = time.monotonic()
    chosen, files = choose(only), _by_role(weights or [])
    results = out / "results.json"
    there = {row.claim: row for row in read_results(results)} if results.exists() else {}
    missing: list[str] = []
    done: list[Finding] = []
    with Progress(quiet) as progress:
        context = Context(find_data(data), out, scale, choose_device(device), seed, partial, files, progress)
        for note in () if quiet else context.notes:
            progress.note(note)
        for row in there.values():
            _require_same(row, context, results)
        out.mkdir(parents=True, exist_ok=True)
        for i, experiment in enumerate(chosen):
            try:
                identity = _identity(context, experiment)
                kept = there.get(experiment.id)
                if kept is not None and kept.identity == identity and all((out / p).is_file() for p in kept.pictures):
                    done.append(kept)
                    typer.echo(f"{kept.claim}: {kept.verdict} (measured before). {kept.conclusion}")
                    continue
                if not quiet:
                    progress.note(f"{experiment.id} ({i + 1} of {len(chosen)}): {experiment.title}")
                started = time.monotonic()
                row = _complete(experiment.run(context), context, experiment, identity, time.monotonic() - started)
            except MissingError as error:
                missing.append(f"{experiment.id}: {error}")
                typer.echo(f"{experiment.id}: skipped: {error}")
                continue
            write_results(results, [row])
            done.append(row)
            seconds = duration(time.monotonic() - started)
            typer.echo(f"{row.claim}: {row.verdict} (n = {row.n:,}, {seconds}). {row.conclusion}")
    require(bool(done), f"nothing could be measured: {'; '.join(missing)}")
    configuration = {"only": only, "scale": scale, "weights": weights or [], "partial": partial, "data": context.data}
    used = {role for experiment in chosen for role in experiment.needs if context.has(role)}
    write_manifest(
        out, "figures", configuration, seed=seed, data=context.data_facts, weights=context.weights_facts(sorted(used)),
        device=context.device, seconds=time.monotonic() - begun,
        files=[results.name, *(name for row in done for name in row.pictures)],
    )  # fmt: skip
    skipped = f", {len(missing)} skipped" if missing else ""
    typer.echo(f"{results}: {len(done)} experiments{skipped}, {duration(time.monotonic() - begun)}")


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


def _identity(context: Context, experiment: Experiment) -> dict[str, Any]:
    """All that decides an experiment's numbers. Raises MissingError if weights it needs are not there."""
    from theory_sim import __version__

    return {
        "scale": context.scale,
        "seed": context.seed,
        "device": context.device,
        "data": context.data_facts["digest"],
        "weights": {role: facts["digest"] for role, facts in context.weights_facts(experiment.needs).items()},
        "version": __version__,
        "code": experiment.code,
    }


def _require_same(row: Finding, context: Context, results: Path) -> None:
    """Raise InputError if a row there was asked for otherwise: results are not mixed, nor overwritten by accident."""
    from theory_sim.errors import require

    there = dict(row.identity)
    asked: dict[str, Any] = {"scale": context.scale, "seed": context.seed, "data": context.data_facts["digest"]}
    for role, digest in there.pop("weights", {}).items():
        there[f"weights of {role}"] = digest
        asked[f"weights of {role}"] = context.weights_facts([role])[role]["digest"] if context.has(role) else None
    different = [f"{name} {there.get(name)} there, {value} asked for" for name, value in asked.items()
                 if there.get(name) != value]  # fmt: skip
    require(
        not different,
        f"{results} is of another run ({row.claim}: {'; '.join(different)}): allowed is the same, or another --out",
    )


def _complete(
    row: Finding, context: Context, experiment: Experiment, identity: dict[str, Any], seconds: float
) -> Finding:
    """With what the experiment itself need not say: weights, data, identity, and where it came from."""
    from dataclasses import replace

    from theory_sim.provenance import provenance

    return replace(
        row,
        weights=row.weights or context.weights_facts(experiment.needs),
        data=row.data or context.data_facts,
        identity=identity,
        provenance={**provenance(), "device": context.device, "seconds": round(seconds, 1)},
    )
