"""An evaluation's rows: which there are, that they mean what they say, that they are kept, and how curves end."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deep_check.attacks import Attack, run_attack
from deep_check.evaluation import measure
from deep_check.evaluation.measure import COLUMNS, Evaluation, Networks, standing
from deep_check.evaluation.plan import (
    AWARE,
    BLIND,
    DEFENDED,
    KEY,
    NORMS,
    SCALES,
    TRANSFER,
    Row,
    Scale,
    Settings,
    attack_of,
    check_images,
    cost,
    main_rows,
)
from deep_check.filtering import Filtered, LowPass
from deep_check.noise import Noise, run_noise
from deep_check.resnet import InputGradient
from deep_check.square import Square, run_square
from theory_sim.errors import InputError

N = 18
TINY = Scale(None, 16, ((3, 2), (5, 1)), ((3, 1),), 4, 3, 4, (1, 2, 4), 8)
SETTINGS = Settings({"linf": Attack(radius=0.003, step_size=0.0015), "l2": Attack("l2", 0.12, 0.06)}, TINY, seed=3)


class Plane:
    """Two classes by the sign of ⟨weights, x - ½⟩, one of them smooth: as cheap as a network can be."""

    def __init__(self, seed: int) -> None:
        weights = np.random.default_rng(seed).normal(size=(3, 32, 32)) * 0.2
        self.weights = (weights + LowPass(6).apply(weights[None].astype(np.float32))[0]).astype(np.float32)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        score = ((x - np.float32(0.5)) * self.weights).sum((1, 2, 3)).astype(np.float32)
        return np.stack([score, -score], axis=1)

    def input_gradient(self, x: np.ndarray, y: Any, loss: str) -> InputGradient:
        from deep_check.ops.loss_cpu import loss as loss_of

        logits = self(x)
        losses, d_logits = loss_of(logits, y, loss)
        slope = (d_logits[:, 0] - d_logits[:, 1])[:, None, None, None]
        return InputGradient(losses, (slope * self.weights).astype(np.float32), logits)


IMAGES = np.random.default_rng(1).uniform(0.3, 0.7, size=(N, 3, 32, 32)).astype(np.float32)
NET = Plane(0)
NETWORKS = Networks(NET, LowPass(10), Plane(1), Plane(2))
LABELS = NET(IMAGES).argmax(axis=1)


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, str]]:
    evaluation = Evaluation(NETWORKS, IMAGES, LABELS, SETTINGS, tmp_path_factory.mktemp("rows"), {})
    evaluation.run()
    return evaluation.rows


def find(rows: list[dict[str, str]], **wanted: Any) -> dict[str, str]:
    (row,) = [row for row in rows if all(row[name] == str(value) for name, value in wanted.items())]
    return row


@pytest.mark.parametrize("name", SCALES)
def test_the_plan_is_what_the_field_asks_for(name: str) -> None:
    settings = replace(SETTINGS, scale=SCALES[name])
    plan = list(main_rows(settings, robust=True, transfer=True))
    assert len(set(plan)) == len(plan)
    for norm in NORMS:
        own = [row for row in plan if row.norm == norm and row.system == DEFENDED]
        for attacker in (BLIND, AWARE):
            pgd = [row for row in own if row.attacker == attacker and row.method == "pgd"]
            assert {40, 100} <= {row.steps for row in pgd}
            assert {row.loss for row in pgd} == {"cross_entropy", "margin"}
            assert max(row.restarts for row in pgd) >= 5
        assert {"square", "noise"} <= {row.method for row in own}
        assert TRANSFER in {row.attacker for row in own}
        assert {row.system for row in plan if row.norm == norm} == {"bare", DEFENDED, "adversarial",
                                                                    "adversarial defended"}  # fmt: skip
    fewer = list(main_rows(settings, robust=False, transfer=False))
    assert set(fewer) < set(plan)
    assert all(cost(row, 100) > 0 for row in plan)
    if name == "quick":  # three minutes on two cores, at 1,800 gradients a second
        assert sum(cost(row, SCALES[name].n or 0) for row in plan) < 330_000


def test_rows(rows: list[dict[str, str]]) -> None:
    keys = [tuple(row[name] for name in KEY) for row in rows]
    assert len(set(keys)) == len(keys)
    planned = {tuple(str(value) for value in row.key.values())
               for row in main_rows(SETTINGS, robust=True, transfer=True)}  # fmt: skip
    assert planned == {key for key in keys if key[0] == "main"}
    for row in rows:
        assert tuple(row) == COLUMNS
        assert int(row["n"]) == (N if row["part"] == "main" else TINY.few)
        if row["method"] == "gradient":
            assert float(row["zero_gradients"]) == 0
            continue
        share = float(row["accuracy"])
        assert float(row["low"]) <= share <= float(row["high"])
        assert standing(row).mean() == pytest.approx(share)


def test_a_row_is_what_its_words_say(rows: list[dict[str, str]]) -> None:
    behind = Filtered(NET, LowPass(10))
    radius = SETTINGS.attacks["linf"].radius
    wanted = Row("main", DEFENDED, BLIND, "pgd", "linf", radius, "margin", 3, 2)
    attack = attack_of(wanted, SETTINGS)
    assert attack == Attack("linf", radius, 0.0015, 3, "random", 2, "margin", seed=3, early_stop=True)
    blind = run_attack(NET, IMAGES, LABELS, attack, judge=behind)
    assert (standing(find(rows, **wanted.key)) == (behind(blind.images).argmax(axis=1) == LABELS)).all()
    aware = run_attack(behind, IMAGES, LABELS, attack)
    assert (standing(find(rows, **{**wanted.key, "attacker": AWARE})) == ~aware.fooled).all()
    assert 0 < aware.fooled.sum() < N
    square = run_square(behind, IMAGES, LABELS, Square("l2", 0.12, 4, seed=3))
    assert (standing(find(rows, part="main", system=DEFENDED, method="square", norm="l2")) == ~square.fooled).all()
    noise = run_noise(NET, IMAGES, LABELS, Noise("linf", radius, 3, seed=3))
    assert (standing(find(rows, part="main", system="bare", method="noise", norm="linf")) == ~noise.fooled).all()
    other = run_attack(Plane(2), IMAGES, LABELS, replace(attack, loss="cross_entropy", restarts=1), judge=behind)
    row = find(rows, part="main", system=DEFENDED, attacker=TRANSFER, norm="linf")
    assert (standing(row) == ~other.fooled).all()


def test_curves_go_on_until_nothing_stands(rows: list[dict[str, str]]) -> None:
    for norm in NORMS:
        for system, attacker in (("bare", AWARE), (DEFENDED, AWARE), ("adversarial", AWARE), (DEFENDED, BLIND)):
            curve = [row for row in rows if (row["part"], row["norm"], row["system"], row["attacker"])
                     == ("budget", norm, system, attacker)]  # fmt: skip
            radii = [float(row["radius"]) for row in curve]
            assert radii == sorted(radii)
            assert len(radii) >= 3
            if attacker == AWARE:
                assert [float(row["accuracy"]) == 0 for row in curve] == [False] * (len(curve) - 1) + [True]
            else:
                assert radii[-1] >= 4 * SETTINGS.attacks[norm].radius
        doubling = [row for row in rows if (row["part"], row["norm"]) == ("doubling", norm)]
        assert [int(row["steps"]) for row in doubling] == [1, 2, 4]
        margins = [float(row["margin"]) for row in doubling]
        assert margins == sorted(margins)
        assert 0.2 < float(doubling[-1]["accuracy"]) < 0.8  # at a radius where half stand


def test_goes_on_where_it_was(rows: list[dict[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, calls = measure.run_attack, []

    def interrupted(*given: Any, **named: Any) -> Any:
        calls.append(1)
        if len(calls) == 9:
            raise KeyboardInterrupt
        return run(*given, **named)

    monkeypatch.setattr(measure, "run_attack", interrupted)
    told: list[tuple[int, int]] = []
    evaluation = Evaluation(NETWORKS, IMAGES, LABELS, SETTINGS, tmp_path, {}, lambda *both: told.append(both))
    with pytest.raises(KeyboardInterrupt):
        evaluation.run()
    assert 8 <= len(evaluation.rows) < len(rows)
    again = Evaluation(NETWORKS, IMAGES, LABELS, SETTINGS, tmp_path, {})
    again.run()
    assert again.rows == rows
    measured = len(calls)
    Evaluation(NETWORKS, IMAGES, LABELS, SETTINGS, tmp_path, {}).run()
    assert len(calls) == measured  # nothing is measured twice
    assert all(0 <= done <= total for done, total in told)
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    with pytest.raises(InputError, match="another measurement"):
        Evaluation(NETWORKS, IMAGES, LABELS, replace(SETTINGS, seed=4), tmp_path, {})


def test_too_few_images_and_more_than_there_are_are_refused() -> None:
    check_images(None, 10)
    check_images(16, 16)
    for n in (15, 1018):
        with pytest.raises(InputError, match=rf"images {n}: allowed is 16 \.\.\. 1,017"):
            check_images(n, 1017)
