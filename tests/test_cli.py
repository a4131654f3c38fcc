"""The command line: help, exit codes, one line for every mistake, nothing half-written."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import theory_sim
from theory_sim.cli import main
from theory_sim.command_line import _interrupt, interruptible

SMALL = ["--set", "dim=33", "--set", "width=8", "--set", "cutoff=4", "--set", "n_steps=20"]


def settings(*pairs: str) -> list[str]:
    return [word for pair in pairs for word in ("--set", pair)]


def refused(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> str:
    """Run what must be refused; the one line on stderr without its `error: `."""
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert len(lines) == 1, err
    assert lines[0].startswith("error: ")
    return lines[0].removeprefix("error: ")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with pictures and configurations that are wrong in one way each."""
    monkeypatch.chdir(tmp_path)
    Image.fromarray(np.zeros((40, 40), np.uint8)).save("zero.png")
    Image.fromarray(np.full((40, 40), 9, np.uint8)).save("constant.png")
    Image.fromarray(np.arange(1600, dtype=np.uint8).reshape(40, 40)).save("small.png")
    Path("text.png").write_text("not an image")
    Path("key.toml").write_text("wdth = 3\n")
    Path("both.toml").write_text("learning_rate = 1\nrelative_rate = 1\n")
    Path("syntax.toml").write_text("width = = 3\n")
    Path("empty").mkdir()
    Path("folder.zarr").mkdir()
    return tmp_path


# arguments after `simulate`, what the line names, what it says is allowed (or the reason)
BAD: list[tuple[list[str], str, str]] = [
    (settings("cutoff=0.5"), "cut-off 0.5", "1 <= cut-off < 128"),
    (settings("cutoff=0"), "cut-off 0", "1 <= cut-off < 128"),
    (settings("cutoff=-3"), "cut-off -3", "finite number >= 0"),
    (settings("cutoff=128"), "cut-off 128", "1 <= cut-off < 128"),
    (settings("dim=256", "cutoff=127.5"), "cut-off 127.5", "1 <= cut-off < 127.5"),
    (settings("dim=4", "cutoff=2"), "cut-off 2", "1 <= cut-off < 1.5"),
    (settings("source=tiles", "cutoff=23"), "cut-off 23", "1 <= cut-off < 22.6274"),
    (settings("source=rows", "transform=dct", "cutoff=256"), "cut-off 256", "< 256"),
    (settings("cutoff=nan"), "cutoff = nan", "a number"),
    (settings("alpha=0.9"), "alpha = 0.9", ">= 1"),
    (settings("alpha=nan"), "alpha = nan", "a number >= 1"),
    (settings("alpha0=-1"), "alpha0 = -1.0", "0 ... 1e12"),
    (settings("source=rows", "dim=33", "picture=zero.png"), "all rows", "constant"),
    (settings("source=tiles", "picture=zero.png"), "all tiles", "constant"),
    (settings("source=rows", "dim=33", "picture=constant.png"), "all rows", "constant"),
    (settings("source=rows", "picture=small.png"), "width 40", "width >= 257"),
    (settings("source=tiles", "tile_size=64", "picture=small.png"), "40x40", "64x64"),
    (settings("source=rows", "dim=33", "picture=small.png", "piece=40"), "piece = 40", "0 ... 39"),
    (settings("source=rows", "dim=33", "picture=small.png", "piece=-1"), "piece = -1", ">= 0"),
    (settings("source=rows", "picture=text.png"), "text.png", "cannot read image"),
    (settings("source=rows", "picture=none.png"), "none.png", "no such image file or folder"),
    (settings("source=rows", "picture=empty"), "no image files in empty", ".png"),
    (settings("learning_rate=0"), "learning_rate = 0.0", "> 0"),
    (settings("learning_rate=-1"), "learning_rate = -1.0", "> 0"),
    (settings("learning_rate=nan"), "learning_rate = nan", "> 0"),
    (settings("relative_rate=0"), "relative_rate = 0.0", "> 0"),
    (settings("learning_rate=1", "relative_rate=1"), "learning_rate and relative_rate", "one of"),
    (settings("label=nan"), "label = nan", "a number"),
    (settings("label=0.5", "loss=logistic"), "label 0.5", "-1 and +1"),
    (settings("width=0"), "width = 0", ">= 1"),
    (settings("width=-1"), "width = -1", ">= 1"),
    (settings("n_steps=0"), "n_steps = 0", ">= 1"),
    (settings("n_steps=100000000"), "n_steps = 100000000", "2 GiB"),
    (settings("weight_scale=0"), "weight_scale = 0.0", "> 0"),
    (settings("leak=1", "activation=leaky_softplus"), "leak = 1.0", "0 <= leak < 1"),
    (settings("sharpness=0", "activation=softplus"), "sharpness = 0.0", "> 0"),
    (settings("engine=events", "activation=softplus"), "'events'", "ReLU"),
    (settings("engine=quantum"), "'quantum'", "reference, collapsed"),
    (settings("width=1", "dim=33", "cutoff=4", "seed=0"), "no unit is active", "learning_rate"),
    (settings("width=1", "dim=33", "cutoff=4", "seed=0", "learning_rate=1"), "gradient is zero", "another seed"),
    (settings("wdth=3"), "unknown key 'wdth'", "width"),
    (settings("width"), "'width'", "key=value"),
    (["key.toml"], "unknown key 'wdth'", "width"),
    (["both.toml"], "learning_rate and relative_rate", "one of"),
    (["syntax.toml"], "syntax.toml", "not TOML"),
    (["none.toml"], "none.toml", "No such file"),
    (["empty"], "empty", "Is a directory"),
    (["--out", "run.csv"], "run.csv", ".zarr, .nc"),
    (["--out", "run"], "run", ".zarr, .nc"),
    (["--plot", "run.gif"], "run.gif", ".png, .pdf, .svg"),
    (["--out", "none/run.nc"], "none/run.nc", "no such folder"),
    (["--plot", "small.png/run.png"], "small.png/run.png", "no such folder"),
    (["--out", "folder.zarr"], "folder.zarr", "no Zarr store"),
    (["--out", "run.nc", "--plot", "none/run.png"], "none/run.png", "no such folder"),
    (["--sett", "width=3"], "--sett", "--set"),
    (["--set"], "--set", "requires an argument"),
    (["key.toml", "both.toml"], "both.toml", "unexpected"),
]


@pytest.mark.parametrize(("arguments", "value", "allowed"), BAD, ids=[" ".join(row[0])[:50] for row in BAD])
def test_bad_input_is_one_line_and_writes_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], value: str, allowed: str
) -> None:
    before = sorted(folder.rglob("*"))
    targets = [] if {"--out", "--plot"} & set(arguments) else ["--out", "good.nc", "--plot", "good.png"]
    line = refused(capsys, ["simulate", *targets, *arguments])
    assert value in line
    assert allowed in line
    assert sorted(folder.rglob("*")) == before


def test_the_unchanged_inputs_are_good(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Otherwise the table could fail for another reason than the one in its row."""
    assert main(["simulate", *SMALL, "--out", "good.nc", "--plot", "good.png"]) == 0
    assert main(["simulate", *settings("source=rows", "dim=33", "picture=small.png", "piece=39")]) == 0
    assert capsys.readouterr().err == ""
    assert {"good.nc", "good.png"} <= {path.name for path in folder.iterdir()}


def test_an_unwritable_folder_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.access", lambda path, mode: False)  # for an administrator every real folder is writable
    assert refused(capsys, ["simulate", *SMALL, "--out", "empty/run.nc"]) == (
        "--out empty/run.nc: folder empty is not writable"
    )
    assert list((folder / "empty").iterdir()) == []


def mishap(error: BaseException) -> Callable[..., Any]:
    def raise_it(*_: object, **__: object) -> None:
        raise error

    return raise_it


@pytest.mark.parametrize("option", ["--out", "--plot"])
def test_a_full_disk_leaves_nothing_new(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    name = {"--out": "run.nc", "--plot": "run.png"}[option]
    Path(name).write_text("old")
    before = sorted(folder.iterdir())
    full = mishap(OSError(28, "No space left on device"))
    monkeypatch.setattr("theory_sim.simulation.storage.write_dataset", full)
    monkeypatch.setattr("theory_sim.plots.save_run_plot", full)
    line = refused(capsys, ["simulate", *SMALL, option, name])
    assert line == f"cannot write {name}: No space left on device"
    assert Path(name).read_text() == "old"
    assert sorted(folder.iterdir()) == before


@pytest.mark.parametrize("where", ["theory_sim.simulation.run.simulate", "theory_sim.simulation.storage.write_dataset"])
def test_ctrl_c_is_130_and_leaves_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    before = sorted(folder.iterdir())
    monkeypatch.setattr(where, mishap(KeyboardInterrupt()))
    assert main(["simulate", *SMALL, "--out", "run.nc"]) == 130
    assert "Traceback" not in capsys.readouterr().err
    assert sorted(folder.iterdir()) == before


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (MemoryError("8 GiB"), "not enough memory: 8 GiB"),
        (PermissionError(13, "Permission denied", "some.file"), "some.file: Permission denied"),
    ],
)
def test_what_the_machine_refuses_is_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, error: Exception, line: str
) -> None:
    monkeypatch.setattr("theory_sim.simulation.run.simulate", mishap(error))
    assert refused(capsys, ["simulate", *SMALL]) == line


def test_a_bug_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("theory_sim.simulation.run.simulate", mishap(KeyError("bug")))
    with pytest.raises(KeyError, match="bug"):
        main(["simulate", *SMALL])


@pytest.mark.parametrize(
    ("arguments", "words"), [([], "simulate"), (["--help"], "simulate"), (["simulate", "--help"], "--set")]
)
def test_help(capsys: pytest.CaptureFixture[str], arguments: list[str], words: str) -> None:
    assert main(arguments) == 0
    assert words in capsys.readouterr().out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.strip() == theory_sim.__version__


def test_unknown_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert "simulat" in refused(capsys, ["simulat"])


def test_keys_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", "--keys"]) == 0
    out = capsys.readouterr().out
    for word in ("relative_rate", "power-law, rows, tiles", "|x̂[k]|"):
        assert word in out


def test_tables(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", *SMALL]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    for word in ("The explicit run", "Predicted minus explicit τ", "Theorem 1", "Theorem 2", "Theorem 3", "re-based"):
        assert word in out
    assert "…" not in out  # no number is cut off
    assert max(map(len, out.splitlines())) <= 120


def test_tables_fit_a_terminal_of_80_columns(capsys: pytest.CaptureFixture[str]) -> None:
    from rich.console import Console

    from theory_sim.configuration import Configuration
    from theory_sim.simulation.run import simulate
    from theory_sim.simulation.summary import summarise
    from theory_sim.simulation.tables import print_run

    diverging = {"activation": "leaky_softplus", "relative_rate": 500.0}
    for keys in ({}, {"activation": "softplus"}, diverging, {"relative_rate": 50.0}):
        print_run(Console(width=80), summarise(simulate(Configuration(**keys))))  # type: ignore[arg-type]
        assert "…" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (settings("activation=leaky_softplus", "relative_rate=300", "n_steps=200"), "diverged: last finite step"),
        (settings("relative_rate=50"), "the gradient vanished"),
        (settings("residual=-5"), "the drive is not positive"),
        (settings("relative_rate=0.9", "n_steps=100"), "converged at step"),
        (settings("activation=softplus"), "first order in η"),
        (settings("residual=1e-9"), "no unit crossed its kink: Eq. 8 is exact"),
        (settings("seed=3", "source=tiles", "tile_size=2", "cutoff=1"), "tiles of sample, d = 2x2"),
    ],
)
def test_what_a_run_was_like_is_said(capsys: pytest.CaptureFixture[str], more: list[str], words: str) -> None:
    assert main(["simulate", *SMALL, *more]) == 0
    assert words in capsys.readouterr().out


def test_json_is_one_strict_object(capsys: pytest.CaptureFixture[str]) -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    assert main(["simulate", *SMALL, "--json"]) == 0
    found = json.loads(capsys.readouterr().out, parse_constant=refuse)
    assert found["configuration"]["dim"] == 33
    assert {"run", "predictions", "theorem1", "theorem2", "theorem3", "rows", "commit", "hardware"} <= set(found)


def test_quiet_prints_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", *SMALL, "--quiet", "--set", "sharpness=3", "--out", "run.zarr"]) == 0
    assert capsys.readouterr() == ("", "")
    assert (folder / "run.zarr").is_dir()


def test_a_key_without_effect_is_noted(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", *SMALL, "--set", "sharpness=3"]) == 0
    assert "no effect in this run: sharpness" in capsys.readouterr().err


def test_results_are_replaced(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from theory_sim.simulation.storage import read_dataset

    for name in ("run.zarr", "run.nc"):
        for seed in (1, 2):
            assert main(["simulate", *SMALL, "--set", f"seed={seed}", "--out", name]) == 0
            assert f"wrote {name}" in capsys.readouterr().out
            assert read_dataset(folder / name).attrs["seed"] == seed


def test_as_a_module(tmp_path: Path) -> None:
    """The real thing once: `python -m theory_sim`, its exit codes and its two streams."""

    def call(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-W", "error", "-m", "theory_sim", *arguments]
        root = str(Path(theory_sim.__file__).parent.parent)
        return subprocess.run(
            command, capture_output=True, text=True, cwd=tmp_path, env={**os.environ, "PYTHONPATH": root}
        )

    good = call("simulate", *SMALL)
    assert (good.returncode, good.stderr) == (0, "")
    assert "The explicit run" in good.stdout
    bad = call("simulate", "--set", "width=0")
    assert (bad.returncode, bad.stdout, bad.stderr) == (2, "", "error: width = 0: allowed is >= 1\n")


def test_an_interrupt_within_llvm_comes_a_moment_later() -> None:
    """Raised there it would be printed and forgotten: LLVM calls back while it loads kernels."""
    called = "def call(interrupt):\n    interrupt(2, sys._getframe())\n    return 'went on'\n"

    def go_on(file: str) -> None:
        names: dict[str, Any] = {"sys": sys}
        exec(compile(called, file, "exec"), names)
        went_on.append(names["call"](_interrupt))
        end = time.monotonic() + 10
        while time.monotonic() < end:  # Python code, as a command's
            pass

    went_on: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        go_on("/x/somewhere/else.py")
    assert went_on == []
    with pytest.raises(KeyboardInterrupt):
        go_on("/x/llvmlite/binding/executionengine.py")
    assert went_on == ["went on"]


def test_the_handler_of_interrupts_is_the_callers_again() -> None:
    before = signal.getsignal(signal.SIGINT)
    assert main(["--version"]) == 0
    assert signal.getsignal(signal.SIGINT) is before
    with interruptible():
        usual = before is signal.default_int_handler  # else another's is left alone
        assert signal.getsignal(signal.SIGINT) is (_interrupt if usual else before)
