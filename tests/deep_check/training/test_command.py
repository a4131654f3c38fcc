"""The command `train` as a user types it."""

from __future__ import annotations

from pathlib import Path

import pytest

from deep_check.cli import main
from deep_check.training.recipe import Recipe, read_recipe
from deep_check.weights import load_weights
from tests.deep_check.training.test_trainer import TEST, TRAINING
from theory_sim.inputs.cifar10 import BATCHES, Cifar10


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "cifar-10-batches-bin"
    folder.mkdir()
    for name in BATCHES:
        part: Cifar10 = TEST if name == "test_batch" else TRAINING
        records = zip(part.images, part.labels, strict=True)
        (folder / f"{name}.bin").write_bytes(b"".join(bytes([label]) + image.tobytes() for image, label in records))
    return tmp_path


ONE = ["--set", "depth=8", "--set", "epochs=1", "--set", "batch_size=48"]


def test_trains_and_says_how_good_it_is(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "run"
    assert main(["train", "--data", str(data), "--out", str(out), "--partial", *ONE]) == 0
    told = capsys.readouterr()
    assert "40 others" in told.out
    assert "data_batch_1: 96 of 10,000 images" in told.err
    assert load_weights(out / "weights.safetensors").facts["recipe"]["batch_size"] == 48
    assert main(["train", "--data", str(data), "--out", str(out), "--partial", "--quiet", *ONE]) == 0
    assert capsys.readouterr().out == told.out


def test_held_out_images_are_not_trained_on(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--data", str(data), "--out", str(tmp_path / "run"), "--partial", "--hold-out", *ONE]) == 0
    assert "96 others" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "--out FOLDER"),
        (["--data", "{data}", "--out", "{out}"], "not whole (data_batch_1: 96 of 10,000 images)"),
        (["--data", "{out}", "--out", "{out}"], "no such CIFAR-10 folder"),
        (
            ["--data", "{data}", "--out", "{out}", "--device", "tpu", "--partial"],
            "device 'tpu': allowed are auto, cpu, cuda",
        ),
        (["--data", "{data}", "--out", "{out}", "--device", "cpu", "--precision", "tf32"], "precision 'tf32'"),
        (["--data", "{data}", "--out", "{out}", "--partial", "--set", "depth=9"], "depth 9"),
        (["--data", "{data}", "--out", "{out}", "--partial", "--set", "batch_size=9999"], "batch_size 9999"),
        (["--data", "{data}", "--out", "{data}/cifar-10-batches-bin/test_batch.bin", "--partial", *ONE], "File exists"),
    ],
)
def test_mistakes_are_one_line(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    filled = [argument.format(data=data, out=tmp_path / "run") for argument in arguments]
    assert main(["train", *filled]) == 2
    told = capsys.readouterr().err.splitlines()
    assert words in told[-1]
    assert told[-1].startswith("error: ")


def test_keys_are_a_recipe(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--keys"]) == 0
    file = tmp_path / "recipe.toml"
    file.write_text(capsys.readouterr().out)
    assert read_recipe(file) == Recipe()
