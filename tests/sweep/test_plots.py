"""Pictures of sweeps: they show the numbers of the result, on the right axes, and say of what."""

from __future__ import annotations

import errno
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.stats
import xarray as xr
from matplotlib.collections import QuadMesh
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from PIL import Image

from tests.helpers import assert_close, assert_differs
from tests.sweep.results import grid_result, sample_result
from theory_sim.cli import main
from theory_sim.configuration import Configuration
from theory_sim.errors import InputError
from theory_sim.sweep.plots.axes import cell_edges, is_logarithmic
from theory_sim.sweep.plots.bounds import Pair, joint_counts, plot_bounds, read_pair, step_edges
from theory_sim.sweep.plots.cells import _wilson
from theory_sim.sweep.plots.defaults import save_default_plots
from theory_sim.sweep.plots.generic import Request, plot_values
from theory_sim.sweep.plots.heat_map import DIVERGING, SEQUENTIAL, colours_for
from theory_sim.sweep.plots.labels import KEYS, in_symbols
from theory_sim.sweep.plots.phase import choose_axes, plot_phases
from theory_sim.sweep.plots.quantities import names, quantity
from theory_sim.sweep.plots.slopes import fit_slope, has_order, plot_slopes

SMALL: dict[str, Any] = {"dim": 33, "width": 12, "n_steps": 30}
SEEDS, ALPHAS, RATES = range(5), [1.0, 1.5, 2.5], [0.01, 0.1, 1.0, 10.0]
CUTOFFS = [2.0, 4.0, 40.0]  # the last one is too large for d = 33
ACTIVATIONS = ["relu", "softplus"]
N_RUNS = len(SEEDS) * len(ALPHAS) * len(RATES) * 2 * len(ACTIVATIONS)


@pytest.fixture(scope="module")
def grid() -> xr.Dataset:
    axes = {"seed": SEEDS, "alpha": ALPHAS, "cutoff": CUTOFFS, "activation": ACTIVATIONS, "relative_rate": RATES}
    return grid_result(SMALL, axes)


@pytest.fixture(scope="module")
def sample() -> xr.Dataset:
    rng, n = np.random.default_rng(0), 240
    drawn: dict[str, Any] = {
        "seed": range(n),
        "alpha": rng.uniform(1, 2, n),
        "relative_rate": np.exp(rng.uniform(np.log(0.005), np.log(2), n)),
        "activation": rng.choice(ACTIVATIONS, n),
    }
    return sample_result(SMALL | {"cutoff": 4}, drawn)


def meshes(figure: Figure) -> list[QuadMesh]:
    """The heat maps of a figure, without its colour bars."""
    found = [axes.collections[0] for axes in figure.axes if axes.get_label() != "<colorbar>" and axes.collections]
    return [mesh for mesh in found if isinstance(mesh, QuadMesh)]


def shown(mesh: QuadMesh) -> np.ndarray:
    """The numbers of a heat map, (y, x), NaN where nothing is shown."""
    array = mesh.get_array()
    assert array is not None
    return np.ma.filled(array, np.nan)


def title_of(figure: Figure) -> str:
    return figure.get_suptitle()


# Axes


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.geomspace(1e-4, 1e-1, 12), True),
        ([32, 64, 128, 256], True),
        ([1e-4, 1e-1], True),
        (np.exp(np.random.default_rng(0).uniform(-5, 1, 300)), True),
        (np.linspace(2, 40, 20), False),
        (np.linspace(0.001, 1, 50), False),
        ([1.0, 1.5, 2.0], False),
        ([0.0, 1.0, 10.0, 100.0], False),
        ([-1.0, 1.0], False),
        ([1.0, 2.0], False),
        ([3.0], False),
        (np.random.default_rng(0).uniform(10, 1000, 300), False),
    ],
)
def test_an_axis_is_logarithmic_where_its_values_are(values: Any, expected: bool) -> None:
    assert is_logarithmic(np.asarray(values, dtype=float)) is expected


def test_cells_meet_half_way_between_irregular_values() -> None:
    assert_close("linear", cell_edges(np.array([0.0, 1.0, 4.0]), False), [-0.5, 0.5, 2.5, 5.5], "round_off")
    edges = cell_edges(np.array([1.0, 4.0, 400.0]), True)
    assert_close("logarithmic", edges, [0.5, 2.0, 40.0, 4000.0], "round_off")
    assert_differs("half-way by number", edges[1:-1], [2.5, 202.0], "round_off")
    assert len(cell_edges(np.array([7.0]), False)) == 2
    assert len(cell_edges(np.array([7.0]), True)) == 2


def test_every_key_of_a_run_has_words_for_its_axis() -> None:
    assert {f.name for f in fields(Configuration)} <= set(KEYS)


def test_indices_of_plain_text_become_symbols() -> None:
    assert in_symbols("τ(δ ∈ S_l), Δτ_h and t1") == "τ(δ ∈ $S_l$), $Δτ_h$ and $t_1$"
    assert in_symbols("low_rank |τ - x| t10") == "low_rank |τ - x| t10"


# Values


def by_hand(dataset: xr.Dataset, condition: Any) -> np.ndarray:
    """`condition(point)` of every valid point, NaN elsewhere, one point after the other."""
    flat = dataset.drop_dims(["record", "claim", "version"]).stack(point=list(dataset["tau_final"].dims))
    columns = {str(name): values.values for name, values in flat.data_vars.items()}
    out = []
    for i in range(flat.sizes["point"]):
        point = {name: values[i] for name, values in columns.items()}
        out.append(float(condition(point)) if point["reason"] == 0 else np.nan)
    return np.array(out).reshape(dataset["tau_final"].shape)


def test_derived_values_are_what_their_names_say(grid: xr.Dataset) -> None:
    grid = grid.copy(deep=True)
    grid["residual_start"].values[:, 0] *= -1  # f < y: the condition of Eq. 12 flips
    grid["diverged"].values[1, 0, 0, 0, 2] = 1
    expected = {
        "eq12": by_hand(grid, lambda p: (p["eq12_margin"] > 0) == (p["residual_start"] > 0)),
        "overshoots": by_hand(
            grid,
            lambda p: np.isfinite(p["passes_input_tau"]) if p["tau_start"] < p["input_tau"] else np.nan,
        ),
        "t0_exists": by_hand(grid, lambda p: np.isfinite(p["t0_observed"])),
        "t1_exists": by_hand(grid, lambda p: np.isfinite(p["t1_observed"])),
        "tau_change": by_hand(grid, lambda p: p["tau_final"] - p["tau_start"]),
        "method:events": by_hand(grid, lambda p: p["method"] == 1),
        "diverged": by_hand(grid, lambda p: p["diverged"]),
        "n_crossings": by_hand(grid, lambda p: p["n_crossings"]),
    }
    for name, values in expected.items():
        found = quantity(grid, name)
        assert_close(name, found.values, values, "exact")
        assert len(np.unique(values[np.isfinite(values)])) > 1, name
        assert found.is_flag == (name not in ("tau_change", "n_crossings"))
    flipped = quantity(grid, "eq12").values.values[:, 0]
    plain = by_hand(grid, lambda p: p["eq12_margin"] > 0)[:, 0]
    np.testing.assert_array_equal(flipped[np.isfinite(flipped)], 1 - plain[np.isfinite(plain)])


def test_verdicts_by_claim_and_version(grid: xr.Dataset) -> None:
    found = quantity(grid, "verdict:thm3:printed")
    raw = grid["verdict"].sel(claim="thm3", version="printed").values
    np.testing.assert_array_equal(found.values, np.where(raw < 0, np.nan, raw))
    assert "thm3, as printed" in found.label
    assert np.isnan(quantity(grid, "verdict:thm3:corrected").values).all()  # never judged
    assert quantity(grid, "hypotheses:thm3:printed").values.max() == 1


def test_names_are_those_of_variables_and_of_what_follows_from_them(grid: xr.Dataset) -> None:
    found = names(grid)
    assert {"tau_final", "tau", "eq12", "verdict", "verdict:eq14:corrected", "method:low_rank"} <= set(found)
    assert not {"method", "reason", "alpha"} & set(found)
    assert "eq12" not in names(grid.drop_vars("residual_start"))
    odd = grid.assign(chunk_checksum=("chunk", np.arange(3)))
    assert names(odd) == found


# Heat maps


def test_a_heat_map_shows_the_means_of_the_result(grid: xr.Dataset) -> None:
    figure = plot_values(grid, Request("tau_final", "alpha", "relative_rate", facet="activation", select=("cutoff=4",)))
    panels = meshes(figure)
    assert len(panels) == len(ACTIVATIONS)
    for mesh, activation in zip(panels, ACTIVATIONS, strict=True):
        expected = grid["tau_final"].sel(cutoff=4, activation=activation).mean("seed").transpose("relative_rate", ...)
        assert_close(activation, shown(mesh), expected.values, "round_off")
        assert_differs("the median", shown(mesh), grid["tau_final"].sel(cutoff=4, activation=activation).median("seed").transpose("relative_rate", ...).values, "round_off")  # fmt: skip  # noqa: E501
        axes = mesh.axes
        assert axes is not None
        assert axes.get_yscale() == "log"
        assert axes.get_xscale() == "linear"
        assert axes.get_title("left") == activation
    first = figure.axes[0]
    assert first.get_xlabel() == "input spectrum exponent α"
    assert first.get_ylabel() == "relative rate r = η‖a′‖²‖x‖²"
    assert figure.axes[-1].get_ylabel() == "mean of τ(δ ∈ $S_l$) after the last step"
    title = title_of(figure)
    for part in ("mean over 5 seeds", f"{N_RUNS // 2} networks", "cut-off $k_c$ = 4", "commit 0123456789"):
        assert part in title
    assert "abcdef" not in title


def test_scales_can_be_asked_for(grid: xr.Dataset) -> None:
    request = Request("tau_final", "alpha", "relative_rate", log_x=True, log_y=False)
    axes = plot_values(grid, request).axes[0]
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "linear")


def test_cells_without_a_value_are_hatched_and_explained(grid: xr.Dataset) -> None:
    figure = plot_values(grid, Request("tau_final", "alpha", "cutoff"))
    values = shown(meshes(figure)[0])
    assert np.isnan(values[2]).all()
    assert np.isfinite(values[:2]).all()
    assert figure.axes[0].patch.get_hatch()
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["no value"]
    assert f"{N_RUNS:,} networks ({N_RUNS // 2} points without a result)" in title_of(figure)
    whole = plot_values(grid, Request("tau_final", "alpha", "relative_rate", select=("cutoff=2,4",)))
    assert not whole.legends


def test_colours_say_what_kind_of_number_they_stand_for() -> None:
    signed = colours_for(np.array([-1.0, 3.0, np.nan]), is_share=False)
    assert (signed.map, signed.norm.vmin, signed.norm.vmax) == (DIVERGING, -3, 3)
    share = colours_for(np.array([0.4, 0.5]), is_share=True)
    assert (share.map, share.norm.vmin, share.norm.vmax) == (SEQUENTIAL, 0, 1)
    assert isinstance(colours_for(np.array([1e-6, 1.0]), is_share=False).norm, LogNorm)
    assert not isinstance(colours_for(np.array([0.1, 1.0]), is_share=False).norm, LogNorm)
    assert not isinstance(colours_for(np.array([1e-6, 1.0]), is_share=False, logarithmic=False).norm, LogNorm)
    assert colours_for(np.array([2.0, 2.0]), is_share=False).norm.vmax > 2
    assert colours_for(np.array([np.nan]), is_share=False).map == SEQUENTIAL


def test_words_numbers_and_rows_can_be_axes(grid: xr.Dataset) -> None:
    figure = plot_values(grid, Request("eq12", "activation", "alpha", facet="cutoff", row="relative_rate"))
    figure.canvas.draw()
    panels = [axes for axes in figure.axes if axes.get_label() != "<colorbar>"]
    assert len(panels) == len(CUTOFFS) * len(RATES)
    assert [label.get_text() for label in panels[-1].get_xticklabels()] == ACTIVATIONS
    assert [axes.get_title("left") for axes in panels[:3]] == [f"cut-off $k_c$ = {c:g}" for c in CUTOFFS]
    assert [axes.get_ylabel().splitlines()[0] for axes in panels[::3]] == [
        f"relative rate r = {rate:g}" for rate in RATES
    ]


# Lines


def test_lines_have_means_and_students_interval(grid: xr.Dataset) -> None:
    request = Request("tau_final", "relative_rate", hue="activation", select=("cutoff=4", "alpha=1.5"))
    figure = plot_values(grid, request)
    axes = figure.axes[0]
    assert axes.get_xscale() == "log"
    for line, band, activation in zip(axes.get_lines(), axes.collections, ACTIVATIONS, strict=True):
        values = grid["tau_final"].sel(cutoff=4, alpha=1.5, activation=activation).values
        drawn = band.get_paths()[0].vertices
        for rate, mean, column in zip(RATES[:3], line.get_ydata(), values.T, strict=False):
            known = column[np.isfinite(column)]
            assert_close("mean", mean, known.mean(), "round_off")
            ends = drawn[np.isclose(drawn[:, 0], rate), 1]
            test = scipy.stats.ttest_1samp(known, 0).confidence_interval()
            assert_close("interval", [ends.min(), ends.max()], [test.low, test.high], "identity")
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ACTIVATIONS
    assert figure.legends[0].get_title().get_text() == "activation σ"
    assert "95 % interval" in title_of(figure)


def test_what_shares_a_seed_counts_once(grid: xr.Dataset) -> None:
    """Averaged over rates as well, five seeds are five independent values, not twenty."""
    grid = grid.isel(cutoff=[0, 1])
    figure = plot_values(grid, Request("tau_final", "alpha", select=("activation=relu",)))
    values = grid["tau_final"].sel(activation="relu")
    by_seed = values.mean(["relative_rate", "cutoff"]).values  # of the values that there are
    drawn = figure.axes[0].collections[0].get_paths()[0].vertices
    widths = [np.ptp(drawn[np.isclose(drawn[:, 0], alpha), 1]) for alpha in ALPHAS]
    n = np.isfinite(by_seed).sum(0)
    expected = 2 * scipy.stats.t.ppf(0.975, n - 1) * np.nanstd(by_seed, 0, ddof=1) / np.sqrt(n)
    assert_close("interval", widths, expected, "identity")
    pooled = values.transpose("alpha", ...).values.reshape(len(ALPHAS), -1)
    naive = 2 * scipy.stats.t.ppf(0.975, 39) * np.nanstd(pooled, 1, ddof=1) / np.sqrt(40)
    assert_differs("pooled", widths, naive, "identity")
    assert "over seeds" in title_of(figure)


def test_intervals_of_shares_are_wilsons() -> None:
    for hits, n in ((0, 5), (3, 7), (20, 20), (499, 1000)):
        expected = scipy.stats.binomtest(hits, n).proportion_ci(method="wilson")
        assert_close("Wilson", _wilson(np.array([hits / n]), np.array([n]))[:, 0], list(expected), "identity", scale=1)


def test_no_legend_covers_a_panel_or_the_title(grid: xr.Dataset) -> None:
    for request in (
        Request("tau_final", "relative_rate", hue="cutoff", facet="activation"),
        Request("eq12", "activation", hue="alpha"),
        Request("tau", "record", hue="relative_rate", facet="activation"),
    ):
        figure = plot_values(grid, request)
        figure.canvas.draw()
        box = figure.legends[0].get_window_extent()
        assert all(not box.overlaps(axes.get_window_extent()) for axes in figure.axes)
        suptitle = next(text for text in figure.texts if text.get_text() == title_of(figure))
        assert not box.overlaps(suptitle.get_window_extent())
        assert suptitle.get_window_extent().x1 <= figure.bbox.x1
        assert all(axes.get_tightbbox().x0 >= 0 for axes in figure.axes)


def test_courses_are_drawn_over_steps_where_all_runs_have_the_same(grid: xr.Dataset) -> None:
    line = plot_values(grid, Request("tau", "record", select=("cutoff=4",))).axes[0].get_lines()[0]
    np.testing.assert_array_equal(line.get_xdata(), grid["recorded_step"].values[0, 0, 1, 0, 0])
    assert line.axes is not None
    assert line.axes.get_xlabel() == "training step t"
    other = grid.copy(deep=True)
    other["recorded_step"].values[0, 0, 1, 0, 0] += 1
    assert plot_values(other, Request("tau", "record")).axes[0].get_xlabel() == "share of the training steps"


@pytest.mark.parametrize("statistic", ["median", "min", "max", "sd", "mean"])
def test_statistics_are_numpys(grid: xr.Dataset, statistic: str) -> None:
    request = Request("tau_final", "alpha", statistic=statistic, select=("cutoff=4",))
    drawn = plot_values(grid, request).axes[0].get_lines()[0].get_ydata()
    values = grid["tau_final"].sel(cutoff=4).transpose("alpha", ...).values.reshape(len(ALPHAS), -1)
    reduce: Any = {"sd": lambda v, axis: np.nanstd(v, axis, ddof=1)}.get(statistic) or getattr(np, f"nan{statistic}")
    assert_close(statistic, drawn, reduce(values, axis=1), "identity")


def test_share_of_a_number_is_the_share_that_has_one(grid: xr.Dataset) -> None:
    drawn = plot_values(grid, Request("t1_observed", "alpha", statistic="share")).axes[0].get_lines()[0].get_ydata()
    valid = grid["t1_observed"].isel(cutoff=[0, 1]).transpose("alpha", ...).values.reshape(len(ALPHAS), -1)
    assert_close("share", drawn, np.isfinite(valid).mean(1), "round_off")


# Random samples


def test_drawn_numbers_are_gathered_in_bins(sample: xr.Dataset) -> None:
    figure = plot_values(sample, Request("tau_final", "alpha", "relative_rate", facet="activation"))
    axes = figure.axes[0]
    assert (axes.get_xscale(), axes.get_yscale()) == ("linear", "log")
    edges = meshes(figure)[0].get_coordinates()
    x_edges, y_edges = edges[0, :, 0], edges[:, 0, 1]
    relu = (sample["activation"] == "relu").values & np.isfinite(sample["tau_final"].values)
    total, _, _ = np.histogram2d(
        sample["relative_rate"].values[relu], sample["alpha"].values[relu], [y_edges, x_edges],
        weights=sample["tau_final"].values[relu],
    )  # fmt: skip
    count, _, _ = np.histogram2d(sample["relative_rate"].values[relu], sample["alpha"].values[relu], [y_edges, x_edges])
    with np.errstate(invalid="ignore"):
        expected = np.where(count >= 4, total / count, np.nan)
    assert count.sum() == relu.sum()
    assert_close("binned means", shown(meshes(figure)[0]), expected, "identity")
    assert "the draws in each cell" in title_of(figure)


def test_cells_with_few_draws_are_left_out(sample: xr.Dataset) -> None:
    few = sample.isel(sample=slice(0, 40))
    figure = plot_values(few, Request("tau_final", "alpha", "relative_rate"))
    assert np.isnan(shown(meshes(figure)[0])).any()
    assert "fewer than 4 draws" in figure.legends[0].get_texts()[0].get_text()


# Default pictures


def test_phases_are_shares_over_the_most_telling_parameters(grid: xr.Dataset, sample: xr.Dataset) -> None:
    assert choose_axes(grid) == ["alpha", "relative_rate"]
    assert choose_axes(sample) == ["alpha", "relative_rate"]
    both = grid.assign_coords(relative_residual=("seed", [1.0, 2.0, 3.0, 4.0, 5.0]))
    assert choose_axes(both) == ["alpha", "relative_residual"]
    assert choose_axes(both.isel(alpha=0)) == ["relative_rate", "relative_residual"]
    assert choose_axes(both.isel(seed=[0, 1])) == ["alpha", "relative_rate"]  # two values show little
    figure = plot_phases(grid)
    assert figure is not None
    panels = meshes(figure)
    assert len(panels) == 6
    order = [(name, activation) for activation in ACTIVATIONS for name in ("eq12", "overshoots", "t1_exists")]
    for mesh, (name, activation) in zip(panels, order, strict=True):
        values = quantity(grid, name).values.sel(activation=activation)
        expected = values.mean(["seed", "cutoff"]).transpose("relative_rate", "alpha").values
        assert_close(f"{name} {activation}", shown(mesh), expected, "round_off")
        assert (mesh.norm.vmin, mesh.norm.vmax) == (0, 1)
    assert "shares over 5 seeds × 3 values of cut-off" in title_of(figure)
    one = plot_phases(grid.isel(alpha=0, cutoff=0))
    assert one is not None
    assert len(one.axes[0].get_lines()) == len(ACTIVATIONS)
    assert plot_phases(grid.isel(alpha=0, cutoff=0, relative_rate=0)) is None


def test_predicted_and_observed_steps_are_counted_also_where_there_are_none() -> None:
    nan = np.nan
    pair = Pair(np.array([0.0, 1, 7, nan, nan, 3]), np.array([0.0, 2, 7, 5, nan, nan]))
    counts = {"both": 3, "run later than predicted": 1, "only predicted": 1, "only observed": 1, "neither": 1}
    assert pair.counts == counts
    edges = step_edges(7.0)
    found = joint_counts(pair, edges)
    assert found.sum() == 6
    assert (found[-1, -1], found[-1, :-1].sum(), found[:-1, -1].sum()) == (1, 1, 1)
    bins = np.searchsorted(edges, [0, 2, 7, 1]) - 1
    assert found[bins[0], bins[0]] == found[bins[1], bins[3]] == found[bins[2], bins[2]] == 1
    assert (found[-2] == 0).all()  # the gap
    for last in (0.0, 1.0, 50.0, 1e6):
        edges = step_edges(last)
        assert edges[0] == -0.5
        assert edges[-1] >= last + 0.5
        assert len(edges) <= 41


def test_bounds_are_drawn_with_every_network(grid: xr.Dataset) -> None:
    figure = plot_bounds(grid)
    assert figure is not None
    panels = meshes(figure)
    assert [np.nansum(shown(mesh)) for mesh in panels] == [N_RUNS] * 3
    pair = read_pair(grid, "t1_predicted", "t1_observed")
    assert f"both: {pair.counts['both']}" in figure.axes[2].get_title("left")
    assert (np.diff(figure.axes[2].get_lines()[0].get_xydata(), axis=1) == 0).all()  # the diagonal
    assert figure.axes[0].get_xlabel() == "observed $t_0$ (training step)"
    nothing = grid.copy(deep=True)
    for name in ("t0_printed", "t0_corrected", "t0_observed", "t1_predicted", "t1_observed"):
        nothing[name].values[:] = np.nan
    assert plot_bounds(nothing) is None


@pytest.mark.parametrize("n_units", [40, 2])
def test_a_planted_slope_is_found_and_a_wrong_one_is_not(n_units: int) -> None:
    rng = np.random.default_rng(1)
    x = np.tile(np.geomspace(1e-4, 1e-1, 7), n_units)
    unit = np.repeat(np.arange(n_units), 7)
    noise = np.exp(0.1 * rng.normal(size=x.size) + 0.3 * rng.normal(size=n_units)[unit])
    found = fit_slope(x, 5 * x**2 * noise, unit)
    assert found is not None
    assert_close("slope", found.value, 2.0, "order", scale=1)
    assert abs(found.value - 2) < 3 * found.half < 0.3
    assert abs(found.value - 1) > 10 * found.half
    exact = fit_slope(x, 5 * x**2, unit)
    assert exact is not None
    assert_close("exact", [exact.value, exact.half, np.exp(exact.offset)], [2.0, 0.0, 5.0], "identity")
    assert fit_slope(np.ones(3), np.ones(3), np.arange(3)) is None


def test_intervals_of_slopes_hold_what_they_promise() -> None:
    """Units that differ in slope: 95 % of the intervals should hold the mean slope, pooled points far fewer."""
    rng, n_units, repetitions = np.random.default_rng(2), 20, 60
    x = np.geomspace(0.01, 100, 5)
    covered = {"units": 0, "points": 0}
    for _ in range(repetitions):
        slopes = 1 + 0.3 * rng.normal(size=n_units)
        y = (x ** slopes[:, None]).ravel()
        for name, unit in (("units", np.repeat(np.arange(n_units), 5)), ("points", np.arange(5 * n_units))):
            found = fit_slope(np.tile(x, n_units), y, unit)
            assert found is not None
            covered[name] += abs(found.value - 1) <= found.half
    assert 0.87 < covered["units"] / repetitions < 0.99
    assert covered["points"] / repetitions < 0.85


def test_residuals_have_the_slopes_in_their_legends() -> None:
    rates, widths = np.geomspace(1e-3, 1e-1, 5).tolist(), [4, 8, 16]
    dataset = grid_result(
        {"dim": 17, "cutoff": 3, "n_steps": 3}, {"seed": range(6), "width": widths, "learning_rate": rates}
    )
    law = dataset["learning_rate"] ** 2 / dataset["width"]
    dataset["printed_residual"][:] = 10 * dataset["learning_rate"].broadcast_like(dataset["printed_residual"])
    dataset["corrected_residual"][:] = law.broadcast_like(dataset["corrected_residual"])
    dataset["closed_form_residual"][:] = 1e-16
    dataset["relative_rate_used"][:] = 0.5
    dataset["first_crossing"][:] = np.nan
    dataset["printed_residual"].values[0, :, 0] = 1e9
    dataset["diverged"].values[0, :, 0] = 1  # left out: else the slope is another
    figure = plot_slopes(dataset)
    assert figure is not None
    for axes, slopes in zip(figure.axes, (("1.00", "2.00"), ("0.00", "-1.00")), strict=True):
        legend = axes.get_legend()
        assert legend is not None
        texts = [text.get_text() for text in legend.get_texts()]
        assert "closed form: mostly round-off" in texts
        for label, slope in zip(("as printed", "corrected"), slopes, strict=True):
            assert any(text.startswith(f"Eqs. 13–14 {label}: slope {slope} ±") for text in texts), texts
        assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    assert plot_slopes(dataset.isel(width=[0, 1], learning_rate=[0, 1])) is None
    assert int(has_order(dataset).sum()) == dataset["diverged"].size - 3
    for name, value in (("relative_rate_used", 1.5), ("first_crossing", 2.0)):  # neither has an order
        left_out = dataset.copy(deep=True)
        left_out[name].values[1:] = value
        assert int(has_order(left_out).sum()) == 3 * 5 - 3
        assert f"{3 * 5 - 3} of 90 networks" in title_of(plot_slopes(left_out) or Figure())
    only = plot_slopes(dataset.isel(width=[0, 1]))
    assert only is not None
    assert len(only.axes) == 1


def test_default_pictures_are_those_that_the_sweep_allows(grid: xr.Dataset, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "pictures"
    written = save_default_plots(grid, folder)
    assert [path.name for path in written] == ["phases.png", "bounds.png", "residuals.png"]
    for path in written:
        with Image.open(path) as image:
            assert image.width > 800
    assert sorted(folder.iterdir()) == sorted(written)
    few = save_default_plots(grid.isel(alpha=0, cutoff=0, relative_rate=0), tmp_path / "few", ".svg")
    assert [path.name for path in few] == ["bounds.svg"]
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot make folder"):
        save_default_plots(grid, tmp_path / "file")


# The command


@pytest.fixture
def store(grid: xr.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A store with the fill values of a sweep's, by which integers reach a reader as floats."""
    encoding = {str(n): {"_FillValue": -1} for n, v in grid.data_vars.items() if v.dtype.kind == "i" and n != "method"}
    grid.to_zarr(tmp_path / "small.zarr", zarr_format=2, encoding=encoding)
    monkeypatch.setattr("theory_sim.sweep.store.open_sweep", lambda path, note: xr.open_zarr(path, chunks=None))
    return str(tmp_path / "small.zarr")


def test_command_writes_the_picture_beside_the_store(store: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plot", store, "--x", "alpha", "--y", "relative_rate", "--value", "verdict:thm3:printed"]) == 0
    out, err = capsys.readouterr()
    target = Path(store).with_name("small-verdict-thm3-printed.png")
    assert out == f"wrote {target}\n"
    assert err == ""
    with Image.open(target) as image:
        assert image.format == "PNG"


@pytest.mark.parametrize(("suffix", "start"), [(".png", b"\x89PNG"), (".pdf", b"%PDF"), (".svg", b"<?xml")])
def test_every_suffix_gives_the_same_file_twice(store: str, tmp_path: Path, suffix: str, start: bytes) -> None:
    files = [tmp_path / f"{name}{suffix}" for name in ("one", "two")]
    for file in files:
        assert main(["plot", store, "--x", "alpha", "--value", "diverged", "--hue", "cutoff", "--out", str(file)]) == 0
    first, second = (file.read_bytes() for file in files)
    assert first.startswith(start)
    assert first == second


def test_integers_of_a_store_are_read_with_their_gaps(store: str, grid: xr.Dataset) -> None:
    stored = xr.open_zarr(store, chunks=None)
    assert stored["reason"].dtype.kind == "f"
    for name in ("diverged", "n_crossings", "verdict:thm3:printed", "hypotheses", "method:events", "reason:valid"):
        np.testing.assert_array_equal(quantity(stored, name).values, quantity(grid, name).values, err_msg=name)


def test_without_a_value_the_default_pictures_are_drawn(store: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plot", store]) == 0
    folder = Path(store).with_name("small-plots")
    assert capsys.readouterr().out.splitlines() == [
        f"wrote {folder / name}.png" for name in ("phases", "bounds", "residuals")
    ]


def test_values_lists_what_can_be_drawn(store: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plot", store, "--values"]) == 0
    parameters, values = capsys.readouterr().out.splitlines()
    assert parameters == "parameters: seed, alpha, cutoff, activation, relative_rate"
    assert "t1_exists" in values


# options after `plot STORE`, what the line says
BAD: list[tuple[str, list[str]]] = [
    ("--value tau_finl --x alpha", ["unknown value 'tau_finl'", "did you mean tau_final", "eq12", "verdict:CLAIM:"]),
    ("--value verdict:thm9:printed --x alpha", ["thm9", "did you mean"]),
    ("--value tau_final --x alfa", ["--x alfa", "did you mean alpha", "relative_rate"]),
    ("--value tau_final --x learning-rate", ["--x learning-rate", "was not swept"]),
    ("--value tau_final --x alpha --y alpha", ["alpha", "twice"]),
    ("--value tau_final --x alpha --y relative_rate --hue cutoff", ["--hue with --y"]),
    ("--value tau_final", ["without --x"]),
    ("--x alpha", ["--x without --value"]),
    ("--value tau --x alpha", ["5 values along record", "--select record"]),
    ("--value verdict --x alpha", ["along claim"]),
    ("--value tau_final --x record", ["does not depend on record"]),
    ("--value tau_final --x alpha --statistic mode", ["--statistic mode", "median"]),
    ("--value tau_final --x alpha --over seed", ["cutoff (3 values) is neither shown nor averaged"]),
    ("--value tau_final --x alpha --over sead", ["seed"]),
    ("--value tau_final --x alpha --select cutoff=3", ["cutoff=3", "2, 4, 40"]),
    ("--value tau_final --x alpha --select cutoff=low", ["cutoff=low", "a number"]),
    ("--value tau_final --x alpha --select cutoff", ["KEY=VALUE"]),
    ("--value tau_final --x alpha --select alpha=5:9", ["nothing lies there", "1, 1.5, 2.5"]),
    ("--value tau_final --x alpha --select alpha=1", ["--x alpha", "one value"]),
    ("--value tau_final --x alpha --select activation=elu", ["elu", "relu, softplus"]),
    ("--value eq12_margin --x alpha --statistic min --log-value", ["--log-value"]),
    ("--value tau_final --x alpha --out picture.jpg", ["picture.jpg", ".png, .pdf, .svg"]),
    ("--value tau_final --x alpha --out nowhere/picture.png", ["no such folder nowhere"]),
    ("--value tau_final --x seed --log-x", ["logarithmic axis of seed, which reaches 0"]),
]


@pytest.mark.parametrize(("options", "said"), BAD, ids=[options for options, _ in BAD])
def test_a_mistake_is_one_line(
    store: str, capsys: pytest.CaptureFixture[str], options: str, said: list[str], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert main(["plot", store, *options.split()]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert len(err.splitlines()) == 1
    for words in said:
        assert words in err
    assert [path.name for path in tmp_path.iterdir()] == ["small.zarr"]


def test_too_many_panels_or_lines_are_refused(grid: xr.Dataset) -> None:
    many = xr.concat([grid.isel(seed=[0])] * 13, "seed").assign_coords(seed=np.arange(13))
    with pytest.raises(InputError, match="13 lines: allowed are up to 12"):
        plot_values(many, Request("tau_final", "alpha", hue="seed"))
    with pytest.raises(InputError, match="26 panels: allowed are up to 24"):
        plot_values(many, Request("tau_final", "alpha", facet="seed", row="activation"))


def test_a_full_disk_leaves_nothing_half_written(
    store: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(figure: Figure, path: Path, **_: Any) -> None:
        Path(path).write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Figure, "savefig", full)
    assert main(["plot", store, "--x", "alpha", "--value", "tau_final"]) == 2
    assert "No space left" in capsys.readouterr().err
    assert [path.name for path in Path(store).parent.iterdir()] == ["small.zarr"]
