"""The terminal's view of one run: a table of steps, the predictions' errors, and what the theorems say."""

from __future__ import annotations

import math
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

MISSING = "–"


def short(value: Any) -> str:
    """A number in at most 7 characters, "–" for None."""
    if value is None:
        return MISSING
    if isinstance(value, str):
        return "∞" if value == "inf" else value
    if value == 0 or 1e-2 <= abs(value) < 999.5:
        return f"{value + 0.0:.3g}"  # -0.0 is 0
    if 999.5 <= abs(value) < 1e5:
        return f"{value:.0f}"
    digits = 1 if 1e-99 < abs(value) < 1e99 else 0
    mantissa, _, exponent = f"{value:.{digits}e}".partition("e")
    return f"{mantissa}e{int(exponent)}"


def print_run(console: Console, summary: dict[str, Any]) -> None:
    """Print a summary made by `summarise`."""
    console.print(_steps(summary["rows"]))
    console.print(_errors(summary))
    console.print(_pairs(summary["theorem2"]))
    for title, lines in _blocks(summary):
        console.print(f"[bold]{title}[/bold]")
        for line in lines:
            console.print(f"  {line}", highlight=False)


def _table(title: str, columns: list[str]) -> Table:
    table = Table(
        title=title, box=box.SIMPLE_HEAD, title_justify="left", title_style="bold", padding=(0, 1, 0, 0), pad_edge=False
    )
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    return table


def _steps(rows: list[dict[str, Any]]) -> Table:
    columns = {
        "step": "t", "tau": "τ", "low_energy": "L", "high_energy": "H", "low_cross": "Δτ_l", "high_cross": "Δτ_h",
        "drive": "drive", "decay": "decay", "residual": "ℓ'", "crossings": "kinks",
    }  # fmt: skip
    table = _table("The explicit run", list(columns.values()))
    for row in rows:
        table.add_row(*[str(row[name]) if name in ("step", "crossings") else short(row[name]) for name in columns])
    return table


def _errors(summary: dict[str, Any]) -> Table:
    names = list(summary["predictions"])
    titles = {
        "eq8": "Eq. 8", "printed": "13-14 printed", "corrected": "13-14 corrected", "closed_form": "closed\nform",
        "rebased": "re-based", "eq8_ntk": "Eq. 8\nkernel",
    }  # fmt: skip
    table = _table("Predicted minus explicit τ", ["t", "τ", *[titles[name] for name in names]])
    for row in summary["rows"]:
        table.add_row(str(row["step"]), short(row["tau"]), *[short(row["tau_error"][name]) for name in names])
    return table


def _pairs(pairs: list[dict[str, Any]]) -> Table:
    title = "Theorem 2: R_k > R_k' is kept before t0; step at which it is lost"
    table = _table(title, ["k", "k'", "bound t0", "lost, closed form", "lost, run", "bound kept"])
    for pair in pairs:
        bound, observed = (float("nan" if pair[name] is None else pair[name]) for name in ("t0", "observed"))
        kept = MISSING if math.isnan(bound) else "no" if observed < bound else "yes"
        numbers = [short(pair[name]) for name in ("t0", "predicted", "observed")]
        table.add_row(f"{pair['frequency']:.4g}", f"{pair['low_frequency']:.4g}", *numbers, kept)
    return table


def _blocks(summary: dict[str, Any]) -> list[tuple[str, list[str]]]:
    """Title and lines of every block below the tables."""
    return [
        ("Run", _run_lines(summary)),
        ("Predictions", _prediction_lines(summary)),
        ("Theorem 1", _theorem1_lines(summary)),
        ("Theorem 3", _theorem3_lines(summary)),
        *([("Attack", _attack_lines(summary))] if summary["attack"] else []),
    ]


def _run_lines(summary: dict[str, Any]) -> list[str]:
    c, start, run = summary["configuration"], summary["start"], summary["run"]
    source = f"power law α = {c['alpha']:g}" if c["source"] == "power-law" else f"{c['source']} of {c['picture']}"
    dim = f"{c['tile_size']}x{c['tile_size']}" if c["source"] == "tiles" else str(c["dim"])
    lines = [
        f"{source}, d = {dim}, width {c['width']}, {c['activation']}, cut-off {c['cutoff']:g}, seed {c['seed']}",
        f"η = {short(start['learning_rate'])}, r = η‖a'‖²‖x‖² = {short(start['relative_rate'])}, "
        f"y = {short(start['label'])}, ℓ' = {short(start['residual_at_start'])} at the start",
        f"τ: {short(run['tau_start'])} → {short(run['tau_end'])}, τ(x) = {short(run['input_tau'])}",
    ]
    if run["diverged"]:
        lines.append(f"[bold]diverged: last finite step {run['last_finite_step']} of {run['n_steps']}[/bold]")
    elif run["settled_step"] < run["n_steps"]:
        lines.append(f"converged at step {run['settled_step']}; bounds are judged up to there")
    if run["tau_end"] is None:
        lines.append("[bold]the gradient vanished (no active unit is left): τ is undefined from there on[/bold]")
    if not run["positive_drive"]:
        lines.append("the drive is not positive at every step (f < y): the theorems assume f > y")
    return lines


def _prediction_lines(summary: dict[str, Any]) -> list[str]:
    run = summary["run"]
    lines = []
    if summary["configuration"]["activation"] == "relu":
        if run["first_crossing"] is None:
            lines.append("no unit crossed its kink: Eq. 8 is exact for the whole run")
        else:
            lines.append(
                f"{run['crossings']} kink crossings: Eq. 8 and its closed form are exact before the first one at step "
                f"{run['first_crossing']:.0f}"
            )
    else:
        lines.append("smooth activation: Eq. 8 replaces every unit's rate by the mean, an error of first order in η")
    for prediction in summary["predictions"].values():
        worst, before = prediction["worst_tau_error"], prediction["worst_tau_error_before_crossing"]
        line = f"{prediction['title']}: worst |τ error| {short(worst)} at step {prediction['worst_step']}"
        if run["first_crossing"] is not None and summary["configuration"]["activation"] == "relu":
            line += f", {short(before)} before the first crossing"
        lines.append(line)
    return lines


def _theorem1_lines(summary: dict[str, Any]) -> list[str]:
    t = {name: short(value) for name, value in summary["theorem1"].items()}
    return [
        f"Δτ_l > Δτ_h after t0: printed {t['t0_printed']}, corrected {t['t0_corrected']}, seen {t['t0_observed']}",
        f"τ rises from t1 on: closed form {t['t1_predicted']}, seen {t['t1_observed']}",
    ]


def _theorem3_lines(summary: dict[str, Any]) -> list[str]:
    theorem, run = summary["theorem3"], summary["run"]
    holds = "holds" if theorem["eq12_holds"] else "fails"
    passed = theorem["passes_input_tau"]
    below = "τ stays below τ(x)" if passed is None else f"τ > τ(x) first at step {passed:.0f}"
    if run["tau_start"] is not None and run["tau_start"] >= run["input_tau"]:
        return [f"τ starts above τ(x): the theorem claims nothing; Eq. 12 {holds}"]
    return [f"Eq. 12 {holds} (margin {short(theorem['eq12_margin'])}); {below}"]


def _attack_lines(summary: dict[str, Any]) -> list[str]:
    c, found = summary["configuration"], {name: short(value) for name, value in summary["attack"].items()}
    name = c["attack"].upper()
    if c["attack"] == "pgd":
        name += f", {c['attack_step']} steps in the {c['attack_ball']} ball, {c['attack_start']} start"
    return [
        f"{name}, ε = {c['attack_radius']:g}",
        f"τ(δ): {found['attack_tau_start']} before training, {found['attack_tau_final']} after",
        f"rise of the loss: {found['attack_loss_start']} before training, {found['attack_loss_final']} after",
    ]
