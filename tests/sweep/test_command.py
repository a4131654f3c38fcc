"""The command `sweep`: what it writes and says, and one line for every mistake."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import xarray as xr

from tests.sweep.fakes import Recorder
from theory_sim.cli import main
from theory_sim.errors import InputError
from theory_sim.sweep.command import _again
from theory_sim.sweep.definition import parse_sweep
from theory_sim.sweep.device import choose_device
from theory_sim.sweep.execution import local
from theory_sim.sweep.store import SweepStore, open_sweep

SMALL = """
[run]
dim = 33
width = 8
cutoff = 4
n_steps = 20

[grid]
alpha = [1.0, 1.5]
activation = ["relu", "softplus"]
seed = { replicates = 5 }

[record]
steps = 3
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with sweeps good and bad."""
    monkeypatch.chdir(tmp_path)
    Path("small.toml").write_text(SMALL)
    Path("mixed.toml").write_text(SMALL.replace("cutoff = 4", "").replace("[grid]", "[grid]\ncutoff = [4.0, 30.0]"))
    Path("syntax.toml").write_text("= 3")
    Path("file").write_text("")
    Path("folder.zarr").mkdir()
    return tmp_path


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Run what must be refused; the last line on stderr without its `error: `."""
    assert main(["sweep", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "Traceback" not in err
    assert err.splitlines()[-1].startswith("error: ")
    return err.splitlines()[-1].removeprefix("error: ")


def test_a_sweep_its_tables_and_its_pictures(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sweep", "small.toml", "--device", "cpu", "--export", "parquet,csv", "--export", "netcdf"]) == 0
    out = capsys.readouterr().out
    for words in ("20 networks: ", "Eq. 12 holds", "thm1_t1", "wrote runs/small.zarr", "wrote runs/small.parquet"):
        assert words in out
    assert max(map(len, out.splitlines())) <= 120
    for name in ("small.parquet", "small.csv", "small.nc"):
        assert (folder / "runs" / name).stat().st_size > 0
    assert sorted((folder / "runs" / "small-plots").glob("*.png"))
    dataset = xr.open_zarr("runs/small.zarr")
    assert dataset.sel(alpha=1.5)["tau"].sizes == {"seed": 5, "activation": 2, "record": 3}
    assert bool((dataset["reason"] == 0).all())
    assert dataset.attrs["device"] == "cpu"


def test_a_point_of_a_sweep_is_the_single_run(folder: Path) -> None:
    from theory_sim.configuration import Configuration
    from theory_sim.simulation.run import simulate

    assert main(["sweep", "small.toml", "--quiet", "--no-plots", "--device", "cpu"]) == 0
    point = open_sweep("runs/small.zarr").sel(alpha=1.5, activation="relu", seed=3)
    keys: dict[str, Any] = {"dim": 33, "width": 8, "cutoff": 4.0, "n_steps": 20, "alpha": 1.5, "seed": 3}
    single = simulate(Configuration(**keys))
    np.testing.assert_allclose(point["tau"].values, single["tau"].values[[0, 10, 20]], rtol=1e-9)


def test_the_same_command_again_computes_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ["sweep", "small.toml", "--out", "deep/er/mine.zarr", "--no-plots", "--json", "--device", "cpu"]
    assert main(command) == 0
    first = json.loads(capsys.readouterr().out)
    monkeypatch.setattr("theory_sim.sweep.execution.engine_compute", lambda: None)
    assert main(command) == 0
    assert json.loads(capsys.readouterr().out) == first
    assert first["points"] == first["run"] == 20
    assert first["written"] == ["deep/er/mine.zarr"]
    dataset = open_sweep("deep/er/mine.zarr")
    judged = dataset["verdict"].sel(claim="thm1_t1", version="printed")
    assert first["claims"]["thm1_t1"]["printed"] == {
        "judged": int(judged.notnull().sum()),
        "holds": int((judged == 1).sum()),
    }


def test_quiet_prints_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sweep", "small.toml", "--quiet", "--workers", "1", "--device", "cpu"]) == 0
    assert capsys.readouterr() == ("", "")
    assert (folder / "runs" / "small.zarr").is_dir()


def test_json_is_printed_quietly_too(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sweep", "small.toml", "--quiet", "--json", "--no-plots", "--device", "cpu"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["points"] == 20
    assert err == ""


def test_metadata_that_is_written_again_is_noted(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["sweep", "small.toml", "--quiet", "--no-plots", "--device", "cpu"]
    assert main(command) == 0
    Path("runs/small.zarr/.zmetadata").unlink()
    assert main(command) == 0
    assert capsys.readouterr().err == "note: runs/small.zarr/.zmetadata is missing or damaged: it is written again\n"


def test_dry_run_says_what_it_would_cost_and_makes_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(folder.rglob("*"))
    assert main(["sweep", "mixed.toml", "--dry-run", "--device", "cpu"]) == 0
    out = capsys.readouterr().out
    for words in (
        "40 = 5 seed × 2 alpha × 2 cutoff × 2 activation",
        "can be run  20",
        "cannot      20: cut-off out of range",
        "of values; the rest is the overhead of ",
    ):
        assert words in out
    assert main(["sweep", "mixed.toml", "--dry-run", "--json", "--workers", "3", "--device", "cpu"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["points"] == 40
    assert sum(found["invalid"].values()) == 20
    assert found["workers"] == 3
    assert found["seconds"] > 0
    assert sorted(folder.rglob("*")) == before


def test_impossible_combinations(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = refused(capsys, "mixed.toml")
    assert "20 of 40 points cannot be run: cutoff = 30 with dim = 33" in line
    assert not (folder / "runs").exists()
    assert main(["sweep", "mixed.toml", "--skip-invalid", "--no-plots", "--device", "cpu"]) == 0
    assert "not run: cut-off out of range" in capsys.readouterr().out
    dataset = open_sweep("runs/mixed.zarr")
    assert bool((dataset["reason"].sel(cutoff=4) == 0).all())
    assert bool(dataset["tau_start"].sel(cutoff=4).notnull().all())
    assert bool(dataset["tau_start"].sel(cutoff=30).isnull().all())


BAD = [
    (["none.toml"], "none.toml: No such file"),
    (["syntax.toml"], "not TOML"),
    (["small.toml", "--set", "wdth=3"], "wdth"),
    (["small.toml", "--out", "x.nc"], "--out x.nc: allowed is a name ending in .zarr"),
    (
        ["small.toml", "--out", "folder.zarr"],
        "folder.zarr exists and is no store of a sweep: remove it, or use another --out",
    ),
    (["small.toml", "--out", "file/x.zarr"], "--out file/x.zarr: file is no folder"),
    (["small.toml", "--workers", "-1"], "--workers -1: allowed is >= 0"),
    (["small.toml", "--device", "tpu"], "--device 'tpu': allowed are auto, cpu, cuda"),
    (["small.toml", "--export", "xls"], "--export xls: allowed are parquet, csv, netcdf"),
    (
        ["small.toml", "--cluster", "nonsense", "--out", "never.zarr"],
        "--cluster nonsense: allowed is tcp://HOST:PORT or tls",
    ),
    (["small.toml", "--cluster", "tcp://x:1", "--workers", "2"], "--workers 2 with --cluster: allowed is one of them"),
    (["small.toml", "--set"], "requires an argument"),
]


@pytest.mark.parametrize(("arguments", "words"), BAD, ids=[" ".join(row[0])[-40:] for row in BAD])
def test_a_mistake_is_one_line(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, arguments: list[str], words: str
) -> None:
    monkeypatch.setattr("theory_sim.sweep.cluster.CONNECT_SECONDS", 1)
    assert words in refused(capsys, *arguments)


def test_cuda_without_a_gpu_is_one_line(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)
    assert refused(capsys, "small.toml", "--device", "cuda") == (
        "--device cuda: CuPy is not installed (pip install 'spectral-claims[cuda12]' or '[cuda13]')"
    )
    assert main(["sweep", "small.toml", "--quiet", "--no-plots"]) == 0  # auto


def test_another_sweep_on_the_store_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sweep", "small.toml", "--quiet", "--no-plots", "--device", "cpu"]) == 0
    line = refused(capsys, "small.toml", "--set", "width=9", "--device", "cpu")
    assert line.startswith("runs/small.zarr belongs to another sweep: width: 8 in the store, 9 asked for")


def test_ctrl_c_says_how_to_go_on(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from theory_sim.sweep.engine import compute

    monkeypatch.setattr("theory_sim.sweep.plan.MOST_POINTS", 2)

    def interrupted(columns: Any, *arguments: Any, **keywords: Any) -> Any:
        if (columns["seed"] == 2).any() and not seen:
            seen.append(True)
            os.kill(os.getpid(), signal.SIGINT)
        return compute(columns, *arguments, **keywords)

    seen: list[bool] = []
    monkeypatch.setattr("theory_sim.sweep.execution.engine_compute", lambda: interrupted)
    command = ["small.toml", "--set", "width=9", "--no-plots", "--device", "cpu", "--export", "csv,netcdf"]
    assert main(["sweep", *command, "--workers", "1"]) == 130
    out, err = capsys.readouterr()
    assert out == ""
    again = (
        "python -m theory_sim sweep small.toml --out runs/small.zarr --set width=9 --workers 1 --device cpu "
        "--export csv,netcdf --no-plots"
    )
    assert f"note: what is done is stored; go on with: {again}\n" in err
    assert 0 < (SweepStore(Path("runs/small.zarr")).marks() >= 0).sum() < 10
    assert main([*again.split()[3:], "--quiet"]) == 0
    assert sorted(path.name for path in Path("runs").glob("small.*")) == ["small.csv", "small.nc", "small.zarr"]
    assert (SweepStore(Path("runs/small.zarr")).marks() >= 0).all()


def test_the_hint_has_every_option_that_is_not_the_default() -> None:
    options = {"--set": ["a=1", "b=2"], "--workers": 0, "--cluster": "tcp://x:1", "--device": False, "--quiet": True}
    assert _again(None, Path("x.zarr"), options) == (
        "python -m theory_sim sweep --out x.zarr --set a=1 --set b=2 --cluster tcp://x:1 --quiet"
    )
    assert _again(Path("s.toml"), Path("x.zarr"), {"--export": None}) == (
        "python -m theory_sim sweep s.toml --out x.zarr"
    )


def gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """CuPy as it looks where there is one GPU."""
    runtime = SimpleNamespace(getDeviceCount=lambda: 1)
    monkeypatch.setitem(sys.modules, "cupy", SimpleNamespace(cuda=SimpleNamespace(runtime=runtime)))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"grid": {"weight_law": ["gaussian", "signs"]}},
            "weight_law = 'signs' is for the CPU, allowed is 'gaussian'",
        ),
        ({"run": {"transform": "dct"}}, "transform = 'dct' is for the CPU, allowed is 'dft'"),
        ({"record": {"draw": "scalars"}}, "record.draw = 'scalars' is for the CPU, allowed is 'weights'"),
    ],
)
def test_what_cuda_cannot_do_is_the_cpus(monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], said: str) -> None:
    gpu(monkeypatch)
    definition = parse_sweep({"grid": {"alpha": [1.0, 2.0]}} | changes)
    watch = Recorder()
    assert choose_device("auto", definition, False, watch) == "cpu"
    assert watch.notes == [f"computed on the CPU: {said}"]
    for on_cluster in (False, True):
        with pytest.raises(InputError, match=re.escape(f"--device cuda: {said}")):
            choose_device("cuda", definition, on_cluster, watch)
    assert choose_device("auto", parse_sweep({"grid": {"alpha": [1.0, 2.0]}}), False, Recorder()) == "cuda"


def test_on_a_cluster_this_machine_does_not_decide_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    definition = parse_sweep({"grid": {"alpha": [1.0, 2.0]}})
    gpu(monkeypatch)
    assert choose_device("auto", definition, True, Recorder()) == "cpu"
    monkeypatch.setitem(sys.modules, "cupy", None)
    assert choose_device("cuda", definition, True, Recorder()) == "cuda"
    with pytest.raises(InputError, match="CuPy is not installed"):
        choose_device("cuda", definition, False, Recorder())


def test_one_gpu_has_two_threads_at_most() -> None:
    for workers, device, in_flight in ((8, "cpu", 16), (8, "cuda", 4), (1, "cuda", 2)):
        with local(workers, device) as threads:
            assert threads.in_flight() == in_flight


def test_dry_run_knows_what_is_done_and_what_it_cannot_know(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["sweep", "small.toml", "--device", "cpu"]
    assert main([*command, "--quiet", "--no-plots"]) == 0
    n_chunks = SweepStore(Path("runs/small.zarr")).layout.n_chunks
    assert main([*command, "--dry-run", "--json", "--cluster", "tcp://nowhere:1"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["points"] == 20
    assert f"note: {n_chunks} of {n_chunks} chunks of runs/small.zarr are done; the estimate is of all\n" in err
    assert "note: the estimate is for cores of this machine" in err
    assert "belongs to another sweep" in refused(capsys, *command[1:], "--dry-run", "--set", "width=9")


def test_a_pipe_gets_plain_lines(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from theory_sim import progress

    clock = iter([0.0, 1.0, 10.0, 11.0])
    monkeypatch.setattr(progress, "monotonic", lambda: next(clock))
    with progress.Progress(quiet=False) as watch:
        for done in (100, 200, 600, 700):
            watch.update("networks", done, 1100)
        watch.note("a note")
    assert capsys.readouterr().err == "networks: 600 of 1,100, 50/s, 10 s left\nnote: a note\n"


def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from theory_sim import progress

    monkeypatch.setenv("FORCE_COLOR", "1")
    with progress.Progress(quiet=False) as watch:
        for done in (0, 600, 1100):
            watch.update("networks", done, 1100)
        watch.note("a note")
    err = capsys.readouterr().err
    assert "1100/1100" in err
    assert "note: a note" in err


def test_help_is_fast_and_complete(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sweep", "--help"]) == 0
    out = capsys.readouterr().out
    for option in ("--out", "--workers", "--cluster", "--device", "--skip-invalid", "--dry-run", "--export", "--plots"):
        assert option in out
