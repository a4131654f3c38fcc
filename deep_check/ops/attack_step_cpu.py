"""The steps an attack is made of, on float32 images (n, c, h, w); see `attack_step_reference`.

Norms are taken in float64, where no float32's square is lost. NaN stays NaN.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from deep_check.ops.lanes import kernel, part
from theory_sim.errors import require

Array = NDArray[np.float32]


def sign_step(x: Array, gradient: Array, step_size: float) -> Array:
    """x + ξ · sgn(gradient), sgn 0 = 0."""
    out = _copy(x)
    _sign_step(out.reshape(-1), _flat(gradient), np.float32(step_size))
    return out


def l2_step(x: Array, gradient: Array, step_size: float) -> Array:
    """x + ξ · gradient/‖gradient‖₂, the norm of each image; no move where the gradient is zero."""
    out = _copy(x)
    _l2_step(_rows(out), _rows(gradient), float(step_size))
    return out


def project_linf(x: Array, origin: Array, radius: float) -> Array:
    """Nearest point to x with |x - origin| <= radius everywhere, the bounds rounded to float32."""
    out = _copy(x)
    _project_linf(out.reshape(-1), _flat(origin), np.float32(radius))
    return out


def project_l2(x: Array, origin: Array, radius: float) -> Array:
    """Nearest point to x with ‖x - origin‖₂ <= radius, image by image."""
    out = _copy(x)
    _project_l2(_rows(out), _rows(origin), float(radius))
    return out


def clip_box(x: Array, low: float = 0.0, high: float = 1.0) -> Array:
    """Nearest point to x with low <= x <= high everywhere."""
    return np.clip(np.asarray(x, np.float32), np.float32(low), np.float32(high))


def clip_box_gradient(d_y: Array, x: Array, low: float = 0.0, high: float = 1.0) -> Array:
    """Gradient by x of what has the gradient d_y by clip_box(x): 0 where x is not inside of (low, high)."""
    return np.where((x > low) & (x < high), d_y, np.float32(0))


def pgd_linf_step(x: Array, origin: Array, gradient: Array, step_size: float, radius: float) -> Array:
    """Change x to clip_box(project_linf(sign_step(x, gradient, step_size), origin, radius)), in place; returns x.

    Raises InputError unless x is contiguous float32.
    """
    require(
        x.dtype == np.float32 and x.flags.c_contiguous,
        f"images of type {x.dtype}: a step in place takes contiguous float32",
    )
    _pgd_linf_step(x.reshape(-1), _flat(origin), _flat(gradient), np.float32(step_size), np.float32(radius))
    return x


def pgd_l2_step(x: Array, origin: Array, gradient: Array, step_size: float, radius: float) -> Array:
    """Change x to clip_box(project_l2(l2_step(x, gradient, step_size), origin, radius)), in place; returns x.

    Raises InputError unless x is contiguous float32.
    """
    require(
        x.dtype == np.float32 and x.flags.c_contiguous,
        f"images of type {x.dtype}: a step in place takes contiguous float32",
    )
    rows = x.reshape(len(x), -1)
    _l2_step(rows, _rows(gradient), float(step_size))
    _project_l2(rows, _rows(origin), float(radius))
    np.clip(rows, np.float32(0), np.float32(1), out=rows)
    return x


@part
def _clamp(x: np.float32, low: np.float32, high: np.float32) -> np.float32:
    x = low if x < low else x
    return high if x > high else x


@kernel
def _sign_step(x: Array, gradient: Array, step_size: np.float32) -> None:
    for i in range(x.size):
        x[i] += step_size * np.sign(gradient[i])


@kernel
def _project_linf(x: Array, origin: Array, radius: np.float32) -> None:
    for i in range(x.size):
        x[i] = _clamp(x[i], origin[i] - radius, origin[i] + radius)


@kernel
def _pgd_linf_step(x: Array, origin: Array, gradient: Array, step_size: np.float32, radius: np.float32) -> None:
    zero, one = np.float32(0), np.float32(1)
    for i in range(x.size):
        moved = x[i] + step_size * np.sign(gradient[i])
        x[i] = _clamp(_clamp(moved, origin[i] - radius, origin[i] + radius), zero, one)


@kernel
def _l2_step(x: Array, gradient: Array, step_size: float) -> None:
    for n in range(x.shape[0]):
        total = 0.0
        for i in range(x.shape[1]):
            total += np.float64(gradient[n, i]) * np.float64(gradient[n, i])
        if total != 0:
            step = step_size / np.sqrt(total)
            for i in range(x.shape[1]):
                x[n, i] += np.float32(step * gradient[n, i])


@kernel
def _project_l2(x: Array, origin: Array, radius: float) -> None:
    for n in range(x.shape[0]):
        total = 0.0
        for i in range(x.shape[1]):
            delta = np.float64(x[n, i]) - np.float64(origin[n, i])
            total += delta * delta
        norm = np.sqrt(total)
        if norm > radius:
            shrink = radius / norm
            for i in range(x.shape[1]):
                centre = np.float64(origin[n, i])
                x[n, i] = np.float32(centre + shrink * (np.float64(x[n, i]) - centre))


def _copy(x: Array) -> Array:
    return np.array(x, np.float32, order="C")


def _flat(x: Array) -> Array:
    return np.ascontiguousarray(x, np.float32).reshape(-1)


def _rows(x: Array) -> Array:
    return np.ascontiguousarray(x, np.float32).reshape(len(x), -1)
