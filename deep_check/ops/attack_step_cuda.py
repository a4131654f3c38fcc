"""The steps an attack is made of, on a CUDA device; see attack_step_reference.

Arrays are float32 (n, c, h, w). `out` may be x itself: an attack moves its images in place.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from deep_check.cuda.device import Device
from deep_check.ops.kernel_families import THREADS, l2_kernel
from deep_check.ops.launching import launch_fours


def sign_step(device: Device, x: Any, gradient: Any, step_size: float, out: Any) -> None:
    """x + ξ · sgn(gradient)."""
    launch_fours(device, "sign_step", (x, gradient, out), np.float32(step_size))


def project_linf(device: Device, x: Any, origin: Any, radius: float, out: Any) -> None:
    """Nearest point to x with |x - origin| <= radius everywhere."""
    launch_fours(device, "project_linf", (x, origin, out), np.float32(radius))


def clip_box(device: Device, x: Any, out: Any, low: float = 0.0, high: float = 1.0) -> None:
    """Nearest point to x with low <= x <= high everywhere."""
    launch_fours(device, "clip_box", (x, out), np.float32(low), np.float32(high))


def clip_box_gradient(device: Device, d_y: Any, y: Any, d_x: Any, low: float = 0.0, high: float = 1.0) -> None:
    """d_x = d_y where low < y < high, 0 elsewhere; y: before or after the clipping; d_x may be d_y."""
    launch_fours(device, "clip_box_gradient", (d_y, y, d_x), np.float32(low), np.float32(high))


def pgd_linf_step(
    device: Device, x: Any, origin: Any, gradient: Any, step_size: float, radius: float, out: Any
) -> None:
    """clip_box(project_linf(sign_step(x, gradient, step_size), origin, radius)), everything read once."""
    launch_fours(device, "pgd_linf_step", (x, origin, gradient, out), np.float32(step_size), np.float32(radius))


def l2_step(device: Device, x: Any, gradient: Any, step_size: float, out: Any) -> None:
    """x + ξ · gradient/‖gradient‖₂, the norm of each image; no move where the gradient is zero."""
    _l2_move(device, l2_kernel(True, False, False), x, x, gradient, step_size, 0.0, out)


def project_l2(device: Device, x: Any, origin: Any, radius: float, out: Any) -> None:
    """Nearest point to x with ‖x - origin‖₂ <= radius, image by image."""
    _l2_move(device, l2_kernel(False, True, False), x, origin, x, 0.0, radius, out)


def pgd_l2_step(device: Device, x: Any, origin: Any, gradient: Any, step_size: float, radius: float, out: Any) -> None:
    """clip_box(project_l2(l2_step(x, gradient, step_size), origin, radius)), everything read once."""
    _l2_move(device, l2_kernel(True, True, True), x, origin, gradient, step_size, radius, out)


def _l2_move(
    device: Device, kernel: str, x: Any, origin: Any, gradient: Any, step_size: float, radius: float, out: Any
) -> None:
    n, size = x.shape[0], prod(x.shape[1:])
    arguments = (x, origin, gradient, np.float32(step_size), np.float32(radius), np.int32(size), out)
    if n > 0:
        device.launch(kernel, (n,), (THREADS,), arguments)
