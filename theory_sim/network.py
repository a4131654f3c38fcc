"""The two-layer network f(x) = Σ_r a_r σ(w_r·x), its activations and its input gradient [paper: Eq. 1]."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from theory_sim.errors import InputError, require

Array = NDArray[np.float64]
ACTIVATIONS = ("relu", "softplus", "squareplus", "leaky_softplus")
OUTER_LAWS = ("signs", "scaled_signs", "gaussian", "bernoulli")


@dataclass(frozen=True)
class Activation:
    """σ with its first two derivatives; meets Assumption 3 with λ = `slope_bound`, γ = `curvature_bound`.

    name: relu; softplus, ln(1+e^{bs})/b; squareplus, (s + √(s² + 4/b²))/2; leaky_softplus, a smoothed leaky ReLU,
    leak·s + (1-leak)·softplus. `sharpness` is b > 0 (ReLU ignores it), 0 <= `leak` < 1 (leaky_softplus only).
    ReLU's slope at the kink s = 0 is taken as 0. Raises InputError on an unknown name or parameter out of range.
    [paper: Assumption 3]
    """

    name: str = "relu"
    sharpness: float = 1.0
    leak: float = 0.1

    def __post_init__(self) -> None:
        require(self.name in ACTIVATIONS, f"activation {self.name!r}: allowed are {', '.join(ACTIVATIONS)}")
        require(
            np.isfinite(self.sharpness) and self.sharpness > 0, f"sharpness {self.sharpness}: allowed is a number > 0"
        )
        require(0 <= self.leak < 1, f"leak {self.leak}: allowed is 0 <= leak < 1")

    @property
    def code(self) -> int:
        """Index in ACTIVATIONS, for compiled kernels."""
        return ACTIVATIONS.index(self.name)

    @property
    def smooth(self) -> bool:
        """True if σ'' exists everywhere."""
        return self.name != "relu"

    @property
    def slope_bound(self) -> float:
        """λ, the supremum of σ' [paper: Assumption 3]."""
        return 1.0

    @property
    def curvature_bound(self) -> float:
        """γ, the supremum of σ''; infinite for ReLU, whose slope jumps [paper: Assumption 3]."""
        if self.name == "relu":
            return float("inf")
        scale = 1 - self.leak if self.name == "leaky_softplus" else 1.0
        return scale * self.sharpness / 4

    def value(self, s: NDArray) -> Array:
        """σ(s), elementwise."""
        s = np.asarray(s, dtype=float)
        b = self.sharpness
        if self.name == "relu":
            return np.maximum(s, 0.0)
        if self.name == "squareplus":
            return _squareplus(s, b)[0]
        z = b * s
        soft = (np.maximum(z, 0.0) + np.log1p(np.exp(-np.abs(z)))) / b  # a third of np.logaddexp's time
        return soft if self.name == "softplus" else self.leak * s + (1 - self.leak) * soft

    def slope(self, s: NDArray) -> Array:
        """σ'(s), elementwise."""
        s = np.asarray(s, dtype=float)
        b = self.sharpness
        if self.name == "relu":
            return (s > 0).astype(float)
        if self.name == "squareplus":
            value, root = _squareplus(s, b)
            return value / root
        sigmoid = _sigmoid(b * s)
        return sigmoid if self.name == "softplus" else self.leak + (1 - self.leak) * sigmoid

    def curvature(self, s: NDArray) -> Array:
        """σ''(s), elementwise; 0 for ReLU (away from the kink)."""
        s = np.asarray(s, dtype=float)
        b = self.sharpness
        if self.name == "relu":
            return np.zeros_like(s)
        if self.name == "squareplus":
            root = np.hypot(s, 2 / b)
            return (2 / b / root) ** 2 / (2 * root)
        e = np.exp(-np.abs(b * s))
        bell = b * e / (1 + e) ** 2
        return bell if self.name == "softplus" else (1 - self.leak) * bell


def _squareplus(s: NDArray, b: float) -> tuple[Array, Array]:
    """(s + √(s² + 4/b²))/2 and that root, without the cancellation that s < 0 would bring."""
    root = np.hypot(s, 2 / b)
    far = np.abs(s) + root
    return np.where(s >= 0, far, (2 / b) * (2 / b / far)) / 2, root


def _sigmoid(z: NDArray) -> Array:
    e = np.exp(-np.abs(z))
    return np.where(z >= 0, 1.0, e) / (1 + e)


@dataclass(frozen=True)
class Network:
    """f(x) = Σ_r a_r σ(w_r·x): `weights` W (m, d), trained; `outer` a (m,), fixed; float64 [paper: Eq. 1].

    Raises InputError on a width of 0, on shapes that do not fit, on values that are not finite or not float64.
    """

    weights: Array
    outer: Array
    activation: Activation

    def __post_init__(self) -> None:
        w, a = self.weights, self.outer
        for name, array in (("weights", w), ("outer weights", a)):
            require(array.dtype == np.float64, f"{name} of type {array.dtype}: allowed is float64")
        require(w.ndim == 2 and min(w.shape) >= 1, f"weights of shape {w.shape}: allowed is (width >= 1, dim >= 1)")
        require(a.shape == (w.shape[0],), f"outer weights of shape {a.shape}: allowed is ({w.shape[0]},)")
        require(bool(np.isfinite(w).all()), "weights hold NaN or infinity: allowed are finite numbers")
        require(bool(np.isfinite(a).all()), "outer weights hold NaN or infinity: allowed are finite numbers")

    @property
    def width(self) -> int:
        """m, the number of hidden units."""
        return int(self.weights.shape[0])

    @property
    def dim(self) -> int:
        """d, the input dimension."""
        return int(self.weights.shape[1])

    def preactivation(self, x: NDArray) -> Array:
        """s = W x: (..., d) -> (..., m)."""
        return np.asarray(x @ self.weights.T)

    def output(self, x: NDArray) -> Array:
        """f(x): (..., d) -> (...) [paper: Eq. 1]."""
        return np.asarray(self.activation.value(self.preactivation(x)) @ self.outer)

    def active_outer(self, x: NDArray) -> Array:
        """a'_r = a_r σ'(w_r·x): (..., d) -> (..., m)."""
        return np.asarray(self.outer * self.activation.slope(self.preactivation(x)))

    def input_gradient(self, x: NDArray) -> Array:
        """g = ∇ₓf = Wᵀ a': (..., d) -> (..., d)."""
        return np.asarray(self.active_outer(x) @ self.weights)


def sample_outer(law: str, width: int, rng: np.random.Generator) -> Array:
    """i.i.d. outer weights, (width,) [paper: Assumption 4].

    signs: ±1; scaled_signs: ±1/√m; gaussian: N(0, 1); bernoulli: 0 or 1, the literal reading of the paper's
    footnote. Raises InputError on an unknown law or width < 1.
    """
    require(width >= 1, f"width {width}: allowed is >= 1")
    if law == "signs":
        return np.asarray(rng.integers(0, 2, width) * 2.0 - 1.0)
    if law == "scaled_signs":
        return np.asarray((rng.integers(0, 2, width) * 2.0 - 1.0) / np.sqrt(width))
    if law == "gaussian":
        return rng.standard_normal(width)
    if law == "bernoulli":
        return rng.integers(0, 2, width).astype(float)
    raise InputError(f"outer law {law!r}: allowed are {', '.join(OUTER_LAWS)}")


def sample_network(
    dim: int,
    width: int,
    activation: Activation,
    rng: np.random.Generator,
    *,
    outer_law: str = "signs",
    weight_scale: float = 1.0,
) -> Network:
    """A random network: W i.i.d. N(0, weight_scale²), a by `outer_law` [paper: Assumption 4].

    Raises InputError on sizes < 1 or a scale that is not a positive number.
    """
    require(dim >= 1, f"dim {dim}: allowed is >= 1")
    require(width >= 1, f"width {width}: allowed is >= 1")
    require(np.isfinite(weight_scale) and weight_scale > 0, f"weight scale {weight_scale}: allowed is a number > 0")
    weights = rng.standard_normal((width, dim)) * weight_scale
    return Network(weights, sample_outer(outer_law, width, rng), activation)
