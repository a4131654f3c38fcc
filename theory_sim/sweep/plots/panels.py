"""A grid of panels: one for each value of up to two parameters."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from theory_sim.errors import require
from theory_sim.picture_style import new_figure
from theory_sim.sweep.plots.axes import Levels

MOST = 24  # panels that a reader can still compare
SIDE = 4  # panels side by side before they wrap
ALONE, TOGETHER = (6.2, 4.4), (2.6, 2.5)  # width and height of a panel in inches
MOST_BESIDE = 6  # panels of a row that cannot wrap, in the width of SIDE
LABEL_WIDTH = {True: 52, False: 34}  # characters of a y label in one line, in a panel that is or is not alone
ROOM = (1.6, 1.2)  # for colour bar and titles


@dataclass(frozen=True)
class Panel:
    """One panel: which value of `facet` and of `row` it shows; whether its x and y axis lack their words.

    row_text: the value of `row`, at the first panel of each row, else "".
    """

    axes: Axes
    index: tuple[int, ...]
    inner: tuple[bool, bool]
    row_text: str
    is_alone: bool

    def put_y_label(self, text: str) -> None:
        """Label the y axis, unless a neighbour has it, and the row."""
        if not self.inner[1]:
            lines = textwrap.wrap(text, LABEL_WIDTH[self.is_alone])
            self.axes.set_ylabel("\n".join([self.row_text, *lines] if self.row_text else lines))


def make_panels(facet: Levels | None, row: Levels | None) -> tuple[Figure, list[Panel]]:
    """One panel for each value of `facet` (side by side, wrapped where `row` is None) and of `row` (downwards).

    An index counts the values of `facet`, then of `row`, of those given. Raises InputError if there are too many.
    """
    n = (len(facet.values) if facet else 1) * (len(row.values) if row else 1)
    given = " and ".join(found.key for found in (facet, row) if found)
    require(n <= MOST, f"{given} would make {n:,} panels: allowed are up to {MOST} (--select some of the values)")
    columns = len(facet.values) if facet else 1
    if row is None:
        columns = min(columns, SIDE)
    require(
        columns <= MOST_BESIDE,
        f"--facet {facet.key if facet else ''} would put {columns} panels side by side: allowed with --row are up to "
        f"{MOST_BESIDE} (exchange the two, or --select some of the values)",
    )
    rows = math.ceil(n / columns)
    width, height = ALONE if n == 1 else TOGETHER
    if columns > SIDE:
        width *= SIDE / columns
    figure = new_figure(max(columns * width + ROOM[0], 7.0), rows * height + ROOM[1])
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    for unused in grid.flat[n:]:
        unused.remove()
    return figure, list(_panels(grid.tolist(), facet, row, n))


def _panels(grid: list[list[Axes]], facet: Levels | None, row: Levels | None, n: int) -> Iterator[Panel]:
    columns = len(grid[0])
    for i in range(n):
        down, right = divmod(i, columns)
        axes = grid[down][right]
        index = (*((right if row else i,) if facet else ()), *((down,) if row else ()))
        if facet and (row is None or down == 0):
            axes.set_title(facet.text(index[0]), fontsize=9)
        row_text = row.text(down) if row and right == 0 else ""
        yield Panel(axes, index, (i + columns < n, right > 0), row_text, n == 1)
