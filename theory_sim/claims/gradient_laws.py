"""Eqs. 8, 13, 14 and 15: one step of training seen by ĝ, by its band energies and crosses, and by τ.

A law that holds to first order has a local (one-step) error of order η² and a global one, at a fixed training time
T·η, of order η. Both are measured as slopes on a ladder of six learning rates from one start, explicit training on the
other side. The law gets the explicit run's own rates; nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from theory_sim.claims.base import FIRST_ORDER, HOLDS, REFUTED, Claim, Outcome, slope
from theory_sim.claims.samples import SpectralPath, TrainingSample
from theory_sim.closed_form import plane_coefficients
from theory_sim.network import ACTIVATIONS
from theory_sim.recurrences import eq8, eq8_ntk, eq8_units, eq13, eq13_exact, eq14, eq15, eq15_exact

Array = NDArray[np.float64]
OCTAVES = 5
ROUND_OFF = 1e-12
SMOOTH = ACTIVATIONS[1:]


@dataclass(frozen=True)
class Rung:
    """One learning rate of the ladder: the run's path with its exact one-step and its summed tangent-kernel moves."""

    rate: float
    path: SpectralPath
    ntk_moves: NDArray  # spectra of the eq8_ntk moves of every step, (T, n_bins)


def ladder(sample: TrainingSample) -> list[Rung]:
    """Runs at η, η/2, ... η/2⁵ over the same training time; cached on the sample."""
    cached = sample.__dict__.get("ladder")
    if cached is None:
        cached = []
        for k in range(OCTAVES + 1):
            training = sample.training.with_rate(sample.training.learning_rate / 2**k, sample.training.n_steps * 2**k)
            path = TrainingSample(training, sample.band, sample.source, sample.engine)
            cached.append(Rung(training.learning_rate, path, path.band.transform(tangent_moves(path))))
        sample.__dict__["ladder"] = cached
    return list(cached)


def tangent_moves(path: TrainingSample) -> Array:
    """-η ℓ' [‖a'‖² x + ‖x‖² Σ_r a_r² σ' σ'' w_r] of every step, (T, d): eq8_ntk along the run [paper: Eq. 8]."""
    t, net, x = path.trajectory, path.training.network, path.training.x
    s = t.preactivation[: path.steps]
    pull = net.outer**2 * net.activation.slope(s) * net.activation.curvature(s)
    shift = (t.preactivation[0] - s) / path.training.input_norm2  # w_r(t) = w_r(0) - shift_r x
    extra = pull @ net.weights - np.sum(pull * shift, axis=1)[:, None] * x
    rate = path.training.learning_rate * t.residual[: path.steps, None]
    return -rate * (t.active_norm2[: path.steps, None] * x + path.training.input_norm2 * extra)


def orders(sample: TrainingSample, law: Callable[[Rung], tuple[Array, Array, Array, Array]]) -> tuple[float, float]:
    """Local and global slope of a law: law(rung) -> (predicted, actual) after one step and at the end."""
    rates, local, whole = [], [], []
    for rung in ladder(sample):
        one, one_true, end, end_true = law(rung)
        rates.append(rung.rate)
        local.append(np.linalg.norm(one - one_true) / np.linalg.norm(one_true))
        whole.append(np.linalg.norm(end - end_true) / np.linalg.norm(end_true))
    steps = np.array(rates)
    return slope(steps, np.array(local), ROUND_OFF), slope(steps, np.array(whole), ROUND_OFF)


def _usable(sample: TrainingSample) -> bool:
    """No divergence, no kink crossing at any rung, ĝ moves, but by less than itself in one step: the law's premises."""
    for rung in ladder(sample):
        path = rung.path
        assert isinstance(path, TrainingSample)
        if path.trajectory.diverged:
            return False
        if path.training.network.activation.name == "relu" and path.first_crossing <= path.steps:
            return False
    start, one, *_, end = sample.gradient_spectrum
    size = np.linalg.norm(start)
    return bool(np.linalg.norm(one - start) < size and np.linalg.norm(end - start) > 1e-3 * size)


# Eq. 8 ---------------------------------------------------------------------------------------------------------------


def _eq8_law(rung: Rung, sign: float = 1.0) -> tuple[Array, Array, Array, Array]:
    path, g = rung.path, rung.path.gradient_spectrum
    one = eq8(g[0], path.input_spectrum, sign * path.drive[0], path.decay[0])
    p, q = plane_coefficients(sign * path.drive, path.decay)
    return one, g[1], p[-1] * g[0] - q[-1] * path.input_spectrum, g[-1]


def _ntk_law(rung: Rung, extra: float = 1.0) -> tuple[Array, Array, Array, Array]:
    path, g = rung.path, rung.path.gradient_spectrum
    parallel = -path.drive[:, None] * path.input_spectrum
    moves = parallel + extra * (rung.ntk_moves - parallel)
    return g[0] + moves[0], g[1], g[0] + moves.sum(axis=0), g[-1]


def _one_step_law(sample: TrainingSample, rung: Rung, law: Callable[..., Array]) -> tuple[Array, Array, Array, Array]:
    """A law for the start only; its global form sums the tangent moves after the first step."""
    path, g = rung.path, rung.path.gradient_spectrum
    assert isinstance(path, TrainingSample)
    training = path.training
    residual = float(path.trajectory.residual[0])
    one = path.band.transform(law(training.network, training.x, training.learning_rate, residual))
    return one, g[1], one + rung.ntk_moves[1:].sum(axis=0), g[-1]


def judge_eq8_relu(sample: TrainingSample) -> Outcome | None:
    """ĝ^(t+1) = ĝ^(t) - η^(t) x̂ at every step of an explicit ReLU run without crossings [paper: Eq. 8]."""
    if sample.first_crossing <= sample.steps:
        return None
    g = sample.gradient_spectrum
    move = np.linalg.norm(g[1:] - g[:-1], axis=1).max()
    size = np.linalg.norm(g, axis=1).max()
    if move <= 1e-8 * size:
        return None

    def error(sign: float) -> float:
        predicted = eq8(g[:-1], sample.input_spectrum, sign * sample.drive, sample.decay)
        return -float(np.linalg.norm(predicted - g[1:], axis=1).max() / size)

    return Outcome(error(1.0), error(1.0), error(-1.0))


def judge_eq8_smooth(sample: TrainingSample) -> Outcome | None:
    """Eq. 8 with the mean rate of decay, and the law of the tangent kernel in its place [paper: Eq. 8]."""
    if not _usable(sample):
        return None
    control = orders(sample, lambda rung: _ntk_law(rung, extra=-1.0))
    return Outcome(orders(sample, _eq8_law), orders(sample, _ntk_law), control)


def judge_eq8_units(sample: TrainingSample) -> Outcome | None:
    """The line above Eq. 8, every unit with its own rate [paper: Eq. 8]."""
    if not _usable(sample):
        return None

    def flipped(network, x, rate, residual):  # type: ignore[no-untyped-def]
        plain = network.input_gradient(x)
        return 2 * plain - eq8_units(network, x, rate, residual)

    return Outcome(
        orders(sample, lambda rung: _one_step_law(sample, rung, eq8_units)),
        None,
        orders(sample, lambda rung: _one_step_law(sample, rung, flipped)),
    )


def judge_eq8_ntk(sample: TrainingSample) -> Outcome | None:
    """g^(t+1) = g - (η ℓ'/2) ∇ₓK(x,x) + O(η²), K the tangent kernel: ours, tested by the function users call."""
    if not _usable(sample):
        return None
    return Outcome(
        None,
        orders(sample, lambda rung: _one_step_law(sample, rung, eq8_ntk)),
        orders(sample, lambda rung: _ntk_law(rung, extra=0.0)),
    )


def judge_wide(sample: TrainingSample) -> Outcome | None:
    """Gaussian W: Σ a_r² σ'σ'' w_r turns parallel to x; its share across x has squared length ≈ (d-1)·v/m.

    The value is the measured squared length across x over its expectation for independent w_r, minus 1.
    """
    training = sample.training
    net, x = training.network, training.x
    s = net.preactivation(x)
    pull = net.outer**2 * net.activation.slope(s) * net.activation.curvature(s)
    along = net.weights @ x / training.input_norm2
    across = pull @ (net.weights - np.outer(along, x))
    variance = float(np.var(net.weights))  # of one Gaussian entry
    expected = (net.dim - 1) * variance * float(pull @ pull)
    if expected == 0:  # constant weights, or σ'' = 0 in float64
        return None
    value = float(across @ across) / expected
    coherent = (net.dim - 1) * variance * float(pull.sum()) ** 2  # control: as if the parts across x added up
    return Outcome(None, value - 1.0, float(across @ across) / coherent - 1.0)


# Eq. 13 --------------------------------------------------------------------------------------------------------------


def _energies(path: SpectralPath) -> Array:
    return np.stack([np.asarray(path.planes.low_energy), np.asarray(path.planes.high_energy)], axis=-1)


def _crosses(path: SpectralPath) -> Array:
    return np.stack([np.asarray(path.planes.low_cross), np.asarray(path.planes.high_cross)], axis=-1)


def _input_energies(path: SpectralPath) -> Array:
    return np.array([float(path.planes.input_low), float(path.planes.input_high)])


def _sums(path: SpectralPath, moves: Array, values: Array) -> tuple[Array, Array, Array, Array]:
    """One step and the sum of all predicted moves against the explicit values (T+1, ...)."""
    return values[0] + moves[0], values[1], values[0] + moves.sum(axis=0), values[-1]


def _eq13_law(rung: Rung, swap: bool = False) -> tuple[Array, Array, Array, Array]:
    path, energy = rung.path, _energies(rung.path)
    cross = _crosses(path)[:, ::-1] if swap else _crosses(path)
    moves = eq13(energy[:-1], cross[:-1], path.drive[:, None], path.decay[:, None]) - energy[:-1]
    return _sums(path, moves, energy)


def _ntk_products(rung: Rung, other: NDArray) -> Array:
    """2 Re Σ_band w_k move[k] conj(other[k]) of every step's tangent move, (T, 2)."""
    return 2 * np.stack(rung.path.band.crosses(rung.ntk_moves, other), axis=-1)


def _eq13_ntk_law(rung: Rung, swap: bool = False) -> tuple[Array, Array, Array, Array]:
    path = rung.path
    moves = _ntk_products(rung, path.gradient_spectrum[:-1])
    return _sums(path, moves[:, ::-1] if swap else moves, _energies(path))


def judge_eq13_relu(sample: TrainingSample) -> Outcome | None:
    """Band energies under ReLU training: first order as printed; exact with η² E_x [paper: Eq. 13]."""
    if not _usable(sample):
        return None
    return Outcome(orders(sample, _eq13_law), None, orders(sample, lambda rung: _eq13_law(rung, swap=True)))


def judge_eq13_exact(sample: SpectralPath) -> Outcome | None:
    """(1-η̃)² E + (1-η̃) η c + η² E_x: exact under Eq. 8; as printed only to first order [paper: Eq. 13]."""
    if sample.first_crossing <= len(sample.drive):
        return None
    energy, cross, of_input = _energies(sample), _crosses(sample), _input_energies(sample)
    drive, decay = sample.drive[:, None], sample.decay[:, None]
    size = energy.sum(axis=-1).max()
    if np.abs(energy[1:] - energy[:-1]).max() <= 1e-7 * size:
        return None

    def error(predicted: Array) -> float:
        return -float(np.abs(predicted - energy[1:]).max() / size)

    return Outcome(
        None,
        error(eq13_exact(energy[:-1], cross[:-1], of_input, drive, decay)),
        error(eq13(energy[:-1], cross[:-1], drive, decay)),
    )


def judge_eq13_smooth(sample: TrainingSample) -> Outcome | None:
    """Band energies under smooth training: Eq. 13 inherits Eq. 8's O(η) error [paper: Eq. 13]."""
    if not _usable(sample):
        return None
    control = orders(sample, lambda rung: _eq13_ntk_law(rung, swap=True))
    return Outcome(orders(sample, _eq13_law), orders(sample, _eq13_ntk_law), control)


# Eq. 14 --------------------------------------------------------------------------------------------------------------


def judge_eq14_exact(sample: SpectralPath) -> Outcome | None:
    """(Δτ_l-Δτ_h)^(t+1) = (1-η̃)(Δτ_l-Δτ_h) + c η (L_x-H_x): c = 1 as printed, 2 as corrected [paper: Eq. 14]."""
    if sample.first_crossing <= len(sample.drive):
        return None
    cross, of_input = _crosses(sample), _input_energies(sample)
    gap, room = cross[:, 0] - cross[:, 1], float(of_input[0] - of_input[1])
    size = np.abs(cross).sum(axis=1).max()
    if (np.abs(sample.drive) * abs(room)).max() <= 1e-7 * size:
        return None

    def error(factor: float, flip: float = 1.0) -> float:
        predicted = eq14(gap[:-1], flip * room, sample.drive, sample.decay, factor)
        return -float(np.abs(predicted - gap[1:]).max() / size)

    return Outcome(error(1.0), error(2.0), error(2.0, flip=-1.0))


def _eq14_law(rung: Rung) -> tuple[Array, Array, Array, Array]:
    path, cross, of_input = rung.path, _crosses(rung.path), _input_energies(rung.path)
    gap = cross[:, 0] - cross[:, 1]
    moves = eq14(gap[:-1], of_input[0] - of_input[1], path.drive, path.decay, 1.0) - gap[:-1]
    return _scaled(path, moves, gap)


def _eq14_ntk_law(rung: Rung, swap: bool = False) -> tuple[Array, Array, Array, Array]:
    path, cross = rung.path, _crosses(rung.path)
    products = -_ntk_products(rung, path.input_spectrum)  # change of Δτ = -2 Re Σ ĝ conj(x̂)
    moves = products[:, 0] - products[:, 1]
    return _scaled(path, -moves if swap else moves, cross[:, 0] - cross[:, 1])


def _scaled(path: SpectralPath, moves: Array, values: Array) -> tuple[Array, Array, Array, Array]:
    """As `_sums` for a signed scalar, offset by its natural size so that a zero of the scalar is no relative error."""
    offset = np.abs(_crosses(path)[0]).sum() + np.sqrt(_energies(path)[0].sum() * _input_energies(path).sum())
    one, one_true, end, end_true = _sums(path, moves, values)
    return tuple(np.atleast_1d(v + 2 * offset) for v in (one, one_true, end, end_true))  # type: ignore[return-value]


def judge_eq14_smooth(sample: TrainingSample) -> Outcome | None:
    """Eq. 14 under smooth training: neither factor is exact, because Eq. 8 is not [paper: Eq. 14]."""
    if not _usable(sample):
        return None
    control = orders(sample, lambda rung: _eq14_ntk_law(rung, swap=True))
    return Outcome(orders(sample, _eq14_law), orders(sample, _eq14_ntk_law), control)


# Eq. 15 = Eq. 9 ------------------------------------------------------------------------------------------------------


def _tau(path: SpectralPath) -> Array:
    energy = _energies(path)
    return energy[:, 0] / energy.sum(axis=1)


def _eq15_law(rung: Rung, swap: bool = False) -> tuple[Array, Array, Array, Array]:
    path, energy, cross = rung.path, _energies(rung.path), _crosses(rung.path)
    low, high = (1, 0) if swap else (0, 1)
    total = energy.sum(axis=1)
    moves = eq15(energy[:-1, 0], energy[:-1, 1], cross[:-1, low], cross[:-1, high], path.drive, total[1:])
    one, one_true, end, end_true = _sums(path, moves, _tau(path))
    return tuple(np.atleast_1d(v + 1) for v in (one, one_true, end, end_true))  # type: ignore[return-value]


def _eq15_ntk_law(rung: Rung, swap: bool = False) -> tuple[Array, Array, Array, Array]:
    path, tau = rung.path, _tau(rung.path)
    products = _ntk_products(rung, path.gradient_spectrum[:-1])
    if swap:
        products = products[:, ::-1]
    moves = (products[:, 0] * (1 - tau[:-1]) - products[:, 1] * tau[:-1]) / _energies(path).sum(axis=1)[1:]
    one, one_true, end, end_true = _sums(path, moves, tau)
    return tuple(np.atleast_1d(v + 1) for v in (one, one_true, end, end_true))  # type: ignore[return-value]


def judge_eq15_relu(sample: TrainingSample) -> Outcome | None:
    """τ's one-step change under ReLU training, first order as printed [paper: Eq. 15]."""
    if not _usable(sample) or not _ratio_moves(sample):
        return None
    return Outcome(orders(sample, _eq15_law), None, orders(sample, lambda rung: _eq15_law(rung, swap=True)))


def judge_eq15_smooth(sample: TrainingSample) -> Outcome | None:
    """τ's one-step change under smooth training: Eq. 15 inherits Eq. 8's O(η) error [paper: Eq. 15]."""
    if not _usable(sample) or not _ratio_moves(sample):
        return None
    control = orders(sample, lambda rung: _eq15_ntk_law(rung, swap=True))
    return Outcome(orders(sample, _eq15_law), orders(sample, _eq15_ntk_law), control)


def _ratio_moves(sample: TrainingSample) -> bool:
    tau = _tau(sample)
    return bool(np.abs(tau - tau[0]).max() > 1e-5)


def judge_eq15_exact(sample: SpectralPath) -> Outcome | None:
    """Theorem 1's display as an equality; exact with η²(L_x τ_h - H_x τ_l)/N^(t+1) added [paper: Eq. 9]."""
    if sample.first_crossing <= len(sample.drive):
        return None
    energy, cross, of_input = _energies(sample), _crosses(sample), _input_energies(sample)
    total = energy.sum(axis=1)
    passed = np.maximum.accumulate(total[:-1] + sample.drive**2 * of_input.sum())
    if not (total[0] > 0 and (total[1:] > 1e-8 * passed).all()):  # ĝ = 0 has no τ; near it τ loses its digits
        return None
    change = np.diff(_tau(sample))
    if np.abs(change).max() < 1e-6:
        return None
    low, high, c_low, c_high = energy[:-1, 0], energy[:-1, 1], cross[:-1, 0], cross[:-1, 1]
    total = total[1:]

    def error(predicted: Array) -> float:
        return -float(np.abs(predicted - change).max())

    printed = error(eq15(low, high, c_low, c_high, sample.drive, total))
    exact = error(eq15_exact(low, high, c_low, c_high, of_input[0], of_input[1], sample.drive, sample.decay))
    swapped = error(eq15_exact(low, high, c_high, c_low, of_input[0], of_input[1], sample.drive, sample.decay))
    return Outcome(printed, exact, swapped)


# Rows ----------------------------------------------------------------------------------------------------------------


def _claims() -> list[Claim]:
    relu = "explicit ReLU training, no kink crossing at any rung of the ladder"
    ladder_of = "explicit training, six learning rates over five octaves; η̃, η^(t) taken from the run"
    by_eq8 = "Eq. 8 itself iterated, drive > 0, 0 <= decay < 1"
    rows = [
        Claim(
            "eq8",
            "relu",
            "ĝ' = (1-η̃)ĝ - η x̂ + O(η²)",
            "exact while no unit crosses its kink (η̃ = 0)",
            "explicit ReLU training, r in 0.05 ... 1, no kink crossing",
            "[paper: Eq. 8]",
            "relu",
            judge_eq8_relu,
            (HOLDS, HOLDS),
            tolerance=1e-11,
        ),
        Claim(
            "eq13",
            "relu",
            "energies: E' = (1-2η̃)E + η c",
            None,
            relu,
            "[paper: Eq. 13]",
            "order relu",
            judge_eq13_relu,
            (FIRST_ORDER, None),
            kind="order",
        ),
        Claim(
            "eq13",
            "relu, exact",
            "energies: E' = (1-2η̃)E + η c (proportionality and first order only are claimed)",
            "E' = (1-η̃)²E + (1-η̃)η c + η² E_x exactly",
            "explicit ReLU training, no kink crossing",
            "[paper: Eq. 13]",
            "relu",
            judge_eq13_exact,
            (None, HOLDS),
            tolerance=1e-11,
        ),
        Claim(
            "eq13",
            "eq8, exact",
            "energies: E' = (1-2η̃)E + η c (proportionality and first order only are claimed)",
            "E' = (1-η̃)²E + (1-η̃)η c + η² E_x exactly",
            by_eq8,
            "[paper: Eq. 13]",
            "eq8",
            judge_eq13_exact,
            (None, HOLDS),
            tolerance=1e-11,
        ),
        Claim(
            "eq14",
            "relu",
            "(Δτ_l-Δτ_h)' = (1-η̃)(Δτ_l-Δτ_h) + η(L_x-H_x)",
            "the factor in front of η(L_x-H_x) is 2",
            "explicit ReLU training, no kink crossing",
            "[paper: Eq. 14]",
            "relu",
            judge_eq14_exact,
            (REFUTED, HOLDS),
            tolerance=1e-11,
        ),
        Claim(
            "eq14",
            "eq8",
            "(Δτ_l-Δτ_h)' = (1-η̃)(Δτ_l-Δτ_h) + η(L_x-H_x)",
            "the factor in front of η(L_x-H_x) is 2",
            by_eq8,
            "[paper: Eq. 14]",
            "eq8",
            judge_eq14_exact,
            (REFUTED, HOLDS),
            tolerance=1e-11,
        ),
        Claim(
            "eq15",
            "relu",
            "τ' - τ = η(Δτ_l τ_h - Δτ_h τ_l)/N' (also Eq. 9)",
            None,
            relu,
            "[paper: Eq. 15]",
            "order relu",
            judge_eq15_relu,
            (FIRST_ORDER, None),
            kind="order",
        ),
        Claim(
            "eq15",
            "relu, as an equality",
            "τ' = τ + η(Δτ_l τ_h - Δτ_h τ_l)/N' (Eq. 9 prints an equality)",
            "exact with η²(L_x τ_h - H_x τ_l)/N' added",
            "explicit ReLU training, no kink crossing",
            "[paper: Eq. 9]",
            "relu",
            judge_eq15_exact,
            (REFUTED, HOLDS),
            tolerance=1e-11,
        ),
        Claim(
            "eq15",
            "eq8, as an equality",
            "τ' = τ + η(Δτ_l τ_h - Δτ_h τ_l)/N' (Eq. 9 prints an equality)",
            "exact with (1-η̃) in front of η and η²(L_x τ_h - H_x τ_l)/N' added",
            by_eq8,
            "[paper: Eq. 9]",
            "eq8",
            judge_eq15_exact,
            (REFUTED, HOLDS),
            tolerance=1e-11,
        ),
        Claim(
            "eq8_ntk",
            "wide Gaussian",
            "(ours) for Gaussian W and m → ∞ Eq. 8's change is parallel to x",
            "‖Σ a_r² σ'σ'' w_r across x‖² has mean (d-1)·var(w)·Σ(a_r²σ'σ'')²: relative to its length along x, O(d/m)",
            "Gaussian W, Softplus",
            "[paper: Eq. 8]",
            "order softplus",
            judge_wide,
            (None, HOLDS),
            kind="value",
            tolerance=0.0,
            ours=True,
        ),
    ]
    for name in SMOOTH:
        population = f"order {name}"
        rows += [
            Claim(
                "eq8",
                name,
                "ĝ' = (1-η̃)ĝ - η x̂ + O(η²)",
                "ĝ' = ĝ - (ηℓ'/2) F∇ₓK(x,x) + O(η²): the mean rate of decay is wrong at order η",
                ladder_of,
                "[paper: Eq. 8]",
                population,
                judge_eq8_smooth,
                (REFUTED, FIRST_ORDER),
                kind="order",
            ),
            Claim(
                "eq8",
                f"{name}, line above",
                "g' = Σ(1-η_r)a'_r w_r - η x + O(η²), every unit with its own rate",
                None,
                ladder_of,
                "[paper: Eq. 8]",
                population,
                judge_eq8_units,
                (FIRST_ORDER, None),
                kind="order",
            ),
            Claim(
                "eq8_ntk",
                name,
                "(ours; not in the paper)",
                "g' = g - (ηℓ'/2) ∇ₓK(x,x) + O(η²), K = ‖a'‖²‖x‖² the tangent kernel",
                ladder_of,
                "[paper: Eq. 8]",
                population,
                judge_eq8_ntk,
                (None, FIRST_ORDER),
                kind="order",
                ours=True,
            ),
        ]
        for claim_id, statement, judge in (
            ("eq13", "energies: E' = (1-2η̃)E + η c", judge_eq13_smooth),
            ("eq14", "(Δτ_l-Δτ_h)' = (1-η̃)(Δτ_l-Δτ_h) + η(L_x-H_x)", judge_eq14_smooth),
            ("eq15", "τ' - τ = η(Δτ_l τ_h - Δτ_h τ_l)/N' (also Eq. 9)", judge_eq15_smooth),
        ):
            rows.append(
                Claim(
                    claim_id,
                    name,
                    statement,
                    "with the tangent kernel's change of ĝ in place of Eq. 8's",
                    ladder_of,
                    f"[paper: Eq. {claim_id[2:]}]",
                    population,
                    judge,
                    (REFUTED, FIRST_ORDER),
                    kind="order",
                )
            )
    return rows


CLAIMS = _claims()
