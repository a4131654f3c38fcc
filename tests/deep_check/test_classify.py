"""The command classify: the network's own labels, accuracy where labels are known, any picture that can be meant."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy import stats

import deep_check
from deep_check import NORMALISATIONS, ResNet
from deep_check.cli import main
from deep_check.pictures import find_pictures, read_picture
from tests.deep_check.networks import random_state
from theory_sim.errors import InputError
from theory_sim.inputs.cifar10 import CLASSES

CIFAR10 = NORMALISATIONS["cifar10"]
PIXELS = np.random.default_rng(0).integers(0, 256, (20, 3, 32, 32), np.uint8)


@pytest.fixture(scope="module")
def net() -> ResNet:
    net = ResNet(8, "cpu", mean=CIFAR10.mean, std=CIFAR10.std)
    net.load_state_dict(random_state(net.architecture))
    return net


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, net: ResNet) -> Path:
    """The working directory, with weights and pictures."""
    monkeypatch.chdir(tmp_path)
    net.save("net.npz")
    Path("pictures").mkdir()
    for i in range(3):
        picture(i).save(f"pictures/{i}.png")
    Path("pictures/notes.txt").write_text("no picture")
    Path("pictures/folder.png").mkdir()
    return tmp_path


def picture(i: int) -> Image.Image:
    return Image.fromarray(PIXELS[i].transpose(1, 2, 0))


def cifar(folder: Path, labels: Any) -> Path:
    """The pictures as a test set of CIFAR-10."""
    folder.mkdir()
    records = np.hstack([np.asarray(labels, np.uint8)[:, None], PIXELS[: len(labels)].reshape(len(labels), -1)])
    (folder / "test_batch.bin").write_bytes(records.tobytes())
    return folder


def result(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    assert main(["classify", *arguments, "--weights", "net.npz", "--device", "cpu", "--json"]) == 0
    return json.loads(capsys.readouterr().out, parse_constant=lambda constant: pytest.fail(constant))


def test_a_folder(folder: Path, net: ResNet, capsys: pytest.CaptureFixture[str]) -> None:
    found = result(capsys, "pictures", "--top", "3", "--batch", "2")
    logits = net(PIXELS[:3]).astype(float)
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert [row["image"] for row in found["images"]] == [f"pictures/{i}.png" for i in range(3)]
    for row, share in zip(found["images"], shares, strict=True):
        order = np.argsort(-share)[:3]
        assert [one["label"] for one in row["top"]] == [CLASSES[c] for c in order]
        assert [one["confidence"] for one in row["top"]] == pytest.approx(share[order], abs=1e-6)
        assert (row["label"], row["confidence"]) == tuple(row["top"][0].values())
    assert found["network"] == "ResNet-8 with 10 classes"
    assert found["mean"] == list(CIFAR10.mean)
    assert "accuracy" not in found


def test_accuracy_has_an_interval(folder: Path, net: ResNet, capsys: pytest.CaptureFixture[str]) -> None:
    labels = net(PIXELS).argmax(axis=1)
    labels[:3] = (labels[:3] + 1) % 10
    cifar(folder / "cifar", labels)
    assert main(["classify", "cifar", "--weights", "net.npz", "--device", "cpu"]) == 2
    assert "not whole (test_batch: 20 of 10,000 images)" in capsys.readouterr().err
    found = result(capsys, "cifar", "--partial")
    expected = stats.binomtest(17, 20).proportion_ci(0.95, "wilson")
    assert found["accuracy"] == {
        "correct": 17, "share": 0.85, "low": pytest.approx(expected.low), "high": pytest.approx(expected.high),
    }  # fmt: skip
    assert [row["correct"] for row in found["images"]] == [False] * 3 + [True] * 17
    assert [row["true_label"] for row in found["images"]] == [CLASSES[label] for label in labels]
    assert main(["classify", "cifar", "--partial", "--weights", "net.npz", "--device", "cpu"]) == 0
    out, err = capsys.readouterr()
    assert f"85.00 % [{100 * expected.low:.2f}, {100 * expected.high:.2f}] of 20 images (17 correct)" in out
    assert err == "note: test_batch: 20 of 10,000 images\n"
    assert main(["classify", "cifar", "--partial", "--weights", "net.npz", "--device", "cpu", "--quiet"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("85.00 % [")
    assert err == ""


def test_tables(folder: Path, capsys: pytest.CaptureFixture[str], net: ResNet) -> None:
    picture(3).save("pictures/[bold]" + "long" * 30 + ".png")
    arguments = ["classify", "pictures", "--weights", "net.npz", "--device", "cpu", "--top", "10"]
    assert main(arguments) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "…" not in out
    assert "[bold]" in out
    assert max(map(len, out.splitlines())) <= 120
    assert main([*arguments, "--quiet"]) == 0
    lines = capsys.readouterr().out.splitlines()
    order = np.argsort(-net(PIXELS[:3]), axis=1)
    assert lines[:3] == [", ".join(CLASSES[c] for c in row) for row in order]


def test_normalisation(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What the file says; where it says nothing, what is asked for, or ImageNet's with a note."""
    np.savez("bare.npz", **random_state(ResNet(8, "cpu").architecture))
    bare = ["classify", "pictures/0.png", "--weights", "bare.npz", "--device", "cpu", "--json"]
    for arguments, mean, said in (
        ([], NORMALISATIONS["imagenet"].mean, True),
        (["--normalisation", "cifar10"], CIFAR10.mean, False),
        (["--normalisation", "none"], (0, 0, 0), False),
    ):
        assert main([*bare, *arguments]) == 0
        out, err = capsys.readouterr()
        assert json.loads(out)["mean"] == list(mean)
        assert ("note: the weights do not say" in err) == said
    assert main(["classify", "pictures/0.png", "--weights", "net.npz", "--normalisation", "none"]) == 2
    assert "was made for mean" in capsys.readouterr().err


def test_pictures_of_many_kinds(folder: Path) -> None:
    grey = PIXELS[0, 0]
    Image.fromarray(grey).save("grey.png")
    picture(0).convert("RGBA").save("opaque.png")
    picture(0).quantize(256).save("palette.png")
    picture(0).save("unknown", "PNG")
    Image.fromarray(grey.astype(np.uint16) * 257).save("sixteen.png")
    Image.fromarray((grey / np.float32(255)).astype(np.float32)).save("float.tif")
    exact = (PIXELS[0] / 255).astype(np.float32)
    for name in ("opaque.png", "unknown"):
        np.testing.assert_array_equal(read_picture(Path(name), 32, False), exact)
    for name in ("grey.png", "sixteen.png", "float.tif"):
        np.testing.assert_allclose(read_picture(Path(name), 32, False), np.stack([exact[0]] * 3), rtol=1e-6)
    assert read_picture(Path("palette.png"), 32, False).shape == (3, 32, 32)


def test_arrays(folder: Path, net: ResNet) -> None:
    np.save("pixels.npy", PIXELS)
    np.save("floats.npy", (PIXELS / 255).astype(np.float32))
    for name in ("pixels.npy", "floats.npy"):
        found = find_pictures([Path(name), Path("pictures/1.png")], 32, False)
        assert found.names[4] == f"{name}[4]"
        ((own, images),) = found.batches(100)
        assert own == slice(0, 21)
        np.testing.assert_array_equal(net(images)[:20], net(PIXELS))
        np.testing.assert_array_equal(images[20], images[1])


@pytest.mark.parametrize("size", [(1, 1), (33, 32), (200, 100), (31, 500)])
def test_resizing(folder: Path, size: tuple[int, int]) -> None:
    """A centred square, averaged where it shrinks, within the range of the pixels."""
    Image.new("RGB", size, (255, 0, 128)).save("other.png")
    with pytest.raises(InputError, match=f"other.png has {size[0]}x{size[1]} pixels: allowed is 32x32, or --resize"):
        read_picture(Path("other.png"), 32, False)
    found = read_picture(Path("other.png"), 32, True)
    np.testing.assert_allclose(
        found, np.broadcast_to(np.array([1, 0, 128 / 255])[:, None, None], (3, 32, 32)), atol=1e-6
    )


def test_resizing_keeps_the_centre(folder: Path) -> None:
    wide = np.zeros((64, 192, 3), np.uint8)
    wide[:, 64:128] = 255
    Image.fromarray(wide).save("wide.png")
    assert read_picture(Path("wide.png"), 32, True)[:, :, 1:-1].min() == 1


def test_other_classes_have_numbers(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ResNet(8, "cpu", n_classes=3).save("net.npz")
    assert result(capsys, "pictures/0.png")["images"][0]["label"] in {f"class {i}" for i in range(3)}
    cifar(folder / "cifar", [1])
    assert main(["classify", "cifar", "--partial", "--weights", "net.npz"]) == 2
    assert capsys.readouterr().err == "error: weights net.npz know 3 classes: CIFAR-10 has 10\n"


def test_weights_are_converted_with_a_note(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state = {name: values + 1e-9 for name, values in random_state(ResNet(8, "cpu").architecture).items()}
    np.savez("net.npz", **{name: values.astype(float) / 3 for name, values in state.items()})
    assert main(["classify", "pictures/0.png", "--weights", "net.npz", "--normalisation", "none"]) == 0
    assert "rounded from float64 to float32" in capsys.readouterr().err


def test_ctrl_c_and_progress(folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 10**6, 10))
    monkeypatch.setattr("theory_sim.progress.monotonic", lambda: float(next(clock)))
    calls = []

    def interrupted(net: ResNet, images: Any) -> Any:
        calls.append(len(images))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return np.zeros((len(images), 10), np.float32)

    monkeypatch.setattr(ResNet, "__call__", interrupted)
    assert main(["classify", "pictures", "--weights", "net.npz", "--device", "cpu", "--batch", "1"]) == 130
    out, err = capsys.readouterr()
    assert out == ""
    assert "images: 2 of 3, 0/s" in err
    assert err.endswith("interrupted\n")
    assert calls == [1, 1, 1]


def test_logits_that_overflow(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state = random_state(ResNet(8, "cpu").architecture)
    state["linear.weight"] = np.full_like(state["linear.weight"], 3e38)
    np.savez("net.npz", **state)
    assert main(["classify", "pictures", "--weights", "net.npz", "--device", "cpu", "--quiet"]) == 2
    assert "pictures/0.png: its logits overflow" in capsys.readouterr().err


def test_as_a_module(folder: Path) -> None:
    """The real thing once: exit codes, streams, names that the terminal cannot say."""
    picture(0).save("pictures/日本.png")

    def call(*arguments: str, encoding: str = "utf-8") -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-W", "error", "-m", "deep_check", *arguments]
        root = str(Path(deep_check.__file__).parent.parent)
        environment = {**os.environ, "PYTHONPATH": root, "PYTHONIOENCODING": encoding}
        return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", env=environment)

    good = call("classify", "pictures", "--weights", "net.npz", "--device", "cpu", encoding="ascii")
    assert (good.returncode, good.stderr) == (0, "")
    assert r"\u65e5\u672c.png" in good.stdout
    bad = call("classify", "none.png", "--weights", "net.npz", "--device", "cpu")
    assert (bad.returncode, bad.stdout, bad.stderr) == (2, "", "error: no such image file or folder: none.png\n")


def test_a_reader_that_leaves(folder: Path) -> None:
    command = [sys.executable, "-m", "deep_check", "classify", "pictures", "--weights", "net.npz", "--device", "cpu"]
    environment = {**os.environ, "PYTHONPATH": str(Path(deep_check.__file__).parent.parent)}
    for more in ([], ["--json"], ["--quiet"]):
        reading, writing = os.pipe()
        os.close(reading)
        done = subprocess.run([*command, *more], stdout=writing, stderr=subprocess.PIPE, env=environment)
        os.close(writing)
        assert (done.returncode, done.stderr) == (141, b"")


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, words in (([], "classify"), (["--help"], "selftest"), (["classify", "--help"], "--resize")):
        assert main(arguments) == 0
        assert words in capsys.readouterr().out
    assert main(["--version"]) == 0
    assert main(["clasify"]) == 2
