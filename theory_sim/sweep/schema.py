"""Every variable of a sweep's result: name, dimensions beyond those swept, type, meaning and source.

The store is allocated from this table, the engine fills it, plots and exports read it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

RECORD, CLAIM, VERSION, FREQUENCY = "record", "claim", "version", "frequency"  # dimensions beyond the swept ones
CLAIMS = (
    "eq13", "eq14", "thm1_t0", "thm1_t1", "thm1_growth", "thm1_keeps", "thm1_majority", "thm2", "thm3", "thm3_weak",
    "lemma1",
)  # fmt: skip
VERSIONS = ("printed", "corrected")
METHODS = ("none", "events", "steps", "low_rank", "matrix", "scalars")  # how the gradients of a run were obtained
SPECTRA = ("none", "power", "complex")
DRAWS = ("weights", "scalars")


@dataclass(frozen=True)
class Variable:
    """One array of the result. dims: beyond the swept ones; missing: value of a point that was not or cannot be run."""

    name: str
    dims: tuple[str, ...]
    dtype: str
    missing: float
    long_name: str
    units: str
    source: str
    flags: tuple[tuple[int, str], ...] = ()

    @property
    def attributes(self) -> dict[str, Any]:
        """CF attributes: long_name, units, source; flag_values and flag_meanings where the values are codes."""
        out: dict[str, Any] = {"long_name": self.long_name, "units": self.units, "source": self.source}
        if self.flags:
            out["flag_values"] = [value for value, _ in self.flags]
            out["flag_meanings"] = " ".join(meaning for _, meaning in self.flags)
        return out


def _floats(rows: tuple[tuple[str, str, str, str], ...], dims: tuple[str, ...] = ()) -> list[Variable]:
    return [Variable(name, dims, "f8", np.nan, long_name, units, source) for name, long_name, units, source in rows]


_ENERGY, _STEP, _ITERATED = "energy (unnormalised DFT)", "training step", "[paper: Eq. 8] iterated"
_THEOREM1, _EQ12 = "[paper: Theorem 1, Remark]", "[paper: Eq. 12]"

SCALARS = _floats(
    (
        ("learning_rate_used", "η", "1", "[paper: Eq. 4]"),
        ("relative_rate_used", "r = η‖a'‖²‖x‖² at the start", "1", "[paper: Eq. 8]"),
        ("label_used", "y", "1", "[paper: Eq. 4]"),
        ("input_tau", "τ(x ∈ S_l) of the input", "1", "[paper: Section 2.1]"),
        ("input_low", "L_x, low band energy of the input", _ENERGY, "[paper: Eq. 5]"),
        ("input_high", "H_x, high band energy of the input", _ENERGY, "[paper: Eq. 5]"),
        ("tau_start", "τ(δ ∈ S_l) before training", "1", "[paper: Section 2.1]"),
        ("tau_final", "τ(δ ∈ S_l) after the last step", "1", "[paper: Section 2.1]"),
        ("low_energy_start", "L before training", _ENERGY, "[paper: Eq. 13]"),
        ("high_energy_start", "H before training", _ENERGY, "[paper: Eq. 13]"),
        ("low_cross_start", "Δτ_l before training", _ENERGY, "[paper: Eq. 14]"),
        ("high_cross_start", "Δτ_h before training", _ENERGY, "[paper: Eq. 14]"),
        ("eq12_margin", "τ(x)(Δτ_l + Δτ_h) - Δτ_l before training", _ENERGY, _EQ12),
        ("output_start", "f(x) before training", "1", "[paper: Eq. 1]"),
        ("residual_start", "ℓ' = ∂ℓ/∂f before training", "1", "[paper: Eq. 4]"),
        ("residual_final", "ℓ' = ∂ℓ/∂f after the last step", "1", "[paper: Eq. 4]"),
        ("q_final", "q = Q/P of the closed form after the last step", "1", _ITERATED),
        ("overshoot_q", "q > 0 at which τ(q) passes τ(x), inf: never", "1", "[paper: Theorem 3]"),
        ("tau_closed_form_final", "τ after the last step by the closed form", "1", _ITERATED),
        ("tau_printed_final", "τ after the last step by Eqs. 13-14 as printed", "1", "[paper: Eq. 14]"),
        ("tau_corrected_final", "τ after the last step by Eqs. 13-14 with factor 2", "1", "[paper: Eq. 14]"),
        ("closed_form_residual", "largest |τ - closed form| of all steps", "1", _ITERATED),
        ("printed_residual", "largest |τ - Eqs. 13-14 as printed| of all steps", "1", "[paper: Eq. 14]"),
        ("corrected_residual", "largest |τ - Eqs. 13-14 with factor 2| of all steps", "1", "[paper: Eq. 14]"),
        ("t0_printed", "t0 of Theorem 1 as printed", _STEP, _THEOREM1),
        ("t0_corrected", "t0 of Theorem 1 with the factor 2 of Eq. 14", _STEP, _THEOREM1),
        ("t0_observed", "first step from which Δτ_l > Δτ_h", _STEP, _THEOREM1),
        ("t1_predicted", "t1, from which τ grows, by the closed form", _STEP, "[paper: Eq. 10]"),
        ("t1_observed", "t1, from which τ grows", _STEP, "[paper: Eq. 10]"),
        ("passes_input_tau", "first step with τ > τ(x)", _STEP, "[paper: Theorem 3]"),
        ("first_crossing", "first step after a kink crossing", _STEP, _ITERATED),
    )
)
COUNTS = [
    Variable("n_crossings", (), "i4", -1, "kink crossings of the whole run", "1", _ITERATED),
    Variable("last_finite_step", (), "i8", -1, "last step with finite numbers", _STEP, "[paper: Eq. 4]"),
    Variable("settled_step", (), "i8", -1, "first step with |ℓ'| below 1e-8 of its start", _STEP, "[paper: Eq. 4]"),
    Variable("diverged", (), "i1", -1, "1 if the run left the range of finite numbers", "1", "[paper: Eq. 4]"),
    Variable(
        "method", (), "i1", 0, "how the gradients were obtained; matrix: after a failed low-rank check",
        "1", "[paper: Eq. 4]", tuple(enumerate(METHODS)),
    ),
    Variable("rank", (), "i2", -1, "rank of the low-rank form, also where its check failed", "1", "[paper: Eq. 4]"),
]  # fmt: skip
RECORDED = [
    *_floats(
        (
            ("tau", "τ(δ ∈ S_l) along training", "1", "[paper: Section 2.1]"),
            ("tau_closed_form", "τ by the closed form", "1", _ITERATED),
            ("tau_printed", "τ by Eqs. 13-14 as printed", "1", "[paper: Eq. 14]"),
            ("tau_corrected", "τ by Eqs. 13-14 with factor 2", "1", "[paper: Eq. 14]"),
            ("residual_along", "ℓ' = ∂ℓ/∂f along training", "1", "[paper: Eq. 4]"),
        ),
        (RECORD,),
    ),
    Variable("recorded_step", (RECORD,), "i8", -1, "the step of each record", _STEP, "[paper: Eq. 4]"),
]
JUDGED = [
    Variable(
        "hypotheses", (CLAIM, VERSION), "i1", -1, "1 where the run meets the claim's premises, decided or not", "1",
        "[paper: Section 3]",
        ((0, "not_met"), (1, "met")),
    ),
    Variable(
        "verdict", (CLAIM, VERSION), "i1", -1, "what the run says of the claim", "1", "[paper: Section 3]",
        ((-1, "not_judged"), (0, "refuted"), (1, "holds")),
    ),
]  # fmt: skip
ATTACKED = _floats(
    (
        ("attack_tau_start", "τ of the attack's δ before training", "1", "[paper: Section 2.1]"),
        ("attack_tau_final", "τ of the attack's δ after training", "1", "[paper: Section 2.1]"),
        ("attack_loss_start", "rise of the loss by the attack before training", "1", "[paper: Eq. 18]"),
        ("attack_loss_final", "rise of the loss by the attack after training", "1", "[paper: Eq. 18]"),
    )
)
_POWER = Variable(
    "gradient_power", (RECORD, FREQUENCY), "f8", np.nan, "|ĝ[k]|² of the input gradient", _ENERGY, "[paper: Eq. 6]"
)
_SPECTRUM = Variable(
    "gradient_spectrum", (RECORD, FREQUENCY), "c16", np.nan, "ĝ[k] of the input gradient", "amplitude",
    "[paper: Eq. 6]",
)  # fmt: skip


def variables(spectra: str, attack: bool, reasons: tuple[str, ...]) -> list[Variable]:
    """All variables of a result. spectra: of SPECTRA; attack: whether any point attacks; reasons: of validity.py."""
    out = [*SCALARS, *COUNTS, *RECORDED, *JUDGED]
    if attack:
        out += ATTACKED
    if spectra != "none":
        out.append(_POWER if spectra == "power" else _SPECTRUM)
    words = tuple((code, text.replace(" ", "_")) for code, text in enumerate(reasons))
    out.append(Variable("reason", (), "i1", -1, "why a point has no result", "1", "validity.py", words))
    return out
