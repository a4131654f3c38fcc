"""Square attack: its schedule, bumps and proposals beside the paper's algorithms written out, and what it does."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from deep_check import square as module
from deep_check.attacks import count_right
from deep_check.noise import Noise, run_noise
from deep_check.ops import square_cpu
from deep_check.resnet import ResNet
from deep_check.square import SHARES, Square, run_square
from tests.deep_check.test_attacks import norms
from tests.helpers import assert_close, assert_differs
from theory_sim.errors import InputError

N = 20
QUICK = Square(queries=12, radius=0.05, seed=3)
# The authors' table: p_init is divided by this up to this iteration of 10,000 [Section 5; attack.py].
SCHEDULE = [(10, 1), (50, 2), (200, 4), (500, 8), (1000, 16), (2000, 32), (4000, 64), (6000, 128), (8000, 256),
            (10000, 512)]  # fmt: skip


@pytest.fixture(scope="module")
def net() -> ResNet:
    return ResNet(8, "cpu", seed=2)


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(0).uniform(size=(N, 3, 32, 32)).astype(np.float32)


@pytest.fixture(scope="module")
def labels(net: ResNet, images: np.ndarray) -> np.ndarray:
    return net(images).argmax(axis=1)


@pytest.mark.parametrize("queries", [10_000, 5000, 100])
@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_sides_follow_the_authors_schedule(norm: str, queries: int) -> None:
    square = Square(norm, queries=queries)
    for query in {1, 2, 7, 11, 12, 51, 52, 99, 200, 201, 900, 2001, 4444, 9999} & set(range(1, queries)):
        place = int((query - 1) / queries * 10_000)
        share = SHARES[norm] / next(divisor for limit, divisor in SCHEDULE if place <= limit)
        side = round(np.sqrt(share * 32 * 32))
        expected = max(side, 1) if norm == "linf" else max(side, 3) + (max(side, 3) + 1) % 2
        assert square.side(query, 32) == expected
    assert square.side(1, 32) > square.side(queries - 1, 32)
    assert replace(square, share=1.0).side(1, 32) == 31


def authors_half(height: int, width: int) -> np.ndarray:
    """η(h1, h2) as the authors draw it: a corner that moves up and left, rectangles of sides 1, 3, 5, ..."""
    bump = np.zeros((height, width))
    top, left = height // 2, width // 2
    for side in range(1, 2 * max(height // 2 + 1, width // 2 + 1), 2):
        bump[max(top, 0) : min(top + side, height), max(left, 0) : min(left + side, width)] += 4 / (side + 1) ** 2
        top, left = top - 1, left - 1
    return bump / np.linalg.norm(bump)


@pytest.mark.parametrize("side", [3, 5, 6, 11, 29])
def test_bumps(side: int) -> None:
    half = side // 2
    expected = np.vstack([authors_half(half, side), -authors_half(side - half, side)])
    assert_close("bump", module._bump(side), expected / np.linalg.norm(expected), "round_off")
    assert_differs("upside down", module._bump(side)[::-1], expected / np.linalg.norm(expected), "round_off")


def words(number: int, query: int, block: int, seed: int) -> list[int]:
    return [int(word) for word in square_cpu._words(number, query, block, np.uint64(seed))]


def place(word: int, n: int) -> int:
    return word * n >> 32


def test_l2_proposals_are_algorithm_3() -> None:
    rng = np.random.default_rng(5)
    origin = rng.uniform(0.4, 0.6, (4, 3, 32, 32)).astype(np.float32)
    best = (origin + rng.normal(size=origin.shape) * 0.005).astype(np.float32)
    side, radius, query, seed = 7, 0.6, 9, 11
    found = np.empty_like(origin)
    numbers = np.arange(100, 104)
    square_cpu.l2_proposals(best, origin, numbers, query, np.uint64(seed), radius, module._bump(side), found)
    for n, number in enumerate(numbers):
        delta = best[n].astype(float) - origin[n]
        a, b, c, d = (place(word, 32 - side + 1) for word in words(number, query, 0, seed))
        first, second = np.zeros((32, 32), bool), np.zeros((32, 32), bool)
        first[a : a + side, b : b + side], second[c : c + side, d : d + side] = True, True
        signs, turned, *_ = words(number, query, 1, seed)
        bump = module._bump(side).T if turned & 1 else module._bump(side)
        spare = max(radius**2 - (delta**2).sum(), 0) / 3
        new = delta.copy()
        new[:, second] = 0
        for channel in range(3):
            old = delta[channel][first]
            mixed = old / (1e-10 + np.linalg.norm(old)) + (1 if signs >> channel & 1 else -1) * bump.ravel()
            budget = np.sqrt(spare + (delta[channel][first | second] ** 2).sum())
            new[channel][first] = mixed / np.linalg.norm(mixed) * budget
        expected = np.clip(origin[n] + new * radius / np.linalg.norm(new), 0, 1)
        assert_close("proposal", found[n], expected, "float32", scale=1.0)
        assert_differs("moved", found[n], best[n], "float32", scale=1.0)


def test_linf_proposals_are_squares_of_one_colour() -> None:
    rng = np.random.default_rng(5)
    origin = rng.uniform(0.2, 0.8, (30, 3, 32, 32)).astype(np.float32)
    radius, side = 0.05, 6
    signs = rng.choice([-1, 1], size=(30, 3, 1, 1))
    best = (origin + np.float32(radius) * signs).astype(np.float32)
    found = np.empty_like(origin)
    square_cpu.linf_proposals(best, origin, np.arange(30), 4, np.uint64(0), radius, side, found)
    corners = set()
    for n in range(30):
        moved = np.abs(found[n] - best[n]) > 1e-6
        rows, columns = np.flatnonzero(moved.any((0, 2))), np.flatnonzero(moved.any((0, 1)))
        assert len(rows) == len(columns) == side  # something changes, all of one square
        assert rows[-1] - rows[0] == columns[-1] - columns[0] == side - 1
        corners.add((rows[0], columns[0]))
        for channel in range(3):
            assert moved[channel].sum() in (0, side * side)
        assert_close("size", np.abs(found[n] - origin[n]), np.full((3, 32, 32), radius), "single", scale=1.0)
    assert len(corners) > 20


def test_squares_reach_the_first_and_the_last_row_and_column() -> None:
    n, size, side, radius = 600, 8, 3, 0.05
    origin = np.full((n, 1, size, size), 0.5, np.float32)
    best, found = origin - np.float32(radius), np.empty_like(origin)
    square_cpu.linf_proposals(best, origin, np.arange(n), 4, np.uint64(0), radius, side, found)
    corners = set()
    for moved in np.abs(found[:, 0] - best[:, 0]) > 1e-6:
        if moved.any():
            corners.add(tuple(int(np.flatnonzero(moved.any(axis))[0]) for axis in (1, 0)))
    assert corners == {(row, column) for row in range(size - side + 1) for column in range(size - side + 1)}


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_budget_box_and_a_margin_that_never_falls(
    net: ResNet, images: np.ndarray, labels: np.ndarray, norm: str
) -> None:
    before, square = images.copy(), replace(QUICK, norm=norm, radius=0.05 if norm == "linf" else 2.0)
    found = run_square(net, images, labels, square)
    assert (images == before).all()
    assert found.images.dtype == np.float32
    assert found.images.min() >= 0
    assert found.images.max() <= 1
    reached = norms(found.images - images, norm)
    assert (reached <= square.radius * (1 + 1e-5)).all()
    assert reached.max() > 0.8 * square.radius
    margins = net.input_gradient(found.images, labels, "margin").losses
    assert (margins == found.losses).all()
    assert (found.fooled == (net(found.images).argmax(axis=1) != labels)).all()
    fewer = run_square(net, images, labels, replace(square, queries=1))
    assert (found.losses >= fewer.losses).all()
    assert found.losses.mean() > fewer.losses.mean()


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_an_image_is_searched_alike_in_every_batch(
    net: ResNet, images: np.ndarray, labels: np.ndarray, norm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    square = replace(QUICK, norm=norm, queries=5)
    whole = run_square(net, images, labels, square)
    monkeypatch.setattr(module, "BATCH", 6)
    cut = run_square(net, images, labels, square)
    assert (cut.images == whole.images).all()
    assert (cut.losses == whole.losses).all()
    one = run_square(net, images[7:8], labels[7:8], square, first=7)
    assert (one.images[0] == whole.images[7]).all()
    assert (run_square(net, images, labels, replace(square, seed=4)).images != whole.images).any()


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_radius_zero_and_lost_images_stay(net: ResNet, images: np.ndarray, labels: np.ndarray, norm: str) -> None:
    found = run_square(net, images, labels, replace(QUICK, norm=norm, radius=0.0, queries=3))
    assert (found.images == images).all()
    assert not found.fooled.any()
    wrong = (labels + 1) % 10
    calls = []

    def counted(x: np.ndarray) -> np.ndarray:
        calls.append(len(x))
        return net(x)

    lost = run_square(counted, images, wrong, QUICK)  # type: ignore[arg-type]
    assert (lost.images == images).all()
    assert lost.fooled.all()
    assert calls == [N]


def test_it_needs_no_gradient_and_beats_noise(net: ResNet, images: np.ndarray, labels: np.ndarray) -> None:
    def logits_alone(x: np.ndarray) -> np.ndarray:
        return net(x)

    square, noise = replace(QUICK, queries=120), Noise("linf", QUICK.radius, draws=120)
    searched = run_square(logits_alone, images, labels, square)  # type: ignore[arg-type]
    drawn = run_noise(logits_alone, images, labels, noise)  # type: ignore[arg-type]
    assert searched.losses.mean() > drawn.losses.mean()
    assert count_right(net, searched.images, labels) == int((~searched.fooled).sum())


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_noise(net: ResNet, images: np.ndarray, labels: np.ndarray, norm: str, monkeypatch: pytest.MonkeyPatch) -> None:
    noise = Noise(norm, 0.1 if norm == "linf" else 3.0, draws=6, seed=2)
    found = run_noise(net, images, labels, noise)
    reached = norms(found.images - images, norm)
    assert 0.5 * noise.radius < reached.max() <= noise.radius * (1 + 1e-5)
    assert found.images.min() >= 0
    assert found.images.max() <= 1
    assert (found.losses == net.input_gradient(found.images, labels, "margin").losses).all()
    one = run_noise(net, images, labels, replace(noise, draws=1))
    assert (found.losses >= one.losses).all()
    assert (found.losses > one.losses).any()
    monkeypatch.setattr("deep_check.noise.BATCH", 6)
    cut = run_noise(net, images, labels, noise)
    assert (cut.images == found.images).all()
    same = run_noise(net, images, labels, replace(noise, radius=0.0))
    assert (same.images == images).all()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Square("l1"), "norm 'l1': allowed are linf, l2"),
        (lambda: Square(radius=-0.1), "radius -0.1: allowed is 0 ... 1"),
        (lambda: Square(radius=2.0), "radius 2.0"),
        (lambda: Square(queries=0), "queries 0: allowed is 1 ..."),
        (lambda: Square(share=0.0), "share 0.0: allowed is above 0, up to 1"),
        (lambda: Square(seed=-1), "seed -1"),
        (lambda: Noise("l1"), "norm 'l1'"),
        (lambda: Noise(radius=float("nan")), "radius nan"),
        (lambda: Noise(draws=0), "draws 0: allowed is 1"),
    ],
)
def test_what_is_not_allowed_is_named(make: Any, said: str) -> None:
    with pytest.raises(InputError) as caught:
        make()
    assert said in str(caught.value)
