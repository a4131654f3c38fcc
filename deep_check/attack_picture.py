"""What `attack` found in pictures: a few images, their perturbations, and what the network sees before and after."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from numpy.typing import NDArray

from deep_check.experiments.image_panels import show_delta, show_image
from deep_check.experiments.perturbations import Perturbed
from theory_sim.inputs.cifar10 import CLASSES
from theory_sim.picture_style import STYLE, new_figure

SHOWN = 6


def chosen(found: Perturbed, n: int = SHOWN) -> NDArray[np.int64]:
    """Numbers of the images to show, (n or fewer,): the first that were right and no longer are, then the first others.

    So a picture shows what the attack does wherever it does something, and is still one where it does nothing.
    """
    fooled = (found.before == found.labels) & (found.after != found.labels)
    first = np.argsort(~fooled, kind="stable")[:n]
    return np.sort(first).astype(np.int64)


def draw(found: Perturbed, losses: NDArray[Any], radius: float, title: str) -> Figure:
    """A column an image: image, perturbation (its own scale, said below it), adversarial image with its loss, (n,).

    radius: of the attack; full colours of a perturbation are ± this, or its largest pixel.
    """
    numbers = chosen(found)
    with rc_context(STYLE):
        figure = new_figure(1.35 * len(numbers) + 1.6, 5.4)
        panels = figure.subplots(3, len(numbers), squeeze=False)
        for (top, middle, bottom), i in zip(panels.T, numbers, strict=True):
            show_image(top, found.images[i])
            wrong = "" if found.before[i] == found.labels[i] else f"\nis {_word(found.labels[i])}"
            top.set_title(f"seen as {_word(found.before[i])}{wrong}", loc="center", fontsize=8)
            scale = show_delta(middle, found.deltas[i], radius)
            middle.set_xlabel(f"± {scale * 255:.3g}/255", fontsize=8)
            show_image(bottom, found.adversarial[i])
            bottom.set_title(f"seen as {_word(found.after[i])}", loc="center", fontsize=8)
            bottom.set_xlabel(f"loss {losses[i]:.3g}", fontsize=8)
        for panel, words in zip(panels[:, 0], ("image x", "perturbation δ", "x + δ"), strict=True):
            panel.set_ylabel(words)
        figure.suptitle(title, x=0.01, ha="left", fontsize=9)
    return figure


def _word(label: int) -> str:
    return CLASSES[label] if label < len(CLASSES) else f"class {label}"
