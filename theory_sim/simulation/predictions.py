"""What the theory predicts for one run, beside the explicit run: τ, band energies and crosses at every step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from theory_sim.closed_form import Plane, plane_coefficients, relu_q
from theory_sim.descent import Trajectory
from theory_sim.recurrences import eq8, integrate_scalars
from theory_sim.spectrum import Band, ComplexArray, ratio
from theory_sim.training import Training

Array = NDArray[np.float64]


class Scalars(NamedTuple):
    """L, H, Δτ_l, Δτ_h at t = 0 ... T, each (T+1,)."""

    low_energy: Array
    high_energy: Array
    low_cross: Array
    high_cross: Array

    @property
    def tau(self) -> Array:
        """τ(δ ∈ S_l), (T+1,); NaN where the gradient is zero."""
        return ratio(self.low_energy, self.high_energy)


@dataclass(frozen=True)
class Prediction:
    """One predicted course. name: coordinate in the Dataset; title: how tables and legends call it; source: paper."""

    name: str
    title: str
    source: str
    scalars: Scalars


def scalars_of(spectrum: ComplexArray, input_spectrum: ComplexArray, band: Band) -> Scalars:
    """L, H, Δτ_l, Δτ_h of spectra ĝ (T+1, n_bins) against x̂ (n_bins,)."""
    low, high = band.energies(spectrum)
    cross_low, cross_high = band.crosses(spectrum, input_spectrum)
    return Scalars(low, high, -2 * cross_low, -2 * cross_high)


def predict(
    trajectory: Trajectory, spectrum: ComplexArray, input_spectrum: ComplexArray, band: Band
) -> list[Prediction]:
    """All predictions that fit the run, ready to compare with `scalars_of(spectrum, ...)`.

    The recurrences take η^(t) and η̃^(t) from the run; `closed_form` of a ReLU net takes nothing but the start.
    """
    drive, decay = trajectory.drive[:-1], trajectory.decay[:-1]
    start = Plane.of(spectrum[0], input_spectrum, band)
    with np.errstate(all="ignore"):  # a diverging run overflows here too; what is not finite becomes NaN
        iterated = scalars_of(_iterate_eq8(spectrum[0], input_spectrum, drive, decay), input_spectrum, band)
        p, q = closed_pq(trajectory)
        from_start = has_closed_q(trajectory.training)
        out = [
            Prediction("eq8", "Eq. 8", "[paper: Eq. 8]", iterated),
            Prediction(
                "printed",
                "Eqs. 13-14 as printed",
                "[paper: Eq. 13] [paper: Eq. 14], factor 1 as printed",
                _iterate_eq14(start, drive, decay, 1.0),
            ),
            Prediction(
                "corrected",
                "Eqs. 13-14 corrected",
                "[paper: Eq. 13] [paper: Eq. 14], factor 2 in Eq. 14",
                _iterate_eq14(start, drive, decay, 2.0),
            ),
            Prediction(
                "closed_form",
                "closed form from t = 0" if from_start else "closed form, q of the run",
                "[paper: Eq. 8] iterated, q_t from the start alone"
                if from_start
                else "[paper: Eq. 8] iterated, q = Q/P",
                _on_plane(start, p, q),
            ),
        ]
        if from_start:
            source = "[paper: Eq. 8] iterated, started anew after each kink crossing"
            rebased = _rebased(trajectory, spectrum, input_spectrum, band)
            out.append(Prediction("rebased", "closed form, re-based", source, rebased))
        if trajectory.training.network.activation.smooth:
            source = "[paper: Eq. 8] with -(ηℓ'/2)·∇ₓK(x,x) for its right side, K the tangent kernel"
            kernel = scalars_of(band.transform(_iterate_ntk(trajectory)), input_spectrum, band)
            out.append(Prediction("eq8_ntk", "Eq. 8 corrected (kernel)", source, kernel))
    return [_blanked(prediction, trajectory.last_finite_step) for prediction in out]


def has_closed_q(training: Training) -> bool:
    """True if q_t follows from the start alone (until a unit crosses its kink): ReLU with the mean squared error."""
    return training.network.activation.name == "relu" and training.loss == "mse"


def closed_pq(trajectory: Trajectory) -> tuple[Array, Array]:
    """P_t and q_t = Q_t/P_t of the closed form, (T+1,): from the start alone where `has_closed_q`, else of the run."""
    with np.errstate(all="ignore"):
        if has_closed_q(trajectory.training):
            q = _relu_q(trajectory, 0, len(trajectory.output))
            return np.ones_like(q), q
        p, q = plane_coefficients(trajectory.drive[:-1], trajectory.decay[:-1])
        return p, q / p


def _relu_q(trajectory: Trajectory, first: int, n: int) -> Array:
    """q at the n steps from `first` on, counted from there, if no unit crosses its kink."""
    norm2 = trajectory.training.input_norm2
    rate = trajectory.training.learning_rate * float(trajectory.active_norm2[first]) * norm2
    return np.asarray(relu_q(np.arange(n), float(trajectory.residual[first]), rate, norm2))


def _iterate_eq8(start: ComplexArray, input_spectrum: ComplexArray, drive: Array, decay: Array) -> ComplexArray:
    out = np.empty((len(drive) + 1, start.size), start.dtype)
    out[0] = start
    for t in range(len(drive)):
        out[t + 1] = eq8(out[t], input_spectrum, drive[t], decay[t])
    return out


def _iterate_eq14(start: Plane, drive: Array, decay: Array, factor: float) -> Scalars:
    energies, crosses = (start.low_energy, start.high_energy), (start.low_cross, start.high_cross)
    return Scalars(*integrate_scalars(*energies, *crosses, start.input_low, start.input_high, drive, decay, factor))


def _on_plane(start: Plane, p: Any, q: Array) -> Scalars:
    """The scalars of P(ĝ⁰ - q x̂)."""
    there = start.at(q)
    return Scalars(p**2 * there.low_energy, p**2 * there.high_energy, p * there.low_cross, p * there.high_cross)


def _rebased(trajectory: Trajectory, spectrum: ComplexArray, input_spectrum: ComplexArray, band: Band) -> Scalars:
    """The closed form between crossings, started anew from the run's state at the first step after each of them."""
    starts = np.concatenate([[0], np.flatnonzero(np.diff(trajectory.crossings)) + 1])
    ends = np.append(starts[1:], len(trajectory.output))
    pieces = [
        _on_plane(Plane.of(spectrum[first], input_spectrum, band), 1.0, _relu_q(trajectory, first, end - first))
        for first, end in zip(starts, ends, strict=True)
    ]
    return Scalars(*(np.concatenate(values) for values in zip(*pieces, strict=True)))


def _iterate_ntk(trajectory: Trajectory) -> Array:
    """g⁰ - Σ_τ ηℓ'_τ (½∇ₓK)_τ (T+1, d), the kernel's gradient taken along the run: `recurrences.eq8_ntk` summed.

    W_t = W_0 - p_t xᵀ with p_t = (s_0 - s_t)/‖x‖² spares the weights of every step.
    """
    training = trajectory.training
    network, act = training.network, training.network.activation
    s = trajectory.preactivation[:-1]
    shift = (trajectory.preactivation[0] - s) / training.input_norm2
    pull = network.outer**2 * act.slope(s) * act.curvature(s)
    vector = pull @ network.weights - np.einsum("tr,tr->t", pull, shift)[:, None] * training.x
    half = trajectory.active_norm2[:-1, None] * training.x + training.input_norm2 * vector
    out = np.empty_like(trajectory.input_gradient)
    out[0] = trajectory.input_gradient[0]
    out[1:] = out[0] - np.cumsum(training.learning_rate * trajectory.residual[:-1, None] * half, axis=0)
    return out


def _blanked(prediction: Prediction, last_finite_step: int) -> Prediction:
    """NaN where the run has ended, and where the prediction itself is not finite."""
    kept = []
    for values in prediction.scalars:
        values = np.where(np.isfinite(values), values, np.nan)
        values[last_finite_step + 1 :] = np.nan
        kept.append(values)
    return Prediction(prediction.name, prediction.title, prediction.source, Scalars(*kept))
