"""The picture of a run: it shows the run's own numbers, nothing covers them, and it is the same every time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure
from PIL import Image

from theory_sim.configuration import Configuration
from theory_sim.plots import plot_run, save_run_plot
from theory_sim.simulation.run import simulate

SMALL: dict[str, Any] = {"dim": 33, "width": 16, "cutoff": 4, "n_steps": 60}
RUNS: dict[str, dict[str, Any]] = {
    "relu": SMALL,
    "softplus": SMALL | {"activation": "softplus"},
    "diverging": SMALL | {"activation": "leaky_softplus", "relative_rate": 300.0, "n_steps": 200},
    "vanishing": SMALL | {"relative_rate": 50.0},
    "many crossings": SMALL | {"width": 300, "relative_rate": 1.5},
    "settled": SMALL | {"relative_rate": 0.9, "n_steps": 100},
    "d = 5": {"dim": 5, "width": 16, "cutoff": 1, "n_steps": 60},
    "tiles": {"source": "tiles", "n_steps": 20, "width": 8},
    "tiny tiles": {"source": "tiles", "tile_size": 2, "cutoff": 1, "n_steps": 20, "width": 16},
    "negative drive, DCT": SMALL | {"relative_residual": -1.0, "transform": "dct"},
    "one step": SMALL | {"n_steps": 1},
    "logistic": SMALL | {"loss": "logistic"},
}


@pytest.fixture(scope="module")
def relu() -> xr.Dataset:
    return simulate(Configuration(**SMALL))


@pytest.fixture(scope="module")
def figure(relu: xr.Dataset) -> Figure:
    return plot_run(relu)


@pytest.mark.parametrize("keys", RUNS.values(), ids=RUNS)
def test_every_kind_of_run_is_drawn_and_no_legend_covers_it(keys: dict[str, Any]) -> None:
    figure = plot_run(simulate(Configuration(**keys)))
    figure.canvas.draw()
    panels = figure.axes[:4]
    assert [panel.get_title("left")[:3] for panel in panels] == ["(a)", "(b)", "(c)", "(d)"]
    for panel in panels:
        assert panel.get_xlabel()
        assert panel.get_ylabel()
        legend = panel.get_legend()
        if legend:
            box = legend.get_window_extent()
            assert box.y1 < panel.get_window_extent().y0
            assert box.x0 >= 0
            assert all(not box.overlaps(other.get_window_extent()) for other in panels)


def test_tau_is_the_runs_own(relu: xr.Dataset, figure: Figure) -> None:
    lines = {line.get_label(): line for line in figure.axes[0].get_lines()}
    np.testing.assert_array_equal(lines["explicit run"].get_ydata(), relu["tau"])
    for name, label in (
        ("eq8", "Eq. 8"),
        ("printed", "Eqs. 13–14 as printed"),
        ("corrected", "Eqs. 13–14 corrected"),
        ("closed_form", "closed form from t = 0"),
        ("rebased", "closed form, re-based"),
    ):
        np.testing.assert_array_equal(lines[label].get_ydata(), relu["predicted_tau"].sel(prediction=name))


def test_t0_t1_and_the_inputs_ratio_are_marked(relu: xr.Dataset, figure: Figure) -> None:
    lines = figure.axes[0].get_lines()
    for name, word in (("t0_observed", "$t_0$ observed"), ("t1_observed", "$t_1$ observed")):
        at = float(relu[name])
        marks = [line for line in lines if str(line.get_label()).startswith(word)]
        assert len(marks) == (not np.isnan(at))
        assert all(mark.get_xdata()[0] == at for mark in marks)
    assert any(np.all(np.equal(line.get_ydata(), float(relu["input_tau"]))) for line in lines)


def test_heat_map_and_cut_off(relu: xr.Dataset, figure: Figure) -> None:
    panel = figure.axes[1]
    (mesh,) = panel.collections
    np.testing.assert_allclose(mesh.get_array(), np.log10(relu["gradient_power"].values.T))
    assert any(np.all(np.equal(line.get_ydata(), 4.5)) for line in panel.get_lines())  # between bins 4 and 5


def test_ratios_and_theorem_2(relu: xr.Dataset, figure: Figure) -> None:
    lines = figure.axes[2].get_lines()
    curves = [line for line in lines if str(line.get_label()).startswith("|k| = ")]
    assert len(curves) == 5
    for line in curves:
        k = int(str(line.get_label()).removeprefix("|k| = "))
        np.testing.assert_array_equal(line.get_ydata(), relu["spectral_ratio"].values[:, k])
    drawn = sorted(line.get_xdata()[0] for line in lines if line.get_marker() == "D")
    bounds = relu["order_t0"].values
    expected = sorted({(k, t) for k, t in zip(relu["pair_low_bin"].values, bounds, strict=True) if t <= 60})
    assert drawn == sorted(t for _, t in expected)


def test_plane_shows_the_energies(relu: xr.Dataset, figure: Figure) -> None:
    panel = figure.axes[3]
    scale = float(relu["low_energy"][0] + relu["high_energy"][0])
    path = next(line for line in panel.get_lines() if line.get_label() == "explicit run")
    np.testing.assert_allclose(path.get_xdata(), relu["low_energy"] / scale)
    np.testing.assert_allclose(path.get_ydata(), relu["high_energy"] / scale)


def test_a_sign_change_is_marked_where_tau_turns() -> None:
    """The star lies on the closed form's path, at its extreme τ."""
    for seed in range(20):
        dataset = simulate(Configuration(dim=9, width=8, cutoff=2, n_steps=100, seed=seed))
        q, turns = dataset["plane_q"].values, [float(dataset["turning_q_low"]), float(dataset["turning_q_high"])]
        if sum(0 < turn < q[-1] for turn in turns) == 1:
            break
    star = next(line for line in plot_run(dataset).axes[3].get_lines() if line.get_marker() == "*")
    low, high = (float(np.squeeze(data)) for data in star.get_data())
    tau = dataset["predicted_tau"].sel(prediction="closed_form").values
    ends = sorted([tau[0], tau[-1]])
    assert not ends[0] < low / (low + high) < ends[1]
    nearest = np.argmin(np.abs(tau - low / (low + high)))
    assert 0 < nearest < len(tau) - 1


@pytest.mark.parametrize("suffix", [".png", ".pdf", ".svg"])
def test_same_run_same_file(tmp_path: Path, relu: xr.Dataset, suffix: str) -> None:
    paths = [tmp_path / f"{name}{suffix}" for name in "ab"]
    for path in paths:
        save_run_plot(relu, path)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert paths[0].stat().st_size > 10_000


def test_picture_is_large_enough_to_read(tmp_path: Path, relu: xr.Dataset) -> None:
    save_run_plot(relu, tmp_path / "run.png")
    with Image.open(tmp_path / "run.png") as image:
        assert image.width >= 1500


def test_drawing_leaves_matplotlib_as_it_was(relu: xr.Dataset) -> None:
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    plot_run(relu)
    assert dict(mpl.rcParams) == before
