"""Reference attack steps: the maximum of a linear loss in the ball, nearest points, and what happens at zero."""

from __future__ import annotations

import numpy as np

from deep_check.ops.attack_step_reference import (
    clip_box,
    l2_step,
    pgd_linf_step,
    project_l2,
    project_linf,
    sign_step,
)
from tests.helpers import assert_close, assert_differs

RNG = np.random.default_rng(0)
SHAPE = (3, 2, 4, 5)


def norms(x: np.ndarray) -> np.ndarray:
    return np.sqrt((x**2).sum((1, 2, 3)))


def test_steps_gain_most() -> None:
    """⟨g, step⟩ is ξ‖g‖₁ for the sign step, ξ‖g‖₂ for the other: what Hölder's inequality allows at most."""
    x, g = RNG.uniform(size=SHAPE), RNG.standard_normal(SHAPE)
    gain = ((sign_step(x, g, 0.1) - x) * g).sum((1, 2, 3))
    assert_close("sign", gain, 0.1 * np.abs(g).sum((1, 2, 3)), "reference")
    moved = l2_step(x, g, 0.1) - x
    assert_close("l2 gain", (moved * g).sum((1, 2, 3)), 0.1 * norms(g), "reference")
    assert_close("l2 size", norms(moved), np.full(3, 0.1), "reference")
    assert_differs("together", moved, 0.1 * g / np.linalg.norm(g), "reference")  # each image has its own norm


def test_no_gradient_no_move() -> None:
    x = RNG.uniform(size=SHAPE)
    for step in (sign_step, l2_step):
        np.testing.assert_array_equal(step(x, np.zeros(SHAPE), 0.1), x)
    assert_close("tiny", norms(l2_step(x, np.full(SHAPE, 1e-200), 0.1) - x), np.full(3, 0.1), "reference")


def test_projections_are_nearest_points() -> None:
    """⟨x - P(x), z - P(x)⟩ <= 0 for every z of the ball: what makes a point of a convex set the nearest one."""
    origin, x = RNG.uniform(size=SHAPE), RNG.uniform(-1, 2, SHAPE)
    radius = 0.8
    inside_linf = origin + RNG.uniform(-radius, radius, (50, *SHAPE))
    direction = RNG.standard_normal((50, *SHAPE))
    lengths = np.sqrt((direction**2).sum((2, 3, 4), keepdims=True))
    inside_l2 = origin + radius * RNG.uniform(size=(50, 3, 1, 1, 1)) * direction / lengths
    for project, inside in ((project_linf, inside_linf), (project_l2, inside_l2)):
        nearest = project(x, origin, radius)
        assert float(((x - nearest) * (inside - nearest)).sum((2, 3, 4)).max()) <= 1e-12
        assert_close("twice", project(nearest, origin, radius), nearest, "round_off")
        assert_differs("moved", nearest, x, "round_off")
        np.testing.assert_array_equal(project(origin + 0.01, origin, radius), origin + 0.01)
    assert_close("l2 radius", norms(project_l2(x, origin, radius) - origin), np.full(3, radius), "reference")


def test_clip_box_and_the_fused_step() -> None:
    np.testing.assert_array_equal(clip_box(np.array([-1.0, 0.25, 2.0]).reshape(1, 1, 1, 3)).ravel(), [0, 0.25, 1])
    x, origin, g = np.full(SHAPE, 0.5), np.full(SHAPE, 0.45), np.ones(SHAPE)
    assert pgd_linf_step(x, origin, g, 0.1, 0.07) is x
    assert_close("limited by the radius", x, np.full(SHAPE, 0.52), "round_off")
    x, origin = np.full(SHAPE, 0.95), np.full(SHAPE, 0.95)
    np.testing.assert_array_equal(pgd_linf_step(x, origin, g, 0.1, 0.2), np.ones(SHAPE))
