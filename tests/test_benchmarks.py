"""The benchmarks' machinery: format, agreement before timing, skipped peers, bad input; no times."""

from __future__ import annotations

import ast
import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import results, theory
from benchmarks.__main__ import main
from benchmarks.timing import ROOT, Side, agreement, compare

ROW_KEYS = {"job", "device", "ours", "peer", "ours_s", "peer_s", "ratio", "agreement", "passed"}
SPREAD_KEYS = {"ours_min_s", "ours_max_s", "peer_min_s", "peer_max_s"}
TORCH, JAX = (importlib.util.find_spec(name) is not None for name in ("torch", "jax"))

# Peers that a benchmark must not be fooled by, as a module that the side's process imports.
BAD_PEERS = '''
from benchmarks.peers import numpy_trajectory

def climbs(problem, threads):
    """Gradient ascent: the wrong sign in front of the learning rate."""
    return numpy_trajectory.prepare({**problem, "learning_rate": -problem["learning_rate"]}, threads)

def swaps_bands(problem, threads):
    run = numpy_trajectory.prepare(problem, threads)
    def swapped():
        arrays = run()
        return {**arrays, "low_frequency_ratio": 1 - arrays["low_frequency_ratio"]}
    return swapped

def breaks(problem, threads):
    raise RuntimeError("out of luck")

def dies(problem, threads):
    import os
    return lambda: os._exit(3)
'''


def check_document(document: dict) -> None:
    """The format that every benchmark shares."""
    assert {"benchmark", "date", "commit", "hardware", "versions", "protocol", "skipped", "rows"} <= document.keys()
    assert {"cpu", "cores", "memory_gib"} <= document["hardware"].keys()
    assert {"python", "numpy", "numba"} <= document["versions"].keys()
    assert document["rows"]
    for row in document["rows"]:
        assert row.keys() >= ROW_KEYS | SPREAD_KEYS
        if row["passed"]:
            assert 0 <= row["agreement"] <= row["bound"]
            if row["peer"]:
                assert row["ratio"] == pytest.approx(row["ours_s"] / row["peer_s"])
            else:
                assert row["peer_s"] is row["ratio"] is None
            for side in ("ours", "peer") if row["peer"] else ("ours",):
                assert 0 < row[f"{side}_min_s"] <= row[f"{side}_s"] <= row[f"{side}_max_s"]
        else:
            assert row["reason"]
            assert row["ours_s"] is row["peer_s"] is row["ratio"] is None


@pytest.fixture
def bad_peers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Name of the module with BAD_PEERS, found by the sides' processes."""
    (tmp_path / "bad_peers.py").write_text(BAD_PEERS)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return "bad_peers"


@pytest.fixture
def no_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without PyTorch and JAX."""
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in ("torch", "jax") else find(name))


@pytest.mark.usefixtures("no_extra")
def test_quick_run_writes_the_format_and_names_absent_peers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "result.json"
    assert main(["theory", "--quick", "--repeats", "2", "--out", str(out)]) == 0
    document = json.loads(out.read_text())
    check_document(document)
    assert document["skipped"].keys() == {"torch", "jax"}
    engines = {row["ours"] for row in document["rows"]}
    assert engines == {"reference", "collapsed", "numba", "events"}
    assert all(row["passed"] and row["peer"] == "numpy" and row["repeats"] == 2 for row in document["rows"])
    assert any(row["job"].startswith("data set") for row in document["rows"])
    printed = capsys.readouterr().out
    assert "skipped: torch is not installed" in printed
    assert "skipped: jax is not installed" in printed
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.parametrize(
    "peer",
    [
        pytest.param("torch", marks=pytest.mark.skipif(not TORCH, reason="torch is not installed (extra 'bench')")),
        pytest.param("jax", marks=pytest.mark.skipif(not JAX, reason="jax is not installed (extra 'bench')")),
    ],
)
def test_peers_of_the_extra_agree(peer: str) -> None:
    for activation in ("relu", "softplus"):
        ours = Side("reference", "benchmarks.theory:prepare_trajectory", {"engine": "reference"})
        problem = theory.trajectory_problem(theory.QUICK, activation)
        (row,) = compare("job", problem, [ours], [theory.TRAJECTORY_PEERS[peer]], repeats=1, bound=theory.BOUND)
        assert row.passed, row.reason


def test_bad_peers_fail_their_rows_and_only_theirs(bad_peers: str) -> None:
    names = ("climbs", "swaps_bands", "breaks", "dies")
    peers = [theory.TRAJECTORY_PEERS["numpy"], *(Side(name, f"{bad_peers}:{name}") for name in names)]
    ours = [Side("numba", "benchmarks.theory:prepare_trajectory", {"engine": "numba"})]
    problem = theory.trajectory_problem(theory.QUICK, "softplus")
    rows = {row.peer: row for row in compare("job", problem, ours, peers, repeats=1, bound=theory.BOUND)}
    assert rows["numpy"].passed
    assert rows["numpy"].ours_s is not None
    for name in names:
        assert not rows[name].passed
        assert rows[name].ours_s is rows[name].ratio is None
    for name in ("climbs", "swaps_bands"):  # seen with room to spare
        agreed = rows[name].agreement
        assert agreed is not None
        assert agreed > 1e6 * theory.BOUND
    assert "out of luck" in rows["breaks"].reason
    assert "code 3" in rows["dies"].reason


def test_failed_row_is_shown_written_and_exit_code_1(
    bad_peers: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(theory, "ENGINES", {"relu": ("events",)})
    monkeypatch.setattr(theory, "TRAJECTORY_PEERS", {"numpy": Side("numpy", f"{bad_peers}:climbs")})
    monkeypatch.setattr(theory, "DATASET_PEERS", {})
    out = tmp_path / "result.json"
    assert main(["theory", "--quick", "--repeats", "1", "--peers", "numpy", "--out", str(out)]) == 1
    document = json.loads(out.read_text())
    check_document(document)
    assert [row["passed"] for row in document["rows"]] == [False]
    assert "FAILED" in capsys.readouterr().out


def test_agreement_is_the_worst_array_and_infinite_where_nothing_can_be_compared() -> None:
    peer = {"a": np.array([4.0, -8.0]), "b": np.array([1.0 + 1j])}
    assert agreement(peer, peer) == 0
    assert agreement({**peer, "a": np.array([4.0, -7.0])}, peer) == 1 / 8
    assert agreement({**peer, "b": np.array([1.0 - 1j])}, peer) == pytest.approx(2**0.5)
    for ours in (
        {"a": peer["a"]},
        {**peer, "a": peer["a"][:1]},
        {**peer, "a": np.array([4.0, np.nan])},
        {**peer, "b": np.array([np.inf])},
    ):
        assert agreement(ours, peer) == np.inf
        assert agreement(peer, ours) == np.inf


@pytest.mark.parametrize("activation", ["relu", "softplus"])
def test_jobs_move_the_spectrum(activation: str) -> None:
    """Power: agreement within the bound means something only if training changes what is compared."""
    run = theory.prepare_trajectory(theory.trajectory_problem(theory.QUICK, activation), 1, "reference")()
    spectrum, tau = run["gradient_spectrum"], run["low_frequency_ratio"]
    assert np.isfinite(spectrum).all()
    assert np.abs(spectrum[-1] - spectrum[0]).max() > 1e6 * theory.BOUND * np.abs(spectrum).max()
    assert np.ptp(tau) > 1e6 * theory.BOUND


def test_data_set_job_moves_the_spectrum() -> None:
    spectrum = theory.prepare_dataset(theory.dataset_problem(theory.QUICK), 1, "reference")()["gradient_spectrum"]
    assert np.abs(spectrum[-1] - spectrum[0]).max() > 1e6 * theory.BOUND * np.abs(spectrum).max()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--peers", "numpy,tensorflow"], "tensorflow: allowed are numpy, torch, jax"),
        (["--peers", ""], "allowed are numpy, torch, jax"),
        (["--repeats", "0"], "--repeats 0: allowed is >= 1"),
        (["--repeats", "many"], "--repeats"),
        (["--out", "missing/result.json"], "cannot be written"),
        (["--out", "."], "is a folder"),
        (["--wrong"], "--wrong"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    arguments: list[str],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["theory", "--quick", *arguments]) == 2
    printed = capsys.readouterr()
    assert not printed.out
    assert printed.err.startswith("error: ")
    assert printed.err.count("\n") == 1
    assert words in printed.err
    assert not list(tmp_path.iterdir())


def test_result_file_is_whole_or_untouched(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    path.write_text("before")
    with pytest.raises(ValueError, match="JSON"):
        results.write_json(path, {"seconds": float("nan")})
    assert path.read_text() == "before"
    results.write_json(path, {"seconds": 1.0})
    assert json.loads(path.read_text()) == {"seconds": 1.0}
    assert list(tmp_path.iterdir()) == [path]


def test_peers_know_nothing_of_our_code() -> None:
    for path in (ROOT / "benchmarks" / "peers").glob("*.py"):
        nodes = list(ast.walk(ast.parse(path.read_text())))
        names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
        names += [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
        assert not [name for name in names if name.startswith("theory_sim")], path.name


@pytest.mark.parametrize("path", sorted((ROOT / "benchmarks" / "results").glob("*.json")), ids=lambda path: path.name)
def test_committed_results_have_the_format(path: Path) -> None:
    document = json.loads(path.read_text())
    check_document(document)
    assert all(row["passed"] for row in document["rows"])
    assert len(document["commit"]) == 40  # of a clean checkout
