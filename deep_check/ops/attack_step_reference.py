"""The steps an attack is made of, on float64 images (n, c, h, w), each image by itself [paper: Section 2.1, Eq. 18]."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def sign_step(x: NDArray, gradient: NDArray, step_size: float) -> Array:
    """x + ξ · sgn(gradient), sgn 0 = 0."""
    return _double(x) + step_size * np.sign(gradient)


def l2_step(x: NDArray, gradient: NDArray, step_size: float) -> Array:
    """x + ξ · gradient/‖gradient‖₂, the norm of each image; no move where the gradient is zero."""
    gradient = _double(gradient)
    # Divided by its largest element first: the squares of a tiny gradient would vanish.
    largest = np.abs(gradient).max(axis=(1, 2, 3), keepdims=True)
    scaled = np.divide(gradient, largest, out=np.zeros_like(gradient), where=largest > 0)
    norm = _norm(scaled)
    return _double(x) + step_size * np.divide(scaled, norm, out=np.zeros_like(gradient), where=norm > 0)


def project_linf(x: NDArray, origin: NDArray, radius: float) -> Array:
    """Nearest point to x with |x - origin| <= radius everywhere."""
    return np.clip(_double(x), _double(origin) - radius, _double(origin) + radius)


def project_l2(x: NDArray, origin: NDArray, radius: float) -> Array:
    """Nearest point to x with ‖x - origin‖₂ <= radius, image by image."""
    delta = _double(x) - _double(origin)
    norm = _norm(delta)
    shrink = np.divide(radius, norm, out=np.ones_like(norm), where=norm > radius)
    return np.where(norm > radius, _double(origin) + shrink * delta, _double(x))


def clip_box(x: NDArray, low: float = 0.0, high: float = 1.0) -> Array:
    """Nearest point to x with low <= x <= high everywhere."""
    return np.clip(_double(x), low, high)


def clip_box_gradient(d_y: NDArray, x: NDArray, low: float = 0.0, high: float = 1.0) -> Array:
    """Gradient by x of what has the gradient d_y by clip_box(x): 0 where x is not inside of (low, high)."""
    return np.where((x > low) & (x < high), d_y, 0.0)


def pgd_linf_step(x: Array, origin: NDArray, gradient: NDArray, step_size: float, radius: float) -> Array:
    """Change x to clip_box(project_linf(sign_step(x, gradient, step_size), origin, radius)), in place; returns x."""
    x[...] = clip_box(project_linf(sign_step(x, gradient, step_size), origin, radius))
    return x


def pgd_l2_step(x: Array, origin: NDArray, gradient: NDArray, step_size: float, radius: float) -> Array:
    """Change x to clip_box(project_l2(l2_step(x, gradient, step_size), origin, radius)), in place; returns x."""
    x[...] = clip_box(project_l2(l2_step(x, gradient, step_size), origin, radius))
    return x


def _norm(values: Array) -> Array:
    return np.sqrt((values**2).sum(axis=(1, 2, 3), keepdims=True))


def _double(values: NDArray) -> Array:
    return np.asarray(values, dtype=float)
