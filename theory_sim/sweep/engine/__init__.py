"""Training by the batch: every variable of a chunk of points, exactly, W_t never formed [paper: Eq. 4].

group.py is the compiled loop over drawn networks, given.py one over settings of a given network; relu.py and smooth.py
give the course of one network, bands.py its band sums; scalars.py draws no weights; perturbed.py attacks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from theory_sim.drawn import draw_outer, draw_weights
from theory_sim.errors import require
from theory_sim.hartley import half_spectrum, partners
from theory_sim.network import OUTER_LAWS
from theory_sim.sweep.batch import Group, groups
from theory_sim.sweep.course import FACTS
from theory_sim.sweep.engine.group import run_group
from theory_sim.sweep.engine.perturbed import attack_group
from theory_sim.sweep.engine.scalars import run_scalars
from theory_sim.sweep.engine.smooth import N_CHECKS
from theory_sim.sweep.measure import ROW
from theory_sim.sweep.points import Recording, record_shares
from theory_sim.sweep.schema import ATTACKED, CLAIMS, COUNTS, RECORDED, SCALARS, VERSIONS
from theory_sim.sweep.validity import AT_START, REASONS

Results = dict[str, NDArray]
DEVICES = ("cpu", "cuda")
COURSES = [variable.name for variable in RECORDED if variable.dtype == "f8"]


def compute(
    columns: Mapping[str, NDArray],
    recording: Recording,
    n_frequency: int,
    *,
    attack: bool = False,
    device: str = "cpu",
) -> Results:
    """Train the networks of `columns` (one row a point, see `SweepDefinition.columns`) and measure everything.

    Returns every variable of `schema.variables`, leading axis the points; `reason` is 0 or a run-time reason of
    validity.py. n_frequency: size of the frequency dimension (NaN beyond a point's own bins). attack: also attack the
    networks. Holds no lock while it trains; a point's bits do not depend on the others. device: cpu or cuda. Raises
    InputError on pictures that cannot be read, on an unknown device, and on what `sweep.cuda` cannot run.
    """
    require(device in DEVICES, f"device {device!r}: allowed are {', '.join(DEVICES)}")
    n = len(columns["seed"])
    steps = recording_steps(recording, columns["n_steps"])
    out = _missing(n, steps.shape[1], recording.spectra, n_frequency, attack)
    scalars = recording.draw == "scalars"
    for group in groups(columns, phases=not scalars):
        own = steps[group.index]
        filled = (
            _draw_scalars(group, own) if scalars else _train(group, own, recording.spectra != "none", attack, device)
        )
        _store(out, group, filled, own, recording.spectra)
        if attack:
            values, lemma1 = attack_group(group, columns, filled)
            for name, codes in (("hypotheses", lemma1[:, 0]), ("verdict", lemma1[:, 1])):
                out[name][group.index, CLAIMS.index("lemma1")] = codes
            for variable, column in zip(ATTACKED, values.T, strict=True):
                out[variable.name][group.index] = column
    return out


def recording_steps(recording: Recording, n_steps: NDArray) -> NDArray[np.int64]:
    """The steps of each point's records, (n, n_records): evenly spaced and rounded, or as given; -1 beyond its end."""
    if isinstance(recording.steps, int):
        return np.rint(n_steps[:, None] * record_shares(recording.steps)).astype(np.int64)
    given = np.array(recording.steps, np.int64)
    return np.where(given <= n_steps[:, None], given, -1)


def _missing(n: int, n_records: int, spectra: str, n_frequency: int, attack: bool) -> Results:
    sizes = {"record": n_records, "claim": len(CLAIMS), "version": len(VERSIONS)}
    out: Results = {}
    for variable in [*SCALARS, *COUNTS, *RECORDED, *(ATTACKED if attack else ())]:
        shape = (n, *(sizes[name] for name in variable.dims))
        out[variable.name] = np.full(shape, variable.missing, variable.dtype)
    for name in ("hypotheses", "verdict"):
        out[name] = np.full((n, len(CLAIMS), len(VERSIONS)), -1, "i1")
    if spectra == "power":
        out["gradient_power"] = np.full((n, n_records, n_frequency), np.nan)
    elif spectra == "complex":
        out["gradient_spectrum"] = np.full((n, n_records, n_frequency), complex(np.nan, np.nan))
    out["reason"] = np.zeros(n, "i1")
    return out


def _blank(group: Group, n_records: int, n_recorded: int, n_shifts: int) -> Results:
    """What `run_group` fills, in its order, for all points of a group; gradients and shifts of the sizes asked for."""
    n = len(group.points)
    return {
        "facts": np.zeros(n, FACTS),
        "rows": np.zeros(n, ROW),
        "records": np.full((n, len(COURSES), n_records), np.nan),
        "verdicts": np.full((n, 2, len(CLAIMS), len(VERSIONS)), -1, "i1"),
        "methods": np.zeros(n, "i1"),
        "ranks": np.full(n, -1, "i2"),
        "reason": np.zeros(n, "i1"),
        "recorded": np.full((n, n_recorded, group.inputs.shape[1]), np.nan),
        "shifts": np.full((n, n_shifts), np.nan),
        "resolved": np.full((n, 2), np.nan),
    }


def _reasons() -> NDArray[np.int64]:
    return np.array([REASONS.index(reason) for reason in AT_START])


def _train(group: Group, steps: NDArray[np.int64], spectra: bool, attack: bool, device: str) -> Results:
    """Draw all weights and train."""
    widest = int(group.points["width"].max())
    filled = _blank(group, steps.shape[1], steps.shape[1] if spectra else 0, widest if attack else 0)
    if device == "cuda":
        from theory_sim.sweep.cuda.device import cuda_device
        from theory_sim.sweep.cuda.group import train_group

        train_group(cuda_device(), group, steps, filled)
        return filled
    checks = np.random.default_rng(0).standard_normal((N_CHECKS, widest))
    tables = (group.inputs, group.input_top, group.bands, group.probes, checks)
    for piece, drawn, weights, outer in _networks(group, widest):
        parts = [values[piece] for values in filled.values()]
        run_group(group.points[piece], drawn, weights, outer, *tables, steps[piece], _reasons(), *parts)
    return filled


def _draw_scalars(group: Group, steps: NDArray[np.int64]) -> Results:
    """Draw what the scalars need and train."""
    filled = _blank(group, steps.shape[1], 0, 0)
    names = ("facts", "rows", "records", "verdicts", "methods", "reason", "resolved")
    tables = (group.inputs, group.input_top, group.bands)
    run_scalars(group.points, *tables, steps, _reasons(), *(filled[name] for name in names))
    return filled


def _networks(group: Group, widest: int) -> Iterator[tuple[slice, bool, NDArray, NDArray]]:
    """Points to be run in one call, with scratch for weights drawn there, or with the weights of their one network."""
    d = group.inputs.shape[1]
    if group.weight_law == "gaussian" and group.transform == "dft":
        yield slice(0, len(group.points)), True, np.empty((widest, d)), np.empty(widest)
        return
    starts = np.flatnonzero(group.points["same_network"] == 0)
    for first, end in zip(starts, [*starts[1:], len(group.points)], strict=True):
        point = group.points[first]
        seed, width, scale = int(point["seed"]), int(point["width"]), float(point["weight_scale"])
        weights = draw_weights(seed, group.weight_law, group.shape, width, scale, group.transform)
        yield (
            slice(first, end),
            False,
            weights,
            draw_outer(seed, OUTER_LAWS[point["outer_law"]], width, float(point["outer_scale"])),
        )


def _store(out: Results, group: Group, filled: Results, steps: NDArray[np.int64], spectra: str) -> None:
    """Everything of the points that were trained; of the others their reason alone."""
    out["reason"][group.index] = filled["reason"]
    done = np.flatnonzero(filled["reason"] == 0)
    index, rows = group.index[done], filled["rows"][done]
    for name, values in (("method", "methods"), ("rank", "ranks")):
        out[name][index] = filled[values][done]
    for name in ROW.names or ():
        out[name][index] = rows[name]
    out["recorded_step"][index] = steps[done]
    out["learning_rate_used"][index], out["label_used"][index] = filled["resolved"][done].T
    for i, name in enumerate(COURSES):
        out[name][index] = filled["records"][done, i]
    out["hypotheses"][index], out["verdict"][index] = filled["verdicts"][done, 0], filled["verdicts"][done, 1]
    if spectra == "power":
        first, second = partners(group.shape, group.transform)
        recorded = filled["recorded"][done]
        power = group.power_scale * (recorded[..., first] ** 2 + recorded[..., second] ** 2)
        out["gradient_power"][index, :, : len(first)] = power
    elif spectra == "complex":
        spectrum = half_spectrum(filled["recorded"][done], group.shape, group.transform)
        out["gradient_spectrum"][index, :, : spectrum.shape[-1]] = spectrum


__all__ = ["compute", "recording_steps"]
