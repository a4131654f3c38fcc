"""Figs. 4, 8, 10 and 12 have one shape: parts, a verdict over all their directions, a picture, tables and maps."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from deep_check.experiments import concentration, log_difference
from deep_check.experiments.context import Context
from deep_check.experiments.perturbations import Settings
from deep_check.experiments.results import Finding, verdict
from theory_sim.files import replacing


def judge(
    claim: str,
    statement: str,
    tested: str,
    modulus: concentration.Measurement | None,
    difference: log_difference.Measurement | None,
) -> Finding:
    """The row of the ledger: all directions of the parts that are given must hold."""
    given: tuple[tuple[Any, Any], ...] = ((concentration, modulus), (log_difference, difference))
    parts = [(module, part) for module, part in given if part is not None]
    directions = tuple(one for module, part in parts for one in module.directions(part))
    beside = tuple(one for module, part in parts for one in module.beside(part))
    effects = tuple(one for module, part in parts for one in module.effects(part))
    part = parts[0][1]
    return Finding(
        claim, claim.removeprefix("fig"), statement, tested, verdict(directions), part.n, (*directions, *beside),
        " ".join(module.conclusion(part) for module, part in parts),
        part.settings.as_parameters(part.n), effects,
    )  # fmt: skip


def run_for(
    context: Context,
    claim: str,
    role: str,
    statement: str,
    tested: str,
    settings: Settings,
    *,
    spectrum: bool = True,
    difference: bool = True,
    logarithmic: bool = False,
) -> Finding:
    """Measure, judge, draw for a network; spectrum, difference: the parts; logarithmic: how |F(δ)| is drawn."""
    modulus = concentration.measure(context, role, settings) if spectrum else None
    gap = log_difference.measure(context, role, settings) if difference else None
    row = judge(claim, statement, tested, modulus, gap)
    title = title_of(context, role, settings, row.n)
    return replace(row, pictures=save(context, claim, modulus, gap, title, logarithmic=logarithmic))


def save(
    context: Context,
    name: str,
    modulus: concentration.Measurement | None,
    difference: log_difference.Measurement | None,
    title: str,
    *,
    logarithmic: bool = False,
) -> tuple[str, ...]:
    """Write the picture, its curves NAME-spectrum.csv and NAME-difference.csv, its maps NAME-maps.npz.

    Returns the names of the picture's files.
    """
    from deep_check.experiments.mean_spectra_picture import draw

    maps: dict[str, Any] = {}
    if modulus is not None:
        context.save_table(f"{name}-spectrum", concentration.table(modulus))
        maps |= {f"spectrum, {of}": one.maps.mean(axis=0) for of, one in modulus.moduli.items()}
    if difference is not None:
        context.save_table(f"{name}-difference", log_difference.table(difference))
        maps |= {f"difference, {of}": np.nanmean(one.measured, axis=0) for of, one in difference.differences.items()}
    path = context.path(f"{name}-maps.npz")
    with replacing([path]) as (fresh,), fresh.open("wb") as file:
        np.savez_compressed(file, **maps)
    return context.save_pictures(name, draw(modulus, difference, title, logarithmic=logarithmic))


def title_of(context: Context, role: str, settings: Settings, n: int) -> str:
    """What is measured on what, over the picture."""
    attack = settings.attack
    return (
        f"{context.weights_file(role).name}, {n:,} random CIFAR-10 test images; PGD {attack.norm}, radius "
        f"{_fraction(attack.radius)}, {attack.steps} steps of {_fraction(attack.step_size)}, {attack.start} start"
    )


def _fraction(value: float) -> str:
    """A number of 255ths as such."""
    parts = value * 255
    return f"{round(parts)}/255" if abs(parts - round(parts)) < 1e-9 else f"{value:.3g}"
