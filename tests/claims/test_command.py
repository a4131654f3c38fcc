"""`verify` and `replay` on the command line: exit codes, files, one line for every mistake."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from theory_sim.claims import BY_KEY
from theory_sim.claims import command as commands
from theory_sim.claims.base import HOLDS
from theory_sim.cli import main

FAST = ["--samples", "300", "--claims", "eq14[relu],eq8[relu]"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_verify_writes_ledger_picture_and_counterexamples(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", *FAST, "--json", "l.json", "--plot", "l.png", "--seed", "3"]) == 0
    out = capsys.readouterr().out
    assert "counterexample to eq14[relu]" in out
    assert "every verdict is the one recorded in the code" in out
    ledger = json.loads(Path("l.json").read_text())
    assert {"claims", "versions", "hardware", "commit", "seed", "samples"} <= set(ledger)
    assert [row["claim"] for row in ledger["claims"]] == ["eq8", "eq14"]
    assert ledger["claims"][1]["printed"] == "refuted"
    with Image.open("l.png") as picture:
        assert picture.size[0] > 1000
    stored = folder / "runs/counterexamples/eq14--relu.json"
    assert json.loads(stored.read_text()) == ledger["claims"][1]["counterexample"]
    assert main(["replay", str(stored)]) == 0
    assert "violated again" in capsys.readouterr().out
    assert main(["replay", "l.json", "--quiet"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_a_verdict_other_than_the_recorded_one_is_exit_code_1(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = dataclasses.replace(BY_KEY["eq14[relu]"], known=(HOLDS, HOLDS))
    monkeypatch.setattr(commands, "select", lambda names: [wrong])
    assert main(["verify", *FAST, "--quiet"]) == 1
    assert "DIFFERS eq14[relu]: recorded holds exactly / holds exactly, computed refuted" in capsys.readouterr().out


def test_replay_notices_a_changed_number(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", "--samples", "300", "--claims", "eq14[relu]", "--quiet"]) == 0
    path = Path("runs/counterexamples/eq14--relu.json")
    fields = json.loads(path.read_text())
    for change in (
        lambda f: f["numbers"]["tau"].__setitem__(0, f["numbers"]["tau"][0] + 1e-7),
        lambda f: f["numbers"]["drive"].pop(),
        lambda f: f["numbers"].pop("low_energy"),
        lambda f: f["sample"].__setitem__("learning_rate", f["sample"]["learning_rate"] * 1.001),
        lambda f: f.__setitem__("violation", [v - 0.001 for v in f["violation"]]),
    ):
        changed = json.loads(json.dumps(fields))
        change(changed)
        path.write_text(json.dumps(changed))
        capsys.readouterr()
        assert main(["replay", str(path), "--quiet"]) == 1
        assert "NUMBERS DIFFER" in capsys.readouterr().out
    # A sample that does not violate the claim is no counterexample.
    harmless = json.loads(json.dumps(fields))
    harmless["claim"], harmless["case"] = "eq8", "relu"
    path.write_text(json.dumps(harmless))
    assert main(["replay", str(path), "--quiet"]) == 1
    assert "NOT violated" in capsys.readouterr().out


BAD = [
    (["verify", "--claims", "thm9"], "unknown claim 'thm9'"),
    (["verify", "--claims", "eq8[elu]"], "near: eq8[relu]"),
    (["verify", "--claims", ""], "unknown claim ''"),
    (["verify", "--samples", "0"], "samples 0"),
    (["verify", "--samples", "many"], "--samples"),
    (["verify", "--seed", "-1"], "seed -1"),
    (["verify", "--workers", "-2"], "workers -2"),
    (["verify", "--device", "cuda"], "device cuda"),
    (["verify", "--device", "tpu"], "device 'tpu'"),
    (["verify", "--images", "nowhere.png"], "no such image"),
    (["verify", "--images", "text.png"], "cannot read image"),
    (["verify", "--images", "constant.png"], "constant"),
    (["verify", "--data", "nowhere"], "no such CIFAR-10 folder"),
    (["verify", "--data", "cut"], "truncated"),
    (["verify", "--json", "nowhere/l.json"], "no such folder"),
    (["verify", "--json", "cut"], "is a folder"),
    (["verify", "--plot", "l.gif"], ".png"),
    (["verify", "--deep", "nowhere.json"], "cannot read results nowhere.json"),
    (["verify", "--deep", "text.png"], "results text.png: is not JSON"),
    (["verify", "--deep", "half.json"], "results half.json: allowed are files of format"),
    (["verify", "--counterexamples", "text.png"], "is no folder"),
    (["verify", "--checkpoint", "text.png"], "text.png"),
    (["replay", "nowhere.json"], "cannot read nowhere.json"),
    (["replay", "text.png"], "is not JSON"),
    (["replay", "half.json"], "not a counterexample"),
    (["replay", "noclaim.json"], "unknown claim"),
    (["replay", "nosample.json"], "missing key 'sample'"),
    (["replay", "none.json"], "holds no counterexample"),
]


@pytest.mark.parametrize(("arguments", "words"), BAD, ids=[" ".join(arguments) for arguments, _ in BAD])
def test_bad_input_is_one_line_and_writes_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    Path("text.png").write_text("not an image")
    Image.fromarray(np.full((64, 400), 9, np.uint8)).save("constant.png")
    (folder / "cut").mkdir()
    (folder / "cut" / "test_batch.bin").write_bytes(bytes(5000))
    Path("half.json").write_text("{}")
    marks = {"format": "theory_sim counterexample 1", "version": "printed", "numbers": {}}
    Path("noclaim.json").write_text(json.dumps(marks | {"claim": "thm7", "case": "x"}))
    Path("nosample.json").write_text(json.dumps(marks | {"claim": "eq14", "case": "relu"}))
    Path("none.json").write_text('{"claims": [{"counterexample": null}]}')
    before = {p: p.stat().st_size for p in folder.rglob("*")}
    if arguments[0] == "verify":
        arguments = [arguments[0], *(["--claims", "eq8[relu]"] if "--claims" not in arguments else []), *arguments[1:]]
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1, err
    assert err.startswith("error: ")
    assert words in err
    assert {p: p.stat().st_size for p in folder.rglob("*")} == before


def test_interrupting_says_how_to_go_on_and_leaves_no_process(folder: Path) -> None:
    arguments = [sys.executable, "-m", "theory_sim", "verify", "--samples", "200000", "--checkpoint", "c.jsonl"]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    process = subprocess.Popen(
        [*arguments, "--claims", "eq14[relu]", "--workers", "2"],
        env=environment,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and (not Path("c.jsonl").exists() or Path("c.jsonl").stat().st_size < 2000):
        time.sleep(0.2)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: parent and workers
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert out == ""
    assert "the same command goes on from c.jsonl" in err
    assert "Traceback" not in err
    for _ in range(100):  # workers and their bookkeeping end with their parent, if not at once
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            break
        time.sleep(0.2)
    else:
        pytest.fail("a process was left behind")
    assert not Path("runs").exists()
