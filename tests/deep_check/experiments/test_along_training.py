"""Figs. 2 and 11: verdicts on curves whose answer is known, statistics beside SciPy's, and whole runs drawn."""

from __future__ import annotations

import csv
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from deep_check.experiments import along_training, fig2, fig11
from deep_check.experiments.along_training import CUTOFF, Curve, curves, directions
from deep_check.experiments.context import Context, MissingError
from deep_check.experiments.results import NOT_REPRODUCED, REPRODUCED, UNDECIDED
from deep_check.models import shipped
from deep_check.spectra import area_share
from deep_check.training.observation import CUTOFFS, write_rows
from deep_check.training.trainer import WEIGHTS, train
from tests.deep_check.training.test_observation import SEEN
from tests.deep_check.training.test_trainer import TEST, TRAINING
from tests.deep_check.two_layer.test_training import RECIPE as TWO_LAYER
from tests.helpers import assert_close
from theory_sim.errors import InputError
from theory_sim.intervals import wilson

STEPS = (0, 1, 2, 5, 10, 20, 50, 100, 200, 300, 400)


def rows(change: float, noise: float = 0.002, attacks: tuple[str, ...] = ("fgm", "pgd"), **others: Any) -> list[dict]:
    """τ = 0.3 + change · log10(1 + step)/log10(401), with noise, at every cut-off."""
    rng = np.random.default_rng(0)
    found = []
    for attack in attacks:
        for step in STEPS:
            for cutoff in CUTOFFS:
                mean = 0.3 + change * np.log10(1 + step) / np.log10(401) + noise * rng.normal()
                half = stats.t.ppf(0.975, 99) * 0.05 / 10
                found.append({"step": float(step), "epoch": step / 100, "attack": attack, "cutoff": float(cutoff),
                              "mean": mean, "low": mean - half, "high": mean + half, "std": 0.05, "n": 100.0,
                              "loss": 1.0, "accuracy": 0.5, **others})  # fmt: skip
    return found


@pytest.mark.parametrize(
    ("change", "wanted"), [(0.2, REPRODUCED), (-0.2, NOT_REPRODUCED), (0.0005, UNDECIDED), (0.01, UNDECIDED)]
)
def test_verdicts_on_known_curves(change: float, wanted: str) -> None:
    finding = fig2.judge(curves(rows(change)), {"observe_radius": 0.5})
    assert finding.verdict == wanted
    assert finding.n == 100 * len(STEPS)
    assert finding.parameters["observe_radius"] == 0.5
    assert f"goes from {finding.measured[4].value:.3f}" in finding.conclusion


def test_one_attack_that_falls_is_enough() -> None:
    both = rows(0.2, attacks=("fgm",)) + rows(-0.2, attacks=("pgd",))
    assert fig2.judge(curves(both), {}).verdict == NOT_REPRODUCED


def test_a_rise_that_is_lost_again_does_not_count() -> None:
    """Up and down again: earlier ends are in the effects, the verdict rests on the last step."""
    found = rows(0.2)
    for row in found:
        if row["step"] > 200:
            row |= {name: row[name] - 0.3 for name in ("mean", "low", "high")}
    finding = fig2.judge(curves(found), {})
    assert finding.verdict == NOT_REPRODUCED
    ends = {one.value: one.measured for one in finding.effects if one.choice == "end of training"}
    assert list(ends) == ["step 100", "step 300"]
    assert ends["step 100"].value > 0.1
    assert ends["step 300"].value < -0.1


def test_the_rise_is_welchs() -> None:
    curve = Curve(*(np.array(values, float) for values in (
        [0, 1, 9], [0.2, 0.25, 0.4], [0.19, 0.2, 0.35], [0.21, 0.3, 0.45], [0.05, 0.1, 0.2], [100, 50, 30], [1, 1, 1],
        [0, 0, 0])))  # fmt: skip
    rng = np.random.default_rng(1)

    def sample(mean: float, std: float, n: int) -> np.ndarray:
        drawn = rng.normal(size=n)
        return mean + std * (drawn - drawn.mean()) / drawn.std(ddof=1)

    own = curve.rise("rise")
    oracle = stats.ttest_ind(sample(0.4, 0.2, 30), sample(0.2, 0.05, 100), equal_var=False).confidence_interval(0.95)
    assert_close("interval", [own.low, own.high], [oracle.low, oracle.high], "identity")
    assert own.value == pytest.approx(0.2)


def test_the_slope_is_that_of_least_squares() -> None:
    curve = curves(rows(0.2))["fgm", CUTOFF]
    own = curve.slope("slope")
    x = np.log10(1 + np.array(STEPS))
    design = np.stack([np.ones_like(x), x], axis=1)
    solution, squares, *_ = np.linalg.lstsq(design, curve.mean, rcond=None)
    error = np.sqrt(squares[0] / (len(x) - 2) * np.linalg.inv(design.T @ design)[1, 1])
    half = 2.262157 * error  # Student's t of 9 degrees of freedom, from a table
    assert own.value == pytest.approx(solution[1], rel=1e-9)
    assert own.high == pytest.approx(solution[1] + half, rel=1e-6)
    linear = stats.linregress(np.array(STEPS) / 1000, curve.mean)
    assert curve.slope("slope", logarithmic=False).value == pytest.approx(linear.slope)


def test_white_noise_has_the_share_of_the_frequencies() -> None:
    k = np.fft.fftfreq(32, 1 / 32)
    assert area_share(8) == (np.hypot(k[:, None], k) <= 8).mean()


def two_layer_facts(low: float) -> dict[str, Any]:
    result = {"accuracy": low + 0.02, "low": low, "high": low + 0.04, "n": 1017}
    return {"result": result, "recipe": TWO_LAYER.as_dict()}


def test_fig11_needs_a_network_that_has_learnt() -> None:
    distances = dict.fromkeys(along_training.DISTANCES, 0.5)
    predicted = rows(0.15, **distances)
    found = curves(rows(0.2)), curves(predicted), predicted
    assert fig11.judge(*found, two_layer_facts(0.41)).verdict == REPRODUCED
    assert fig11.judge(*found, two_layer_facts(0.39)).verdict == UNDECIDED
    finding = fig11.judge(*found, two_layer_facts(0.41))
    theory = [one for one in finding.measured if one.name.startswith("theory: τ of FGM")]
    assert theory[0].value == pytest.approx(0.15, abs=0.02)
    assert finding.parameters["width"] == 30


@pytest.mark.parametrize("damage", ["", "step,attack\n1,fgm\n", "step,attack,cutoff\nx,fgm,8\n"])
def test_damaged_observations_are_named(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "observed.csv"
    path.write_text(damage)
    with pytest.raises(InputError, match="observ"):
        curves(along_training.read_rows(path))


DAMAGES: list[tuple[Any, str]] = [
    (lambda row: row.update(cutoff=float("nan")), "cutoff nan"),
    (lambda row: row.update(cutoff=8.5), "cutoff 8.5"),
    (lambda row: row.update(mean=float("inf")), "mean inf"),
    (lambda row: row.update(low=0.9), "low 0.9"),
    (lambda row: row.update(n=1.0), "n 1"),
    (lambda row: row.update(cutoff=20.0), "no pgd at cut-off 20"),
    (lambda row: row.update(step=400.0), "fgm at cut-off 4: allowed is each step once"),
]


@pytest.mark.parametrize(("damage", "words"), DAMAGES, ids=[words for _, words in DAMAGES])
def test_numbers_that_cannot_be_are_named(damage: Any, words: str) -> None:
    found = rows(0.2)
    damage(found[0])
    with pytest.raises(InputError) as error:
        curves(found, "observed.csv")
    assert words in str(error.value)
    assert str(error.value).startswith("observed.csv: ")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda found: [row.pop("cosine") for row in found], "columns difference, difference_low"),
        (lambda found: found[3].update(difference=float("nan")), "columns difference, difference_low"),
        (lambda found: found.__delitem__(slice(0, 4)), "fgm at cut-off 4: allowed are the steps of the observations"),
        (lambda found: [row.update(step=row["step"] + 1) for row in found], "allowed are the steps"),
    ],
)
def test_predictions_that_are_not_of_the_observations(damage: Any, words: str, tmp_path: Path) -> None:
    predicted = rows(0.15, **dict.fromkeys(along_training.DISTANCES, 0.5))
    damage(predicted)
    for name, found in (("observed.csv", rows(0.2)), ("predicted.csv", predicted)):
        write_rows(tmp_path / name, found)
    weights = tmp_path / "weights.safetensors"
    weights.write_text("not looked at")
    with pytest.raises(InputError, match=words):
        fig11.run(Context(tmp_path, tmp_path, weights={"two_layer": weights}))


@pytest.mark.parametrize("result", [None, "good", {"accuracy": 0.5}, {"accuracy": 0.5, "low": "x", "high": 1, "n": 3}])
def test_weights_that_do_not_say_how_good_they_are(result: Any) -> None:
    predicted = rows(0.15, **dict.fromkeys(along_training.DISTANCES, 0.5))
    with pytest.raises(InputError, match="test accuracy"):
        fig11.judge(curves(rows(0.2)), curves(predicted), predicted, {"result": result, "recipe": "none"})


def test_shipped_weights_by_another_path_have_their_observations(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "models").mkdir()
    for name in ("normal.safetensors", "normal-observed.csv"):
        (tmp_path / "models" / name).touch()
    monkeypatch.setattr("deep_check.models.FOLDER", tmp_path / "models")
    other = tmp_path / "models" / ".." / "models" / "normal.safetensors"
    found = along_training.observed_file(Context(tmp_path, tmp_path, weights={"normal": other}), "normal")
    assert found.name == "normal-observed.csv"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    train(SEEN, TRAINING, TEST, folder / "normal")
    train(TWO_LAYER, TRAINING, TEST, folder / "two_layer")
    return folder


def test_whole_runs_are_judged_and_drawn(runs: Path, tmp_path: Path) -> None:
    files = {role: runs / role / WEIGHTS for role in ("normal", "two_layer")}
    context = Context(tmp_path / "no data are needed", tmp_path, weights=files)
    for experiment in (fig2, fig11):
        finding = experiment.run(context)
        for name in finding.pictures:
            assert (tmp_path / name).stat().st_size > 10_000
        assert finding.parameters["observe_steps"] == 3
        with (tmp_path / f"{finding.claim}.csv").open() as file:
            table = list(csv.DictReader(file))
        assert {row["network"] for row in table} == ({"trained", "theory"} if experiment is fig11 else {"trained"})
        shown = [one for one in finding.measured if one.name.startswith("τ of FGM at the start")]
        first = next(row for row in table if (row["attack"], row["cutoff"]) == ("fgm", f"{float(CUTOFF)}"))
        assert shown[0].value == float(first["mean"])


def test_other_readings_stand_beside(runs: Path, tmp_path: Path) -> None:
    """Rise, slope and what the network sees right, of each reading whose observations lie beside the network's."""
    run = tmp_path / "run"
    shutil.copytree(runs / "two_layer", run)
    context = Context(tmp_path / "no data are needed", tmp_path, weights={"two_layer": run / WEIGHTS})
    alone = fig11.run(context)
    assert not [one for one in alone.effects if one.choice == "reading of the network"]
    rising = rows(0.2, attacks=("images", "fgm", "pgd"))
    write_rows(run / "observed-sigmoid.csv", rising)
    other = fig11.run(context)
    found = [one for one in other.effects if one.choice == "reading of the network"]
    assert {one.value for one in found} == {fig11.READINGS["sigmoid"]}
    assert tuple(one.measured for one in found[:4]) == directions(curves(rising))
    seen = found[4].measured
    assert (seen.value, seen.n, seen.low, seen.high) == (0.5, 100, *wilson(50, 100))
    assert (other.verdict, other.measured) == (alone.verdict, alone.measured)  # of the network itself
    assert other.conclusion.endswith("Of 1 other readings of the network 1 rise.")
    write_rows(run / "observed-faster.csv", rows(-0.2))
    assert fig11.run(context).conclusion.endswith("Of 2 other readings of the network 1 rise, not: rate 0.3.")
    (run / "observed-linear.csv").write_text("step\n1\n")
    with pytest.raises(InputError, match=r"observed-linear\.csv: allowed are the columns"):
        fig11.run(context)


def test_weights_without_observations(runs: Path, tmp_path: Path) -> None:
    alone = tmp_path / "alone.safetensors"
    alone.write_bytes((runs / "normal" / WEIGHTS).read_bytes())
    with pytest.raises(MissingError, match=r"no observations of the training of alone\.safetensors"):
        fig2.run(Context(tmp_path, tmp_path, weights={"normal": alone}))


@pytest.mark.parametrize(("role", "experiment"), [("normal", fig2), ("two_layer", fig11)])
def test_the_shipped_observations(role: str, experiment: Any, tmp_path: Path) -> None:
    """They are of the shipped weights, and the verdict is the one that the project reports."""
    if not shipped(role).is_file():
        pytest.skip(f"no {role} network is shipped yet")
    context = Context(tmp_path, tmp_path)
    recipe = context.net(role).facts["recipe"]
    rows = along_training.read_rows(along_training.observed_file(context, role))
    found = curves(rows)
    curve = found["fgm", CUTOFF]
    assert curve.step[0] == 0
    assert curve.step[-1] == context.net(role).facts["result"]["step"]
    assert (curve.n == recipe["observe_images"]).all()
    assert directions(found) == tuple(experiment.run(replace(context)).measured[:4])
