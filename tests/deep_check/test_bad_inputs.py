"""Deep check's tables of bad inputs: from Python each raises InputError with one line that names the value and what is
allowed; at the command line that line is all there is on stderr, the exit code is 2.
"""

from __future__ import annotations

import os
import pickle
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from deep_check import ResNet
from deep_check.architecture import Architecture
from deep_check.checks import check_images, check_seed, check_unit_range, choose_device, on_gpu
from deep_check.cli import main
from deep_check.weights import Weights, save_weights
from tests.deep_check.networks import random_state
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


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with weights, pictures and arrays, most of them wrong in one way each."""
    folder = tmp_path_factory.mktemp("files")
    NET.save(folder / "net.npz")
    NET.save(folder / "net.safetensors")
    grey = Architecture(8, in_channels=1)
    save_weights(folder / "grey.npz", Weights(grey, random_state(grey)))
    state = NET.state_dict()
    np.savez(folder / "other.npz", a=np.zeros(3))
    np.savez(folder / "missing.npz", **{name: values for name, values in state.items() if name != "bn1.bias"})
    np.savez(folder / "nan.npz", **state | {"conv1.weight": at(np.nan, (0, 1, 2, 0), state["conv1.weight"])})
    np.savez(folder / "pickled.npz", **state | {"bn1.bias": np.array([None], dtype=object)})
    np.savez(folder / "ints.npz", **state | {"bn1.bias": np.zeros(16, int)})
    for suffix in ("npz", "safetensors"):
        whole = (folder / f"net.{suffix}").read_bytes()
        (folder / f"short.{suffix}").write_bytes(whole[: len(whole) // 2])
        (folder / f"flipped.{suffix}").write_bytes(
            whole[:1000] + bytes(255 - b for b in whole[1000:1400]) + whole[1400:]
        )
        (folder / f"garbage.{suffix}").write_bytes(bytes(range(256)) * 9)
        (folder / f"empty.{suffix}").write_bytes(b"")
        (folder / f"folder.{suffix}").mkdir()
    (folder / "huge.safetensors").write_bytes((2**62).to_bytes(8, "little") + b"{}")
    (folder / "list.safetensors").write_bytes((2).to_bytes(8, "little") + b"[]")
    with zipfile.ZipFile(folder / "text.npz", "w") as archive:
        archive.writestr("conv1.weight.npy", "text")
        archive.writestr("readme.txt", "text")
    (folder / "net.pt").write_bytes(pickle.dumps({"a": 1}))
    (folder / "code.npz").write_bytes(pickle.dumps({"a": 1}))

    pictures = folder / "pictures"
    pictures.mkdir()
    Image.fromarray(np.zeros((32, 32, 3), np.uint8)).save(folder / "good.png")
    Image.fromarray(np.zeros((31, 33, 3), np.uint8)).save(folder / "small.png")
    Image.new("RGBA", (32, 32), (9, 9, 9, 9)).save(folder / "clear.png")
    Image.fromarray(np.full((32, 32), 1.5, np.float32)).save(folder / "bright.tif")
    Image.fromarray(np.full((32, 32), np.nan, np.float32)).save(folder / "nan.tif")
    (folder / "short.png").write_bytes((folder / "good.png").read_bytes()[:60])
    (folder / "text.png").write_text("text")
    (folder / "empty.png").write_bytes(b"")
    arrays = {
        "channels": IMAGES[:, :1], "size": IMAGES[..., :28], "last": IMAGES.transpose(0, 2, 3, 1), "none": IMAGES[:0],
        "one": IMAGES[0], "double": IMAGES.astype(float) + 1e-9, "ints": IMAGES.astype(int), "nan": at(np.nan),
        "inf": at(np.inf), "bright": at(1.25), "dark": at(-1.0), "bytes": IMAGES * 255,
        "object": np.array([None, 1], dtype=object),
    }  # fmt: skip
    for name, values in arrays.items():
        np.save(folder / f"{name}.npy", values)
    (folder / "text.npy").write_text("text")
    with (folder / "huge.npy").open("wb") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": (10**7, 10**7)}
        np.lib.format.write_array_header_1_0(file, header)
    os.mkfifo(folder / "pipe.png")
    np.savez(folder / "half.npz", **state, deep_check=np.array('{"mean": [0, 0, 0]}'))
    np.savez(folder / "number.npz", **state, deep_check=np.array(3))
    for name, content in (
        ("label", bytes([10]) + bytes(3072)), ("short", bytes(3072)), ("nothing", b""), ("pickle", b""),
    ):  # fmt: skip
        (folder / name).mkdir()
        (folder / name / "test_batch.bin").write_bytes(content)
    (folder / "pickle" / "test_batch.bin").rename(folder / "pickle" / "test_batch")
    (folder / "pickle" / "test_batch").write_bytes(pickle.dumps(Path.cwd))
    (folder / "train").mkdir()
    (folder / "train" / "data_batch_1.bin").write_bytes(bytes(3073))
    (folder / "archive.tar.gz").write_bytes(b"text")
    return folder


# images, weights, what the line names, what it says is allowed (or the reason)
AT_THE_COMMAND_LINE: list[tuple[str, str, str, str]] = [
    ("channels.npy", "net.npz", "channels.npy: images of shape (2, 1, 32, 32)", "(n >= 1, 3, 32, 32)"),
    ("size.npy", "net.npz", "(2, 3, 32, 28)", "(n >= 1, 3, 32, 32)"),
    ("last.npy", "net.npz", "(2, 32, 32, 3)", "channels come before rows"),
    ("none.npy", "net.npz", "(0, 3, 32, 32)", "n >= 1"),
    ("one.npy", "net.npz", "(3, 32, 32)", "n >= 1"),
    ("double.npy", "net.npz", "double.npy: images[0, 0, 0, 0]", "float32"),
    ("ints.npy", "net.npz", "int64", "uint8"),
    ("nan.npy", "net.npz", "nan.npy: images[1, 2, 3, 4] is nan", "finite numbers"),
    ("inf.npy", "net.npz", "images[1, 2, 3, 4] is inf", "finite numbers"),
    ("bright.npy", "net.npz", "images[1, 2, 3, 4] is 1.25", "[0, 1]"),
    ("dark.npy", "net.npz", "images[1, 2, 3, 4] is -1.0", "[0, 1]"),
    ("bytes.npy", "net.npz", "images[0, 0, 0, 0]", "pixels in 0 ... 255 are uint8"),
    ("object.npy", "net.npz", "object.npy", "a pickle"),
    ("text.npy", "net.npz", "text.npy", "damaged"),
    ("huge.npy", "net.npz", "huge.npy", "too large"),
    ("pipe.png", "net.npz", "pipe.png", "is no file"),
    ("good.png", "half.npz", "half.npz: mean and std", "both or none"),
    ("good.png", "number.npz", "number.npz", "no JSON object"),
    ("none.png", "net.npz", "none.png", "no such image file or folder"),
    ("small.png", "net.npz", "small.png has 33x31 pixels", "32x32, or --resize"),
    ("clear.png", "net.npz", "clear.png has transparent pixels", "opaque"),
    ("bright.tif", "net.npz", "bright.tif: pixel (0, 0) is 1.5", "[0, 1]"),
    ("nan.tif", "net.npz", "nan.tif: pixel (0, 0) is nan", "[0, 1]"),
    ("short.png", "net.npz", "short.png", "cannot read image"),
    ("text.png", "net.npz", "text.png", "cannot read image"),
    ("empty.png", "net.npz", "empty.png", "cannot read image"),
    ("net.npz", "net.npz", "net.npz", "cannot read image"),
    ("pictures", "net.npz", "no image files in pictures", ".png"),
    ("label", "net.npz", "label 10", "0 ... 9"),
    ("short", "net.npz", "3072 bytes", "multiple of 3073"),
    ("nothing", "net.npz", "0 bytes", "multiple of 3073"),
    ("pickle", "net.npz", "test_batch", "pickle"),
    ("train", "net.npz", "train", "no CIFAR-10 batch test_batch"),
    ("archive.tar.gz", "net.npz", "CIFAR-10 archive archive.tar.gz has MD5", "truncated?"),
    ("good.png", "none.npz", "none.npz", "no such weights file"),
    ("good.png", "net.txt", "net.txt", ".safetensors, .npz"),
    ("good.png", "net.pt", "net.pt", "pickles can run code"),
    ("good.png", "other.npz", "1 entries", "no ResNet of depth 6n + 2"),
    ("good.png", "missing.npz", "does not fit ResNet-8 with 10 classes", "1 missing (bn1.bias)"),
    ("good.png", "grey.npz", "ResNet-8 with 10 classes and 1 input channels", "colour images"),
    ("good.png", "nan.npz", "conv1.weight[0, 1, 2, 0] is nan", "finite numbers"),
    ("good.png", "ints.npz", "bn1.bias is of type int64", "float32"),
    ("good.png", "pickled.npz", "pickled.npz", "damaged"),
    ("good.png", "code.npz", "code.npz", "no .npz archive"),
    ("good.png", "text.npz", "2 entries", "no ResNet of depth 6n + 2"),
    *(
        ("good.png", f"{name}.{suffix}", f"{name}.{suffix}", "damaged")
        for name in ("short", "flipped", "garbage", "empty")
        for suffix in ("npz", "safetensors")
    ),
    ("good.png", "huge.safetensors", "huge.safetensors", "damaged"),
    ("good.png", "list.safetensors", "list.safetensors", "damaged"),
    ("good.png", "folder.npz", "folder.npz", "is no file"),
    ("good.png", "folder.safetensors", "folder.safetensors", "is no file"),
]  # fmt: skip


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert len(err.splitlines()) == 1, err
    return err


@pytest.mark.parametrize(
    ("images", "weights", "value", "allowed"),
    AT_THE_COMMAND_LINE,
    ids=["-".join(row[:2]) for row in AT_THE_COMMAND_LINE],
)
def test_bad_input_at_the_command_line(
    files: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    images: str,
    weights: str,
    value: str,
    allowed: str,
) -> None:
    monkeypatch.chdir(files)
    line = refused(capsys, "classify", images, "--weights", weights, "--device", "cpu", "--quiet")
    assert value in line
    assert allowed in line


def test_the_unchanged_files_are_good(
    files: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(files)
    for weights in ("net.npz", "net.safetensors"):
        assert main(["classify", "good.png", "--weights", weights, "--device", "cpu"]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("options", "value", "allowed"),
    [
        (["--top", "0"], "top 0", "1 ... 10"),
        (["--top", "11"], "top 11", "1 ... 10"),
        (["--batch", "0"], "batch 0", ">= 1"),
        (["--normalisation", "mine"], "'mine'", "imagenet, cifar10, none"),
        (["--device", "tpu"], "'tpu'", "auto, cpu, cuda"),
        (["--scale"], "--scale", "No such option"),
    ],
)
def test_bad_options(
    files: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    value: str,
    allowed: str,
) -> None:
    monkeypatch.chdir(files)
    line = refused(capsys, "classify", "good.png", "--weights", "net.npz", *options)
    assert value in line
    assert allowed.lower() in line.lower()


def test_the_same_from_python(files: Path) -> None:
    for weights in ("short.npz", "garbage.safetensors", "other.npz", "grey.npz"):
        with pytest.raises(InputError):
            ResNet.from_file(files / weights, "cpu")
        with pytest.raises(InputError):
            NET.load(files / weights)
    with pytest.raises(InputError, match="the file fits ResNet-8 with 10 classes"):
        ResNet(20, "cpu").load(files / "net.npz")


@pytest.mark.usefixtures("no_cupy")
@pytest.mark.parametrize("command", [["selftest"], ["classify", "good.png", "--weights", "net.npz"]])
def test_devices_at_the_command_line(
    files: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    monkeypatch.chdir(files)
    assert "CuPy is not installed" in refused(capsys, *command, "--device", "cuda")
    assert "allowed are auto, cpu, cuda" in refused(capsys, *command, "--device", "gpu")
    monkeypatch.setitem(sys.modules, "cupy", cupy_with(lambda: 0))
    assert "there is no GPU; allowed is cpu" in refused(capsys, *command, "--device", "cuda")
    two = [SimpleNamespace(metadata={"Name": name}) for name in ("cupy-cuda12x", "cupy-cuda13x")]
    monkeypatch.setattr("deep_check.checks.distributions", lambda: two)
    assert "cupy-cuda12x and cupy-cuda13x are both installed" in refused(capsys, *command)
    monkeypatch.setattr("theory_sim.nvrtc.library", lambda: None)
    assert main(["info"]) == 0
    assert "are both installed" in " ".join(capsys.readouterr().out.split())
