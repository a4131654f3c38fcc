"""Pictures of sweeps: they show the numbers of the result, on the right axes, and say of what."""

from __future__ import annotations

import errno
import itertools
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
from theory_sim.sweep.plots.axes import MARGIN, dress, levels
from theory_sim.sweep.plots.bounds import Pair, joint_counts, plot_bounds, read_pair, step_edges
from theory_sim.sweep.plots.cells import _wilson
from theory_sim.sweep.plots.defaults import save_default_plots
from theory_sim.sweep.plots.generic import Request, plot_values
from theory_sim.sweep.plots.heat_map import DIVERGING, SEQUENTIAL, colours_for
from theory_sim.sweep.plots.labels import KEYS, in_symbols
from theory_sim.sweep.plots.phase import choose_axes, plot_phases
from theory_sim.sweep.plots.quantities import names, quantity
from theory_sim.sweep.plots.scales import LINEAR, LOGARITHMIC, Scale, cell_edges, is_logarithmic, scale_for
from theory_sim.sweep.plots.slopes import Slope, fit_slope, has_order, plot_slopes
from theory_sim.sweep.plots.trainings import one_of_each, repeated, trainings

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


def hatching_of(figure: Figure) -> str:
    """What the figure says of hatched cells, beside its colour bar."""
    legend = next(axes for axes in figure.axes if axes.get_label() == "<colorbar>").get_legend()
    return " ".join(text.get_text().replace("\n", " ") for text in legend.get_texts()) if legend else ""


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
    assert_close("linear", cell_edges(np.array([0.0, 1.0, 4.0]), LINEAR), [-0.5, 0.5, 2.5, 5.5], "round_off")
    edges = cell_edges(np.array([1.0, 4.0, 400.0]), LOGARITHMIC)
    assert_close("logarithmic", edges, [0.5, 2.0, 40.0, 4000.0], "round_off")
    assert_differs("half-way by number", edges[1:-1], [2.5, 202.0], "round_off")
    assert len(cell_edges(np.array([7.0]), LINEAR)) == 2
    assert len(cell_edges(np.array([7.0]), LOGARITHMIC)) == 2


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
    assert " ".join(figure.axes[-1].get_ylabel().split()) == "mean of τ(δ ∈ $S_l$) after the last step"
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
    assert hatching_of(figure) == "no value"
    assert f"{N_RUNS:,} networks ({N_RUNS // 2} points without a result)" in title_of(figure)
    whole = plot_values(grid, Request("tau_final", "alpha", "relative_rate", select=("cutoff=2,4",)))
    assert hatching_of(whole) == ""


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
        for rate, mean, column in zip(RATES[:3], line.get_ydata(), values.T, strict=False):
            known = column[np.isfinite(column)]
            assert_close("mean", mean, known.mean(), "round_off")
            assert (len(known) < 5) == (activation == "relu")  # ReLU networks without an active unit have no value
            if len(known) < 5:
                assert not band.get_paths()
                continue
            drawn = band.get_paths()[0].vertices
            ends = drawn[np.isclose(drawn[:, 0], rate), 1]
            test = scipy.stats.ttest_1samp(known, 0).confidence_interval()
            assert_close("interval", [ends.min(), ends.max()], [test.low, test.high], "identity")
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ACTIVATIONS
    assert figure.legends[0].get_title().get_text() == "activation σ"
    assert "95 % interval over seeds, where 5 or more have a value" in title_of(figure)


def test_what_shares_a_seed_counts_once(grid: xr.Dataset) -> None:
    """Averaged over rates as well, five seeds are five independent values, not twenty."""
    grid = grid.isel(cutoff=[0, 1])
    figure = plot_values(grid, Request("tau_final", "alpha", select=("activation=softplus",)))
    values = grid["tau_final"].sel(activation="softplus")
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
    assert "fewer than 4 draws" in hatching_of(figure)


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


@pytest.mark.parametrize("n_units", [40, 5])
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


def test_a_sweep_without_a_result_has_no_pictures(grid: xr.Dataset) -> None:
    nothing = grid.isel(cutoff=[2])
    assert plot_phases(nothing) is None
    assert plot_bounds(nothing) is None
    assert plot_slopes(nothing) is None


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


# What is independent, and what is shown of it


@pytest.fixture(scope="module")
def attacked(grid: xr.Dataset) -> xr.Dataset:
    """The grid with six attacks on each network."""
    out = grid.isel(cutoff=[0, 1]).expand_dims(
        attack=["fgm", "fgsm", "pgd"], attack_start=["zero", "random"], axis=(5, 6)
    )
    out = out.copy(deep=True)
    fresh = np.random.default_rng(3).uniform(size=out["tau_final"].shape)
    out["attack_tau_final"] = (out["tau_final"].dims, fresh, {"long_name": "τ of the attack's δ", "units": "1"})
    return out


def test_trainings_that_differ_in_their_attack_only_are_one(grid: xr.Dataset, attacked: xr.Dataset) -> None:
    plain = grid.isel(cutoff=[0, 1])
    assert repeated(attacked, "tau_final") == repeated(attacked, "eq12") == ["attack", "attack_start"]
    assert repeated(attacked, "verdict:thm3:printed") == ["attack", "attack_start"]
    assert repeated(attacked, "attack_tau_final") == repeated(attacked, "verdict:lemma1:printed") == []
    xr.testing.assert_equal(trainings(attacked).drop_vars("attack_tau_final"), plain)
    for draw in (plot_phases, plot_bounds):
        once, often = draw(plain), draw(attacked)
        assert once is not None
        assert often is not None
        assert title_of(often) == title_of(once)
        for first, second in zip(meshes(once), meshes(often), strict=True):
            np.testing.assert_array_equal(shown(first), shown(second))
    request = Request("tau_final", "alpha")
    assert title_of(plot_values(attacked, request)) == title_of(plot_values(plain, request))
    title = title_of(plot_values(attacked, Request("attack_tau_final", "attack")))
    assert f"{N_RUNS:,} networks, {6 * N_RUNS:,} points with an attack each" in title
    assert title_of(plot_values(attacked, Request("tau_final", "attack"))) != title_of(plot_values(plain, request))


def test_a_training_is_taken_where_it_was_run(attacked: xr.Dataset) -> None:
    """No attack could be run on every network, yet each network was trained under one of them."""
    part = attacked.copy(deep=True)
    for activation, attack in ((0, 0), (1, 1), (0, 2), (1, 2)):
        part["reason"].values[:, :, :, activation, :, attack] = 1
    part["reason"].values[:, :, :, 0, :, 1, 0] = 1
    expected = attacked.isel(attack=0, attack_start=0)
    found = one_of_each(part, repeated(part, "tau_final"))
    for name in ("tau_final", "reason"):
        np.testing.assert_array_equal(found[name].transpose(*expected[name].dims), expected[name])
    assert (part["reason"].isel(attack=0, attack_start=0) != 0).any()


def test_intervals_are_over_seeds_only(grid: xr.Dataset, sample: xr.Dataset) -> None:
    """Without seeds or draws to average, or with fewer than five, there is no band, and the caption says why."""
    cases = [
        (grid.isel(seed=[0, 1, 2, 3]), Request("tau_final", "alpha"), "no intervals: fewer than 5 seeds"),
        (grid.isel(seed=0), Request("tau_final", "alpha"), "no intervals: neither seeds nor draws"),
        (grid, Request("tau_final", "seed"), "no intervals: neither seeds nor draws"),
        (grid, Request("tau_final", "alpha", statistic="median"), "no intervals: the median is over more than seeds"),
        (grid, Request("tau_final", "alpha"), "95 % interval over seeds"),
        (sample, Request("tau_final", "alpha"), "95 % interval over draws"),
    ]
    for dataset, request, said in cases:
        figure = plot_values(dataset, request)
        assert said in title_of(figure)
        drawn = [path.vertices for path in figure.axes[0].collections[0].get_paths()]
        there = any(np.ptp(np.asarray(vertices)[:, 1]) > 0 for vertices in drawn)
        assert there == ("95 %" in said), said


def test_titles_name_two_of_what_is_averaged(grid: xr.Dataset) -> None:
    title = title_of(plot_values(grid, Request("tau_final", "activation")))
    assert "mean over 5 seeds × 3 values of input spectrum exponent and 2 more parameters" in title


def planted(grid: xr.Dataset, name: str, by_seed: list[float]) -> xr.Dataset:
    """The valid part of the grid, one variable having these values for the five seeds."""
    out = grid.isel(cutoff=[0, 1]).copy(deep=True)
    values = out[name]
    values[:] = xr.DataArray(by_seed, dims="seed").broadcast_like(values).transpose(*values.dims).values
    return out


def band_of(figure: Figure) -> np.ndarray:
    return np.asarray(figure.axes[0].collections[0].get_paths()[0].vertices)[:, 1]


def test_intervals_stay_where_values_can_be(grid: xr.Dataset) -> None:
    near = [0.99, 0.995, 1.0, 0.2, 0.999]
    for name, bounded in (("tau_final", True), ("output_start", False)):
        band = band_of(plot_values(planted(grid, name, near), Request(name, "alpha")))
        assert (band.max() <= 1) == bounded, name
        assert band.min() > 0
    band = band_of(plot_values(planted(grid, "t1_observed", [0, 0, 0, 0, 50.0]), Request("t1_observed", "alpha")))
    assert band.min() == 0
    outside = planted(grid, "tau_printed_final", [0.5, 1.5, -0.5, 0.9, 0.1])  # the recurrences can leave [0, 1]
    assert band_of(plot_values(outside, Request("tau_printed_final", "alpha"))).max() > 1


def test_a_logarithmic_axis_shows_what_is_positive(grid: xr.Dataset) -> None:
    changed = planted(grid, "q_final", [1e-3, 1e-3, 1e-3, 1e-3, 1.0])
    changed["q_final"][:, 1] = 0.0
    figure = plot_values(changed, Request("q_final", "alpha", log_value=True))
    axes = figure.axes[0]
    bottom, top = axes.get_ylim()
    assert axes.get_yscale() == "log"
    assert band_of(figure).min() >= bottom > 0.2 / 20
    assert top < 2
    assert "1 value ≤ 0 not shown" in title_of(figure)
    assert np.isnan(np.asarray(axes.get_lines()[0].get_ydata(), float)[1])
    mapped = plot_values(changed, Request("q_final", "alpha", "relative_rate", log_value=True))
    assert hatching_of(mapped).replace("\u00a0", " ") == "no value or ≤ 0"
    assert "4 values ≤ 0 not shown" in title_of(mapped)
    linear = plot_values(changed, Request("q_final", "alpha", log_value=False))
    assert "not shown" not in title_of(linear)
    with pytest.raises(InputError, match="q_final goes from 0 to 0: allowed are"):
        plot_values(changed, Request("q_final", "relative_rate", select=("alpha=1.5",), log_value=True))


def test_uneven_steps_from_0_on_have_room(grid: xr.Dataset) -> None:
    assert scale_for(np.array([0.0, 1, 10, 60])) == Scale("symlog", 1.0)
    assert scale_for(np.array([0.0, 27, 53, 80])) == LINEAR
    assert scale_for(np.array([-1.0, 0, 100])) == LINEAR
    scale = Scale("symlog", 0.5)
    values = np.array([-3.0, 0, 0.2, 0.5, 70])
    assert_close("inverse", scale.value(scale.place(values)), values, "identity")
    uneven = grid.copy(deep=True)
    uneven["recorded_step"].values[:] = [0, 1, 2, 10, 1000]
    axes = plot_values(uneven, Request("tau", "record", select=("cutoff=4",))).axes[0]
    assert axes.get_xscale() == "symlog"
    texts = [label.get_text() for label in axes.get_xticklabels()]
    assert texts == ["0", "1", "2", "10", "1000"]
    axes.figure.canvas.draw()
    boxes = [label.get_window_extent() for label in axes.get_xticklabels()]
    assert all(left.x1 < right.x0 for left, right in itertools.pairwise(boxes))
    marks = axes.transAxes.inverted().transform(axes.transData.transform([(0, 0.5), (1000, 0.5)]))[:, 0]
    assert marks[0] > 0.9 * MARGIN / (1 + 2 * MARGIN)
    assert marks[1] < 1 - 0.9 * MARGIN / (1 + 2 * MARGIN)
    close = xr.Dataset({"tau_final": ("cutoff", np.zeros(4))}, {"cutoff": [1.0, 1.1, 50.0, 100.0]})
    panel = Figure(figsize=(4, 3)).subplots()
    dress(panel, "x", levels(close, "cutoff", logarithmic=False))
    assert [label.get_text() for label in panel.get_xticklabels()] == ["1", "50", "100"]


def test_claims_that_no_run_judges_are_left_out_and_named(grid: xr.Dataset) -> None:
    request = Request("verdict", "alpha", facet="claim", select=("version=printed",))
    figure = plot_values(grid, request)
    assert [axes.get_title("left") for axes in figure.axes] == ["thm3"]
    assert "never judged here: eq13, eq14," in title_of(figure)
    every = grid.copy(deep=True)
    every["verdict"].values[..., 0] = 1
    wide = plot_values(every, request)
    assert len(wide.axes) == 11
    assert "never judged" not in title_of(wide)
    wide.canvas.draw()
    lefts = {round(axes.get_position().x0, 3) for axes in wide.axes}
    assert len(lefts) == 4
    assert wide.get_figwidth() * 150 <= 1800
    with pytest.raises(InputError, match="11 panels side by side"):
        plot_values(grid, Request("hypotheses", "alpha", facet="claim", row="version"))


def test_words_on_hatched_cells_and_the_diagonal_are_at_the_panels(grid: xr.Dataset) -> None:
    figure = plot_values(grid, Request("tau_final", "alpha", "cutoff"))
    bounds = plot_bounds(grid)
    assert bounds is not None
    assert not figure.legends
    assert not bounds.legends
    assert [text.get_text() for text in bounds.axes[0].texts] == ["run as predicted"]
    figure.canvas.draw()
    legend = figure.axes[-1].get_legend()
    assert legend is not None
    assert legend.get_window_extent().x0 > figure.axes[0].get_window_extent().x1
    assert legend.get_window_extent().x1 <= figure.bbox.x1
    for drawn in (bounds, plot_phases(grid), plot_slopes(grid)):
        assert drawn is not None
        assert drawn.get_figwidth() * 150 <= 1800


@pytest.mark.parametrize("facet", [None, "activation"])
def test_a_colour_bar_holds_its_label(grid: xr.Dataset, facet: str | None) -> None:
    """Beside it alone: not over the words on hatched cells, not beyond the picture."""
    figure = plot_values(
        grid, Request("verdict", "alpha", "cutoff", facet=facet, select=("claim=thm3", "version=printed"))
    )
    figure.canvas.draw()
    bar = figure.axes[-1]
    label, box = bar.yaxis.label.get_window_extent(), bar.get_window_extent()
    assert bar.get_ylabel().startswith("share: the run agrees")
    assert box.y0 - 0.1 * box.height < label.y0 < label.y1 < box.y1 + 0.1 * box.height
    assert label.x1 <= figure.bbox.x1
    assert not label.overlaps(bar.get_legend().get_window_extent())


@pytest.mark.parametrize(("low", "high", "least"), [(0.1003, 9.97, 5), (0.02, 1.9, 2), (0.3, 250.0, 3), (1e-6, 1e2, 4)])
def test_a_logarithmic_axis_has_several_numbers(sample: xr.Dataset, low: float, high: float, least: int) -> None:
    """Also where drawn numbers end just before the powers of ten."""
    drawn = np.geomspace(low, high, sample.sizes["sample"])
    found = levels(sample.assign_coords(alpha=("sample", drawn)), "alpha", bins=9)
    panel = Figure().subplots()
    dress(panel, "x", found)
    panel.figure.canvas.draw()
    places = [tick for tick in panel.get_xticks() if found.edges[0] <= tick <= found.edges[-1]]
    assert least <= len(places) <= 9


def test_a_slope_that_nothing_is_sure_of_is_not_printed() -> None:
    assert Slope(1.234, 0.26, 0.0).text == "no clear slope"
    assert Slope(1.234, 0.24, 0.0).text == "slope 1.23 ± 0.24"
    few = fit_slope(np.tile([1.0, 2.0, 4.0], 4), np.tile([1.0, 2.0, 5.0], 4), np.repeat(np.arange(4), 3))
    assert few is not None
    assert np.isnan(few.half)
    assert "±" not in few.text


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
    lines = capsys.readouterr().out.splitlines()
    first = [line.split()[0] for line in lines if line.strip()]
    order = ["parameters", "alpha", "numbers", "eq12_margin", "records", "tau", "derived", "t1_exists", "codes",
             "method:WORD", "verdicts", "verdict:CLAIM:VERSION"]  # fmt: skip
    assert sorted(order, key=first.index) == order
    assert max(map(len, lines)) <= 120
    (margin,) = [line for line in lines if line.split()[:1] == ["eq12_margin"]]
    assert "before training" in margin
    assert "energy (unnormalised DFT)" in margin
    (course,) = [line for line in lines if line.split()[:1] == ["tau"]]
    assert course.split()[-1] == "record"


# options after `plot STORE`, what the line says
BAD: list[tuple[str, list[str]]] = [
    ("--value tau_finl --x alpha", ["unknown value 'tau_finl'", "did you mean tau_final", "(--values lists all)"]),
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
    ("--value eq12_margin --x alpha --log-value", ["--log-value", "eq12_margin goes from -"]),
    ("--value tau_final --x alpha --statistic share", ["--statistic share", "tau_final", "eq12", "overshoots"]),
    ("--value t1_observed --x alpha --statistic share", ["--statistic share", "t1_exists"]),
    ("--value verdict:thm3:corrected --x alpha", ["verdict:thm3:corrected has no value in this selection"]),
    ("--value tau_final --x alpha --select cutoff=40 --y activation", ["tau_final has no value in this selection"]),
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
