"""The rows of a folder's results.json: which are kept, which are measured again, and which are of another run.

A row is kept where all that decides its numbers is the same and its pictures are there. It is measured again where
only the code, the device or the observations of the training are others. Where anything else differs the folder is
refused: results of different runs are not mixed, nor overwritten by accident.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any

from deep_check.experiments.along_training import observed_file
from deep_check.experiments.context import Context, MissingError
from deep_check.experiments.differences import differences, in_one_line
from deep_check.experiments.manifest import weights_facts
from deep_check.experiments.registry import EXPERIMENTS, Experiment
from deep_check.experiments.results import Finding, read_results, write_results
from theory_sim.errors import require
from theory_sim.provenance import provenance

AGAIN = ("code", "device", "observations")  # where only these differ, a row is measured again


class Kept:
    """What is in the folder of a run already, and what is added to it."""

    def __init__(
        self, context: Context, asked: Mapping[str, Any], roles: Collection[str], used: Collection[str] | None = None
    ) -> None:
        """asked: what besides images, weights and seed decides the numbers, JSON values.

        roles: of the networks that the run may measure; rows of no other networks are no part of it and stay as they
        are. used: those of them that it does measure, if not all: weights of no others are compared. Raises InputError,
        one line, if results.json is damaged or holds a row of another run.
        """
        self.path = context.out / "results.json"
        self._context, self._asked = context, json.loads(json.dumps(dict(asked)))
        self._used = roles if used is None else used
        self._rows = {row.claim: row for row in read_results(self.path)} if self.path.exists() else {}
        for claim, row in self._rows.items():
            experiment = EXPERIMENTS.get(claim)
            if experiment is None or set(experiment.needs) & set(roles):
                self._require_same(row, experiment)

    def identity(self, experiment: Experiment) -> dict[str, Any]:
        """All that decides an experiment's numbers. Raises MissingError if what it needs is not there."""
        weights = self._context.weights_facts(experiment.needs)
        files = [
            observed_file(self._context, role, name) for role in experiment.needs for name in experiment.observations
        ]
        files += [other for path in files for other in path.parent.glob(f"{path.stem}-*.csv")]  # of other readings
        observed = {path.name: weights_facts(path)["digest"] for path in sorted(files)}
        return {
            **self._run(), "weights": {role: facts["digest"] for role, facts in weights.items()},
            "observations": observed, "device": self._context.device, "code": experiment.code,
        }  # fmt: skip

    def find(self, experiment: Experiment) -> Finding | None:
        """The row that is there, if it is that of this identity and its pictures are there. Raises MissingError."""
        row, identity = self._rows.get(experiment.id), self.identity(experiment)
        if row is None or row.identity != identity:
            return None
        return row if all((self._context.out / name).is_file() for name in row.pictures) else None

    def measure(self, experiment: Experiment, run: Callable[[], Finding]) -> Finding:
        """Run, add weights, data, identity and provenance, and write the row. Raises MissingError."""
        begun, identity = time.monotonic(), self.identity(experiment)
        row = replace(
            run(), weights=self._context.weights_facts(experiment.needs), data=self._context.data_facts,
            identity=identity,
        )  # fmt: skip
        made = {"device": self._context.device, "seconds": round(time.monotonic() - begun, 1)}
        row = replace(row, provenance={**provenance(), **made})
        write_results(self.path, [row])
        self._rows[row.claim] = row
        return row

    @property
    def files(self) -> list[str]:
        """Names of all files that the folder's rows are of, those of earlier runs among them."""
        pictures = [name for row in self._rows.values() for name in row.pictures]
        return [self.path.name, *(name for name in pictures if (self._context.out / name).is_file())]

    @property
    def weights(self) -> dict[str, Any]:
        """By role, file name and digest of the weights behind all of the folder's rows."""
        return {role: facts for row in self._rows.values() for role, facts in sorted(row.weights.items())}

    def _run(self) -> dict[str, Any]:
        return {**self._asked, "seed": self._context.seed, "data": self._context.data_facts["digest"]}

    def _require_same(self, row: Finding, experiment: Experiment | None) -> None:
        asked = self._run()
        if experiment is not None:
            asked["weights"] = {role: _digest(self._context, role) for role in experiment.needs if role in self._used}
        there = {name: value for name, value in row.identity.items() if name not in AGAIN}
        if isinstance(known := there.get("weights"), Mapping) and experiment is not None:
            there["weights"] = {role: value for role, value in known.items() if role in self._used}
        different = differences(there, asked)
        require(
            not different,
            f"{self.path} is of another run ({row.claim}: {in_one_line(different)}): allowed is the same, "
            f"or another --out",
        )


def _digest(context: Context, role: str) -> str | None:
    try:
        return weights_facts(context.weights_file(role))["digest"]
    except MissingError:
        return None
