"""Where inputs come from: power-law signals, pictures, CIFAR-10."""

from theory_sim.inputs.cifar10 import Cifar10, load_cifar10
from theory_sim.inputs.pictures import load_pictures, picture_rows, picture_tiles, sample_picture
from theory_sim.inputs.power_law import eq2_margin, power_law_signal

__all__ = [
    "Cifar10",
    "eq2_margin",
    "load_cifar10",
    "load_pictures",
    "picture_rows",
    "picture_tiles",
    "power_law_signal",
    "sample_picture",
]
