"""Two pictures of our extensions: what more samples, and what wider networks, do to the single-sample closed form.

`measure_datasets` and `measure_kinks` draw and train the networks, `plot_…` draws what they return; the same seed, the
same picture. A few seconds each on one core.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from numpy.typing import NDArray

from theory_sim.claims.base import median_interval
from theory_sim.claims.dataset_sample import DatasetSample
from theory_sim.claims.extended_populations import dataset_run, died, kink_run
from theory_sim.claims.kinks import across_share
from theory_sim.claims.sources import POWER_LAW, Sources
from theory_sim.intervals import Z95, wilson
from theory_sim.picture_style import BLUE, GREY, ORANGE, STYLE, new_figure
from theory_sim.spectrum import ratio

Array = NDArray[np.float64]
SET_SIZES = (1, 2, 3, 5, 9, 17, 33, 65)  # n; n - 1 doubles
WIDTHS = (16, 32, 64, 128, 256, 512, 1024)
KAPPA = 2.0
SHARES = (0.02, 0.05, 0.1, 0.2)
KINDS = ("power-law signals", "pieces of a photograph")
LOOKS = ((BLUE, "o"), (ORANGE, "s"))


@dataclass(frozen=True)
class Line:
    """A mean with its 95 % interval at each abscissa, how many networks, and the slope of its logarithm."""

    name: str
    at: Array
    mean: Array
    low: Array
    high: Array
    n: NDArray[np.int64]
    slope: tuple[float, float, float] | None = None  # with its 95 % interval


@dataclass(frozen=True)
class DatasetShares:
    """‖what the others did to g(x_1)‖ over ‖what x_1 did‖, and Theorem 3; one line a kind of input.

    first: root mean square at the first step, against n - 1; whole: median after training; kept: share of networks with
    Theorem 3's conclusion, against n.
    """

    first: tuple[Line, ...]
    whole: tuple[Line, ...]
    kept: tuple[Line, ...]


def measure_datasets(
    seed: int = 0, networks: int = 100, report: Callable[[str, int, int], None] = lambda *_: None
) -> DatasetShares:
    """Train `networks` Gaussian ReLU networks for each n and kind of input, 24 steps.

    `kept` is about as many others whose units stay on their sides of x_1, so that n alone can break Theorem 3; they
    count if its hypotheses hold at x_1: τ(δ⁰) < τ(x_1), L_x > H_x, ℓ'_1 > 0 and Eq. 12.
    """
    sources = Sources.load()
    first, whole, kept = [], [], []
    for kind, name in enumerate(KINDS):
        at_first: list[Array] = []
        after: list[Array] = []
        verdicts: list[list[bool]] = []
        for i, n in enumerate(SET_SIZES):
            report("data sets", kind * len(SET_SIZES) + i, len(KINDS) * len(SET_SIZES))
            runs = _runs(seed, kind, n, networks, sources, kept=False)
            at_first.append(np.array([_left_out(run, 1) for run in runs]))
            after.append(np.array([_left_out(run, run.steps) for run in runs]))
            runs = _runs(seed, kind, n, networks, sources, kept=True)
            verdicts.append([_stays_below(run) for run in runs if _premises(run)])
        others = np.array(SET_SIZES[1:]) - 1.0
        first.append(_root_mean_square(name, others, at_first[1:]))
        whole.append(_median(name, others, after[1:]))
        kept.append(_shares(name, np.array(SET_SIZES, dtype=float), verdicts))
    return DatasetShares(tuple(first), tuple(whole), tuple(kept))


def _runs(seed: int, kind: int, n: int, networks: int, sources: Sources, *, kept: bool) -> list[DatasetSample]:
    drawn: list[DatasetSample] = []
    index = 0
    while len(drawn) < networks:
        rng = np.random.default_rng([seed, 77, n, index])
        index += 1
        run = dataset_run(rng, False, sources, n=n, kept=kept)
        if run is not None and (run.source == POWER_LAW) == (kind == 0) and not run.trajectory.diverged:
            drawn.append(run)
    return drawn


def _left_out(run: DatasetSample, steps: int) -> float:
    """‖Σ_{i>1} q_i x_i‖/‖q_1 x_1‖ after some steps, q_1 = Σ|rate|: relative error of the single-sample closed form."""
    rates, inputs = run.rates[:steps], run.training.inputs
    own = float(np.abs(rates[:, 0]).sum()) * float(np.linalg.norm(inputs[0]))
    return float(np.linalg.norm(rates[:, 1:].sum(axis=0) @ inputs[1:])) / own if own > 0 else np.nan


def _premises(run: DatasetSample) -> bool:
    p = run.start
    held = p.tau < p.input_tau and p.input_low > p.input_high and p.eq12_margin > 0 and run.drive[0] > 0
    return bool(held and run.first_crossing > run.steps)


def _stays_below(run: DatasetSample) -> bool:
    p = run.planes
    return bool((ratio(np.asarray(p.low_energy), np.asarray(p.high_energy)) < run.start.input_tau).all())


def measure_kinks(
    seed: int = 0, networks: int = 200, report: Callable[[str, int, int], None] = lambda *_: None
) -> Line:
    """The jumps' square across x over ĝ⁰'s, at κ = 2, for each width; slope of its mean against m."""
    sources, found = Sources.load(), []
    for i, width in enumerate(WIDTHS):
        report("kinks", i, len(WIDTHS))
        runs = (
            kink_run(np.random.default_rng([seed, 78, width, k]), False, sources, width=width, kappa=KAPPA)
            for k in range(networks)
        )
        found.append([across_share(run) for run in runs if run is not None])
    at, mean = np.array(WIDTHS, dtype=float), np.array([np.mean(v) for v in found])
    error = np.array([np.std(v, ddof=1) / np.sqrt(len(v)) for v in found])
    counts = np.array([len(v) for v in found])
    return Line("measured", at, mean, mean - Z95 * error, mean + Z95 * error, counts, _slope(at, mean, error / mean))


def _slope(at: Array, mean: Array, relative: Array) -> tuple[float, float, float]:
    """Weighted least squares of ln(mean) against ln(at), with its 95 % interval."""
    x, y, w = np.log(at), np.log(mean), 1 / relative**2
    centred = x - (w @ x) / w.sum()
    slope = float((w * centred) @ y / ((w * centred) @ centred))
    half = Z95 / float(np.sqrt((w * centred) @ centred))
    return slope, slope - half, slope + half


def _root_mean_square(name: str, at: Array, found: Sequence[Array]) -> Line:
    mean = np.array([np.nanmean(v**2) for v in found])
    error = np.array([np.nanstd(v**2, ddof=1) / np.sqrt(v.size) for v in found])
    low, high = (np.sqrt(np.maximum(mean + k * Z95 * error, 0.0)) for k in (-1, 1))
    counts = np.array([v.size for v in found])
    return Line(name, at, np.sqrt(mean), low, high, counts, _slope(at, np.sqrt(mean), error / mean / 2))


def _median(name: str, at: Array, found: Sequence[Array]) -> Line:
    middle, low, high = np.array([median_interval(v[np.isfinite(v)]) for v in found]).T
    counts = np.array([np.isfinite(v).sum() for v in found])
    return Line(name, at, middle, low, high, counts, _slope(at, middle, np.log(high / low) / (2 * Z95)))


def _shares(name: str, at: Array, verdicts: Sequence[Sequence[bool]]) -> Line:
    bounds = np.array([wilson(sum(v), len(v)) for v in verdicts])
    share = np.array([np.mean(v) for v in verdicts])
    return Line(name, at, share, bounds[:, 0], bounds[:, 1], np.array([len(v) for v in verdicts]))


# Drawing -------------------------------------------------------------------------------------------------------------


def plot_datasets(data: DatasetShares) -> Figure:
    """Left: the single-sample closed form's error against n - 1; right: share with Theorem 3's conclusion against n."""
    with rc_context(STYLE):
        figure = new_figure(9.6, 4.2)
        left, right = figure.subplots(1, 2)
        for lines, what, dashes, fill in (
            (data.first, "first step", "-", "full"),
            (data.whole, "training", "--", "none"),
        ):
            for line, (colour, mark) in zip(lines, LOOKS, strict=True):
                assert line.slope is not None
                slope = f"{line.slope[0]:.2f} [{line.slope[1]:.2f}, {line.slope[2]:.2f}]"
                _with_interval(left, line, colour, mark, dashes, f"{line.name}, {what}: slope {slope}", fill)
        at = data.first[0].at
        left.plot(at, 0.4 * np.sqrt(at), color=GREY, linestyle=":", label="slope 1/2")
        left.set_xscale("log", base=2)
        left.set_yscale("log")
        left.set_xlabel("other samples, n - 1")
        left.set_ylabel("moved by the others / by x₁")
        left.set_title("What single-sample theory leaves out of g(x₁)")
        left.legend(loc="upper left")
        left.set_ylim(top=12 * max(line.high.max() for line in data.first))
        for line, (colour, mark) in zip(data.kept, LOOKS, strict=True):
            _with_interval(right, line, colour, mark, "-", f"{line.name} ({line.n.min()} to {line.n.max()} networks)")
        right.set_xscale("log", base=2)
        right.set_xticks(SET_SIZES, [str(n) for n in SET_SIZES])
        right.minorticks_off()
        right.set_ylim(0, 1.05)
        right.set_xlabel("samples, n")
        right.set_ylabel("share of networks")
        right.set_title("Theorem 3 at x₁: τ(δ) < τ(x₁) throughout, no kinks crossed")
        right.legend(loc="lower left")
    return figure


def plot_kinks(line: Line) -> Figure:
    """The jumps' share of ĝ, squared, against the width, beside the law Φ(κ/√m) - 1/2."""
    assert line.slope is not None
    with rc_context(STYLE):
        figure = new_figure(4.6, 3.4)
        axes = figure.subplots()
        slope = f"slope {line.slope[0]:.2f} [{line.slope[1]:.2f}, {line.slope[2]:.2f}]"
        _with_interval(axes, line, BLUE, "o", "", f"measured ({line.n.min()} networks each): {slope}")
        at = np.geomspace(line.at[0], line.at[-1], 100)
        law = [2 * died(KAPPA / float(np.sqrt(m))) for m in at]
        axes.plot(at, law, color=GREY, linestyle="-", label=f"Φ(κ/√m) - 1/2, κ = {KAPPA:g}: slope → -1/2")
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        axes.set_xticks(WIDTHS, [str(m) for m in WIDTHS])
        axes.set_xlabel("width m")
        axes.set_yticks(SHARES, [f"{share:g}" for share in SHARES])
        axes.set_ylim(0.011, 0.3)
        axes.set_ylabel("‖jumps‖² / ‖g⁰‖², across x")
        axes.minorticks_off()
        axes.set_title("What dying ReLU units take out of g")
        axes.legend(loc="lower left")
    return figure


def _with_interval(
    axes: object, line: Line, colour: str, mark: str, dashes: str, label: str, fill: str = "full"
) -> None:
    axes.errorbar(  # type: ignore[attr-defined]
        line.at,
        line.mean,
        yerr=(line.mean - line.low, line.high - line.mean),
        color=colour,
        marker=mark,
        markersize=4,
        fillstyle=fill,
        linestyle=dashes,
        linewidth=1.2,
        capsize=2,
        label=label,
    )
