"""`python -m benchmarks all`, `attack`, `training` and `compare`: what is checked before it is timed; no times."""

from __future__ import annotations

import copy
import importlib.util
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks import attack, results, runs, summary, training
from benchmarks.__main__ import main
from benchmarks.compare import compare_files
from benchmarks.results import Row
from deep_check.initial import initial_state
from tests.deep_check.cuda.device import DEVICES, open_device
from tests.deep_check.networks import Architecture
from tests.test_benchmarks import check_document
from theory_sim.errors import InputError

COMMITTED = Path(results.__file__).parent / "results"
SIZES = attack.QUICK
needs_torch = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="torch is not installed (extra 'bench')"
)


def arrays_of(found: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    return {name: np.asarray(value() if callable(value) else value) for name, value in found.items()}


@pytest.mark.parametrize("filtered", [False, True])
def test_our_attack_keeps_budget_and_box_and_a_wrong_one_is_noticed(filtered: bool) -> None:
    state = initial_state(Architecture(depth=SIZES.depth), 0)
    images, labels, _ = attack.test_images(5)
    problem = attack.problem_of(SIZES, state, images, labels)
    found = arrays_of(attack.prepare(problem, 2, filtered, "cpu")())
    assert attack.outcome_error(found, found) == 0
    assert attack.outcome_error(found, {}) == 0
    start = arrays_of(
        attack.prepare({**problem, "steps": np.array(1), "step_size": np.array(0.0)}, 2, filtered, "cpu")()
    )
    gained = found["losses"].mean() / start["losses"].mean()
    assert gained > 1 + 2 * attack.BOUND / (2 - attack.BOUND)  # an attack that does nothing is not within the bound
    assert attack.outcome_error(start, found) > attack.BOUND
    for wrong in (
        {"excess": np.array(1e-4)},
        {"losses": np.full_like(found["losses"], np.nan)},
        {"losses": found["losses"][:-1]},
    ):
        assert attack.outcome_error({**found, **wrong}, found) == float("inf")


def test_excess_is_of_budget_and_of_box() -> None:
    images = np.full((1, 1, 2, 2), 0.5, np.float32)
    assert attack.excess(images + np.float32(0.25), images, 0.125) == pytest.approx(0.125)
    assert attack.excess(images - 1, images, 2.0) == pytest.approx(0.5)
    assert attack.excess(images, images, 0.125) <= 0


def curve(problem: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    return arrays_of(training.prepare_cpu(dict(problem), 2)())


def training_problem() -> dict[str, NDArray[Any]]:
    images, labels, _ = training.training_images(training.QUICK.steps * training.QUICK.n)
    return training.problem_of(training.QUICK, images, labels)


def test_our_training_repeats_and_a_wrong_batch_is_noticed() -> None:
    problem = training_problem()
    found = curve(problem)
    assert len(found["losses"]) == training.QUICK.steps
    assert training.curve_error(found, found) == 0
    wrong = curve({**problem, "labels": np.roll(problem["labels"], 1)})
    assert training.curve_error(wrong, found) > 1e-3
    assert training.curve_error({"losses": found["losses"] * np.nan}, found) == float("inf")
    assert training.curve_error({"losses": found["losses"][1:]}, found) == float("inf")


@pytest.mark.parametrize("name", DEVICES)
def test_training_on_a_cuda_device_has_our_losses(name: str) -> None:
    problem = training_problem()
    problem = {
        name: values[:8] if len(values.shape) and len(values) == 72 else values for name, values in problem.items()
    }
    problem = {**problem, "images": problem["images"], "batch": np.array(4)}
    found = arrays_of(training.on_cuda(open_device(name), problem)())
    assert training.curve_error(found, curve(problem)) < 1e-4


def test_a_run_farther_from_float64_than_twice_pytorchs_fails() -> None:
    row = Row("training", "numba", "torch", 0.1, agreement=3e-4, peer_agreement=2e-4)
    assert training.judged([row])[0].passed
    (judged,) = training.judged([replace(row, agreement=5e-4)])
    assert not judged.passed
    assert "5.0e-04 from float64, 4.0e-04 is allowed" in judged.reason
    assert training.judged([replace(row, agreement=1.5e-6, peer_agreement=1e-9)])[0].passed  # what float32 rounds to


@needs_torch
def test_torch_trains_alike() -> None:
    from benchmarks.peers import torch_networks

    problem = training_problem()
    exact = arrays_of(torch_networks.prepare_run(problem, 2, "nchw", double=True)())
    assert training.curve_error(curve(problem), exact) < 1e-5
    assert training.curve_error(arrays_of(torch_networks.prepare_run(problem, 2, "channels_last")()), exact) < 1e-5


@pytest.mark.parametrize("benchmark", ["attack", "training"])
def test_benchmarks_without_peers_write_their_rows(
    benchmark: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if "torch" in name else find(name))
    out = tmp_path / "result.json"
    assert main([benchmark, "--quick", "--repeats", "1", "--device", "cpu", "--out", str(out)]) == 0
    check_document(json.loads(out.read_text()))


def document(tmp_path: Path, name: str = "a.json", **changes: Any) -> Path:
    """A result with one row, whose fields can be changed."""
    row = Row("PGD step, 96 images", "numba", "torch", 1e-5, agreement=1e-6, repeats=3).timed([1, 1.1, 1.2], [2, 2, 2])
    found = results.document("kernels", [replace(row, **changes)], {}, {"quick": False})
    path = tmp_path / name
    results.write_json(path, found)
    return path


@pytest.mark.parametrize(
    ("changes", "verdict", "code"),
    [
        ({}, "same", 0),
        ({"ratio": 0.8, "ours_s": 1.6, "ours_min_s": 1.5, "ours_max_s": 1.7}, "slower", 1),
        ({"ratio": 0.8, "ours_s": 1.6, "ours_min_s": 1.15, "ours_max_s": 1.7}, "same", 0),  # the turns spread as much
        ({"ratio": 0.3, "ours_s": 0.6, "ours_min_s": 0.5, "ours_max_s": 0.7}, "faster", 0),
        ({"reason": "results differ"}, "failed", 1),
    ],
)
def test_compare_finds_regressions(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], changes: dict[str, Any], verdict: str, code: int
) -> None:
    first, second = document(tmp_path), document(tmp_path, "b.json", **changes)
    (change,) = compare_files(first, second, 0.1).changes
    assert change.verdict == verdict
    assert main(["compare", str(first), str(second)]) == code
    assert "1 rows in both" in capsys.readouterr().out


def test_compare_names_what_else_differs(tmp_path: Path) -> None:
    first, second = document(tmp_path), document(tmp_path, "b.json")
    changed = json.loads(second.read_text())
    changed["hardware"]["cpu"] = "another"
    changed["rows"].append({**changed["rows"][0], "job": "new"})
    second.write_text(json.dumps(changed))
    found = compare_files(first, second, 0.1)
    assert any("cpu" in note and "another" in note for note in found.notes)
    assert any("only in" in note and "new" in note for note in found.notes)


def test_compare_refuses_what_is_no_result(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, bad, other = document(tmp_path), tmp_path / "bad.json", tmp_path / "other.json"
    bad.write_text("{}")
    (tmp_path / "text.json").write_text("no")
    content = json.loads(good.read_text())
    content["rows"][0]["job"] = "another"
    other.write_text(json.dumps(content))
    for second, words in (
        (bad, "is not a result"),
        (tmp_path / "text.json", "is not JSON"),
        (tmp_path / "absent.json", "No such file"),
        (other, "no row in common"),
    ):
        assert main(["compare", str(good), str(second)]) == 2
        error = capsys.readouterr().err
        assert words in error
        assert error.count("\n") == 1
    with pytest.raises(InputError, match="no row in common"):
        compare_files(good, other, 0.1)


@pytest.fixture
def one_run(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """`all` has two benchmarks, which say when they are measured; the second breaks if it is told to."""
    told: list[str] = []

    def fake(name: str) -> Any:
        def run(options: runs.Options) -> dict[str, Any]:
            told.append(name)
            if name == "second" and told.count("second") == 1:
                raise KeyboardInterrupt
            row = Row(f"{name}, 10 images", "numba", "torch", 1e-5, agreement=1e-6, ours_memory=1 << 20)
            rows = [row.timed([1.0, 2.0, 3.0], [2.0, 3.0, 4.0])]
            rows.append(replace(rows[0], job=f"{name}, 20 images"))
            return results.document(name, rows, {}, {"quick": options.quick})

        return run

    monkeypatch.setattr("benchmarks.everything.RUNS", {name: (fake(name), ("torch",)) for name in ("first", "second")})
    monkeypatch.setattr("benchmarks.everything.PEERS", ("torch",))
    return told


def test_all_goes_on_where_it_was_interrupted(
    tmp_path: Path, one_run: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "all.json"
    assert main(["all", "--out", str(out), "--peers", "torch"]) == 130
    assert [row["benchmark"] for row in json.loads(out.read_text())["rows"]] == ["first", "first"]
    assert main(["all", "--out", str(out), "--peers", "torch"]) == 0
    assert one_run == ["first", "second", "second"]
    found = json.loads(out.read_text())
    check_document(found)
    assert found["parts"].keys() == {"first", "second"}
    assert (tmp_path / "all" / "summary.png").stat().st_size > 10_000
    assert main(["all", "--out", str(out), "--peers", "torch", "--quick"]) == 2
    assert "quick: False there, True now" in capsys.readouterr().err
    assert main(["all", "--out", str(document(tmp_path, "other.json")), "--peers", "torch"]) == 2
    assert "another benchmark" in capsys.readouterr().err
    assert main(["all", "--out", str(tmp_path / "new.json"), "--peers", "pytorch"]) == 2
    assert "allowed are torch" in capsys.readouterr().err


def test_the_fastest_peer_of_a_job_is_shown() -> None:
    row = Row("job", "numba", "torch", 1e-5, agreement=0.0).timed([1.0], [4.0]).as_dict() | {"benchmark": "kernels"}
    faster = copy.deepcopy(row) | {"peer": "compiled", "peer_s": 3.0, "ratio": 1 / 3}
    alone = copy.deepcopy(row) | {"job": "alone", "peer": "", "peer_s": None, "ratio": None}
    (found,) = summary.fastest_peers([row, faster, alone])
    assert found["peer"] == "compiled"
