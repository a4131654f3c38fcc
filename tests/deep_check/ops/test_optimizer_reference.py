"""Reference optimizers: Adam against its paper's algorithm, SGD against PyTorch's documented one, number by number."""

from __future__ import annotations

import math

import numpy as np
import pytest

from deep_check.ops.optimizer_reference import adam_step, sgd_step
from tests.helpers import assert_close, assert_differs

N, STEPS = 7, 6


def gradients(parameters: np.ndarray, t: int) -> np.ndarray:
    """Of a made-up loss that changes from step to step."""
    return np.sin(3 * parameters + t) + 0.1 * parameters


def papers_adam(theta: float, decay: float, bias_correction: bool = True) -> float:
    """Kingma & Ba 2015, Algorithm 1, for one number, line by line."""
    alpha, beta1, beta2, epsilon = 0.02, 0.9, 0.99, 1e-8
    m, v, t = 0.0, 0.0, 0
    while t < STEPS:
        t = t + 1
        g = math.sin(3 * theta + t) + 0.1 * theta + decay * theta
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        m_hat = m / (1 - beta1**t) if bias_correction else m
        v_hat = v / (1 - beta2**t) if bias_correction else v
        theta = theta - alpha * m_hat / (math.sqrt(v_hat) + epsilon)
    return theta


@pytest.mark.parametrize("decay", [0.0, 0.3])
def test_adam_is_the_papers(decay: float) -> None:
    start = np.linspace(-1, 1, N)
    parameters, first, second = start.copy(), np.zeros(N), np.zeros(N)
    for step in range(1, STEPS + 1):
        adam_step(parameters, gradients(parameters, step), first, second, step, 0.02, 0.9, 0.99, 1e-8, decay)
    assert_close("adam", parameters, [papers_adam(theta, decay) for theta in start], "reference")
    assert_differs("moved", parameters, start, "reference")
    uncorrected = [papers_adam(theta, decay, bias_correction=False) for theta in start]
    assert_differs("no bias correction", parameters, uncorrected, "reference")


def pytorchs_sgd(theta: float, momentum: float, decay: float, nesterov: bool) -> float:
    """The algorithm box of torch.optim.SGD, dampening 0, for one number."""
    learning_rate, b = 0.02, 0.0
    for t in range(1, STEPS + 1):
        g = math.sin(3 * theta + t) + 0.1 * theta
        g = g + decay * theta
        if momentum != 0:
            b = momentum * b + g if t > 1 else g
            g = g + momentum * b if nesterov else b
        theta = theta - learning_rate * g
    return theta


@pytest.mark.parametrize(("momentum", "nesterov"), [(0.0, False), (0.9, False), (0.9, True)])
@pytest.mark.parametrize("decay", [0.0, 0.3])
def test_sgd_is_pytorchs(momentum: float, nesterov: bool, decay: float) -> None:
    start = np.linspace(-1, 1, N)
    parameters, velocity = start.copy(), np.zeros(N)
    for step in range(1, STEPS + 1):
        sgd_step(parameters, gradients(parameters, step), velocity, 0.02, momentum, decay, nesterov)
    expected = [pytorchs_sgd(theta, momentum, decay, nesterov) for theta in start]
    assert_close("sgd", parameters, expected, "reference")
    assert_differs("moved", parameters, start, "reference")
    if momentum:
        other = [pytorchs_sgd(theta, momentum, decay, not nesterov) for theta in start]
        assert_differs("the other momentum", parameters, other, "reference")
