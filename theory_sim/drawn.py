"""Networks and inputs drawn by counter: the same ones for a single run, a sweep, and a sweep on a GPU.

The weights of the Gaussian law are drawn as coefficients in the basis of `hartley.py`; an orthogonal transform of
i.i.d. normals is i.i.d. normals. The other laws are drawn as signals.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from theory_sim.counter_random import PIECE, WEIGHTS, fill_normals, fill_outer, fill_power_law, fill_uniforms
from theory_sim.hartley import coefficients, signal_of
from theory_sim.inputs.power_law import power_law_amplitudes
from theory_sim.network import OUTER_LAWS
from theory_sim.spectrum import Transform

Array = NDArray[np.float64]
WEIGHT_LAWS = ("gaussian", "uniform", "signs")

__all__ = ["WEIGHT_LAWS", "draw_outer", "draw_piece", "draw_power_law", "draw_weights"]


def draw_outer(seed: int, law: str, width: int, scale: float) -> Array:
    """`scale` times i.i.d. outer weights of a law of network.OUTER_LAWS, (width,) [paper: Assumption 4]."""
    out = np.empty(width)
    fill_outer(seed, OUTER_LAWS.index(law), scale, out)
    return out


def draw_weights(
    seed: int, law: str, shape: tuple[int, ...], width: int, scale: float, kind: Transform | None = None
) -> Array:
    """i.i.d. inner weights with standard deviation `scale`, (width, d), d = prod(shape) [paper: Assumption 4].

    law: gaussian; uniform on ±√3·scale; signs, ±scale. kind: None gives signals, a transform their coefficients.
    """
    out = np.empty((width, int(np.prod(shape))))
    for r in range(width):
        if law == "gaussian":
            fill_normals(seed, WEIGHTS, r, scale, out[r])
        else:
            fill_uniforms(seed, WEIGHTS, r, out[r])
    if law == "gaussian":
        if kind == "dft":
            return out
        out = signal_of(out, shape)
    elif law == "uniform":
        out = (2 * out - 1) * (np.sqrt(3.0) * scale)
    else:
        out = np.where(out < 0.5, -scale, scale)
    return out if kind is None else coefficients(out, shape, kind)


def draw_power_law(seed: int, dim: int, alpha: float, alpha0: float) -> Array:
    """Hartley coefficients (dim,) of a power-law signal with uniform random phases [paper: Section 2.1].

    Raises InputError as `power_law_amplitudes`.
    """
    out = np.empty(dim)
    fill_power_law(seed, power_law_amplitudes(dim, alpha, alpha0), out)
    return out


def draw_piece(seed: int, n_pieces: int) -> int:
    """A uniform index 0 ... n_pieces - 1."""
    out = np.empty(1)
    fill_uniforms(seed, PIECE, 0, out)
    return int(out[0] * n_pieces)
