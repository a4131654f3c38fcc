"""From the columns of a chunk to groups of points of one shape, as the compiled and the CUDA engine take them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from theory_sim.counter_random import fill_power_law
from theory_sim.drawn import draw_piece
from theory_sim.errors import require
from theory_sim.hartley import band_weights, coefficients, half_spectrum, partners, power_scale, signal_of
from theory_sim.inputs.power_law import power_law_amplitudes
from theory_sim.network import ACTIVATIONS, OUTER_LAWS
from theory_sim.simulation.bounds import VANISHING, ratio_bins
from theory_sim.simulation.start import load_pieces
from theory_sim.spectrum import Band, Mask, Transform, parse_convention
from theory_sim.sweep.course import N_PROBES
from theory_sim.training import LOSSES

Array = NDArray[np.float64]
RATE, RELATIVE_RATE = range(2)  # rate_kind: `rate` is η, or r = η‖a'‖²‖x‖² at the start
LABEL, RESIDUAL, RELATIVE_RESIDUAL, OPPOSITE = range(4)  # label_kind: of `label`; OPPOSITE to f (logistic loss)

# One point as the engines see it. activation, outer_law, loss: index in their tuple of names; input, band: row of the
# group's tables; same_network, same_input: 1 if drawn weights (and x) are those of the point before.
POINT = np.dtype(
    [
        ("seed", "i8"),
        ("width", "i8"),
        ("activation", "i8"),
        ("sharpness", "f8"),
        ("leak", "f8"),
        ("outer_law", "i8"),
        ("outer_scale", "f8"),
        ("weight_scale", "f8"),
        ("loss", "i8"),
        ("rate_kind", "i8"),
        ("rate", "f8"),
        ("label_kind", "i8"),
        ("label", "f8"),
        ("n_steps", "i8"),
        ("input", "i8"),
        ("band", "i8"),
        ("same_network", "i8"),
        ("same_input", "i8"),
    ]
)
NETWORK_KEYS = ("seed", "width", "weight_law", "weight_scale", "outer_law", "outer_scale")
INPUT_KEYS = {
    "power-law": ("seed", "alpha", "alpha0"),
    "rows": ("seed", "picture", "piece"),
    "tiles": ("seed", "picture", "piece"),
}


@dataclass(frozen=True)
class Group:
    """Points of one shape and transform.

    index: (n,) positions in the chunk; points: POINT (n,); weight_law: of drawn.WEIGHT_LAWS; inputs: (n_inputs, d)
    coefficients; input_top: (n_inputs,) max |x_i|; bands: (n_bands, 2, d) weights of `hartley.band_weights`; probes:
    (n_inputs, N_PROBES, 2) positions of h[k], h[-k] of `bounds.ratio_bins`, -1: none; power_scale: of `hartley`.
    """

    index: NDArray[np.int64]
    points: NDArray[Any]
    weight_law: str
    shape: tuple[int, ...]
    transform: Transform
    inputs: Array
    input_top: Array
    bands: Array
    probes: NDArray[np.int64]
    power_scale: float


def groups(columns: Mapping[str, NDArray], phases: bool = True) -> Iterator[Group]:
    """Split a chunk; every group keeps the order of the chunk.

    phases False: power-law inputs that differ in the phases of their DFT alone are one. Raises InputError on
    unreadable pictures.
    """
    tiles = columns["source"] == "tiles"
    height = np.where(tiles, columns["tile_size"], 0)
    dim = np.where(tiles, columns["tile_size"] ** 2, columns["dim"])
    # `dim` holds all that `height` does for tiles; rows and power laws of one length share a shape but not an input.
    for key, index in _partition(
        [columns["source"], height, dim, columns["transform"], columns["weight_law"], columns["mask"]]
    ):
        source, side, size, kind, law, mask = key
        shape = (int(side), int(side)) if side else (int(size),)
        part = {name: values[index] for name, values in columns.items()}
        yield _group(
            index, part, str(source), shape, cast(Transform, str(kind)), str(law), cast(Mask, str(mask)), phases
        )


def _partition(keys: list[NDArray]) -> Iterator[tuple[tuple[Any, ...], NDArray[np.int64]]]:
    """Distinct rows of the `keys` with the positions at which they occur."""
    label = np.zeros(len(keys[0]), np.int64)
    for key in keys:
        _, inverse = np.unique(key, return_inverse=True)
        _, label = np.unique(label * (inverse.max() + 1) + inverse, return_inverse=True)
    for value in range(label.max() + 1):
        index = np.flatnonzero(label == value)
        yield tuple(key[index[0]] for key in keys), index


def _group(
    index: NDArray[np.int64],
    part: dict[str, NDArray],
    source: str,
    shape: tuple[int, ...],
    kind: Transform,
    weight_law: str,
    mask: Mask,
    phases: bool,
) -> Group:
    points = np.zeros(len(index), POINT)
    for name in ("seed", "width", "sharpness", "leak", "outer_scale", "weight_scale", "n_steps"):
        points[name] = part[name]
    for name, words in (("activation", ACTIVATIONS), ("outer_law", OUTER_LAWS), ("loss", LOSSES)):
        points[name] = _codes(part[name], words)
    points["leak"][part["activation"] != "leaky_softplus"] = 0.0  # the other activations are leaky ones without a leak
    _resolve_rates_and_labels(points, part)
    new_network = _changes([part[name] for name in NETWORK_KEYS])
    keys = INPUT_KEYS[source]
    if source == "power-law" and kind == "dft" and not phases:
        part = part | {"seed": np.zeros_like(part["seed"])}
    new_input = _changes([part[name] for name in keys])
    points["same_network"] = ~new_network
    points["same_input"] = ~new_network & ~new_input
    points["input"] = np.cumsum(new_input) - 1
    inputs, input_top, probes = _inputs(part, np.flatnonzero(new_input), source, shape, kind, mask)
    bands, points["band"] = _bands(part, shape, kind, mask)
    return Group(index, points, weight_law, shape, kind, inputs, input_top, bands, probes, power_scale(shape, kind))


def _codes(words: NDArray, known: tuple[str, ...]) -> NDArray[np.int64]:
    out = np.full(len(words), -1)
    for code, word in enumerate(known):
        out[words == word] = code
    return out


def _changes(keys: list[NDArray]) -> NDArray[np.bool_]:
    """True where any key differs from the row before, and in the first row."""
    out = np.zeros(len(keys[0]), bool)
    out[0] = True
    for key in keys:
        out[1:] |= key[1:] != key[:-1]
    return out


def _resolve_rates_and_labels(points: NDArray[Any], part: Mapping[str, NDArray]) -> None:
    """Which of the alternatives each point gives; absent ones are NaN (`Configuration.with_defaults` has decided)."""
    absolute = np.isfinite(part["learning_rate"])
    points["rate_kind"] = np.where(absolute, RATE, RELATIVE_RATE)
    points["rate"] = np.where(absolute, part["learning_rate"], part["relative_rate"])
    points["label_kind"] = OPPOSITE
    for kind, name in ((LABEL, "label"), (RESIDUAL, "residual"), (RELATIVE_RESIDUAL, "relative_residual")):
        given = np.isfinite(part[name])
        points["label_kind"][given] = kind
        points["label"][given] = part[name][given]


def _bands(
    part: Mapping[str, NDArray], shape: tuple[int, ...], kind: Transform, mask: Mask
) -> tuple[Array, NDArray[np.int64]]:
    """Weights of every distinct band, (n_bands, 2, d), and the row of each point."""
    radii = np.unique(Band(shape, 0.0, mask=mask, kind=kind).radius)
    ring = np.searchsorted(radii, part["cutoff"], side="right") - 1  # cut-offs between two radii are one band
    rows, which = [], np.zeros(len(ring), np.int64)
    for number, (key, index) in enumerate(_partition([ring, part["convention"]])):
        which[index] = number
        rows.append(_weights(shape, float(radii[key[0]]), str(key[1]), mask, kind))
    return np.array(rows), which


@lru_cache(maxsize=512)
def _weights(shape: tuple[int, ...], cutoff: float, convention: str, mask: Mask, kind: Transform) -> Array:
    return band_weights(Band(shape, cutoff, parse_convention(convention), mask, kind))


def _inputs(
    part: Mapping[str, NDArray],
    rows: NDArray[np.int64],
    source: str,
    shape: tuple[int, ...],
    kind: Transform,
    mask: Mask,
) -> tuple[Array, Array, NDArray[np.int64]]:
    """Coefficients, largest |x_i| and probe positions of the inputs of `rows`."""
    out = np.empty((len(rows), int(np.prod(shape))))
    for i, row in enumerate(rows):
        seed = int(part["seed"][row])
        if source == "power-law":
            fill_power_law(seed, _amplitudes(shape[0], float(part["alpha"][row]), float(part["alpha0"][row])), out[i])
        else:
            pieces = _pieces(str(part["picture"][row]), source, shape)
            piece = int(part["piece"][row])
            require(piece < len(pieces), f"piece = {piece}: allowed is 0 ... {len(pieces) - 1}, the {source}")
            out[i] = pieces[piece if piece >= 0 else draw_piece(seed, len(pieces))]
    signals = signal_of(out, shape) if source == "power-law" else out
    top = np.abs(signals).max(axis=1)
    if source != "power-law" or kind == "dct":
        out = coefficients(signals, shape, kind)
    return out, top, _probes(out, shape, kind, mask)


@lru_cache(maxsize=4096)
def _amplitudes(dim: int, alpha: float, alpha0: float) -> Array:
    return power_law_amplitudes(dim, alpha, alpha0)


@lru_cache(maxsize=8)
def _pieces(picture: str, source: str, shape: tuple[int, ...]) -> Array:
    return load_pieces(picture, source, shape)


def _probes(inputs: Array, shape: tuple[int, ...], kind: Transform, mask: Mask) -> NDArray[np.int64]:
    """Positions of the bins of `ratio_bins`; they depend on where x̂ vanishes, which few inputs differ in."""
    band = Band(shape, 1.0, mask=mask, kind=kind)
    first, second = partners(shape, kind)
    out = np.full((len(inputs), N_PROBES, 2), -1)
    size = np.abs(half_spectrum(inputs, shape, kind))
    usable = size > VANISHING * size.max(axis=1, keepdims=True)
    patterns, which = np.unique(usable, axis=0, return_inverse=True)
    for number, pattern in enumerate(patterns):
        bins = ratio_bins(pattern.astype(float), band)
        out[which == number, : len(bins)] = np.stack([first[bins], second[bins]], axis=1)
    return out
