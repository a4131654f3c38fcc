"""Losses of logits z (n, k) at labels y (n,), one per example, and their gradients.

cross_entropy: ln Σ_c e^{z_c} - z_y.
mse:           ½ Σ_c (z_c - 1[c = y])².
margin:        max_{c ≠ y} z_c - z_y, which an attacker wants large (positive: the label is lost).
margin_mse:    ½ (1 + margin)², least where the label leads by exactly 1.
Of equally large z_c the first is the maximum.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from theory_sim.errors import InputError

Array = NDArray[np.float64]
LOSSES = ("cross_entropy", "mse", "margin_mse", "margin")


def loss(logits: NDArray, labels: NDArray, kind: str) -> tuple[Array, Array]:
    """Losses (n,) and d_logits (n, k) of every example by itself, not averaged. Raises InputError on another kind."""
    z = np.asarray(logits, dtype=float)
    rows = np.arange(len(z))
    at_label = np.zeros_like(z)
    at_label[rows, labels] = 1
    if kind == "cross_entropy":
        shifted = z - z.max(axis=1, keepdims=True)  # e^z itself could overflow
        total = np.exp(shifted).sum(axis=1, keepdims=True)
        return np.log(total[:, 0]) - shifted[rows, labels], np.exp(shifted) / total - at_label
    if kind == "mse":
        return 0.5 * ((z - at_label) ** 2).sum(axis=1), z - at_label
    if kind not in LOSSES:
        raise InputError(f"loss {kind!r}: allowed are {', '.join(LOSSES)}")
    others = np.where(at_label == 1, -np.inf, z)
    rival = others.argmax(axis=1)
    margin = z[rows, rival] - z[rows, labels]
    d_margin = -at_label
    d_margin[rows, rival] = 1
    if kind == "margin":
        return margin, d_margin
    return 0.5 * (1 + margin) ** 2, (1 + margin)[:, None] * d_margin
