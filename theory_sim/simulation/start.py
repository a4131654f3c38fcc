"""From a configuration to the start of its run: input, network, band, rates."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from theory_sim.configuration import SAMPLE, Configuration
from theory_sim.drawn import draw_outer, draw_piece, draw_power_law, draw_weights
from theory_sim.errors import require
from theory_sim.hartley import signal_of
from theory_sim.inputs import load_pictures, picture_rows, picture_tiles, sample_picture
from theory_sim.network import Activation, Network
from theory_sim.spectrum import Band, Mask, Transform, parse_convention
from theory_sim.training import Training, check_input

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Start:
    """The run to be made and the band it is judged by; relative_rate: r = η‖a'‖²‖x‖² at the start."""

    configuration: Configuration
    training: Training
    band: Band
    relative_rate: float


def prepare(configuration: Configuration) -> Start:
    """Draw input and network by the seed and decide η and y.

    Raises InputError on whatever the parts refuse: a cut-off out of range, α < 1, a zero or constant input, an
    unreadable picture, no active unit where `relative_rate` needs one, and so on.
    """
    configuration = configuration.with_defaults()
    band = Band(
        configuration.shape,
        configuration.cutoff,
        parse_convention(configuration.convention),
        cast(Mask, configuration.mask),
        cast(Transform, configuration.transform),
    )
    band.require_theory()
    x = make_input(configuration)
    check_input(x, configuration.input_dim)
    require(bool(np.ptp(x) > 0), "input is constant: its spectrum beyond k = 0 vanishes and R_k is undefined")
    activation = Activation(configuration.activation, configuration.sharpness, configuration.leak)
    network = Network(
        draw_weights(
            configuration.seed,
            configuration.weight_law,
            configuration.shape,
            configuration.width,
            configuration.weight_scale,
        ),
        draw_outer(configuration.seed, configuration.outer_law, configuration.width, configuration.outer_scale),
        activation,
    )
    learning_rate, relative_rate = _rates(configuration, network, x)
    training = Training(
        network, x, _label(configuration, network, x), learning_rate, configuration.n_steps, configuration.loss
    )
    return Start(configuration, training, band, relative_rate)


def make_input(configuration: Configuration) -> Array:
    """x (d,): a power-law signal, a row or a tile of a picture (luminance in [0, 1])."""
    if configuration.source == "power-law":
        shape = (configuration.dim,)
        return signal_of(draw_power_law(configuration.seed, *shape, configuration.alpha, configuration.alpha0), shape)
    pieces = load_pieces(configuration.picture, configuration.source, configuration.shape)
    piece = configuration.piece
    if piece is None:
        piece = draw_piece(configuration.seed, len(pieces))
    require(
        0 <= piece < len(pieces), f"piece = {piece}: allowed is 0 ... {len(pieces) - 1}, the {configuration.source}"
    )
    return pieces[piece]


def load_pieces(picture: str, source: str, shape: tuple[int, ...]) -> Array:
    """All rows or tiles (n, d) of a picture, of a folder of pictures, or of the sample picture.

    Raises InputError on pictures that cannot be read or are smaller than a piece.
    """
    pictures = [sample_picture()] if picture == SAMPLE else load_pictures(Path(picture))
    cut = picture_tiles if source == "tiles" else picture_rows
    return np.concatenate([cut(pixels, shape[0]) for pixels in pictures])


def _rates(configuration: Configuration, network: Network, x: Array) -> tuple[float, float]:
    """(η, r) with r = η‖a'‖²‖x‖²."""
    active = network.active_outer(x)
    scale = float(active @ active) * float(x @ x)
    if configuration.learning_rate is not None:
        return configuration.learning_rate, configuration.learning_rate * scale
    rate = cast(float, configuration.relative_rate)
    require(scale > 0, "no unit is active at the start: relative_rate is undefined, allowed is learning_rate")
    return rate / scale, rate


def _label(configuration: Configuration, network: Network, x: Array) -> float:
    if configuration.label is not None:
        return configuration.label
    output = float(network.output(x))
    if configuration.loss == "logistic":
        return -1.0 if output >= 0 else 1.0
    residual = configuration.residual
    if residual is None:
        size = float(np.linalg.norm(network.input_gradient(x))) * float(np.linalg.norm(x))
        residual = cast(float, configuration.relative_residual) * size
    return output - residual
