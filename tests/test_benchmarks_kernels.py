"""The benchmark of deep_check's kernels: both sides right before they are timed, its format, its counts; no times."""

from __future__ import annotations

import importlib.util
import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks import kernels, kernels_cpu, kernels_cuda, kernels_jobs, kernels_network, kernels_roofline, results
from benchmarks.__main__ import main
from benchmarks.kernels import Cost
from benchmarks.limits import CACHED, Float32Limits, measure_float32_limits
from benchmarks.results import Row
from benchmarks.timing import RunningSide, Side, agreement, compare
from deep_check.architecture import Architecture
from deep_check.cuda.device import Device
from tests.deep_check.cuda.device import DEVICES, open_device
from tests.test_benchmarks import check_document
from theory_sim.errors import InputError

TORCH = importlib.util.find_spec("torch") is not None
needs_torch = pytest.mark.skipif(not TORCH, reason="torch is not installed (extra 'bench')")
OPERATIONS = {operation.name: operation for operation in kernels_jobs.operations(kernels_jobs.QUICK)}
STATE, _ = kernels_network.network_state(kernels_jobs.QUICK.architecture)

# Sides for the protocol, as a module that their processes import.
SIDES = """
import numpy as np

def counts(problem, threads):
    calls = []
    def run():
        calls.append(0)
        return {"calls": lambda: np.array(len(calls))}
    return run

class Measured:
    def __init__(self):
        self.calls = 0

    def __call__(self):
        self.calls += 1
        return {"calls": np.array(self.calls)}

    def measure(self, calls):
        return 0.25 * calls

def measured(problem, threads):
    return Measured()

def gives(problem, threads, value):
    return lambda: {"a": np.array([value, 1.0])}

def breaks(problem, threads):
    raise RuntimeError("out of luck")

def grows(problem, threads):
    return lambda: {"a": np.ones(problem["n"])}
"""


@pytest.fixture
def sides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Name of the module with SIDES, found by the sides' processes."""
    (tmp_path / "kernel_sides.py").write_text(SIDES)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return "kernel_sides"


@pytest.fixture
def no_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "torch" else find(name))


def arrays_of(run: Callable[[], Mapping[str, Any]]) -> dict[str, NDArray[Any]]:
    """A call's result, as the worker saves it."""
    return {name: np.asarray(array() if callable(array) else array) for name, array in run().items()}


@pytest.mark.parametrize("name", OPERATIONS)
def test_our_operation_agrees_with_float64_and_an_error_would_be_seen(name: str) -> None:
    operation = OPERATIONS[name]
    exact = operation.exact(operation.problem())
    found = arrays_of(kernels_cpu.prepare(operation.problem(), 2, operation.kind))
    assert agreement(found, exact) <= operation.bound
    for key, array in found.items():
        wrong = array.astype(float)
        wrong.reshape(-1)[wrong.size // 2] += 100 * max(operation.bound, 1e-12) * np.abs(exact[key]).max()
        assert agreement({**found, key: wrong}, exact) > 10 * operation.bound


@needs_torch
@pytest.mark.parametrize("name", OPERATIONS)
def test_operation_of_torch_agrees_with_float64(name: str) -> None:
    from benchmarks.peers import torch_kernels

    operation = OPERATIONS[name]
    exact = operation.exact(operation.problem())
    for layout in operation.layouts:
        found = arrays_of(torch_kernels.prepare(operation.problem(), 2, operation.kind, layout))
        assert agreement(found, exact) <= operation.bound


@pytest.mark.parametrize("name", DEVICES)
def test_operations_on_a_cuda_device_agree_with_float64(name: str) -> None:
    device = open_device(name)
    for operation in OPERATIONS.values():
        found = arrays_of(kernels_cuda.OPERATIONS[operation.kind](device, operation.problem()))
        assert agreement(found, operation.exact(operation.problem())) <= operation.bound, operation.name
    check_networks(
        lambda problem: kernels_cuda.attack(device, problem), lambda problem: kernels_cuda.training(device, problem)
    )


def check_networks(attack: Callable[[Any], Any], training: Callable[[Any], Any]) -> None:
    """Both kinds of step, prepared by these functions."""
    problem = kernels_network.attack_problem(kernels_jobs.QUICK, 5, STATE)
    exact = kernels_network.attack_exact(problem)
    assert kernels_network.attack_error(arrays_of(attack(problem)), exact) <= kernels_network.ATTACK_BOUND
    problem = kernels_network.training_problem(kernels_jobs.QUICK, kernels_jobs.QUICK.n, STATE)
    exact = kernels_network.training_exact(problem)
    assert kernels_network.training_error(arrays_of(training(problem)), exact) <= kernels_network.TRAINING_BOUND


def test_our_networks_agree_with_float64() -> None:
    check_networks(
        lambda problem: kernels_network.prepare_attack(problem, 2),
        lambda problem: kernels_network.prepare_training(problem, 2),
    )


@needs_torch
@pytest.mark.parametrize("layout", ["nchw", "channels_last"])
def test_networks_of_torch_agree_with_float64(layout: str) -> None:
    from benchmarks.peers import torch_networks

    check_networks(
        lambda problem: torch_networks.prepare_attack(problem, 2, layout),
        lambda problem: torch_networks.prepare_training(problem, 2, layout),
    )


def test_errors_of_networks_see_one_wrong_image_a_wrong_sign_and_nan() -> None:
    problem = kernels_network.attack_problem(kernels_jobs.QUICK, 40, STATE)
    exact = kernels_network.attack_exact(problem)
    error = kernels_network.attack_error
    assert len(problem["checked"]) == len(exact["gradient"]) == kernels_network.N_CHECKED
    assert error(exact, exact) == 0
    one = exact["gradient"].copy()
    one[-1] = 0
    for wrong in (one, -exact["gradient"], exact["gradient"][::-1]):
        assert error({**exact, "gradient": wrong}, exact) > 10 * kernels_network.ATTACK_BOUND
    assert error({**exact, "logits": exact["logits"][::-1]}, exact) > 10 * kernels_network.ATTACK_BOUND
    for wrong in (exact["gradient"] * np.nan, exact["gradient"][1:]):
        assert error({**exact, "gradient": wrong}, exact) == np.inf

    exact = {"gradients": np.arange(100.0), "loss": np.array(2.0)}
    assert kernels_network.training_error(exact, exact) == 0
    for changed in ({"gradients": -exact["gradients"]}, {"loss": np.array(2.1)}, {"gradients": exact["gradients"][1:]}):
        assert kernels_network.training_error({**exact, **changed}, exact) > 10 * kernels_network.TRAINING_BOUND


def test_checked_images_are_the_same_in_every_batch() -> None:
    small, large = (kernels_network.attack_problem(kernels_jobs.QUICK, n, STATE) for n in (32, 70))
    np.testing.assert_array_equal(small["images"], large["images"][large["checked"]])
    np.testing.assert_array_equal(small["labels"], large["labels"][large["checked"]])
    assert large["checked"][0] == 0
    assert large["checked"][-1] == 69


def test_a_turn_is_warm_calls_and_timed_ones(sides: str, tmp_path: Path) -> None:
    with RunningSide(Side("counts", f"{sides}:counts"), {}, tmp_path) as side:
        side.wait_until_ready()
        side.turn()
        assert side.result().arrays["calls"] == 1
        side.turn(calls=3, warm=2)
        assert side.result().arrays["calls"] == 6
    with RunningSide(Side("measured", f"{sides}:measured"), {}, tmp_path) as side:
        side.wait_until_ready()
        side.turn()
        assert side.turn(calls=4, warm=1) == 1.0  # its own clock
        assert side.result().arrays["calls"] == 2


def test_both_sides_must_agree_with_the_exact_result(sides: str) -> None:
    right, wrong = (Side(name, f"{sides}:gives", {"value": value}) for name, value in (("right", 4.0), ("wrong", 5.0)))
    breaks = Side("breaks", f"{sides}:breaks")
    exact = {"a": np.array([4.0, 1.0])}
    rows = compare("job", {}, [right, wrong], [Side("peer", f"{sides}:gives", {"value": 4.0}), breaks], repeats=1,
                   bound=0.1, exact=exact, measure="as it is")  # fmt: skip
    found = {(row.ours, row.peer): row for row in rows}
    assert found["right", "peer"].passed
    assert (found["right", "peer"].agreement, found["right", "peer"].peer_agreement) == (0, 0)
    assert found["wrong", "peer"].reason == "wrong is off by 2.5e-01, allowed is 1e-01"
    assert "out of luck" in found["right", "breaks"].reason
    assert all(row.ours_s is None for row in rows if not row.passed)
    assert {row.measure for row in rows} == {"as it is"}
    (row,) = compare("job", {}, [right], [wrong], repeats=1, bound=0.1, exact=exact)
    assert row.reason == "wrong is off by 2.5e-01, allowed is 1e-01"
    assert row.peer_agreement == 0.25

    (row,) = compare("job", {}, [right], [], repeats=2, bound=0.1, exact=exact)
    assert row.passed
    assert row.peer == ""
    assert row.ours_s is not None
    assert row.peer_s is row.ratio is row.peer_agreement is None
    (row,) = compare("job", {}, [wrong], [], repeats=2, bound=0.1, exact=exact)
    assert not row.passed


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="memory is read from /proc")
def test_memory_is_the_growth_of_a_call(sides: str) -> None:
    n = 8 << 20
    exact = {"a": np.ones(n)}
    (row,) = compare("job", {"n": np.array(n)}, [Side("grows", f"{sides}:grows")], [], repeats=1, bound=0.0,
                     exact=exact)  # fmt: skip
    assert row.ours_memory is not None
    assert 8 * n * 0.9 < row.ours_memory < 8 * n * 1.5


def test_only_the_fastest_form_of_a_peer_is_asked_to_be_beaten() -> None:
    rows = [
        Row("job", "ours", peer, 1.0).timed([1.0], [seconds]) for peer, seconds in (("a", 3.0), ("b", 2.0), ("c", 4.0))
    ]
    assert [row.asked for row in kernels.ask_of_fastest(rows, 1.2)] == [None, 1.2, None]
    assert kernels.ask_of_fastest(rows, None) == rows
    failed = [Row("job", "ours", "a", 1.0, reason="no")]
    assert kernels.ask_of_fastest(failed, 1.2) == failed


def test_promises_are_those_of_the_issue() -> None:
    asked = {name: operation.asked for name, operation in OPERATIONS.items()}
    forward_and_back = [name for name in asked if name.startswith("conv ") and "weight" not in name]
    assert len(forward_and_back) == 12
    assert {name for name, promise in asked.items() if promise == 1.2} == set(forward_and_back)
    ratios = [1 / kernels.EAGER_ASKED, 1 / kernels.COMPILED_ASKED, 1 / kernels.TRAINING_ASKED]
    assert ratios == pytest.approx([0.45, 0.5, 0.85])


def test_operations_are_counted_as_the_sums_are_defined() -> None:
    for name, operation in OPERATIONS.items():
        if operation.kind != "conv2d":
            continue
        n, channels, height, width = operation.shapes["images"]
        out = operation.shapes["weights"][0]
        stride = int(operation.constants["stride"])
        pixels = len(range(0, height, stride)) * len(range(0, width, stride))
        assert operation.operations == 2 * n * out * pixels * channels * 9, name
    # 68.86 million multiply-adds an image [He et al. 2016 say 69 million of ResNet-32]
    assert kernels_network.attack_operations(Architecture()) == pytest.approx(4 * 68.86e6, rel=1e-3)
    stem = 2 * 9 * 3 * 16 * 32 * 32
    training = kernels_network.training_operations(Architecture())
    assert training == pytest.approx(1.5 * kernels_network.attack_operations(Architecture()) - stem)


LIMITS = Float32Limits(fma=200e9, products=100e9, bytes=20e9, cached_bytes=100e9)


def test_rates_and_shares() -> None:
    rows = [Row("conv stage 1", "ours", "a", 1.0).timed([2.0], [8.0]), Row("conv stage 1", "ours", "b", 1.0)]
    rows += [Row("conv stage 1", "ours", "c", 1.0).timed([2.0], [4.0]), Row("copy", "ours", "", 1.0).timed([1.0], [])]
    rows += [Row("failed", "ours", "", 1.0, reason="no")]
    costs = {"conv stage 1": Cost(100e9, 10e9), "copy": Cost(None, 5e9), "failed": Cost(1.0, 1.0)}
    ours, peer, copy = kernels_roofline.points(rows, costs, LIMITS)
    assert (ours.side, peer.side, copy.side) == ("ours", "c", "ours")
    assert (ours.operations, ours.bytes, ours.intensity) == (50e9, 5e9, 10)
    assert (ours.fma_share, ours.products_share, ours.bytes_share) == (0.25, 0.5, 0.25)
    assert ours.floor_share == 0.25  # 0.5 s of arithmetic and 0.5 s of memory, in 2 s
    assert peer.operations == 25e9
    assert (copy.operations, copy.intensity, copy.floor_share) == (None, None, 0.25)


def test_picture_shows_every_point_that_has_operations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from matplotlib.figure import Figure

    kept: list[Any] = []
    save = Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda figure, *a, **k: (kept.append(figure), save(figure, *a, **k)))
    rows = [Row(name, "ours", "torch", 1.0).timed([1e-3], [2e-3]) for name in OPERATIONS]
    costs = {name: Cost(operation.operations, operation.bytes) for name, operation in OPERATIONS.items()}
    points = kernels_roofline.points(rows, costs, LIMITS)
    path = kernels_roofline.draw(points, LIMITS, tmp_path, "title")
    assert path.read_bytes().startswith(b"\x89PNG")
    (axes,) = kept[0].axes
    drawn = {(round(x, 6), round(y, 9)) for line in axes.lines if line.get_marker() not in ("None", "")
             for x, y in zip(line.get_xdata(), line.get_ydata(), strict=True)}  # fmt: skip
    shown = [point for point in points if point.operations]
    assert len(drawn) > 20
    low, high = axes.get_ylim()
    left, right = axes.get_xlim()
    for point in shown:
        assert any(abs(y - (point.operations or 0) / 1e9) < 1e-8 for _, y in drawn), point
        assert low < (point.operations or 0) / 1e9 < high
        assert left < (point.intensity or 0) < right
    words = " ".join(text.get_text() for text in axes.texts)
    for name in ("stage 1", "into stage 3", "Adam", "memory, 20 GB/s", "sgemm, 100 GFLOP/s", f"{CACHED >> 20} MiB"):
        assert name in words


def test_limits_of_float32_are_measured() -> None:
    limits = measure_float32_limits(quick=True)
    assert min(limits.fma, limits.products, limits.bytes, limits.cached_bytes) > 0
    assert "GFLOP/s" in str(limits)


@pytest.mark.usefixtures("no_torch")
def test_quick_run_writes_the_format_and_the_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "kernels.json"
    options = ["--device", "cpu", "--repeats", "2", "--only", "step", "--out", str(out), "--plots", str(tmp_path)]
    assert main(["kernels", "--quick", *options]) == 0
    document = json.loads(out.read_text())
    assert document["skipped"].keys() == {"torch"}
    jobs = {row["job"] for row in document["rows"]}
    assert jobs == {"sign step, ℓ∞ projection, clipping", "ℓ₂ step", "PGD step, 21 images", "training step, 19 images"}
    for row in document["rows"]:
        assert row["passed"]
        assert row["peer"] == ""
        assert row["ratio"] is row["peer_s"] is None
        assert 0 < row["ours_min_s"] <= row["ours_s"] <= row["ours_max_s"]
        assert row["agreement"] <= row["bound"]
        assert row["measure"]
    assert {point["job"] for point in document["roofline"]} == jobs
    assert document["limits"].keys() == {"fma", "products", "bytes", "cached_bytes"}
    assert document["protocol"]["attacked_weights"] == "drawn"
    assert document["protocol"]["device"] == "cpu"
    assert (tmp_path / "roofline.png").stat().st_size > 10_000
    printed = capsys.readouterr().out
    assert "skipped: torch is not installed" in printed
    assert "floor / time" in printed


@needs_torch
def test_quick_run_beside_torch(tmp_path: Path) -> None:
    out = tmp_path / "kernels.json"
    assert (
        main(["kernels", "--quick", "--device", "cpu", "--repeats", "1", "--only", "conv stage 1", "--out", str(out)])
        == 0
    )
    document = json.loads(out.read_text())
    check_document(document)
    assert [row["peer"] for row in document["rows"]] == ["torch nchw", "torch channels_last"]
    assert sorted(row["asked"] or 0 for row in document["rows"]) == [0, 1.2]


def test_weights_of_a_file_are_taken_where_they_fit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from deep_check.initial import initial_state

    file = tmp_path / "weights.npz"
    state = initial_state(Architecture(), 7)
    np.savez(file, **state)  # type: ignore[arg-type]
    monkeypatch.setenv(kernels_network.WEIGHTS, str(file))
    found, name = kernels_network.network_state(Architecture())
    assert name == "weights.npz"
    np.testing.assert_array_equal(found["conv1.weight"], state["conv1.weight"])
    assert kernels_network.network_state(Architecture(8, size=8))[1] == "drawn"


def test_peers_that_cannot_run_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: find("numpy") if name == "torch" else find(name))
    monkeypatch.setenv("CXX", "no-such-compiler")
    present, skipped = kernels.choose_peers(["torch"], "cpu")
    assert present == ["torch"]
    assert skipped == {"torch compile": "torch.compile needs a C++ compiler, no-such-compiler is not there"}
    assert kernels.choose_peers(["torch"], "cuda") == (["torch", "torch compile"], {})
    with pytest.raises(InputError, match="peer jax: allowed is torch"):
        kernels.choose_peers(["jax"], "cpu")


def test_patience_waits_for_a_quiet_machine_and_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "PROBE_S", 0.01)
    started = time.monotonic()
    busy = iter([0.0, 5.0, 5.0, 10.0, 10.0, 10.0, 10.0])  # quiet at the third look
    monkeypatch.setattr(results, "seconds_of_others", lambda: next(busy))
    patience = results.Patience(100.0)
    patience.wait()
    assert next(busy) == 10.0
    assert 0 < 100 - patience.left < time.monotonic() - started + 1e-3
    monkeypatch.setattr(results, "seconds_of_others", lambda: 2 * time.monotonic())  # two cores for ever
    patience = results.Patience(0.05)
    patience.wait()
    assert patience.left <= 0
    monkeypatch.setattr(results, "seconds_of_others", lambda: None)
    results.Patience(100.0).wait()
    results.Patience(0.0).wait()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--device", "gpu"], "--device gpu: allowed are auto, cpu, cuda"),
        (["--peers", "jax"], "peer jax: allowed is torch"),
        (["--repeats", "0"], "--repeats 0: allowed is >= 1"),
        (["--wait", "-1"], "--wait -1.0: allowed is a number of seconds >= 0"),
        (["--plots", "no/such/folder"], "--plots no/such/folder: is not a folder"),
        (["--quick", "--only", "no such job"], "--only no such job: no job has this in its name"),
    ],
)
def test_bad_input_is_one_line(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["kernels", "--device", "cpu", *arguments]) == 2
    assert capsys.readouterr().err.strip().splitlines()[-1] == f"error: {message}"


def test_without_a_gpu_auto_is_the_cpu_and_cuda_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing() -> Device:
        raise InputError("device cuda: no CUDA device found, allowed is cpu")

    monkeypatch.setattr("deep_check.cuda.device.cuda_device", missing)
    assert kernels.choose_device("auto") == "cpu"
    assert main(["kernels", "--device", "cuda"]) == 2
    assert capsys.readouterr().err == "error: device cuda: no CUDA device found, allowed is cpu\n"
