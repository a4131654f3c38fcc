"""Which points of a sweep are one training: an attack looks at a network, it does not change how it was trained."""

from __future__ import annotations

from collections.abc import Collection

import xarray as xr

from theory_sim.sweep.plots.quantities import JUDGED, labels, swept, valid
from theory_sim.sweep.schema import CLAIM

ATTACK, ENGINE, ATTACKED_CLAIM = "attack", "engine", "lemma1"
OF_THE_ENGINE = ("method", "rank")
REPLICATES = ("sample", "seed")  # what is drawn at random; every other swept dimension is a fixed grid


def repeated(dataset: xr.Dataset, name: str) -> list[str]:
    """The swept dimensions along which the value called `name` is only repeated."""
    variable, *chosen = name.split(":")
    if variable == "reason":
        return []
    dims = [dim for dim in swept(dataset) if dim == ENGINE and variable not in OF_THE_ENGINE]
    claims = chosen[:1] or (labels(dataset, CLAIM) if CLAIM in dataset else [])
    attacked = variable.startswith(f"{ATTACK}_") or (variable in JUDGED and ATTACKED_CLAIM in claims)
    return dims if attacked else dims + [dim for dim in swept(dataset) if dim.split("_")[0] == ATTACK]


def one_of_each(dataset: xr.Dataset, dims: Collection[str]) -> xr.Dataset:
    """The result without `dims`, along which it only repeats itself: each point's first one with a result."""
    if not dims:
        return dataset
    run = valid(dataset)
    rest = [dim for dim in run.dims if dim not in dims]
    whole = (run == run.any(dims)).all(rest)  # a single place that has all there is: cheaper to read
    best = whole.argmax(list(dims)) if bool(whole.any()) else run.argmax(list(dims))
    places = {dim: found.drop_vars(dims, errors="ignore") for dim, found in best.items()}
    return dataset.isel(places).drop_vars(dims, errors="ignore")


def trainings(dataset: xr.Dataset) -> xr.Dataset:
    """The result with every training once."""
    return one_of_each(dataset, repeated(dataset, "tau_final"))


def replicate(dataset: xr.Dataset, dims: Collection[str]) -> str | None:
    """Of reduced dimensions the one whose values are independent; None: only a fixed grid is reduced.

    Of seeds and draws the fewer: all draws share the seeds, and all seeds the draws.
    """
    found = [dim for dim in REPLICATES if dim in dims]
    return min(found, key=lambda dim: dataset.sizes[dim], default=None)
