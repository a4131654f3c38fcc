"""Chunks on a real Dask scheduler with worker processes: the same bits as here, also when a worker is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from numpy.typing import NDArray
from threadpoolctl import threadpool_info, threadpool_limits

from tests.sweep.fakes import GRID, SMOOTH, Recorder, bits, compute, sweep
from theory_sim.errors import InputError
from theory_sim.sweep import cluster
from theory_sim.sweep.cluster import connect
from theory_sim.sweep.cluster_address import check_address
from theory_sim.sweep.definition import parse_sweep
from theory_sim.sweep.execution import local, run
from theory_sim.sweep.store import UNDONE, SweepStore

ROOT = Path(__file__).parents[2]
SECONDS = 0.05  # of a point, so that a worker is in the midst of a chunk when it is killed

pytest.importorskip("distributed", reason="the extra `cluster` is not installed")


def start(module: str, *arguments: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", f"distributed.cli.{module}", *arguments, "--no-dashboard"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "3"}
    quiet = subprocess.DEVNULL
    return subprocess.Popen(command, env=environment, cwd=ROOT, stdout=quiet, stderr=quiet)


@contextmanager
def dask_cluster(
    folder: Path, n_workers: int, n_threads: int = 1
) -> Iterator[tuple[str, subprocess.Popen[bytes], list[subprocess.Popen[bytes]]]]:
    """A scheduler and worker processes: its address, the scheduler, the workers."""
    file = folder / "scheduler.json"
    processes = [start("dask_scheduler", "--port", "0", "--host", "127.0.0.1", "--scheduler-file", str(file))]
    try:
        wait_until(file.exists)
        wait_until(lambda: bool(file.read_text()))
        address = json.loads(file.read_text())["address"]
        options = ("--nthreads", str(n_threads), "--no-nanny")
        processes += [start("dask_worker", address, *options) for _ in range(n_workers)]
        yield address, processes[0], processes[1:]
    finally:
        for process in processes:
            process.kill()
            process.wait()


def wait_until(condition: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


class Killer(Recorder):
    """Kills a process once the first chunks have come back."""

    def __init__(self, victim: subprocess.Popen[bytes]) -> None:
        super().__init__()
        self.victim = victim
        self.killed_at: int | None = None

    def update(self, what: str, done: int, total: int) -> None:
        super().update(what, done, total)
        if what == "networks" and done > 0 and self.killed_at is None:
            os.kill(self.victim.pid, signal.SIGKILL)
            self.killed_at = done


def test_a_killed_worker_is_survived_to_the_same_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("theory_sim.sweep.plan.MOST_POINTS", 4)
    sweep(tmp_path / "local.zarr")
    slow = partial(compute, seconds=SECONDS)
    with dask_cluster(tmp_path, 2) as (address, _, workers):
        watch = Killer(workers[0])
        run(parse_sweep(GRID), tmp_path / "dask.zarr", watch, start=connect(address, watch), compute=slow)
        assert workers[0].poll() == -signal.SIGKILL
        assert workers[1].poll() is None
    assert watch.killed_at is not None
    assert watch.killed_at < 48
    assert watch.updates[-1] == ("networks", 48, 48)
    assert SweepStore(tmp_path / "dask.zarr").layout.n_chunks > 8
    assert bits(tmp_path / "dask.zarr") == bits(tmp_path / "local.zarr")


def test_the_engine_on_a_worker_with_two_threads_gives_the_bits_of_one_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("theory_sim.sweep.plan.MOST_POINTS", 2)
    definition = parse_sweep(SMOOTH)
    run(definition, tmp_path / "local.zarr", Recorder(), start=local(1))
    with dask_cluster(tmp_path, 1, n_threads=2) as (address, _, _):
        run(definition, tmp_path / "dask.zarr", Recorder(), start=connect(address, Recorder()))
    assert SweepStore(tmp_path / "local.zarr").layout.n_chunks == 10
    assert bits(tmp_path / "dask.zarr") == bits(tmp_path / "local.zarr")


def test_linear_algebra_stays_on_one_thread_whichever_task_ends_first() -> None:
    first_began, second_began, first_ended = (threading.Event() for _ in range(3))
    seen: list[int] = []

    def first(_: Any) -> dict[str, NDArray]:
        first_began.set()
        assert second_began.wait(10)
        return {}

    def second(_: Any) -> dict[str, NDArray]:
        second_began.set()
        assert first_ended.wait(10)
        seen.extend(found["num_threads"] for found in threadpool_info() if found["user_api"] == "blas")
        return {}

    before = {found["filepath"]: found["num_threads"] for found in threadpool_info()}
    with ThreadPoolExecutor(1) as pool:  # the limit is the matter of one thread at a time, while that lives
        pool.submit(threadpool_limits, 3).result(10)
    with ThreadPoolExecutor(2) as pool:
        one = pool.submit(cluster.compute_on_worker, cluster._code(), first, {})
        assert first_began.wait(10)
        two = pool.submit(cluster.compute_on_worker, cluster._code(), second, {})
        one.result(10)
        first_ended.set()
        two.result(10)
    threadpool_limits([{"filepath": path, "num_threads": n} for path, n in before.items()])
    assert seen
    assert set(seen) == {1}


@pytest.mark.parametrize("error", [BrokenPipeError(), OSError("no picture")])
def test_only_what_dask_raises_is_a_lost_scheduler(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: OSError
) -> None:
    class Client:
        def __init__(self, *_: Any, **__: Any) -> None:
            self.lost = False

        def __enter__(self) -> Client:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def get_executor(self, pure: bool) -> None:
            pass

        def nthreads(self) -> dict[str, int]:
            if self.lost:
                raise OSError("Timed out trying to connect")
            return {"worker": 2}

    client = Client()
    monkeypatch.setattr("distributed.Client", lambda *_, **__: client)
    with pytest.raises(OSError, check=lambda raised: raised is error), connect("tcp://here:1", Recorder()):
        raise error
    client.lost = True
    with pytest.raises(InputError, match=r"the scheduler tcp://here:1 is lost \(OSError\)"):
        cluster._DaskWorkers(client, "tcp://here:1").in_flight()


def test_other_code_and_a_lost_scheduler_are_one_line_and_the_sweep_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("theory_sim.sweep.plan.MOST_POINTS", 4)
    path, slow = tmp_path / "dask.zarr", partial(compute, seconds=SECONDS)
    with dask_cluster(tmp_path, 1) as (address, scheduler, _):
        with monkeypatch.context() as patch:
            patch.setattr(cluster, "_code", lambda: "version 0")
            with pytest.raises(InputError, match=r"a worker has theory_sim version .*: allowed is .*, version 0"):
                run(parse_sweep(GRID), path, Recorder(), start=connect(address, Recorder()), compute=compute)
        assert (SweepStore(path).marks() == UNDONE).all()
        watch = Killer(scheduler)
        with pytest.raises(InputError, match=r"is lost .*the same command goes on where it stopped"):
            run(parse_sweep(GRID), path, watch, start=connect(address, watch), compute=slow)
    assert 0 < (SweepStore(path).marks() == UNDONE).sum() < SweepStore(path).layout.n_chunks
    sweep(path)
    sweep(tmp_path / "local.zarr")
    assert bits(path) == bits(tmp_path / "local.zarr")


def test_no_scheduler_is_one_line_within_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    assert cluster.CONNECT_SECONDS <= 10
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 1)
    begin = time.monotonic()
    with (
        pytest.raises(InputError, match=r"--cluster tcp://127\.0\.0\.1:9: no scheduler answers there"),
        connect("tcp://127.0.0.1:9", Recorder()),
    ):
        pass
    assert time.monotonic() - begin < 4


@pytest.mark.parametrize("wrong", ["foo", "nonsense://x", "tcp://", "", "tcp://x", "tcp://x:0", "tcp://x:70000", "x:1"])
def test_a_malformed_address_is_refused_by_its_form(wrong: str) -> None:
    with (
        pytest.raises(InputError, match=f"--cluster {wrong}: allowed is tcp://HOST:PORT or tls://HOST:PORT"),
        connect(wrong, Recorder()),
    ):
        pass
    for right in ("tcp://host.name:8786", "tls://10.0.0.1:8786", "tcp://[::1]:8786"):
        check_address(right)


def test_without_dask_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(InputError, match="'spectral-claims\\[cluster\\]'"), connect("tcp://127.0.0.1:9", Recorder()):
        pass
