"""The command `sweep`; everything heavy is imported when it runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from theory_sim.sweep.definition import SweepDefinition
    from theory_sim.sweep.store import SweepStore

RUNS = Path("runs")
DEVICES = ("auto", "cpu", "cuda")


def sweep(
    config: Annotated[Path | None, typer.Argument(help="TOML file; default: theorems 1-3 as a phase diagram.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="One key, after the file; repeatable.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="The Zarr store, PATH.zarr; default: runs/ and the name of the TOML file.")
    ] = None,
    workers: Annotated[int, typer.Option(help="Threads; 0: one per usable core.")] = 0,
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
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing but errors and notes.")] = False,
) -> None:
    """Train many networks, one for each combination of the swept parameters, into one Zarr store.

    The same command goes on where it stopped. Example: python -m theory_sim sweep SWEEP.toml --export parquet
    """
    from theory_sim.errors import require
    from theory_sim.sweep.definition import load_sweep
    from theory_sim.sweep.export import targets
    from theory_sim.sweep.progress import Progress

    path = out or RUNS / f"{config.stem if config else 'default'}.zarr"
    require(workers >= 0, f"--workers {workers}: allowed is >= 0")
    _check_store(path)
    exported = targets(path, exports or [])
    definition = load_sweep(config, settings or [])
    found_device = _device(device)
    with Progress(quiet) as progress:
        for note in definition.without_effect():
            progress.note(f"swept without effect: {note}")
        if dry_run:
            _print_estimate(definition, workers, found_device, as_json)
            return

        from theory_sim.sweep.cluster import connect
        from theory_sim.sweep.execution import local, run

        start = connect(cluster, progress) if cluster is not None else local(workers)
        try:
            store = run(definition, path, progress, device=found_device, skip_invalid=skip_invalid, start=start)
        except KeyboardInterrupt:
            progress.note(f"what is done is stored; go on with: {_again(config, settings or [], path, skip_invalid)}")
            raise
    written = _write_more(store, exported, plots)
    if not quiet:
        _print_summary(store, [path, *written], as_json)


def _check_store(path: Path) -> None:
    """InputError unless a store is, or can be made, at `path`."""
    import os

    from theory_sim.errors import require
    from theory_sim.sweep.store import check_kind

    require(path.suffix == ".zarr", f"--out {path}: allowed is a name ending in .zarr")
    if path.exists():
        check_kind(path)
    folder = path if path.exists() else path.parent
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    require(folder.is_dir(), f"--out {path}: {folder} is no folder")
    require(os.access(folder, os.W_OK), f"--out {path}: folder {folder} is not writable")


def _device(word: str) -> str:
    """`cpu` or `cuda`. InputError if the word is another one, or asks for a GPU where none can be used."""
    from theory_sim.errors import InputError, require

    require(word in DEVICES, f"--device {word!r}: allowed are {', '.join(DEVICES)}")
    if word == "cpu":
        return word
    try:
        import cupy

        n_devices = cupy.cuda.runtime.getDeviceCount()
        reason = "" if n_devices else "there is no GPU"
    except ImportError:
        reason = "CuPy is not installed (extras cuda12 and cuda13)"
    except Exception as error:  # CuPy's own, by which it says that there is no driver or no device
        reason = " ".join(str(error).split())
    if reason and word == "cuda":
        raise InputError(f"--device cuda: {reason}")
    return "cpu" if reason else "cuda"


def _again(config: Path | None, settings: list[str], path: Path, skip_invalid: bool) -> str:
    """The command that goes on with a sweep."""
    import shlex

    words = ["python", "-m", "theory_sim", "sweep", *([str(config)] if config else [])]
    words += [word for setting in settings for word in ("--set", setting)]
    words += ["--out", str(path), *(["--skip-invalid"] if skip_invalid else [])]
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
