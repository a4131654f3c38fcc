"""ReLU on a CUDA device; see relu_reference. Arrays are float32 of any one shape."""

from __future__ import annotations

from typing import Any

from deep_check.cuda.device import Device
from deep_check.ops.launching import launch_fours


def relu(device: Device, x: Any, y: Any) -> None:
    """Y = max(x, 0); y may be x."""
    launch_fours(device, "relu", (x, y))


def relu_gradient(device: Device, d_y: Any, y: Any, d_x: Any) -> None:
    """d_x = d_y where y is positive, 0 elsewhere; d_x may be d_y."""
    launch_fours(device, "relu_gradient", (d_y, y, d_x))
