"""The accuracies of Section 4.3 as a table: normal and adversarially trained network, with and without the filter.

Each clean, under an attacker who is blind to the filter, and under one who knows it. [paper: Section 4.3]
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from deep_check.attacks import Attack
from deep_check.experiments import fig6
from deep_check.experiments.context import Context
from deep_check.experiments.results import Finding, Measured, share_difference, verdict

ROLES = {"normal": "normally trained", "adversarial": "adversarially trained"}
CUTOFF = fig6.PAPER_CUTOFF
CELLS = (("", "none"), ("", "blind"), (CUTOFF, "none"), (CUTOFF, "blind"), (CUTOFF, "aware"))
PAPER = {
    ("normal", "", "none"): 0.9303, ("normal", CUTOFF, "none"): 0.817, ("normal", CUTOFF, "blind"): 0.517,
    ("adversarial", "", "none"): 0.79, ("adversarial", "", "blind"): 0.48,
}  # fmt: skip

STATEMENT = (
    "The normally trained network behind a low-pass filter (81.7 % clean, 51.7 % under PGD, 93.03 % without both) "
    "performs better than the adversarially trained one without (79 % clean, 48 % under PGD), both clean and attacked."
)
TESTED = (
    "The same test images for both networks, filter of cut-off 12 (disc), linf PGD (radius 8/255, steps of 4/255, "
    "random start) that does not know the filter. Direction: the filtered normal network is more often right than the "
    "adversarially trained one without filter on clean images, and on attacked ones, and more often right under attack "
    "than without the filter, each by its 95 % interval. The paper's numbers: the five in the statement. Beside it, "
    "outside of the verdict: the attacker who knows the filter, and the adversarially trained network behind it."
)

Table = Mapping[tuple[str, str, str], Measured]  # (role, cut-off, attacker) -> accuracy


def measure(context: Context, n: int, attack: Attack) -> dict[tuple[str, str, str], Measured]:
    """All cells on `n` random test images; kept row by row in table_accuracy-ROLE.csv, and written together."""
    images, labels = context.random_images(n)
    settings = fig6.Settings((float(CUTOFF),), {attack.norm: attack}, aware_early_stop=True)
    table = {}
    for role in ROLES:
        net, name = context.net(role), f"table_accuracy-{role}"
        report = context.report(f"table_accuracy, {role}: gradients of images")
        known = fig6.identity(net, images, labels)
        rows = fig6.measure(net, images, labels, settings, context.out, known, report, name)
        for cutoff, attacker in CELLS:
            one = fig6.cell(rows, cutoff, attacker, attack.norm)
            paper = PAPER.get((role, cutoff, attacker))
            table[role, cutoff, attacker] = replace(one, name=f"{ROLES[role]}: {one.name}", paper=paper)
    context.save_table("table_accuracy", [_line(key, one) for key, one in table.items()])
    return table


def _line(key: tuple[str, str, str], one: Measured) -> dict[str, Any]:
    role, cutoff, attacker = key
    numbers = {"accuracy": one.value, "n": one.n, "low": one.low, "high": one.high, "paper": one.paper}
    return {"network": role, "cutoff": cutoff, "attacker": attacker, **numbers}


def judge(table: Table, parameters: Mapping[str, Any]) -> Finding:
    """The row of the ledger."""
    filtered, attacked = table["normal", CUTOFF, "none"], table["normal", CUTOFF, "blind"]
    rival, rival_attacked = table["adversarial", "", "none"], table["adversarial", "", "blind"]
    aware, plain = table["normal", CUTOFF, "aware"], table["normal", "", "blind"]
    gap = "filtered normal minus adversarially trained"
    directions = (
        share_difference(f"{gap}, clean", filtered, rival),
        share_difference(f"{gap}, attacked (blind)", attacked, rival_attacked),
        share_difference("normal, attacked (blind): filter minus no filter", attacked, plain),
    )
    found = verdict(directions, table.values())
    beside = share_difference(f"{gap}, attacked by who knows the filter", aware, rival_attacked)
    conclusion = (
        f"Attacked by who does not know the filter, the filtered normal network is right on {attacked.value:.1%} (the "
        f"paper's 51.7 %) and the adversarially trained one on {rival_attacked.value:.1%} (48 %); attacked by who "
        f"knows it, the filtered one on {aware.value:.1%}. Clean: {filtered.value:.1%} and {rival.value:.1%}."
    )
    return Finding(
        "table_accuracy", "text of 4.3", STATEMENT, TESTED, found, filtered.n,
        (*table.values(), *directions, beside), conclusion, parameters,
    )  # fmt: skip


def run(context: Context) -> Finding:
    """Measure, judge, draw: table_accuracy.csv, .png, .pdf. quick: 1,000 random test images; paper: all."""
    from deep_check.experiments.table_accuracy_picture import draw

    n = context.pick(1000, len(context.labels))
    attack = Attack(seed=context.seed)
    table = measure(context, n, attack)
    trained = {role: context.net(role).facts.get("recipe", "not said in the file") for role in ROLES}
    parameters = {
        "attack": asdict(attack), "norm of the attack (paper: not said)": attack.norm,
        "mask (paper: not said)": "disc, |k| <= cut-off", "training": trained, "scale": context.scale,
        "aware attacker": "leaves an image once it is fooled", "images": f"{min(n, len(context.labels))} test images",
    }  # fmt: skip
    pictures = context.save_pictures("table_accuracy", draw(table, attack.steps))
    return replace(judge(table, parameters), pictures=pictures)


def lines(table: Table) -> Sequence[tuple[str, str, str]]:
    """(role, cut-off, label) of the table's lines, in order."""
    return [
        (role, cutoff, f"{words},\n{f'low-pass filter, cut-off {cutoff}' if cutoff else 'no filter'}")
        for role, words in ROLES.items()
        for cutoff in ("", CUTOFF)
    ]
