"""What a sweep sets: sections, grids, laws, settings, and the values of every point."""

from __future__ import annotations

import itertools
import math
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from theory_sim.configuration import Configuration, key_types
from theory_sim.errors import InputError
from theory_sim.sweep.definition import Recording, differences, load_sweep, parse_sweep
from theory_sim.sweep.laws import Law, draw_uniform, grid_values
from theory_sim.sweep.points import ORDER, SweepDefinition
from theory_sim.sweep.validity import invalid

TEXT = """
[run]
width = 16
activation = "softplus"
[grid]
n_steps = [10, 20]
learning_rate = { logspace = [1e-4, 1e-1, 4] }
cutoff = { linspace = [2, 3, 11] }
seed = { replicates = 3, first = 100 }
[sample]
n = 8
weight_scale = { loguniform = [0.1, 10] }
alpha = { uniform = [1, 2] }
loss = { choice = ["mse", "logistic"] }
[record]
steps = [0, 5, 15]
spectra = "power"
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "sweep.toml"
    file.write_text(TEXT, encoding="utf-8")
    return file


def _values(sweep: SweepDefinition, name: str) -> NDArray:
    return next(d.columns[name] for d in sweep.dimensions if name in d.columns)


# entry of [grid], key, values
GRIDS = [
    ("alpha", [1, 2.5], [1.0, 2.5]),
    ("activation", ["softplus", "relu"], ["softplus", "relu"]),
    ("width", [64, 8], [64, 8]),
    ("alpha", {"linspace": [1, 2, 11]}, [1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7, 1.8, 1.9, 2.0]),
    ("label", {"linspace": [-0.3, 0.3, 7]}, [-0.3, -0.2, -0.1, 0.0, 0.1, 0.2, 0.3]),
    ("alpha", {"linspace": [3, 1, 3]}, [3.0, 2.0, 1.0]),
    ("learning_rate", {"logspace": [1e-4, 1e-1, 4]}, [1e-4, 1e-3, 1e-2, 1e-1]),
    ("relative_residual", {"linspace": [-2, 2, 4]}, [-2.0, -0.666666666667, 0.666666666667, 2.0]),
    ("width", {"logspace": [1, 8, 7]}, [1, 2, 3, 4, 6, 8]),  # 1.4 and 2.8 are rounded and merged
    ("width", {"linspace": [8, 1, 3]}, [8, 4, 1]),
    ("n_steps", {"logspace": [1e1, 1e3, 3]}, [10, 100, 1000]),
    ("n_steps", [1e3, 7], [1000, 7]),
    ("alpha", {"linspace": [1, 2, 3.0]}, [1.0, 1.5, 2.0]),
    ("dim", {"range": [65, 257, 64]}, [65, 129, 193, 257]),
    ("dim", {"range": [65.0, 2.57e2, 96.0]}, [65, 161, 257]),
    ("seed", {"replicates": 3.0}, [0, 1, 2]),
    ("piece", {"range": [3, 5]}, [3, 4, 5]),
    ("seed", {"replicates": 3}, [0, 1, 2]),
    ("seed", {"replicates": 2, "first": 7}, [7, 8]),
    ("seed", {"logspace": [1, 100, 3]}, [1, 10, 100]),
]


@pytest.mark.parametrize(("key", "entry", "values"), GRIDS)
def test_values_of_a_grid(key: str, entry: Any, values: list[Any]) -> None:
    column = grid_values(key, entry)
    assert column.tolist() == values  # to the last bit: `.sel(alpha=1.2)` has to find them
    assert column.dtype.kind == ("U" if isinstance(values[0], str) else "i" if isinstance(values[0], int) else "f")


# document, words of the message
REFUSED: list[tuple[dict[str, Any], str]] = [
    ({}, "nothing is swept"),
    ({"grid": {}}, "nothing is swept"),
    ({"gird": {"alpha": [1.0]}}, "unknown section 'gird': did you mean grid"),
    ({"alpha": [1.0, 2.0]}, "alpha stands outside of a section: allowed is a value in [run], or several in [grid]"),
    ({"grid": 3}, "grid = 3: allowed is a section"),
    ({"grid": {"alhpa": [1.0]}}, "unknown key in [grid] 'alhpa': did you mean alpha"),
    ({"run": {"lr": 1.0}, "grid": {"alpha": [1.0]}}, "unknown key in [run] 'lr'"),
    ({"sample": {"n": 4, "alpah": {"uniform": [1, 2]}}}, "unknown key in [sample] 'alpah': did you mean alpha"),
    ({"grid": {"alpha": [1.0]}, "record": {"step": 3}}, "unknown key in [record] 'step': did you mean steps"),
    ({"run": {"alpha": 1.0}, "grid": {"alpha": [1.0]}}, "alpha in [run] and alpha in [grid] are given together"),
    (
        {"grid": {"seed": [1]}, "sample": {"n": 4, "seed": {"integers": [1, 9]}}},
        "seed in [grid] and seed in [sample] are given together",
    ),
    (
        {"run": {"learning_rate": 0.1}, "grid": {"relative_rate": [1.0]}},
        "learning_rate in [run] and relative_rate in [grid] are given together",
    ),
    ({"grid": {"label": [1.0], "residual": [1.0]}}, "label in [grid] and residual in [grid]"),
    (
        {"grid": {"alpha": 1.0}},
        "grid.alpha = 1.0: allowed is a list, { linspace = ... }, { logspace = ... } (one fixed value belongs to",
    ),
    ({"grid": {"width": 1}}, "{ logspace = ... }, { range = ... } (one fixed"),
    ({"grid": {"seed": 1}}, "{ range = ... }, { replicates = ... } (one fixed"),
    ({"grid": {"loss": "mse"}}, "grid.loss = 'mse': allowed is a list of words (one fixed"),
    ({"grid": {"alpha": []}}, "grid.alpha = []"),
    ({"grid": {"alpha": [1.0, 2.0, 1]}}, "grid.alpha repeats 1.0"),
    ({"grid": {"alpha": [0.5, 1.0]}}, "alpha = 0.5: allowed is >= 1"),
    ({"grid": {"alpha": ["steep"]}}, "alpha = 'steep'"),
    ({"grid": {"width": [16, 16.5]}}, "width = 16.5: allowed is a whole number"),
    ({"grid": {"width": [2**40]}}, "width = 1099511627776: allowed is a whole number >= 1, at most 2147483647"),
    ({"grid": {"activation": ["tanh"]}}, "activation = 'tanh': allowed is one of relu"),
    ({"grid": {"activation": {"linspace": [1, 2, 3]}}}, "allowed is a list of words"),
    ({"grid": {"alpha": {"linspce": [1, 2, 3]}}}, "unknown form of grid.alpha 'linspce': did you mean linspace"),
    ({"grid": {"alpha": {"linspace": [1, 2]}}}, "allowed is [first, last, number of values]"),
    ({"grid": {"alpha": {"linspace": [1, 1, 5]}}}, "two different ends"),
    ({"grid": {"alpha": {"linspace": [1, 2, 0]}}}, "number of values of grid.alpha = 0"),
    ({"grid": {"alpha": {"linspace": [1, 2, 10**12]}}}, "number of values of grid.alpha = 1000000000000"),
    ({"grid": {"alpha": {"linspace": [1, 1 + 1e-14, 3]}}}, "two of the values are equal"),
    ({"grid": {"label": {"logspace": [-1, 1, 3]}}}, "allowed are ends > 0 (they are values, not exponents)"),
    ({"grid": {"alpha": {"logspace": [0, 2, 3]}}}, "allowed are ends > 0 (they are values, not exponents)"),
    ({"grid": {"alpha": {"linspace": [1, 2, 2.5]}}}, "number of values of grid.alpha = 2.5"),
    ({"grid": {"relative_residual": {"linspace": [-1, 1, 3]}}}, "relative_residual = 0.0: allowed is other than 0"),
    ({"grid": {"alpha": {"range": [1, 2, 1]}}}, "grid.alpha.range"),
    ({"grid": {"width": {"range": [4, 1, 1]}}}, "grid.width.range"),
    ({"grid": {"width": {"logspace": [0.5, 2, 3]}}}, "width = 0.5: allowed is a whole number"),
    ({"grid": {"width": {"replicates": 3}}}, "replicates are of the key seed only"),
    ({"grid": {"seed": {"replicates": 0}}}, "grid.seed.replicates = 0"),
    ({"grid": {"seed": {"replicates": 2, "first": 2**31 - 1}}}, "seed = 2147483648"),
    ({"grid": {"seed": {"replicates": 3, "last": 4}}}, "last beside replicates"),
    ({"sample": {"alpha": {"uniform": [1, 2]}}}, "[sample] without n"),
    ({"sample": {"n": 4}}, "nothing is drawn: [sample] has no key"),
    ({"sample": {"n": 0, "alpha": {"uniform": [1, 2]}}}, "sample.n = 0"),
    ({"sample": {"n": 100, "alpha": {"uniform": [1, 2]}}}, "a power of two, 64 or 128"),
    ({"sample": {"n": 4, "method": "soboll", "alpha": {"uniform": [1, 2]}}}, "sample.method = 'soboll'"),
    ({"sample": {"n": 4, "seed": -1, "alpha": {"uniform": [1, 2]}}}, "sample.seed = -1"),
    ({"sample": {"n": 4, "alpha": [1, 2]}}, "sample.alpha = [1, 2]: allowed is one law"),
    ({"sample": {"n": 4, "alpha": {"unifrom": [1, 2]}}}, "unknown law of sample.alpha 'unifrom': did you mean uniform"),
    ({"sample": {"n": 4, "alpha": {"uniform": [2, 1]}}}, "[low, high] with low < high"),
    ({"sample": {"n": 4, "alpha": {"loguniform": [0, 1]}}}, "0 < low < high"),
    ({"sample": {"n": 4, "alpha": {"normal": [1, 0]}}}, "[mean, standard deviation > 0]"),
    ({"sample": {"n": 4, "alpha": {"normal": [1, float("nan")]}}}, "[mean, standard deviation > 0]"),
    ({"sample": {"n": 4, "alpha": {"lognormal": [-1, 1]}}}, "[median > 0"),
    ({"sample": {"n": 4, "width": {"integers": [1.5, 3]}}}, "[first, last] in whole numbers"),
    ({"sample": {"n": 4, "alpha": {"choice": []}}}, "sample.alpha.choice = []"),
    ({"sample": {"n": 4, "alpha": {"choice": [1.0, 0.1]}}}, "alpha = 0.1: allowed is >= 1"),
    ({"sample": {"n": 4, "loss": {"uniform": [0, 1]}}}, "{ choice = [words] }"),
    ({"sample": {"n": 64, "alpha": {"uniform": [0.5, 2]}}}, "sample.alpha draws alpha = 0.5"),  # a third of the values
    ({"sample": {"n": 64, "alpha": {"uniform": [0.5, 2]}}}, "allowed is >= 1 (the law reaches outside)"),
    ({"sample": {"n": 64, "alpha": {"normal": [1, 1]}}}, "allowed is >= 1 (the law reaches outside: min and max bound"),
    ({"sample": {"n": 64, "alpha": {"uniform": [1, 2], "min": 1}}}, "min and max beside normal and lognormal only"),
    ({"sample": {"n": 64, "alpha": {"min": 1, "max": 2}}}, "allowed is one law"),
    ({"sample": {"n": 64, "alpha": {"normal": [1, 1], "min": 2, "max": 1}}}, "allowed are numbers min < max"),
    ({"sample": {"n": 64, "alpha": {"normal": [1, 1], "min": float("nan")}}}, "allowed are numbers min < max"),
    ({"sample": {"n": 64, "width": {"normal": [9, 1], "min": 1.5}}}, "allowed are whole numbers min < max"),
    ({"sample": {"n": 64, "alpha": {"normal": [1, 1], "min": 9}}}, "with probability 6.7e-16: allowed is >= 1e-06"),
    ({"sample": {"n": 64, "alpha": {"lognormal": [1, 1], "max": 0}}}, "with probability 0: allowed is >= 1e-06"),
    ({"sample": {"n": 2**26, "alpha": {"uniform": [1, 2]}}}, "sample.n = 67108864: allowed is <= 10000000, as every"),
    ({"sample": {"n": 64, "width": {"normal": [2, 2]}}}, "allowed is >= 1"),
    ({"sample": {"n": 64, "width": {"lognormal": [2, 1e3]}}}, "sample.width draws inf"),
    ({"sample": {"n": 64, "alpha": {"lognormal": [2, 1e3]}}}, "alpha = "),
    ({"grid": {"seed": {"replicates": 10**6}, "cutoff": {"linspace": [1, 9, 2000]}}}, "2000000000 points"),
    ({"grid": {"alpha": [1.0]}, "record": {"steps": 0}}, "record.steps = 0"),
    ({"grid": {"alpha": [1.0]}, "record": {"steps": []}}, "record.steps = []"),
    ({"grid": {"alpha": [1.0]}, "record": {"steps": [0, 5, 5]}}, "ascending steps"),
    ({"grid": {"alpha": [1.0]}, "record": {"steps": [0, 1.5]}}, "record.steps = 1.5"),
    (
        {"grid": {"alpha": [1.0]}, "record": {"steps": [0, 301]}},
        "record.steps = 301: allowed is <= 300, the largest n_steps",
    ),
    ({"grid": {"n_steps": [9, 20, 3]}, "record": {"steps": [9, 21]}}, "record.steps = 21: allowed is <= 20"),
    ({"grid": {"alpha": [1.0]}, "record": {"spectra": "all"}}, "none, power, complex"),
]


@pytest.mark.parametrize(("document", "words"), REFUSED, ids=[row[1][:40] for row in REFUSED])
def test_refused(document: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_sweep(document)
    message = str(caught.value)
    assert "\n" not in message
    assert words in message


def test_dimensions_and_fixed_values(path: Path) -> None:
    sweep = load_sweep(path)
    assert [d.name for d in sweep.dimensions] == ["sample", "seed", "cutoff", "learning_rate", "n_steps"]
    assert sweep.shape == (8, 3, 11, 4, 2)
    assert sweep.n_points == 8 * 3 * 11 * 4 * 2
    assert list(sweep.dimensions[0].columns) == ["weight_scale", "alpha", "loss"]
    assert (sweep.fixed["width"], sweep.fixed["activation"], sweep.fixed["dim"]) == (16, "softplus", 257)
    swept = {key for d in sweep.dimensions for key in d.columns}
    assert swept.isdisjoint(sweep.fixed)
    assert swept | set(sweep.fixed) == set(key_types())
    assert sweep.recording == Recording((0, 5, 15), "power")
    assert sorted(ORDER) == sorted(key_types())


def test_columns_are_the_points_in_c_order(path: Path) -> None:
    sweep = load_sweep(path)
    columns = sweep.columns(0, sweep.n_points)
    assert list(columns) == list(key_types())
    places = itertools.product(*(range(d.size) for d in sweep.dimensions))
    for index, place in enumerate(places):
        for axis, dimension in zip(place, sweep.dimensions, strict=True):
            for key, column in dimension.columns.items():
                assert columns[key][index] == column[axis]
    for key, kinds in key_types().items():
        kind = "U" if str in kinds else "i" if int in kinds else "f"
        assert columns[key].dtype.kind == kind
        assert columns[key].dtype.itemsize == 8 or kind == "U"
    part = sweep.columns(1000, 1100)
    for key in columns:
        np.testing.assert_array_equal(part[key], columns[key][1000:1100])


DEFAULTS: list[dict[str, Any]] = [
    {"grid": {"alpha": [1.0, 2.0]}},
    {"grid": {"loss": ["mse", "logistic"]}},
    {"run": {"loss": "logistic"}, "grid": {"learning_rate": [0.1, 0.2]}},
    {"run": {"label": 1.0}, "grid": {"loss": ["mse", "logistic"]}},
    {"run": {"residual": 1.0, "piece": 3}, "grid": {"relative_rate": [0.1, 0.2]}},
]


@pytest.mark.parametrize("document", DEFAULTS)
def test_defaults_are_those_of_one_run(document: dict[str, Any]) -> None:
    sweep = parse_sweep(document)
    columns = sweep.columns(0, 2)
    ((key, values),) = document["grid"].items()
    for index, value in enumerate(values):
        run = Configuration(**document.get("run", {}), **{key: value}).with_defaults()
        for name, column in columns.items():
            expected = getattr(run, name)
            found = column[index].item()
            absent = found == -1 if name == "piece" else found != found
            assert (absent and expected is None) or found == expected, name


@dataclass(frozen=True)
class _Conditioned:
    """A distribution, given that the value is not among the smallest ones, which have the probability `below`."""

    distribution: Any
    below: float

    def cdf(self, values: NDArray) -> NDArray:
        return np.asarray((self.distribution.cdf(values) - self.below) / (1 - self.below))


# law, SciPy's distribution of the same name, and one that is a little off
CONTINUOUS = [
    (Law("uniform", (1.5, 4.0)), stats.uniform(1.5, 2.5), stats.uniform(1.5, 2.6)),
    (Law("loguniform", (0.1, 10.0)), stats.loguniform(0.1, 10.0), stats.loguniform(0.1, 11.0)),
    (Law("normal", (3.0, 0.5)), stats.norm(3.0, 0.5), stats.norm(3.0, 0.51)),
    (Law("lognormal", (3.0, 0.5)), stats.lognorm(0.5, scale=3.0), stats.lognorm(0.5, scale=3.05)),
    (Law("normal", (1.0, 1.0), (1.0, 3.0)), stats.truncnorm(0, 2, 1.0, 1.0), stats.truncnorm(0, 2.1, 1.0, 1.0)),
    (Law("normal", (1.0, 1.0), (4.0, math.inf)), stats.truncnorm(3, np.inf, 1.0, 1.0), stats.norm(1.0, 1.0)),
    (
        Law("lognormal", (3.0, 0.5), (3.0, math.inf)),
        _Conditioned(stats.lognorm(0.5, scale=3.0), 0.5),
        _Conditioned(stats.lognorm(0.5, scale=3.05), 0.5),
    ),
]


@pytest.mark.parametrize(("law", "distribution", "other"), CONTINUOUS, ids=[str(row[0]) for row in CONTINUOUS])
def test_laws_are_those_of_scipy(law: Law, distribution: Any, other: Any) -> None:
    """A Latin hypercube has one point in every n-th part of the probability: exactly one, by the right law only."""
    n = 1000
    values = law.draw("alpha0" if law.kind == "loguniform" else "weight_scale", _hypercube(n))
    strata = np.sort(np.floor(n * distribution.cdf(values)))
    np.testing.assert_array_equal(strata, np.arange(n))
    assert (np.sort(np.floor(n * other.cdf(values))) != np.arange(n)).any()


def _hypercube(n: int) -> NDArray:
    return draw_uniform("latin-hypercube", n, 2, seed=3)[:, 1]


def test_discrete_laws_have_equal_shares() -> None:
    u = _hypercube(1200)
    width = Law("integers", (3, 8)).draw("width", u)
    assert width.dtype == np.int64
    assert np.bincount(width).tolist() == [0, 0, 0, 200, 200, 200, 200, 200, 200]
    words = Law("choice", ("relu", "softplus", "squareplus")).draw("activation", u)
    assert dict(zip(*np.unique(words, return_counts=True), strict=True)) == dict.fromkeys(
        ("relu", "softplus", "squareplus"), 400
    )
    whole = Law("loguniform", (1.0, 100.0)).draw("width", u)
    assert whole.dtype == np.int64
    assert (whole.min(), whole.max()) == (1, 100)


def test_laws_stay_within_their_ends() -> None:
    u = np.array([0.0, 1 - 2.0**-53])
    assert Law("uniform", (1.0, 1.1)).draw("alpha", u).tolist() == [1.0, 1.1]
    assert Law("integers", (1, 2**31 - 1)).draw("width", u).tolist() == [1, 2**31 - 1]
    assert Law("choice", (1.0, 2.0)).draw("alpha", u).tolist() == [1.0, 2.0]
    low, high = Law("loguniform", (1.0, 7.0)).draw("alpha", u)
    assert 1.0 <= low < high <= 7.0
    assert np.isfinite(Law("normal", (0.0, 1.0)).draw("label", u)).all()
    low, high = Law("normal", (1.0, 1.0), (1.0, 3.0)).draw("alpha", u)
    assert 1.0 <= low < high <= 3.0
    assert Law("normal", (5.0, 9.0), (2.0, 7.0)).draw("width", u).tolist() == [2, 7]


def test_drawn_numbers_have_as_many_digits_as_those_of_a_grid() -> None:
    u = np.random.default_rng(0).random(100)
    for law in (Law("uniform", (0.1, 0.7)), Law("loguniform", (0.1, 0.7)), Law("lognormal", (0.1, 0.7))):
        values = law.draw("weight_scale", u)
        assert [float(f"{value:.12g}") for value in values] == values.tolist()
        nudged = law.draw("weight_scale", u * (1 + 2e-15))  # as by another machine's functions
        assert (nudged == values).mean() > 0.9
    ends = (0.12345678901234, 0.12345678901239)
    low, high = Law("uniform", ends).draw("weight_scale", np.array([0.0, 1 - 2.0**-53]))
    assert ends[0] <= low <= high <= ends[1]


@pytest.mark.parametrize("method", ["random", "sobol", "halton", "latin-hypercube"])
def test_drawing_is_reproducible_and_fills_the_square(method: str) -> None:
    document = {"n": 256, "method": method, "alpha": {"uniform": [1, 2]}, "cutoff": {"uniform": [1, 2]}}
    first, again = (parse_sweep({"sample": document}) for _ in range(2))
    other = parse_sweep({"sample": document | {"seed": 1}})
    for key in ("alpha", "cutoff"):
        assert _values(first, key).tobytes() == _values(again, key).tobytes()
        assert (_values(first, key) != _values(other, key)).any()
        assert 1 <= _values(first, key).min() < _values(first, key).max() <= 2
    quarters = np.histogram2d(_values(first, "alpha"), _values(first, "cutoff"), bins=2, range=[[1, 2], [1, 2]])[0]
    assert (quarters == 64).all() if method == "sobol" else (quarters > 40).all()


def test_columns_are_drawn_in_the_order_of_the_file() -> None:
    laws = {"alpha": {"uniform": [1, 2]}, "cutoff": {"uniform": [1, 2]}}
    there = parse_sweep({"sample": {"n": 16} | laws})
    back = parse_sweep({"sample": {"n": 16} | dict(reversed(laws.items()))})
    assert (_values(there, "alpha") == _values(back, "cutoff")).all()
    assert (_values(there, "alpha") != _values(back, "alpha")).any()
    assert there != back


def test_random_numbers_are_those_of_numpy() -> None:
    expected = np.random.default_rng(5).random((7, 2))
    np.testing.assert_array_equal(draw_uniform("random", 7, 2, 5), expected)


def test_the_networks_seed_can_be_drawn() -> None:
    sweep = parse_sweep({"sample": {"n": 4, "seed": {"integers": [0, 2**31 - 1]}, "method": "random"}})
    assert sweep.fixed.get("seed") is None
    assert len(set(_values(sweep, "seed").tolist())) == 4
    assert parse_sweep({"sample": {"n": 4, "seed": 9, "alpha": {"uniform": [1, 2]}}}).fixed["seed"] == 0


DRAWN: list[dict[str, Any]] = [
    {"sample": {"n": 4, "seed": {"integers": [0, 9]}}},
    {"sample": {"n": 4.0, "alpha": {"normal": [1, 1], "min": 1}, "width": {"lognormal": [9, 1], "min": 2, "max": 1e2}}},
]


@pytest.mark.parametrize("document", [*DEFAULTS, *DRAWN])
def test_toml_round_trip(tmp_path: Path, document: dict[str, Any]) -> None:
    sweep = parse_sweep(document)
    file = tmp_path / "resolved.toml"
    file.write_text(sweep.toml(), encoding="utf-8")
    again = load_sweep(file)
    assert again == sweep
    assert hash(again) == hash(sweep)
    assert again.toml() == sweep.toml()
    assert differences(sweep.toml(), again.toml()) == []
    for key, column in sweep.columns(0, sweep.n_points).items():
        np.testing.assert_array_equal(column, again.columns(0, sweep.n_points)[key])


def test_toml_round_trip_of_a_whole_file(tmp_path: Path, path: Path) -> None:
    sweep = load_sweep(path, ["picture=odd 'name'\\ü.png", "record.steps=4"])
    file = tmp_path / "resolved.toml"
    file.write_text(sweep.toml(), encoding="utf-8")
    again = load_sweep(file)
    assert again == sweep
    assert again.recording == sweep.recording
    assert again.columns(77, 99)["picture"][0] == "odd 'name'\\ü.png"
    assert again != load_sweep(path)
    assert again != "a sweep"


def test_settings_fix_a_key_wherever_it_was_given(path: Path) -> None:
    sweep = load_sweep(
        path, ["cutoff=4", "run.alpha=1.5", "relative_rate=0.5", "activation=relu", "width=3", "width=4"]
    )
    assert [d.name for d in sweep.dimensions] == ["sample", "seed", "n_steps"]
    assert list(sweep.dimensions[0].columns) == ["weight_scale", "loss"]
    fixed = sweep.fixed
    assert (fixed["cutoff"], fixed["alpha"], fixed["relative_rate"], fixed["learning_rate"]) == (4.0, 1.5, 0.5, None)
    assert (fixed["activation"], fixed["width"]) == ("relu", 4)


def test_settings_replace_entries_of_sections(path: Path) -> None:
    sweep = load_sweep(
        path,
        ["grid.seed={replicates=2}", "grid.alpha=[1, 2]", "sample.n=16", "sample.seed=3", "sample.method=halton",
         "sample.width={integers=[1, 9]}", "record.steps=[0, 2]", "record.spectra=none"],
    )  # fmt: skip
    assert [d.name for d in sweep.dimensions] == ["sample", "seed", "alpha", "cutoff", "learning_rate", "n_steps"]
    assert list(sweep.dimensions[0].columns) == ["weight_scale", "loss", "width"]
    assert sweep.shape[:3] == (16, 2, 2)
    assert sweep.sampling is not None
    assert (sweep.sampling.method, sweep.sampling.seed) == ("halton", 3)
    assert sweep.recording == Recording((0, 2), "none")


def test_a_sample_of_nothing_is_dropped_by_settings(path: Path) -> None:
    sweep = load_sweep(path, ["weight_scale=1", "alpha=1", "loss=mse"])
    assert [d.name for d in sweep.dimensions] == ["seed", "cutoff", "learning_rate", "n_steps"]
    fresh = load_sweep(path, ["grid.weight_scale=[1.0]", "grid.alpha=[1]", "loss=mse"])
    assert fresh.sampling is None
    other = load_sweep(path, ["weight_scale=1", "alpha=1", "loss=mse", "sample.width={integers=[1, 9]}"])
    assert other.sampling is not None
    assert (list(other.sampling.laws), other.sampling.n) == (["width"], 8)


def test_a_sample_that_is_asked_for_is_never_dropped(tmp_path: Path, path: Path) -> None:
    fixed = ["weight_scale=1", "alpha=1", "loss=mse"]
    empty = tmp_path / "empty.toml"
    empty.write_text("[sample]\nn = 4\n[grid]\nalpha = [1.0, 2.0]\n")
    for file, settings in (
        (None, ["sample.n=100"]),
        (path, [*fixed, "sample.n=16"]),
        (path, ["sample.n=16", *fixed]),
        (empty, ["width=3"]),
    ):
        with pytest.raises(InputError, match=r"nothing is drawn: \[sample\] has no key"):
            load_sweep(file, settings)
    for both in itertools.permutations(["sample.n=4", "sample.width={integers=[1, 9]}"]):
        assert load_sweep(None, both).shape[0] == 4


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("alhpa=1", "unknown key 'alhpa': did you mean alpha"),
        ("gird.alpha=[1]", "unknown section 'gird': did you mean grid"),
        ("grid.alhpa=[1]", "unknown key in [grid] 'alhpa'"),
        ("grid.alpha=1", "grid.alpha = 1: allowed is a list"),
        ("grid.alpha=[1,2", "'[1,2' is not TOML: Unclosed array"),
        ("grid.loss=[mse, logistic]", "'[mse, logistic]' is not TOML: Invalid value (at line 1, column 12)"),
        ("sample.alpha={uniform=[1, 2]", "is not TOML: Unclosed inline table"),
        ("record.step=1", "unknown key in [record] 'step'"),
        ("alpha", "allowed is key=value"),
        ("alpha=[1, 2]", "alpha = [1, 2]"),
        ("sample.n=7", "a power of two, 4 or 8"),
        ("alpha=0", "alpha = 0.0: allowed is >= 1"),
    ],
)
def test_refused_settings(path: Path, setting: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        load_sweep(path, [setting])
    assert words in str(caught.value)


def test_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        load_sweep(tmp_path / "none.toml")
    broken = tmp_path / "broken.toml"
    broken.write_text("[grid]\nalpha = [1,")
    with pytest.raises(InputError, match="is not TOML"):
        load_sweep(broken)


def test_differences_are_shown_by_key(path: Path) -> None:
    base = {"grid": {"alpha": [1.0, 2.0], "cutoff": {"linspace": [1, 20, 20]}}}
    old = parse_sweep(base).toml()
    assert differences(old, old) == []
    changed = {"grid": base["grid"] | {"alpha": [1.0, 3.0]}}
    assert differences(old, parse_sweep(changed).toml()) == ["alpha: [1.0, 2.0] in the store, [1.0, 3.0] asked for"]
    one_value = {"grid": {"alpha": [1.0, 2.0], "cutoff": [*range(1, 8), 8.5, *range(9, 21)]}}
    assert differences(old, parse_sweep(one_value).toml()) == [
        "cutoff: 20 values 1.0 ... 20.0 (value 7: 8.0) in the store, 20 values 1.0 ... 20.0 (value 7: 8.5) asked for"
    ]
    moved = {"run": {"alpha": 1.0, "learning_rate": 0.5}, "grid": {"cutoff": base["grid"]["cutoff"]}}
    assert differences(old, parse_sweep(moved).toml()) == [
        "relative_rate: 0.02 in the store, absent asked for",
        "alpha: [1.0, 2.0] in the store, 1.0 asked for",
        "learning_rate: absent in the store, 0.5 asked for",
    ]
    one, two = load_sweep(path).toml(), load_sweep(path, ["sample.n=16", "record.steps=3", "seed=4"]).toml()
    assert differences(one, two) == [
        "seed: replicates 3 first 100 in the store, 4 asked for",
        "sample.n: 8 in the store, 16 asked for",
        "record.steps: [0, 5, 15] in the store, 3 asked for",
    ]
    laws = {"alpha": {"uniform": [1, 2]}, "cutoff": {"uniform": [1, 3]}}
    there = parse_sweep({"sample": {"n": 4} | laws}).toml()
    back = parse_sweep({"sample": {"n": 4} | dict(reversed(laws.items()))}).toml()
    assert differences(there, back) == ["order of drawn keys: alpha, cutoff in the store, cutoff, alpha asked for"]
    wider = parse_sweep({"sample": {"n": 4} | laws | {"alpha": {"uniform": [1, 4]}}}).toml()
    assert differences(there, wider) == ["alpha: uniform [1.0, 2.0] in the store, uniform [1.0, 4.0] asked for"]


def test_long_choices_that_differ_only_inside_are_told_apart() -> None:
    values = [float(value) for value in range(1, 21)]
    one, two = (
        parse_sweep({"sample": {"n": 4, "cutoff": {"choice": choice}}}).toml()
        for choice in (values, [*values[:7], 8.5, *values[8:]])
    )
    assert differences(one, two) == [
        "cutoff: choice 20 values 1.0 ... 20.0 (value 7: 8.0) in the store, "
        "choice 20 values 1.0 ... 20.0 (value 7: 8.5) asked for"
    ]


def test_swept_keys_without_effect_are_named() -> None:
    sweep = parse_sweep({"grid": {"sharpness": [1, 2.0], "piece": [1, 2], "alpha": [1, 2.0]}})
    assert sweep.without_effect() == [
        "piece (only with source = rows or tiles)",
        "sharpness (only with activation = softplus or squareplus or leaky_softplus)",
    ]
    mixed = parse_sweep({"grid": {"sharpness": [1, 2.0], "activation": ["relu", "softplus"]}})
    assert mixed.without_effect() == [
        "sharpness at 50% of the points (only with activation = softplus or squareplus or leaky_softplus)"
    ]
    attacked = parse_sweep({"grid": {"attack_ball": ["l2", "linf"], "attack": ["fgm", "pgd", "fgsm"], "seed": [1, 2]}})
    assert attacked.without_effect() == ["attack_ball at 66.7% of the points (only with attack = pgd)"]
    drawn = {"sample": {"n": 4, "attack": {"choice": ["fgm", "pgd"]}}, "grid": {"attack_steps": [1, 2]}}
    assert parse_sweep(drawn).without_effect() == ["attack_steps at 50% of the points (only with attack = pgd)"]
    assert parse_sweep({"grid": {"sharpness": [1, 2.0]}, "run": {"activation": "softplus"}}).without_effect() == []


def test_number_of_records() -> None:
    assert (Recording().size, Recording(4).size, Recording((0, 5, 15)).size) == (11, 4, 3)


def test_the_default_sweep() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sweep = load_sweep()
    assert 40_000 <= sweep.n_points <= 60_000
    assert invalid(sweep) == []
    assert sweep.without_effect() == []
