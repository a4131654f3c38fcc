"""Many networks trained by one launch: what goes to the device, what comes back, and how many fit at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from theory_sim.errors import require
from theory_sim.network import ACTIVATIONS
from theory_sim.sweep.batch import Group
from theory_sim.sweep.course import N_PROBES, N_ROWS
from theory_sim.sweep.cuda.device import Device
from theory_sim.sweep.cuda.source import KERNELS, TILE

Array = NDArray[np.float64]
RELU = ACTIVATIONS.index("relu")
LARGEST_BATCH, LARGEST_RESULT = 4096, 1 << 29  # networks and bytes of a launch: beyond them nothing is gained


class Result(NamedTuple):
    """n networks as trained; NaN after the last finite step, T the largest number of steps.

    course: (n, N_ROWS, T+1) and ratios, R_k² (n, T+1, N_PROBES), first_ratios (n, N_PROBES), see `sweep.course`;
    learning_rate, label, relative_rate, outer_norm2: (n,), η, y, r at the start and ‖a‖²; status: (n,) index in
    `source.STATUS`; last_finite_step: (n,), -1 if not even the start; gradients: (n, n_records, d) coefficients of g;
    shift: (n, largest width) p_r after the last step, W_T = W_0 - p_T xᵀ; NaN for runs that diverged, empty unless
    asked for.
    """

    course: Array
    ratios: Array
    first_ratios: Array
    learning_rate: Array
    label: Array
    relative_rate: Array
    outer_norm2: Array
    status: NDArray[np.int64]
    last_finite_step: NDArray[np.int64]
    gradients: Array
    shift: Array


def require_supported(group: Group) -> None:
    """Raise InputError for what only the CPU does: other weight laws than gaussian, other transforms than the DFT."""
    require(group.weight_law == "gaussian", f"weight law {group.weight_law!r}: device cuda allows gaussian")
    require(group.transform == "dft", f"transform {group.transform!r}: device cuda allows dft")


def batches(device: Device, group: Group, n_records: int = 0) -> Iterator[NDArray[np.int64]]:
    """Positions in the group of the networks that one launch takes: ReLU or smooth, and no more than fit into memory.

    Raises InputError where a single network does not fit.
    """
    relu = group.points["activation"] == RELU
    for smooth, chosen in ((False, np.flatnonzero(relu)), (True, np.flatnonzero(~relu))):
        while chosen.size:
            n = _fitting(device, group, group.points[chosen[:LARGEST_BATCH]], n_records, smooth)
            yield chosen[:n]
            chosen = chosen[n:]


def run_batch(
    device: Device,
    group: Group,
    chosen: NDArray[np.int64],
    record_steps: NDArray[np.int64],
    *,
    shift: bool = False,
) -> Result:
    """Train the networks at positions `chosen` of the group, all ReLU or all smooth [paper: Eq. 4].

    record_steps: (n, n_records) steps whose gradients are wanted; a step outside the run gives NaN. Raises InputError
    as `require_supported`.
    """
    require_supported(group)
    points = group.points[chosen]
    smooth = bool(points["activation"][0] != RELU)
    n, n_records = record_steps.shape
    dim, n_columns = group.inputs.shape[1], int(points["n_steps"].max()) + 1
    width = int(points["width"].max()) if shift else 0
    stride = _scratch(int(points["width"].max()), dim, smooth)
    n_blocks = _n_blocks(device, n, stride)
    course = device.full((n, N_ROWS, n_columns), np.nan, np.float64)
    ratios = device.full((n, n_columns, N_PROBES), np.nan, np.float64)
    first_ratios = device.full((n, N_PROBES), np.nan, np.float64)
    facts = device.full((n, 4), np.nan, np.float64)
    outcome = device.full((n, 2), 0, np.int64)
    gradients = device.full((n, n_records, dim), np.nan, np.float64)
    last = device.full((n, width), np.nan, np.float64)
    arguments = (
        device.send(points.view(np.uint8)),
        np.int32(n),
        np.int32(dim),
        device.send(np.ascontiguousarray(group.inputs)),
        device.send(np.ascontiguousarray(group.input_top)),
        device.send(np.ascontiguousarray(group.bands)),
        device.send(group.probes.astype(np.int32)),
        device.send(np.ascontiguousarray(record_steps, np.int64)),
        np.int32(n_records),
        np.int32(n_columns),
        np.int32(width),
        device.full((n_blocks * stride,), np.nan, np.float64),
        np.int64(stride),
        course,
        ratios,
        first_ratios,
        facts,
        outcome,
        gradients,
        last,
    )
    device.launch(KERNELS[int(smooth)], n_blocks, arguments)
    status, last_finite_step = device.fetch(outcome).T
    rate, label, relative_rate, outer_norm2 = device.fetch(facts).T
    return Result(
        device.fetch(course),
        device.fetch(ratios),
        device.fetch(first_ratios),
        rate,
        label,
        relative_rate,
        outer_norm2,
        status,
        last_finite_step,
        device.fetch(gradients),
        device.fetch(last),
    )


def _scratch(width: Any, dim: int, smooth: bool) -> Any:
    """Float64 numbers that a block keeps in global memory: the arrays at the head of train_relu and train_smooth."""
    if smooth:
        return width * dim + width * (3 + TILE) + TILE * dim
    return 4 * width + dim


def _n_blocks(device: Device, n: int, stride: int) -> int:
    return max(1, min(n, device.n_resident, device.memory // 2 // (8 * stride)))


def _fitting(device: Device, group: Group, points: NDArray[Any], n_records: int, smooth: bool) -> int:
    """How many of the first `points` one launch takes; half of the memory is for what comes back, half for scratch."""
    room, dim = device.memory // 2, group.inputs.shape[1]
    columns = np.maximum.accumulate(points["n_steps"]) + 1
    width = np.maximum.accumulate(points["width"])
    each = 8 * ((N_ROWS + N_PROBES) * columns + (n_records + 2) * dim + width + 64)
    total = each * np.arange(1, len(points) + 1)
    narrow = 8 * _scratch(width, dim, smooth) <= room
    require(
        bool(narrow[0] and total[0] <= room),
        f"width {width[0]} and {columns[0] - 1} steps on {dim} inputs: device cuda has memory for less, allowed is cpu",
    )
    return max(1, int(np.sum(narrow & (total <= min(room, LARGEST_RESULT)))))
