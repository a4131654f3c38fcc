"""The network as a user has it: the float64 network's numbers, weights that come and go, the same bits again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deep_check import NORMALISATIONS, Architecture, ResNet
from deep_check.initial import initial_state
from deep_check.ops.loss_reference import LOSSES
from deep_check.reference_network import ReferenceNetwork
from tests.deep_check.networks import MEAN, STD, images_and_labels, random_state
from tests.helpers import assert_close, assert_differs
from theory_sim.errors import InputError

EIGHT = Architecture(8)
STATE = random_state(EIGHT)
IMAGES, LABELS = images_and_labels(19, EIGHT)  # a block of lanes and a part of another


@pytest.fixture
def net() -> ResNet:
    net = ResNet(8, device="cpu", mean=MEAN, std=STD)
    net.load_state_dict(STATE)
    return net


@pytest.fixture(scope="module")
def reference() -> ReferenceNetwork:
    return ReferenceNetwork(EIGHT, STATE, MEAN, STD)


def test_logits(net: ResNet, reference: ReferenceNetwork) -> None:
    expected = reference.logits(IMAGES)
    assert_close("logits", net(IMAGES), expected, "float32_network")
    assert_differs("another state", ResNet(8, "cpu")(IMAGES), expected, "float32_network")
    np.testing.assert_array_equal(net(IMAGES[7:8]), net(IMAGES)[7:8])  # same bits, whatever the batch
    np.testing.assert_array_equal(net(IMAGES), net(IMAGES))


@pytest.mark.parametrize("loss", LOSSES)
def test_input_gradient(net: ResNet, reference: ReferenceNetwork, loss: str) -> None:
    found = net.input_gradient(IMAGES, LABELS, loss)
    losses, gradient, logits = reference.input_gradient(IMAGES, LABELS, loss)
    assert_close("losses", found.losses, losses, "float32_network")
    assert_close("logits", found.logits, logits, "float32_network")
    assert_close("gradient", found.gradient, gradient, "float32_gradient")
    assert_differs("other labels", net.input_gradient(IMAGES, (LABELS + 1) % 10, loss)[1], gradient, "float32_gradient")


def test_loss_and_gradients(net: ResNet) -> None:
    """In training mode, twice, the running statistics moving in between; evaluation follows them."""
    own = ReferenceNetwork(EIGHT, STATE, MEAN, STD)
    for update in (False, True):
        found = net.loss_and_gradients(IMAGES, LABELS, "cross_entropy", update_statistics=update)
        loss, gradients, logits = own.loss_and_gradients(IMAGES, LABELS, "cross_entropy", update_statistics=update)
        assert_close("loss", found.loss, loss, "float32_network")
        assert_close("logits", found.logits, logits, "float32_network")
        for name, gradient in gradients.items():
            assert_close(name, found.gradients[name], gradient, "float32_gradient")
        for name, values in net.state_dict().items():
            assert_close(name, values, own.state[name], "float32_network")
        assert_close("evaluation", net(IMAGES), own.logits(IMAGES), "float32_network")
    again = net.loss_and_gradients(IMAGES, LABELS, "cross_entropy")
    assert again.gradients["conv1.weight"] is not found.gradients["conv1.weight"]
    np.testing.assert_array_equal(again.gradients["conv1.weight"], found.gradients["conv1.weight"])


def test_gradients_are_the_users_own(net: ResNet) -> None:
    first = net.loss_and_gradients(IMAGES, LABELS).gradients
    kept = {name: values.copy() for name, values in first.items()}
    net.loss_and_gradients(IMAGES[::-1], LABELS)
    for name, values in kept.items():
        np.testing.assert_array_equal(first[name], values)
    state = net.state_dict()
    state["conv1.weight"][:] = 0
    assert net.state_dict()["conv1.weight"].any()


@pytest.mark.parametrize("suffix", [".safetensors", ".npz"])
def test_weights_keep_their_normalisation(net: ResNet, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"w{suffix}"
    cifar10 = NORMALISATIONS["cifar10"]
    one = ResNet(8, "cpu", mean=cifar10.mean, std=cifar10.std)
    one.load_state_dict(STATE)
    one.save(path, {"recipe": "none"})
    other = ResNet(8, "cpu")
    assert other.mean.tolist() == list(NORMALISATIONS["imagenet"].mean)
    assert other.load(path) == ()
    assert other.mean.tolist() == list(cifar10.mean)
    assert other.facts["recipe"] == "none"
    np.testing.assert_array_equal(other(IMAGES), one(IMAGES))
    assert_differs("normalisation", other(IMAGES), net(IMAGES), "float32_network")
    np.testing.assert_array_equal(ResNet.from_file(path, "cpu")(IMAGES), one(IMAGES))
    with pytest.raises(InputError, match=r"made for mean \[0.4914.*allowed is to give these or none"):
        net.load(path)


def test_what_does_not_load_changes_nothing(net: ResNet, tmp_path: Path) -> None:
    logits = net(IMAGES)
    ResNet(20, "cpu").save(tmp_path / "twenty.npz")
    with pytest.raises(InputError, match="the file fits ResNet-20 with 10 classes"):
        net.load(tmp_path / "twenty.npz")
    bad = dict(STATE) | {"bn1.running_var": -STATE["bn1.running_var"]}
    with pytest.raises(InputError, match=r"state dict: bn1.running_var\[0\] is -"):
        net.load_state_dict(bad)
    np.testing.assert_array_equal(net(IMAGES), logits)


def test_normalisation_stored_wrongly_is_named(net: ResNet, tmp_path: Path) -> None:
    from deep_check.weights import Weights, save_weights

    path = tmp_path / "w.npz"
    for facts in ({"mean": [0, 0], "std": [1, 1]}, {"mean": [0, 0, 0], "std": "x"}):
        save_weights(path, Weights(EIGHT, STATE, facts))
        with pytest.raises(InputError, match=r"w.npz: (mean|std) .*allowed are 3"):
            ResNet(8, "cpu").load(path)


def test_weights_are_drawn_by_counter() -> None:
    """The same bits everywhere; a layer's do not depend on the depth, N(0, 2/fan_in) in law."""
    state = ResNet(8, "cpu", seed=3).state_dict()
    deeper = initial_state(Architecture(14), 3)
    np.testing.assert_array_equal(state["layer1.0.conv2.weight"], deeper["layer1.0.conv2.weight"])
    assert initial_state(EIGHT, 4)["conv1.weight"][0, 0, 0, 0] != state["conv1.weight"][0, 0, 0, 0]
    largest = state["layer3.0.conv2.weight"]
    assert abs(largest.std() / np.sqrt(2 / 576) - 1) < 5 / np.sqrt(2 * largest.size)
    assert abs(largest.mean()) < 5 * largest.std() / np.sqrt(largest.size)
    first = [0.0971781387925148, 0.06819941103458405]
    np.testing.assert_array_equal(state["conv1.weight"].ravel()[:2], np.float32(first))
    assert not state["linear.bias"].any()
    assert (state["bn1.running_var"] == 1).all()
    assert (state["layer2.0.bn1.weight"] == 1).all()
    assert not state["layer2.0.bn1.bias"].any()
    big = initial_state(EIGHT, 2**64 - 1)
    assert all(np.isfinite(values).all() for values in big.values())


def test_a_batch_of_any_size(net: ResNet) -> None:
    whole = net.input_gradient(IMAGES, LABELS)
    for n in (1, 2, 16, 17):
        part = net.input_gradient(IMAGES[:n], LABELS[:n])
        for mine, all_of_them in zip(part, whole, strict=True):
            np.testing.assert_array_equal(mine, all_of_them[:n])
    one: Any = net.loss_and_gradients(IMAGES[:1], LABELS[:1])
    assert np.isfinite(one.loss)
