"""Chunks as tasks of Dask: `--cluster tcp://scheduler:8786`. The workers compute, the client alone writes.

Whatever starts Dask's workers will do (dask-jobqueue, dask-kubernetes, `dask worker`); a worker that dies has its
chunks computed by another one, to the same bits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import CancelledError, Future
from contextlib import contextmanager
from typing import Any

from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from theory_sim.compiled_code import digest
from theory_sim.errors import InputError, require
from theory_sim.progress import Watch
from theory_sim.provenance import provenance
from theory_sim.sweep.cluster_address import check_address
from theory_sim.sweep.execution import Columns, Workers

CONNECT_SECONDS = 5
LEAST_IN_FLIGHT = 16  # also with few workers: what waits makes an adaptive cluster grow
GOES_ON = "the same command goes on where it stopped"


def _code() -> str:
    """What must be the same wherever chunks of one sweep are computed."""
    found = provenance()
    return f"version {found['version']}, commit {found['commit']}, sources {digest()}"


def compute_on_worker(
    expected: str, task: Callable[[Columns], dict[str, NDArray]], columns: Mapping[str, NDArray]
) -> dict[str, NDArray]:
    """One chunk, on a worker. Raises InputError if the worker has another theory_sim than `expected`."""
    found = _code()
    require(found == expected, f"a worker has theory_sim {found}: allowed is the client's, {expected}")
    threadpool_limits(1)  # for good: the process has other threads, and what one put back would hold for all
    return task(columns)


@contextmanager
def _answering(address: str) -> Iterator[None]:
    """Within it only the scheduler is spoken to: what the network raises is an InputError of one line."""
    try:
        yield
    except OSError as error:
        raise _lost(address, error) from None


def _lost(address: str, error: BaseException) -> InputError:
    return InputError(f"the scheduler {address} is lost ({type(error).__name__}); {GOES_ON}")


class _DaskWorkers:
    """A Dask executor for chunks; `in_flight` follows the cluster's size."""

    def __init__(self, client: Any, address: str) -> None:
        self._client, self._address = client, address
        self._executor = client.get_executor(pure=False)
        self._expected = _code()

    def submit(self, task: Callable[[Columns], dict[str, NDArray]], columns: Columns) -> Future[dict[str, NDArray]]:
        with _answering(self._address):
            future: Future[dict[str, NDArray]] = self._executor.submit(compute_on_worker, self._expected, task, columns)
        return future

    def in_flight(self) -> int:
        return max(2 * self.threads(), LEAST_IN_FLIGHT)

    def threads(self) -> int:
        with _answering(self._address):
            return sum(self._client.nthreads().values())


@contextmanager
def connect(address: str, watch: Watch) -> Iterator[Workers]:
    """Workers of the Dask scheduler at `address`.

    Raises InputError, in one line, if the address has another form, Dask is not installed, no scheduler answers within
    CONNECT_SECONDS, the workers have another theory_sim, or the cluster is lost; what is stored by then stays.
    """
    check_address(address)
    try:
        from distributed import Client, KilledWorker
        from distributed.comm import CommClosedError
    except ImportError:
        raise InputError("--cluster needs Dask: install the extra, pip install 'spectral-claims[cluster]'") from None
    try:
        client = Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"--cluster {address}: no scheduler answers there ({reason})") from None
    with client:
        workers = _DaskWorkers(client, address)
        if not workers.threads():
            watch.note(f"{address} has no workers yet; waiting for them")
        try:
            yield workers
        except KilledWorker as error:
            raise InputError(f"a chunk killed several workers of {address} ({error}); {GOES_ON}") from None
        except (CancelledError, CommClosedError) as error:
            raise _lost(address, error) from None
