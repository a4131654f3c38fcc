"""Deep check's table of bad inputs: each raises InputError with one line that names the value and what is allowed."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from deep_check import ResNet
from deep_check.architecture import Architecture
from deep_check.checks import check_images, check_seed, check_unit_range, choose_device, on_gpu
from tests.helpers import assert_close
from tests.test_bad_inputs import assert_one_clear_line
from theory_sim.errors import InputError

NET = ResNet(8, device="cpu")
IMAGES = np.random.default_rng(0).uniform(size=(2, 3, 32, 32)).astype(np.float32)
LABELS = np.array([3, 9])


def at(value: float, place: tuple[int, ...] = (1, 2, 3, 4), images: Any = IMAGES) -> Any:
    changed = images.copy()
    changed[place] = value
    return changed


def gradient(**changes: Any) -> Callable[[], Any]:
    return lambda: NET.input_gradient(**{"images": IMAGES, "labels": LABELS, **changes})


def training(**changes: Any) -> Callable[[], Any]:
    return lambda: NET.loss_and_gradients(**{"images": IMAGES, "labels": LABELS, **changes})


class Gpu:
    """What a CuPy array looks like from outside."""

    __module__ = "cupy._core.core"


TABLE: list[tuple[Callable[[], Any], str, str]] = [
    (lambda: NET(IMAGES[0]), "(3, 32, 32)", "one image is images[None]"),
    (lambda: NET(IMAGES[:, :1]), "(2, 1, 32, 32)", "(n >= 1, 3, 32, 32)"),
    (lambda: NET(IMAGES[:, :, :28, :28]), "(2, 3, 28, 28)", "(n >= 1, 3, 32, 32)"),
    (lambda: NET(IMAGES.transpose(0, 2, 3, 1)), "(2, 32, 32, 3)", "channels come before rows"),
    (lambda: NET(IMAGES[:0]), "(0, 3, 32, 32)", "n >= 1"),
    (lambda: NET([[1, 2], [3]]), "list", "an array"),
    (lambda: NET("picture.png"), "()", "(n >= 1, 3, 32, 32)"),
    (lambda: NET(IMAGES.astype(int)), "int64", "float32, float64 and float16 that float32 holds exactly, uint8"),
    (lambda: NET(IMAGES > 0.5), "bool", "uint8 (divided by 255)"),
    (lambda: NET(IMAGES.astype(complex)), "complex128", "float32"),
    (lambda: NET(at(0.1, images=IMAGES.astype(float))), "images[1, 2, 3, 4] is 0.1", "astype('float32')"),
    (lambda: NET(at(1e300, images=IMAGES.astype(float))), "1e+300", "float32 does not hold"),
    (lambda: NET(at(np.nan)), "images[1, 2, 3, 4] is nan", "finite numbers"),
    (lambda: NET(at(-np.inf)), "images[1, 2, 3, 4] is -inf", "finite numbers"),
    (lambda: NET(at(np.nan, images=IMAGES.astype(float))), "images[1, 2, 3, 4] is nan", "finite numbers"),
    (lambda: NET(Gpu()), "device cpu", "NumPy arrays"),
    (gradient(labels=[3]), "(1,)", "(2,)"),
    (gradient(labels=[[3], [9]]), "(2, 1)", "(2,)"),
    (gradient(labels=[3, 10]), "labels[1] is 10", "0 ... 9"),
    (gradient(labels=[-1, 9]), "labels[0] is -1", "0 ... 9"),
    (gradient(labels=[3.0, 9.0]), "float64", "integers"),
    (gradient(labels=["cat", "dog"]), "<U3", "integers"),
    (gradient(loss="hinge"), "'hinge'", "cross_entropy, mse, margin_mse, margin"),
    (gradient(images=at(np.nan)), "images[1, 2, 3, 4] is nan", "finite"),
    (training(labels=[3, 10]), "labels[1] is 10", "0 ... 9"),
    (training(loss="hinge"), "'hinge'", "cross_entropy, mse"),
    (training(images=IMAGES[:0]), "(0, 3, 32, 32)", "n >= 1"),
    (lambda: check_unit_range(at(1.25)), "images[1, 2, 3, 4] is 1.25", "[0, 1]"),
    (lambda: check_unit_range(at(-1e-6)), "is -1e-06", "[0, 1]"),
    (lambda: check_unit_range(IMAGES * 255), "is 1", "pixels in 0 ... 255 are uint8, or divided by 255"),
    (lambda: ResNet(33), "depth 33", "6n + 2 (8, 14, 20, 32"),
    (lambda: ResNet(2), "depth 2", "6n + 2"),
    (lambda: ResNet(32.0), "depth 32.0", "6n + 2"),
    (lambda: ResNet(8, n_classes=1), "n_classes 1", ">= 2"),
    (lambda: ResNet(8, device="tpu"), "'tpu'", "auto, cpu, cuda"),
    (lambda: ResNet(8, "cpu", mean=[0, 0, 0]), "mean and std", "both or none"),
    (lambda: ResNet(8, "cpu", mean=[0, 0], std=[1, 1]), "mean [0.0, 0.0]", "3 finite numbers"),
    (lambda: ResNet(8, "cpu", mean=[0, 0, np.nan], std=[1, 1, 1]), "nan", "3 finite numbers"),
    (lambda: ResNet(8, "cpu", mean=[0, 0, 0], std=[1, 0, 1]), "std [1.0, 0.0, 1.0]", "3 positive numbers"),
    (lambda: ResNet(8, "cpu", mean="imagenet", std="imagenet"), "'imagenet'", "3 finite numbers"),
    (lambda: ResNet(8, "cpu", seed=-1), "seed -1", "0 ... 2^64 - 1"),
    (lambda: ResNet(8, "cpu", seed=1.5), "seed 1.5", "whole numbers"),
    (lambda: check_seed(True), "True", "whole numbers"),
    (lambda: check_seed(2**64), "18446744073709551616", "2^64 - 1"),
    (lambda: NET.load("no/such.npz"), "no/such.npz", "no such weights file"),
    (lambda: NET.load("no/such.txt"), "no/such.txt", ".safetensors, .npz"),
    (lambda: NET.save("no/such.npz"), "no/such.npz", "no such folder"),
    (lambda: NET.load_state_dict({"conv1.weight": np.zeros(3)}), "state dict", "missing (bn1.weight"),
]


@pytest.mark.parametrize(("action", "value", "allowed"), TABLE, ids=[f"{i}-{row[1]}" for i, row in enumerate(TABLE)])
def test_bad_input_is_named_on_one_line(action: Callable[[], Any], value: str, allowed: str) -> None:
    with pytest.raises(InputError) as caught:
        action()
    assert_one_clear_line(caught.value, value, allowed)


def test_the_unchanged_inputs_are_good() -> None:
    NET(IMAGES)
    gradient()()
    training()()
    check_unit_range(IMAGES)
    assert check_seed(np.uint64(2**64 - 1)) == 2**64 - 1
    assert on_gpu(Gpu())
    assert not on_gpu(IMAGES)


def test_what_is_converted_is_exact() -> None:
    """Other layouts, types that hold the same numbers, and uint8, where each value is the nearest float32."""
    logits, strided = NET(IMAGES), np.zeros((4, 3, 32, 64), np.float32)[::2, :, :, ::2]
    strided[...] = IMAGES
    for same in (IMAGES.astype(float), np.asfortranarray(IMAGES), strided, IMAGES[:, ::-1][:, ::-1], IMAGES.tolist()):
        np.testing.assert_array_equal(NET(same), logits)
    half = IMAGES.astype(np.float16)
    np.testing.assert_array_equal(NET(half), NET(half.astype(np.float32)))
    pixels = np.arange(3 * 32 * 32).reshape(1, 3, 32, 32).astype(np.uint8)
    converted = check_images(pixels, Architecture())
    assert converted.dtype == np.float32
    assert_close("uint8", converted, (pixels / 255).astype(np.float32), "exact")
    assert check_images(IMAGES, Architecture()) is IMAGES
    NET(IMAGES * 3 - 1)  # filtered images leave [0, 1]


@pytest.fixture
def no_cupy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deep_check.checks.distributions", lambda: [])
    monkeypatch.setitem(sys.modules, "cupy", None)


@pytest.mark.usefixtures("no_cupy")
def test_no_cupy() -> None:
    assert choose_device("auto") == choose_device("cpu") == "cpu"
    with pytest.raises(InputError) as caught:
        choose_device("cuda")
    assert_one_clear_line(caught.value, "device cuda: CuPy is not installed", "allowed is cpu")


def cupy_with(count: Callable[[], int]) -> Any:
    return SimpleNamespace(cuda=SimpleNamespace(runtime=SimpleNamespace(getDeviceCount=count)))


def no_driver() -> int:
    raise RuntimeError("cudaErrorInsufficientDriver: CUDA driver version\nis insufficient for CUDA runtime version")


@pytest.mark.usefixtures("no_cupy")
@pytest.mark.parametrize(
    ("count", "reason"), [(lambda: 0, "there is no GPU"), (no_driver, "cudaErrorInsufficientDriver")]
)
def test_no_gpu(monkeypatch: pytest.MonkeyPatch, count: Callable[[], int], reason: str) -> None:
    monkeypatch.setitem(sys.modules, "cupy", cupy_with(count))
    assert choose_device("auto") == "cpu"
    with pytest.raises(InputError) as caught:
        ResNet(8, device="cuda")
    assert_one_clear_line(caught.value, f"device cuda: {reason}", "allowed is cpu")


@pytest.mark.usefixtures("no_cupy")
def test_two_cupy_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    """They share one folder: what imports then is a mixture. Found without importing it."""

    def distributions() -> list[Any]:
        names = ("numpy", "cupy-cuda12x", "CuPy-CUDA13x", "cupy-tools")
        return [SimpleNamespace(metadata={"Name": name}) for name in names]

    monkeypatch.setattr("deep_check.checks.distributions", distributions)
    monkeypatch.setitem(sys.modules, "cupy", cupy_with(lambda: 1))
    assert choose_device("cpu") == "cpu"
    for word in ("auto", "cuda"):
        with pytest.raises(InputError) as caught:
            choose_device(word)
        assert_one_clear_line(caught.value, "cupy-cuda12x and cupy-cuda13x are both installed", "allowed is one")


def test_a_gpu_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    one = SimpleNamespace(metadata={"Name": "cupy-cuda13x"})
    monkeypatch.setattr("deep_check.checks.distributions", lambda: [one])
    monkeypatch.setitem(sys.modules, "cupy", cupy_with(lambda: 1))
    assert choose_device("auto") == choose_device("cuda") == "cuda"
