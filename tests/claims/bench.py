"""Judging the same networks again and again, quickly: which rows of the ledger a changed function changes."""

from __future__ import annotations

import contextlib
import sys
import types
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from tests.claims.members import members
from tests.claims.twins import comparison
from theory_sim.claims import samples as samples_module
from theory_sim.claims.base import LEAST_NETWORKS, Claim, Evidence, Outcome, verdicts

VERSIONS = ("printed", "corrected", "control")
EDGE = 6  # networks nearest to the edge, of each version, and networks beyond it
OUTSIDERS = 12  # networks that do not meet the hypotheses: a wrong hypothesis may let them in


class Bench:
    """One claim with few, telling networks: those that violate it, those that all but do, outsiders, and some more."""

    def __init__(self, claim: Claim) -> None:
        self.claim = claim
        drawn = members(claim.population)
        self.samples = [drawn[i] for i in telling(claim, [claim.judge(replace(s)) for s in drawn])]
        self.baseline = self.verdicts()

    def verdicts(self) -> tuple[str | None, str | None, str | None]:
        """Verdicts as printed, as corrected, and of the control."""
        evidence = Evidence()
        for index, sample in enumerate(self.samples):
            outcome = self.claim.judge(replace(sample))  # a copy without what the last judgement left on it
            if outcome is not None:
                evidence.record(self.claim, outcome, sample, f"{index:04d}")
        printed, corrected, control = verdicts(self.claim, evidence)
        return printed.verdict, corrected.verdict, control.verdict

    def changes(self) -> bool:
        """True if a verdict is another one now, or if judging fails."""
        try:
            return self.verdicts() != self.baseline
        except Exception:
            return True

    def differs_from_twin(self) -> bool:
        """True if the judge no longer says what its twin says: tests/claims/test_twins.py would fail."""
        try:
            comparison(self.claim.key).check()
        except Exception:
            return True
        return False


def telling(claim: Claim, outcomes: Sequence[Outcome | None]) -> list[int]:
    """Indices of the networks worth judging again."""
    inside = [i for i, outcome in enumerate(outcomes) if outcome is not None]
    chosen = [i for i, outcome in enumerate(outcomes) if outcome is None][:OUTSIDERS]
    if claim.kind == "value" or claim.large_only:
        return sorted({*chosen, *inside})
    for version in VERSIONS:
        words = [
            (_number(getattr(outcomes[i], version)), i) for i in inside if getattr(outcomes[i], version) is not None
        ]
        words.sort()
        edge = sum(word < 0 for word, _ in words)
        chosen += [i for _, i in words[max(0, edge - EDGE) : edge + EDGE]]
        chosen += [i for _, i in words[:EDGE]]
        chosen += sorted(i for _, i in words)[: LEAST_NETWORKS + 5]
    return sorted(set(chosen))


def _number(word: Any) -> float:
    return float(word if np.isscalar(word) else word[0])


def executed(action: Callable[[], object]) -> set[types.CodeType]:
    """Code objects of all Python functions that run during `action`."""
    seen: set[types.CodeType] = set()
    before = sys.getprofile()
    sys.setprofile(lambda frame, event, _: seen.add(frame.f_code) if event == "call" else None)
    try:
        action()
    finally:
        sys.setprofile(before)
    return seen


@contextlib.contextmanager
def remembered_runs() -> Iterator[Callable[[], None]]:
    """Explicit runs and attacks are computed once. Yields a function after which new ones are no longer kept."""
    run, attack = samples_module.descent.run, samples_module.pgd
    run_dataset, run_adversarial = samples_module.descent.run_dataset, samples_module.descent.run_adversarial
    known: dict[Any, Any] = {}
    keep = True

    def remember(key: Any, holders: tuple[Any, ...], compute: Callable[[], Any]) -> Any:
        if key in known:
            return known[key][0]
        result = compute()
        if keep:
            known[key] = (result, holders)  # the holders keep their ids from being used again
        return result

    def fast_run(training: Any, engine: str = "auto") -> Any:
        key = (id(training.network), id(training.x), training.label, training.learning_rate, training.n_steps, engine)
        return remember(key, (training.network, training.x), lambda: run(training, engine))

    def fast_attack(network: Any, x: Any, label: float, *, start: Any, **options: Any) -> Any:
        key = (id(network), id(x), label, start.tobytes(), *sorted(options.items()))
        return remember(key, (network, x), lambda: attack(network, x, label, start=start, **options))

    def fast_dataset(training: Any, engine: str = "collapsed") -> Any:
        holders = (training.network, training.inputs, training.labels)
        key = (*map(id, holders), training.learning_rate, training.n_steps, engine)
        return remember(key, holders, lambda: run_dataset(training, engine))

    def fast_adversarial(training: Any, radius: float) -> Any:
        key = (id(training.network), id(training.x), training.label, training.learning_rate, training.n_steps, radius)
        return remember(key, (training.network, training.x), lambda: run_adversarial(training, radius))

    def stop() -> None:
        nonlocal keep
        keep = False

    descent = samples_module.descent
    descent.run, samples_module.pgd = fast_run, fast_attack  # type: ignore[assignment]
    descent.run_dataset, descent.run_adversarial = fast_dataset, fast_adversarial
    try:
        yield stop
    finally:
        descent.run, samples_module.pgd = run, attack
        descent.run_dataset, descent.run_adversarial = run_dataset, run_adversarial
