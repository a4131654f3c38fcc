"""Training steps on a CUDA device beside those on the CPU: the same weights, batches and starts."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from deep_check.architecture import Architecture
from deep_check.attacks import Attack, run_attack
from deep_check.cuda.device import Device
from deep_check.training import trainer
from deep_check.training.recipe import Recipe
from deep_check.training.steps import Steps
from deep_check.training.steps_cuda import CudaSteps
from deep_check.training.trainer import train
from deep_check.weights import load_weights
from tests.deep_check.cuda.device import DEVICES, open_device
from tests.deep_check.networks import images_and_labels, random_state
from tests.helpers import assert_close, assert_differs
from theory_sim.errors import InputError
from theory_sim.inputs.cifar10 import Cifar10

EIGHT = Architecture(8)
STATE = random_state(EIGHT, 1)
RECIPE = Recipe(depth=8, batch_size=2, weight_decay=1e-3)
RATES = (0.002, 0.001, 0.003)


@pytest.fixture(params=DEVICES, scope="module")
def device(request: pytest.FixtureRequest) -> Device:
    return open_device(request.param)


def batch(step: int) -> tuple[NDArray[np.float32], NDArray[Any], NDArray[np.float32]]:
    images, labels = images_and_labels(RECIPE.batch_size, EIGHT, step)
    return images, labels, np.random.default_rng(step).uniform(-1, 1, images.shape).astype(np.float32)


def flat(state: dict[str, NDArray[Any]]) -> NDArray[np.float64]:
    """All parameters as one vector."""
    return np.concatenate([state[name].ravel() for name in EIGHT.parameter_shapes]).astype(float)


# Adam's first steps are signs of the gradient where epsilon is small: rounding decides those of the smallest.
@pytest.mark.parametrize(
    "changes", [{}, {"optimizer": "adam", "loss": "mse"}, {"adversary": "linf", "attack_steps": 2, "radius": 0.02}],
    ids=["sgd", "adam", "adversary"],
)  # fmt: skip
def test_steps_are_those_of_the_cpu(device: Device, changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """The median of three networks: where rounding turns the sign of a ReLU, the two part for good."""
    recipe = replace(RECIPE, **changes)
    for module in ("steps", "steps_cuda"):
        monkeypatch.setattr(f"deep_check.training.{module}.EPSILON", 1e-3)
    found = [_differences(recipe, random_state(EIGHT, seed), device) for seed in range(3)]
    for name in found[0]:
        assert_close(name, np.median([each[name] for each in found]), 0.0, "steps_cuda", scale=1.0)


def _differences(recipe: Recipe, state: dict[str, NDArray[Any]], device: Device) -> dict[str, float]:
    """Relative differences in norm between both devices after two steps: of losses, and of all that a step changes."""
    here, there, plain = Steps(recipe, state), CudaSteps(recipe, state, device), None
    assert here.facts == there.facts
    losses = []
    for step, rate in enumerate(RATES[:2]):
        images, labels, start = batch(step)
        given = images, labels, rate, start if recipe.adversary != "none" else None
        losses.append((there.step(*given), here.step(*given)))
    if recipe.adversary != "none":
        plain = Steps(replace(recipe, adversary="none"), state)
        for step, rate in enumerate(RATES[:2]):
            plain.step(*batch(step)[:2], rate, None)
    moved = flat(here.state()) - flat(state)
    others = {"no step": np.zeros_like(moved)}
    if plain is not None:
        others["no adversary"] = flat(plain.state()) - flat(state)
    for name, other in others.items():
        assert_differs(name, _relative(other, moved), 0.0, "steps_cuda", scale=1.0)
    theirs, ours = there.arrays(), here.arrays()
    assert theirs.keys() == ours.keys()
    assert theirs["n_steps"] == ours["n_steps"] == 2
    rest = [name for name in ours if "running" in name or "moment" in name]
    return {
        "losses": max(abs(a[0] - b[0]) / b[0] for a, b in losses),
        "right answers": max(abs(a[1] - b[1]) for a, b in losses),
        "parameters": _relative(flat(there.state()) - flat(state), moved),
        **{name: _relative(theirs[name], ours[name]) for name in rest},
    }


def _relative(actual: NDArray[Any], expected: NDArray[Any]) -> float:
    return float(np.linalg.norm(actual.astype(float) - expected) / np.linalg.norm(expected.astype(float)))


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_goes_on_to_the_same_bits(device: Device, optimizer: str) -> None:
    recipe = replace(RECIPE, optimizer=optimizer)
    whole, first = CudaSteps(recipe, STATE, device), CudaSteps(recipe, STATE, device)
    for step, rate in enumerate(RATES):
        whole.step(*batch(step)[:2], rate, None)
    first.step(*batch(0)[:2], RATES[0], None)
    rest = CudaSteps(recipe, device=device)
    rest.restore(first.arrays())
    for step, rate in list(enumerate(RATES))[1:]:
        rest.step(*batch(step)[:2], rate, None)
    assert rest.n_steps == whole.n_steps == 3
    for name, array in whole.arrays().items():
        assert_close(name, rest.arrays()[name], array, "exact")
    with pytest.raises(InputError, match="it is of another run"):
        CudaSteps(replace(recipe, depth=14), device=device).restore(first.arrays())


def test_the_network_of_now_is_attacked(device: Device) -> None:
    """As observations during training do."""
    here, there = Steps(RECIPE, STATE), CudaSteps(RECIPE, STATE, device)
    for steps in (here, there):
        steps.step(*batch(0)[:2], 0.002, None)
    images, labels = images_and_labels(2, EIGHT)
    attack = Attack(norm="l2", radius=0.5, step_size=0.2, steps=2, start="zero")
    expected, found = (run_attack(steps.evaluated(), images, labels, attack) for steps in (here, there))
    assert_close("images", found.images, expected.images, "steps_cuda")
    assert_close("losses", found.losses, expected.losses, "steps_cuda")
    before = run_attack(Steps(RECIPE, STATE).evaluated(), images, labels, attack)
    assert_differs("weights of before", before.losses, expected.losses, "steps_cuda")


def test_a_run_goes_on_where_it_was_on_its_own_device(
    device: Device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A whole run of `train`, interrupted after its first step."""
    monkeypatch.setattr("deep_check.training.steps_cuda.cuda_device", lambda: device)
    rng = np.random.default_rng(0)
    data = Cifar10(rng.integers(0, 256, (4, 3, 32, 32), np.uint8), np.array([1, 2, 1, 2], np.uint8))
    recipe = replace(RECIPE, epochs=1, adversary="linf", radius=0.02)

    whole, parts = tmp_path / "whole", tmp_path / "parts"
    row = train(recipe, data, data, whole, device="cuda")
    with monkeypatch.context() as patch:
        patch.setattr("deep_check.training.trainer.EVERY_S", 0.0)
        patch.setattr(trainer, "_interruptible", lambda: nullcontext(lambda: True))
        with pytest.raises(KeyboardInterrupt):
            train(recipe, data, data, parts, device="cuda")
    with pytest.raises(InputError, match="device: 'cuda' there, 'cpu' asked for"):
        train(recipe, data, data, parts)
    again = train(recipe, data, data, parts, device="cuda")
    assert (again["step"], again["training_loss"]) == (row["step"], row["training_loss"]) == (2, row["training_loss"])
    first, second = (load_weights(folder / trainer.WEIGHTS) for folder in (whole, parts))
    assert first.facts["device"] == "cuda"
    for name, array in first.state.items():
        assert_close(name, second.state[name], array, "exact")
    with pytest.raises(InputError, match="two-layer network: allowed is cpu"):
        trainer.steps_of(replace(recipe, network="two-layer"), "cuda")
