"""Fig. 6: accuracy against the cut-off of a low-pass filter before the network, clean and attacked.

The blind attacker sees the network without the filter, as in the paper; the aware one sees both, and loses nothing by
it: the filter is linear. [paper: Fig. 6, Section 4.3]
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deep_check.attacks import L2_BESIDE, Attack, count_right, run_attack
from deep_check.data import digest
from deep_check.experiments.context import Context
from deep_check.experiments.manifest import code_of
from deep_check.experiments.results import Effect, Finding, Measured, share, share_difference, verdict
from deep_check.experiments.rows import Rows
from deep_check.filtering import Filtered, LowPass, Target
from deep_check.resnet import ResNet
from theory_sim.intervals import wilson

Array = NDArray[np.float32]
COLUMNS = ("cutoff", "attacker", "norm", "mask", "accuracy", "n", "low", "high")
KEY = ("cutoff", "attacker", "norm", "mask")
ATTACKERS = ("blind", "aware")
# What the paper reports of its own network [paper: Section 4.3]: cut-off -> accuracy.
PAPER = {("", "none"): 0.9303, ("12", "none"): 0.817, ("12", "blind"): 0.517}
PAPER_CUTOFF = "12"
CUTOFFS = tuple(float(cutoff) for cutoff in range(1, 23))  # of the figure

STATEMENT = (
    "A low-pass filter before a normally trained network improves its robustness: as the cut-off grows from 1 to 22, "
    "clean accuracy rises, accuracy under PGD rises and then falls and is highest, 51.7 %, at cut-off 12, where clean "
    "accuracy is 81.7 %; without filter and attack it is 93.03 %."
)
TESTED = (
    "Normally trained ResNet-32, CIFAR-10 test images, linf PGD (radius 8/255, steps of 4/255, random start) that does "
    "not know the filter. Direction: clean accuracy at cut-off 22 is above that at 1; attacked accuracy at 12 is above "
    "that at 1, above that at 22 and above that without a filter, each by its 95 % interval. The paper's numbers: "
    "clean accuracy without filter and at 12, attacked accuracy at 12, and the cut-off where it is highest (its "
    "interval: the cut-offs whose 95 % intervals reach the best one's share). Beside it, outside of the verdict: the "
    "attacker who knows the filter."
)


@dataclass(frozen=True)
class Settings:
    """cutoffs: of the filter; attacks: norm -> attack; attackers: of ATTACKERS; masks: "disc", "square".

    aware_cutoffs: (norm, mask) -> those at which the aware attacker is measured; None: at all.
    """

    cutoffs: tuple[float, ...]
    attacks: dict[str, Attack]
    attackers: tuple[str, ...] = ATTACKERS
    masks: tuple[str, ...] = ("disc",)
    clip: bool = False
    aware_early_stop: bool = False  # the aware attacker leaves an image once it is fooled: not weaker, and faster
    aware_cutoffs: Mapping[tuple[str, str], tuple[float, ...]] | None = None

    def wants_aware(self, norm: str, filter_: LowPass) -> bool:
        """True if the aware attacker is to be measured behind this filter."""
        if "aware" not in self.attackers:
            return False
        return self.aware_cutoffs is None or filter_.cutoff in self.aware_cutoffs.get((norm, filter_.mask), ())


def measure(
    network: Target,
    images: Array,
    labels: NDArray[Any],
    settings: Settings,
    folder: Path,
    identity: dict[str, Any],
    report: Callable[[int, int], None] = lambda done, total: None,
    name: str = "fig6",
) -> list[dict[str, str]]:
    """Rows of COLUMNS, written to folder/NAME.csv one by one; those that are there already are not measured again.

    A row's cut-off is empty where there is no filter, its norm where there is no attacker, its mask where there is no
    filter. report: told gradients done of those that are still to do. Raises InputError as `Rows`.
    """
    known = {
        **identity,
        "attacks": {norm: asdict(attack) for norm, attack in settings.attacks.items()},
        "clip": settings.clip,
        "aware_early_stop": settings.aware_early_stop,
    }
    rows = Rows(folder, name, COLUMNS, KEY, known)
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
        attack = replace(settings.attacks[norm], early_stop=settings.aware_early_stop)
        return run_attack(behind(filter_), images, labels, attack, progress.part()).accuracy

    for filter_ in (None, *filters):
        add("none", "", filter_, partial(clean, filter_))
    for norm in settings.attacks:
        add("blind", norm, None, partial(blind, norm, None))
        for filter_ in filters:
            if "blind" in settings.attackers:
                add("blind", norm, filter_, partial(blind, norm, filter_))
            if settings.wants_aware(norm, filter_):
                add("aware", norm, filter_, partial(aware, norm, filter_))
    return found


def identity(net: ResNet, images: Array, labels: NDArray[Any]) -> dict[str, str]:
    """Digests of what is measured on what, where and by which code: rows of others are not taken for one's own."""
    return {
        "weights": digest(net.state_dict()), "images": digest({"images": images, "labels": labels}),
        "device": net.device, "code": code_of("experiments.fig6"),
    }  # fmt: skip


def cell(
    rows: Sequence[Mapping[str, str]], cutoff: str, attacker: str, norm: str = "linf", mask: str = "disc"
) -> Measured:
    """One accuracy of `measure`'s rows, with the paper's number where it gives one; cutoff "": no filter."""
    key = (cutoff, attacker, "" if attacker == "none" else norm, "" if cutoff == "" else mask)
    row = next(row for row in rows if tuple(row[name] for name in KEY) == key)
    n = int(row["n"])
    paper = PAPER.get((cutoff, attacker)) if (norm, mask) == ("linf", "disc") else None
    return share(_name(cutoff, attacker), round(float(row["accuracy"]) * n), n, paper)


def _name(cutoff: str, attacker: str) -> str:
    who = {"none": "clean", "blind": "attacker blind to the filter", "aware": "attacker knows the filter"}[attacker]
    if not cutoff:
        return "attacked, no filter" if attacker == "blind" else f"{who}, no filter"
    return f"{who}, cut-off {cutoff}"


def judge(
    rows: Sequence[Mapping[str, str]], clipped: Sequence[Mapping[str, str]], parameters: Mapping[str, Any]
) -> Finding:
    """The row of the ledger. rows: of `measure`; clipped: those with filtered images clipped."""
    clean, plain = cell(rows, "", "none"), cell(rows, "", "blind")
    clean_12, blind_12, aware_12 = (cell(rows, PAPER_CUTOFF, attacker) for attacker in ("none", "blind", "aware"))
    directions = (
        share_difference("clean, cut-off 22 minus 1", cell(rows, "22", "none"), cell(rows, "1", "none")),
        share_difference("attacked, cut-off 12 minus 1", blind_12, cell(rows, "1", "blind")),
        share_difference("attacked, cut-off 12 minus 22", blind_12, cell(rows, "22", "blind")),
        share_difference("attacked, cut-off 12 minus no filter", blind_12, plain),
    )
    best = _best(rows)
    measured = (clean, clean_12, blind_12, best)
    found = verdict(directions, measured)
    beside = (aware_12, share_difference("what the attacker loses by not knowing, cut-off 12", blind_12, aware_12))
    conclusion = (
        f"At cut-off 12 the filter leaves {clean_12.value:.1%} of clean images right (the paper's network 81.7 %), and "
        f"{blind_12.value:.1%} of those attacked by who does not know the filter (51.7 %; {plain.value:.1%} without "
        f"it); by who knows it, {aware_12.value:.1%}. Attacked accuracy is highest at cut-off {best.value:g}."
    )
    return Finding(
        "fig6", "6", STATEMENT, TESTED, found, clean.n, (*measured, plain, *beside, *directions), conclusion,
        parameters, _effects(rows, clipped),
    )  # fmt: skip


def _best(rows: Sequence[Mapping[str, str]]) -> Measured:
    """The cut-off with the highest blind accuracy, and the range of those that are not below it by their intervals."""
    known = {
        cutoff: cell(rows, cutoff, "blind") for cutoff in sorted({row["cutoff"] for row in rows} - {""}, key=float)
    }
    top = max(known, key=lambda cutoff: known[cutoff].value)
    near = [float(cutoff) for cutoff, one in known.items() if one.high is None or one.high >= known[top].value]
    return Measured(
        "cut-off of the highest attacked accuracy", float(top), min(near), max(near), known[top].n,
        float(PAPER_CUTOFF), "cycles per image",
    )  # fmt: skip


def _effects(rows: Sequence[Mapping[str, str]], clipped: Sequence[Mapping[str, str]]) -> tuple[Effect, ...]:
    """What other choices give where the paper says nothing: the attack's norm, the filter's mask, clipping."""
    return (
        Effect("norm of the attack", "l2", cell(rows, "", "blind", "l2")),
        *(Effect("norm of the attack", "l2", cell(rows, PAPER_CUTOFF, who, "l2")) for who in ATTACKERS),
        *(Effect("mask", "square", cell(rows, PAPER_CUTOFF, who, mask="square")) for who in ("none", *ATTACKERS)),
        *(Effect("filtered images clipped to [0, 1]", "yes", cell(clipped, PAPER_CUTOFF, who))
          for who in ("none", *ATTACKERS)),
    )  # fmt: skip


def run(context: Context) -> Finding:
    """Measure, judge, draw: fig6.csv, fig6-clipped.csv, fig6.png, fig6.pdf.

    quick: 400 random test images, and the aware attacker at a few cut-offs; paper: all test images and cut-offs. l2 and
    other choices: the aware attacker at a few cut-offs.
    """
    from deep_check.experiments.fig6_picture import Panel, draw

    net = context.net("normal")
    images, labels = context.random_images(context.pick(400, len(context.labels)))
    known = identity(net, images, labels)
    attacks = {
        "linf": Attack(seed=context.seed),
        "l2": replace(L2_BESIDE, seed=context.seed),
    }
    few: tuple[float, ...] = context.pick((12.0,), (6.0, 9.0, 12.0, 15.0, 18.0))
    aware = {
        ("linf", "disc"): context.pick((4.0, 8.0, 12.0, 16.0, 20.0), CUTOFFS), ("l2", "disc"): few,
        ("linf", "square"): few,
    }  # fmt: skip
    settings = Settings(CUTOFFS, attacks, masks=("disc", "square"), aware_early_stop=True, aware_cutoffs=aware)
    rows = measure(net, images, labels, settings, context.out, known, context.report("fig6: gradients of images"))
    with_clip = replace(
        settings, attacks={"linf": attacks["linf"]}, masks=("disc",), clip=True, aware_cutoffs={("linf", "disc"): few}
    )
    clipped = measure(
        net, images, labels, with_clip, context.out, known, context.report("fig6, clipped: gradients of images"),
        "fig6-clipped",
    )  # fmt: skip
    parameters = {
        "attacks": {norm: asdict(attack) for norm, attack in attacks.items()},
        "norm of the attack (paper: not said)": "linf", "mask (paper: not said)": "disc, |k| <= cut-off",
        "filtered images clipped (paper: not said)": False, "images": f"{len(labels)} test images",
        "aware attacker": "leaves an image once it is fooled", "scale": context.scale,
    }  # fmt: skip
    panels = (
        Panel("ℓ∞ attack, radius 8/255; disc of low frequencies", rows, "linf", "disc"),
        Panel("ℓ₂ attack, radius 0.5; disc", rows, "l2", "disc", paper=False),
        Panel("ℓ∞ attack; square of low frequencies", rows, "linf", "square", paper=False),
        Panel("ℓ∞ attack; disc, filtered images clipped to [0, 1]", clipped, "linf", "disc", paper=False),
    )
    title = f"{context.weights_file('normal').name} on {len(labels):,} test images, {attacks['linf'].steps} steps"
    pictures = context.save_pictures("fig6", draw(panels, title))
    return replace(judge(rows, clipped, parameters), pictures=pictures)


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
            aware = sum(missing("aware", norm, f) for f in filters if settings.wants_aware(norm, f))
            self._total += (int(blind) + aware) * attack.steps * attack.restarts * n

    def part(self) -> Callable[[int, int], None]:
        """Report of one attack."""
        before = self._done

        def told(done: int, total: int) -> None:
            self._done = before + done
            self._report(self._done, self._total)

        return told
