"""The values that a picture can show: every number of a sweep's result, and what follows from them."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import xarray as xr

from theory_sim.errors import InputError, require
from theory_sim.sweep.plots.labels import in_symbols, variable_label
from theory_sim.sweep.schema import CLAIM, FREQUENCY, RECORD, VERSION

BEYOND = (RECORD, CLAIM, VERSION, FREQUENCY)  # dimensions that are not swept
JUDGED = ("hypotheses", "verdict")
TAUS = {
    "tau", *(f"tau_{word}" for word in ("start", "final", "closed_form", "printed", "corrected")),
    *(f"tau_{word}_final" for word in ("closed_form", "printed", "corrected")),
}  # fmt: skip
# Ends of the names of steps, counts and sizes.
NEVER_NEGATIVE = ("_observed", "_predicted", "_printed", "_corrected", "_residual", "_step", "_crossings", "_crossing",
                  "passes_input_tau", "rank")  # fmt: skip


@dataclass(frozen=True)
class Quantity:
    """One value per point, float64, NaN where it is not known. is_flag: 0 or 1, so that its mean is a share."""

    name: str
    values: xr.DataArray
    label: str
    is_flag: bool = False

    @property
    def limits(self) -> tuple[float, float]:
        """Between which numbers any value lies, so that no interval leaves them."""
        values = self.values.values
        if self.is_flag or (_is_tau(self.name) and not ((values < 0) | (values > 1)).any()):  # predictions can leave
            return 0.0, 1.0
        return (0.0 if self.name.endswith(NEVER_NEGATIVE) else -np.inf), np.inf


def _is_tau(name: str) -> bool:
    return name == "input_tau" or name.removeprefix("attack_") in TAUS


@dataclass(frozen=True)
class _Derived:
    label: str
    needs: tuple[str, ...]
    compute: Callable[..., xr.DataArray]
    is_flag: bool = True


def _eq12(margin: xr.DataArray, residual: xr.DataArray) -> xr.DataArray:
    """For f < y the condition is the mirror image [paper: Eq. 12]."""
    return _flag(margin * np.sign(residual) > 0, margin.notnull() & residual.notnull())


def _overshoots(passes: xr.DataArray, tau_start: xr.DataArray, input_tau: xr.DataArray) -> xr.DataArray:
    return _flag(passes.notnull(), tau_start < input_tau)


def _exists(step: xr.DataArray, tau_start: xr.DataArray) -> xr.DataArray:
    return _flag(step.notnull(), tau_start.notnull())


def _flag(condition: xr.DataArray, known: xr.DataArray) -> xr.DataArray:
    return condition.astype(np.float64).where(known)


DERIVED: dict[str, _Derived] = {
    "eq12": _Derived("Eq. 12 holds (f < y: its mirror image)", ("eq12_margin", "residual_start"), _eq12),
    "overshoots": _Derived(
        "τ(δ) overshoots τ(x), of those that start below", ("passes_input_tau", "tau_start", "input_tau"), _overshoots
    ),
    "t0_exists": _Derived("t0 exists: Δτ_l > Δτ_h from some step on", ("t0_observed", "tau_start"), _exists),
    "t1_exists": _Derived("t1 exists: τ grows from some step on", ("t1_observed", "tau_start"), _exists),
    "tau_change": _Derived(
        "change of τ(δ ∈ S_l) by training", ("tau_final", "tau_start"), lambda final, start: final - start, False
    ),
}


def names(dataset: xr.Dataset) -> list[str]:
    """Every name that `quantity` understands for this result."""
    known = {*swept(dataset), *BEYOND}
    numbers = {str(n): v for n, v in dataset.data_vars.items() if v.dtype.kind in "iuf" and known.issuperset(v.dims)}
    out = [name for name, values in numbers.items() if name in JUDGED or not meanings(values)]
    out += [name for name, derived in DERIVED.items() if set(derived.needs) <= set(dataset.data_vars)]
    for name, values in numbers.items():
        if name in JUDGED:
            out += [f"{name}:{c}:{v}" for c in labels(dataset, CLAIM) for v in labels(dataset, VERSION)]
        else:
            out += [f"{name}:{word}" for word in meanings(values)]
    return out


def flags_of(dataset: xr.Dataset, name: str) -> list[str]:
    """The names of yes or no that follow from the variable `name`; all if there are none."""
    flags = {n: d.needs for n, d in DERIVED.items() if d.is_flag and set(d.needs) <= set(dataset.data_vars)}
    return [flag for flag, needs in flags.items() if name in needs[:1]] or [*flags]


def labels(dataset: xr.Dataset, dim: str) -> list[str]:
    """The words along a dimension, or the one that is selected."""
    return [str(value) for value in np.atleast_1d(dataset[dim].values)]


def meanings(values: xr.DataArray) -> dict[str, int]:
    """The words of a variable of codes, {} for any other."""
    found = str(values.attrs.get("flag_meanings", "")).split()
    return dict(zip(found, (int(v) for v in np.atleast_1d(values.attrs.get("flag_values", []))), strict=True))


def quantity(dataset: xr.Dataset, name: str) -> Quantity:
    """The values called `name`, loaded: a variable, a name of DERIVED, `verdict:CLAIM:VERSION`, or `CODES:WORD`.

    Raises InputError on an unknown name, with those near it.
    """
    allowed = names(dataset)
    if name not in allowed:
        near = difflib.get_close_matches(name, allowed, n=3, cutoff=0.6)
        hint = f"did you mean {' or '.join(near)}? " if near else ""
        raise InputError(f"unknown value {name!r}: {hint}(--values lists all)")
    if name in DERIVED:
        derived = DERIVED[name]
        values = derived.compute(*(_known(dataset, need) for need in derived.needs))
        return Quantity(name, values, in_symbols(derived.label), derived.is_flag)
    variable, *chosen = name.split(":")
    known = _known(dataset, variable)
    label = variable_label(dataset[variable])
    if variable in JUDGED:
        if chosen:
            at = {dim: labels(dataset, dim).index(word) for dim, word in zip((CLAIM, VERSION), chosen, strict=True)}
            known = known.isel(at, missing_dims="ignore")
            label = f"{chosen[0]}, as {chosen[1]}: "
        else:
            label = ""
        label += "the run meets its hypotheses" if variable == "hypotheses" else "the run agrees (of those judged)"
        return Quantity(name, known, label, True)
    if chosen:
        code = meanings(dataset[variable])[chosen[0]]
        counted = dataset[variable].load()
        there = counted >= 0 if variable == "reason" else valid(dataset)  # a reason is for points that were not run
        return Quantity(name, _flag(counted == code, there), f"{label}: {chosen[0].replace('_', ' ')}", True)
    return Quantity(name, known, label, variable == "diverged")


def _known(dataset: xr.Dataset, name: str) -> xr.DataArray:
    """A variable as float64, NaN at points without a result; integers say "missing" by -1."""
    values = dataset[name].load()
    known = values.astype(np.float64)
    if values.dtype.kind == "i":
        known = known.where(values != -1)
    return known.where(valid(dataset)) if "reason" in dataset else known


def valid(dataset: xr.Dataset) -> xr.DataArray:
    """True at every swept point that has been run; dimensions: the swept ones."""
    if "reason" in dataset:
        return dataset["reason"].load() == 0
    return dataset["tau_start"].load().notnull()


def swept(dataset: xr.Dataset) -> list[str]:
    """The swept dimensions (`sample` among them), in the order of the result."""
    return [str(dim) for dim in dataset["tau_final"].dims]


def parameters(dataset: xr.Dataset) -> list[str]:
    """What can be an axis: the swept dimensions, and what was drawn along `sample`."""
    dims = swept(dataset)
    drawn = [str(n) for n, c in dataset.coords.items() if n not in dims and len(c.dims) == 1 and c.dims[0] in dims]
    return [dim for dim in dims if dim != "sample"] + drawn


def require_parameter(dataset: xr.Dataset, option: str, name: str) -> None:
    """Raise InputError, with the names near it, if `name` is neither swept, nor drawn, nor a dimension of a value."""
    allowed = [*parameters(dataset), *(dim for dim in BEYOND if dim in dataset.sizes)]
    near = difflib.get_close_matches(name.replace("-", "_"), allowed, n=2, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    require(name in allowed, f"{option} {name}: was not swept: {hint}allowed are {', '.join(allowed)}")
