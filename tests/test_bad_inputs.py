"""The core's table of bad inputs: each raises InputError with one line that names the value and what is allowed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from theory_sim import attacks, closed_form
from theory_sim.descent import DatasetTraining, run, run_dataset
from theory_sim.errors import InputError
from theory_sim.inputs import load_cifar10, load_pictures, picture_rows, picture_tiles, power_law_signal
from theory_sim.inputs.power_law import eq2_margin
from theory_sim.network import Activation, Network, sample_network, sample_outer
from theory_sim.spectrum import Band, frequency_grid, parse_convention, transform
from theory_sim.training import Training

RNG = np.random.default_rng(0)
NET = sample_network(5, 3, Activation(), RNG)
X = RNG.standard_normal(5)
GOOD = Training(NET, X, 1.0, 0.1, 3)
DATA = DatasetTraining(NET, np.stack([X, -X]), np.array([1.0, -1.0]), 0.1, 3, X[None])
NAN, INF = float("nan"), float("inf")


def training(**changes: Any) -> Callable[[], Any]:
    return lambda: replace(GOOD, **changes)


def data(**changes: Any) -> Callable[[], Any]:
    return lambda: replace(DATA, **changes)


def pgd(**changes: Any) -> Callable[[], Any]:
    options = {"radius": 0.1, "step_size": 0.1, "n_steps": 1, **changes}
    return lambda: attacks.pgd(NET, X, 1.0, **options)


def network(weights: np.ndarray, outer: np.ndarray) -> Callable[[], Any]:
    return lambda: Network(weights, outer, Activation())


ONES = np.ones((3, 5))
# What is done, what the message must name, and what it must say is allowed.
TABLE: list[tuple[Callable[[], Any], str, str]] = [
    # spectrum
    (lambda: Band((), 1), "shape ()", "(d,), (height, width)"),
    (lambda: Band((2, 3, 4, 5), 1), "(2, 3, 4, 5)", "(d,), (height, width)"),
    (lambda: Band((0,), 1), "(0,)", "sizes >= 1"),
    (lambda: Band((4.0,), 1), "(4.0,)", "sizes >= 1"),
    (lambda: Band([8], 1), "[8]", "(d,)"),
    (lambda: Band((8,), -1), "-1", "finite number >= 0"),
    (lambda: Band((8,), NAN), "nan", "finite number >= 0"),
    (lambda: Band((8,), INF), "inf", "finite number >= 0"),
    (lambda: Band((8,), 1, "both"), "'both'", "two-sided, one-sided"),
    (lambda: Band((8,), 1, mask="ring"), "'ring'", "disc, square"),
    (lambda: Band((8,), 1, kind="wavelet"), "'wavelet'", "dft, dct"),
    (lambda: Band((9,), 0).require_theory(), "cut-off 0", "1 <= cut-off < 4"),
    (lambda: Band((9,), 0.5).require_theory(), "0.5", "1 <= cut-off < 4"),
    (lambda: Band((9,), 4).require_theory(), "cut-off 4", "1 <= cut-off < 4"),
    (lambda: Band((8,), 4).require_theory(), "cut-off 4", "1 <= cut-off < 3.5"),
    (lambda: Band((8, 8), 6).require_theory(), "cut-off 6", "1 <= cut-off < 5.65"),
    (lambda: Band((9,), 8, kind="dct").require_theory(), "cut-off 8", "1 <= cut-off < 8"),
    (lambda: frequency_grid((1, 2, 3, 4)), "(1, 2, 3, 4)", "(channels, height, width)"),
    (lambda: transform(np.ones(8), (9,)), "(8,)", "9 samples"),
    (lambda: transform(np.ones(9), (8,)), "(9,)", "8 samples"),
    (lambda: parse_convention("three-sided"), "'three-sided'", "two-sided, one-sided"),
    # network
    (lambda: Activation("tanh"), "'tanh'", "relu, softplus, squareplus, leaky_softplus"),
    (lambda: Activation("softplus", 0.0), "0.0", "> 0"),
    (lambda: Activation("softplus", -1.0), "-1.0", "> 0"),
    (lambda: Activation("softplus", NAN), "nan", "> 0"),
    (lambda: Activation("leaky_softplus", 1.0, 1.0), "leak 1.0", "0 <= leak < 1"),
    (lambda: Activation("leaky_softplus", 1.0, -0.1), "-0.1", "0 <= leak < 1"),
    (network(np.ones((0, 5)), np.ones(0)), "(0, 5)", "width >= 1"),
    (network(np.ones(5), np.ones(1)), "(5,)", "(width >= 1, dim >= 1)"),
    (network(ONES, np.ones(4)), "(4,)", "(3,)"),
    (network(ONES * NAN, np.ones(3)), "weights hold NaN", "finite"),
    (network(ONES, np.array([1, INF, 1])), "outer weights hold NaN or infinity", "finite"),
    (network(ONES.astype(np.float32), np.ones(3)), "float32", "float64"),
    (network(ONES, np.ones(3, int)), "int64", "float64"),
    (lambda: sample_network(0, 3, Activation(), RNG), "dim 0", ">= 1"),
    (lambda: sample_network(5, 0, Activation(), RNG), "width 0", ">= 1"),
    (lambda: sample_network(5, 3, Activation(), RNG, weight_scale=0.0), "0.0", "> 0"),
    (lambda: sample_network(5, 3, Activation(), RNG, outer_law="ones"), "'ones'", "signs, scaled_signs"),
    (lambda: sample_outer("signs", 0, RNG), "width 0", ">= 1"),
    # training
    (training(x=np.zeros(5)), "zero", "non-zero"),
    (training(x=np.ones(4)), "(4,)", "(5,)"),
    (training(x=X * NAN), "NaN", "finite"),
    (training(x=X.astype(np.float32)), "float32", "float64"),
    (training(x=np.full(5, 1e160)), "1e+160", "1e-100 ... 1e100"),
    (training(x=np.full(5, 1e-160)), "1e-160", "1e-100 ... 1e100"),
    (training(label=NAN), "nan", "finite"),
    (training(label=INF), "inf", "finite"),
    (training(label=0.5, loss="logistic"), "0.5", "-1 and +1"),
    (training(loss="hinge"), "'hinge'", "mse, logistic"),
    (training(learning_rate=0.0), "0.0", "> 0"),
    (training(learning_rate=-0.1), "-0.1", "> 0"),
    (training(learning_rate=NAN), "nan", "> 0"),
    (training(learning_rate=INF), "inf", "> 0"),
    (training(n_steps=0), "0", ">= 1"),
    (lambda: GOOD.with_rate(0.0, 3), "0.0", "> 0"),
    (lambda: run(GOOD, "quantum"), "'quantum'", "auto, reference, collapsed, numba, events"),
    (lambda: run(replace(GOOD, loss="logistic"), "events"), "'events'", "collapsed, numba"),
    (data(inputs=X), "(5,)", "(n >= 1, 5)"),
    (data(inputs=np.ones((2, 4))), "(2, 4)", "(n >= 1, 5)"),
    (data(inputs=np.ones((0, 5)), labels=np.ones(0)), "(0, 5)", "(n >= 1, 5)"),
    (data(labels=np.ones(3)), "(3,)", "one per input"),
    (data(probes=X), "(5,)", "(k, 5)"),
    (data(inputs=np.full((2, 5), NAN)), "inputs hold NaN", "finite"),
    (data(labels=np.array([1.0, NAN])), "labels hold NaN", "finite"),
    (data(labels=np.array([1.0, 0.0]), loss="logistic"), "logistic", "-1, +1"),
    (data(loss="hinge"), "'hinge'", "mse, logistic"),
    (data(learning_rate=-1.0), "-1.0", "> 0"),
    (data(learning_rate=0.0), "0.0", "> 0"),
    (data(n_steps=0), "0", ">= 1"),
    (lambda: run_dataset(DATA, "cuda"), "'cuda'", "reference, collapsed, numba"),
    # attacks
    (lambda: attacks.fgm(NET, X, 1.0, -0.1), "-0.1", ">= 0"),
    (lambda: attacks.fgm(NET, X, 1.0, NAN), "nan", ">= 0"),
    (lambda: attacks.fgm(NET, X, NAN, 0.1), "nan", "finite"),
    (lambda: attacks.fgm(NET, X, 1.0, 0.1, "hinge"), "'hinge'", "mse, logistic"),
    (lambda: attacks.fgsm(NET, X[:4], 1.0, 0.1), "(4,)", "(5,)"),
    (lambda: attacks.fgsm(NET, X, 0.5, 0.1, "logistic"), "0.5", "-1 and +1"),
    (lambda: attacks.project(X, 0.1, "l1"), "'l1'", "l2, linf"),
    (lambda: attacks.random_start(5, 0.1, "l1", RNG), "'l1'", "l2, linf"),
    (pgd(radius=-1.0), "-1.0", ">= 0"),
    (pgd(step_size=0.0), "0.0", "> 0"),
    (pgd(step_size=NAN), "nan", "> 0"),
    (pgd(n_steps=0), "0", ">= 1"),
    (pgd(step="newton"), "'newton'", "raw, normalised, sign"),
    (pgd(ball="l1"), "'l1'", "l2, linf"),
    (pgd(start=np.zeros(4)), "(4,)", "(5,)"),
    (pgd(start=np.ones(5)), "2.23607", "<= 0.1"),
    (pgd(start=np.full(5, NAN)), "nan", "<= 0.1"),
    (pgd(loss="hinge"), "'hinge'", "mse, logistic"),
    # closed form
    (lambda: closed_form.theorem1_t0(-1.0, 0.1, 1.0, 1.0, 0.0), "0.0", "> 0"),
    (lambda: closed_form.theorem2_t0(np.ones(3), np.array([1.0, 0, 1]), 2, 1, 0.1, 1.0, 1.0), "[1]", "undefined"),
    # inputs
    (lambda: power_law_signal(1, 1.0, 1.0, RNG), "dim 1", ">= 2"),
    (lambda: power_law_signal(9, 0.5, 1.0, RNG), "alpha 0.5", ">= 1"),
    (lambda: power_law_signal(9, NAN, 1.0, RNG), "nan", ">= 1"),
    (lambda: power_law_signal(9, 1.0, -1.0, RNG), "alpha0 -1.0", ">= 0"),
    (lambda: eq2_margin(9, 0.9, 1.0, 1), "alpha 0.9", ">= 1"),
    (lambda: load_pictures(Path("no/such/picture.png")), "no/such/picture.png", "no such image file or folder"),
    (lambda: picture_rows(np.eye(4), 5), "width 4", ">= 5"),
    (lambda: picture_tiles(np.eye(4), 5), "4x4", "5x5"),
    (lambda: picture_tiles(np.ones((8, 8)), 4), "constant", "vanishes"),
    (lambda: load_cifar10(Path("no/such/folder")), "no/such/folder", "no such CIFAR-10 folder"),
]


def assert_one_clear_line(error: BaseException, value: str, allowed: str) -> None:
    message = str(error)
    assert "\n" not in message
    assert 10 < len(message) < 250
    assert value in message
    assert allowed in message


@pytest.mark.parametrize(("action", "value", "allowed"), TABLE, ids=[f"{i}-{row[1]}" for i, row in enumerate(TABLE)])
def test_bad_input_is_named_on_one_line(action: Callable[[], Any], value: str, allowed: str) -> None:
    with pytest.raises(InputError) as caught:
        action()
    assert_one_clear_line(caught.value, value, allowed)


@pytest.mark.parametrize("size", [1e-100, 0.5, 1e100])
def test_inputs_at_the_edges_of_the_range_are_allowed(size: float) -> None:
    replace(GOOD, x=np.full(5, size))


def test_the_unchanged_inputs_are_good() -> None:
    """Otherwise the table could fail for another reason than the one in its row."""
    run(GOOD)
    run_dataset(DATA)
    pgd()()
    Band((8,), 1).require_theory()


def unreadable(path: Path) -> None:
    path.write_text("not an image")


def truncated(path: Path) -> None:
    Image.fromarray(RNG.integers(0, 255, (64, 64), np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:500])


@pytest.mark.parametrize("damage", [unreadable, truncated])
def test_unreadable_image(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    path = tmp_path / "broken.png"
    damage(path)
    for target in (path, tmp_path):
        with pytest.raises(InputError) as caught:
            load_pictures(target)
        assert_one_clear_line(caught.value, "broken.png", "cannot read image")


def test_floating_point_image(tmp_path: Path) -> None:
    path = tmp_path / "float.tif"
    Image.fromarray(np.eye(4, dtype=np.float32)).save(path)
    with pytest.raises(InputError) as caught:
        load_pictures(path)
    assert_one_clear_line(caught.value, "float.tif", "allowed are integer pixels")


def test_folder_without_images(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        load_pictures(tmp_path)
    assert_one_clear_line(caught.value, "no image files", ".png")
