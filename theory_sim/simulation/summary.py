"""What one run says, as plain Python values: for the tables and for `--json`."""

from __future__ import annotations

import math
import tomllib
from typing import Any

import numpy as np
import xarray as xr

ATTACKED = ("attack_tau_start", "attack_tau_final", "attack_loss_start", "attack_loss_final")
PROVENANCE = ("version", "versions", "commit", "hardware")
EXACT_PREDICTIONS = ("eq8", "closed_form")  # of a ReLU net, until a unit crosses its kink


def summarise(dataset: xr.Dataset, n_rows: int = 12) -> dict[str, Any]:
    """Everything worth saying about a run of `simulate`, nested dicts and lists of plain values.

    `rows` are about `n_rows` steps spread over the run. Steps and bounds are None where there is none; an infinite
    bound is the string "inf", because JSON has no number for it.
    """
    attrs = dataset.attrs
    configuration = tomllib.loads(attrs["configuration"])
    last = int(attrs["last_finite_step"])
    tau = dataset["tau"].values
    return {
        "configuration": configuration,
        "start": {
            name: _plain(attrs[name])
            for name in ("learning_rate", "relative_rate", "label", "residual_at_start", "input_norm2")
        },
        "run": {
            "n_steps": configuration["n_steps"],
            "diverged": bool(attrs["diverged"]),
            "last_finite_step": last,
            "settled_step": int(attrs["settled_step"]),
            "positive_drive": bool(attrs["positive_drive"]),
            "crossings": int(dataset["crossings"].values[last]),
            "first_crossing": _plain(dataset["first_crossing"]),
            "tau_start": _plain(tau[0]),
            "tau_end": _plain(tau[last]),
            "input_tau": _plain(dataset["input_tau"]),
        },
        "predictions": {str(name): _prediction(dataset, str(name)) for name in dataset["prediction"].values},
        "theorem1": {
            name: _plain(dataset[name])
            for name in ("t0_printed", "t0_corrected", "t0_observed", "t1_predicted", "t1_observed")
        },
        "theorem2": _pairs(dataset),
        "theorem3": {
            "eq12_margin": _plain(dataset["eq12_margin"]),
            "eq12_holds": bool(dataset["eq12_margin"] > 0),
            "passes_input_tau": _plain(dataset["passes_input_tau"]),
        },
        "attack": {name: _plain(dataset[name]) for name in ATTACKED if name in dataset} or None,
        "rows": [_row(dataset, int(t)) for t in spread(last, n_rows)],
        **{name: attrs[name] for name in PROVENANCE},
    }


def spread(last: int, n_rows: int) -> list[int]:
    """About `n_rows` steps from 0 to `last`: the first ones, then evenly spread."""
    early = [0, 1, 2]
    late = np.linspace(0, last, max(2, n_rows - len(early) + 1)).round().astype(int).tolist()
    return sorted({t for t in [*early, *late] if t <= last})


def _plain(value: Any) -> Any:
    """A float or int as JSON can hold it: None for NaN, "inf" for an infinite bound, an int for a whole step."""
    value = float(value)
    if math.isnan(value):
        return None
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    return value


def _prediction(dataset: xr.Dataset, name: str) -> dict[str, Any]:
    error = np.abs(dataset["tau_error"].sel(prediction=name).values)
    foreseen = dataset["predicted_tau"].sel(prediction=name).values
    last = int(dataset.attrs["last_finite_step"])
    crossing = float(dataset["first_crossing"])
    before = error[: last + 1] if math.isnan(crossing) else error[: int(crossing)]
    worst = int(np.nanargmax(error))
    titles = dict(part.split(": ", 1) for part in dataset["prediction"].attrs["long_name"].split("; "))
    return {
        "title": titles[name],
        "tau_end": _plain(foreseen[last]),
        "worst_tau_error": _plain(error[worst]),
        "worst_step": worst,
        "worst_tau_error_before_crossing": _plain(np.nanmax(before)),
    }


def _pairs(dataset: xr.Dataset) -> list[dict[str, Any]]:
    """Theorem 2's pairs; those whose order at the start is the other way round are left out."""
    frequency, ratio = dataset["frequency"].values, dataset["spectral_ratio"].values
    out = []
    for i in range(dataset.sizes["pair"]):
        k, k_low = int(dataset["pair_bin"][i]), int(dataset["pair_low_bin"][i])
        if not ratio[0, k] > ratio[0, k_low]:
            continue
        out.append(
            {
                "frequency": _plain(frequency[k]),
                "low_frequency": _plain(frequency[k_low]),
                "t0": _plain(dataset["order_t0"][i]),
                "predicted": _plain(dataset["order_predicted"][i]),
                "observed": _plain(dataset["order_observed"][i]),
            }
        )
    return out


def _row(dataset: xr.Dataset, step: int) -> dict[str, Any]:
    names = ("tau", "low_energy", "high_energy", "low_cross", "high_cross", "drive", "decay", "residual", "output")
    row: dict[str, Any] = {"step": step, "crossings": int(dataset["crossings"].values[step])}
    row |= {name: _plain(dataset[name].values[step]) for name in names}
    errors = dataset["tau_error"].values[:, step]
    row["tau_error"] = {str(n): _plain(e) for n, e in zip(dataset["prediction"].values, errors, strict=True)}
    return row
