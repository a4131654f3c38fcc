"""Every place where what is printed differs from what follows, with the size of the effect on a standard run.

Generated: the entries are the comparisons of all derivations that do not agree; only the effects of statements that are
not equations of one step are measured by functions of their own (`EFFECTS`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from sympy import Basic, Eq, Expr, Indexed, Integer

from theory_sim.configuration import Configuration
from theory_sim.derivations import derive
from theory_sim.derivations.catalogue import ORDER
from theory_sim.derivations.derivation import Comparison
from theory_sim.derivations.numbers import UnboundError, evaluate, free_indices
from theory_sim.derivations.symbols import beta, decay, drive, drives, ell, eta, rate
from theory_sim.derivations.trials import DIM, margin12, scalars, starts
from theory_sim.derivations.worlds import WORLDS, World, training_world
from theory_sim.descent import Trajectory, run
from theory_sim.intervals import wilson
from theory_sim.simulation.start import prepare
from theory_sim.spectrum import Band

STANDARD = {"relu": ("relu", 2.0), "relu f<y": ("relu", -2.0), "softplus": ("softplus", 2.0)}
N_STARTS = 1000


@dataclass(frozen=True)
class Effect:
    """Size of a difference: what was measured, its value, an interval where it is a share of n, and on what."""

    what: str
    value: float
    unit: str
    run: str
    n: int = 1
    low: float | None = None
    high: float | None = None

    @property
    def words(self) -> str:
        """One line."""
        number = (
            f"{100 * self.value:.3g} %" if self.unit == "share" else f"{self.value:.3g}{self.unit and ' ' + self.unit}"
        )
        interval = (
            ""
            if self.low is None or self.high is None
            else f" [{100 * self.low:.3g}, {100 * self.high:.3g}] (n = {self.n:,})"
        )
        return f"{self.what}: {number}{interval}, {self.run}"


@dataclass(frozen=True)
class Erratum:
    """One place where paper and derivation differ.

    id: `derivation:number`; printed, derived, difference: SymPy; kind: as in `Comparison`; line: of the derivation.
    """

    id: str
    derivation: str
    source: str
    case: str
    kind: str
    line: int
    printed: Basic
    derived: Basic
    difference: Basic
    effect: Effect
    consequence: str
    stays: str


@lru_cache(maxsize=8)
def standard_run(name: str) -> tuple[Trajectory, Band]:
    """The default of `simulate` (its other activation, its other sign of f - y) at its first steps."""
    activation, residual = STANDARD[name]
    start = prepare(Configuration(activation=activation, relative_residual=residual, n_steps=8))
    return run(start.training, "reference"), start.band


@lru_cache(maxsize=8)
def _standard_world(name: str) -> World:
    return training_world(*standard_run(name))


def errata(sums: str = "weights", identifiers: Sequence[str] = ORDER) -> list[Erratum]:
    """All differences, of these derivations, but those that an assumption of the paper rules out."""
    found = []
    for identifier in identifiers:
        derivation = derive(identifier, sums)
        for number, c in enumerate(derivation.comparisons, 1):
            if c.agrees or c.kind == "hypothetical":
                continue
            key = f"{identifier}:{number}"
            effect = EFFECTS[key]() if key in EFFECTS else _one_step(c)
            found.append(
                Erratum(
                    key,
                    identifier,
                    c.source,
                    c.case,
                    c.kind,
                    c.line,
                    c.printed,
                    c.derived,
                    c.difference,
                    effect,
                    c.consequence,
                    c.stays,
                )
            )
    return found


def _one_step(c: Comparison) -> Effect:
    """Largest difference over the largest change that the derived form makes in the step."""
    name = next(w for w in c.worlds if w in WORLDS)
    standard = name in STANDARD
    env, limits = _standard_world(name) if standard else WORLDS[name](1.0, "two-sided")
    assert isinstance(c.derived, Eq)
    assert isinstance(c.difference, Expr)
    free = sorted({*free_indices(c.derived), *free_indices(c.difference)}, key=lambda v: v.name)
    shapes = [[-1 if a == b else 1 for b in range(len(free))] for a in range(len(free))]
    ranges = {v: np.arange(limits[v.name][0], limits[v.name][1] + 1).reshape(shapes[n]) for n, v in enumerate(free)}

    def size(e: Expr) -> float:
        return float(np.sqrt(np.mean(np.abs(evaluate(e, env, ranges)) ** 2)))

    change = size(c.derived.rhs - _at_rest(c.derived.rhs))
    value = size(c.difference) / change
    where = (
        "simulate's default" if standard else "an attack on a small network" if "attack" in name else "a small example"
    )
    where += {"relu f<y": " with f < y", "softplus": " with Softplus"}.get(name, "")
    return Effect("difference over what moves", value, "share", where)


def _at_rest(e: Expr) -> Expr:
    """What an expression is if nothing is trained: the part that the step does not move."""
    still = {v: Integer(0) for v in (drive, decay, ell, eta, beta)}
    e = e.replace(lambda n: isinstance(n, Indexed) and n.base in (rate, drives), lambda n: Integer(0))
    return e.xreplace(still)


def _share(what: str, hits: list[bool], run_name: str) -> Effect:
    low, high = wilson(sum(hits), len(hits))
    return Effect(what, float(np.mean(hits)), "share", run_name, len(hits), low, high)


@lru_cache(maxsize=2)
def _random_starts() -> list[dict[str, float]]:
    """Band scalars of random networks with τ(δ⁰) < τ(x) (and of the others, marked)."""
    band = Band((DIM,), 3)
    rows = []
    for training in starts(N_STARTS, 58):
        s = scalars(training.network.input_gradient(training.x), training.x, band)
        row = {name: float(np.asarray(value).flat[0]) for name, value in s.items()}
        rows.append(row | {"margin": margin12(s)})
    return rows


def _fails_eq12() -> Effect:
    behind = [row for row in _random_starts() if row["tau"] < row["tx"]]
    return _share(
        "starts that do not meet Eq. 12", [row["margin"] < 0 for row in behind], "random networks, τ(δ⁰) < τ(x)"
    )


def _meets_eq12() -> Effect:
    behind = [row for row in _random_starts() if row["tau"] < row["tx"]]
    hits = [row["margin"] > 0 for row in behind]
    return _share(
        "starts that meet Eq. 12, so that for f < y they fail in the end", hits, "random networks, τ(δ⁰) < τ(x)"
    )


def _negative_cross() -> Effect:
    rows = [row for row in _random_starts() if row["cl"] > row["ch"]]
    return _share(
        "starts with Δτ_l > Δτ_h and Δτ_l < 0", [row["cl"] < 0 for row in rows], "random networks, Δτ_l > Δτ_h"
    )


def _ahead() -> Effect:
    return _share("starts with τ(δ⁰) ≥ τ(x)", [row["tau"] >= row["tx"] for row in _random_starts()], "random networks")


def _too_late() -> Effect:
    return Effect("printed t₀ over the derived one", 2.0, "", "every run (exact)")


def _attack_bound() -> Effect:
    """Printed over derived j₀ with the gains of an explicit attack: 2 min β/max β."""
    from theory_sim.attacks import pgd

    trajectory, _ = standard_run("relu")
    tr = trajectory.training
    norm = float(np.linalg.norm(trajectory.input_gradient[0]))
    path = pgd(tr.network, tr.x, tr.label, radius=1.0, step_size=0.05 / norm**2, n_steps=40)
    return Effect(
        "printed j₀ over the derived one, 2 min β/max β",
        2 * float(path.gain.min() / path.gain.max()),
        "",
        "40 steps on simulate's default",
    )


def _left_at_end() -> Effect:
    trajectory = run(prepare(Configuration(relative_residual=2.0)).training)
    size = np.abs(trajectory.residual)
    return Effect(
        "|ℓ′| at the end over |ℓ′| at the start", float(size[-1] / size[0]), "", "300 steps of simulate's default"
    )


def _kinks() -> Effect:
    trajectory = run(prepare(Configuration()).training)
    return Effect("kink crossings", float(trajectory.crossings[-1]), "", "300 steps of simulate's default, 128 units")


def _two_over_pi() -> Effect:
    return Effect("mean of Eq. 3's left side over 20ρ", 2 / np.pi, "", "ρ → 0 (exact)")


def _at_a_phase() -> Effect:
    """Share of bins of a white-noise perturbation whose log-spectrum difference is below half of 20ρ."""
    rng, band = np.random.default_rng(59), Band((257,), 8)
    x, delta = rng.standard_normal((2, 400, 257))
    u = (band.transform(delta) / band.transform(x))[:, ~band.self_conjugate]
    return _share("bins below half of 20ρ", list((np.abs(u.real / np.abs(u)) < 0.5).ravel()), "white noise, ρ → 0")


def _margin2() -> Effect:
    return Effect("least margin of Eq. 2, 2 − π²/6", 2 - np.pi**2 / 6, "", "α = 1, α₀ = 0, k_c = 1, d → ∞ (exact)")


def _tie() -> Effect:
    rows = _random_starts()
    return _share("starts at which < and ≤ differ", [row["margin"] == 0 for row in rows], "random networks")


def _order_turned() -> Effect:
    """Pairs of frequencies whose t₀ is finite for f > y: infinite for f < y."""
    hits, band = [], Band((DIM,), 3)
    for training in starts(200, 60):
        u = band.transform(training.network.input_gradient(training.x)) / band.transform(training.x)
        hits += [bool(u[k].real > u[1].real) for k in range(2, DIM // 2) if abs(u[k]) > abs(u[1])]
    return _share("pairs with a finite t₀ for f > y and t₀ = ∞ for f < y", hits, "random networks, k′ = 1")


def _lost_drive() -> Effect:
    from theory_sim.derivations.infinite_width import means

    found = means(1.0)
    return Effect(
        "drive that Eq. 8 leaves out, over the whole",
        found["mean_dh"] / (found["mean_s2"] + found["mean_dh"]),
        "share",
        "Softplus, b = 2, m → ∞",
    )


EFFECTS: dict[str, Callable[[], Effect]] = {
    "assumption1:2": _left_at_end, "assumption2:1": _left_at_end, "assumption3:1": _kinks, "eq16:2": _ahead,
    "eq2:1": _margin2, "eq3:1": _at_a_phase, "eq3:2": _two_over_pi, "thm1_t0:1": _too_late, "thm1_t1:2": _fails_eq12,
    "thm1_growth:1": _negative_cross, "thm1_keeps:1": _fails_eq12, "thm1_negative:2": _meets_eq12,
    "thm2_negative:1": _order_turned, "thm3:1": _tie, "thm3_negative:1": _meets_eq12, "eq21:1": _attack_bound,
    "infinite_width:2": _lost_drive,
}  # fmt: skip

__all__ = ["Effect", "Erratum", "UnboundError", "errata", "standard_run"]
