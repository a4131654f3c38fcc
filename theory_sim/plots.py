"""The picture of one training run, drawn from the Dataset of `theory_sim.simulation` alone."""

from __future__ import annotations

import math
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator
from numpy.typing import NDArray

from theory_sim.picture_style import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    RED,
    SKY,
    STYLE,
    WIDE_RANGE,
    YELLOW,
    new_figure,
    save_figure,
)

Array = NDArray[np.float64]
PREDICTIONS: dict[str, tuple[str, Any, str]] = {  # colour, dashes, legend
    "eq8": (BLUE, "--", "Eq. 8"),
    "printed": (RED, ":", "Eqs. 13–14 as printed"),
    "corrected": (GREEN, "-.", "Eqs. 13–14 corrected"),
    "closed_form": (PURPLE, (0, (6, 2)), "closed form from t = 0"),
    "rebased": (ORANGE, (0, (2, 2)), "closed form, re-based"),
    "eq8_ntk": (ORANGE, (0, (2, 2)), "Eq. 8 corrected (kernel)"),
}
RATIO_COLOURS = (BLACK, ORANGE, SKY, GREEN, RED)
BANDS = ("low", "high")
MAX_COLUMNS = 1000  # of the heat map: more steps than pixels are thinned out
FEW_STEPS = 30  # up to here every step gets a marker


def save_run_plot(dataset: xr.Dataset, path: Path) -> None:
    """Draw `plot_run` to a PNG, PDF or SVG file, by the suffix. Raises OSError if it cannot be written."""
    save_figure(plot_run(dataset), path)


def plot_run(dataset: xr.Dataset) -> Figure:
    """Four panels of one run: τ(t), its spectrum, R_k, and the path in the plane of the band energies."""
    with rc_context(STYLE):
        figure = new_figure(13.5, 10)
        panels = figure.subplots(2, 2)
        figure.suptitle(_title(dataset), fontsize=10, x=0.01, ha="left")
        _draw_tau(panels[0, 0], dataset)
        _draw_spectrum(panels[0, 1], dataset)
        _draw_ratios(panels[1, 0], dataset)
        _draw_plane(panels[1, 1], dataset)
        return figure


def _configuration(dataset: xr.Dataset) -> dict[str, Any]:
    return tomllib.loads(dataset.attrs["configuration"])


def _title(dataset: xr.Dataset) -> str:
    c, attrs = _configuration(dataset), dataset.attrs
    kind = f"power law α = {c['alpha']:g}" if c["source"] == "power-law" else f"picture {c['source']}"
    dim = f"{c['tile_size']}×{c['tile_size']}" if c["source"] == "tiles" else str(c["dim"])
    activation = c["activation"] if c["activation"] == "relu" else f"{c['activation']} (b = {c['sharpness']:g})"
    residual = "f − y" if c["loss"] == "mse" else "ℓ′"
    parts = [
        kind,
        f"d = {dim}",
        f"width {c['width']}",
        activation,
        f"$k_c$ = {c['cutoff']:g}",
        f"r = η‖a′‖²‖x‖² = {attrs['relative_rate']:.4g}",
        f"{residual} = {attrs['residual_at_start']:.4g} at the start",
        f"seed {c['seed']}",
    ]
    lines = ["  ·  ".join(parts)]
    finite = int(attrs["last_finite_step"])
    if attrs["diverged"]:
        lines.append(f"DIVERGED: last finite step {finite} of {c['n_steps']}")
    elif _last_gradient(dataset) < finite:
        lines.append(f"GRADIENT VANISHED at step {_last_gradient(dataset) + 1}: no active unit is left")
    elif attrs["settled_step"] < finite:
        lines.append(f"settled at step {attrs['settled_step']}")
    if _last(dataset) < finite:
        lines[-1] += f"; of {c['n_steps']} steps the first {_last(dataset)} are shown"
    return "\n".join(lines)


def _last(dataset: xr.Dataset) -> int:
    """The last step to show: what follows long after training settled or the gradient vanished is one flat line."""
    finite = int(dataset.attrs["last_finite_step"])
    end = min(int(dataset.attrs["settled_step"]), _last_gradient(dataset))
    return min(finite, max(math.ceil(1.25 * end), 10))


def _last_gradient(dataset: xr.Dataset) -> int:
    """The last step with a gradient other than zero."""
    energy = (dataset["low_energy"] + dataset["high_energy"]).values
    return int(np.flatnonzero(energy > 0)[-1])


def _step_axis(axes: Axes, dataset: xr.Dataset) -> None:
    axes.set_xlim(0, max(_last(dataset), 1))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    axes.set_xlabel("training step t")


def _draw_tau(axes: Axes, dataset: xr.Dataset) -> None:
    """(a) explicit τ(t) against the predictions, t₀, t₁ and τ(x)."""
    last = _last(dataset)
    step = dataset["step"].values[: last + 1]
    few = "o" if last <= FEW_STEPS else None
    tau = dataset["tau"].values[: last + 1]
    axes.plot(step, tau, color=BLACK, lw=3.2, marker=few, alpha=0.85, label="explicit run", zorder=2)
    names = [str(name) for name in dataset["prediction"].values]
    for name in names:
        if name == "closed_form" and "rebased" not in names:
            continue  # with q from the run it is the very line of Eq. 8
        colour, dashes, label = PREDICTIONS[name]
        values = dataset["predicted_tau"].sel(prediction=name).values[: last + 1]
        axes.plot(
            step, np.where((values >= 0) & (values <= 1), values, np.nan), color=colour, ls=dashes, lw=1.6, label=label
        )
    input_tau = float(dataset["input_tau"])
    axes.axhline(input_tau, color=GREY, lw=1, ls=(0, (8, 3)), zorder=1)
    lowest = np.nanmin(dataset["tau"].values)
    top = max(input_tau, float(np.nanmax(dataset["tau"].values)))
    axes.set_ylim(
        max(0.0, lowest - 0.06 * (top - lowest)) if lowest > 0.2 else 0, min(1.02, top + 0.1 * (top - lowest))
    )
    axes.annotate("τ(x)", (1, input_tau), xycoords=("axes fraction", "data"), xytext=(3, 0), textcoords="offset points",
                  va="center", color=GREY)  # fmt: skip
    _mark_steps(axes, dataset)
    _mark_crossings(axes, dataset)
    _step_axis(axes, dataset)
    axes.set_ylabel("low frequency ratio τ(δ ∈ $S_l$)")
    axes.set_title("(a) low frequency ratio of the perturbation")
    _legend_below(axes, 3)


def _mark_steps(axes: Axes, dataset: xr.Dataset) -> None:
    """Vertical lines at t₀ and t₁, observed and predicted, with their steps in the legend."""
    last = _last(dataset)
    for name, label, colour, dashes in (
        ("t0_observed", "$t_0$ observed", BLACK, (0, (1, 1))),
        ("t0_corrected", "$t_0$ bound, corrected", GREEN, (0, (1, 1))),
        ("t0_printed", "$t_0$ bound, printed", RED, (0, (1, 1))),
        ("t1_observed", "$t_1$ observed", BLACK, "-"),
        ("t1_predicted", "$t_1$ predicted", PURPLE, "-"),
    ):
        at = float(dataset[name])
        if 0 <= at <= last:
            axes.axvline(at, color=colour, lw=1.3, ls=dashes, alpha=0.8, zorder=1, label=f"{label}: {at:.4g}")


def _mark_crossings(axes: Axes, dataset: xr.Dataset) -> None:
    """Ticks on the lower edge at every step that follows a kink crossing."""
    steps = np.flatnonzero(np.diff(dataset["crossings"].values[: _last(dataset) + 1])) + 1
    if steps.size and _configuration(dataset)["activation"] == "relu":  # a smooth activation has no kink
        axes.plot(
            steps, np.full(steps.size, 0.012), "|", color=GREY, ms=6, mew=0.8, transform=axes.get_xaxis_transform(),
            label=f"kink crossings: {int(dataset['crossings'].values[_last(dataset)])}", zorder=1,
        )  # fmt: skip


def _legend_below(axes: Axes, columns: int) -> None:
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=columns, handlelength=2.6, columnspacing=1.2)


def _draw_spectrum(axes: Axes, dataset: xr.Dataset) -> None:
    """(b) log power over step and |k|; bins of one image are averaged over rings of width 1."""
    last = _last(dataset)
    columns = np.unique(np.linspace(0, last, min(last + 1, MAX_COLUMNS)).round().astype(int))
    power, frequency = _rings(dataset["gradient_power"].values[columns], dataset["frequency"].values)
    with np.errstate(divide="ignore"):
        log_power = np.where(power > 0, np.log10(np.where(power > 0, power, 1.0)), np.nan)
    edges = np.append(columns - 0.5, last + 0.5) if last else np.array([-0.5, 0.5])
    finite = log_power[np.isfinite(log_power)]
    low, high = np.percentile(finite, [1, 99.8]) if finite.size else (0.0, 1.0)
    k_edges = np.append(frequency - 0.5, frequency[-1] + 0.5)
    mesh = axes.pcolormesh(
        edges, k_edges, log_power.T, cmap="viridis", norm=Normalize(low, max(high, low + 1e-9)), rasterized=True
    )
    bar = axes.figure.colorbar(mesh, ax=axes, pad=0.02, extend="both")
    bar.set_label("$\\log_{10}$ |ĝ[k]|² (" + dataset["gradient_power"].attrs["units"].removeprefix("squared ") + ")")
    _frequency_axis(axes, frequency)
    cutoff = _cutoff(dataset)
    axes.axhline(cutoff + 0.5, color="white", lw=3)
    axes.axhline(cutoff + 0.5, color=RED, lw=1.6, ls="--")
    outline = [withStroke(linewidth=2, foreground=BLACK)]
    axes.annotate("$k_c$", (0, cutoff + 0.5), xycoords=("axes fraction", "data"), xytext=(4, 3), va="bottom",
                  textcoords="offset points", color="white", path_effects=outline)  # fmt: skip
    _step_axis(axes, dataset)
    axes.set_xlim(edges[0], edges[-1])
    axes.set_ylabel(f"frequency |k| ({dataset['frequency'].attrs['units']})")
    axes.set_title("(b) power of the input gradient, low band below the dashed line")


def _cutoff(dataset: xr.Dataset) -> float:
    """Largest whole frequency of the low band."""
    return float(math.floor(_configuration(dataset)["cutoff"]))


def _rings(power: Array, frequency: Array) -> tuple[Array, Array]:
    """(steps, n_bins) -> mean over bins of equal rounded |k|, and those |k|."""
    ring = np.rint(frequency).astype(int)
    kept = np.unique(ring)
    if len(kept) == len(frequency):
        return power, frequency
    return np.stack([power[:, ring == k].mean(axis=1) for k in kept], axis=1), kept.astype(float)


def _frequency_axis(axes: Axes, frequency: Array) -> None:
    """Logarithmic from |k| = 1 on where there are many, so that the low band can be seen."""
    top = frequency[-1]
    axes.set_ylim(-0.5, top + 0.5)
    if top <= 24:
        axes.yaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
        return
    axes.set_yscale("symlog", linthresh=1.0, linscale=0.5)
    ticks = [0, *(2**i for i in range(int(math.log2(top)) + 1))]
    axes.yaxis.set_major_locator(FixedLocator(ticks))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_ylim(-0.5, top + 0.5)


def _draw_ratios(axes: Axes, dataset: xr.Dataset) -> None:
    """(c) R_k of the frequencies of Theorem 2's pairs."""
    last = _last(dataset)
    step = dataset["step"].values[: last + 1]
    frequency, ratio = dataset["frequency"].values, dataset["spectral_ratio"].values[: last + 1]
    ratio = np.where(ratio > 0, ratio, np.nan)  # a vanished gradient has no place on a log scale
    pairs = list(zip(dataset["pair_bin"].values, dataset["pair_low_bin"].values, strict=True))
    bins = sorted({int(b) for pair in pairs for b in pair if b > 0}, key=lambda b: frequency[b])
    for colour, b in zip(RATIO_COLOURS, bins, strict=False):
        axes.plot(step, ratio[:, b], color=colour, lw=1.8, label=f"|k| = {frequency[b]:.4g}")
    _mark_orders(axes, dataset, bins, ratio)
    positive = ratio[:, bins][ratio[:, bins] > 0] if bins else np.array([])
    if positive.size and positive.max() > 20 * positive.min():
        axes.set_yscale("log")
    _step_axis(axes, dataset)
    axes.set_ylabel("$R_k$ = |ĝ[k]| / |x̂[k]|")
    axes.set_title("(c) gradient over input, frequency by frequency")
    if bins:
        _legend_below(axes, 4)
    else:
        axes.text(0.5, 0.5, "x̂[k] ≠ 0 at fewer than two |k| > 0", ha="center", transform=axes.transAxes)


def _mark_orders(axes: Axes, dataset: xr.Dataset, bins: list[int], ratio: Array) -> None:
    """Markers on the lower curve of each pair k > k' at its t₀ and where its order is lost, named "k, k>k'"."""
    frequency = dataset["frequency"].values
    for name, marker, filled, label in (
        ("order_t0", "D", False, "bound $t_0$ of Eq. 11"),
        ("order_predicted", "s", False, "order lost, closed form"),
        ("order_observed", "X", True, "order lost, run"),
    ):
        higher: dict[tuple[int, float], list[str]] = {}
        for k, k_low, at in zip(
            dataset["pair_bin"].values, dataset["pair_low_bin"].values, dataset[name].values, strict=True
        ):
            if 0 <= at < len(ratio):
                higher.setdefault((int(k_low), float(at)), []).append(f"{frequency[k]:.3g}")
        for i, ((k_low, at), names) in enumerate(higher.items()):
            where = (at, float(np.interp(at, np.arange(len(ratio)), ratio[:, k_low])))
            face = RATIO_COLOURS[bins.index(k_low)] if filled else "white"
            axes.plot(*where, marker, ms=7, mec=BLACK, mew=0.9, mfc=face, zorder=4, label=None if i else label)
            axes.annotate(
                f"{', '.join(names)}>{frequency[k_low]:.3g}", where, xytext=(6, -9), textcoords="offset points",
                fontsize=6.5, zorder=5, path_effects=[withStroke(linewidth=2, foreground="white")],
            )  # fmt: skip


def _draw_plane(axes: Axes, dataset: xr.Dataset) -> None:
    """(d) the path in the plane of band energies, where rays from the origin are lines of equal τ.

    Energies that span several powers of ten (a diverging run) are drawn as logarithms, the rays as parallels.
    """
    last = _last(dataset)
    scale = float(dataset["low_energy"][0] + dataset["high_energy"][0])
    names = [str(name) for name in dataset["prediction"].values]
    name = "closed_form" if "rebased" in names else "eq8"
    own = [dataset[f"{part}_energy"].values[: last + 1] / scale for part in BANDS]
    foreseen = [dataset[f"predicted_{part}_energy"].sel(prediction=name).values[: last + 1] / scale for part in BANDS]
    wide = any(np.nanmax(v) > WIDE_RANGE * np.nanmin(v[v > 0]) for v in own)
    show = _log10 if wide else np.asarray
    low, high = (show(v) for v in own)
    colour, dashes, label = PREDICTIONS[name]
    points = axes.scatter(low, high, c=np.arange(last + 1), cmap="plasma", s=14, zorder=3, linewidths=0)
    axes.plot(low, high, color=BLACK, lw=0.8, zorder=2, label="explicit run")
    axes.plot(*(show(v) for v in foreseen), color=colour, ls=dashes, lw=1.6, zorder=2, label=label)
    axes.plot(low[0], high[0], "o", ms=7, mfc="white", mec=BLACK, mew=1.5, zorder=6, label="start")
    for at, what in _turns(dataset):
        axes.plot(*(show(np.asarray(v) / scale) for v in at), "*", ms=14, mfc=YELLOW, mec=BLACK, zorder=5, label=what)
    for limit, values, predicted in ((axes.set_xlim, low, foreseen[0]), (axes.set_ylim, high, foreseen[1])):
        bottom = float(np.nanmin(values)) if wide else 0.0
        top = _reach(values, show(predicted), bottom)
        limit(bottom - 0.05 * (top - bottom) * wide, top + 0.07 * (top - bottom))
    _draw_rays(axes, float(dataset["input_tau"]), wide)
    bar = axes.figure.colorbar(points, ax=axes, pad=0.06)
    bar.locator = MaxNLocator(integer=True, steps=[1, 2, 5, 10])
    bar.set_label("training step t")
    of = "log₁₀ of {} / (L + H at t = 0)" if wide else "{} / (L + H at t = 0)"
    axes.set_xlabel(of.format("low band energy L"))
    axes.set_ylabel(of.format("high band energy H"))
    axes.set_title("(d) path of the band energies; τ is constant on " + ("parallels" if wide else "rays"), pad=14)
    _legend_below(axes, 4)


def _log10(values: Array) -> Array:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(values > 0, np.log10(values), np.nan)


def _reach(own: Array, foreseen: Array, bottom: float) -> float:
    """The largest value to show: the run's, or the prediction's if that is not far beyond it."""
    largest = float(np.nanmax(own))
    beyond = float(np.nanmax(foreseen)) if np.isfinite(foreseen).any() else largest
    top = max(largest, min(beyond, bottom + 1.5 * (largest - bottom)))
    return top if top > bottom else bottom + 1.0


def _turns(dataset: xr.Dataset) -> list[tuple[tuple[float, float], str]]:
    """(L, H) of the plane where τ'(q) changes its sign, if q passes there; the first one has the label."""
    q = dataset["plane_q"].values
    out: list[tuple[tuple[float, float], str]] = []
    for root in (float(dataset["turning_q_low"]), float(dataset["turning_q_high"])):
        if np.nanmin(q) < root < np.nanmax(q):
            low, high = (
                float(dataset[f"{part}_energy"][0])
                + float(dataset[f"{part}_cross"][0]) * root
                + float(dataset[f"input_{part}"]) * root**2
                for part in BANDS
            )
            out.append(((low, high), "_nolegend_" if out else "τ′(q) changes sign"))
    return out


def _draw_rays(axes: Axes, input_tau: float, logarithmic: bool) -> None:
    """Lines L/(L+H) = const: τ(x) and a few round values, labelled where they leave the axes."""
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    # Over many powers of ten all parallels fall on one line: only that of the input is drawn.
    values = [] if logarithmic and right - left > 20 else [0.5, 0.25, 0.75, 0.1, 0.9]
    labelled: list[tuple[float, float]] = []  # where, as shares of the axes
    for value in [input_tau, *values]:
        if logarithmic and not 0 < value < 1:
            continue  # an input without one of the bands: its ray is an axis
        ours = value == input_tau
        slope = 1.0 if logarithmic else (1 - value) / value
        offset = math.log10((1 - value) / value) if logarithmic else 0.0
        style: dict[str, Any] = {"color": BLACK, "lw": 1.3, "ls": (0, (8, 3))} if ours else {"color": GREY, "lw": 0.6}
        axes.plot([left, right], [slope * left + offset, slope * right + offset], zorder=1, **style)
        at_right = slope * right + offset
        inside = at_right <= top
        at = (right, at_right) if inside else ((top - offset) / slope, top)
        share = ((at[0] - left) / (right - left), (at[1] - bottom) / (top - bottom))
        if min(share) < 0 or any(math.dist(share, other) < 0.045 for other in labelled):
            continue
        labelled.append(share)
        text = axes.annotate(
            "τ(x)" if ours else f"{value:g}", at, xytext=(3, 0) if inside else (0, 2),
            textcoords="offset points", fontsize=8, color=style["color"], va="center" if inside else "bottom",
            ha="left" if inside else "center", annotation_clip=False,
        )  # fmt: skip
        text.set_in_layout(False)  # else the layout makes room for it twice
    axes.set_xlim(left, right)
    axes.set_ylim(bottom, top)
