"""The command `fetch`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def fetch(
    out: Annotated[
        Path | None, typer.Option(help="Folder; without it one of the user's, which --data defaults to.")
    ] = None,
    layout: Annotated[str, typer.Option(help="binary or python: which of the two official archives.")] = "binary",
    url: Annotated[
        str | None, typer.Option(help="A mirror of the archive; its checksum must be the official one.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress.")] = False,
) -> None:
    """Download CIFAR-10 (170 MB), check it, unpack it; goes on where it broke off, repairs what is damaged."""
    from deep_check.fetch import default_folder, fetch_cifar10
    from theory_sim.files import check_folder
    from theory_sim.progress import Progress

    if out is not None:
        check_folder("--out", out)
    folder = out or default_folder()
    with Progress(quiet) as progress:
        found = fetch_cifar10(folder, layout, url, lambda done, total: progress.update("bytes", done, total))
    typer.echo(f"{found}: CIFAR-10 is there, 60,000 images")
    if out is not None:
        typer.echo(f"use it by --data {out}")
