"""What the self-test compares: each operation at ResNet-32's sizes and at an odd one, and whole small networks.

Numbers are drawn from fixed seeds. A tolerance is relative to the largest expected number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from deep_check.architecture import EPSILON, MOMENTUM, Architecture
from deep_check.ops import (
    attack_step_reference,
    augment_reference,
    batch_norm_reference,
    conv2d_reference,
    linear_reference,
    loss_reference,
    optimizer_reference,
    pool_reference,
    relu_reference,
    shortcut_reference,
    spectral_mask_reference,
)
from deep_check.reference_network import ReferenceNetwork

Array = NDArray[Any]
Shape = tuple[int, ...]
TOLERANCES = {
    "exact": 0.0,
    "elementwise": 5e-7,  # a few float32 roundings
    "sums": 5e-6,  # float32 sums of up to some thousand terms
    "winograd": 1e-5,  # float32 through F(4x4, 3x3), whose transforms multiply by up to 8 and cancel
    "tf32": 8e-4,  # factors of 11 significant bits
    "bf16": 6e-3,  # factors of 8 significant bits
    "network": 2e-5,  # float32 through ten layers
}
ODD = (5, 7, 11, 13)  # channels in and out, height, width of no tile
RESNET_32 = Architecture(32)
NETWORKS = (Architecture(8), Architecture(14, n_classes=3, in_channels=2, size=12))


class Pair(NamedTuple):
    """What a device found, and float64; scale: of the error, the largest expected number if 0."""

    found: Any
    expected: Any
    scale: float = 0.0


@dataclass(frozen=True)
class Case:
    """One row of the self-test; run: the device's operations -> pairs to be compared."""

    op: str
    shape: str
    tolerance: float
    run: Callable[[Any], list[Pair]]


def cases_of(operations: Any) -> list[Case]:
    """All cases of a device, cheap to make: nothing is drawn or computed yet."""
    n = operations.N_IMAGES
    return [
        *_convolutions(operations, n),
        *_layers(operations, n),
        *_head(n),
        *_optimizers(),
        *_attack_steps(operations, n),
        *_networks(n),
        *(
            [_case("running statistics", "64", "elementwise", _running_statistics)]
            if hasattr(operations, "running_statistics")
            else []
        ),
    ]


def draw(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    """Normal numbers."""
    return np.random.default_rng([seed, *shape]).standard_normal(shape, dtype=np.float32)


def _case(op: str, shape: Shape | str, tolerance: str, run: Callable[[Any], list[Pair]]) -> Case:
    words = shape if isinstance(shape, str) else "x".join(map(str, shape))
    return Case(op, words, TOLERANCES[tolerance], run)


def _convolutions(operations: Any, n: int) -> Iterator[Case]:
    sizes = {
        (c.in_channels, c.out_channels, c.size, c.size, c.stride): None for c in RESNET_32.convolutions
    }  # in forward order
    for word, *functions in operations.CONVOLUTIONS:
        for size in [*sizes, (*ODD, 1), (*ODD, 2)]:
            yield from _convolution(n, size, word, *functions)


def _convolution(
    n: int, sizes: Shape, word: str, tolerance: str, forward: Any, input_gradient: Any, weight_gradient: Any
) -> Iterator[Case]:
    in_channels, out_channels, height, width, stride = sizes
    x_shape = (n, in_channels, height, width)
    w_shape = (out_channels, in_channels, 3, 3)
    y_shape = (n, out_channels, -(-height // stride), -(-width // stride))
    words = f"{n}x{in_channels}x{height}x{width} -> {out_channels}, stride {stride}"
    named = f" ({word})"

    def run_forward(_: Any) -> list[Pair]:
        x, w = draw(*x_shape), draw(*w_shape)
        return [Pair(forward(x, w, stride), conv2d_reference.conv2d(x, w, stride))]

    def run_input_gradient(_: Any) -> list[Pair]:
        d_y, w, size = draw(*y_shape), draw(*w_shape), (height, width)
        expected = conv2d_reference.conv2d_input_gradient(d_y, w, size, stride)
        return [Pair(input_gradient(d_y, w, size, stride), expected)]

    def run_weight_gradient(_: Any) -> list[Pair]:
        x, d_y = draw(*x_shape), draw(*y_shape)
        return [Pair(weight_gradient(x, d_y, stride), conv2d_reference.conv2d_weight_gradient(x, d_y, stride))]

    yield _case(f"conv2d{named}", words, tolerance, run_forward)
    yield _case(f"conv2d input gradient{named}", words, tolerance, run_input_gradient)
    if weight_gradient is not None:
        yield _case(f"conv2d weight gradient{named}", words, tolerance, run_weight_gradient)


def _layers(operations: Any, n: int) -> Iterator[Case]:
    for shape in ((n, 16, 32, 32), (n, 64, 8, 8), (n, *ODD[1:])):
        channels = shape[1]

        def given(shape: Shape = shape, channels: int = channels) -> tuple[Array, ...]:
            x, d_y = draw(*shape) + np.float32(1), draw(*shape, seed=1)
            return x, d_y, 1 + draw(channels) / 4, draw(channels, seed=1)

        def training(ops: Any, given: Any = given) -> list[Pair]:
            x, _, scale, shift = given()
            expected = batch_norm_reference.batch_norm_training(x, scale, shift, EPSILON)
            return list(map(Pair, ops.batch_norm_training(x, scale, shift, EPSILON), expected))

        def evaluation(ops: Any, given: Any = given, channels: int = channels) -> list[Pair]:
            x, _, scale, shift = given()
            arguments = x, scale, shift, draw(channels, seed=2), 1 + draw(channels, seed=3) ** 2, EPSILON
            return [Pair(ops.batch_norm_evaluation(*arguments), batch_norm_reference.batch_norm_evaluation(*arguments))]

        def gradient(ops: Any, given: Any = given) -> list[Pair]:
            x, d_y, scale, _ = given()
            arguments = d_y, x, scale, x.mean((0, 2, 3), dtype=float), x.var((0, 2, 3), dtype=float), EPSILON
            expected = batch_norm_reference.batch_norm_gradient(*arguments)
            size = float(np.sqrt(x[:, 0].size))  # of sums of random signs
            found = ops.batch_norm_gradient(*arguments)
            return [
                Pair(a, e, max(size * i, float(np.abs(e).max())))
                for i, a, e in zip((0, 1, 1), found, expected, strict=True)
            ]

        yield _case("batch norm, training", shape, "sums", training)
        yield _case("batch norm, evaluation", shape, "elementwise", evaluation)
        yield _case("batch norm gradient", shape, "sums", gradient)
        yield _case("shortcut and its gradient", shape, "exact", _shortcut(shape))
        yield _case("global average pool and its gradient", shape, "sums", _pool(shape))
        if hasattr(operations, "relu"):
            yield _case("ReLU and its gradient", shape, "exact", _relu(shape))


def _shortcut(shape: Shape) -> Callable[[Any], list[Pair]]:
    def run(ops: Any) -> list[Pair]:
        x, size = draw(*shape), (shape[2], shape[3])
        expected = shortcut_reference.shortcut(x)
        d_y = draw(*expected.shape)
        back = shortcut_reference.shortcut_gradient(d_y, size)
        return [Pair(ops.shortcut(x), expected), Pair(ops.shortcut_gradient(d_y, size), back)]

    return run


def _pool(shape: Shape) -> Callable[[Any], list[Pair]]:
    def run(ops: Any) -> list[Pair]:
        x, d_y, size = draw(*shape) + np.float32(1), draw(*shape[:2]), (shape[2], shape[3])
        back = pool_reference.global_average_pool_gradient(d_y, size)
        return [
            Pair(ops.global_average_pool(x), pool_reference.global_average_pool(x)),
            Pair(ops.global_average_pool_gradient(d_y, size), back),
        ]

    return run


def _relu(shape: Shape) -> Callable[[Any], list[Pair]]:
    def run(ops: Any) -> list[Pair]:
        x, d_y = draw(*shape), draw(*shape, seed=1)
        back = relu_reference.relu_gradient(d_y, x)
        return [Pair(ops.relu(x), relu_reference.relu(x)), Pair(ops.relu_gradient(d_y, x), back)]

    return run


def _head(n: int) -> Iterator[Case]:
    for channels, outputs in ((64, 10), (31, 7)):

        def linear(ops: Any, channels: int = channels, outputs: int = outputs) -> list[Pair]:
            x, weight, bias, d_y = draw(n, channels), draw(outputs, channels), draw(outputs), draw(n, outputs, seed=1)
            expected = linear_reference.linear_gradient(d_y, x, weight)
            return [
                Pair(ops.linear(x, weight, bias), linear_reference.linear(x, weight, bias)),
                *map(Pair, ops.linear_gradient(d_y, x, weight), expected),
            ]

        yield _case("linear and its gradients", f"{n}x{channels} -> {outputs}", "sums", linear)
    for kind in loss_reference.LOSSES:

        def loss(ops: Any, kind: str = kind) -> list[Pair]:
            logits, labels = 4 * draw(n, 10), np.arange(n) % 10
            return list(map(Pair, ops.loss(logits, labels, kind), loss_reference.loss(logits, labels, kind)))

        yield _case(f"loss {kind} and its gradient", (n, 10), "elementwise", loss)


def _optimizers() -> Iterator[Case]:
    settings = {
        "Adam": lambda ops, p, g, a, b, step: ops.adam_step(p, g, a, b, step, 0.01, 0.9, 0.999, 1e-8, 0.01),
        "SGD with momentum": lambda ops, p, g, a, b, step: ops.sgd_step(p, g, a, 0.05, 0.9, 0.01, False),
        "SGD with Nesterov's momentum": lambda ops, p, g, a, b, step: ops.sgd_step(p, g, a, 0.05, 0.9, 0.01, True),
    }
    for name, step_of in settings.items():
        for size in (2051, 100_000):

            def run(ops: Any, size: int = size, step_of: Callable[..., None] = step_of) -> list[Pair]:
                single = [draw(size), *np.zeros((2, size), np.float32)]
                double = [values.astype(float) for values in single]
                for step in range(1, 6):
                    gradient = draw(size, seed=step)
                    step_of(ops, single[0], gradient, *single[1:], step)
                    step_of(optimizer_reference, double[0], gradient, *double[1:], step)
                return list(map(Pair, single, double))

            yield _case(name, f"{size}, five steps", "sums", run)


def _attack_steps(operations: Any, n: int) -> Iterator[Case]:
    ours = attack_step_reference
    steps: dict[str, Callable[..., Array]] = {
        "sign step": lambda ops, x, origin, g: ops.sign_step(x, g, 4 / 255),
        "l2 step": lambda ops, x, origin, g: ops.l2_step(x, g, 0.5),
        "projection to an l∞ ball": lambda ops, x, origin, g: ops.project_linf(x, origin, 8 / 255),
        "projection to an l2 ball": lambda ops, x, origin, g: ops.project_l2(x, origin, 0.5),
        "clipping to [0, 1]": lambda ops, x, origin, g: ops.clip_box(x),
        "gradient of clipping": lambda ops, x, origin, g: ops.clip_box_gradient(g, x),
        "PGD step, l∞": lambda ops, x, origin, g: ops.pgd_linf_step(x.copy(), origin, g, 4 / 255, 8 / 255),
        "PGD step, l2": lambda ops, x, origin, g: ops.pgd_l2_step(x.copy(), origin, g, 0.5, 0.5),
    }
    shapes = (n, 3, 32, 32), (n, 1, 5, 7)

    def of(shape: Shape) -> tuple[Array, Array, Array]:
        origin = np.random.default_rng(shape).uniform(size=shape).astype(np.float32)
        return origin + draw(*shape) / 10, origin, draw(*shape, seed=1)

    for shape in shapes:
        for name, step in steps.items():

            def run(ops: Any, step: Callable[..., Array] = step, shape: Shape = shape) -> list[Pair]:
                given = of(shape)
                return [Pair(step(ops, *given), step(ours, *given))]

            yield _case(name, shape, "elementwise", run)

        def augment(ops: Any, shape: Shape = shape) -> list[Pair]:
            rng = np.random.default_rng(shape)
            arguments = of(shape)[0], rng.integers(0, 9, (shape[0], 2)), rng.random(shape[0]) < 0.5
            return [Pair(ops.augment(*arguments), augment_reference.augment(*arguments))]

        yield _case("crop and flip", shape, "exact", augment)
        for mask, cutoff in (("disc", 2.2), ("square", 2.0)):

            def filtered(ops: Any, shape: Shape = shape, mask: str = mask, cutoff: float = cutoff) -> list[Pair]:
                images = of(shape)[1]
                return [
                    Pair(ops.low_pass(images, cutoff, mask), spectral_mask_reference.low_pass(images, cutoff, mask))
                ]

            yield _case(f"low-pass filter, {mask}", shape, "sums", filtered)


def _networks(n: int) -> Iterator[Case]:
    for architecture in NETWORKS:
        channels, size = architecture.in_channels, architecture.size
        words = f"ResNet-{architecture.depth}, {n}x{channels}x{size}x{size}"

        def given(architecture: Architecture = architecture) -> tuple[Any, ...]:
            rng = np.random.default_rng(architecture.size)
            channels, size = architecture.in_channels, architecture.size
            images = rng.uniform(size=(n, channels, size, size)).astype(np.float32)
            labels = rng.integers(0, architecture.n_classes, n)
            constants = np.full(channels, 0.45), np.full(channels, 0.25)
            return architecture, _state(architecture, rng), *constants, images, labels

        def attack(ops: Any, given: Any = given) -> list[Pair]:
            *network, images, labels = given()
            losses, gradient, logits = ReferenceNetwork(*network).input_gradient(images, labels, "margin")
            found = ops.attack_network(*network).input_gradient(images, labels, "margin")
            scale = float(np.abs(logits).max())
            error = np.linalg.norm((found[1] - gradient).reshape(n, -1), axis=1)
            # Where float32 rounds a ReLU's input to the other side of 0, that image's gradient jumps: the typical one.
            typical = np.median(error / np.linalg.norm(gradient.reshape(n, -1), axis=1))
            return [Pair(found[2], logits), Pair(found[0], losses, scale), Pair(typical, 0.0)]

        def training(ops: Any, given: Any = given) -> list[Pair]:
            *network, images, labels = given()
            reference, own = ReferenceNetwork(*network), ops.training_network(*network)
            loss, gradients, logits = reference.loss_and_gradients(images, labels, "mse", update_statistics=True)
            found_loss, found, found_logits = own.loss_and_gradients(images, labels, "mse", update_statistics=True)
            pairs = [Pair(found_loss, loss), Pair(found_logits, logits)]
            pairs += [Pair(found[name], gradient) for name, gradient in gradients.items()]
            state = own.state()
            return pairs + [Pair(state[name], values) for name, values in reference.state.items()]

        yield _case("attack network", words, "network", attack)
        yield _case("training network", words, "network", training)


def _running_statistics(ops: Any) -> list[Pair]:
    mean, variance = draw(64), draw(64, seed=1) ** 2
    arguments = 0 * mean, 1 + 0 * variance, mean, variance, 100, MOMENTUM
    return list(map(Pair, ops.running_statistics(*arguments), batch_norm_reference.running_statistics(*arguments)))


def _state(architecture: Architecture, rng: np.random.Generator) -> dict[str, NDArray[np.float32]]:
    """Weights that keep the size of activations, batch norms unlike the identity."""
    state = {}
    for name, shape in architecture.state_shapes.items():
        if len(shape) > 1:
            values = rng.normal(size=shape) * np.sqrt(2 / np.prod(shape[1:]))
        elif name.endswith(("running_var", "weight")):
            values = rng.uniform(0.5, 1.5, shape)
        else:
            values = rng.uniform(-0.3, 0.3, shape)
        state[name] = values.astype(np.float32)
    return state
