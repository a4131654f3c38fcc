"""Results of small sweeps, filled run by run from `simulate`: what the pictures are tested on."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from theory_sim.configuration import Configuration
from theory_sim.errors import InputError
from theory_sim.simulation.run import simulate
from theory_sim.sweep.schema import CLAIMS, VERSIONS, variables

REASONS = ("valid", "cut-off too large")
N_RECORDS = 5
SAME_NAME = (
    "input_tau", "input_low", "input_high", "eq12_margin", "t0_printed", "t0_corrected", "t0_observed", "t1_predicted",
    "t1_observed", "passes_input_tau", "first_crossing", "overshoot_q",
)  # fmt: skip


def empty_result(dims: Mapping[str, int], coordinates: Mapping[str, Any]) -> xr.Dataset:
    """All variables of the schema over the swept `dims`, nothing run yet."""
    sizes = {**dims, "record": N_RECORDS, "claim": len(CLAIMS), "version": len(VERSIONS)}
    data = {}
    for variable in variables("none", False, REASONS):
        names = (*dims, *variable.dims)
        values = np.full([sizes[name] for name in names], variable.missing, variable.dtype)
        data[variable.name] = (names, values, variable.attributes)
    words = {"claim": list(CLAIMS), "version": list(VERSIONS)}
    return xr.Dataset(data, {**coordinates, **words}, {"commit": "0123456789abcdef0123456789abcdef01234567"})


def grid_result(fixed: Mapping[str, Any], grid: Mapping[str, Sequence[Any]]) -> xr.Dataset:
    """Every combination of the `grid`."""
    out = empty_result({key: len(values) for key, values in grid.items()}, {k: list(v) for k, v in grid.items()})
    for index in itertools.product(*(range(len(values)) for values in grid.values())):
        keys = {key: grid[key][i] for key, i in zip(grid, index, strict=True)}
        _fill(out, index, {**fixed, **keys})
    return out


def sample_result(fixed: Mapping[str, Any], drawn: Mapping[str, Sequence[Any]]) -> xr.Dataset:
    """One dimension `sample` along which all of `drawn` changes at once."""
    n = len(next(iter(drawn.values())))
    out = empty_result({"sample": n}, {key: ("sample", list(values)) for key, values in drawn.items()})
    for i in range(n):
        _fill(out, (i,), {**fixed, **{key: values[i] for key, values in drawn.items()}})
    return out


def _fill(out: xr.Dataset, index: tuple[int, ...], keys: Mapping[str, Any]) -> None:
    try:
        run = simulate(Configuration(**{k: v.item() if isinstance(v, np.generic) else v for k, v in keys.items()}))
    except InputError:
        out["reason"].values[index] = 1
        return
    last = int(run.attrs["last_finite_step"])
    out["reason"].values[index] = 0
    for name in SAME_NAME:
        out[name].values[index] = float(run[name])
    for name, value in (
        ("learning_rate_used", run.attrs["learning_rate"]),
        ("relative_rate_used", run.attrs["relative_rate"]),
        ("label_used", run.attrs["label"]),
        ("tau_start", run["tau"][0]),
        ("tau_final", run["tau"][last]),
        ("residual_start", run["residual"][0]),
        ("residual_final", run["residual"][last]),
        ("n_crossings", run["crossings"][last]),
        ("last_finite_step", last),
        ("settled_step", run.attrs["settled_step"]),
        ("diverged", run.attrs["diverged"]),
        ("method", 1 if keys.get("activation", "relu") == "relu" else 2),
    ):
        out[name].values[index] = value
    for name in ("closed_form", "printed", "corrected"):
        error = np.abs(run["tau_error"].sel(prediction=name).values)
        out[f"{name}_residual"].values[index] = np.nanmax(error)
        out[f"tau_{name}_final"].values[index] = run["predicted_tau"].sel(prediction=name).values[last]
    steps = np.linspace(0, run.sizes["step"] - 1, N_RECORDS).round().astype(int)
    out["recorded_step"].values[index] = steps
    out["tau"].values[index] = run["tau"].values[steps]
    met = bool(run["tau"][0] < run["input_tau"]) and bool(run["eq12_margin"] > 0)
    thm3 = (*index, CLAIMS.index("thm3"), VERSIONS.index("printed"))
    out["hypotheses"].values[thm3] = met
    out["verdict"].values[thm3] = np.isnan(run["passes_input_tau"]) if met else -1
