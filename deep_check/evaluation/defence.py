"""Defences as the command line names them."""

from __future__ import annotations

from deep_check.experiments.options import number
from deep_check.filtering import LARGEST_CUTOFF, MASKS, LowPass
from theory_sim.errors import require


def parse_defence(text: str) -> LowPass:
    """lowpass:CUTOFF, then :disc or :square, then :clip if filtered images are clipped to [0, 1].

    Raises InputError on anything else, and as `LowPass`.

    >>> parse_defence("lowpass:12")
    LowPass(cutoff=12.0, mask='disc', clip=False)
    """
    name, *options = text.split(":")
    good = name == "lowpass" and 1 <= len(options) <= 3 and len(set(options)) == len(options)
    masks = [word for word in options[1:] if word in MASKS]
    clip = "clip" in options[1:]
    good = good and len(masks) + clip == len(options) - 1 and len(masks) <= 1
    require(good, f"--defence {text!r}: allowed is lowpass:CUTOFF, with :square and :clip as options")
    return LowPass(number("defence lowpass:CUTOFF", options[0], LARGEST_CUTOFF), masks[0] if masks else "disc", clip)


def in_words(defence: LowPass) -> str:
    """Such as: low-pass filter, disc of radius 12."""
    shape = "disc of radius" if defence.mask == "disc" else "square of half side"
    return f"low-pass filter, {shape} {defence.cutoff:g}{', clipped to [0, 1]' if defence.clip else ''}"
