"""The two kinds of input on which claims are judged: power-law signals and real images."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from theory_sim.errors import require
from theory_sim.inputs import load_cifar10, load_pictures, power_law_signal, sample_picture
from theory_sim.spectrum import Band, Convention, Mask

Array = NDArray[np.float64]
POWER_LAW, ROWS, TILES, CIFAR10 = "power-law", "image rows", "image tiles", "cifar10"
TILE = 32
ROW_WIDTH = 320  # pictures must be at least this wide, so that rows with d >= 257 can be cut


@dataclass(frozen=True)
class Signal:
    """An input x (d,), the shape of its spectrum, and where it came from."""

    x: Array
    shape: tuple[int, ...]
    source: str
    alpha: float = float("nan")
    alpha0: float = float("nan")


@dataclass(frozen=True)
class Sources:
    """Draws inputs: about 60 % power-law signals, the rest cut from pictures (and CIFAR-10 where given).

    pictures: luminance in [0, 1]; cifar10: uint8 (n, 3, 32, 32) or None.
    """

    pictures: list[Array] = field(default_factory=list)
    cifar10: NDArray[np.uint8] | None = None

    @classmethod
    def load(cls, images: Path | None = None, data: Path | None = None) -> Sources:
        """The photograph that Matplotlib ships, plus `images` (file or folder), plus CIFAR-10 from `data`.

        Raises InputError on unreadable files and on pictures too small to cut.
        """
        pictures = [sample_picture()]
        if images is not None:
            pictures += load_pictures(images)
        for picture in pictures:
            height, width = picture.shape
            require(
                width >= ROW_WIDTH and height >= TILE,
                f"picture of {width}x{height}: allowed is a width >= {ROW_WIDTH} and a height >= {TILE}",
            )
            require(float(np.ptp(picture)) > 0, "a picture is constant: its spectrum beyond k = 0 vanishes")
        return cls(pictures, load_cifar10(data, partial=True).images if data is not None else None)

    def draw(self, rng: np.random.Generator, large: bool, *, pictures: bool | None = None) -> Signal:
        """One input: d in 257 ... 301, 32×32 or 3×32×32 if `large`, else d in 5 ... 64; even and odd sizes.

        pictures: True or False to choose the kind; None for the usual mixture.
        """
        if pictures is None:
            pictures = rng.random() < 0.4
        if not pictures:
            dim = self._length(rng, large)
            alpha = 1.0 + rng.exponential(0.5)
            alpha0 = float(rng.choice([0.0, rng.uniform(0, 2)]))
            return Signal(power_law_signal(dim, alpha, alpha0, rng), (dim,), POWER_LAW, alpha, alpha0)
        if large and self.cifar10 is not None and rng.random() < 0.25:
            image = self.cifar10[rng.integers(len(self.cifar10))] / 255.0
            return Signal(self._level(image.ravel(), rng), image.shape, CIFAR10)
        while True:
            picture = self.pictures[rng.integers(len(self.pictures))]
            tile = rng.random() < (0.15 if large else 0.3)  # 1,024 samples: four times the work of a row
            side = TILE if large else int(rng.integers(4, 9))
            rows, columns = (side, side) if tile else (1, self._length(rng, large))
            top = int(rng.integers(0, picture.shape[0] - rows + 1))
            left = int(rng.integers(0, picture.shape[1] - columns + 1))
            piece = picture[top : top + rows, left : left + columns]
            if np.ptp(piece) > 0:
                shape = (side, side) if tile else (columns,)
                return Signal(self._level(piece.ravel(), rng), shape, TILES if tile else ROWS)

    def draw_set(self, rng: np.random.Generator, large: bool, n: int) -> list[Signal]:
        """n inputs of one kind: one shape and law, or pieces of pictures of one shape and level."""
        first = self.draw(rng, large)
        if first.source == POWER_LAW:
            alpha, alpha0 = first.alpha, first.alpha0
            more = (power_law_signal(first.x.size, alpha, alpha0, rng) for _ in range(n - 1))
            return [first, *(Signal(x, first.shape, POWER_LAW, alpha, alpha0) for x in more)]
        normalised = rng.random() < 0.5
        found: list[Signal] = []
        while len(found) < n:
            if first.source == CIFAR10:
                assert self.cifar10 is not None
                piece = self.cifar10[rng.integers(len(self.cifar10))] / 255.0
            else:
                picture = self.pictures[rng.integers(len(self.pictures))]
                rows, columns = first.shape if first.source == TILES else (1, first.x.size)
                top = int(rng.integers(0, picture.shape[0] - rows + 1))
                left = int(rng.integers(0, picture.shape[1] - columns + 1))
                piece = picture[top : top + rows, left : left + columns]
            if np.ptp(piece) > 0:
                pixels = piece.ravel()
                x = np.ascontiguousarray((pixels - 0.47) / 0.25 if normalised else pixels)
                found.append(Signal(x, first.shape, first.source))
        return found

    @staticmethod
    def _length(rng: np.random.Generator, large: bool) -> int:
        """257 ... 301, or 5 ... 64 with the short ones more often: there a theorem has the least room."""
        return int(rng.integers(257, 302) if large else np.exp(rng.uniform(np.log(5), np.log(65))))

    @staticmethod
    def _level(pixels: Array, rng: np.random.Generator) -> Array:
        """Half of the images as they are in [0, 1], half normalised as nets are fed: (x - 0.47)/0.25."""
        return np.ascontiguousarray(pixels if rng.random() < 0.5 else (pixels - 0.47) / 0.25)


def draw_band(signal: Signal, rng: np.random.Generator) -> Band:
    """A theory band: mostly two-sided weights, 2-D disc (rarely square).

    The cut-off is log-uniform over its whole range in half of the bands; in the others it is the smallest one
    at which L_x > H_x, where the theorems have the least room.
    """
    shape = signal.shape
    convention: Convention = "one-sided" if rng.random() < 0.3 else "two-sided"
    mask: Mask = "square" if len(shape) > 1 and rng.random() < 0.2 else "disc"
    highest = int(np.ceil((shape[0] - 1) / 2)) - 1 if len(shape) == 1 else min(shape[-2:]) // 2 - 1
    cutoff = min(int(np.exp(rng.uniform(0, np.log(highest + 1)))), highest)
    if rng.random() < 0.5:
        band = Band(shape, 1, convention, mask)
        power = np.abs(band.transform(signal.x)) ** 2 * band.weights
        inside = np.bincount(np.minimum(np.ceil(band.radius).astype(int), highest + 1), power, highest + 2).cumsum()
        cutoff = int(np.clip(np.argmax(inside > power.sum() / 2), 1, highest))
    band = Band(shape, cutoff, convention, mask)
    band.require_theory()
    return band
