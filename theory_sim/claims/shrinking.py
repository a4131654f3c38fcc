"""Making a counterexample small and readable without losing it.

Greedy: fewer units, fewer steps, fewer input samples, then round numbers; every change is kept only if the claim's own
judge still finds the statement violated, clearly. Hypothesis shrinks what its strategies drew; this shrinks what a
population drew, pictures included, so that the ledger's counterexample is one of the networks it counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from theory_sim.claims.base import Claim
from theory_sim.claims.dataset_sample import DatasetSample
from theory_sim.claims.encoding import Sample, input_of
from theory_sim.claims.samples import AttackSample, Eq8Sample, SignalSample, TrainingSample
from theory_sim.errors import InputError
from theory_sim.network import Network
from theory_sim.spectrum import Band

Array = NDArray[np.float64]
SIZES = (3, 4, 5, 6, 7, 9, 12, 16, 25, 36, 49, 64)
WINDOWS = 4  # places at which a short input is cut from a long one
BUDGET = {"margin": 400, "order": 24, "value": 0}  # judgements; one of an order takes six runs


def shrink(claim: Claim, version: str, sample: Sample) -> Sample:
    """The smallest sample found, within a budget of judgements, that still violates `version` of the claim."""
    left = BUDGET[claim.kind]

    def still(candidate: Sample) -> bool:
        nonlocal left
        left -= 1
        return violates(claim, version, candidate)

    improved = True
    while improved and left > 0:
        improved = False
        for propose in (_fewer_inputs, _fewer_units, _fewer_steps):
            for candidate in propose(sample):
                if left <= 0:
                    break
                if still(candidate):
                    sample, improved = candidate, True
                    break
    for digits in (6, 3, 2, 1):
        for field in _rounded_fields(sample):
            rounder = _round(sample, field, digits)
            if rounder is not None and still(rounder):
                sample = rounder
    return sample


def violates(claim: Claim, version: str, sample: Sample) -> bool:
    """True if the sample meets the hypotheses and clearly contradicts the statement; False also where it is invalid."""
    strength = 10.0 if claim.kind == "margin" else 1.0
    try:
        with np.errstate(all="ignore"):
            outcome = claim.judge(replace(sample))
        return outcome is not None and claim.violates(outcome, version, strength)
    except (InputError, ValueError, IndexError, FloatingPointError, ZeroDivisionError, np.linalg.LinAlgError):
        return False


def _network(sample: Sample) -> Network | None:
    if isinstance(sample, TrainingSample | DatasetSample):
        return sample.training.network
    return sample.network if isinstance(sample, AttackSample) else None


def _with(sample: Sample, network: Network | None = None, **fields: Any) -> Sample:
    """The sample with another network, and with `fields` of the training run or of the sample itself replaced."""
    if network is not None:
        fields["network"] = network
    if isinstance(sample, DatasetSample):
        if "inputs" in fields:
            fields["probes"] = fields["inputs"][:1]
        outside = {k: fields.pop(k) for k in ("band", "source") if k in fields}
        return replace(sample, training=replace(sample.training, **fields), **outside)
    if isinstance(sample, TrainingSample):
        outside = {k: fields.pop(k) for k in ("band", "source") if k in fields}
        return replace(sample, training=replace(sample.training, **fields), **outside)
    return replace(sample, **fields)


def _fewer_units(sample: Sample) -> Iterator[Sample]:
    """Networks without some of their units; the label follows, so that the residual stays."""
    network = _network(sample)
    if network is None or network.width == 1:
        return
    m = network.width
    for size in (m - 1, m // 2, m // 4, 1):  # how many to drop: many first
        if 1 <= size < m:
            for first in range(0, m, size):
                keep = np.r_[0:first, min(first + size, m) : m]
                if keep.size:
                    yield _relabelled(sample, Network(network.weights[keep], network.outer[keep], network.activation))


def _relabelled(sample: Sample, network: Network, **fields: Any) -> Sample:
    old, old_x = _network(sample), input_of(sample)
    assert old is not None
    if isinstance(sample, DatasetSample):
        return _relabelled_set(sample, network, **fields)
    label = sample.training.label if isinstance(sample, TrainingSample) else sample.label  # type: ignore[union-attr]
    residual = float(old.output(old_x)) - label
    new_x = fields.get("x", old_x)
    new_label = float(network.output(new_x)) - residual
    if isinstance(sample, TrainingSample):  # keep r = η‖a'‖²‖x‖²
        before = float(np.sum(old.active_outer(old_x) ** 2)) * float(old_x @ old_x)
        after = float(np.sum(network.active_outer(new_x) ** 2)) * float(new_x @ new_x)
        if after > 0:
            fields["learning_rate"] = sample.training.learning_rate * before / after
    return _with(sample, network, label=new_label, **fields)


def _relabelled_set(sample: DatasetSample, network: Network, **fields: Any) -> Sample:
    """Every residual stays, and the learning rate times the largest curvature of the loss."""
    before, inputs = sample.training, fields.setdefault("inputs", sample.training.inputs)
    labels = network.output(inputs) - (before.network.output(before.inputs) - before.labels)

    def curvature(net: Network, points: Array) -> float:
        return float(np.sum(net.active_outer(points[0]) ** 2)) * float(np.linalg.norm(points, 2)) ** 2

    old, new = curvature(before.network, before.inputs), curvature(network, inputs)
    if new > 0:
        fields["learning_rate"] = before.learning_rate * old / new
    return _with(sample, network, labels=labels, **fields)


def _fewer_steps(sample: Sample) -> Iterator[Sample]:
    if isinstance(sample, SignalSample):
        return
    if isinstance(sample, Eq8Sample):
        n = sample.drives.size
        for keep in (n // 4, n // 2, n - 1):
            if keep >= 1:
                yield replace(sample, drives=sample.drives[:keep], decays=sample.decays[:keep])
        if n > 1:
            yield replace(sample, drives=sample.drives[1::2], decays=sample.decays[1::2])
        return
    n = sample.n_steps if isinstance(sample, AttackSample) else sample.training.n_steps
    for keep in (1, 2, 4, n // 4, n // 2, n - 1):
        if 1 <= keep < n:
            yield _with(sample, n_steps=keep)


def _fewer_inputs(sample: Sample) -> Iterator[Sample]:
    """The first samples of the input as a short 1-D signal, with a small cut-off."""
    x = input_of(sample)
    for dim in SIZES:
        if dim >= x.size and len(sample.band.shape) == 1:
            return
        if dim > x.size:
            return
        for cutoff in range(1, max(2, min((dim - 1) // 2 + dim % 2 - 1, 3) + 1)):
            if not 1 <= cutoff < (dim - 1) / 2:
                continue
            band = Band((dim,), cutoff, sample.band.convention)
            for offset in sorted({i * (x.size - dim) // (WINDOWS - 1) for i in range(WINDOWS)}):
                yield _cut(sample, slice(offset, offset + dim), band)


def _cut(sample: Sample, cut: slice, band: Band) -> Sample:
    if isinstance(sample, Eq8Sample):
        return replace(sample, x=sample.x[cut], start_gradient=sample.start_gradient[cut], band=band)
    if isinstance(sample, SignalSample):
        return replace(sample, x=sample.x[cut], delta=sample.delta[cut], band=band)
    network = _network(sample)
    assert network is not None
    short = Network(network.weights[:, cut].copy(), network.outer, network.activation)
    fields: dict[str, Any] = {"band": band}
    if isinstance(sample, AttackSample):
        fields["start"] = sample.start[cut]
        return _relabelled(sample, short, x=sample.x[cut], **fields)
    if isinstance(sample, DatasetSample):
        return _relabelled(sample, short, inputs=sample.training.inputs[:, cut].copy(), **fields)
    return _relabelled(sample, short, x=sample.training.x[cut], **fields)


def _rounded_fields(sample: Sample) -> tuple[str, ...]:
    if isinstance(sample, TrainingSample):
        return ("weights", "outer", "x", "label", "learning_rate")
    if isinstance(sample, DatasetSample):
        return ("weights", "outer", "inputs", "labels", "learning_rate")
    if isinstance(sample, Eq8Sample):
        return ("start_gradient", "x", "drives", "decays")
    if isinstance(sample, AttackSample):
        return ("weights", "outer", "x", "start", "label", "radius", "step_size")
    return ("x", "delta") if np.isnan(sample.alpha) else ()


def _round(sample: Sample, field: str, digits: int) -> Sample | None:
    """Numbers of one field to `digits` significant digits of the field's largest."""
    network = _network(sample)
    if field in ("weights", "outer"):
        assert network is not None
        changed: dict[str, Any] = {field: rounded(getattr(network, field), digits)}
        return _with(sample, replace(network, **changed))
    holder = sample.training if isinstance(sample, TrainingSample | DatasetSample) else sample
    value = rounded(np.asarray(getattr(holder, field)), digits)
    fields: dict[str, Any] = {field: value if value.ndim else float(value)}
    try:
        return _with(sample, None, **fields)
    except InputError:
        return None


def rounded(values: NDArray, digits: int) -> Array:
    """`values` to `digits` significant digits of the largest of them."""
    top = float(np.abs(values).max(initial=0.0))
    if top == 0:
        return np.asarray(values, dtype=float)
    places = digits - 1 - int(np.floor(np.log10(top)))
    return np.asarray(np.round(values, places) + 0.0)
