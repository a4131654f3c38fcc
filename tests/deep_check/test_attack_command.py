"""The command `attack` as a user types it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deep_check import attack_command, attack_parts, attack_picture, attacks, noise, square
from deep_check.cli import main
from deep_check.experiments.perturbations import Perturbed
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
    out = tmp_path / "made" / "for it" / "found.npz"
    assert main([*base, "--out", str(out), "--json", "--restarts", "2"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["attack"]["radius"] == 8 / 255
    assert told["n"] == 40
    assert told["attacked"]["accuracy"] <= told["clean"]["accuracy"]
    with np.load(out) as found:
        assert found["fooled"].mean() == pytest.approx(1 - told["attacked"]["accuracy"])
        pixels = (TEST.images / 255).astype(np.float32)
        assert 0.9 * 8 / 255 < np.abs(found["images"] - pixels).max() < 8 / 255 + 1e-6
    manifest = json.loads((out.parent / "found.manifest.json").read_text())
    assert manifest["command"] == "attack"
    assert manifest["configuration"]["attack"]["restarts"] == 2
    assert manifest["configuration"]["attacked"] == told["attacked"]
    assert manifest["files"] == ["found.npz", "found.png", "found.pdf"]
    assert all((out.parent / name).stat().st_size > 5000 for name in manifest["files"])
    assert {path.name for path in out.parent.iterdir()} == {*manifest["files"], "found.manifest.json"}
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


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures take longer than all the rest: none is made."""

    def write(path: Path, arrays: dict[str, Any], _: Any) -> list[str]:
        np.savez(path, **arrays)
        return [path.name]

    monkeypatch.setattr(attack_picture, "draw", lambda *_: None)
    monkeypatch.setattr(attack_command, "_write", write)


class Interrupted:
    """An attack that Ctrl-C ends in the call of a number, counted from 0."""

    def __init__(self, run: Callable[..., Any], at: int | None = None) -> None:
        self.run, self.at, self.first_images = run, at, list[int]()

    def __call__(self, *arguments: Any, first: int) -> Any:
        if len(self.first_images) == self.at:
            raise KeyboardInterrupt
        self.first_images.append(first)
        return self.run(*arguments, first=first)


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize(
    ("module", "name", "more"),
    [
        (attacks, "run_attack", ["--restarts", "2", "--radius", "2/255"]),
        (attacks, "run_attack", ["--early-stop", "--norm", "l2", "--target", "random", "--cutoff", "9"]),
        (square, "run_square", ["--method", "square", "--queries", "5"]),
        (noise, "run_noise", ["--method", "noise", "--queries", "3"]),
    ],
)
def test_an_interrupted_attack_goes_on_to_the_same_bits(
    base: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: Any, name: str, more: list[str]
) -> None:
    run, out = getattr(module, name), tmp_path / "found.npz"
    assert main([*base, *more, "--out", str(tmp_path / "whole.npz")]) == 0
    monkeypatch.setattr(attack_parts, "part_size", lambda _: 16)
    monkeypatch.setattr(module, name, Interrupted(run, at=2))
    assert main([*base, *more, "--out", str(out)]) == 130
    assert not out.exists()
    assert len(list((tmp_path / "found.parts").iterdir())) == 2
    (tmp_path / "found.parts" / "000016.npz").write_bytes(b"damaged")  # is made again
    again = Interrupted(run)
    monkeypatch.setattr(module, name, again)
    assert main([*base, *more, "--out", str(out)]) == 0
    assert again.first_images == [16, 32]
    assert not (tmp_path / "found.parts").exists()
    with np.load(tmp_path / "whole.npz") as whole, np.load(out) as found:
        assert set(whole) == set(found)
        for array in whole:
            np.testing.assert_array_equal(whole[array], found[array])


@pytest.mark.usefixtures("undrawn")
def test_parts_of_another_attack_are_refused_in_one_line(
    base: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [*base, "--out", str(tmp_path / "found.npz")]
    monkeypatch.setattr(attack_parts, "part_size", lambda _: 16)
    with monkeypatch.context() as patched:
        patched.setattr(attacks, "run_attack", Interrupted(attacks.run_attack, at=1))
        assert main(command) == 130
    ResNet(8, "cpu", seed=2).save(tmp_path / "other.safetensors")
    for more, words in (
        (["--seed", "1"], "settings of seed 0 there, 1 asked for"),
        (["--cutoff", "9"], "filter none there, others asked for"),
        (["--limit", "20"], "images "),
        (["--weights", str(tmp_path / "other.safetensors")], "weights "),
    ):
        capsys.readouterr()
        assert main([*command, *more]) == 2
        told = capsys.readouterr().err
        assert told.count("\n") == 1
        assert words in told
        assert len(told) < 400
    assert (tmp_path / "found.parts" / "000000.npz").exists()
    counted = Interrupted(attacks.run_attack)
    monkeypatch.setattr(attacks, "run_attack", counted)
    monkeypatch.setattr("deep_check.experiments.manifest.code_of", lambda _: "other code")  # what it made is made again
    assert main(command) == 0
    assert counted.first_images == [0, 16, 32]


def test_what_the_picture_shows() -> None:
    labels = np.arange(10)
    images = np.full((10, 3, 32, 32), 0.5, np.float32)
    found = Perturbed(images, labels, images + np.float32(0.01), labels, labels)
    assert attack_picture.chosen(found).tolist() == [0, 1, 2, 3, 4, 5]
    after = np.where(np.isin(labels, (4, 7, 9)), 0, labels)
    before = np.where(labels == 9, 1, labels)
    found = replace(found, before=before, after=after)
    assert attack_picture.chosen(found, 4).tolist() == [0, 1, 4, 7]
    figure = attack_picture.draw(found, labels / 2, 0.02, "title")
    panels = figure.axes
    columns = attack_picture.chosen(found).tolist()
    assert len(panels) == 3 * len(columns)
    at = columns.index(4)
    assert panels[at].get_title(loc="center") == "seen as deer"
    assert panels[2 * len(columns) + at].get_title(loc="center") == "seen as airplane"
    assert panels[2 * len(columns) + at].get_xlabel() == "loss 2"


def test_without_a_radius_nothing_changes(base: list[str], tmp_path: Path) -> None:
    assert main([*base, "--radius", "0", "--out", str(tmp_path / "found.npz")]) == 0
    with np.load(tmp_path / "found.npz") as found:
        np.testing.assert_array_equal(found["images"], (TEST.images / np.float64(255)).astype(np.float32))


@pytest.mark.usefixtures("undrawn")
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
        (["--radius", "-1/255"], "--radius '-1/255': allowed is 0 ... 1,"),
        (["--radius", "9"], "--radius '9': allowed is 0 ... 1,"),
        (["--radius", "101", "--norm", "l2"], "--radius '101': allowed is 0 ... 100,"),
        (["--radius", "9", "--method", "fgsm", "--norm", "l2"], "--radius '9': allowed is 0 ... 1,"),
        (["--radius", "x"], "--radius 'x': allowed is 0 ... 1,"),
        (["--radius", "nan"], "--radius 'nan': allowed is 0 ... 1,"),
        (["--step-size", "nan"], "--step-size 'nan': allowed is above 0, up to 1,"),
        (["--step-size", "0"], "--step-size '0': allowed is above 0, up to 1,"),
        (["--norm", "l1"], "norm 'l1': allowed are linf, l2"),
        (["--limit", "41"], "limit 41: allowed is 1 ... 40"),
        (["--limit", "0"], "limit 0: allowed is 1 ... 40"),
        (["--steps", "0"], "steps 0"),
        (["--cutoff", "24"], "cut-off 24"),
        (["--out", "/dev/null/x.npz"], "--out /dev/null is no folder: allowed is a folder"),
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
