"""Losses on a CUDA device; see loss_reference."""

from __future__ import annotations

from typing import Any

import numpy as np

from deep_check.cuda.device import Device
from deep_check.ops.kernel_families import THREADS
from deep_check.ops.launching import launch
from deep_check.ops.loss_reference import LOSSES
from theory_sim.errors import require


def loss(
    device: Device, logits: Any, labels: Any, kind: str, losses: Any, d_logits: Any, *, factor: float = 1.0
) -> None:
    """Fill losses (n,), each example by itself, and d_logits (n, k), the gradient of factor · their sum.

    logits: (n, k) float32; labels: (n,) int32 in 0 ... k - 1; factor: 1 for gradients of each example by itself, 1/n
    for those of the mean. Raises InputError on another kind than those of LOSSES.
    """
    require(kind in LOSSES, f"loss {kind!r}: allowed are {', '.join(LOSSES)}")
    n, classes = logits.shape
    scalars = np.int32(n), np.int32(classes), np.int32(LOSSES.index(kind)), np.float32(factor)
    launch(device, "loss", 32 * n, (logits, labels, *scalars, losses, d_logits))


def mean_of(device: Device, values: Any, mean: Any) -> None:
    """mean[0] = the mean of values (n,)."""
    device.launch("mean_of", (1,), (THREADS,), (values, np.int32(values.shape[0]), mean))
