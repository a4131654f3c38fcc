"""The configuration of a run: TOML, key=value settings, alternatives, and what is refused."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from theory_sim import attacks, configuration, network, training
from theory_sim.configuration import Configuration, describe, load_configuration, read_values, without_effect
from theory_sim.descent import ENGINES
from theory_sim.errors import InputError


def test_words_are_those_of_the_core() -> None:
    assert configuration.ACTIVATIONS == network.ACTIVATIONS
    assert configuration.OUTER_LAWS == network.OUTER_LAWS
    assert configuration.LOSSES == training.LOSSES
    assert ("auto", *ENGINES) == configuration.ENGINES
    assert configuration.ATTACK_STEPS == attacks.STEPS
    assert configuration.ATTACK_BALLS == attacks.BALLS


def test_defaults_are_valid_and_decided() -> None:
    run = Configuration().with_defaults()
    assert (run.dim, run.width, run.source) == (257, 128, "power-law")
    assert run.relative_rate == configuration.DEFAULT_RELATIVE_RATE
    assert run.relative_residual == configuration.DEFAULT_RELATIVE_RESIDUAL
    assert run.learning_rate is run.label is run.residual is None


def test_what_is_given_is_not_replaced_by_a_default() -> None:
    run = Configuration(learning_rate=0.3, label=-1.0, loss="logistic").with_defaults()
    assert (run.learning_rate, run.relative_rate, run.relative_residual) == (0.3, None, None)


@pytest.mark.parametrize(
    "run",
    [
        Configuration(),
        Configuration(
            source="rows", picture='odd "name"\\ü.png', piece=3, learning_rate=1e-5, label=1, loss="logistic"
        ),
        Configuration(source="tiles", tile_size=8, residual=-2.5e22, convention="one-sided", transform="dct"),
    ],
)
def test_toml_round_trip(tmp_path: Path, run: Configuration) -> None:
    path = tmp_path / "run.toml"
    path.write_text(run.toml(), encoding="utf-8")
    assert load_configuration(path) == run


def test_settings_come_after_the_file_and_in_their_order(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text("width = 16\ndim = 33 # odd\nactivation = 'softplus'\n")
    run = load_configuration(path, ["width=8", "sharpness=3", "width = 9"])
    assert (run.width, run.dim, run.activation, run.sharpness) == (9, 33, "softplus", 3.0)


def test_a_setting_replaces_the_alternative_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text("learning_rate = 0.1\nlabel = 2.0\n")
    run = load_configuration(path, ["relative_rate=0.5", "residual=3"])
    assert (run.learning_rate, run.relative_rate, run.label, run.residual) == (None, 0.5, None, 3.0)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("picture=a b.png", "a b.png"),
        ('picture="a b.png"', "a b.png"),
        ("picture=2020", "2020"),  # a file may be called so
        ("picture=2020-01-01", "2020-01-01"),
        ("picture=x=y.png", "x=y.png"),
        ("picture='x'\nwidth = 3", "'x'\nwidth = 3"),  # one setting sets one key
        ("activation=softplus", "softplus"),
        ("activation='softplus'", "softplus"),
        ("alpha=2", 2.0),
        ("alpha=1_0.5e0", 10.5),
        ("piece=0x10", 16),
        ("dim=1e3", 1000),  # 3 and 3.0 are the same number
        ("width=3.0", 3),
    ],
)
def test_values_are_toml_and_words_need_no_quotes(setting: str, value: object) -> None:
    run = load_configuration(None, [setting])
    found = getattr(run, setting.partition("=")[0])
    assert found == value
    assert type(found) is type(value)


# settings, what the message names, what it says is allowed
REFUSED = [
    (["wdth=3"], "unknown key 'wdth'", "width"),
    (["n-steps=3"], "'n-steps'", "n_steps"),
    (["qqqq=3"], "'qqqq'", "allowed are source, dim"),
    (["width"], "'width'", "key=value"),
    (["=3"], "'=3'", "key=value"),
    (["width=3.5"], "width = 3.5", "whole number >= 1"),
    (["width=nan"], "width = nan", "whole number >= 1"),
    (["width=inf"], "width = inf", "whole number >= 1"),
    (["width=1e300"], "width = 1e+300", "at most 2147483647"),
    (["width=true"], "width = True", "whole number >= 1"),
    (["width=wide"], "width = 'wide'", "whole number >= 1"),
    (["width="], "width = ''", "whole number >= 1"),
    (["width=[3]"], "width = [3]", "whole number >= 1"),
    (["width=0"], "width = 0", ">= 1"),
    (["n_steps=0"], "n_steps = 0", ">= 1"),
    (["alpha=steep"], "alpha = 'steep'", "a number >= 1"),
    (["alpha=nan"], "alpha = nan", "1e-50 ... 1e+50"),
    (["alpha=inf"], "alpha = inf", "1e-50 ... 1e+50"),
    (["weight_scale=1e60"], "weight_scale = 1e+60", "1e-50 ... 1e+50"),
    (["label=-1e-60"], "label = -1e-60", "1e-50 ... 1e+50"),
    (["residual=" + "9" * 400], "residual = 999", "1e-50 ... 1e+50"),
    (["activation=tanh"], "activation = 'tanh'", "relu, softplus"),
    (["source=noise"], "source = 'noise'", "power-law, rows, tiles"),
    (["picture="], "picture is empty", "a path"),
    (["learning_rate=0"], "learning_rate = 0.0", "> 0"),
    (["relative_rate=-1"], "relative_rate = -1.0", "> 0"),
    (["learning_rate=1", "relative_rate=1"], "learning_rate and relative_rate", "one of"),
    (["label=1", "residual=1", "relative_residual=1"], "label and residual and relative_residual", "one of"),
    (["residual=0"], "residual = 0", "other than 0"),
    (["loss=logistic", "relative_residual=1"], "loss = logistic", "label = -1 or 1"),
    (["seed=-1"], "seed = -1", "0 ... 2147483647"),
    (["seed=2147483648"], "seed = 2147483648", "0 ... 2147483647"),
    (["dim=3"], "dim = 3", ">= 4"),
    (["tile_size=1"], "tile_size = 1", ">= 2"),
    (["piece=-1"], "piece = -1", ">= 0"),
    (["alpha=0.99"], "alpha = 0.99", ">= 1"),
    (["alpha0=-0.1"], "alpha0 = -0.1", "0 ... 1e12"),
    (["alpha0=1.1e12"], "alpha0 = 1100000000000.0", "0 ... 1e12"),
    (["sharpness=0"], "sharpness = 0.0", "> 0"),
    (["leak=1"], "leak = 1.0", "0 <= leak < 1"),
    (["weight_scale=0"], "weight_scale = 0.0", "> 0"),
    (["outer_scale=0"], "outer_scale = 0.0", "> 0"),
    (["weight_law=cauchy"], "weight_law = 'cauchy'", "gaussian, uniform, signs"),
    (["attack=cw"], "attack = 'cw'", "fgm, fgsm, pgd"),
    (["attack_radius=0"], "attack_radius = 0.0", "> 0"),
    (["attack_step_size=-0.1"], "attack_step_size = -0.1", "> 0"),
    (["attack_steps=0"], "attack_steps = 0", ">= 1"),
    (["attack_step=sgn"], "attack_step = 'sgn'", "raw, normalised, sign"),
    (["attack_ball=l1"], "attack_ball = 'l1'", "l2, linf"),
    (["attack_start=far"], "attack_start = 'far'", "zero, random"),
    (["n_steps=10000000"], "n_steps = 10000000", "2 GiB"),
    (["dim=100000", "width=100000"], "dim 100000", "2 GiB"),
    (["source=tiles", "tile_size=5000"], "dim 25000000", "2 GiB"),
]


@pytest.mark.parametrize(("settings", "value", "allowed"), REFUSED, ids=[" ".join(row[0])[:40] for row in REFUSED])
def test_refused(settings: list[str], value: str, allowed: str) -> None:
    with pytest.raises(InputError) as caught:
        load_configuration(None, settings)
    message = str(caught.value)
    assert "\n" not in message
    assert value in message
    assert allowed in message


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("width =\n", "run.toml is not TOML"),
        ("width = 3\nwidth = 4\n", "run.toml is not TOML"),
        ("\xff", "run.toml is not TOML"),
        ("[run]\nwidth = 3\n", "unknown key 'run'"),
        ("hidden = 3\n", "unknown key 'hidden'"),
        ("learning_rate = 1\nrelative_rate = 1\n", "learning_rate and relative_rate"),
    ],
)
def test_refused_files(tmp_path: Path, text: str, value: str) -> None:
    path = tmp_path / "run.toml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match=value):
        load_configuration(path)


@pytest.mark.parametrize(("name", "reason"), [("none.toml", "No such file"), (".", "Is a directory")])
def test_unreadable_file(tmp_path: Path, name: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        read_values(tmp_path / name)


def test_keys_without_effect_are_named() -> None:
    values = read_values(None, ["alpha=2", "sharpness=3", "piece=1", "width=4"])
    assert without_effect(Configuration(**values), values) == [
        "piece (only with source = rows or tiles)",
        "sharpness (only with activation = softplus or squareplus or leaky_softplus)",
    ]
    assert without_effect(Configuration(source="rows", piece=1), ["piece", "picture"]) == []


def test_keys_of_an_attack_have_no_effect_on_another() -> None:
    given = ["attack_radius", "attack_steps", "attack_start"]
    only_pgd = ["attack_steps (only with attack = pgd)", "attack_start (only with attack = pgd)"]
    assert without_effect(Configuration(), given) == ["attack_radius (only with attack = fgsm or pgd)", *only_pgd]
    assert without_effect(Configuration(attack="fgsm"), given) == only_pgd
    assert without_effect(Configuration(attack="pgd"), given) == []


def test_every_key_is_documented() -> None:
    rows = describe()
    assert [row[0] for row in rows] == [f.name for f in fields(Configuration)]
    assert all(allowed and meaning for _, _, allowed, meaning in rows)
    assert {row[0]: row[1] for row in rows}["dim"] == "257"
