"""The operations of a ResNet-32 at its shapes: their inputs, their exact results, and what they cost at the least."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from deep_check.architecture import EPSILON, STAGES, Architecture
from deep_check.ops import attack_step_reference as steps
from deep_check.ops.augment_reference import augment
from deep_check.ops.batch_norm_reference import batch_norm_gradient, batch_norm_training
from deep_check.ops.conv2d_reference import conv2d, conv2d_input_gradient, conv2d_weight_gradient
from deep_check.ops.linear_reference import linear
from deep_check.ops.loss_reference import LOSSES, loss
from deep_check.ops.optimizer_reference import adam_step
from deep_check.ops.pool_reference import global_average_pool, global_average_pool_gradient
from deep_check.ops.shortcut_reference import shortcut, shortcut_gradient
from deep_check.ops.spectral_mask_reference import low_pass

Problem = dict[str, NDArray[Any]]
Shape = tuple[int, ...]
CONVOLUTION_ASKED = 1.2  # times the speed of PyTorch's best layout, forward and input gradient
LAYOUTS = ("nchw", "channels_last")
STEP, RADIUS = 2 / 255, 8 / 255  # of an attack in the maximum norm
L2_STEP, L2_RADIUS = 0.1, 0.5
CUTOFF = 8.0  # of the low-pass filter


class Rates(NamedTuple):
    """Of Adam."""

    learning_rate: float
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    weight_decay: float = 5e-4


ADAM = Rates(0.05)  # parameters move by more than float32 rounds them


@dataclass(frozen=True)
class Sizes:
    """Images of an operation; depth and image size of the network; batches of the attack and of a training step.

    turn_s: what a turn should take at the least: shorter calls are repeated within it.
    """

    n: int = 128
    depth: int = 32
    size: int = 32
    attacks: tuple[int, ...] = (96, 100, 250, 1000)
    attacks_alone: tuple[int, ...] = (4000,)  # without peers: does memory grow?
    trainings: tuple[int, ...] = (32, 128, 512)
    turn_s: float = 0.03

    @property
    def architecture(self) -> Architecture:
        """The network."""
        return Architecture(depth=self.depth, size=self.size)


QUICK = Sizes(n=19, depth=8, size=8, attacks=(21,), attacks_alone=(), trainings=(19,), turn_s=0.0)


@dataclass(frozen=True)
class Operation:
    """One operation at one shape.

    kind: the name that both sides know it by; shapes: of the float32 arrays of N(0, 1) that it is given; constants:
    what else; exact: float64 result. operations: of the sum as it is defined (a multiplication and an addition are
    two), None where other arithmetic counts more; bytes: every array read or written once. layouts: PyTorch's, the
    fastest counts. bound: of max|error| / max in each array.
    """

    name: str
    kind: str
    shapes: Mapping[str, Shape]
    exact: Callable[[Problem], dict[str, NDArray]]
    operations: float | None
    bytes: float
    bound: float
    constants: Problem = field(default_factory=dict)
    layouts: tuple[str, ...] = LAYOUTS
    asked: float | None = None

    def problem(self) -> Problem:
        """The inputs, the same at every call."""
        rng = np.random.default_rng(0)
        arrays = {name: rng.standard_normal(shape, np.float32) for name, shape in self.shapes.items()}
        return {**arrays, **self.constants}

    def calls(self, turn_s: float) -> int:
        """How many in a turn of so many seconds, by a guess at their time on a machine of two cores."""
        guess = max((self.operations or 0) / 150e9, self.bytes / 20e9, 30e-6)
        return max(1, round(turn_s / guess))


def operations(sizes: Sizes) -> Iterator[Operation]:
    """All of them."""
    yield from _convolutions(sizes)
    yield from _batch_norms(sizes)
    yield from _shortcuts(sizes)
    yield from _heads(sizes)
    yield from _losses(sizes)
    yield _adam(sizes)
    yield from _image_steps(sizes)


def _floats(*shapes: Shape) -> float:
    return 4.0 * sum(prod(shape) for shape in shapes)


def _convolutions(sizes: Sizes) -> Iterator[Operation]:
    """Every kind of 3x3 convolution in the network."""
    n, side, channels = sizes.n, sizes.size, sizes.architecture.in_channels
    first, second, third = STAGES
    places = [
        ("stem", channels, first, side, 1),
        ("stage 1", first, first, side, 1),
        ("into stage 2", first, second, side, 2),
        ("stage 2", second, second, side // 2, 1),
        ("into stage 3", second, third, side // 2, 2),
        ("stage 3", third, third, side // 4, 1),
    ]
    for place, c_in, c_out, size, stride in places:
        out = -(-size // stride)
        x, y, weights = (n, c_in, size, size), (n, c_out, out, out), (c_out, c_in, 3, 3)
        what = f"{place}, {c_in}→{c_out}, {size}²" + (", stride 2" if stride == 2 else "")
        common: dict[str, Any] = {
            "operations": 2.0 * 9 * c_in * prod(y),
            "bytes": _floats(x, y, weights),
            "constants": {"stride": np.array(stride), "size": np.array((size, size))},
        }
        forward = {"images": x, "weights": weights}
        yield Operation(f"conv {what}", "conv2d", forward, _conv2d, bound=2e-5, asked=CONVOLUTION_ASKED, **common)
        given = {"d_output": y, "weights": weights}
        name = f"conv input gradient {what}"
        yield Operation(
            name, "conv2d_input_gradient", given, _input_gradient, bound=2e-5, asked=CONVOLUTION_ASKED, **common
        )
        given = {"images": x, "d_output": y}
        name = f"conv weight gradient {what}"
        yield Operation(name, "conv2d_weight_gradient", given, _weight_gradient, bound=2e-5, **common)


def _conv2d(problem: Problem) -> dict[str, NDArray]:
    return {"output": conv2d(problem["images"], problem["weights"], int(problem["stride"]))}


def _input_gradient(problem: Problem) -> dict[str, NDArray]:
    height, width = map(int, problem["size"])
    stride = int(problem["stride"])
    return {"d_images": conv2d_input_gradient(problem["d_output"], problem["weights"], (height, width), stride)}


def _weight_gradient(problem: Problem) -> dict[str, NDArray]:
    return {"d_weights": conv2d_weight_gradient(problem["images"], problem["d_output"], int(problem["stride"]))}


def _batch_norms(sizes: Sizes) -> Iterator[Operation]:
    for i, c in enumerate(STAGES):
        side = sizes.size >> i
        x = (sizes.n, c, side, side)
        given = {"x": x, "scale": (c,), "shift": (c,)}
        name = f"stage {i + 1}, {c}, {side}²"
        yield Operation(
            f"batch norm {name}", "batch_norm", given, _batch_norm, 7.0 * prod(x), _floats(x, x), bound=2e-5
        )
        given = {"x": x, "d_y": x, "scale": (c,)}
        name, counts = f"batch norm gradient {name}", (10.0 * prod(x), _floats(x, x, x))
        yield Operation(name, "batch_norm_gradient", given, _batch_norm_gradient, *counts, bound=2e-5)


def _batch_norm(problem: Problem) -> dict[str, NDArray]:
    y, mean, variance = batch_norm_training(problem["x"], problem["scale"], problem["shift"], EPSILON)
    return {"y": y, "mean": mean, "variance": variance}


def _batch_norm_gradient(problem: Problem) -> dict[str, NDArray]:
    x = problem["x"].astype(float)
    statistics = x.mean((0, 2, 3)), x.var((0, 2, 3))
    d_x, d_scale, d_shift = batch_norm_gradient(problem["d_y"], x, problem["scale"], *statistics, EPSILON)
    return {"d_x": d_x, "d_scale": d_scale, "d_shift": d_shift}


def _shortcuts(sizes: Sizes) -> Iterator[Operation]:
    for i, c in enumerate(STAGES[:-1]):
        side = sizes.size >> i
        x, y = (sizes.n, c, side, side), (sizes.n, 2 * c, side // 2, side // 2)
        name = f"into stage {i + 2}, {c}→{2 * c}, {side}²"
        taken = _floats(y) / 2  # what of x goes anywhere
        yield Operation(
            f"shortcut {name}", "shortcut", {"x": x}, lambda p: {"y": shortcut(p["x"])}, None, taken + _floats(y), 0.0
        )
        yield Operation(
            f"shortcut gradient {name}", "shortcut_gradient", {"d_y": y},
            lambda p: {"d_x": shortcut_gradient(p["d_y"], (2 * p["d_y"].shape[2], 2 * p["d_y"].shape[3]))},
            None, taken + _floats(x), 0.0,
        )  # fmt: skip


def _heads(sizes: Sizes) -> Iterator[Operation]:
    c, side, k = STAGES[-1], sizes.size >> 2, sizes.architecture.n_classes
    x, logits, weight = (sizes.n, c, side, side), (sizes.n, k), (k, c)
    count = float(prod(x) + 2 * sizes.n * k * c)
    yield Operation(
        f"pool and linear, {c}, {side}²", "head", {"x": x, "weight": weight, "bias": (k,)},
        lambda p: {"logits": linear(global_average_pool(p["x"]), p["weight"], p["bias"])},
        count, _floats(x, logits, weight), 1e-5,
    )  # fmt: skip
    yield Operation(
        f"pool and linear input gradient, {c}, {side}²", "head_gradient", {"d_logits": logits, "weight": weight},
        lambda p: {"d_x": global_average_pool_gradient(p["d_logits"].astype(float) @ p["weight"], (side, side))},
        count, _floats(x, logits, weight), 1e-5, {"side": np.array(side)},
    )  # fmt: skip


def _losses(sizes: Sizes) -> Iterator[Operation]:
    logits = (sizes.n, sizes.architecture.n_classes)
    labels = np.random.default_rng(1).integers(0, logits[1], sizes.n)
    for kind in LOSSES:
        yield Operation(
            f"loss {kind} with gradient", "loss", {"logits": logits}, _loss, None, 2 * _floats(logits), 1e-5,
            {"labels": labels, "kind": np.array(kind)}, layouts=("nchw",),
        )  # fmt: skip


def _loss(problem: Problem) -> dict[str, NDArray]:
    losses, d_logits = loss(problem["logits"], problem["labels"], str(problem["kind"]))
    return {"losses": losses, "d_logits": d_logits}


def _adam(sizes: Sizes) -> Operation:
    size = (sum(prod(shape) for shape in sizes.architecture.parameter_shapes.values()),)
    given = {"parameters": size, "gradients": size, "first_moment": size}
    second = np.random.default_rng(1).uniform(0.5, 1.5, size).astype(np.float32)
    constants = {"second_moment": second, "step": np.array(3)}
    return Operation("Adam", "adam", given, _adam_step, 13.0 * size[0], 7 * _floats(size), 1e-5, constants, ("nchw",))


def _adam_step(problem: Problem) -> dict[str, NDArray]:
    names = ("parameters", "gradients", "first_moment", "second_moment")
    arrays = {name: problem[name].astype(float) for name in names}
    parameters, gradients, first, second = arrays.values()
    adam_step(parameters, gradients, first, second, int(problem["step"]), *ADAM)
    return {"moved": parameters - problem["parameters"], "first_moment": first, "second_moment": second}


def _image_steps(sizes: Sizes) -> Iterator[Operation]:
    """What is done to images themselves."""
    n, channels, side = sizes.n, sizes.architecture.in_channels, sizes.size
    images = (n, channels, side, side)
    values = float(prod(images))
    rng = np.random.default_rng(1)
    origin = rng.uniform(0, 1, images).astype(np.float32)
    x = (origin + rng.uniform(-RADIUS, RADIUS, images)).clip(0, 1).astype(np.float32)
    far = (origin + 0.1 * rng.standard_normal(images)).astype(np.float32)
    crops = {"offsets": rng.integers(0, 9, (n, 2)), "flips": rng.integers(0, 2, n).astype(bool)}
    step = partial(Operation, bound=1e-6, layouts=("nchw",))
    yield step(
        "augmentation", "augment", {}, lambda p: {"out": augment(p["images"], p["offsets"], p["flips"])},
        None, _floats(images, images), constants={"images": origin, **crops},
    )  # fmt: skip
    yield step(
        "sign step, ℓ∞ projection, clipping", "pgd_linf_step", {"gradient": images},
        lambda p: {"x": steps.pgd_linf_step(p["x"].astype(float), p["origin"], p["gradient"], STEP, RADIUS)},
        6 * values, 4 * _floats(images), constants={"x": x, "origin": origin},
    )  # fmt: skip
    yield step(
        "ℓ₂ step", "l2_step", {"gradient": images},
        lambda p: {"out": steps.l2_step(p["x"], p["gradient"], L2_STEP)},
        4 * values, 3 * _floats(images), constants={"x": x},
    )  # fmt: skip
    yield step(
        "ℓ₂ projection", "project_l2", {}, lambda p: {"out": steps.project_l2(p["x"], p["origin"], L2_RADIUS)},
        6 * values, 3 * _floats(images), constants={"x": far, "origin": origin},
    )  # fmt: skip
    yield step(
        f"low-pass filter, cut-off {CUTOFF:g}", "low_pass", {}, lambda p: {"out": low_pass(p["images"], CUTOFF)},
        5 * values * np.log2(side * side), 2 * _floats(images), constants={"images": origin},
    )  # fmt: skip
