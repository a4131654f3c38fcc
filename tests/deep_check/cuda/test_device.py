"""Captured steps allocate nothing and wait for nothing, and keep what they need; CuPy's part by doubles."""

from __future__ import annotations

import gc
import sys
import weakref
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from deep_check.cuda.attack_network import AttackNetwork
from deep_check.cuda.device import CupyDevice
from deep_check.cuda.pgd import PgdSteps
from deep_check.cuda.training_network import TrainingNetwork
from deep_check.cuda.training_steps import Adam, Sgd, TrainingSteps
from deep_check.ops.spectral_mask_cuda import LowPass
from tests.cuda.device import needs_compiler
from tests.cuda.emulator import EmulatorError
from tests.deep_check.cuda.device import DEVICES, EmulatedDevice, open_device
from tests.deep_check.networks import MEAN, SMALL, STD, images_and_labels, random_state
from tests.helpers import assert_close
from theory_sim.errors import InputError


@needs_compiler
@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_an_attack_step_allocates_nothing_and_waits_for_nothing(norm: str) -> None:
    device = EmulatedDevice()
    attack = PgdSteps(AttackNetwork(SMALL, random_state(SMALL), MEAN, STD, device), 3, "cross_entropy", 0.1, 0.2, norm)
    images, labels = images_and_labels(3, SMALL)
    attack.start(images, labels)
    before = len(device.launches)
    attack.step()
    first = [launch.kernel for launch in device.launches[before:]]
    attack.step()
    assert [launch.kernel for launch in device.launches[before + len(first) :]] == first
    assert not np.array_equal(attack.images, images)


@needs_compiler
@pytest.mark.parametrize("kind", [Adam, Sgd])
def test_a_training_step_allocates_nothing_and_waits_for_nothing(kind: Callable[..., Any]) -> None:
    device = EmulatedDevice()
    net = TrainingNetwork(SMALL, random_state(SMALL), MEAN, STD, device)
    steps = TrainingSteps(net, kind(device, net.parameters.size, 0.1), 3, "cross_entropy")
    before = net.parameters.copy()
    steps.load(*images_and_labels(3, SMALL))
    steps.step()
    assert not np.array_equal(net.parameters, before)


@needs_compiler
def test_memory_goes_with_its_owner() -> None:
    """At once, not when Python next looks for cycles: a GPU's memory is small."""
    device = EmulatedDevice()
    net = TrainingNetwork(SMALL, random_state(SMALL), MEAN, STD, device)
    net.loss_and_gradients(*images_and_labels(2, SMALL), "mse")
    attacked = AttackNetwork(SMALL, random_state(SMALL), MEAN, STD, device)
    owners = [net, attacked, PgdSteps(attacked, 2, "mse", 0.1, 0.2)]
    owners.append(TrainingSteps(net, Sgd(device, net.parameters.size, 0.1), 2, "mse"))
    alive = [weakref.ref(owner) for owner in owners]
    device.launches.clear()
    gc.disable()
    try:
        del net, attacked, owners
        assert [owner() for owner in alive] == [None] * 4
    finally:
        gc.enable()


@needs_compiler
def test_what_a_device_would_refuse_is_refused() -> None:
    device = EmulatedDevice()
    array = device.full((2,), 0, np.float32)
    for work, words in (
        (lambda: device.empty((1,), np.float32), "allocated"),
        (lambda: device.full((1,), 0, np.float32), "allocated"),
        (lambda: device.send(array), "allocated"),
        (lambda: device.fetch(array), "waits"),
        (lambda: device.write(array, array), "writes"),
        (lambda: LowPass(device, (1, 1, 4, 4), 1.0), "allocated"),
    ):
        with pytest.raises(EmulatorError, match=words):
            device.capture(work)  # type: ignore[arg-type]
    with pytest.raises(EmulatorError, match=r"float64 \(2,\) copied into float32 \(2,\)"):
        device.write(array, np.zeros(2))


@pytest.mark.parametrize("name", DEVICES)
def test_a_captured_filter(name: str) -> None:
    """A transform and a kernel in one graph; the images are those that are there when it runs."""
    device = open_device(name)
    images = np.random.default_rng(0).standard_normal((2, 1, 8, 8), dtype=np.float32)
    source, out = device.full(images.shape, 0, np.float32), device.empty(images.shape, np.float32)
    low_pass = LowPass(device, images.shape, 0.0)
    step = device.capture(lambda: low_pass(source, out))
    device.write(source, images)
    step()
    means = np.broadcast_to(images.mean((2, 3), keepdims=True), images.shape)
    assert_close("means", device.fetch(out), means, "kernel_sums", scale=1.0)


class Graph:
    """A double of CuPy's CUDA graphs and streams."""

    def __init__(self) -> None:
        self.launched_in: list[str] = []

    def __enter__(self) -> None: ...

    def __exit__(self, *error: object) -> None: ...

    def begin_capture(self) -> None: ...

    def end_capture(self) -> Graph:
        return self

    def launch(self, stream: str) -> None:
        self.launched_in.append(stream)


def cupy_device(**parts: Any) -> CupyDevice:
    """A CupyDevice that has doubles in CuPy's place."""
    device = CupyDevice.__new__(CupyDevice)
    device.cupy = SimpleNamespace(**parts)
    device._modules, device._kernels = {}, {}
    return device


class Work:
    """Something to be captured that can be asked whether it is still there."""

    runs = 0

    def __call__(self) -> None:
        Work.runs += 1


def test_a_captured_step_keeps_its_work() -> None:
    """With the memory of its kernels: the graph itself knows addresses only."""
    graph, work = Graph(), Work()
    device = cupy_device(
        cuda=SimpleNamespace(
            Stream=lambda non_blocking: graph,
            Device=lambda: SimpleNamespace(synchronize=lambda: None),
            get_current_stream=lambda: "the current stream",
        )
    )
    step, alive = device.capture(work), weakref.ref(work)
    del work
    gc.collect()
    step()
    assert graph.launched_in == ["the current stream"]
    assert Work.runs == 2  # once before, once captured, and never again
    assert alive() is not None
    del step
    gc.collect()
    assert alive() is None


def test_shared_memory_beyond_48_kib_is_asked_for() -> None:
    calls: list[tuple[Any, ...]] = []

    class Function:
        max_dynamic_shared_size_bytes = 48 << 10

        def __call__(self, *arguments: Any, shared_mem: int) -> None:
            calls.append((*arguments, shared_mem, self.max_dynamic_shared_size_bytes))

    device, function = cupy_device(), Function()
    device._kernels["relu"] = function
    for shared_mem in (0, 48 << 10, 60 << 10, 50 << 10):
        device.launch("relu", (1,), (32,), [np.int32(1)], shared_mem)
    assert [call[-2:] for call in calls] == [(0, 48 << 10), (48 << 10,) * 2, (60 << 10,) * 2, (50 << 10, 60 << 10)]
    assert calls[0][:3] == ((1,), (32,), (np.int32(1),))


@pytest.mark.parametrize(("capability", "refused"), [("75", "compute capability 7.5"), ("80", ""), ("100", "")])
def test_old_devices_are_refused(monkeypatch: pytest.MonkeyPatch, capability: str, refused: str) -> None:
    runtime = SimpleNamespace(getDeviceCount=lambda: 1, CUDARuntimeError=RuntimeError)
    device = SimpleNamespace(compute_capability=capability)
    double = SimpleNamespace(cuda=SimpleNamespace(runtime=runtime, Device=lambda: device))
    monkeypatch.setitem(sys.modules, "cupy", double)
    if refused:
        with pytest.raises(InputError, match=f"{refused}, allowed are 8.0"):
            CupyDevice()
    else:
        assert CupyDevice().cupy is double
