"""The command `simulate`; everything heavy is imported when it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def simulate(
    config: Annotated[Path | None, typer.Argument(help="TOML file with any of the keys that --keys lists.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="One key, after the file; repeatable.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Save an xarray Dataset: FILE.zarr or FILE.nc.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw the run: FILE.png, FILE.pdf or FILE.svg.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing but errors.")] = False,
    keys: Annotated[bool, typer.Option("--keys", help="List every key of a run, and stop.")] = False,
) -> None:
    """Train the two-layer net once and lay the theory's predictions beside it.

    Example: python -m theory_sim simulate --set activation=softplus --set n_steps=500 --plot run.png
    """
    from theory_sim.configuration import Configuration, describe, read_values, without_effect
    from theory_sim.files import PLOT_SUFFIXES, check_target, replacing
    from theory_sim.simulation.storage import DATA_SUFFIXES, write_dataset

    if keys:
        _print_keys(describe())
        return
    values = read_values(config, settings or [])
    configuration = Configuration(**values)
    targets = []
    for option, target, suffixes in (("--out", out, DATA_SUFFIXES), ("--plot", plot, PLOT_SUFFIXES)):
        if target is not None:
            check_target(option, target, suffixes)
            targets.append(target)
    if not quiet:
        for note in without_effect(configuration, values):
            typer.echo(f"note: no effect in this run: {note}", err=True)

    from theory_sim.simulation.run import simulate as run_once

    dataset = run_once(configuration)
    with replacing(targets) as fresh:
        for path in fresh:
            if path.suffix in DATA_SUFFIXES:
                write_dataset(dataset, path)
            else:
                from theory_sim.plots import save_run_plot

                save_run_plot(dataset, path)
    if quiet:
        return

    from theory_sim.simulation.summary import summarise

    summary = summarise(dataset)
    if as_json:
        import json

        typer.echo(json.dumps(summary, ensure_ascii=False, indent=2, allow_nan=False))
        return

    from theory_sim.simulation.tables import print_run
    from theory_sim.terminal import console

    print_run(console(), summary)
    for target in targets:
        typer.echo(f"wrote {target}")


def _print_keys(rows: list[tuple[str, str, str, str]]) -> None:
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    from theory_sim.terminal import console

    table = Table("key", "default", "allowed", "meaning", box=box.SIMPLE_HEAD, pad_edge=False)
    for row in rows:
        table.add_row(*map(escape, row))
    console().print(table)
