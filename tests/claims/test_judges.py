"""What judges must leave out, and what they must notice: cases that seeded networks do not bring."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from theory_sim.claims import BY_KEY, CLAIMS
from theory_sim.claims.adversarial_sample import AdversarialSample
from theory_sim.claims.base import Claim
from theory_sim.claims.dataset_sample import DatasetSample
from theory_sim.claims.paths import largest_drive
from theory_sim.claims.samples import AttackSample, Eq8Sample, SignalSample, TrainingSample
from theory_sim.claims.shrinking import violates
from theory_sim.claims.theorem2 import frequency_pairs
from theory_sim.descent import DatasetTraining
from theory_sim.network import ACTIVATIONS, Activation, Network
from theory_sim.spectrum import Band
from theory_sim.training import Training

BAND = Band((5,), 1)
X = np.array([2.0, 1.0, 1.0, 0.0, 1.0])
OTHER = np.array([1.0, -1.0, 0.0, 1.0, -1.0])


def of(*populations: str) -> list[Claim]:
    return [claim for claim in CLAIMS if claim.population.startswith(populations)]


def path(g: np.ndarray, *drives: float) -> Eq8Sample:
    return Eq8Sample(g, X, np.array(drives), np.zeros(len(drives)), BAND, "drawn", 1)


# Of claims on training, these speak of the start, of σ, or of σ'' alone: they need no run.
NEED_NO_RUN = ("assumption3", "eq16", "eq8_ntk[wide", "thm3[Eq. 12 at random")


@pytest.mark.parametrize("claim", of("relu", "smooth", "order", "start"), ids=lambda claim: claim.key)
def test_a_run_at_rest_says_nothing(claim: Claim) -> None:
    """f = y: nothing moves, and nothing can be learnt from it."""
    if claim.key.startswith(NEED_NO_RUN):
        return
    name = claim.population.removeprefix("order ")
    activation = Activation(name if name in ACTIVATIONS else "softplus" if name == "smooth" else "relu")
    network = Network(
        np.array([[1.0, 2.0, 0.0, 0.0, 1.0], [1.0, 0.0, 1.0, 1.0, 0.0]]), np.array([1.0, -2.0]), activation
    )
    training = Training(network, X, 0.0, 0.01, 8)
    training = replace(training, label=float(TrainingSample(training, BAND, "drawn").trajectory.output[0]))
    resting = TrainingSample(training, BAND, "drawn")
    assert not resting.drive.any()
    assert claim.judge(resting) is None


@pytest.mark.parametrize("claim", of("eq8"), ids=lambda claim: claim.key)
def test_a_path_along_x_has_nothing_to_say_of_ratios(claim: Claim) -> None:
    outcome = claim.judge(path(2 * X, *[0.25] * 8))
    assert (outcome is None) == (claim.id not in ("eq13", "eq14"))


@pytest.mark.parametrize("claim", of("eq8"), ids=lambda claim: claim.key)
@pytest.mark.parametrize("rest", [0.0, 1e-7])
def test_a_spectrum_that_cancels_has_no_ratio(claim: Claim, rest: float) -> None:
    """The first step takes ĝ to 0, or to seven digits of it."""
    outcome = claim.judge(path(X + rest * OTHER, 1.0, *[0.5] * 7))
    assert (outcome is None) == (claim.id not in ("eq13", "eq14"))


@pytest.mark.parametrize("claim", of("start"), ids=lambda claim: claim.key)
def test_a_network_without_active_units_has_no_gradient_to_judge(claim: Claim) -> None:
    """As shrinking may leave one."""
    network = Network(-np.ones((2, 5)), np.array([1.0, 2.0]), Activation("relu"))
    resting = TrainingSample(Training(network, X, 0.0, 0.01, 1), BAND, "drawn")
    assert claim.judge(resting) is None
    assert not violates(claim, "printed", resting)


def test_frequencies_with_equal_ratios_are_no_pair() -> None:
    assert frequency_pairs(path(2 * X, 0.25))[0].size == 0
    assert frequency_pairs(path(X + OTHER, 0.25))[0].size > 0


def test_the_largest_drive_knows_the_bound_of_the_slope() -> None:
    """λ² in Theorem 2's t0: all our activations have λ = 1."""

    class Steep(Activation):
        slope_bound = 3.0

    network = Network(np.array([[1.0, 0.0, 0.0, 0.0, 0.0]]), np.array([2.0]), Activation("softplus"))
    training = Training(network, X, -1.0, 0.01, 2)
    plain = largest_drive(TrainingSample(training, BAND, "drawn"))
    steep = replace(training, network=replace(network, activation=Steep("softplus")))
    assert largest_drive(TrainingSample(steep, BAND, "drawn")) == pytest.approx(9 * plain)


# Assumption 3 --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Faulty(Activation):
    """Softplus with a derivative that breaks one of the bounds."""

    fault: str = ""

    def slope(self, s: Any) -> np.ndarray:
        plain = super().slope(s)
        if self.fault == "slope above λ":
            return plain + 0.1
        if self.fault == "slope below 0":
            return plain - 0.1
        if self.fault == "slope drops at 0":
            return plain + 0.1 * (np.asarray(s) < 0)
        return np.minimum(plain, 0.5 - 0.2 * np.maximum(s, 0)) if self.fault == "slope falls" else plain

    def curvature(self, s: Any) -> np.ndarray:
        plain = super().curvature(s)
        if self.fault == "curvature above γ":
            return plain * 1.1
        return plain - 0.1 if self.fault == "curvature below 0" else plain


FAULTS = ("slope above λ", "slope below 0", "slope falls", "slope drops at 0", "curvature above γ", "curvature below 0")


@pytest.mark.parametrize("fault", ["", *FAULTS])
def test_assumption3_notices_every_broken_bound(fault: str) -> None:
    claim = BY_KEY["assumption3[softplus]"]
    network = Network(np.array([[1.0, 0.0, 0.0, 0.0, 0.0]]), np.array([1.0]), Faulty("softplus", fault=fault))
    sample = TrainingSample(Training(network, X, 0.0, 0.01, 2), BAND, "drawn")
    assert claim.violates(claim.judge(sample), "printed") == bool(fault)


def test_assumption4_leaves_out_a_gradient_that_is_round_off() -> None:
    weights = np.array([0.1, 0.3, 0.7, 0.2, 0.9]) * np.array([[1.0], [1.1], [1.2]])
    outer = np.array([0.5, -1.0, 0.5])
    judge = BY_KEY["assumption4"].judge
    for a, left_out in ((outer, True), (np.abs(outer), False)):
        network = Network(weights, a, Activation("relu"))
        sample = TrainingSample(Training(network, X, -1.0, 1e-6, 2), BAND, "drawn")
        assert (judge(sample) is None) == left_out


@pytest.mark.parametrize("row", [[1.0, 1.0, 1.0, 1.0], [1.0, -1.0, 1.0, -1.0]])
def test_a_gradient_may_have_one_band_only_at_initialisation(row: list[float]) -> None:
    network = Network(np.array([row]), np.array([1.0]), Activation("relu"))
    x = np.array([2.0, 1.0, 2.0, 0.0])
    assert BY_KEY["eq16[always]"].judge(TrainingSample(Training(network, x, 0.0, 0.01, 1), Band((4,), 1), "drawn"))
    silent = replace(network, weights=-network.weights)
    assert (
        BY_KEY["eq16[always]"].judge(TrainingSample(Training(silent, x, 0.0, 0.01, 1), Band((4,), 1), "drawn")) is None
    )


# Signals and attacks -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["eq3[complex bins]", "eq3[self-conjugate bins]", "eq3[mean over phase]"])
def test_bins_that_vanish_are_left_out(key: str) -> None:
    """The wave has the bins k = ±1 only, the constant k = 0 only: what the other signal has elsewhere is left out."""
    wave, constant, rough = np.array([1.0, 0.0, -1.0, 0.0]), np.ones(4), np.array([1.0, 3.0, 0.0, 1.0])
    judge = BY_KEY[key].judge
    of_one_kind = wave if key == "eq3[self-conjugate bins]" else constant

    def outcome(x: np.ndarray, delta: np.ndarray) -> Any:
        return judge(SignalSample(x, delta, Band((4,), 1), "drawn", 1, np.nan, np.nan))

    assert outcome(rough, of_one_kind) is None
    assert outcome(of_one_kind, rough) is None
    assert outcome(rough, wave + constant) is not None


def attack(start: np.ndarray) -> AttackSample:
    network = Network(np.array([[1.0, 2.0, 0.0, 0.0, 1.0]]), np.array([1.0]), Activation("relu"))
    label = float(network.output(X)) - 0.1
    return AttackSample(network, X, label, 1.0, 0.01, 3, "raw", "l2", start, BAND, "drawn")


def test_laws_that_are_exact_have_no_order_made_of_round_off() -> None:
    """δ along g: τ(δ) stands still, and so does Theorem 4's prediction."""
    judge = BY_KEY["thm4[relu]"].judge
    assert judge(attack(0.1 * np.array([1.0, 2.0, 0.0, 0.0, 1.0]))).printed == (np.inf, np.inf)
    assert 1.5 < judge(attack(0.1 * OTHER)).printed[0] < 3
    assert judge(attack(np.zeros(5))) is None


def test_eq22_needs_a_step_that_can_be_seen() -> None:
    judge, sample = BY_KEY["eq22[relu]"].judge, attack(0.1 * OTHER)
    assert judge(sample) is not None
    assert judge(replace(sample, step_size=1e-9)) is None  # β g vanishes beside δ/ξ


def test_a_perturbation_may_have_one_band_only() -> None:
    network = Network(np.ones((1, 4)), np.array([1.0]), Activation("relu"))
    x = np.array([1.0, 2.0, 0.0, 1.0])
    low_only = AttackSample(network, x, 3.0, 0.5, 0.1, 3, "raw", "l2", np.zeros(4), Band((4,), 1), "drawn")
    assert BY_KEY["thm4[zero start]"].judge(low_only).printed == 0


# Our extensions ------------------------------------------------------------------------------------------------------


def sign_attack(weights: list[float], label: float = 0.0) -> AttackSample:
    network = Network(np.array([weights]), np.array([1.0]), Activation("relu"))
    return AttackSample(network, X, label, 0.125, 0.0625, 3, "sign", "linf", np.zeros(5), BAND, "drawn")


@pytest.mark.parametrize("key", ["linf_pgd[sign steps, zero start]", "linf_pgd[sign steps, any start]"])
def test_signs_that_are_round_off_decide_nothing(key: str) -> None:
    judge = BY_KEY[key].judge
    assert judge(sign_attack([1.0, 2.0, 0.0, 0.0, 1.0])) is not None
    assert judge(sign_attack([1.0, 2.0, 1e-12, 0.0, 1.0])) is None
    assert judge(sign_attack([1.0, 2.0, 0.0, 0.0, 1.0], label=5.0 - 1e-12)) is None  # f = 5


@pytest.mark.parametrize(
    "claim", of("dataset", "adversarial", "order dataset", "order adversarial"), ids=lambda c: c.key
)
def test_training_at_rest_or_without_an_attack_says_nothing(claim: Claim) -> None:
    name = "softplus" if claim.population.startswith("order") else "relu"
    network = Network(np.array([[1.0, 2.0, 0.0, 0.0, 1.0], [1.0, 0.0, 1.0, 1.0, 0.0]]), np.ones(2), Activation(name))
    if "dataset" in claim.population:
        every = np.stack([X, OTHER])
        labels = network.output(every)
        resting = DatasetSample(DatasetTraining(network, every, labels, 0.01, 8, every[:1]), BAND, "drawn")
        assert claim.judge(resting) is None
        return
    resting = AdversarialSample(Training(network, X, float(network.output(X)), 0.01, 8), BAND, "drawn", radius=0.1)
    assert claim.judge(resting) is None
    if name == "relu":
        normal = AdversarialSample(Training(network, X, 0.0, 0.001, 8), BAND, "drawn", radius=0.0)
        assert claim.judge(normal) is None
        assert claim.judge(replace(normal, radius=40.0)) is None  # x + δ is on the other side of a kink
