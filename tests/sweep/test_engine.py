"""The batched engine against single runs of the reference engine, on every parameter that a sweep knows."""

from __future__ import annotations

from collections import Counter
from dataclasses import fields, replace
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.descent.agreement import Reference, reference_of
from tests.helpers import assert_close, assert_differs
from tests.sweep.columns import columns_of
from theory_sim.configuration import ATTACK_BALLS, ATTACK_STEPS, ATTACKS, Configuration, key_types
from theory_sim.drawn import WEIGHT_LAWS
from theory_sim.errors import InputError
from theory_sim.network import ACTIVATIONS, OUTER_LAWS, Network
from theory_sim.simulation.perturbation import Perturbation, attack_results
from theory_sim.simulation.predictions import scalars_of
from theory_sim.simulation.start import Start, prepare
from theory_sim.sweep.engine import compute, recording_steps
from theory_sim.sweep.engine.smooth import LARGEST_RANK
from theory_sim.sweep.points import Recording
from theory_sim.sweep.schema import CLAIMS, METHODS, variables
from theory_sim.sweep.validity import AT_START, REASONS

N_RUNS = 260
RECORDING = Recording(steps=6, spectra="power")
N_FREQUENCY = 70
UNTOUCHED = {"engine", "picture"}  # the reference runs all of them; pictures have tests of their own


def draw(rng: np.random.Generator) -> Configuration:
    """Any run: every key takes at least two values."""
    keys: dict[str, Any] = {
        "seed": int(rng.integers(2**31)),
        "width": int(rng.choice([1, 2, 7, 30, 70])),
        "alpha": 1 + rng.exponential(0.5),
        "alpha0": float(rng.choice([0.0, 0.5, 1.0])),
        "activation": str(rng.choice(ACTIVATIONS)),
        "sharpness": float(10 ** rng.uniform(-0.5, 1.5)),
        "leak": float(rng.choice([0.0, 0.1, 0.9])),
        "outer_law": str(rng.choice(OUTER_LAWS)),
        "outer_scale": float(10 ** rng.uniform(-1, 1)),
        "weight_law": str(rng.choice(WEIGHT_LAWS, p=[0.6, 0.2, 0.2])),
        "weight_scale": float(10 ** rng.uniform(-1, 0.5)),
        "convention": str(rng.choice(["two-sided", "one-sided"])),
        "transform": str(rng.choice(["dft", "dct"], p=[0.7, 0.3])),
        "n_steps": int(rng.choice([1, 5, 60, 200])),
        "loss": str(rng.choice(["mse", "mse", "logistic"])),
        "attack": str(rng.choice(ATTACKS)),
        "attack_radius": float(10 ** rng.uniform(-2, 0)),
        "attack_step_size": float(10 ** rng.uniform(-2, 0)),
        "attack_steps": int(rng.integers(1, 6)),
        "attack_step": str(rng.choice(ATTACK_STEPS)),
        "attack_ball": str(rng.choice(ATTACK_BALLS)),
        "attack_start": str(rng.choice(["zero", "random"])),
    }
    source = str(rng.choice(["power-law", "rows", "tiles"], p=[0.6, 0.2, 0.2]))
    keys |= {"source": source, "dim": int(rng.integers(5, 70)), "cutoff": 1.0 + rng.uniform(0, 0.9)}
    if source == "tiles":
        keys |= {"tile_size": int(rng.integers(5, 9)), "mask": str(rng.choice(["disc", "square"]))}
    elif rng.random() < 0.5:
        keys["cutoff"] = float(rng.uniform(1, (keys["dim"] - 1) / 2 - 0.01))
    if source != "power-law" and rng.random() < 0.5:
        keys["piece"] = int(rng.integers(3))
    if rng.random() < 0.6:
        keys["relative_rate"] = float(np.exp(rng.uniform(np.log(0.01), np.log(3))))
    else:
        keys["learning_rate"] = float(10 ** rng.uniform(-3, -1)) / (keys["width"] * keys["outer_scale"] ** 2)
    sign = float(rng.choice([-1, 1]))
    if keys["loss"] == "mse":
        label = str(rng.choice(["label", "residual", "relative_residual"]))
        keys[label] = sign * float(10 ** rng.uniform(-1, 1))
    elif rng.random() < 0.5:
        keys["label"] = sign
    return Configuration(**keys)


class Run(NamedTuple):
    configuration: Configuration
    start: Start
    reference: Reference


@cache
def runs() -> list[Run]:
    """Runs whose start can be drawn and trained."""
    rng, out = np.random.default_rng(3), []
    while len(out) < N_RUNS:
        configuration = draw(rng)
        try:
            start = prepare(configuration)
        except InputError:  # no active unit
            continue
        if np.any(start.training.network.input_gradient(start.training.x)):
            out.append(Run(configuration, start, reference_of(start.training)))
    return out


@cache
def results(attack: bool = True, spectra: str = "power") -> dict[str, NDArray]:
    columns = columns_of([run.configuration for run in runs()])
    return compute(columns, replace(RECORDING, spectra=spectra), N_FREQUENCY, attack=attack)


def test_every_key_is_varied_and_every_method_used() -> None:
    for field in fields(Configuration):
        values = Counter(str(getattr(run.configuration, field.name)) for run in runs())
        assert field.name in UNTOUCHED or len(values) >= 2, field.name
    methods = np.bincount(results()["method"], minlength=len(METHODS))
    assert methods[0] == 0
    assert (methods[1:4] > 20).all()
    stable = [run.reference.stable for run in runs()]
    assert np.mean(stable) > 0.75


def test_agrees_with_the_reference_on_every_parameter() -> None:
    """At the promise of 1e-10 of max|ĝ| on stable runs; elsewhere by what one ulp does to the reference."""
    out, moved, crossed = results(), 0, 0
    for i, (configuration, start, reference) in enumerate(runs()):
        run, band = reference.run, start.band
        spectrum = band.transform(run.input_gradient)
        power = spectrum.real**2 + spectrum.imag**2
        top = float(np.nanmax(power))
        if not reference.stable:
            last = out["last_finite_step"][i]
            if np.isfinite(reference.sensitivity) and last == run.last_finite_step:
                steps = out["recorded_step"][i][out["recorded_step"][i] <= last]
                actual = out["gradient_power"][i, : len(steps), : power.shape[1]]
                unit = max(2 * reference.sensitivity, 2.5e-11) * top  # power moves by twice what ĝ moves by
                assert_close(f"{configuration}", actual, power[steps], "engines_unstable", scale=unit)
            continue
        steps = out["recorded_step"][i]
        name = str(configuration)
        assert out["last_finite_step"][i] == run.last_finite_step, name
        assert out["n_crossings"][i] == run.crossings[-1], name
        assert_close(name, out["gradient_power"][i, :, : power.shape[1]], power[steps], "promise", scale=top)
        assert np.isnan(out["gradient_power"][i, :, power.shape[1] :]).all()
        scalars = scalars_of(spectrum, band.transform(start.training.x), band)
        size = scalars.low_energy + scalars.high_energy
        share = np.where(size[steps] > 1e-6 * np.nanmax(size), scalars.tau[steps], np.nan)  # not where ĝ is round-off
        assert_close(f"τ, {name}", np.where(np.isnan(share), np.nan, out["tau"][i]), share, "promise", scale=1.0)
        scale = max(np.nanmax(np.abs(run.residual)), np.nanmax(np.abs(run.output)))
        assert_close(f"residual, {name}", out["residual_along"][i], run.residual[steps], "promise", scale=scale)
        moved += np.nanmax(np.abs(power - power[0])) > 1e-8 * top
        crossed += run.crossings[-1] > 0
    assert moved > 0.7 * N_RUNS
    assert crossed > 0.4 * N_RUNS


@pytest.mark.parametrize("rate", [2.5, 4.0, 30.0])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_diverging_run_is_a_result(activation: str, rate: float) -> None:
    """Up to where numbers leave the range, as the reference; the last finite step is said."""
    run = Configuration(
        dim=17, width=20, cutoff=3, activation=activation, leak=0.9, relative_rate=rate, n_steps=1200,
        outer_law="bernoulli", relative_residual=-0.1,
    )  # fmt: skip
    start = prepare(run)
    judged = reference_of(start.training)
    reference = judged.run
    found = compute(columns_of([run]), Recording(steps=tuple(range(0, 1200, 7)), spectra="power"), 9)
    assert found["last_finite_step"][0] == reference.last_finite_step
    assert found["diverged"][0] == reference.diverged
    power = np.abs(start.band.transform(reference.input_gradient[::7])) ** 2
    steps = min(int(0.5 * reference.last_finite_step) // 7, 40)
    if judged.stable or activation == "leaky_softplus":  # else round-off is amplified
        assert_close("power", found["gradient_power"][0, :steps], power[:steps], "promise")
    blank = found["recorded_step"][0] > reference.last_finite_step
    assert np.isnan(found["gradient_power"][0, blank]).all()
    assert np.isnan(found["tau"][0, blank]).all()
    assert found["reason"][0] == 0
    if activation == "leaky_softplus":  # ReLU's units die first
        assert reference.diverged


def test_a_slightly_other_rate_is_noticed() -> None:
    """Negative control: the comparison above would see a rate that is wrong by 1e-6."""
    seen = 0
    for i, (configuration, start, reference) in enumerate(runs()[:60]):
        if not reference.stable or configuration.n_steps < 60:
            continue
        rate = start.training.learning_rate * (1 + 1e-6)
        other = replace(configuration, learning_rate=rate, relative_rate=None)
        found = compute(columns_of([other]), RECORDING, N_FREQUENCY)["gradient_power"][0]
        own = results()["gradient_power"][i]
        seen += np.nanmax(np.abs(found - own)) > 100e-10 * np.nanmax(own)
    assert seen >= 10


def test_a_point_does_not_depend_on_its_neighbours() -> None:
    order = np.random.default_rng(0).permutation(N_RUNS)
    columns = columns_of([runs()[i].configuration for i in order])
    for first in range(0, N_RUNS, 37):
        part = slice(first, first + 37)
        found = compute({k: v[part] for k, v in columns.items()}, RECORDING, N_FREQUENCY, attack=True)
        for name, values in found.items():
            np.testing.assert_array_equal(values, results()[name][order[part]], err_msg=name)


def test_no_variable_has_the_name_of_a_key() -> None:
    """A swept key is a coordinate of the result."""
    names = {variable.name for variable in variables("complex", True, REASONS) + variables("power", True, REASONS)}
    assert not names & set(key_types())


def test_every_variable_of_the_schema_is_there() -> None:
    for attack in (False, True):
        for spectra in ("none", "power", "complex"):
            found = compute(
                columns_of([runs()[0].configuration]), replace(RECORDING, spectra=spectra), 40, attack=attack
            )
            expected = {variable.name: variable for variable in variables(spectra, attack, REASONS)}
            assert found.keys() == expected.keys()
            for name, values in found.items():
                assert values.dtype == expected[name].dtype, name
                assert values.ndim == 1 + len(expected[name].dims), name


def test_complex_spectra() -> None:
    found = results(attack=False, spectra="complex")["gradient_spectrum"]
    power = results()["gradient_power"]
    checked = 0
    for i, (_, start, reference) in enumerate(runs()):
        if reference.stable:
            steps = results()["recorded_step"][i]
            spectrum = start.band.transform(reference.run.input_gradient)[steps]
            top = float(np.nanmax(np.abs(spectrum)))
            assert_close("ĝ", found[i, :, : spectrum.shape[1]], spectrum.astype(complex), "promise", scale=top)
            checked += 1
    assert checked > 100
    np.testing.assert_allclose(np.abs(found) ** 2, power, rtol=1e-12, atol=1e-12 * np.nanmax(power))


def test_attacks_are_those_of_the_trained_network() -> None:
    """On weights that the reference has trained; where the attack does not amplify round-off."""
    found, compared = results(), Counter()
    for i, (configuration, start, reference) in enumerate(runs()):
        residual = np.abs(reference.run.residual)
        if not reference.stable or not residual[-1] > 1e-9 * residual[0]:  # diverged, or its sign is round-off
            continue
        training = start.training
        perturbation = Perturbation.of(configuration)
        shift = (training.network.weights @ training.x - reference.run.preactivation[-1]) / training.input_norm2
        trained = Network(
            training.network.weights - np.outer(shift, training.x), training.network.outer, training.network.activation
        )
        for when, network in (("start", training.network), ("final", trained)):
            sample = (network, training.x, training.label, training.loss)
            tau, rise = attack_results(perturbation.delta(*sample), *sample, start.band)
            nudged = Network(network.weights * (1 + 1e-13), network.outer, network.activation)
            near, _ = attack_results(perturbation.delta(nudged, *sample[1:]), *sample, start.band)
            if not abs(near - tau) < 1e-11:
                continue
            assert_close(f"τ {when}", found[f"attack_tau_{when}"][i], tau, "promise", scale=1.0)
            assert_close(f"rise {when}", found[f"attack_loss_{when}"][i], rise, "long_run", scale=max(1.0, abs(rise)))
            compared[configuration.attack] += 1
    assert all(compared[attack] > 30 for attack in ATTACKS)
    pgd = np.array([run.configuration.attack == "pgd" for run in runs()])
    assert_differs("PGD is not FGM", found["attack_tau_start"][pgd], found["tau_start"][pgd], "promise", scale=1.0)
    assert (found["attack_loss_start"] > -1e-9).mean() > 0.95


def test_lemma1_as_the_ledger_has_it() -> None:
    """Corrected: never refuted. As printed: refuted by sign steps in the l2 ball and outside of the linear region."""
    codes, rows = results()["verdict"][:, CLAIMS.index("lemma1")], [run.configuration for run in runs()]
    met = results()["hypotheses"][:, CLAIMS.index("lemma1")]
    np.testing.assert_array_equal(codes >= 0, met == 1)
    judged = {c.attack for c, code in zip(rows, codes, strict=True) if code[0] >= 0}
    assert judged == {"pgd"}
    assert set(codes[:, 1].tolist()) == {-1, 1}
    assert (codes[:, 1] == 1).sum() >= 5
    refuted = [c for c, code in zip(rows, codes, strict=True) if code[0] == 0]
    assert refuted


def test_the_low_rank_form_falls_back_to_the_product_and_says_so() -> None:
    """Hundreds of units that cross a sharp bend one after the other have no low rank: the check must see it."""
    hard = [
        Configuration(
            dim=65, width=400, cutoff=8, activation="softplus", sharpness=200.0, outer_law="gaussian", n_steps=200,
            relative_residual=10.0, relative_rate=rate, seed=seed,
        )
        for rate in (0.02, 0.3)
        for seed in range(3)
    ]  # fmt: skip
    found = compute(columns_of(hard), RECORDING, 33)
    methods = [METHODS[code] for code in found["method"]]
    assert methods[:3] == ["matrix"] * 3
    assert methods[3:] == ["low_rank"] * 3
    assert (found["rank"][:3] == LARGEST_RANK).all()
    judged = 0
    for i, configuration in enumerate(hard):
        start = prepare(configuration)
        reference = reference_of(start.training)
        if reference.stable:
            spectrum = start.band.transform(reference.run.input_gradient)
            power = np.abs(spectrum) ** 2
            assert_close("power", found["gradient_power"][i], power[found["recorded_step"][i]], "promise")
            judged += 1
    assert judged >= 4


def test_points_without_a_result_say_why() -> None:
    dead = Configuration(dim=5, width=1, cutoff=1, n_steps=3)
    reasons = [
        REASONS[code]
        for code in compute(columns_of([replace(dead, seed=s) for s in range(40)]), RECORDING, 3)["reason"]
    ]
    expected = []
    for seed in range(40):
        try:
            prepare(replace(dead, seed=seed))
            expected.append("valid")
        except InputError:
            expected.append(AT_START[0])
    assert reasons == expected
    assert set(reasons) == {"valid", AT_START[0]}
    still = [replace(dead, seed=s, learning_rate=0.1, relative_rate=None) for s in range(40)]
    found = compute(columns_of(still), RECORDING, 3)
    assert {REASONS[code] for code in found["reason"]} == {"valid", AT_START[1]}
    assert np.isnan(found["tau_final"][found["reason"] > 0]).all()
    attacked = compute(columns_of([replace(c, attack="pgd") for c in still]), RECORDING, 3, attack=True)
    np.testing.assert_array_equal(attacked["reason"], found["reason"])
    refused = attacked["reason"] > 0
    assert np.isnan(attacked["attack_tau_start"][refused]).all()
    assert np.isfinite(attacked["attack_loss_start"][~refused]).all()
    assert (attacked["recorded_step"][refused] == -1).all()
    assert (attacked["method"][refused] == 0).all()


@pytest.mark.parametrize("activation", ["relu", "softplus"])
def test_a_start_out_of_range(activation: str) -> None:
    """Weights and label are at most 1e50, a product of them and of the input's pixels can be beyond 1e150."""
    huge = {"weight_scale": 1e50, "outer_scale": 1e50, "relative_residual": 1e50, "relative_rate": 0.1}
    run = Configuration(dim=9, width=20, cutoff=2, activation=activation, alpha0=1e8, n_steps=4, **huge)
    found = compute(columns_of([run]), RECORDING, 5)
    assert REASONS[int(found["reason"][0])] == AT_START[2]
    for name in ("tau_final", "gradient_power", "q_final"):
        assert np.isnan(found[name]).all()


def test_records_are_where_they_were_asked_for() -> None:
    n_steps = np.array([1, 10, 100])
    np.testing.assert_array_equal(recording_steps(Recording(steps=3), n_steps), [[0, 0, 1], [0, 5, 10], [0, 50, 100]])
    np.testing.assert_array_equal(
        recording_steps(Recording(steps=(0, 7, 100)), n_steps), [[0, -1, -1], [0, 7, -1], [0, 7, 100]]
    )
    columns = columns_of([Configuration(dim=17, width=8, cutoff=2, n_steps=10)])
    some = compute(columns, Recording(steps=(0, 7, 100)), 0)
    every = compute(columns, Recording(steps=11), 0)
    np.testing.assert_array_equal(some["tau"][0, :2], every["tau"][0, [0, 7]])
    assert np.isnan(some["tau"][0, 2])


def test_an_unknown_device_is_refused() -> None:
    with pytest.raises(InputError, match="tpu"):
        compute(columns_of([Configuration()]), RECORDING, 129, device="tpu")
