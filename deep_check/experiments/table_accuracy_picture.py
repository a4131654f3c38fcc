"""The table of accuracies drawn: bars with their intervals and numbers, and the paper's numbers beside them."""

from __future__ import annotations

from matplotlib import rc_context
from matplotlib.figure import Figure

from deep_check.experiments.fig6_picture import LOOKS
from deep_check.experiments.table_accuracy import Table, lines
from theory_sim.picture_style import BLACK, STYLE, new_figure

WIDTH = 0.27


def draw(table: Table, steps: int) -> Figure:
    """One group of bars a network with or without filter, one bar an attacker."""
    with rc_context(STYLE):
        figure = new_figure(8.2, 4.2)
        axes = figure.subplots()
        groups = lines(table)
        for j, (attacker, (colour, _, _, words)) in enumerate(LOOKS.items()):
            for i, (role, cutoff, _) in enumerate(groups):
                one = table.get((role, cutoff, attacker))
                if one is None or one.low is None or one.high is None:
                    continue
                place = i + (j - 1) * WIDTH
                label = words if (i, attacker) in ((0, "none"), (1, "blind"), (1, "aware")) else None
                arms = [[one.value - one.low], [one.high - one.value]]
                axes.bar(place, one.value, WIDTH * 0.92, color=colour, alpha=0.85, label=label)
                axes.errorbar(place, one.value, arms, color=BLACK, linewidth=0.9, capsize=2.5)
                top = max(one.high, one.paper or 0.0)
                axes.annotate(
                    f"{one.value:.1%}", (place, top), xytext=(0, 2), textcoords="offset points", ha="center",
                    va="bottom", fontsize=8,
                )  # fmt: skip
                if one.paper is not None:
                    first = (i, j) == (0, 0)
                    axes.plot(
                        [place - WIDTH * 0.46, place + WIDTH * 0.46], [one.paper] * 2, color=BLACK, linewidth=1.8,
                        linestyle=(0, (2, 1)), label="the paper's number (its own networks)" if first else None,
                    )  # fmt: skip
        axes.set_xticks(range(len(groups)), [label for _, _, label in groups])
        axes.tick_params(axis="x", length=0)
        axes.set_ylim(0, 1.08)
        axes.set_ylabel("accuracy")
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
        n = next(iter(table.values())).n
        axes.set_title(f"{n:,} test images; ℓ∞ attack, radius 8/255, {steps} steps; bars: 95 % intervals")
        figure.legend(*axes.get_legend_handles_labels(), loc="outside lower left", ncols=4)
    return figure
