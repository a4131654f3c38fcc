"""The recurrence of `prediction`, summed as it is written, in float64: slow, for a few images, units and steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deep_check.ops.loss_reference import loss as loss_of
from deep_check.two_layer.activations import activate

Array = NDArray[np.float64]


def predict(
    inner: Array,
    outer: Array,
    activations: tuple[str, str],
    batches: Sequence[tuple[Array, NDArray[Any]]],
    loss: str,
    learning_rate: float,
    probe: Array,
) -> tuple[Array, Array]:
    """f before ψ (k,) and ∇ₓf (k, d) of one probe (d,) after a step on each batch (rows (n, d), labels (n,)).

    inner, outer: W₀ (width, d) and A (k, width); activations: φ and ψ by name.
    """
    hidden, output = activations

    def value(x: Array) -> Array:
        return np.asarray(outer @ activate(hidden, inner @ x)[0])

    def jacobian(x: Array) -> Array:
        return np.asarray(outer * activate(hidden, inner @ x)[1] @ inner)

    f, g = value(probe), jacobian(probe)
    seen = [value(x) for rows, _ in batches for x in rows]  # f of all images of all batches, moved along
    images = [x for rows, _ in batches for x in rows]
    first = 0
    for rows, labels in batches:
        own = range(first, first + len(rows))
        z = np.array([seen[i] for i in own])
        outputs, steepness, _ = activate(output, z)
        residual = loss_of(outputs, labels, loss)[1] * steepness
        factor = learning_rate / len(rows)
        for x, e in zip(rows, residual, strict=True):
            f = f - factor * kernel(inner, outer, hidden, probe, x) @ e
            g = g - factor * np.einsum("kcd,c->kd", kernel_gradient(inner, outer, hidden, probe, x), e)
        changes = [
            sum((factor * kernel(inner, outer, hidden, image, x) @ e for x, e in zip(rows, residual, strict=True)),
                start=np.zeros(len(outer)))
            for image in images
        ]  # fmt: skip
        seen = [known - change for known, change in zip(seen, changes, strict=True)]
        first += len(rows)
    return f, g


def kernel(inner: Array, outer: Array, hidden: str, x: Array, other: Array) -> Array:
    """K_cc'(x, x') (k, k): the tangent kernel of the sums before ψ, by W."""
    slopes = activate(hidden, inner @ x)[1] * activate(hidden, inner @ other)[1]
    return np.asarray((x @ other) * (outer * slopes) @ outer.T)


def kernel_gradient(inner: Array, outer: Array, hidden: str, x: Array, other: Array) -> Array:
    """∇ₓK_cc'(x, x') (k, k, d), by its first point."""
    _, slope, curvature = activate(hidden, inner @ x)
    there = activate(hidden, inner @ other)[1]
    straight = ((outer * slope * there) @ outer.T)[:, :, None] * other
    bent: Callable[..., Any] = np.einsum
    return np.asarray(straight + (x @ other) * bent("cr,er,r,rd->ced", outer, outer, curvature * there, inner))
