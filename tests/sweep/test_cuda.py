"""The CUDA engine against theory_sim's own engines: on the CPU by the emulator, on a device under the marker `gpu`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.cuda.device import EmulatedDevice, needs_compiler
from tests.cuda.networks import band_of, group_of, train_on_host, weights_of
from tests.helpers import assert_close, assert_differs
from theory_sim.errors import InputError
from theory_sim.hartley import coefficients, signal_of
from theory_sim.network import ACTIVATIONS
from theory_sim.simulation.predictions import scalars_of
from theory_sim.sweep import course as rows
from theory_sim.sweep.batch import LABEL, OPPOSITE, RATE, RESIDUAL, Group
from theory_sim.sweep.cuda.device import CupyDevice, Device
from theory_sim.sweep.cuda.engine import Result, batches, run_batch

SMOOTH = ACTIVATIONS[1:]
NEVER = np.iinfo(np.int64).max


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
