"""The command `card`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def card(
    weights: Annotated[Path, typer.Argument(help="Weights that `train` has left: .safetensors or .npz.")],
    out: Annotated[Path | None, typer.Option(help="Write the card to this file.")] = None,
) -> None:
    """Print a model card: what a weights file says of its own training; `train` leaves it as card.md."""
    from deep_check.training.card import card_of, write_card

    if out is None:
        typer.echo(card_of(weights), nl=False)
        return
    write_card(weights, out)
    typer.echo(str(out))
