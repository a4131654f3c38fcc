"""Accuracy against the cut-off of a low-pass filter before the network: clean, attacked blindly, attacked knowingly.

The blind attacker sees the network without the filter, as in the paper; the aware one sees both, and loses nothing by
it: the filter is linear. [paper: Fig. 6, Section 4.3]
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deep_check.attacks import Attack, count_right, run_attack
from deep_check.experiments.rows import Rows
from deep_check.filtering import Filtered, LowPass, Target
from theory_sim.intervals import wilson

Array = NDArray[np.float32]
COLUMNS = ("cutoff", "attacker", "norm", "mask", "accuracy", "n", "low", "high")
KEY = ("cutoff", "attacker", "norm", "mask")
ATTACKERS = ("blind", "aware")
# What the paper reports of its own network [paper: Section 4.3]: cut-off -> accuracy.
PAPER = {("", "none"): 0.9303, ("12", "none"): 0.817, ("12", "blind"): 0.517}


@dataclass(frozen=True)
class Settings:
    """cutoffs: of the filter; attacks: norm -> attack; attackers: of ATTACKERS; masks: "disc", "square"."""

    cutoffs: tuple[float, ...]
    attacks: dict[str, Attack]
    attackers: tuple[str, ...] = ATTACKERS
    masks: tuple[str, ...] = ("disc",)
    clip: bool = False


def measure(
    network: Target,
    images: Array,
    labels: NDArray[Any],
    settings: Settings,
    folder: Path,
    identity: dict[str, Any],
    report: Callable[[int, int], None] = lambda done, total: None,
) -> list[dict[str, str]]:
    """Rows of COLUMNS, written to folder/fig6.csv one by one; those that are there already are not measured again.

    A row's cut-off is empty where there is no filter, its norm where there is no attacker, its mask where there is no
    filter. report: told gradients done of those that are still to do. Raises InputError as `Rows`.
    """
    known = {
        **identity,
        "attacks": {norm: asdict(attack) for norm, attack in settings.attacks.items()},
        "clip": settings.clip,
    }
    rows = Rows(folder, "fig6", COLUMNS, KEY, known)
    found: list[dict[str, str]] = []
    filters = [LowPass(cutoff, mask, settings.clip) for mask in settings.masks for cutoff in settings.cutoffs]
    progress = _Progress(report, rows, filters, settings, len(images))

    def add(attacker: str, norm: str, filter_: LowPass | None, accuracy: Callable[[], float]) -> None:
        key = _key(attacker, norm, filter_)
        n = len(labels)

        def row() -> dict[str, Any]:
            share = accuracy()
            low, high = wilson(round(share * n), n)
            return {"accuracy": share, "n": n, "low": low, "high": high}

        found.append(rows.get(key, row))

    def behind(filter_: LowPass | None) -> Target:
        return network if filter_ is None else Filtered(network, filter_)

    @cache
    def blind_images(norm: str) -> Array:
        return run_attack(network, images, labels, settings.attacks[norm], progress.part()).images

    def clean(filter_: LowPass | None) -> float:
        return count_right(behind(filter_), images, labels) / len(images)

    def blind(norm: str, filter_: LowPass | None) -> float:
        return count_right(behind(filter_), blind_images(norm), labels) / len(images)

    def aware(norm: str, filter_: LowPass) -> float:
        return run_attack(behind(filter_), images, labels, settings.attacks[norm], progress.part()).accuracy

    for filter_ in (None, *filters):
        add("none", "", filter_, partial(clean, filter_))
    for norm in settings.attacks:
        add("blind", norm, None, partial(blind, norm, None))
        for filter_ in filters:
            if "blind" in settings.attackers:
                add("blind", norm, filter_, partial(blind, norm, filter_))
            if "aware" in settings.attackers:
                add("aware", norm, filter_, partial(aware, norm, filter_))
    return found


def _key(attacker: str, norm: str, filter_: LowPass | None) -> dict[str, Any]:
    cutoff = "" if filter_ is None else f"{filter_.cutoff:g}"
    return {"cutoff": cutoff, "attacker": attacker, "norm": norm, "mask": "" if filter_ is None else filter_.mask}


class _Progress:
    """Gradients of all attacks that are still to be made, told as one count."""

    def __init__(
        self, report: Callable[[int, int], None], rows: Rows, filters: Sequence[LowPass], settings: Settings, n: int
    ) -> None:
        there = {tuple(row[name] for name in KEY) for row in rows.rows}

        def missing(attacker: str, norm: str, filter_: LowPass | None) -> bool:
            return tuple(_key(attacker, norm, filter_).values()) not in there

        self._total, self._done, self._report = 0, 0, report
        for norm, attack in settings.attacks.items():
            blind = any(
                missing("blind", norm, f) for f in ((None, *filters) if "blind" in settings.attackers else (None,))
            )
            aware = sum(missing("aware", norm, f) for f in filters) if "aware" in settings.attackers else 0
            self._total += (int(blind) + aware) * attack.steps * attack.restarts * n

    def part(self) -> Callable[[int, int], None]:
        """Report of one attack."""
        before = self._done

        def told(done: int, total: int) -> None:
            self._done = before + done
            self._report(self._done, self._total)

        return told
