"""The picture of a run: loss and accuracy by epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from theory_sim.picture_style import BLUE, RED, STYLE, new_figure


def draw(log: Sequence[Mapping[str, Any]], title: str) -> Figure:
    """Loss in training, and accuracy there and, with its 95 % interval, on the other images; log: rows of log.csv."""
    epochs = [row["epoch"] for row in log]
    with rc_context(STYLE):
        figure = new_figure(9.0, 3.6)
        losses, accuracies = figure.subplots(1, 2)
        losses.plot(epochs, [row["training_loss"] for row in log], "o-", color=BLUE, markersize=3)
        losses.set(xlabel="epoch", ylabel="mean loss of the epoch", title="Loss in training")
        losses.set_ylim(bottom=0)
        accuracies.plot(
            epochs, [row["training_accuracy"] for row in log], "o--", color=BLUE, markersize=3, label="in training"
        )
        middle = np.array([row["accuracy"] for row in log])
        ends = np.array([[row["low"] for row in log], [row["high"] for row in log]])
        accuracies.errorbar(epochs, middle, np.abs(ends - middle), fmt="o-", color=RED, markersize=3, capsize=2,
                            label=f"{log[-1]['n']:,} other images, 95 % interval")  # fmt: skip
        accuracies.set(xlabel="epoch", ylabel="accuracy", title="Accuracy", ylim=(0, 1))
        accuracies.yaxis.set_major_formatter(PercentFormatter(1))
        accuracies.legend(loc="lower right")
        for panel in (losses, accuracies):
            panel.set_xlim(0, epochs[-1] + 1)
            panel.xaxis.set_major_locator(MaxNLocator(integer=True))
            panel.grid(linewidth=0.4, alpha=0.5)
        figure.suptitle(title, x=0.01, ha="left")
    return figure
