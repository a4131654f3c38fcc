"""The CUDA engine against theory_sim's own engines: on the CPU by the emulator, on a device under the marker `gpu`."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.cuda.device import EmulatedDevice, needs_compiler
from tests.cuda.networks import band_of, group_of, network_of, train_on_host, weights_of
from tests.helpers import assert_close, assert_differs
from theory_sim.errors import InputError
from theory_sim.hartley import coefficients, signal_of
from theory_sim.network import ACTIVATIONS
from theory_sim.simulation.predictions import scalars_of
from theory_sim.sweep import course as rows
from theory_sim.sweep.batch import LABEL, OPPOSITE, RATE, RESIDUAL, Group
from theory_sim.sweep.cuda.device import CupyDevice, Device
from theory_sim.sweep.cuda.engine import Result, batches, run_batch
from theory_sim.sweep.cuda.source import STATUS
from theory_sim.sweep.definition import parse_sweep
from theory_sim.sweep.engine import compute
from theory_sim.sweep.schema import METHODS


@pytest.fixture(
    scope="module",
    params=[pytest.param("emulator", marks=needs_compiler), pytest.param("cupy", marks=pytest.mark.gpu)],
)
def device(request: pytest.FixtureRequest) -> Device:
    """The emulator, and a CUDA device if there is one."""
    if request.param == "emulator":
        return EmulatedDevice()
    pytest.importorskip("cupy", reason="needs CuPy and a CUDA device")
    try:
        return CupyDevice()
    except InputError as error:
        pytest.skip(str(error))


def train(device: Device, group: Group, *steps: int) -> Result:
    """All points of a group with one kind of activation, with the gradients at `steps` and the shifts."""
    (batch,) = batches(device, group, len(steps))
    record_steps = np.tile(np.array(steps, np.int64), (len(group.points), 1))
    return run_batch(device, group, batch, record_steps, shift=True)


def assert_agrees(group: Group, result: Result, i: int, *steps: int, tolerance: str = "engines") -> None:
    """Everything the device returns of network i beside the engine of `descent`."""
    point = group.points[i]
    host = train_on_host(group, i)
    shape, x = group.shape, signal_of(group.inputs[point["input"]], group.shape)
    band = band_of(shape[0], int(point["band"]))
    n, last = int(point["n_steps"]) + 1, host.last_finite_step
    kept = slice(0, last + 1)
    assert result.status[i] == 0
    assert result.last_finite_step[i] == last
    for array in (result.course[i].T, result.ratios[i]):
        assert np.isnan(array[last + 1 :]).all()
    training = host.training
    for name, actual, expected in (
        ("learning rate", result.learning_rate, training.learning_rate),
        ("label", result.label, training.label),
        ("relative rate", result.relative_rate, training.learning_rate * training.input_norm2 * host.active_norm2[0]),
        ("‖a‖²", result.outer_norm2, training.network.outer @ training.network.outer),
    ):
        assert_close(name, actual[i], expected, tolerance)
    scalars = scalars_of(band.transform(host.input_gradient[kept]), band.transform(x), band)
    expected = {
        rows.OUTPUT: host.output, rows.RESIDUAL: host.residual, rows.ACTIVE_NORM2: host.active_norm2,
        rows.MEAN_CURVATURE: host.mean_curvature, rows.LOW_ENERGY: scalars.low_energy,
        rows.HIGH_ENERGY: scalars.high_energy, rows.LOW_CROSS: scalars.low_cross, rows.HIGH_CROSS: scalars.high_cross,
    }  # fmt: skip
    for row, values in expected.items():
        assert_close(f"row {row}", result.course[i, row, kept], values[kept], tolerance)
    assert_close("crossings", result.course[i, rows.CROSSINGS, kept], host.crossings[kept], "exact")
    gradient = coefficients(host.input_gradient, shape)
    first, second = np.moveaxis(group.probes[point["input"]], -1, 0)
    for k, (here, there) in enumerate(zip(first, second, strict=True)):
        if here < 0:
            assert np.isnan(result.ratios[i, :, k]).all()
            continue
        at = [here, there]
        norm2 = np.sum(group.inputs[point["input"], at] ** 2)
        assert_close("R_k²", result.ratios[i, kept, k], np.sum(gradient[kept][:, at] ** 2, axis=1) / norm2, tolerance)
        along = gradient[0, at] @ group.inputs[point["input"], at] / norm2
        assert_close("R_k cos Δφ_k", result.first_ratios[i, k], along, tolerance, scale=np.sqrt(result.ratios[i, 0, k]))
    for record, step in zip(result.gradients[i], steps, strict=True):
        if 0 <= step <= last:
            assert_close("gradient", record, gradient[step], tolerance, scale=np.abs(gradient[kept]).max())
        else:
            assert np.isnan(record).all()
    width = int(point["width"])
    assert np.isnan(result.shift[i, width:]).all()
    if last == n - 1:
        s = weights_of(group, i) @ group.inputs[point["input"]] - training.input_norm2 * result.shift[i, :width]
        assert_close("s at the end", s, host.preactivation[-1], tolerance, scale=np.abs(host.preactivation).max())


SHAPES: tuple[dict[str, Any], ...] = (
    {"width": 40, "n_steps": 30},
    {"width": 131, "n_steps": 17, "input": 1, "band": 1, "seed": 2**40 + 7},
    {"width": 64, "n_steps": 16, "outer_law": "scaled_signs", "loss": "logistic", "label_kind": OPPOSITE, "rate": 3.0},
    {"width": 33, "n_steps": 90, "outer_law": "signs", "label_kind": RESIDUAL, "label": 2.5, "rate": 0.1},
    {"width": 50, "n_steps": 1, "outer_law": "bernoulli", "rate_kind": RATE, "rate": 0.02, "label_kind": LABEL},
    {"width": 1, "n_steps": 20, "seed": 4, "outer_law": "bernoulli", "outer_scale": 1.5, "rate_kind": RATE},
)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("dim", [1, 2, 31, 64, 151])
def test_numbers(device: Device, activation: str, dim: int) -> None:
    group = group_of(dim, [{**shape, "activation": activation} for shape in SHAPES])
    steps = (0, 1, 16, 17, -1, 30)
    result = train(device, group, *steps)
    for i in range(len(SHAPES)):
        if result.status[i] == 0:
            assert_agrees(group, result, i, *steps)
    assert (result.status == 0).sum() >= 4
    moved = result.course[0, rows.RESIDUAL]
    assert_differs("ℓ' along training", moved[:31], np.full(31, moved[0]), "engines")


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_many_kink_crossings(device: Device, activation: str) -> None:
    """Steps so large that units cross their kinks in crowds, at steps inside, at the end of and beyond a tile."""
    changes = [{"rate": rate, "n_steps": 70, "seed": seed} for rate, seed in ((1.9, 3), (1.6, 5), (2.3, 6))]
    changes += [{"loss": "logistic", "label_kind": OPPOSITE, "rate": 40.0, "n_steps": 130, "width": 90}]
    group = group_of(53, [{"activation": activation, **change} for change in changes])
    result = train(device, group, 0, 15, 16, 65)
    for i in range(len(changes)):
        assert_agrees(group, result, i, 0, 15, 16, 65)
    crossings = result.course[:, rows.CROSSINGS, 70]
    assert crossings.min() >= 1
    assert crossings.max() >= 10


@pytest.mark.parametrize("activation", ACTIVATIONS[1:])
def test_divergence_is_a_result(device: Device, activation: str) -> None:
    """|ℓ'| grows from the first step on and leaves the range; neighbours in the launch do not notice."""
    steep = {"rate_kind": RATE, "rate": 1e3, "n_steps": 300, "width": 5, "leak": 0.5, "outer_law": "bernoulli"}
    changes = [{"n_steps": 40}, steep, {**steep, "seed": 5}, {"n_steps": 40, "seed": 8}]
    group = group_of(19, [{"activation": activation, **change} for change in changes])
    result = train(device, group, 0, 39)
    for i in (0, 3):
        assert_agrees(group, result, i, 0, 39)
    last = result.last_finite_step[1:3]
    assert last.tolist() == [train_on_host(group, i).last_finite_step for i in (1, 2)]
    if activation == "leaky_softplus":  # the others end in a dead start and stay finite
        assert ((last > 0) & (last < 300)).all()
        assert np.isnan(result.shift[1:3]).all()
        assert (np.abs(result.course[1, rows.OUTPUT, : last[0] + 1]) < 1e150).all()
    for i in (1, 2):
        end = last[i - 1]
        assert np.isfinite(result.course[i, :, : end + 1]).all()
        assert np.isnan(result.course[i, :, end + 1 :]).all()
        assert np.isnan(result.ratios[i, end + 1 :]).all()
        host = train_on_host(group, i)
        assert_close("f", result.course[i, rows.OUTPUT, : end + 1], host.output[: end + 1], "engines")


def has_active_units(group: Group, i: int) -> bool:
    """Whether any unit with a_r ≠ 0 of network i is active."""
    network = network_of(group, i)
    return bool(np.any(network.active_outer(signal_of(group.inputs[0], group.shape))))


def test_starts_that_cannot_be_run(device: Device) -> None:
    silent = {"width": 1, "seed": 3, "outer_law": "bernoulli"}
    group = group_of(8, [{}, silent, {**silent, "rate_kind": RATE}, {"label_kind": LABEL, "label": 1e200}, {"seed": 4}])
    while has_active_units(group, 1):
        group.points["seed"][1:3] += 1
    result = train(device, group, 0)
    assert [STATUS[code] for code in result.status] == [
        "valid", "no active unit at the start", "zero gradient at the start", "start out of range", "valid",
    ]  # fmt: skip
    assert result.last_finite_step.tolist() == [30, -1, -1, -1, 30]
    assert np.isnan(result.course[1:4]).all()
    assert np.isnan(result.learning_rate[1])
    assert_close("label", result.label[3], 1e200, "exact")
    for i in (0, 4):
        assert_agrees(group, result, i, 0)


@pytest.mark.parametrize("activation", ["relu", "squareplus"])
def test_runs_again_with_the_same_bits(device: Device, activation: str, monkeypatch: pytest.MonkeyPatch) -> None:
    group = group_of(37, [{**shape, "activation": activation} for shape in SHAPES])
    first = train(device, group, 0, 16)
    for n_resident in (device.n_resident, 1, 2):
        monkeypatch.setattr(device, "n_resident", n_resident)
        for a, b in zip(first, train(device, group, 0, 16), strict=True):
            assert a.tobytes() == b.tobytes()


@needs_compiler
@pytest.mark.parametrize("activation", ["relu", "squareplus"])
def test_bits_do_not_depend_on_the_launch(activation: str) -> None:
    """Number of resident blocks, order of threads and blocks, a second run, other networks in the batch."""
    group = group_of(37, [{**shape, "activation": activation} for shape in SHAPES])
    first = train(EmulatedDevice(), group, 0, 16)
    for other in (EmulatedDevice(order=-1), EmulatedDevice(order=9), EmulatedDevice(order=2, n_resident=1)):
        for a, b in zip(first, train(other, group, 0, 16), strict=True):
            assert a.tobytes() == b.tobytes()
    alone = run_batch(EmulatedDevice(), group, np.array([2]), np.array([[0, 16]]), shift=True)
    assert alone.course[0].tobytes() == np.ascontiguousarray(first.course[2, :, : 16 + 1]).tobytes()
    for threads in (32, 128):
        other = train(EmulatedDevice(threads=threads), group, 0, 16)
        assert other.course.tobytes() != first.course.tobytes()  # another tree of sums
        for i in np.flatnonzero(first.status == 0):
            assert_agrees(group, other, int(i), 0, 16)


@needs_compiler
def test_batches_fit_into_memory() -> None:
    changes = [{"n_steps": 50, "width": width} for width in (30, 30, 60, 10, 10)]
    group = group_of(16, [change | {"activation": "relu"} for change in changes])
    group.points["activation"][3] = 1
    assert [batch.tolist() for batch in batches(EmulatedDevice(), group)] == [[0, 1, 2, 4], [3]]
    small = EmulatedDevice(memory=40_000)
    parts = list(batches(small, group, 2))
    assert [batch.tolist() for batch in parts] == [[0, 1], [2, 4], [3]]
    whole = train_parts(EmulatedDevice(), group, list(batches(EmulatedDevice(), group)))
    np.testing.assert_array_equal(train_parts(small, group, parts), whole)
    with pytest.raises(InputError, match="width 30 and 50 steps on 16 inputs"):
        list(batches(EmulatedDevice(memory=5_000), group))


def train_parts(device: Device, group: Group, parts: list[NDArray[np.int64]]) -> NDArray[np.float64]:
    """τ's energies of all points, batch by batch."""
    out = np.zeros((len(group.points), 51))
    for part in parts:
        out[part] = run_batch(device, group, part, np.zeros((len(part), 0), np.int64)).course[:, rows.LOW_ENERGY]
    return out


@needs_compiler
def test_what_only_the_cpu_does_is_refused() -> None:
    group = group_of(8, [{}])
    for change, message in (({"weight_law": "signs"}, "weight law 'signs'"), ({"transform": "dct"}, "transform 'dct'")):
        with pytest.raises(InputError, match=message):
            run_batch(EmulatedDevice(), replace(group, **change), np.array([0]), np.zeros((1, 0), np.int64))


def test_without_cupy_the_device_is_refused() -> None:
    if importlib.util.find_spec("cupy") is not None:
        pytest.skip("CuPy is installed")
    with pytest.raises(InputError, match="device cuda needs CuPy"):
        CupyDevice()


SWEEP = {  # rates at which training does not converge: an attack on a residual of round-off is anything
    "run": {"dim": 33, "cutoff": 4, "width": 24, "n_steps": 40, "sharpness": 3.0},
    "grid": {"alpha": [1.5, 2.0], "activation": ["relu", "softplus", "squareplus"], "relative_rate": [0.05, 0.2]},
    "record": {"steps": 5, "spectra": "complex"},
}


def test_a_sweep_is_that_of_the_cpu(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("theory_sim.sweep.cuda.device.cuda_device", lambda: device)
    definition = parse_sweep(SWEEP)
    columns = definition.columns(0, definition.n_points)
    host, actual = (compute(columns, definition.recording, 17, attack=True, device=name) for name in ("cpu", "cuda"))
    assert set(host) == set(actual)
    assert {METHODS[code] for code in actual.pop("method")} == {"steps", "matrix"}
    assert (actual.pop("rank") == -1).all()
    for name, values in actual.items():
        if values.dtype.kind in "fc":
            assert_close(name, values, host[name], "engines")
        else:
            np.testing.assert_array_equal(values, host[name], err_msg=name)
    assert_differs("τ along training", host["tau"][:, -1], host["tau"][:, 0], "engines")
    with pytest.raises(InputError, match="device 'tpu': allowed are cpu, cuda"):
        compute(columns, definition.recording, 17, device="tpu")
