"""Losses of logits and their gradients, one example at a time; see `loss_reference`.

Computed in float64 and rounded once: ten logits an image cost nothing beside the network.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from deep_check.ops.lanes import kernel
from deep_check.ops.loss_reference import LOSSES
from theory_sim.errors import InputError

__all__ = ["LOSSES", "loss"]

Array = NDArray[np.float32]
CROSS_ENTROPY, MSE, MARGIN_MSE, MARGIN = range(4)  # places in LOSSES


def loss(logits: Array, labels: NDArray, kind: str) -> tuple[Array, Array]:
    """Losses (n,) and d_logits (n, k) of logits (n, k), float32. Raises InputError on another kind.

    labels: (n,) integers in 0 ... k - 1, not checked.
    """
    if kind not in LOSSES:
        raise InputError(f"loss {kind!r}: allowed are {', '.join(LOSSES)}")
    z = np.ascontiguousarray(logits, np.float32)
    losses, d_logits = np.empty(len(z), np.float32), np.empty(z.shape, np.float32)
    _loss(z, np.ascontiguousarray(labels, np.int64), LOSSES.index(kind), losses, d_logits)
    return losses, d_logits


@kernel
def _loss(logits: Array, labels: NDArray, kind: int, losses: Array, d_logits: Array) -> None:
    for n in range(logits.shape[0]):
        z, d, label = logits[n], d_logits[n], labels[n]
        if kind == CROSS_ENTROPY:
            losses[n] = _cross_entropy(z, label, d)
        elif kind == MSE:
            losses[n] = _mse(z, label, d)
        else:
            losses[n] = _margin(z, label, kind == MARGIN_MSE, d)


@kernel
def _cross_entropy(z: Array, label: int, d: Array) -> float:
    largest = np.float64(z[0])
    for c in range(1, z.size):
        if z[c] > largest:
            largest = np.float64(z[c])
    total = 0.0
    for c in range(z.size):
        total += math.exp(np.float64(z[c]) - largest)
    for c in range(z.size):
        d[c] = math.exp(np.float64(z[c]) - largest) / total - (1.0 if c == label else 0.0)
    return math.log(total) - (np.float64(z[label]) - largest)


@kernel
def _mse(z: Array, label: int, d: Array) -> float:
    total = 0.0
    for c in range(z.size):
        off = np.float64(z[c]) - (1.0 if c == label else 0.0)
        total += off * off
        d[c] = off
    return 0.5 * total


@kernel
def _margin(z: Array, label: int, squared: bool, d: Array) -> float:
    rival = 1 if label == 0 else 0
    for c in range(rival + 1, z.size):
        if c != label and z[c] > z[rival]:
            rival = c
    margin = np.float64(z[rival]) - np.float64(z[label])
    slope = 1.0 + margin if squared else 1.0
    d[:] = 0
    d[rival] = slope
    d[label] = -slope
    return 0.5 * slope * slope if squared else margin
