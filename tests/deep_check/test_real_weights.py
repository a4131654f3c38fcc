"""A public ResNet-32 on real images: the float64 network's logits and labels, and its known accuracy."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from deep_check import ResNet
from deep_check.ops.loss_reference import loss as loss_of
from deep_check.reference_network import ReferenceNetwork
from tests.helpers import assert_close, assert_differs
from theory_sim.inputs.cifar10 import load_cifar10

NAME = "resnet32_akamaster.npz"
BESIDE = Path(__file__).parents[2].parent / "shared" / "weights" / NAME
N_EXACT, CORRECT = 1017, 944  # test images that are bit-exact; counted by an independent evaluation of these weights
SURE = 2e-3  # a float64 margin beyond which float32 must give the same label
BATCH, N_GRADIENTS = 9, 24  # few at once stay in the cache


class Real(NamedTuple):
    """Weights, images (n, 3, 32, 32) float32 in [0, 1], labels (n,), and float64 logits (n, 10)."""

    net: ResNet
    images: NDArray[np.float32]
    labels: NDArray[np.int64]
    reference: ReferenceNetwork
    logits: NDArray[np.float64]


@pytest.fixture(scope="module")
def real(cifar10_dir: Path) -> Real:
    path = Path(os.environ.get("RESNET32_WEIGHTS", BESIDE))
    if not path.exists():
        pytest.skip(f"RESNET32_WEIGHTS is not set and {NAME} is not beside the project: no public weights to load")
    data = load_cifar10(cifar10_dir, partial=True)
    images = (data.images[:N_EXACT] / 255).astype(np.float32)
    net = ResNet(32, device="cpu")
    assert net.load(path) == ()
    reference = ReferenceNetwork(net.architecture, net.state_dict(), net.mean, net.std)
    logits = np.concatenate([reference.logits(images[i : i + BATCH]) for i in range(0, N_EXACT, BATCH)])
    return Real(net, images, data.labels[:N_EXACT].astype(np.int64), reference, logits)


def test_the_float64_network_is_as_good_as_it_is_known_to_be(real: Real) -> None:
    assert len(real.labels) == N_EXACT
    assert int((real.logits.argmax(axis=1) == real.labels).sum()) == CORRECT


def test_logits_and_labels(real: Real) -> None:
    logits = real.net(real.images)
    assert_close("logits", logits, real.logits, "real_logits", scale=1.0)
    assert_differs("logits", logits, np.roll(real.logits, 1, axis=0), "real_logits", scale=1.0)
    ordered = np.sort(real.logits, axis=1)
    sure = ordered[:, -1] - ordered[:, -2] > SURE
    assert sure.mean() > 0.99
    np.testing.assert_array_equal(logits.argmax(axis=1)[sure], real.logits.argmax(axis=1)[sure])
    assert abs(int((logits.argmax(axis=1) == real.labels).sum()) - CORRECT) <= int((~sure).sum())


def test_bytes_are_images(real: Real, cifar10_dir: Path) -> None:
    """uint8 straight from the data set gives the very same logits."""
    pixels = load_cifar10(cifar10_dir, partial=True).images[:N_GRADIENTS]
    np.testing.assert_array_equal(real.net(pixels), real.net(real.images[:N_GRADIENTS]))


@pytest.mark.parametrize("loss", ["cross_entropy", "margin"])
def test_input_gradient(real: Real, loss: str) -> None:
    """Of 24 images. A ReLU whose input is 0 but for rounding may decide otherwise: the typical image is the measure.

    The gradient of a cross entropy is as relatively wrong as its probabilities are, and these as the logits absolutely.
    """
    images, labels = real.images[:N_GRADIENTS], real.labels[:N_GRADIENTS]
    losses, gradient, logits = real.reference.input_gradient(images, labels, loss)
    found = real.net.input_gradient(images, labels, loss)
    assert_close("losses", found.losses, losses, "real_logits", scale=1.0)
    assert_close("losses", losses, loss_of(real.logits[:N_GRADIENTS], labels, loss)[0], "reference")
    scale = np.sqrt((gradient**2).sum((1, 2, 3)))
    if loss == "cross_entropy":
        scale *= np.maximum(1, np.abs(logits).max(1))
    error = np.sqrt(((found.gradient - gradient) ** 2).sum((1, 2, 3))) / scale
    assert_close("gradient of a typical image", np.median(error), 0.0, "real_gradient", scale=1.0)
    assert_close("gradient of the worst image", error.max(), 0.0, "real_gradient_kinks", scale=1.0)
    other = real.net.input_gradient(images, (labels + 1) % 10, loss).gradient
    assert_differs("other labels", other, gradient, "real_gradient")
