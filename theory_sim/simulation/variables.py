"""The variables of a run's Dataset: dimensions, values, and attributes that say what, in which units, from where."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from theory_sim.closed_form import Plane
from theory_sim.descent import Trajectory
from theory_sim.simulation import bounds
from theory_sim.simulation.predictions import Prediction, Scalars, closed_pq
from theory_sim.spectrum import Band, ComplexArray, frequency_grid

Variable = tuple[Any, Any, dict[str, str]]  # dimensions, values, attributes
NORMALISATION = "unnormalised DFT"
ENERGY = "squared {}, band weights w_k"
QUANTITIES = {
    "tau": ("low frequency ratio τ(δ ∈ S_l) of the FGM perturbation", "1", "[paper: Section 2.1] [paper: Eq. 7]"),
    "low_energy": ("low band energy L of the input gradient", ENERGY, "[paper: Theorem 1]"),
    "high_energy": ("high band energy H of the input gradient", ENERGY, "[paper: Theorem 1]"),
    "low_cross": ("low band cross Δτ_l of gradient and input", ENERGY, "[paper: Section 3.1]"),
    "high_cross": ("high band cross Δτ_h of gradient and input", ENERGY, "[paper: Section 3.1]"),
}


def spectrum_units(band: Band) -> str:
    """Normalisation of the transform, which stands where other numbers have units."""
    return NORMALISATION if band.kind == "dft" else "orthonormal DCT-II"


def _variable(dims: Any, values: Any, long_name: str, units: str, source: str) -> Variable:
    return dims, values, {"long_name": long_name, "units": units, "source": source}


def coordinates(trajectory: Trajectory, band: Band, predictions: list[Prediction]) -> dict[str, Variable]:
    """Steps, bins (in the order of the half spectrum; |k| repeats for images) and predictions."""
    section = "[paper: Section 2.1]"
    cycles = "cycles per input" if band.kind == "dft" else "half cycles per input"
    out: dict[str, Variable] = {
        "step": _variable(
            "step", np.arange(len(trajectory.output)), "training step t, state before its update", "1", "[paper: Eq. 4]"
        ),
        "frequency": _variable("frequency", band.radius, "distance |k| of the bin from frequency 0", cycles, section),
        "is_low": _variable("frequency", band.is_low, "bin lies in the low band", "1", section),
        "band_weight": _variable("frequency", band.weights, "weight w_k of the bin in a band sum", "1", section),
        "prediction": _variable(
            "prediction",
            [p.name for p in predictions],
            "; ".join(f"{p.name}: {p.title}" for p in predictions),
            "1",
            _sources(predictions),
        ),
    }
    if len(band.shape) > 1:
        for name, grid in zip(("vertical", "horizontal"), frequency_grid(band.shape, band.kind), strict=True):
            out[f"frequency_{name}"] = _variable("frequency", grid, f"{name} frequency", cycles, section)
    return out


def _sources(predictions: list[Prediction]) -> str:
    return "; ".join(f"{p.name}: {p.source}" for p in predictions)


def courses(
    trajectory: Trajectory, explicit: Scalars, predictions: list[Prediction], units: str
) -> dict[str, Variable]:
    """Explicit scalars of every step, and those of the predictions with their errors."""
    out: dict[str, Variable] = {}
    sources = _sources(predictions)
    for name, (long_name, unit, source) in QUANTITIES.items():
        own, unit = getattr(explicit, name), unit.format(units)
        out[name] = _variable("step", own, long_name, unit, source)
        foreseen = np.stack([getattr(p.scalars, name) for p in predictions])
        both = ("prediction", "step")
        out[f"predicted_{name}"] = _variable(both, foreseen, f"predicted {long_name}", unit, sources)
        out[f"{name}_error"] = _variable(both, foreseen - own, f"predicted minus explicit {long_name}", unit, sources)
    p, q = closed_pq(trajectory)
    last = trajectory.last_finite_step
    for name, values, long_name, source in (
        ("drive", trajectory.drive, "drive η^(t) = η ℓ' ‖a'‖²", "[paper: Eq. 8]"),
        ("decay", trajectory.decay, "decay η̃^(t) = η ‖x‖² ℓ' mean(a σ'')", "[paper: Eq. 8]"),
        ("crossings", trajectory.crossings, "kink crossings (sign changes of a w_r·x) so far", "[paper: Section 3.1]"),
        ("residual", trajectory.residual, "slope ℓ' = ∂ℓ/∂f of the loss (mse: f - y)", "[paper: Eq. 4]"),
        ("output", trajectory.output, "output f(x)", "[paper: Eq. 1]"),
        ("active_norm2", trajectory.active_norm2, "‖a'‖², squared norm of the active outer weights", "[paper: Eq. 8]"),
        ("plane_p", _until(p, last), "P_t of the closed form ĝ = P ĝ⁰ - P q x̂", "[paper: Eq. 8] iterated"),
        ("plane_q", _until(q, last), "q_t of the closed form ĝ = P ĝ⁰ - P q x̂", "[paper: Eq. 8] iterated"),
    ):
        out[name] = _variable("step", values, long_name, "1", source)
    return out


def _until(values: NDArray[np.float64], last: int) -> NDArray[np.float64]:
    """`values` with NaN after step `last` and in place of infinities."""
    values = np.where(np.isfinite(values), values, np.nan)
    values[last + 1 :] = np.nan
    return values


def spectra(spectrum: ComplexArray, input_spectrum: ComplexArray, band: Band, units: str) -> dict[str, Variable]:
    """|ĝ|², R_k and cos Δφ_k at every step and bin, |x̂|² at every bin."""
    size = np.abs(input_spectrum)
    defined = size > bounds.VANISHING * size.max()
    power = spectrum.real**2 + spectrum.imag**2
    with np.errstate(invalid="ignore", divide="ignore"):
        spectral_ratio = np.where(defined, np.sqrt(power) / np.where(defined, size, 1.0), np.nan)
        cosine = (spectrum * np.conj(input_spectrum)).real / (np.sqrt(power) * size)
    cosine = np.where(defined & (power > 0), cosine, np.nan)
    both, squared = ("step", "frequency"), f"squared {units}"
    ratio_name, cosine_name = "R_k = |ĝ[k]|/|x̂[k]|, NaN where x̂[k] = 0", "cos Δφ_k, NaN where ĝ[k] or x̂[k] = 0"
    return {
        "gradient_power": _variable(both, power, "|ĝ[k]|² of the input gradient", squared, "[paper: Eq. 6]"),
        "spectral_ratio": _variable(both, spectral_ratio, ratio_name, "1", "[paper: Section 3.2]"),
        "phase_cosine": _variable(both, cosine, cosine_name, "1", "[paper: Section 3.1]"),
        "input_power": _variable("frequency", size**2, "|x̂[k]|² of the input", squared, "[paper: Section 2.1]"),
    }


def theorem_bounds(trajectory: Trajectory, explicit: Scalars, start: Plane, units: str) -> dict[str, Variable]:
    """What Theorems 1 and 3 say and what the run did; scalars, NaN where there is no such step."""
    settled = bounds.settled(trajectory)
    low, high = bounds.turning_points(start)
    remark, step = "[paper: Theorem 1, Remark]", "training step"
    energy = ENERGY.format(units)
    theorem3, eq10, iterated = "[paper: Theorem 3]", "[paper: Eq. 10]", "[paper: Eq. 8] iterated"
    t0 = [bounds.predicted_t0(trajectory, start, halved) for halved in (False, True)]
    t0_observed = bounds.observed_t0(explicit, settled)
    t1 = bounds.predicted_t1(trajectory, start, settled), bounds.observed_t1(explicit, settled)
    rows = (
        ("input_tau", start.input_tau, "τ(x ∈ S_l) of the input", "1", "[paper: Section 2.1]"),
        ("input_low", start.input_low, "L_x, low band energy of the input", energy, "[paper: Eq. 5]"),
        ("input_high", start.input_high, "H_x, high band energy of the input", energy, "[paper: Eq. 5]"),
        ("eq12_margin", start.eq12_margin, "τ(x)(Δτ_l + Δτ_h) - Δτ_l at t = 0", energy, "[paper: Eq. 12]"),
        ("t0_printed", t0[0], "t0 of Theorem 1 as printed", step, remark),
        ("t0_corrected", t0[1], "t0 of Theorem 1 with the factor 2 of Eq. 14", step, remark),
        ("t0_observed", t0_observed, "first step from which Δτ_l > Δτ_h", step, remark),
        ("t1_predicted", t1[0], "t1, from which τ grows, by the closed form", step, eq10),
        ("t1_observed", t1[1], "t1, from which τ grows", step, eq10),
        ("first_crossing", _first(trajectory.crossings > 0), "first step after a kink crossing", step, iterated),
        ("passes_input_tau", _first(explicit.tau > start.input_tau), "first step with τ > τ(x)", step, theorem3),
        ("overshoot_q", start.overshoot, "q > 0 at which τ(q) passes τ(x), inf: never", "1", theorem3),
        ("turning_q_low", low, "smaller q with τ'(q) = 0", "1", iterated),
        ("turning_q_high", high, "larger q with τ'(q) = 0", "1", iterated),
    )
    return {name: _variable((), float(value), *texts) for name, value, *texts in rows}


def attacked(before: tuple[float, float], after: tuple[float, float]) -> dict[str, Variable]:
    """τ of an attack's δ and the rise of the loss by it, before and after training."""
    rows = (
        ("attack_tau_start", before[0], "τ of the attack's δ before training", "[paper: Section 2.1]"),
        ("attack_tau_final", after[0], "τ of the attack's δ after training", "[paper: Section 2.1]"),
        ("attack_loss_start", before[1], "rise of the loss by the attack before training", "[paper: Eq. 18]"),
        ("attack_loss_final", after[1], "rise of the loss by the attack after training", "[paper: Eq. 18]"),
    )
    return {name: _variable((), value, long_name, "1", source) for name, value, long_name, source in rows}


def _first(hit: NDArray[np.bool_]) -> float:
    return float(np.argmax(hit)) if hit.any() else float("nan")


def pairs(
    trajectory: Trajectory, spectrum: ComplexArray, input_spectrum: ComplexArray, band: Band
) -> dict[str, Variable]:
    """Theorem 2 for pairs of a few frequencies."""
    nothing = bounds.OrderPair(0, 0, *[float("nan")] * 3)  # a dimension of size 0 is not for every file format
    bins = bounds.ratio_bins(input_spectrum, band)
    found = bounds.order_pairs(trajectory, spectrum, input_spectrum, bins) or [nothing]
    theorem, step = "[paper: Theorem 2]", "training step"
    rows = (
        ("pair_bin", [p.k for p in found], "bin of the higher frequency k", "1", theorem),
        ("pair_low_bin", [p.k_low for p in found], "bin of the lower frequency k'", "1", theorem),
        ("order_t0", [p.bound for p in found], "t0: R_k > R_k' before it", step, "[paper: Eq. 11]"),
        ("order_predicted", [p.predicted for p in found], "step that loses R_k > R_k', closed form", step, theorem),
        ("order_observed", [p.observed for p in found], "step that loses R_k > R_k', run", step, theorem),
    )
    return {name: _variable("pair", np.asarray(values), *texts) for name, values, *texts in rows}
