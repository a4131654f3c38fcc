"""The command `attack` as a user types it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from deep_check.cli import main
from deep_check.resnet import ResNet
from tests.deep_check.training.test_trainer import TEST


@pytest.fixture
def base(tmp_path: Path) -> list[str]:
    ResNet(8, "cpu", seed=1).save(tmp_path / "net.safetensors")
    records = zip(TEST.images, TEST.labels, strict=True)
    (tmp_path / "test_batch.bin").write_bytes(b"".join(bytes([label]) + image.tobytes() for image, label in records))
    places = ["--weights", str(tmp_path / "net.safetensors"), "--data", str(tmp_path), "--partial", "--quiet"]
    return ["attack", *places, "--device", "cpu", "--steps", "3"]


def test_accuracy_and_images(base: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "found.npz"
    assert main([*base, "--out", str(out), "--json", "--restarts", "2"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["attack"]["radius"] == 8 / 255
    assert told["n"] == 40
    assert told["attacked"]["accuracy"] <= told["clean"]["accuracy"]
    with np.load(out) as found:
        assert found["fooled"].mean() == pytest.approx(1 - told["attacked"]["accuracy"])
        pixels = (TEST.images / 255).astype(np.float32)
        assert 0.9 * 8 / 255 < np.abs(found["images"] - pixels).max() < 8 / 255 + 1e-6
    manifest = json.loads((tmp_path / "found.manifest.json").read_text())
    assert manifest["command"] == "attack"
    assert manifest["configuration"]["attack"]["restarts"] == 2
    assert manifest["configuration"]["attacked"] == told["attacked"]
    assert manifest["files"] == ["found.npz"]
    assert main(base) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["clean", "attacked"]


@pytest.mark.parametrize("more", [["--method", "fgsm"], ["--method", "fgm"], ["--norm", "l2"], ["--cutoff", "8"]])
def test_other_attacks(base: list[str], more: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*base, *more, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["attack"]["norm"] == ("l2" if more[1] in ("fgm", "l2") else "linf")
    assert told["attack"]["steps"] == (1 if more[1].startswith("fg") else 3)
    assert told["cutoff"] == (8 if more[0] == "--cutoff" else None)


@pytest.mark.parametrize("method", ["square", "noise"])
@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_attacks_without_a_gradient(
    base: list[str], method: str, norm: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*base, "--method", method, "--norm", norm, "--queries", "4", "--json", "--cutoff", "9"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["method"] == method
    assert told["attack"]["queries" if method == "square" else "draws"] == 4
    assert told["attack"]["norm"] == norm
    assert told["attacked"]["accuracy"] <= told["clean"]["accuracy"]


def test_targets(base: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "found.npz"
    for target in ("next", "random", "3"):
        assert main([*base, "--target", target, "--steps", "8", "--radius", "0.1", "--out", str(out), "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        with np.load(out) as found:
            assert (found["targets"] != found["labels"]).all()
            assert len(found["labels"]) == told["n"]
            net = ResNet.from_file(tmp_path / "net.safetensors", "cpu")
            reached = net(found["images"]).argmax(axis=1) == found["targets"]
        assert told["reached"]["share"] == pytest.approx(reached.mean())
        assert told["n"] == (40 if target != "3" else int((TEST.labels != 3).sum()))
    assert main([*base, "--target", "next", "--early-stop"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("reached")


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--method", "cw"], "method 'cw': allowed are pgd, fgsm, fgm, square, noise"),
        (["--method", "square", "--target", "next"], "target 'next' of square: allowed is none"),
        (["--method", "fgsm", "--early-stop"], "early stop of fgsm"),
        (["--target", "cat"], "target 'cat': allowed are 0 ... 9, next, random"),
        (["--method", "noise", "--queries", "0"], "draws 0"),
        (["--method", "noise", "--queries", "100001"], "draws 100001: allowed is 1 ... 100000"),
        (["--queries", "10"], "queries 10 of pgd: allowed is none"),
        (["--method", "noise", "--share", "0.5"], "share 0.5 of noise: allowed is none"),
        (["--restarts", "100001"], "restarts 100001: allowed is <= 100000"),
        (["--radius", "-1/255"], "allowed is 0 ... 1"),
        (["--radius", "9"], "radius 9.0"),
        (["--radius", "x"], "--radius 'x'"),
        (["--steps", "0"], "steps 0"),
        (["--cutoff", "24"], "cut-off 24"),
        (["--out", "nowhere/x.npz"], "no such folder"),
        (["--out", "x.txt"], ".npz"),
        (["--data", "nowhere"], "no such CIFAR-10 folder"),
    ],
)
def test_mistakes_are_one_line(
    base: list[str], more: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*base, *more]) == 2
    told = capsys.readouterr().err
    assert told.startswith("error: ")
    assert told.count("\n") == 1
    assert words in told
