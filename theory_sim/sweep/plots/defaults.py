"""The pictures that every sweep gets, as far as it has what they need."""

from __future__ import annotations

from pathlib import Path

import xarray as xr

from theory_sim.errors import InputError
from theory_sim.files import replacing
from theory_sim.picture_style import save_figure
from theory_sim.sweep.plots.bounds import plot_bounds
from theory_sim.sweep.plots.phase import plot_phases
from theory_sim.sweep.plots.slopes import plot_slopes

PICTURES = {"phases": plot_phases, "bounds": plot_bounds, "residuals": plot_slopes}


def save_default_plots(dataset: xr.Dataset, folder: Path, suffix: str = ".png") -> list[Path]:
    """Draw phases, bounds and residuals into `folder` (made if need be); the paths of those that could be drawn.

    dataset: the result of a sweep; suffix: .png, .pdf or .svg. Each file is written beside its target, then renamed.
    Raises InputError if the folder or a file cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make folder {folder}: {error.strerror}") from None
    written = []
    for name, draw in PICTURES.items():
        figure = draw(dataset)
        if figure is not None:
            target = folder / f"{name}{suffix}"
            with replacing([target]) as (fresh,):
                save_figure(figure, fresh)
            written.append(target)
    return written
