"""The command `sweep`; everything heavy is imported when it runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from theory_sim.progress import Watch
    from theory_sim.sweep.definition import SweepDefinition
    from theory_sim.sweep.store import SweepStore

RUNS = Path("runs")


def sweep(
    config: Annotated[Path | None, typer.Argument(help="TOML file; default: theorems 1-3 as a phase diagram.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="One key, after the file; repeatable.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="The Zarr store, PATH.zarr; default: runs/ and the name of the TOML file.")
    ] = None,
    workers: Annotated[int, typer.Option(help="Threads; 0: one per usable core (at most 2 with cuda).")] = 0,
    cluster: Annotated[
        str | None, typer.Option(metavar="tcp://HOST:PORT", help="Compute on the workers of this Dask scheduler.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    skip_invalid: Annotated[
        bool, typer.Option("--skip-invalid", help="Leave out impossible combinations, with a reason, as NaN.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say how many networks, how long, how much memory and disk, and stop.")
    ] = False,
    exports: Annotated[
        list[str] | None, typer.Option("--export", help="Also write parquet, csv or netcdf beside the store.")
    ] = None,
    plots: Annotated[bool, typer.Option("--plots/--no-plots", help="Draw pictures into STORE-plots/.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print only errors and notes; JSON if asked for.")] = False,
) -> None:
    """Train many networks, one for each combination of the swept parameters, into one Zarr store.

    The same command goes on where it stopped. Example: python -m theory_sim sweep SWEEP.toml --export parquet
    """
    from theory_sim.errors import require
    from theory_sim.progress import Progress
    from theory_sim.sweep.cluster_address import check_address
    from theory_sim.sweep.definition import load_sweep
    from theory_sim.sweep.device import choose_device
    from theory_sim.sweep.export import targets

    if cluster is not None:
        check_address(cluster)
    path = out or RUNS / f"{config.stem if config else 'default'}.zarr"
    require(workers >= 0, f"--workers {workers}: allowed is >= 0")
    require(not (workers and cluster is not None), f"--workers {workers} with --cluster: allowed is one of them")
    _check_store(path)
    exported = targets(path, exports or [])
    definition = load_sweep(config, settings or [])
    with Progress(quiet) as progress:
        chosen = choose_device(device, definition, cluster is not None, progress)
        for note in definition.without_effect():
            progress.note(f"swept without effect: {note}")
        if dry_run:
            _note_what_differs(path, definition, cluster, progress)
            _print_estimate(definition, workers, chosen, as_json)
            return

        from theory_sim.sweep.cluster import connect
        from theory_sim.sweep.execution import local, run
        from theory_sim.sweep.store import is_consolidated

        if path.exists() and not is_consolidated(path):
            progress.note(f"{path}/.zmetadata is missing or damaged: it is written again")
        start = connect(cluster, progress) if cluster is not None else local(workers, chosen)
        try:
            store = run(definition, path, progress, device=chosen, skip_invalid=skip_invalid, start=start)
        except KeyboardInterrupt:
            options = {
                "--set": settings, "--workers": workers, "--cluster": cluster, "--device": device != "auto" and device,
                "--skip-invalid": skip_invalid, "--export": exports, "--no-plots": not plots, "--json": as_json,
                "--quiet": quiet,
            }  # fmt: skip
            progress.note(f"what is done is stored; go on with: {_again(config, path, options)}")
            raise
    written = _write_more(store, exported, plots)
    if as_json or not quiet:
        _print_summary(store, [path, *written], as_json)


def _check_store(path: Path) -> None:
    """InputError unless a store is, or can be made, at `path`."""
    import os

    from theory_sim.errors import require
    from theory_sim.sweep.store import check_kind

    require(path.suffix == ".zarr", f"--out {path}: allowed is a name ending in .zarr")
    if path.exists():
        check_kind(path, writable=True)
    folder = path if path.exists() else path.parent
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    require(folder.is_dir(), f"--out {path}: {folder} is no folder")
    require(os.access(folder, os.W_OK), f"--out {path}: folder {folder} is not writable")


def _again(config: Path | None, path: Path, options: dict[str, Any]) -> str:
    """The command that goes on with a sweep. options: by name; False, None and [] are those not given."""
    import shlex

    words = ["python", "-m", "theory_sim", "sweep", *([str(config)] if config else []), "--out", str(path)]
    for name, value in options.items():
        for given in filter(None, value if isinstance(value, list) else [value]):
            words += [name] if given is True else [name, str(given)]
    return shlex.join(words)


def _write_more(store: SweepStore, exported: list[Path], plots: bool) -> list[Path]:
    """Exports and pictures, from the store."""
    from theory_sim.sweep.export import export
    from theory_sim.sweep.store import open_sweep, reading

    for target in exported:
        export(store, target)
    if not plots:
        return exported
    from theory_sim.sweep.plots.defaults import save_default_plots

    with reading(store.path):
        return [
            *exported,
            *save_default_plots(open_sweep(store.path), store.path.with_name(f"{store.path.stem}-plots")),
        ]


def _note_what_differs(path: Path, definition: SweepDefinition, cluster: str | None, watch: Watch) -> None:
    """Notes on what an estimate does not know: what is done already, and a cluster. InputError as a sweep's start."""
    from theory_sim.sweep.execution import require_same
    from theory_sim.sweep.store import UNDONE, SweepStore

    if path.exists():
        store = SweepStore(path)
        require_same(store, definition)
        n_done, n_chunks = int((store.marks() != UNDONE).sum()), store.layout.n_chunks
        watch.note(f"{n_done:,} of {n_chunks:,} chunks of {path} are done; the estimate is of all")
    if cluster is not None:
        watch.note("the estimate is for cores of this machine, not for those of the cluster")


def _print_estimate(definition: SweepDefinition, workers: int, device: str, as_json: bool) -> None:
    import json
    from dataclasses import asdict

    from theory_sim.sweep.estimate import estimate
    from theory_sim.sweep.summary import print_estimate
    from theory_sim.terminal import console

    found = estimate(definition, workers, device)
    if as_json:
        typer.echo(json.dumps(asdict(found), ensure_ascii=False, indent=2, allow_nan=False))
    else:
        print_estimate(console(), found)


def _print_summary(store: SweepStore, written: list[Path], as_json: bool) -> None:
    import json

    from theory_sim.sweep.summary import print_summary, summarise
    from theory_sim.terminal import console

    summary = summarise(store)
    if as_json:
        content = {**summary, "written": [str(path) for path in written]}
        typer.echo(json.dumps(content, ensure_ascii=False, indent=2, allow_nan=False))
        return
    print_summary(console(), summary)
    for path in written:
        typer.echo(f"wrote {path}")
