"""The public network on a CUDA device: NumPy arrays come and go as on the CPU, CuPy arrays stay; precisions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from deep_check import Architecture, ResNet
from deep_check.checks import check_precision
from deep_check.cuda.device import Device
from deep_check.reference_network import ReferenceNetwork
from tests.deep_check.cuda.device import DEVICES, open_device
from tests.deep_check.networks import MEAN, STD, images_and_labels, random_state
from tests.helpers import assert_close, assert_differs
from tests.tolerances import TOLERANCES
from theory_sim.errors import InputError

EIGHT = Architecture(depth=8)
STATE = random_state(EIGHT)
IMAGES, LABELS = images_and_labels(2, EIGHT)
TOLERANCE = {"float32": "network_cuda", "tf32": "network_tf32", "bf16": "network_bf16"}
IN_NORM = {"float32": "network_cuda", "tf32": "network_tf32_gradient", "bf16": "network_bf16_gradient"}


@pytest.fixture(params=DEVICES)
def device(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Device:
    """What ResNet finds as `cuda`."""
    opened = open_device(request.param)
    if request.param == "emulator":
        monkeypatch.setattr("deep_check.resnet.choose_device", lambda word: "cuda")
        for module in ("attack_network", "training_network"):
            monkeypatch.setattr(f"deep_check.cuda.{module}.cuda_device", lambda: opened)
    return opened


def network(precision: str = "float32") -> ResNet:
    net = ResNet(8, device="cuda", mean=MEAN, std=STD, precision=precision)
    net.load_state_dict(STATE)
    return net


def relative(found: Any, expected: Any) -> NDArray[np.float64]:
    """Error in each row's norm."""
    found, expected = (np.reshape(array, (len(array), -1)) for array in (found, expected))
    return np.asarray(np.linalg.norm(found - expected, axis=1) / np.linalg.norm(expected, axis=1))


@pytest.fixture(scope="module")
def expected() -> tuple[tuple[Any, ...], tuple[Any, ...], Any]:
    """Input gradients, a batch of training, and logits with the statistics that it has moved, in float64."""
    reference = ReferenceNetwork(EIGHT, STATE, MEAN, STD)
    attack = reference.input_gradient(IMAGES, LABELS, "margin")
    trained = reference.loss_and_gradients(IMAGES, LABELS, "mse", update_statistics=True)
    copies = {name: np.array(array) for name, array in trained[1].items()}
    return attack, (trained[0], copies, trained[2]), reference.logits(IMAGES)


@pytest.mark.usefixtures("device")
@pytest.mark.parametrize("precision", TOLERANCE)
def test_precisions(precision: str, expected: tuple[tuple[Any, ...], tuple[Any, ...], Any]) -> None:
    """Errors of the whole network: of logits relative to the largest, of gradients in their norm."""
    (losses, gradient, logits), (loss, gradients, in_training), after = expected
    tolerance, in_norm, scale = TOLERANCE[precision], IN_NORM[precision], float(np.abs(logits).max())
    net = network(precision)
    found = net.input_gradient(IMAGES, LABELS, "margin")
    assert_close("logits", found.logits, logits, tolerance)
    assert_close("losses", found.losses, losses, tolerance, scale=scale)
    assert_close("input gradient", relative(found.gradient, gradient), np.zeros(len(IMAGES)), in_norm)
    trained = net.loss_and_gradients(IMAGES, LABELS, "mse", update_statistics=True)
    assert_close("loss", trained.loss, loss, tolerance)
    assert_close("logits in training", trained.logits, in_training, tolerance)
    flat = [np.concatenate([np.ravel(part[name]) for name in gradients]) for part in (trained.gradients, gradients)]
    assert_close("gradient", relative(*([array] for array in flat)), [0.0], in_norm)
    assert_close("logits, statistics moved", net(IMAGES), after, tolerance)
    assert_differs("the wrong sign", -after, after, tolerance)
    if precision != "float32":  # what was asked for is what was run
        error = np.abs(found.logits - logits).max() / scale
        assert error > 10 * TOLERANCES["network_cuda"].value


@pytest.mark.gpu
@pytest.mark.parametrize("device", ["cupy"], indirect=True)
def test_cupy_arrays_stay_on_the_gpu(device: Device) -> None:
    cupy = pytest.importorskip("cupy", reason="needs CuPy and a CUDA device")

    def results(images: Any, labels: Any) -> list[Any]:
        net = network()
        trained = net.loss_and_gradients(images, labels)
        return [net(images), *net.input_gradient(images, labels), trained.logits, *trained.gradients.values()]

    there, here = results(cupy.asarray(IMAGES), cupy.asarray(LABELS)), results(IMAGES, LABELS)
    for a, b in zip(there, here, strict=True):
        assert isinstance(a, cupy.ndarray)
        assert isinstance(b, np.ndarray)
        np.testing.assert_array_equal(device.fetch(a), b)


def test_precisions_that_are_refused() -> None:
    with pytest.raises(InputError, match="precision 'tf32': allowed on device cpu is float32"):
        ResNet(8, device="cpu", precision="tf32")
    with pytest.raises(InputError, match="precision 'half': allowed on device cuda is float32, tf32, bf16"):
        check_precision("half", "cuda")
