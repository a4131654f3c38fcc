"""Impossible combinations: the vectorised rules against what one run refuses, in both directions."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from theory_sim.configuration import Configuration, key_types
from theory_sim.descent import run
from theory_sim.errors import InputError
from theory_sim.simulation.start import prepare
from theory_sim.sweep import validity
from theory_sim.sweep.definition import load_sweep, parse_sweep
from theory_sim.sweep.validity import AT_START, REASONS, explain, invalid, reasons

N = 3000
# What the message of one run says where a rule refuses it.
FRAGMENTS = dict(
    zip(
        REASONS[1 : -len(AT_START)],
        ("with loss = logistic", "GiB", "cut-off", "picture", "piece = ", "the logistic loss allows", "engine"),
        strict=True,
    )
)


def _configuration(columns: dict[str, NDArray], index: int) -> Configuration:
    values = {key: column[index].item() for key, column in columns.items()}
    absent = {key for key, value in values.items() if value != value or (key == "piece" and value == -1)}
    return Configuration(**{key: None if key in absent else value for key, value in values.items()})


@pytest.fixture(scope="module")
def columns(tmp_path_factory: pytest.TempPathFactory) -> dict[str, NDArray]:
    """Small runs at random, many of them at or beyond a limit."""
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(7)
    Image.fromarray(rng.integers(0, 255, (20, 17), dtype=np.uint8)).save(folder / "small.png")
    Image.fromarray(np.full((20, 40), 9, np.uint8)).save(folder / "constant.png")
    base = load_sweep().columns(0, 1)
    out = {key: np.repeat(column, N) for key, column in base.items()}
    dim, tile = rng.integers(4, 20, N), rng.integers(2, 8, N)
    pictures = [str(folder / name) for name in ("small.png", "constant.png", "none.png")]
    loss = rng.choice(["mse", "logistic"], N)
    label = rng.choice([np.nan, 1.0, -1.0, 0.5], N)
    given = rng.choice(["label", "residual", "relative_residual"], N, p=[0.8, 0.1, 0.1])
    return out | {
        "source": rng.choice(["power-law", "rows", "tiles"], N, p=[0.4, 0.3, 0.3]),
        "picture": rng.choice(pictures, N, p=[0.8, 0.1, 0.1]),
        "piece": rng.choice([-1, 0, 5, 25, 60], N),
        "dim": dim,
        "tile_size": tile,
        "cutoff": np.maximum(rng.integers(1, 40, N) / 2 * rng.choice([0.3, 0.5, 1.0], N), 0.5),
        "transform": rng.choice(["dft", "dct"], N),
        "mask": rng.choice(["disc", "square"], N),
        "n_steps": rng.choice([1, 3, 10**7], N, p=[0.5, 0.4, 0.1]),
        "width": np.full(N, 24),
        "activation": rng.choice(["relu", "softplus"], N),
        "loss": loss,
        "label": np.where(given == "label", label, np.nan),
        "residual": np.where(given == "residual", 2.0, np.nan),
        "relative_residual": np.where((given == "relative_residual"), -1.5, np.nan),
        "engine": rng.choice(["auto", "events"], N),
        "seed": np.arange(N),
    }


def _refusal(columns: dict[str, NDArray], index: int) -> str:
    """The message with which one run is refused, "" if it is not."""
    try:
        start = prepare(_configuration(columns, index))
        run(start.training, start.configuration.engine)
    except InputError as error:
        return str(error)
    return ""


def test_rules_are_those_of_one_run(columns: dict[str, NDArray]) -> None:
    found = reasons(columns)
    assert found.dtype == np.int8
    wrong = []
    for index, code in enumerate(found):
        message = _refusal(columns, index)
        if bool(message) != bool(code) or (code and FRAGMENTS[REASONS[code]] not in message):
            wrong.append((REASONS[code], message))
    assert wrong == []
    counts = Counter(REASONS[code] for code in found)
    assert set(counts) == {"valid", *FRAGMENTS}
    assert min(counts.values()) >= 15, counts  # each direction of each rule is tried
    top = validity._top_cutoff(columns)
    assert np.count_nonzero((columns["cutoff"] == top) & (found == REASONS.index("cut-off out of range"))) >= 15
    assert np.count_nonzero((columns["cutoff"] == 1) & (found == 0)) >= 15


def test_memory_is_that_of_one_run_to_the_byte() -> None:
    base = load_sweep().columns(0, 1)
    for width in (1, 128, 4096):
        n_steps = validity.LARGEST_MEMORY // 8 // (3 * width + 8 * 257)
        near = np.arange(n_steps - 200 - width, n_steps + 200)
        many = {key: np.repeat(column, len(near)) for key, column in base.items()} | {"n_steps": near}
        many["width"] = np.full(len(near), width)
        allowed = near[reasons(many) == 0].max()
        assert near.min() < allowed < near.max()
        Configuration(width=width, n_steps=int(allowed))
        with pytest.raises(InputError, match="GiB"):
            Configuration(width=width, n_steps=int(allowed) + 1)


def test_each_reason_is_explained_by_its_values(columns: dict[str, NDArray]) -> None:
    found = reasons(columns)
    for code, (reason, words) in enumerate(
        zip(
            FRAGMENTS,
            (["residual = ", "label = -1 or 1"], ["n_steps = 10000000", "2 GiB"], ["cutoff = ", "1 <= cutoff <"],
             ["source = ", ".png: "], ["piece = ", "0 ... "], ["label = 0.5", "-1 or 1"], ["engine = events", "relu"]),
            strict=True,
        ),
        start=1,
    ):  # fmt: skip
        for index in np.flatnonzero(found == code)[:20]:
            line = explain(columns, int(index))
            assert "\n" not in line, reason
            assert all(word in line for word in words), line
    assert explain(columns, int(np.flatnonzero(found == 0)[0])) == ""


def test_the_limit_of_the_cutoff_is_named() -> None:
    sweep = parse_sweep({"grid": {"dim": [65, 129], "cutoff": [31.5, 32.0, 40.0, 63.0]}})
    columns = sweep.columns(0, sweep.n_points)
    assert (reasons(columns) > 0).tolist() == [False, True, True, True, False, False, False, False]
    assert explain(columns, 2) == "cutoff = 40 with dim = 65, transform = dft: allowed is 1 <= cutoff < 32"


def test_all_invalid_points_of_a_sweep_are_counted() -> None:
    sweep = parse_sweep(
        {
            "grid": {
                "seed": {"replicates": 3}, "cutoff": [2, 5.0, 9.0], "dim": [9, 17, 33], "alpha": [1, 2.0],
                "loss": ["mse", "logistic"], "label": [1.0, 0.5],
            },
            "sample": {"n": 4, "weight_scale": {"uniform": [1, 2]}},
        }
    )  # fmt: skip
    codes = reasons(sweep.columns(0, sweep.n_points))
    found = invalid(sweep)
    counts = {row.reason: row.n_points for row in found}
    assert counts == {REASONS[code]: n for code, n in enumerate(np.bincount(codes)) if code and n}
    assert len(counts) == 2
    for row in found:
        assert row.first == np.argmax(codes == REASONS.index(row.reason))
        assert row.message == explain(sweep.columns(row.first, row.first + 1), 0)
    fine = parse_sweep({"grid": {"seed": {"replicates": 10**6}, "learning_rate": {"logspace": [1e-4, 1e-1, 1000]}}})
    assert invalid(fine) == []  # a milliard of points: only what decides is gone through


def test_decisive_keys_are_all_that_rules_read(columns: dict[str, NDArray]) -> None:
    asked = set()

    class Seen(dict[str, NDArray]):
        def __getitem__(self, key: str) -> NDArray:
            asked.add(key)
            return super().__getitem__(key)

    reasons(Seen(columns))
    assert asked == validity.DECISIVE
    assert set(key_types()) > validity.DECISIVE
