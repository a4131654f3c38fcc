"""Appendix B: PGD on a trained network. Lemma 1, Eqs. 21-23, Theorem 4.

All of it is the plane of κ⁰ and ĝ with β in place of the drive: in the linear region κ^(j+1) = κ^(j) + β^(j) ĝ.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from theory_sim.claims.base import FIRST_ORDER, HOLDS, REFUTED, Claim, Outcome, slope
from theory_sim.claims.paths import RESOLVED
from theory_sim.claims.samples import AttackSample
from theory_sim.closed_form import Plane
from theory_sim.recurrences import eq20, eq22, eq23, eq23_exact
from theory_sim.spectrum import ratio

Array = NDArray[np.float64]
OCTAVES = 5
ROUND_OFF = 1e-13  # of κ, its energies and τ, over runs of 128 steps
NU = 0.5  # ν of Assumption 2 on the ladder


def _in_region(sample: AttackSample) -> bool:
    return not sample.path.region_left.any()


def _well_conditioned(sample: AttackSample) -> bool:
    """False where β = f - y + δ·g, or δ + ξ∇ℓ, has lost four digits to cancellation: identities hold at round-off."""
    path = sample.path
    before, after = (np.linalg.norm(v, axis=1) for v in (path.delta[:-1], path.unprojected))
    return bool(abs(sample.label) < 1e4 * np.abs(path.gain).min() and (before < 1e4 * after).all())


def _energies(sample: AttackSample) -> Array:
    p = sample.planes
    return np.stack([np.asarray(p.low_energy), np.asarray(p.high_energy)], axis=-1)


def _crosses(sample: AttackSample) -> Array:
    p = sample.planes
    return np.stack([np.asarray(p.low_cross), np.asarray(p.high_cross)], axis=-1)


def _gradient_energies(sample: AttackSample) -> Array:
    return np.array([float(sample.planes.input_low), float(sample.planes.input_high)])


def _growth(sample: AttackSample) -> Array:
    """τ(δ^(j+1)) - τ(δ^(j)) without cancellation, (n_steps,)."""
    low, high = _energies(sample).T
    return (low[1:] * high[:-1] - low[:-1] * high[1:]) / ((low + high)[1:] * (low + high)[:-1])


# Lemma 1 -------------------------------------------------------------------------------------------------------------


def lemma1(sample: AttackSample, case: str) -> Outcome | None:
    """β^(0) > 0 implies β^(j) > 0 for all j; for β^(0) < 0 the mirror image [paper: Lemma 1].

    Corrected in the linear region: β never even decreases. Far from it: up to the first iterate that leaves it.
    """
    beta = sample.path.gain
    if beta[0] == 0 or np.abs(beta - beta[0]).max() < 1e-9 * abs(beta[0]):
        return None
    share = beta / beta[0]
    left = np.flatnonzero(sample.path.region_left)
    if case == "smooth":
        return Outcome(float(share.min()), None, float((1 - share).min()))
    if case == "far":
        if not left.size:
            return None
        return Outcome(float(share.min()), float(share[: left[0] + 1].min()), float((1 - share).min()))
    if left.size:
        return None
    corrected = None if case == "sign, l2" else float(np.diff(share).min())
    return Outcome(float(share.min()), corrected, float((1 - share).min()))


# The linear region ---------------------------------------------------------------------------------------------------


def judge_eq22(sample: AttackSample) -> Outcome | None:
    """(δ^(j) + ξ∇ℓ - δ^(j))/ξ = β^(j) g, before the projection [paper: Eq. 22]."""
    if not _in_region(sample) or not _well_conditioned(sample):
        return None
    path, g = sample.path, sample.gradient
    kappa = path.delta[:-1] / sample.step_size
    actual = path.unprojected / sample.step_size
    size = float(np.linalg.norm(actual, axis=1).max())
    moves = float((np.abs(path.gain[:-1]) * np.linalg.norm(g)).max())
    if moves <= 1e-6 * size:
        return None

    def error(sign: float) -> float:
        predicted = eq22(kappa, sign * path.gain[:-1], g)
        return -float(np.linalg.norm(predicted - actual, axis=1).max() / size)

    return Outcome(error(1.0), None, error(-1.0))


def _unprojected(sample: AttackSample) -> Array:
    """Low and high energy of κ^(j+1) before the projection, (n_steps, 2)."""
    spectra = sample.band.transform(sample.path.unprojected / sample.step_size)
    return np.stack(sample.band.energies(spectra), axis=-1)


def judge_eq23_exact(sample: AttackSample, zero_start: bool) -> Outcome | None:
    """|κ^(j+1)|² = |κ|² + β c + β²|ĝ|²; the printed form drops β²|ĝ|², all there is at a zero start [paper: Eq. 23]."""
    if not _in_region(sample) or sample.step != "raw" or not _well_conditioned(sample):
        return None
    energy, cross, gain = _energies(sample)[:-1], _crosses(sample)[:-1], sample.path.gain[:-1, None]
    actual, of_gradient = _unprojected(sample), _gradient_energies(sample)
    size = actual.sum(axis=1)
    if not (size > 0).all():
        return None

    def error(predicted: Array, steps: slice) -> float:
        return -float((np.abs(predicted - actual).sum(axis=1) / size)[steps].max())

    every = slice(None)
    printed = error(eq23(energy, cross, gain), slice(0, 1)) if zero_start else None
    swapped = eq23_exact(energy, cross[:, ::-1], of_gradient[::-1], gain)
    return Outcome(printed, error(eq23_exact(energy, cross, of_gradient, gain), every), error(swapped, every))


def judge_thm4_exact(sample: AttackSample) -> Outcome | None:
    """τ(δ^(j+1)) - τ(δ^(j)) with the term β²(L_g τ_h - H_g τ_l) kept, projection or not [paper: Eq. 20]."""
    if not _in_region(sample) or not _well_conditioned(sample) or not _energies(sample).sum(axis=1).all():
        return None
    growth, gain, p = _growth(sample), sample.path.gain[:-1], sample.planes
    if np.abs(growth).max() < 1e-9:
        return None
    states = replace(
        p, **{k: np.asarray(getattr(p, k))[:-1] for k in ("low_energy", "high_energy", "low_cross", "high_cross")}
    )

    def error(plane: Plane) -> float:
        return -float(np.abs(plane.growth(0.0, gain) - growth).max())

    swapped = replace(states, low_cross=states.high_cross, high_cross=states.low_cross)
    return Outcome(None, error(states), error(swapped))


def judge_one_spectrum(sample: AttackSample) -> Outcome | None:
    """From a zero start: τ(δ^(j)) = τ(g) for every j >= 1, PGD and FGM have one spectrum [paper: Theorem 4]."""
    if not _in_region(sample):
        return None
    low, high = _energies(sample)[1:].T
    of_gradient = _gradient_energies(sample)
    if not ((low + high) > 0).all() or of_gradient.sum() == 0:
        return None
    tau_g = float(of_gradient[0] / of_gradient.sum())
    error = -float(np.abs(ratio(low, high) - tau_g).max())
    return Outcome(error, None, -float(np.abs(ratio(low, high) - (1 - tau_g)).max()))


def eq21(sample: AttackSample) -> Outcome | None:
    """After j₀ = -(Δτ_{l,2}-Δτ_{h,2})/(B(L_g-H_g)), B = max β: τ rises where L_κ < H_κ [paper: Eq. 21].

    Corrected: B = min β, a factor 2, and Δτ_{l,2} >= 0 besides Δτ_{l,2} > Δτ_{h,2}.
    """
    if not _in_region(sample):
        return None
    energy, cross, beta = _energies(sample), _crosses(sample), sample.path.gain
    low_g, high_g = _gradient_energies(sample)
    if not (beta[0] > 0 and low_g > high_g) or not energy.sum(axis=1).all():
        return None
    gap = float(cross[0, 0] - cross[0, 1])
    j = np.arange(len(beta) - 1)
    growth, minority = _growth(sample), energy[:-1, 0] < energy[:-1, 1]
    largest, least = np.maximum.accumulate(beta)[:-1], np.minimum.accumulate(beta)[:-1]
    printed_steps = minority & (j * largest * (low_g - high_g) > -gap)
    due = max(-gap / (2 * (low_g - high_g)), -float(cross[0, 0]) / (2 * low_g))
    corrected_steps = minority & (j * least > due)

    def margin(steps: NDArray[np.bool_], sign: float = 1.0) -> float | None:
        return float((sign * growth)[steps].min()) if steps.any() else None

    printed, corrected = margin(printed_steps), margin(corrected_steps)
    if printed is None and corrected is None:
        return None
    return Outcome(printed, corrected, margin(corrected_steps, -1.0))


# First order in ε ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Rung:
    """One size ε of start, residual and step of the ladder."""

    size: float
    sample: AttackSample


def ladder(sample: AttackSample, trained: bool) -> list[Rung]:
    """δ⁰, ξ ∝ ε and 1/ε steps, at ε, ε/2, ... ε/2⁵; residual ε^(1+ν) (Assumption 2), or fixed if not `trained`."""
    cached = sample.__dict__.get(f"ladder {trained}")
    if cached is not None:
        return list(cached)
    norm = float(np.linalg.norm(sample.gradient))
    output = float(sample.network.output(sample.x))
    start_norm = float(np.linalg.norm(sample.start))
    rungs = []
    for k in range(OCTAVES + 1):
        scale = 2.0**-k
        start = sample.start * (0.2 * scale)
        size = abs(float(start @ sample.gradient))  # of order ε, and β of order ε with it
        residual = 0.05 * size * scale**NU if trained else sample.radius * norm
        rungs.append(
            Rung(
                scale,
                replace(
                    sample,
                    label=output - residual,
                    start=start,
                    step_size=0.1 * scale / norm**2,
                    n_steps=2 * 2**k,
                    radius=100 * start_norm if trained else sample.radius,
                ),
            )
        )
    sample.__dict__[f"ladder {trained}"] = rungs
    return rungs


Law = Callable[..., tuple[Array, Array, float]]


def _orders(sample: AttackSample, law: Law, trained: bool = True) -> tuple[float, float]:
    """Local and global slope in ε of a law(sample) -> (predicted moves, actual moves, size of what moves).

    Moves: (n_steps, ...). Errors below the round-off of what moves have slope inf.
    """
    sizes, local, whole, floor = [], [], [], 0.0
    for rung in ladder(sample, trained):
        predicted, actual, size = law(rung.sample)
        difference = np.atleast_2d((predicted - actual).T).T
        sizes.append(rung.size)
        local.append(np.linalg.norm(difference[0]))
        whole.append(np.linalg.norm(difference.sum(axis=0)))
        floor = max(floor, ROUND_OFF * size)
    steps = np.array(sizes)
    return slope(steps, np.array(local), floor), slope(steps, np.array(whole), floor)


def _ladder_usable(sample: AttackSample, trained: bool = True) -> bool:
    if not sample.start.any() or not sample.gradient.any():
        return False
    relu = sample.network.activation.name == "relu"
    return not relu or all(_in_region(rung.sample) for rung in ladder(sample, trained))


def _eq22_law(sample: AttackSample, sign: float = 1.0) -> tuple[Array, Array, float]:
    path = sample.path
    kappa = path.delta[:-1] / sample.step_size
    return (
        eq22(kappa, sign * path.gain[:-1], sample.gradient) - kappa,
        path.unprojected / sample.step_size - kappa,
        float(np.abs(kappa).max()),
    )


def _eq22_hessian_law(sample: AttackSample, sign: float = 1.0) -> tuple[Array, Array, float]:
    """Eq. 22 with the term ℓ' H δ kept, H δ = Σ_r a_r σ''_r (w_r·δ) w_r."""
    predicted, actual, size = _eq22_law(sample)
    net = sample.network
    residual = float(net.output(sample.x)) - sample.label
    bend = net.outer * net.activation.curvature(net.preactivation(sample.x))
    bent = (bend * (sample.path.delta[:-1] @ net.weights.T)) @ net.weights
    return predicted + sign * residual * bent, actual, size


def _eq23_law(sample: AttackSample, swap: bool = False) -> tuple[Array, Array, float]:
    energy, cross = _energies(sample), _crosses(sample)
    if swap:
        cross = cross[:, ::-1]
    moves = eq23(energy[:-1], cross[:-1], sample.path.gain[:-1, None]) - energy[:-1]
    return moves, np.diff(energy, axis=0), float(energy.max())


def _thm4_law(sample: AttackSample, swap: bool = False) -> tuple[Array, Array, float]:
    energy, cross = _energies(sample), _crosses(sample)
    low, high = (1, 0) if swap else (0, 1)
    total = energy.sum(axis=1)
    gain = sample.path.gain[:-1]
    moves = eq20(energy[:-1, 0], energy[:-1, 1], cross[:-1, low], cross[:-1, high], gain, total[1:])
    return moves, np.diff(energy[:, 0] / total), 1.0


def judge_order(sample: AttackSample, law: Law, wrong: dict[str, object]) -> Outcome | None:
    """A law of Appendix B as printed, first order in ε under Assumption 2."""
    if not _ladder_usable(sample):
        return None
    return Outcome(_orders(sample, law), None, _orders(sample, lambda s: law(s, **wrong)))


def judge_eq22_untrained(sample: AttackSample) -> Outcome | None:
    """Without Assumption 2 the dropped term ℓ' H δ is as large as what is kept [paper: Eq. 22]."""
    if not _ladder_usable(sample, trained=False):
        return None

    def local(law: Law) -> tuple[float, float]:
        return _orders(sample, law, trained=False)[0], math.nan

    return Outcome(local(_eq22_law), local(_eq22_hessian_law), local(lambda s: _eq22_hessian_law(s, sign=-1.0)))


# Rows ----------------------------------------------------------------------------------------------------------------

REGION = "no preactivation changes sign between x and x+δ"


def _lemma_rows() -> list[Claim]:
    never = "β never decreases: variational inequality of the projection on a convex set that contains δ0"
    rows = [
        ("raw and normalised steps", "attack linear", "linear", never, (HOLDS, HOLDS), f"ℓ2 and ℓ∞ balls; {REGION}"),
        ("sign steps, linf", "attack sign linf", "sign, linf", never, (HOLDS, HOLDS), f"ℓ∞ ball; {REGION}"),
        ("sign steps, l2", "attack sign l2", "sign, l2", None, (REFUTED, None), f"ℓ2 ball, random starts; {REGION}"),
        (
            "region left",
            "attack far",
            "far",
            "up to the first iterate that leaves the linear region",
            (REFUTED, HOLDS),
            "raw and normalised steps, ReLU, an iterate leaves the linear region",
        ),
        ("smooth", "attack smooth", "smooth", None, (REFUTED, None), "raw and normalised steps, smooth activations"),
    ]
    return [
        Claim(
            "lemma1",
            case,
            "if β(0) > 0 then β(j) > 0 for all j (β(0) < 0: mirrored)",
            correction,
            hypotheses,
            "[paper: Lemma 1]",
            population,
            partial(lemma1, case=kind),
            known,
        )
        for case, population, kind, correction, known, hypotheses in rows
    ]


def _claims() -> list[Claim]:
    trained = "raw steps, random start, residual ε^1.5 (Assumption 2), ε over five octaves"
    rows = _lemma_rows()
    rows += [
        Claim(
            "eq22",
            "relu",
            "κ' = κ + (∂ℓ/∂f + δ·g) ĝ before the projection",
            None,
            f"raw steps, ReLU; {REGION}",
            "[paper: Eq. 22]",
            "attack random start",
            judge_eq22,
            (HOLDS, None),
            tolerance=1e-9,
        ),
        Claim(
            "eq22",
            "smooth",
            "κ' = κ + (∂ℓ/∂f + δ·g) ĝ to first order in δ",
            None,
            trained + ", smooth activations",
            "[paper: Eq. 22]",
            "attack trained smooth",
            partial(judge_order, law=_eq22_law, wrong={"sign": -1.0}),
            (FIRST_ORDER, None),
            kind="order",
        ),
        Claim(
            "eq22",
            "smooth, without Assumption 2",
            "κ' = κ + (∂ℓ/∂f + δ·g) ĝ to first order in δ",
            "with ℓ' Σ a_r σ''_r (w_r·δ) w_r added",
            "as above with a residual that does not shrink with ε: outside of the paper's premises",
            "[paper: Eq. 22]",
            "attack trained smooth",
            judge_eq22_untrained,
            (REFUTED, FIRST_ORDER),
            kind="order",
        ),
        Claim(
            "eq23",
            "relu, random start, exact",
            "|κ'|² = |κ|² + 2β|κ||ĝ| cos Δφ (first order only is claimed)",
            "exact with β²|ĝ|² added",
            f"raw steps, ReLU, random start; {REGION}",
            "[paper: Eq. 23]",
            "attack random start",
            partial(judge_eq23_exact, zero_start=False),
            (None, HOLDS),
            tolerance=1e-9,
        ),
        Claim(
            "eq23",
            "relu, zero start",
            "|κ'|² = |κ|² + 2β|κ||ĝ| cos Δφ, at the first step",
            "exact with β²|ĝ|² added: at κ = 0 that is all there is",
            f"raw steps, ReLU, zero start; {REGION}",
            "[paper: Eq. 23]",
            "attack zero start",
            partial(judge_eq23_exact, zero_start=True),
            (REFUTED, HOLDS),
            tolerance=1e-9,
        ),
        Claim(
            "thm4",
            "relu, exact",
            "τ' = τ + β(Δτ_l2 τ_h - Δτ_h2 τ_l)/Σ|κ'|² (first order only is claimed)",
            "exact with β²(L_g τ_h - H_g τ_l)/Σ|κ'|² added, with or without projection",
            f"raw steps, ReLU, random start, ℓ2 ball; {REGION}",
            "[paper: Theorem 4]",
            "attack random start",
            judge_thm4_exact,
            (None, HOLDS),
            tolerance=1e-9,
        ),
        Claim(
            "thm4",
            "zero start",
            "from a zero start the change is 0: τ(δ(j)) = τ(g), PGD and FGM have one spectrum",
            None,
            f"raw and normalised steps, ReLU, ℓ2 ball; {REGION}",
            "[paper: Theorem 4]",
            "attack zero start",
            judge_one_spectrum,
            (HOLDS, None),
            tolerance=1e-9,
        ),
        Claim(
            "thm4",
            "zero start, sign steps",
            "PGD and FGM have one spectrum: τ(δ(j)) = τ(g)",
            None,
            f"sign steps (Section 4's attack, outside of the theorem), ReLU; {REGION}",
            "[paper: Theorem 4]",
            "attack zero start sign",
            judge_one_spectrum,
            (REFUTED, None),
            tolerance=1e-9,
        ),
        Claim(
            "eq21",
            "",
            "after j0 = -(Δτ_l2-Δτ_h2)/(B(L_g-H_g)), B = max β: τ rises at every step at which L_κ < H_κ",
            "with B = min β, half the j0, and once Δτ_l2 >= 0 too",
            f"raw steps, ReLU, random start, β(0) > 0, τ(g) > 1/2; {REGION}",
            "[paper: Eq. 21]",
            "attack ahead",
            eq21,
            (REFUTED, HOLDS),
            tolerance=RESOLVED,
            times=1.5,
        ),
    ]
    for name, population in (("relu", "attack trained"), ("smooth", "attack trained smooth")):
        rows += [
            Claim(
                "eq23",
                name,
                "|κ'|² = |κ|² + 2β|κ||ĝ| cos Δφ",
                None,
                trained,
                "[paper: Eq. 23]",
                population,
                partial(judge_order, law=_eq23_law, wrong={"swap": True}),
                (FIRST_ORDER, None),
                kind="order",
            ),
            Claim(
                "thm4",
                name,
                "τ' = τ + β(Δτ_l2 τ_h - Δτ_h2 τ_l)/Σ|κ'|²",
                None,
                trained,
                "[paper: Theorem 4]",
                population,
                partial(judge_order, law=_thm4_law, wrong={"swap": True}),
                (FIRST_ORDER, None),
                kind="order",
            ),
        ]
    return rows


CLAIMS = _claims()
