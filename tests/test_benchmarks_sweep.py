"""The sweep benchmark: sides of several settings and processes, its jobs, limits and curves; no times."""

from __future__ import annotations

import importlib.util
import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks import limits, results, scaling, sweep
from benchmarks.__main__ import main
from benchmarks.timing import Side, agreement, common_settings, compare
from tests.helpers import assert_close, assert_differs

TORCH, JAX = (importlib.util.find_spec(name) is not None for name in ("torch", "jax"))
JOBS = {job.name: job for job in sweep.TRAJECTORIES}

# Sides for the protocol, as a module that their processes import.
SIDES = '''
import time
import numpy as np
from benchmarks.peers import numpy_sweep

def echoes(problem, threads):
    """Both arrays of the settings, and the number of threads that the process was given."""
    rates, labels = problem["learning_rates"], problem["labels"]
    return lambda: {"rates": rates, "labels": labels, "threads": np.full(len(rates), float(threads))}

def sleeps(problem, threads):
    def run():
        time.sleep(0.05 * len(problem["labels"]))
        return {"labels": problem["labels"]}
    return run

def swaps_settings(problem, threads):
    run = numpy_sweep.prepare(problem, threads)
    return lambda: {key: array[::-1] for key, array in run().items()}

def swaps_bands(problem, threads):
    run = numpy_sweep.prepare(problem, threads)
    def swapped():
        arrays = run()
        return {**arrays, "low_energy": arrays["high_energy"], "high_energy": arrays["low_energy"]}
    return swapped

def climbs(problem, threads):
    return numpy_sweep.prepare({**problem, "learning_rates": -problem["learning_rates"]}, threads)

def breaks(problem, threads):
    if problem["labels"][0] != 0:
        raise RuntimeError("out of luck")
    return lambda: {"labels": problem["labels"]}
'''


@pytest.fixture
def sides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Name of the module with SIDES, found by the sides' processes."""
    (tmp_path / "bench_sides.py").write_text(SIDES)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return "bench_sides"


@pytest.fixture
def no_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without PyTorch and JAX."""
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in ("torch", "jax") else find(name))


def settings(n: int) -> dict[str, NDArray]:
    return {"learning_rates": np.arange(n) + 0.5, "labels": np.arange(float(n))}


def arrays_of(job: sweep.Trajectories) -> dict[str, NDArray]:
    """What our side of a trajectory job computes of two settings."""
    problem = {key: np.asarray(value) for key, value in sweep.trajectory_problem(sweep.QUICK, job).items()}
    return sweep.prepare_trajectories(problem, 2, job.low_rank)()


@pytest.mark.usefixtures("no_extra")
def test_quick_run_writes_table_limits_curves_and_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = ("ReLU, band scalars", "softplus, all spectra")
    monkeypatch.setattr(sweep, "TRAJECTORIES", tuple(JOBS[name] for name in chosen))
    monkeypatch.setattr(sweep, "QUICK", sweep.Sizes(33, 16, 50, 6, samples=(4,)))
    out = tmp_path / "result.json"
    assert main(["sweep", "--quick", "--repeats", "1", "--out", str(out), "--plots", str(tmp_path)]) == 0
    document = json.loads(out.read_text())
    assert document["benchmark"] == "sweep"
    assert document["skipped"].keys() == {"torch", "jax"}
    assert [row["job"].split(" d=")[0] for row in document["rows"]] == [
        *chosen,
        "data set softplus n=4",
        "drawing W and W x",
    ]
    for row in document["rows"]:
        assert row["passed"]
        assert row["ratio"] == pytest.approx(row["ours_s"] / row["peer_s"])
        assert row["peer"] == "numpy"
        assert row["ours_settings"] >= row["peer_settings"] >= 1
    assert all(value > 0 for value in document["limits"].values())
    assert {(curve["job"], curve["axis"]) for curve in document["scaling"]} == {
        (job, axis) for job in scaling.JOBS for axis in scaling.AXES
    }
    assert (tmp_path / "scaling.png").read_bytes().startswith(b"\x89PNG")
    printed = capsys.readouterr().out
    assert "skipped: jax is not installed" in printed
    assert "GFLOP/s" in printed
    assert "speed-up" in printed


@pytest.mark.parametrize(
    "peer",
    [
        pytest.param("torch", marks=pytest.mark.skipif(not TORCH, reason="torch is not installed (extra 'bench')")),
        pytest.param("jax", marks=pytest.mark.skipif(not JAX, reason="jax is not installed (extra 'bench')")),
    ],
)
def test_peers_of_the_extra_agree(peer: str) -> None:
    for row in sweep.measure(sweep.QUICK, [peer], 1, lambda job: None):
        assert row.passed, f"{row.job} {row.peer}: {row.reason}"


def test_processes_share_settings_in_order_and_cores(sides: str) -> None:
    """A side of several processes gives what one process gives; each has its share of the cores."""
    one = Side("one", f"{sides}:echoes", settings=5)
    several = [Side(f"{n} processes", f"{sides}:echoes", settings=5, processes=n) for n in (2, 3)]
    fewer = Side("fewer", f"{sides}:echoes", settings=2, processes=2)

    def values(arrays: dict[str, NDArray]) -> dict[str, NDArray]:
        assert (arrays.pop("threads") >= 1).all()
        return arrays

    rows = compare("job", settings(7), [one], [*several, fewer], repeats=1, bound=0.0, compared=values)
    assert [row.passed for row in rows] == [True, True, True]
    assert [row.peer_settings for row in rows] == [5, 5, 2]

    (row,) = compare("job", settings(7), [one], several[:1], repeats=1, bound=0.0)
    assert row.passed == (results.n_cores() == 1), "two processes have fewer threads than one"


def test_times_are_per_setting_and_of_the_slowest_process(sides: str) -> None:
    one = Side("one", f"{sides}:sleeps", settings=4)
    two = Side("two", f"{sides}:sleeps", settings=3, processes=2)  # 2 settings and 1
    (row,) = compare("job", settings(4), [one], [two], repeats=1, bound=0.0)
    assert row.ours_s is not None
    assert row.peer_s is not None
    assert 0.05 <= row.ours_s < 0.15
    assert 0.1 / 3 <= row.peer_s < 0.15


def test_one_failing_process_fails_its_side(sides: str) -> None:
    one = Side("one", f"{sides}:echoes", settings=2)
    breaks = Side("breaks", f"{sides}:breaks", settings=2, processes=2)
    (row,) = compare("job", settings(2), [one], [breaks], repeats=1, bound=0.0)
    assert not row.passed
    assert "out of luck" in row.reason


def test_wrong_peers_are_refuted(sides: str) -> None:
    problem = sweep.trajectory_problem(sweep.QUICK, JOBS["ReLU, band scalars"])
    ours = Side("given", "benchmarks.sweep:prepare_trajectories", settings=6)
    names = ("swaps_settings", "swaps_bands", "climbs")
    peers = [Side(name, f"{sides}:{name}", settings=2) for name in names]
    for row in compare("job", problem, [ours], peers, repeats=1, bound=sweep.BOUND):
        assert not row.passed
        assert row.agreement is not None
        assert row.agreement > 1e6 * sweep.BOUND


def test_common_settings_are_the_first_ones() -> None:
    ours, peer = common_settings({"f": np.arange(5)}, {"f": np.arange(2) * 10})
    np.testing.assert_array_equal(ours["f"], [0, 1])
    np.testing.assert_array_equal(peer["f"], [0, 10])
    assert agreement(*common_settings({}, {})) == 0


@pytest.mark.parametrize("name", JOBS)
def test_jobs_move_what_they_compare(name: str) -> None:
    """Power: agreement within the bound means something only if training changes what is compared."""
    for key, array in arrays_of(JOBS[name]).items():
        assert np.isfinite(array).all()
        assert np.abs(array[:, -1] - array[:, 0]).max() > 1e6 * sweep.BOUND * np.abs(array).max(), key


def test_low_rank_form_and_matrix_product_agree() -> None:
    job = JOBS["softplus, all spectra"]
    low_rank, product = arrays_of(job), arrays_of(replace(job, low_rank=False))
    for key, array in product.items():
        assert_close(key, low_rank[key], array, "long_run")
    assert_differs("settings differ", product["output"][0], product["output"][1], "long_run")


def test_drawing_is_judged_by_its_moments() -> None:
    sizes = sweep.Sizes()
    rng = np.random.default_rng(0)
    shape, products = (sizes.width, sizes.dim), rng.standard_normal((40, sizes.width))
    normal = sweep.moments({"weights": rng.standard_normal(shape), "starts": products})
    uniform = sweep.moments({"weights": rng.uniform(-(3**0.5), 3**0.5, shape), "starts": products})
    problem = {key: np.asarray(value) for key, value in sweep.drawing_problem(sizes).items()}
    drawn = sweep.moments(sweep.prepare_drawing(problem, 2)())
    assert agreement(drawn, normal) < sweep.moments_bound(sizes)
    assert agreement(uniform, normal) > 10 * sweep.moments_bound(sizes)


def test_limits_are_rates() -> None:
    measured = limits.measure_limits(quick=True)
    assert min(measured.products, measured.bytes, measured.softplus, measured.normals) > 0
    assert "GB/s" in str(measured)


def test_a_rate_counts_all_cores_and_the_slowest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "n_cores", lambda: 3)
    rate = limits._rate(lambda: lambda: time.sleep(0.05), amount=1.0, repeats=2)
    assert 3 / 0.15 < rate <= 3 / 0.05


def test_slope_is_that_of_the_largest_sizes() -> None:
    sizes = (1, 10, 100, 1000, 10000)
    curve = scaling.Curve("job", "dim", sizes, (1.0, 1.0, *(size**1.5 for size in sizes[2:])))
    assert curve.slope == pytest.approx(1.5)
    assert curve.as_dict()["slope"] == curve.slope


def test_folder_of_pictures_must_be_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sweep", "--quick", "--plots", str(tmp_path / "missing")]) == 2
    assert "is not a folder" in capsys.readouterr().err
