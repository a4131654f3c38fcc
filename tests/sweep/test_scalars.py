"""Networks of which only the scalars are drawn have the law of those with all weights: two samples, compared."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from theory_sim.errors import InputError
from theory_sim.sweep.definition import parse_sweep
from theory_sim.sweep.engine import compute
from theory_sim.sweep.engine.scalars import take_out
from theory_sim.sweep.points import Recording
from theory_sim.sweep.schema import CLAIMS, METHODS

N = 12_000
LEAST_P = 1e-5  # of some 150 seeded comparisons; the controls are below 1e-20
RECORDS = 5
SCALARS = (
    "tau_start", "tau_final", "low_energy_start", "high_energy_start", "low_cross_start", "high_cross_start",
    "eq12_margin", "output_start", "residual_start", "residual_final", "label_used", "learning_rate_used", "q_final",
    "n_crossings", "first_crossing", "t0_observed", "t1_observed", "closed_form_residual", "corrected_residual",
)  # fmt: skip
RUNS: dict[str, dict[str, Any]] = {
    "many deaths": {"dim": 9, "width": 12, "cutoff": 1, "relative_residual": 8.0, "relative_rate": 0.3},
    "gaussian, f < y, r > 1": {
        "dim": 33, "width": 30, "cutoff": 4, "relative_residual": -30.0, "relative_rate": 1.3, "outer_law": "gaussian",
        "alpha0": 0.3,
    },
    "even, wide": {"dim": 64, "width": 80, "cutoff": 9, "residual": 5.0, "relative_rate": 0.05, "weight_scale": 0.2},
    "tiles": {
        "source": "tiles", "tile_size": 6, "width": 20, "cutoff": 1.5, "relative_residual": 3.0, "piece": 1,
        "weight_scale": 2.0,
    },
    "dct": {"dim": 10, "width": 12, "cutoff": 2, "label": 3.0, "learning_rate": 0.03, "transform": "dct"},
    "logistic": {"dim": 17, "width": 12, "cutoff": 2, "loss": "logistic", "relative_rate": 0.5, "outer_scale": 0.5},
}  # fmt: skip


@cache
def results(name: str, draw: str, scale: float = 1.0) -> dict[str, NDArray]:
    run = {"n_steps": 60} | RUNS[name]
    run["weight_scale"] = run.get("weight_scale", 1.0) * scale
    seeds = {"replicates": N, "first": 0 if draw == "weights" else N}
    definition = parse_sweep({"run": run, "grid": {"seed": seeds}})
    return compute(definition.columns(0, N), Recording(steps=RECORDS, draw=draw), 0)


def courses(found: dict[str, NDArray]) -> dict[str, NDArray]:
    """In single precision: values that only a few networks' round-off tells apart are one value."""
    out = {name: found[name].astype(np.float32) for name in SCALARS}
    for name in ("tau", "tau_closed_form", "tau_printed", "residual_along"):
        out |= {f"{name}[{i}]": found[name][:, i].astype(np.float32) for i in range(RECORDS)}
    return out


def p_values(one: dict[str, NDArray], two: dict[str, NDArray]) -> dict[str, float]:
    """Kolmogorov-Smirnov on the finite values, and the numbers of NaN and of infinities beside them."""
    found = {}
    for (name, a), b in zip(courses(one).items(), courses(two).values(), strict=True):
        parts = [np.isfinite(a), np.isfinite(b)]
        table = [[part.sum(), (~part).sum()] for part in parts]
        p = stats.fisher_exact(table).pvalue
        if min(part.sum() for part in parts) > 100:
            p = min(p, stats.ks_2samp(a[parts[0]], b[parts[1]]).pvalue)
        found[name] = p
    return found


@pytest.mark.parametrize("name", RUNS)
def test_every_scalar_has_the_same_law(name: str) -> None:
    weights, scalars = results(name, "weights"), results(name, "scalars")
    assert (scalars["method"][scalars["reason"] == 0] == METHODS.index("scalars")).all()
    assert weights["n_crossings"].mean() > 1
    found = p_values(weights, scalars)
    worst = min(found, key=lambda key: found[key])
    assert found[worst] > LEAST_P, f"{worst}: p = {found[worst]:.2g}"
    counts = [[(r["reason"] == code).sum() for code in range(12)] for r in (weights, scalars)]
    assert abs(counts[0][0] - counts[1][0]) < 5 * np.sqrt(1 + N - min(counts[0][0], counts[1][0]))


@pytest.mark.parametrize("name", RUNS)
def test_joint_laws(name: str) -> None:
    """Rank correlations between the records, the crossings and the residual."""
    both = []
    for draw in ("weights", "scalars"):
        found = results(name, draw)
        rows = np.array([*found["tau"].T[:-1], found["n_crossings"], found["low_cross_start"], found["residual_final"]])
        both.append(stats.spearmanr(rows[:, np.isfinite(rows).all(axis=0)], axis=1).statistic)
    np.testing.assert_allclose(both[0], both[1], atol=5 * np.sqrt(2 / N) * 1.5)


@pytest.mark.parametrize("name", ["many deaths", "even, wide"])
def test_verdicts_have_the_same_law(name: str) -> None:
    weights, scalars = results(name, "weights"), results(name, "scalars")
    for i, claim in enumerate(CLAIMS):
        if claim == "thm2":  # needs single bins
            assert (scalars["verdict"][:, i] == -1).all()
            continue
        for version in range(2):
            for code in (0, 1):
                table = [[n := int((r["verdict"][:, i, version] == code).sum()), N - n] for r in (weights, scalars)]
                assert stats.fisher_exact(table).pvalue > LEAST_P, (claim, version, code)


def test_a_difference_is_noticed() -> None:
    """Negative control: 10 % of scale."""
    found = p_values(results("many deaths", "weights"), results("many deaths", "scalars", 1.1))
    assert found["low_energy_start"] < LEAST_P
    assert found["high_energy_start"] < LEAST_P


@pytest.mark.parametrize("n", [1, 2, 3, 8])
def test_what_a_death_leaves(n: int) -> None:
    """|Σ a_r w_r|² before and after a row is taken out, explicitly and by the chain of lengths alone."""
    rng, outer, scale = np.random.default_rng(n), np.array([1.0, -0.5, 2.0, 0.3]), 0.7
    rows = rng.standard_normal((N, outer.size, n)) * scale
    before = (rows * outer[:, None]).sum(axis=1)
    explicit = [np.square(before).sum(axis=1), np.square(before - outer[2] * rows[:, 2]).sum(axis=1)]
    a2 = float(outer @ outer)
    chain, parts = np.empty((2, N)), np.empty(3)
    for i in range(N):
        parts[:] = 0.0, *(scale**2 * a2 * rng.chisquare(n, 2))
        chain[0, i] = parts[1]
        take_out(float(outer[2]), a2, scale, n, n, i, np.uint64(n), np.uint64(0), parts)
        chain[1, i] = parts[1]
    for one, two in zip((*explicit, explicit[1] / explicit[0]), (*chain, chain[1] / chain[0]), strict=True):
        assert stats.ks_2samp(one, two).pvalue > LEAST_P
    # Control: that the dying row is independent of the sum.
    z, rest = rng.standard_normal(N), rng.chisquare(n - 1, N) if n > 1 else np.zeros(N)
    wrong = (np.sqrt(chain[0]) + outer[2] * scale * z) ** 2 + (outer[2] * scale) ** 2 * rest
    assert stats.ks_2samp(explicit[1], wrong).pvalue < 1e-20


def test_a_diverging_run_is_a_result() -> None:
    """Where units still alive leave the range of float64, as often as with all weights."""
    run = {"dim": 65, "width": 20, "weight_scale": 1e49, "outer_scale": 1e49, "relative_residual": 1e49, "n_steps": 50}
    table = []
    for draw in ("weights", "scalars"):
        definition = parse_sweep({"run": run | {"relative_rate": 1e49}, "grid": {"seed": {"replicates": 200}}})
        found = compute(definition.columns(0, 200), Recording(steps=51, draw=draw), 0)
        diverged, valid = found["diverged"] == 1, found["reason"] == 0
        after = found["recorded_step"] > found["last_finite_step"][:, None]
        np.testing.assert_array_equal(after.any(axis=1), diverged)
        assert np.isnan(found["tau"][after]).all()
        assert np.isnan(found["residual_along"][after]).all()
        assert np.isfinite(found["residual_along"][~after & valid[:, None]]).all()
        table.append([diverged.sum(), valid.sum() - diverged.sum()])
    assert stats.fisher_exact(table).pvalue > LEAST_P, table
    assert table[1][0] > 20  # a run taken for finite would be noticed


def test_reproducible_and_independent_of_neighbours() -> None:
    definition = parse_sweep({"run": {"dim": 9, "width": 12, "cutoff": 1}, "grid": {"seed": {"replicates": 50}}})
    whole = compute(definition.columns(0, 50), Recording(draw="scalars"), 0)
    for first in (0, 7, 31):
        part = compute(definition.columns(first, first + 9), Recording(draw="scalars"), 0)
        for key, values in part.items():
            np.testing.assert_array_equal(values, whole[key][first : first + 9], err_msg=key)


@pytest.mark.parametrize(
    ("run", "message"),
    [
        ({"activation": "softplus"}, "activation = 'softplus'"),
        ({"weight_law": "signs"}, "weight_law = 'signs'"),
        ({"convention": "one-sided"}, "convention = 'one-sided'"),
        ({"attack": "pgd"}, "attack = 'pgd'"),
    ],
)
def test_what_cannot_be_drawn_by_its_scalars_is_refused(run: dict[str, Any], message: str) -> None:
    document = {"run": run, "grid": {"seed": {"replicates": 2}}, "record": {"draw": "scalars"}}
    with pytest.raises(InputError, match=message):
        parse_sweep(document)
    with pytest.raises(InputError, match="spectra"):
        parse_sweep({"grid": {"seed": {"replicates": 2}}, "record": {"draw": "scalars", "spectra": "power"}})
