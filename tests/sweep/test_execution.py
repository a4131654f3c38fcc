"""Real processes that are killed, interrupted, set upon each other; the same bits whoever computes in which order."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from numpy.typing import NDArray

from tests.sweep.fakes import GRID, INVALID, SMOOTH, Recorder, bits, compute, sweep
from theory_sim.errors import InputError
from theory_sim.progress import Watch
from theory_sim.sweep.definition import Recording, parse_sweep
from theory_sim.sweep.engine import recording_steps
from theory_sim.sweep.estimate import estimate
from theory_sim.sweep.execution import Task, local, run
from theory_sim.sweep.plan import Contents, coordinates_of, layout_of, survey
from theory_sim.sweep.store import UNDONE, SweepStore, open_sweep
from theory_sim.sweep.validity import REASONS, reasons

ROOT = Path(__file__).parents[2]
CHUNK, CHUNKS = 4, 16  # points of a chunk, chunks of GRID


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("theory_sim.sweep.plan.MOST_POINTS", CHUNK)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The bits of GRID, computed without interruption by one thread."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("theory_sim.sweep.plan.MOST_POINTS", CHUNK)
        path = tmp_path_factory.mktemp("whole") / "sweep.zarr"
        sweep(path, workers=1)
    return bits(path)


@contextmanager
def process(path: Path, seconds: float) -> Iterator[subprocess.Popen[str]]:
    """A process that sweeps GRID into `path`, `seconds` a point, once it has begun to compute."""
    command = [sys.executable, "-W", "error", "-m", "tests.sweep.fakes", str(path), str(seconds), str(CHUNK)]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1
    ) as running:
        try:
            yield running
        finally:
            running.kill()


def wait_for_networks(running: subprocess.Popen[str], least: int = 0) -> None:
    """Until `least` networks are done and chunks are in flight, which they are from the second report on."""
    assert running.stdout is not None
    reports = 0
    for line in running.stdout:
        what, done, _ = line.split()
        reports += what == "networks"
        if reports >= 2 and int(done) >= least:
            return
    raise AssertionError(running.communicate())


def n_done(path: Path) -> int:
    return int((SweepStore(path).marks() != UNDONE).sum())


def test_kill_9_at_random_moments_ends_in_the_same_bits(tmp_path: Path, whole: dict[str, bytes]) -> None:
    path, rng = tmp_path / "sweep.zarr", np.random.default_rng(0)
    done = []
    for _ in range(4):
        with process(path, 0.02) as running:
            wait_for_networks(running, n_done(path) * CHUNK + 1 if path.exists() else 1)
            time.sleep(rng.uniform(0, 0.15))
            running.send_signal(signal.SIGKILL)
            assert running.wait() == -signal.SIGKILL
        done.append(n_done(path))
    assert 0 < done[0] < done[-1]  # what was done stays done
    assert done[0] < CHUNKS
    sweep(path)
    assert bits(path) == whole


def test_ctrl_c_finishes_what_is_in_flight_and_the_same_command_goes_on(
    tmp_path: Path, whole: dict[str, bytes]
) -> None:
    path = tmp_path / "sweep.zarr"
    with process(path, 0.1) as running:
        wait_for_networks(running, 1)
        running.send_signal(signal.SIGINT)
        _, err = running.communicate(timeout=20)
    assert running.returncode == 130, err
    assert " in flight; Ctrl-C again stops at once" in err
    assert "Traceback" not in err
    assert 1 < (done := n_done(path)) < CHUNKS
    watch = Recorder()
    sweep(path, watch=watch)
    assert watch.notes == [f"{path} goes on: {done} of {CHUNKS} chunks are done"]
    assert bits(path) == whole


def test_a_second_ctrl_c_stops_at_once(tmp_path: Path, whole: dict[str, bytes]) -> None:
    path = tmp_path / "sweep.zarr"
    with process(path, 10) as running:
        wait_for_networks(running)
        for _ in range(2):
            running.send_signal(signal.SIGINT)
            time.sleep(0.5)
        begin = time.monotonic()
        _, err = running.communicate(timeout=20)
        assert time.monotonic() - begin < 5  # a chunk takes 20
    assert running.returncode == 130, err
    assert "Traceback" not in err
    assert n_done(path) == 0
    sweep(path)
    assert bits(path) == whole


def test_two_processes_on_one_store_are_refused_at_once(tmp_path: Path, whole: dict[str, bytes]) -> None:
    path = tmp_path / "sweep.zarr"
    with process(path, 0.3) as first:
        wait_for_networks(first)
        line = f"{path}: another process is writing this sweep; wait for it or use another --out"
        with pytest.raises(InputError, match=line):
            sweep(path)
        with process(path, 0.3) as second:
            _, err = second.communicate(timeout=20)
        assert (second.returncode, err) == (2, f"error: {line}\n")
        assert first.poll() is None
    sweep(path)  # the lock went with the process
    assert bits(path) == whole


class Backwards:
    """Keeps every chunk until all are submitted, then returns them last first."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.kept: list[tuple[Future[dict[str, NDArray]], Task, Mapping[str, NDArray]]] = []

    def submit(self, task: Task, columns: Mapping[str, NDArray]) -> Future[dict[str, NDArray]]:
        future: Future[dict[str, NDArray]] = Future()
        self.kept.append((future, task, columns))
        if len(self.kept) == self.count:
            for kept, work, values in reversed(self.kept):
                kept.set_result(work(values))
        return future

    def in_flight(self) -> int:
        return self.count


def test_neither_workers_nor_order_decide_a_bit(tmp_path: Path, whole: dict[str, bytes]) -> None:
    sweep(tmp_path / "four.zarr", workers=4)
    assert bits(tmp_path / "four.zarr") == whole

    @contextmanager
    def backwards() -> Iterator[Backwards]:
        yield Backwards(CHUNKS)

    run(parse_sweep(GRID), tmp_path / "back.zarr", Watch(), start=backwards(), compute=compute)
    assert bits(tmp_path / "back.zarr") == whole


def test_the_engines_bits_depend_on_neither_workers_nor_interruption(tmp_path: Path) -> None:
    definition = parse_sweep(SMOOTH)
    one, four, resumed = (tmp_path / f"{name}.zarr" for name in ("one", "four", "resumed"))
    run(definition, one, Watch(), start=local(1))
    run(definition, four, Watch(), start=local(4))

    class Interrupt(Recorder):
        def update(self, what: str, done: int, total: int) -> None:
            super().update(what, done, total)
            if what == "networks" and done > 0 and not self.notes:
                os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run(definition, resumed, Interrupt(), start=local(1))
    assert 0 < n_done(resumed) < SweepStore(one).layout.n_chunks
    run(definition, resumed, Watch(), start=local(2))
    assert bits(one) == bits(four) == bits(resumed)
    tau = open_sweep(one)["tau_final"]
    assert len(np.unique(tau)) == tau.size == 20


def test_chunks_in_flight_are_bounded(tmp_path: Path) -> None:
    class Counting(Backwards):
        most = 0

        def submit(self, task: Task, columns: Mapping[str, NDArray]) -> Future[dict[str, NDArray]]:
            future = super().submit(task, columns)
            Counting.most = max(Counting.most, len(self.kept))
            if future.done():
                self.kept.clear()
            return future

    @contextmanager
    def counting() -> Iterator[Counting]:
        yield Counting(4)  # divides CHUNKS

    run(parse_sweep(GRID), tmp_path / "sweep.zarr", Watch(), start=counting(), compute=compute)
    assert Counting.most == 4


def test_the_store_can_be_read_while_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "sweep.zarr"
    seen = []

    class Reader(Watch):
        def update(self, what: str, done: int, total: int) -> None:
            if what == "networks" and done % 12 == 0:
                seen.append((done, int(xr.open_zarr(path)["reason"].notnull().sum())))

    sweep(path, workers=1, watch=Reader())
    assert seen[0] == (0, 0)
    assert seen[-1] == (48, 48)
    assert all(found == done for done, found in seen)


def test_a_mistake_in_the_engine_is_raised_and_leaves_a_whole_store(tmp_path: Path, whole: dict[str, bytes]) -> None:
    path = tmp_path / "sweep.zarr"

    def broken(columns: dict[str, NDArray], *arguments: Any, **keywords: Any) -> dict[str, NDArray]:
        if (columns["seed"] == 6).any():
            raise ZeroDivisionError("here")
        return compute(columns, *arguments, **keywords)

    with pytest.raises(ZeroDivisionError, match="here"):
        run(parse_sweep(GRID), path, Watch(), start=local(2), compute=broken)
    assert n_done(path) < CHUNKS
    sweep(path)
    assert bits(path) == whole


def test_impossible_points_are_named_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"9 of 27 points cannot be run: cutoff = 6 with dim = 9.*--skip-invalid"):
        run(parse_sweep(INVALID), tmp_path / "sweep.zarr", Watch(), compute=compute)
    assert list(tmp_path.iterdir()) == []


def test_skipped_points_are_nan_with_a_reason_and_never_computed(tmp_path: Path) -> None:
    definition = parse_sweep(INVALID)
    computed = []

    def careful(columns: dict[str, NDArray], *arguments: Any, **keywords: Any) -> dict[str, NDArray]:
        assert not reasons(columns).any()
        computed.append(len(columns["seed"]))
        return compute(columns, *arguments, **keywords)

    run(definition, tmp_path / "sweep.zarr", Watch(), skip_invalid=True, compute=careful)
    dataset = open_sweep(tmp_path / "sweep.zarr")
    found = survey(definition)
    assert sum(computed) == 27 - found.n_invalid == 18
    expected = reasons(definition.columns(0, 27)).reshape(definition.shape)
    np.testing.assert_array_equal(dataset["reason"].values, expected)
    assert {REASONS[int(code)] for code in np.unique(expected[expected > 0])} == set(found.by_reason)
    skipped = dataset.where(dataset["reason"] > 0, drop=False)
    for name in dataset.data_vars:
        if name != "reason":
            assert bool(skipped[name].isnull().all()), name
    assert bool((dataset["n_crossings"].notnull() == (dataset["reason"] == 0)).all())


def test_any_nan_is_stored_as_the_same_nan(tmp_path: Path) -> None:
    columns = parse_sweep(GRID).columns(0, 48)
    values = compute(columns, Recording(5), 0)["tau_final"]
    usual = np.float64(np.nan).tobytes()
    assert any(value.tobytes() != usual for value in values[np.isnan(values)])
    sweep(tmp_path / "sweep.zarr")
    store = SweepStore(tmp_path / "sweep.zarr")
    stored = np.concatenate([store.read(chunk, ["tau_final"])["tau_final"] for chunk in range(CHUNKS)])
    assert {value.tobytes() for value in stored[np.isnan(stored)]} == {usual}


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_records_are_named_by_the_share_at_which_the_engine_makes_them(steps: int) -> None:
    definition = parse_sweep({"grid": {"n_steps": [20, 30]}, "record": {"steps": steps}})
    shares = coordinates_of(definition, Contents.of(definition))["record"].values
    made = recording_steps(definition.recording, np.array([20, 30]))
    np.testing.assert_array_equal(made, np.rint(np.outer([20, 30], shares)))
    assert made[:, -1].tolist() == [20, 30]


def test_a_chunk_is_small_in_time_and_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("theory_sim.sweep.plan.MOST_POINTS", 4096)

    def points(**changes: Any) -> int:
        document = {"run": {}, "grid": {"seed": {"replicates": 2**16}}, "record": {}}
        document |= {section: document[section] | values for section, values in changes.items()}
        definition = parse_sweep(document)
        return int(np.prod(layout_of(definition, Contents.of(definition)).chunk))

    assert points() == 4096
    assert points(run={"activation": "softplus", "n_steps": 3000, "width": 512}) == 64  # as few files as may be
    heavy = {"steps": 100, "spectra": "complex"}
    assert points(record=heavy) * 100 * 129 * 16 < 2**26
    small = parse_sweep({"run": {"activation": "softplus", "n_steps": 3000}, "grid": {"seed": {"replicates": 512}}})
    assert 16 <= layout_of(small, Contents.of(small)).chunk[0] <= 256
    assert layout_of(small, Contents.of(small), "cuda").chunk == (512,)


def test_the_estimate_is_about_right_and_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("theory_sim.sweep.estimate.CALIBRATION_SECONDS", 0.2)
    definition = parse_sweep(INVALID)
    found = estimate(definition, workers=2, compute=partial(compute, seconds=0.01))
    assert list(tmp_path.iterdir()) == []
    assert (found.points, found.invalid) == (27, dict(survey(definition).by_reason))
    assert 0.18 / 2 / 3 < found.seconds < 3 * 0.18 / 2
    run(definition, tmp_path / "sweep.zarr", Watch(), skip_invalid=True, compute=compute)
    store = SweepStore(tmp_path / "sweep.zarr")
    assert (found.chunks, found.dimensions) == (store.layout.n_chunks, {"seed": 3, "dim": 3, "cutoff": 3})
    assert found.bytes == sum(values.nbytes for chunk in range(found.chunks) for values in store.read(chunk).values())
    files = [file for file in (tmp_path / "sweep.zarr").rglob("*") if file.is_file() and not file.name.startswith(".")]
    on_disk = sum(-(-file.stat().st_size // 4096) * 4096 for file in files)
    assert on_disk / 2 < found.disk < 2 * on_disk


def test_the_estimate_of_memory_is_every_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("theory_sim.sweep.estimate.CALIBRATION_SECONDS", 0.2)
    scratch = 2**26

    def hungry(columns: dict[str, NDArray], *arguments: Any, **keywords: Any) -> dict[str, NDArray]:
        used = np.ones(scratch // 8)
        time.sleep(0.02)
        return compute(columns, *arguments, **keywords) if used[-1] else {}

    two, four, more = (estimate(parse_sweep(GRID), workers=n, compute=hungry).memory for n in (2, 4, 4))
    assert two > 2 * scratch
    assert abs(more - four) < scratch
    assert 1.5 * scratch < four - two < 4 * scratch
    small = estimate(parse_sweep(GRID), workers=4, compute=compute).memory
    assert 3 * scratch < four - small < 6 * scratch


def test_calibration_runs_only_what_can_be_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("theory_sim.sweep.estimate.CALIBRATION_SECONDS", 0.2)
    mostly = INVALID | {"grid": {"dim": [9, 33], "cutoff": [*np.arange(20.0, 400.0), 2.0]}}
    definition = parse_sweep(mostly)
    found = estimate(definition, workers=1, compute=partial(compute, seconds=0.01))
    n_valid = definition.n_points - sum(found.invalid.values())
    assert (definition.n_points, n_valid) == (762, 2)
    assert 0.01 < found.seconds < 0.08  # of both, and of nothing else
    nothing = parse_sweep(INVALID | {"grid": {"dim": [9, 33], "cutoff": [100.0, 200.0]}})
    assert estimate(nothing, compute=compute).seconds == 0


def test_a_milliard_of_points_are_counted_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("theory_sim.sweep.plan.MOST_POINTS", 4096)
    monkeypatch.setattr("theory_sim.sweep.estimate.CALIBRATION_SECONDS", 0.2)
    grid = {"seed": {"replicates": 10**6}, "relative_rate": {"logspace": [1e-4, 1, 500]}, "cutoff": [2.0, 600.0]}
    begin = time.monotonic()
    found = estimate(parse_sweep({"grid": grid, "run": {"dim": 33, "width": 8}}), compute=compute)
    assert (found.points, sum(found.invalid.values())) == (10**9, 10**9 // 2)
    assert time.monotonic() - begin < 5
