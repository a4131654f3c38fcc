"""The command `evaluate` as a user types it: files, the page, refusals, resumption."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest

from deep_check.cli import main
from deep_check.evaluation import measure, plan
from deep_check.evaluation import selftest as selftests
from deep_check.evaluation.selftest import Check, Outcome
from deep_check.experiments.manifest import code_of
from deep_check.filtering import Filtered, LowPass
from deep_check.resnet import ResNet
from tests.deep_check.evaluation.test_measure import TINY


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A small network, images that it gets right behind the filter, and another network."""
    net = ResNet(8, "cpu", seed=2)
    net.save(tmp_path / "net.safetensors")
    ResNet(8, "cpu", seed=5).save(tmp_path / "other.safetensors")
    pixels = np.random.default_rng(0).integers(0, 256, (18, 3, 32, 32), np.uint8)
    labels = Filtered(net, LowPass(9))((pixels / np.float64(255)).astype(np.float32)).argmax(axis=1)
    records = (bytes([label]) + image.tobytes() for image, label in zip(pixels, labels, strict=True))
    (tmp_path / "test_batch.bin").write_bytes(b"".join(records))
    monkeypatch.setitem(plan.SCALES, "quick", TINY)
    places = ["--weights", str(tmp_path / "net.safetensors"), "--data", str(tmp_path), "--partial", "--quiet"]
    return ["evaluate", *places, "--device", "cpu", "--defence", "lowpass:9", "--out", str(tmp_path / "out")]


def test_files_and_lines(base: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other, out = str(tmp_path / "other.safetensors"), tmp_path / "out"
    code = main([*base, "--radius", "0.1", "--step-size", "0.05", "--against", other, "--transfer", other])
    told = capsys.readouterr().out
    summary = json.loads((out / "summary.json").read_text())
    assert code == (0 if summary["sound"] else 1)
    assert f"{summary['verdict']}." in told
    (line,) = (line for line in told.splitlines() if line.startswith("linf 0.1, the network behind"))
    assert re.search(r"clean 100\.0 % .* blind \d.* aware \d.* worst case \d", line)
    assert {row["attacker"] for row in summary["worst_cases"] if row["system"] == "defended"} == {
        "clean", "noise", "square", "transfer", "blind", "aware", "all",
    }  # fmt: skip
    assert len(summary["selftest"]["noticed"]) == 4
    rows = list(csv.DictReader((out / "evaluate.csv").read_text().splitlines()))
    assert tuple(rows[0]) == measure.COLUMNS
    manifest = json.loads((out / "evaluate.manifest.json").read_text())
    assert set(manifest["weights"]) == {"normal", "adversarial", "transfer"}
    assert manifest["configuration"]["defence"] == "lowpass:9"
    for name in manifest["files"]:
        assert (out / name).stat().st_size > 500

    page = (out / "summary.html").read_text()
    assert summary["verdict"] in page
    assert not re.search(r"(?:src|href|srcset)=\"(?!data:)|https?:|@import|url\(", page)  # nothing is asked for
    assert page.count("data:image/png;base64,") == 4
    for part in ("prefers-color-scheme: dark", 'name="viewport"', "gradient of another image", *summary["conclusion"]):
        assert part in page.replace("&#39;", "'").replace("&amp;", "&"), part

    identity = json.loads((out / "evaluate.json").read_text())["identity"]
    assert (identity["device"], identity["code"]) == ("cpu", code_of("evaluation.measure"))
    before = (out / "evaluate.csv").read_bytes()
    assert main([*base, "--radius", "0.1", "--step-size", "0.05", "--against", other, "--transfer", other,
                 "--json"]) == code  # fmt: skip
    assert (out / "evaluate.csv").read_bytes() == before
    assert json.loads(capsys.readouterr().out)["worst_cases"] == summary["worst_cases"]
    assert main([*base, "--radius", "0.2", "--step-size", "0.05", "--against", other, "--transfer", other]) == 2
    assert "another measurement (attacks of linf of radius 0.1 there, 0.2 asked for)" in capsys.readouterr().err


def test_it_refuses_to_conclude_without_a_sound_attack(
    base: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    unnoticed = Outcome((Check("slope", True, "1"),), {"half of the gradient's signs flipped": ()})
    monkeypatch.setattr(selftests, "run_selftest", lambda *_: unnoticed)
    assert main([*base, "--against", "none", "--images", "16"]) == 1
    told = capsys.readouterr().out
    assert "No conclusion" in told
    assert "half of the gradient's signs flipped, was not noticed" in told
    assert "No conclusion" in (tmp_path / "out" / "summary.html").read_text()


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--defence", "jpeg:75"], "--defence 'jpeg:75': allowed is lowpass:CUTOFF"),
        (["--defence", "lowpass:24"], "--defence lowpass:CUTOFF '24': allowed is 0 ... 23,"),
        (["--scale", "huge"], "scale 'huge': allowed are quick, paper"),
        (["--defence", "lowpass:nan"], "--defence lowpass:CUTOFF 'nan': allowed is 0 ... 23,"),
        (["--images", "3"], "images 3: allowed is 16 ... 18"),
        (["--images", "5000"], "images 5000: allowed is 16 ... 18"),
        (["--radius", "0"], "--radius '0': allowed is above 0, up to 1,"),
        (["--radius", "1.5"], "--radius '1.5': allowed is above 0, up to 1,"),
        (["--l2-step-size", "0"], "--l2-step-size '0': allowed is above 0, up to 100,"),
        (["--against", "nowhere.npz"], "nowhere.npz"),
        (["--transfer", "nowhere.npz"], "nowhere.npz"),
        (["--seed", "-1"], "seed -1"),
        (["--device", "tpu"], "device 'tpu'"),
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
