"""The command `plot`; everything heavy is imported when it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

ALL = "all others"


def plot(
    store: Annotated[Path, typer.Argument(help="The Zarr store of a sweep.")],
    value: Annotated[str | None, typer.Option(help="What to draw; --values lists all names.")] = None,
    x: Annotated[str | None, typer.Option(help="Parameter along x.")] = None,
    y: Annotated[str | None, typer.Option(help="Parameter along y: a heat map. Without it: lines.")] = None,
    hue: Annotated[str | None, typer.Option(help="One line for each value of this parameter.")] = None,
    facet: Annotated[str | None, typer.Option(help="One panel for each value, side by side.")] = None,
    row: Annotated[str | None, typer.Option(help="One row of panels for each value.")] = None,
    over: Annotated[
        list[str] | None, typer.Option(help="Average over this only; repeatable.", show_default=ALL)
    ] = None,
    statistic: Annotated[
        str | None, typer.Option(help="mean, median, share (of those with a value), sd, min or max.")
    ] = None,
    select: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="Or KEY=A,B or KEY=LOW:HIGH; repeatable.")
    ] = None,
    log_x: Annotated[bool | None, typer.Option("--log-x/--linear-x", help="Default: as the values are spaced.")] = None,
    log_y: Annotated[bool | None, typer.Option("--log-y/--linear-y")] = None,
    log_value: Annotated[bool | None, typer.Option("--log-value/--linear-value")] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="FILE.png, .pdf or .svg; a folder for the default ones.", show_default="beside the store"),
    ] = None,
    suffix: Annotated[
        str | None, typer.Option("--format", help="png, pdf or svg, where --out names no file.", show_default="png")
    ] = None,
    values: Annotated[bool, typer.Option("--values", help="List what can be drawn and over what, and stop.")] = False,
) -> None:
    """Draw any value of a sweep over its parameters; without --value, the default pictures.

    Example: python -m theory_sim plot runs/alpha-width.zarr --x alpha --y learning_rate --value tau_final
    """
    from theory_sim.errors import InputError
    from theory_sim.files import PLOT_SUFFIXES, check_target, replacing
    from theory_sim.sweep.store import open_sweep, reading

    if value is None and not values:
        options = {
            "--x": x, "--y": y, "--hue": hue, "--facet": facet, "--row": row, "--over": over, "--statistic": statistic,
            "--log-x": log_x, "--log-y": log_y, "--log-value": log_value,
        }  # fmt: skip
        given = [name for name, option in options.items() if option not in (None, [])]
        if given:
            raise InputError(f"{' and '.join(given)} without --value: allowed is --value NAME (--values lists them)")
        if out is not None and out.suffix in PLOT_SUFFIXES:
            raise InputError(f"--out {out} without --value: allowed is a folder (--format for their kind)")
    elif value is not None and x is None:
        raise InputError(f"--value {value} without --x: allowed is --x PARAMETER (--values lists them)")
    if suffix is not None and f".{suffix}" not in PLOT_SUFFIXES:
        raise InputError(f"--format {suffix}: allowed are {', '.join(word[1:] for word in PLOT_SUFFIXES)}")
    ending = f".{suffix or 'png'}"
    target = out
    if value is not None:
        if out is not None and suffix is not None:
            raise InputError(f"--format {suffix} with --out {out}: allowed is one of them")
        target = out or store.with_name(f"{store.stem}-{value.replace(':', '-')}{ending}")
        check_target("--out", target, PLOT_SUFFIXES)

    dataset = open_sweep(store, note=lambda line: typer.echo(f"note: {line}", err=True))
    if values:
        from theory_sim.sweep.plots.listing import print_values
        from theory_sim.terminal import console

        print_values(console(), dataset)
        return
    if value is None or x is None or target is None:
        from theory_sim.sweep.plots.defaults import save_default_plots
        from theory_sim.sweep.plots.selection import select as selected

        with reading(store):
            part, _ = selected(dataset, select or [])
            written = save_default_plots(part, out or store.with_name(f"{store.stem}-plots"), ending)
        if not written:
            raise InputError(f"{store}: nothing for the default pictures, allowed is --value NAME --x PARAMETER")
    else:
        from theory_sim.picture_style import save_figure
        from theory_sim.sweep.plots.generic import Request, plot_values

        request = Request(
            value, x, y, facet, row, hue, tuple(over) if over else None, statistic, tuple(select or ()), log_x, log_y,
            log_value,
        )  # fmt: skip
        with reading(store):
            figure = plot_values(dataset, request)
        with replacing([target]) as (fresh,):
            save_figure(figure, fresh)
        written = [target]
    for path in written:
        typer.echo(f"wrote {path}")
