"""ResNets for CIFAR-10 on hand-written kernels, forward and backward, on the CPU and on a GPU.

The names below are the public API. It takes and gives NumPy arrays (CuPy arrays stay on the GPU), and raises
`InputError` on bad input.

>>> import numpy as np
>>> from deep_check import ResNet
>>> net = ResNet(depth=20, device="cpu")            # net.load("weights.safetensors") takes trained weights
>>> images = np.zeros((1, 3, 32, 32), np.float32)   # in units of the full range, 0 ... 1
>>> net(images).shape
(1, 10)
>>> net.input_gradient(images, [3], "cross_entropy").gradient.shape
(1, 3, 32, 32)
>>> sorted(net.loss_and_gradients(np.repeat(images, 2, axis=0), [3, 8]).gradients)[:2]
['bn1.bias', 'bn1.weight']
"""

from __future__ import annotations

import os
from pathlib import Path

from theory_sim.compiled_code import keep_code_of
from theory_sim.errors import InputError

# Before any kernel is declared. How many lanes a vector has is the one choice that sources do not show.
keep_code_of(Path(__file__).parent, os.environ.get("DEEP_CHECK_LANES", ""))

from deep_check.architecture import Architecture  # noqa: E402
from deep_check.normalisation import NORMALISATIONS  # noqa: E402
from deep_check.resnet import InputGradient, LossAndGradients, ResNet  # noqa: E402

__all__ = ["NORMALISATIONS", "Architecture", "InputError", "InputGradient", "LossAndGradients", "ResNet"]
