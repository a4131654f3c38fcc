"""How images in [0, 1] become a network's input: (x - mean)/std, channel by channel (red, green, blue).

What a network was trained with is what it needs; a state dict of PyTorch does not say it.
"""

from __future__ import annotations

from typing import NamedTuple


class Normalisation(NamedTuple):
    """mean and std of each channel, in units of images in [0, 1]."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


# The most usual public CIFAR ResNets were trained with ImageNet's numbers; many others with those of CIFAR-10's
# training images; `none` leaves images as they are.
NORMALISATIONS = {
    "imagenet": Normalisation((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "cifar10": Normalisation((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
    "none": Normalisation((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
}
DEFAULT = "imagenet"
