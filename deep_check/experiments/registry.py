"""The experiments by id [MATH.md, section 3]: one line each, in a file of the same name with `run(context)`.

A file `deep_check/experiments/ID.py` has, beside `run(context: Context) -> Finding`: the statement and what is tested
as constants, `measure(...)`, and `judge(...) -> Finding`.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

from deep_check.experiments.context import Context
from deep_check.experiments.manifest import code_of
from deep_check.experiments.results import Finding
from theory_sim.errors import InputError


@dataclass(frozen=True)
class Experiment:
    """id: as in MATH.md; needs: roles of the networks it measures; title: for who waits.

    observations: names of the files of a training run that its numbers come from, beside the weights.
    """

    id: str
    needs: tuple[str, ...]
    title: str
    observations: tuple[str, ...] = ()

    @property
    def module(self) -> str:
        """Where it lives."""
        return f"deep_check.experiments.{self.id}"

    @property
    def code(self) -> str:
        """Digest of the code behind its numbers: what other code has measured is measured again."""
        return code_of(f"experiments.{self.id}")

    @property
    def run(self) -> Callable[[Context], Finding]:
        """Measure, judge, draw."""
        found: Callable[[Context], Finding] = import_module(self.module).run
        return found


EXPERIMENTS = {
    experiment.id: experiment
    for experiment in (
        Experiment("fig1", ("normal",), "the pipeline in pictures"),
        Experiment("fig2", ("normal",), "the low-frequency ratio along normal training", ("observed",)),
        Experiment("fig3", ("normal",), "ten images and the spectra of their perturbations"),
        Experiment("fig4", ("normal",), "mean spectrum and mean log-spectrum difference"),
        Experiment("fig5", ("normal",), "one image, its perturbation, their log-spectra"),
        Experiment("fig6", ("normal",), "accuracy against the filter's cut-off"),
        Experiment("table_accuracy", ("normal", "adversarial"), "accuracies with and without filter and attack"),
        Experiment("fig7", ("mse",), "fig. 3 with MSE loss"),
        Experiment("fig8", ("mse",), "fig. 4a with MSE loss"),
        Experiment("fig9", ("mse",), "fig. 5 with MSE loss"),
        Experiment("fig10", ("mse",), "fig. 4b with MSE loss"),
        Experiment("fig11", ("two_layer",), "the ratio along training of a two-layer network, and theory's",
                   ("observed", "predicted")),
        Experiment("fig12", ("two_layer",), "mean spectra of a two-layer network"),
        Experiment("fig13", ("normal", "adversarial"), "the ratio after adversarial training"),
    )
}  # fmt: skip


def choose(names: str | None) -> list[Experiment]:
    """Experiments by comma-separated ids, in this order; None: all. InputError names near ids."""
    if names is None:
        return list(EXPERIMENTS.values())
    wanted = [name.strip() for name in names.split(",")]
    for name in wanted:
        if name not in EXPERIMENTS:
            near = difflib.get_close_matches(name, EXPERIMENTS, n=3) or list(EXPERIMENTS)
            raise InputError(f"unknown experiment {name!r}: allowed are ids of figures, near: {', '.join(near)}")
    return [experiment for name, experiment in EXPERIMENTS.items() if name in wanted]
