"""A group of points on a device: train by batches, then measure on the host what `engine.group.run_group` measures."""

from __future__ import annotations

from collections.abc import Mapping

import numba as nb
import numpy as np
from numpy.typing import NDArray

from theory_sim.sweep.batch import Group
from theory_sim.sweep.course import FACTS, HIGH_ENERGY, LOW_ENERGY
from theory_sim.sweep.cuda.device import Device
from theory_sim.sweep.cuda.engine import RELU, Result, batches, run_batch
from theory_sim.sweep.cuda.source import STATUS
from theory_sim.sweep.measure import measure
from theory_sim.sweep.schema import METHODS
from theory_sim.sweep.validity import REASONS


def train_group(device: Device, group: Group, steps: NDArray[np.int64], filled: Mapping[str, NDArray]) -> None:
    """Fill the arrays that `engine.group.run_group` fills, by name; steps: (n, n_records), -1 beyond the run.

    No low-rank form is used: a smooth network's method is `matrix`, without a rank. Raises InputError as
    `engine.require_supported`, and where a network does not fit into the device's memory.
    """
    with_gradients, with_shifts = filled["recorded"].shape[1] > 0, filled["shifts"].shape[1] > 0
    wanted = steps if with_gradients else steps[:, :0]
    reasons = np.array([REASONS.index(word) for word in STATUS], filled["reason"].dtype)
    for chosen in batches(device, group, wanted.shape[1]):
        result = run_batch(device, group, chosen, wanted[chosen], shift=with_shifts)
        facts = facts_of(group, chosen, result)
        reason = reasons[result.status]
        energy = result.course[:, LOW_ENERGY, 0] + result.course[:, HIGH_ENERGY, 0]
        reason[(result.status == 0) & ~(energy > 0)] = REASONS.index("zero gradient at the start")  # it underflows
        rows, records, verdicts = (filled[name][chosen] for name in ("rows", "records", "verdicts"))
        _measure(
            reason == 0,
            result.course,
            result.ratios,
            result.first_ratios,
            facts,
            steps[chosen],
            rows,
            records,
            verdicts,
        )
        smooth = group.points["activation"][chosen[0]] != RELU
        filled["facts"][chosen], filled["reason"][chosen] = facts, reason
        filled["rows"][chosen], filled["records"][chosen], filled["verdicts"][chosen] = rows, records, verdicts
        filled["resolved"][chosen] = np.stack([result.learning_rate, result.label], axis=1)
        filled["methods"][chosen] = np.where(result.status == 0, METHODS.index("matrix" if smooth else "steps"), 0)
        if with_gradients:
            filled["recorded"][chosen] = result.gradients
        if with_shifts:
            filled["shifts"][chosen, : result.shift.shape[1]] = result.shift


def facts_of(group: Group, chosen: NDArray[np.int64], result: Result) -> NDArray[np.void]:
    """The constants of each run, FACTS (n,)."""
    points = group.points[chosen]
    facts = np.zeros(len(chosen), FACTS)
    squares = group.inputs**2
    facts["learning_rate"], facts["label"] = result.learning_rate, result.label
    facts["input_norm2"] = squares.sum(axis=1)[points["input"]]
    for name, band in (("input_low", 0), ("input_high", 1)):
        sums = np.einsum("bj,ij->bi", group.bands[:, band], squares)
        facts[name] = sums[points["band"], points["input"]]
    facts["outer_norm2"] = result.outer_norm2
    facts["relu"], facts["mse"] = points["activation"] == RELU, points["loss"] == 0
    facts["n_steps"], facts["last_finite_step"] = points["n_steps"], result.last_finite_step
    facts["n_probes"] = (group.probes[points["input"], :, 0] >= 0).sum(axis=1)
    return facts


@nb.njit(nogil=True, cache=True)
def _measure(
    valid: NDArray,
    course: NDArray,
    ratios: NDArray,
    first_ratios: NDArray,
    facts: NDArray,
    steps: NDArray,
    rows: NDArray,
    records: NDArray,
    verdicts: NDArray,
) -> None:
    for i in range(valid.size):
        if valid[i]:
            n = facts[i].n_steps + 1
            measure(
                course[i, :, :n], ratios[i, :n], first_ratios[i], facts[i], steps[i], rows[i], records[i], verdicts[i]
            )
