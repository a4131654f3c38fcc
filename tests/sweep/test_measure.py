"""The compiled measurements of a sweep against `simulate` on the same runs, field by field."""

from __future__ import annotations

import math
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pytest
import xarray as xr
from numpy.typing import NDArray

from tests.helpers import assert_close, assert_differs
from tests.sweep.courses import Course, Measured, course_of, measured
from theory_sim.closed_form import relu_q
from theory_sim.configuration import Configuration
from theory_sim.descent import run
from theory_sim.errors import InputError
from theory_sim.simulation.run import simulate
from theory_sim.simulation.start import prepare
from theory_sim.sweep.course import CROSSINGS, HIGH_CROSS, LOW_CROSS, RESIDUAL
from theory_sim.sweep.iterated import relu_closed_q
from theory_sim.sweep.measure import ROW
from theory_sim.sweep.schema import COUNTS, RECORDED, SCALARS

N_RUNS = 160
STEPS = (
    "t0_printed", "t0_corrected", "t0_observed", "t1_predicted", "t1_observed", "passes_input_tau", "first_crossing",
    "last_finite_step", "settled_step", "n_crossings", "diverged",
)  # fmt: skip
PREDICTIONS = {"tau_closed_form": "closed_form", "tau_printed": "printed", "tau_corrected": "corrected"}


def draw(rng: np.random.Generator) -> Configuration:
    """Any short run: all activations, losses and conventions, drives of both signs, r from 0.01 to 3."""
    dim = int(rng.integers(5, 66))
    loss = str(rng.choice(["mse", "mse", "logistic"]))
    target: dict[str, Any] = {"relative_residual": float(rng.choice([-1, 1]) * 10 ** rng.uniform(-1, 1.5))}
    if loss == "logistic":
        target = {"label": float(rng.choice([-1, 1]))}
    return Configuration(
        dim=dim,
        width=int(rng.integers(1, 20)),
        seed=int(rng.integers(10**6)),
        alpha=1 + rng.exponential(0.5),
        alpha0=float(rng.choice([0.0, 1.0])),
        activation=str(rng.choice(["relu", "relu", "softplus", "squareplus", "leaky_softplus"])),
        sharpness=float(10 ** rng.uniform(-0.5, 1.5)),
        leak=float(rng.choice([0.1, 0.9])),
        weight_scale=float(10 ** rng.uniform(-2, 0)),
        cutoff=float(rng.integers(1, max(2, (dim - 1) // 2))),
        convention=str(rng.choice(["two-sided", "one-sided"])),
        relative_rate=float(np.exp(rng.uniform(np.log(0.01), np.log(3)))),
        n_steps=int(rng.choice([1, 2, 30, 200, 700])),
        loss=loss,
        **target,
    )


class Run(NamedTuple):
    """One run by both ways; row, records, conditions: what simulate says."""

    configuration: Configuration
    course: Course
    result: Measured
    row: dict[str, float]
    records: list[NDArray]
    conditions: dict[str, NDArray]


@cache
def runs() -> list[Run]:
    """Runs with every step recorded; those without an active unit are left out."""
    rng = np.random.default_rng(11)
    out: list[Run] = []
    while len(out) < N_RUNS:
        configuration = draw(rng)
        try:
            dataset = simulate(configuration)
        except InputError:
            continue
        start = prepare(configuration)
        course = course_of(run(start.training, start.configuration.engine), start.band)
        result = measured(course, np.arange(configuration.n_steps + 1))
        foreseen = [dataset["predicted_tau"].sel(prediction=key).values for key in PREDICTIONS.values()]
        records = [dataset["tau"].values, *foreseen, dataset["residual"].values]
        near_poles = {key: conditions(dataset, key) for key in PREDICTIONS.values()}
        out.append(Run(configuration, course, result, expected(dataset), records, near_poles))
    return out


def expected(dataset: xr.Dataset) -> dict[str, float]:
    """Every field of a row from a Dataset of `simulate`."""
    last = int(dataset.attrs["last_finite_step"])
    taken = {name: dataset[name].item() for name in dataset.data_vars if dataset[name].ndim == 0}
    taken |= {f"{name}_start": float(dataset[name][0]) for name in ("tau", "low_energy", "high_energy", "low_cross")}
    taken |= {f"{name}_start": float(dataset[name][0]) for name in ("high_cross", "output", "residual")}
    taken |= {f"{name}_used": dataset.attrs[name] for name in ("learning_rate", "relative_rate", "label")}
    taken |= {name: dataset.attrs[name] for name in ("last_finite_step", "settled_step", "diverged")}
    taken |= {"tau_final": float(dataset["tau"][last]), "residual_final": float(dataset["residual"][last])}
    taken |= {"q_final": float(dataset["plane_q"][last]), "n_crossings": int(dataset["crossings"][last])}
    for name, key in PREDICTIONS.items():
        error = np.abs(dataset["tau_error"].sel(prediction=key).values)
        taken[f"{name}_final"] = float(dataset["predicted_tau"].sel(prediction=key)[last])
        taken[f"{key}_residual"] = float(np.nanmax(error)) if np.isfinite(error).any() else math.nan
    return {name: taken[name] for name in ROW.names or ()}


def conditions(dataset: xr.Dataset, key: str) -> np.ndarray:
    """(|L| + |H|)²/(L + H)² of a prediction at every step, at least 1: Eqs. 13-14 iterated come near poles of τ."""
    low, high = (dataset[f"predicted_{band}_energy"].sel(prediction=key).values for band in ("low", "high"))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.nan_to_num(((np.abs(low) + np.abs(high)) / (low + high)) ** 2, nan=1.0)


def test_a_row_has_every_scalar_and_its_counts() -> None:
    names = [variable.name for variable in SCALARS]
    counts = {variable.name: np.dtype(variable.dtype) for variable in COUNTS}
    assert list(ROW.names or ())[: len(names)] == names
    filled = {name: ROW[name] for name in (ROW.names or ())[len(names) :]}
    assert filled == {name: counts[name] for name in filled}
    assert set(counts) - set(filled) == {"method", "rank"}  # the engine's own
    assert [v.name for v in RECORDED if v.dtype == "f8"] == ["tau", *PREDICTIONS, "residual_along"]


@pytest.mark.parametrize("name", ROW.names or ())
def test_every_field_is_that_of_simulate(name: str) -> None:
    key = PREDICTIONS.get(name.removesuffix("_final")) or name.removesuffix("_residual")
    seen = set()
    for a_run in runs():
        actual, wanted, what = a_run.result.row[name], a_run.row[name], f"{name} of {a_run.configuration}"
        seen.add("nan" if math.isnan(wanted) else wanted)
        if name in STEPS:
            assert_close(what, actual, wanted, "round_off" if name in ("t0_printed", "t0_corrected") else "exact")
            continue
        scale = float(a_run.conditions[key].max()) if key in a_run.conditions else None
        scale = 1.0 if scale is None and name.startswith("tau_") else scale
        assert_close(what, actual, wanted, "identity", scale=scale)
    assert len(seen) > 1 or name == "diverged", f"{name} is {seen} in every run: nothing is tested"


@pytest.mark.parametrize("index", range(5))
def test_records_are_those_of_simulate(index: int) -> None:
    for a_run in runs():
        actual, wanted, what = a_run.result.records[index], a_run.records[index], f"{index} of {a_run.configuration}"
        if index in (0, 4):
            assert_close(what, actual, wanted, "exact")
        else:
            condition = a_run.conditions[list(PREDICTIONS.values())[index - 1]]
            assert_close(what, actual / condition, wanted / condition, "identity", scale=1.0)


def test_the_runs_have_every_kind() -> None:
    """Diverging, converged, dying, both signs, with and without every step of the theorems."""
    rows = [a_run.result.row for a_run in runs()]
    for wanted in (
        lambda r: r["settled_step"] < r["last_finite_step"],
        lambda r: r["n_crossings"] > 0,
        lambda r: r["n_crossings"] == 0,
        lambda r: r["residual_start"] < 0,
        lambda r: math.isnan(r["tau_final"]),
        lambda r: r["passes_input_tau"] > 0,
        lambda r: r["t1_predicted"] > 0,
        lambda r: math.isnan(r["t1_predicted"]),
        lambda r: r["t1_observed"] > 0,
        lambda r: r["t0_corrected"] > 0,
        lambda r: r["t0_observed"] > 0,
        lambda r: math.isinf(r["overshoot_q"]),
    ):
        assert sum(bool(wanted(row)) for row in rows) >= 5
    assert {a_run.configuration.loss for a_run in runs()} == {"mse", "logistic"}


def diverging(n_steps: int = 2000) -> tuple[xr.Dataset, Measured]:
    """A net that is nearly linear, at r far above 2."""
    configuration = Configuration(
        dim=33, width=4, activation="leaky_softplus", leak=0.98, relative_rate=8.0, n_steps=n_steps
    )
    start = prepare(configuration)
    course = course_of(run(start.training), start.band)
    return simulate(configuration), measured(course, [0, 5, 10, n_steps, -1])


def test_a_diverging_run() -> None:
    dataset, result = diverging()
    row, last = result.row, dataset.attrs["last_finite_step"]
    assert row["diverged"] == 1
    assert 10 < row["last_finite_step"] == last < 2000
    for name, wanted in expected(dataset).items():
        assert_close(name, row[name], wanted, "identity")
    assert np.isfinite(result.records[0, :3]).all()
    assert np.isnan(result.records[:, 3:]).all()


def test_a_start_out_of_range_leaves_nothing_but_the_givens() -> None:
    course = runs()[0].course
    facts = course.facts.copy()
    facts["last_finite_step"] = -1
    result = measured(Course(np.full_like(course.course, np.nan), course.probes, course.probe_start, facts), [0, 1])
    known = {"learning_rate_used", "label_used", "input_low", "input_high", "input_tau"}
    assert {v.name for v in SCALARS if not math.isnan(result.row[v.name])} == known
    assert (result.row["last_finite_step"], result.row["diverged"], result.row["settled_step"]) == (-1, 1, -1)
    assert np.isnan(result.records).all()
    assert (result.verdicts == -1).all()


def test_a_zero_gradient() -> None:
    """All units dead from the start: τ is undefined, nothing is judged, nothing raises."""
    course = runs()[0].course
    states = course.course.copy()
    states[2:8] = 0.0
    result = measured(Course(states, np.zeros_like(course.probes), np.zeros(5), course.facts), [0])
    assert math.isnan(result.row["tau_start"])
    assert math.isnan(result.row["closed_form_residual"])
    assert (result.verdicts == -1).all()


def test_a_closed_form_of_a_million_steps() -> None:
    """The powers of 1 - r that are resynchronised, beside pow at every step."""
    for rate in (1e-6, 0.02, 0.7, 1.0, 1.9, 2.0):
        q = np.empty(1_000_001)
        relu_closed_q(3.0, rate, q)
        assert_close(f"q at r = {rate}", q, relu_q(np.arange(len(q)), 6.0, rate, 2.0), "identity")
    q, growing = np.empty(200), relu_q(np.arange(200), 6.0, 3.5, 2.0)
    relu_closed_q(3.0, 3.5, q)
    assert_close("growing q, of its size", q[1:] / growing[1:], np.ones(199), "identity")
    assert_differs("a wrong rate", relu_q(np.arange(200), 6.0, 3.5 + 1e-6, 2.0), growing, "identity")


@pytest.mark.parametrize(
    ("row", "factor", "names"),
    [
        (LOW_CROSS, 1.01, {"low_cross_start", "eq12_margin", "corrected_residual", "closed_form_residual"}),
        (HIGH_CROSS, -1.0, {"high_cross_start", "t0_observed", "tau_printed_final"}),
        (RESIDUAL, 1.01, {"residual_start", "q_final", "t0_printed", "tau_corrected_final"}),
        (CROSSINGS, 0.0, {"n_crossings", "first_crossing"}),
    ],
)
def test_a_planted_error_shows(row: int, factor: float, names: set[str]) -> None:
    """Negative control: a course that is wrong in one row differs in the fields that depend on it."""
    moved: set[str] = set()
    for a_run in runs()[:60]:
        states = a_run.course.course.copy()
        states[row] *= factor
        wrong = measured(Course(states, *a_run.course[1:])).row
        moved |= {name for name in names if not np.isclose(wrong[name], a_run.row[name], rtol=1e-9, equal_nan=True)}
    assert moved == names
