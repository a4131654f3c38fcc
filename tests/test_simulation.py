"""One run beside its predictions: exact where the theory is exact, of the right order where it is not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from PIL import Image

from tests.helpers import assert_close, assert_differs, assert_order
from theory_sim.configuration import Configuration
from theory_sim.errors import InputError
from theory_sim.network import Network
from theory_sim.simulation import storage
from theory_sim.simulation.perturbation import Perturbation
from theory_sim.simulation.run import simulate
from theory_sim.simulation.start import make_input, prepare
from theory_sim.simulation.storage import read_dataset, write_dataset
from theory_sim.simulation.summary import spread, summarise
from theory_sim.simulation.variables import QUANTITIES
from theory_sim.spectrum import low_frequency_ratio

SMALL: dict[str, Any] = {"dim": 33, "width": 24, "cutoff": 4, "n_steps": 60}
# No unit crosses its kink in these: the theory's own case, where it claims to be exact.
SMOOTH_SAILING: list[dict[str, Any]] = [
    {"dim": 5, "width": 4, "cutoff": 1, "relative_residual": 3.0, "n_steps": 200, "seed": 5},
    {"dim": 5, "width": 4, "cutoff": 1, "relative_residual": 3.0, "n_steps": 200, "seed": 6},
    {"dim": 33, "width": 8, "cutoff": 4, "relative_residual": -1.0, "n_steps": 200, "seed": 2},
    {"dim": 5, "width": 4, "cutoff": 1, "relative_residual": 3.0, "n_steps": 60, "convention": "one-sided", "seed": 5},
    {"dim": 6, "width": 4, "cutoff": 2, "relative_residual": 1.0, "relative_rate": 0.3, "n_steps": 60, "seed": 13},
]
CROSSING = SMALL | {"relative_residual": 1.0}


def run(**keys: Any) -> xr.Dataset:
    return simulate(Configuration(**keys))


def predicted(dataset: xr.Dataset, name: str, quantity: str = "tau") -> np.ndarray:
    return dataset[f"predicted_{quantity}"].sel(prediction=name).values


def calm_runs(n_seeds: int, **keys: Any) -> Iterator[xr.Dataset]:
    """The runs of the first seeds in which no unit crosses its kink, and at least one is active."""
    for seed in range(n_seeds):
        try:
            dataset = run(**keys, seed=seed)
        except InputError:  # no active unit
            continue
        if np.isnan(dataset["first_crossing"]):
            yield dataset


def test_explicit_quantities_are_those_of_their_definitions() -> None:
    """Every number of the explicit part again, from weights that plain gradient descent updates."""
    dataset = run(**CROSSING)
    start = prepare(Configuration(**CROSSING))
    x, outer, weights = start.training.x, start.training.network.outer, start.training.network.weights.copy()
    k = np.arange(33)
    matrix = np.exp(-2j * np.pi * np.outer(k, k) / 33)
    low = np.minimum(k, 33 - k) <= 4
    x_hat = matrix @ x
    for t in range(61):
        active = outer * (weights @ x > 0)
        g_hat = matrix @ (active @ weights)
        power, cross = np.abs(g_hat) ** 2, -2 * (g_hat * x_hat.conj()).real
        residual = outer @ np.maximum(weights @ x, 0) - start.training.label
        expected = {
            "tau": power[low].sum() / power.sum(),
            "low_energy": power[low].sum(),
            "high_energy": power[~low].sum(),
            "low_cross": cross[low].sum(),
            "high_cross": cross[~low].sum(),
            "residual": residual,
            "drive": start.training.learning_rate * residual * (active @ active),
            "decay": 0.0,
            "active_norm2": active @ active,
        }
        for name, value in expected.items():
            scale = float(np.abs(dataset[name]).max()) or 1.0
            assert_close(f"{name} at {t}", dataset[name].values[t], value, "engines", scale=scale)
        half = slice(0, 17)
        for name, values in (
            ("gradient_power", power),
            ("spectral_ratio", np.abs(g_hat) / np.abs(x_hat)),
            ("phase_cosine", (g_hat * x_hat.conj()).real / np.abs(g_hat * x_hat)),
        ):
            scale = float(np.abs(dataset[name]).max())
            assert_close(f"{name} at {t}", dataset[name].values[t], values[half], "engines", scale=scale)
        weights -= start.training.learning_rate * residual * np.outer(active, x)
    assert_differs("power: τ", dataset["tau"].values[-1], dataset["tau"].values[0], "engines")


@pytest.mark.parametrize("keys", SMOOTH_SAILING)
def test_relu_without_crossings_is_predicted_exactly(keys: dict[str, Any]) -> None:
    dataset = run(**keys)
    assert np.isnan(dataset["first_crossing"])
    for quantity in QUANTITIES:
        own = dataset[quantity].values
        for name in ("eq8", "closed_form", "rebased"):
            assert_close(f"{quantity} by {name}", predicted(dataset, name, quantity), own, "identity")
        assert_differs(f"power: {quantity}", own[-1], own[0], "identity")
    assert_differs("negative control: factor 1", predicted(dataset, "printed"), dataset["tau"].values, "identity")


@pytest.mark.parametrize("keys", [CROSSING, CROSSING | {"seed": 1}, CROSSING | {"relative_rate": 1.5}])
def test_relu_with_crossings_is_exact_until_the_first_and_after_rebasing(keys: dict[str, Any]) -> None:
    dataset = run(**keys)
    first = int(dataset["first_crossing"])
    tau = dataset["tau"].values
    for name in ("eq8", "closed_form"):
        assert_close(f"τ by {name}", predicted(dataset, name)[:first], tau[:first], "identity")
        assert_differs("negative control: a crossing", predicted(dataset, name), tau, "identity")
    for quantity in QUANTITIES:
        scale = float(np.abs(dataset[quantity]).max())
        rebased = predicted(dataset, "rebased", quantity)
        assert_close(f"{quantity} re-based", rebased, dataset[quantity].values, "identity", scale=scale)


def test_corrected_scalars_are_of_first_order_and_printed_ones_are_not() -> None:
    """At a fixed total time, the error of Eqs. 13-14 falls with η for factor 2 only."""

    def error(name: str, rate: float) -> float:
        keys = SMOOTH_SAILING[0] | {"relative_rate": rate, "n_steps": round(1.6 / rate)}
        return float(np.abs(run(**keys)["tau_error"].sel(prediction=name)).max())

    assert_order("Eqs. 13-14 corrected", lambda rate: error("corrected", rate), 1.0, 0.02, octaves=4)
    assert error("printed", 0.00125) > 0.5 * error("printed", 0.02)


@pytest.mark.parametrize("activation", ["softplus", "squareplus", "leaky_softplus"])
def test_smooth_activations_need_the_kernel(activation: str) -> None:
    """Eq. 8's global error does not fall with η, that of the tangent kernel's law is of first order."""

    def error(name: str, rate: float) -> float:
        keys = SMALL | {"activation": activation, "relative_rate": rate, "n_steps": round(1.6 / rate)}
        return float(np.abs(run(**keys, engine="collapsed")["tau_error"].sel(prediction=name)).max())

    assert_order("corrected Eq. 8", lambda rate: error("eq8_ntk", rate), 1.0, 0.01, octaves=4)
    assert error("eq8", 0.000625) > 0.5 * error("eq8", 0.01)


def test_smooth_closed_form_is_eq8_iterated() -> None:
    dataset = run(**SMALL, activation="softplus", relative_rate=0.3)
    for quantity in QUANTITIES:
        iterated = predicted(dataset, "eq8", quantity)
        assert_close(quantity, predicted(dataset, "closed_form", quantity), iterated, "identity")


def test_errors_are_predicted_minus_explicit() -> None:
    dataset = run(**CROSSING)
    for quantity in QUANTITIES:
        difference = dataset[f"predicted_{quantity}"] - dataset[quantity]
        np.testing.assert_array_equal(dataset[f"{quantity}_error"], difference)


@pytest.mark.parametrize("keys", SMOOTH_SAILING)
def test_bounds_without_crossings(keys: dict[str, Any]) -> None:
    """t₁ and the orders of R_k are predicted to the step; the bounds of Theorems 1 and 2 are kept."""
    dataset = run(**keys)
    assert float(dataset["t1_predicted"]) == float(dataset["t1_observed"])
    np.testing.assert_array_equal(dataset["order_predicted"], dataset["order_observed"])
    lost = np.nan_to_num(dataset["order_observed"].values, nan=np.inf)
    bound = np.nan_to_num(dataset["order_t0"].values, nan=-np.inf)
    assert (bound <= lost).all()
    if dataset.attrs["positive_drive"]:
        assert 0 <= float(dataset["t0_corrected"]) <= float(dataset["t0_printed"])
        assert float(dataset["t0_observed"]) <= np.floor(float(dataset["t0_corrected"])) + 1
    else:
        assert np.isnan(dataset["t0_printed"])  # the theorem assumes f > y


def test_t0_bounds_on_many_starts() -> None:
    """Small movements, so that nothing crosses: observed <= corrected bound <= printed bound; some are not zero."""
    positive = 0
    for dataset in calm_runs(100, dim=9, width=4, cutoff=2, relative_residual=1.0, n_steps=100, relative_rate=0.05):
        if np.isnan(dataset["t0_printed"]):
            continue  # training converges before Δτ_l > Δτ_h
        corrected, printed = float(dataset["t0_corrected"]), float(dataset["t0_printed"])
        assert float(dataset["t0_observed"]) <= np.floor(corrected) + 1
        assert corrected <= printed
        positive += corrected > 0
    assert positive >= 3


def test_theorem3_as_the_run_shows_it() -> None:
    """Without crossings τ passes τ(x) only where Eq. 12 fails, and then at the predicted q."""
    passed = 0
    for dataset in calm_runs(60, dim=5, width=3, cutoff=1, relative_residual=5.0, n_steps=150):
        tau, q = dataset["tau"].values, dataset["plane_q"].values
        if not tau[0] < float(dataset["input_tau"]):
            continue
        at = float(dataset["passes_input_tau"])
        assert np.isnan(at) or float(dataset["eq12_margin"]) < 0
        overshoot = float(dataset["overshoot_q"])
        if not np.isnan(at):
            assert q[int(at) - 1] <= overshoot <= q[int(at)]
            passed += 1
        else:
            assert not q[-1] > overshoot
    assert passed >= 1


def test_divergence_is_a_result() -> None:
    keys = SMALL | {"activation": "leaky_softplus", "leak": 0.5, "relative_rate": 300.0, "n_steps": 200}
    dataset = run(**keys)
    last = dataset.attrs["last_finite_step"]
    assert dataset.attrs["diverged"] == 1
    assert 0 < last < 200
    for name in ("tau", "output", "residual", "drive", "gradient_power", "spectral_ratio", "predicted_tau", "plane_q"):
        values = dataset[name].transpose("step", ...).values
        assert np.isfinite(dataset["tau"].values[: last + 1]).all()
        assert np.isnan(values[last + 1 :]).all()
    summary = summarise(dataset)
    assert summary["run"]["diverged"]
    assert summary["run"]["last_finite_step"] == summary["rows"][-1]["step"] == last


def test_a_vanished_gradient_is_a_result() -> None:
    dataset = run(**SMALL, relative_rate=50.0)
    assert np.isnan(dataset["tau"].values[-1])
    assert dataset.attrs["diverged"] == 0
    assert summarise(dataset)["run"]["tau_end"] is None


def test_settled_runs_are_judged_up_to_there() -> None:
    dataset = run(**SMOOTH_SAILING[0] | {"relative_rate": 0.5})
    residual = dataset["residual"].values
    settled = dataset.attrs["settled_step"]
    assert abs(residual[settled]) <= 1e-8 * abs(residual[0]) < abs(residual[settled - 1])
    assert float(dataset["t1_observed"]) == float(dataset["t1_predicted"])


@pytest.mark.parametrize("engine", ["reference", "collapsed", "numba"])
def test_every_engine_tells_the_same(engine: str) -> None:
    ours, theirs = run(**CROSSING), run(**CROSSING, engine=engine)
    for name in ("tau", "low_energy", "high_cross", "crossings"):
        assert_close(name, theirs[name].values, ours[name].values, "engines")


@pytest.mark.parametrize("keys", [CROSSING, SMALL | {"activation": "softplus"}, SMALL | {"source": "rows"}])
def test_same_seed_same_bits(keys: dict[str, Any]) -> None:
    first = run(**keys)
    xr.testing.assert_identical(first, run(**keys))
    assert not np.array_equal(first["tau"], run(**keys, seed=5)["tau"])


def test_random_streams_are_independent() -> None:
    base, other = prepare(Configuration(**SMALL)), prepare(Configuration(**SMALL | {"width": 5}, activation="softplus"))
    np.testing.assert_array_equal(base.training.x, other.training.x)
    steep = prepare(Configuration(**SMALL, alpha=2.0))
    np.testing.assert_array_equal(base.training.network.weights, steep.training.network.weights)


def test_rates_and_labels() -> None:
    start = prepare(Configuration(**SMALL, relative_rate=0.3, relative_residual=-1.5))
    network, x = start.training.network, start.training.x
    active, g = network.active_outer(x), network.input_gradient(x)
    rate = start.training.learning_rate * (active @ active) * (x @ x)
    residual = float(network.output(x)) - start.training.label
    assert_close("r", rate, 0.3, "round_off")
    assert_close("relative residual", residual / np.linalg.norm(x) / np.linalg.norm(g), -1.5, "round_off")
    assert prepare(Configuration(**SMALL, residual=4.0)).training.label == float(network.output(x)) - 4.0
    given = prepare(Configuration(**SMALL, label=0.25, learning_rate=0.5))
    assert (given.training.label, given.training.learning_rate) == (0.25, 0.5)
    assert_close("r of a given η", given.relative_rate, 0.5 * (active @ active) * (x @ x), "round_off")
    wrong = prepare(Configuration(**SMALL, loss="logistic"))
    assert wrong.training.label == -np.sign(network.output(x))


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "picture.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (70, 100), np.uint8)).save(path)
    return path


def test_pictures_as_rows_and_tiles(picture: Path) -> None:
    pixels = np.asarray(Image.open(picture), dtype=float) / 255
    row = make_input(Configuration(source="rows", picture=str(picture), dim=33, piece=4))
    np.testing.assert_array_equal(row, pixels[1, 33:66])  # three pieces a row
    keys: dict[str, Any] = {"source": "tiles", "picture": str(picture), "piece": 4, "n_steps": 5}
    tile = make_input(Configuration(**keys))
    np.testing.assert_array_equal(tile.reshape(32, 32), pixels[32:64, 32:64])
    dataset = run(**keys)
    power = np.abs(np.fft.fft2(tile.reshape(32, 32))) ** 2
    k = np.fft.fftfreq(32) * 32
    disc = np.hypot(k[:, None], k[None, :]) <= 8
    assert_close("τ(x)", float(dataset["input_tau"]), power[disc].sum() / power.sum(), "round_off")
    assert {"frequency_vertical", "frequency_horizontal"} <= set(dataset.coords)
    square = run(**keys, mask="square")
    assert float(square["input_tau"]) > float(dataset["input_tau"])


def test_the_sample_photograph_needs_no_path() -> None:
    dataset = run(source="rows", dim=65, n_steps=3)
    assert dataset.attrs["diverged"] == 0
    assert dataset.sizes["frequency"] == 33


def test_pieces_are_drawn_from_all_pictures_of_a_folder(picture: Path) -> None:
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (32, 32), np.uint8)).save(picture.with_name("z.png"))
    keys: dict[str, Any] = {"source": "tiles", "picture": str(picture.parent)}
    found = {make_input(Configuration(**keys, seed=seed)).tobytes() for seed in range(60)}
    assert len(found) == 2 * 3 + 1


def test_every_variable_says_what_it_is() -> None:
    dataset = run(**SMALL)
    assert {"step", "frequency", "prediction", "pair"} == set(dataset.sizes)
    for name in [*dataset.data_vars, *dataset.coords]:
        attrs = dataset[name].attrs
        assert attrs["long_name"], name
        assert attrs["units"], name
        assert "[paper: " in attrs["source"], name
    for key in ("configuration", "seed", "version", "versions", "commit", "hardware", "diverged", "last_finite_step"):
        assert key in dataset.attrs


@pytest.mark.parametrize("suffix", storage.DATA_SUFFIXES)
@pytest.mark.parametrize("keys", [CROSSING, SMALL | {"source": "tiles", "tile_size": 4, "cutoff": 1, "seed": 7}])
def test_file_round_trip(tmp_path: Path, suffix: str, keys: dict[str, Any]) -> None:
    keys = {k: v for k, v in keys.items() if k != "dim" or keys.get("source") != "tiles"}
    dataset, path = run(**keys), tmp_path / f"run{suffix}"
    write_dataset(dataset, path)
    found = read_dataset(path)
    xr.testing.assert_identical(found.drop_attrs(), dataset.drop_attrs())
    assert found.attrs == dataset.attrs
    for name in dataset.variables:
        assert found[name].attrs == dataset[name].attrs
    assert summarise(found) == summarise(dataset)


def test_a_stored_configuration_runs_again_to_the_same_numbers(tmp_path: Path) -> None:
    from theory_sim.configuration import load_configuration

    dataset = run(**CROSSING, seed=3)
    (tmp_path / "again.toml").write_text(dataset.attrs["configuration"], encoding="utf-8")
    xr.testing.assert_identical(simulate(load_configuration(tmp_path / "again.toml")), dataset)


def test_reading_what_is_no_result(tmp_path: Path) -> None:
    for name in ("none.nc", "none.zarr", "run.csv"):
        with pytest.raises(InputError, match=name):
            read_dataset(tmp_path / name)
    (tmp_path / "bad.nc").write_text("not NetCDF")
    (tmp_path / "bad.zarr").mkdir()
    for name in ("bad.nc", "bad.zarr"):
        with pytest.raises(InputError, match=f"cannot read result .*{name}"):
            read_dataset(tmp_path / name)


def test_summary_is_strict_json_and_agrees_with_the_dataset() -> None:
    dataset = run(**CROSSING)
    summary = json.loads(json.dumps(summarise(dataset), allow_nan=False))
    assert summary["configuration"]["dim"] == 33
    assert summary["run"]["tau_end"] == float(dataset["tau"][-1])
    assert set(summary["predictions"]) == set(dataset["prediction"].values)
    worst = np.abs(dataset["tau_error"].sel(prediction="eq8")).max()
    assert summary["predictions"]["eq8"]["worst_tau_error"] == float(worst)
    assert summary["rows"][0]["tau_error"]["eq8"] == 0.0
    assert summary["theorem2"]
    assert all(pair["frequency"] > pair["low_frequency"] > 0 for pair in summary["theorem2"])


@pytest.mark.parametrize(("last", "rows"), [(0, [0]), (1, [0, 1]), (2, [0, 1, 2]), (300, None)])
def test_rows_are_spread_over_the_run(last: int, rows: list[int] | None) -> None:
    found = spread(last, 12)
    assert found == (rows or found)
    assert found[0] == 0
    assert found[-1] == last
    assert len(found) <= 13


@pytest.mark.parametrize("attack", ["fgsm", "pgd"])
def test_an_attack_before_and_after_training(attack: str) -> None:
    """τ(δ) and the rise of the loss, on weights that the reference has trained."""
    keys = SMALL | {"attack": attack, "attack_step": "sign", "attack_ball": "linf", "attack_start": "random"}
    dataset = run(**keys)
    start = prepare(Configuration(**keys))
    training = start.training
    weights = training.network.weights.copy()
    for _ in range(training.n_steps):
        net = Network(weights, training.network.outer, training.network.activation)
        slope = float(net.output(training.x)) - training.label
        weights = weights - training.learning_rate * slope * np.outer(net.active_outer(training.x), training.x)
    trained = Network(weights, training.network.outer, training.network.activation)
    perturbation = Perturbation.of(start.configuration)
    for when, net in (("start", training.network), ("final", trained)):
        delta = perturbation.delta(net, training.x, training.label, "mse")
        assert np.abs(delta).max() <= 0.1 * (1 + 1e-12)
        tau = float(low_frequency_ratio(delta, start.band))
        rise = 0.5 * (
            (training.label - net.output(training.x + delta)) ** 2 - (training.label - net.output(training.x)) ** 2
        )
        assert_close(f"τ {when}", float(dataset[f"attack_tau_{when}"]), tau, "identity")
        assert_close(f"rise {when}", float(dataset[f"attack_loss_{when}"]), float(rise), "identity")
    assert float(dataset["attack_loss_start"]) > 0
    assert "attack_tau_start" not in run(**SMALL)
