"""Which rows an evaluation has: who attacks which system, how, and with what budget."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

from deep_check.attacks import Attack
from theory_sim.errors import require

NORMS = ("linf", "l2")
LOSSES = ("cross_entropy", "margin")
# Systems: the network alone and behind the defence; the adversarially trained one alone and behind it.
BARE, DEFENDED, ROBUST, ROBUST_DEFENDED = "bare", "defended", "adversarial", "adversarial defended"
# Attackers: none; who has the network's gradients but not the defence's; who has both; who has another network's
# gradients, without and with the defence before it; who has logits only.
NONE, BLIND, AWARE, LOGITS = "none", "blind", "aware", "logits"
TRANSFER, TRANSFER_AWARE = "transfer", "transfer through the defence"
MULTIPLES = (1 / 8, 1 / 4, 1 / 2, 1, 2, 4, 8, 16, 32, 64)  # of the radius, until nothing stands
KEY = ("part", "system", "attacker", "method", "norm", "radius", "loss", "steps", "restarts")


@dataclass(frozen=True)
class Scale:
    """How much is measured.

    n: images (None: all); few: images of curves; pgd, robust_pgd: pairs of steps and restarts, each with every loss,
    against the network and against the adversarially trained one, on which little stops early; queries of Square;
    draws of noise; steps of curves; numbers of steps that double; images of the self-test.
    """

    n: int | None
    few: int
    pgd: tuple[tuple[int, int], ...]
    robust_pgd: tuple[tuple[int, int], ...]
    queries: int
    draws: int
    curve_steps: int
    doublings: tuple[int, ...]
    selftest: int


SCALES = {
    "quick": Scale(160, 64, ((40, 5), (100, 1)), ((40, 2),), 200, 20, 20, (5, 10, 20, 40, 80), 32),
    "paper": Scale(None, 512, ((40, 5), (100, 5)), ((40, 5), (100, 5)), 5000, 1000, 40,
                   (5, 10, 20, 40, 80, 160, 320), 96),
}  # fmt: skip


@dataclass(frozen=True)
class Settings:
    """attacks: norm -> PGD with the radius and step size that count; scale: of SCALES; seed: of all random numbers."""

    attacks: dict[str, Attack]
    scale: Scale
    seed: int = 0

    def as_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "attacks": {norm: asdict(attack) for norm, attack in self.attacks.items()},
            "scale": asdict(self.scale),
            "seed": self.seed,
        }


@dataclass(frozen=True)
class Row:
    """What is measured. method: clean, pgd, square, noise or gradient; restarts: of noise its draws, of square 1.

    part: "main" rows are of all images, and their worst case counts; "budget" and "doubling" of the first few.
    """

    part: str
    system: str
    attacker: str
    method: str
    norm: str = ""
    radius: float = 0.0
    loss: str = ""
    steps: int = 0
    restarts: int = 1

    @property
    def key(self) -> dict[str, Any]:
        """By KEY."""
        return {name: getattr(self, name) for name in KEY}


def attack_of(row: Row, settings: Settings) -> Attack:
    """PGD of a row: steps grow with the radius, and stop early except where the steps themselves are the question."""
    base = settings.attacks[row.norm]
    return replace(
        base, radius=row.radius, step_size=row.radius * base.step_size / base.radius, loss=row.loss, steps=row.steps,
        restarts=row.restarts, seed=settings.seed, early_stop=row.part != "doubling",
    )  # fmt: skip


def main_rows(settings: Settings, *, robust: bool, transfer: bool) -> Iterator[Row]:
    """Rows of all images, cheap ones first. robust, transfer: whether there is such another network."""
    scale = settings.scale
    systems = (BARE, DEFENDED, *((ROBUST, ROBUST_DEFENDED) if robust else ()))
    for system in systems:
        yield Row("main", system, NONE, "clean")
    for loss in LOSSES:
        for system in systems:
            yield Row("main", system, AWARE, "gradient", loss=loss)
    for norm in NORMS:
        radius = settings.attacks[norm].radius
        for system in systems:
            yield Row("main", system, LOGITS, "noise", norm, radius, restarts=scale.draws)
            yield Row("main", system, AWARE, "pgd", norm, radius, "cross_entropy", 1)
            for steps, restarts in scale.robust_pgd if system in (ROBUST, ROBUST_DEFENDED) else scale.pgd:
                for loss in LOSSES:
                    yield Row("main", system, AWARE, "pgd", norm, radius, loss, steps, restarts)
        for steps, restarts in scale.pgd:
            for loss in LOSSES if restarts > 1 else LOSSES[:1]:  # blind paths have to go to their ends
                yield Row("main", DEFENDED, BLIND, "pgd", norm, radius, loss, steps, restarts)
        if robust:
            yield Row("main", ROBUST_DEFENDED, BLIND, "pgd", norm, radius, LOSSES[0], scale.pgd[0][0])
        for system in (BARE, DEFENDED, *((ROBUST,) if robust else ())):
            yield Row("main", system, LOGITS, "square", norm, radius, "margin", scale.queries)
        if transfer:
            for system, attacker in ((BARE, TRANSFER), (DEFENDED, TRANSFER), (DEFENDED, TRANSFER_AWARE)):
                yield Row("main", system, attacker, "pgd", norm, radius, "cross_entropy", scale.pgd[0][0])


def budget_row(settings: Settings, system: str, attacker: str, norm: str, multiple: float) -> Row:
    """Accuracy at a multiple of the radius."""
    radius = settings.attacks[norm].radius * multiple
    return Row("budget", system, attacker, "pgd", norm, radius, "cross_entropy", settings.scale.curve_steps)


def doubling_row(settings: Settings, norm: str, radius: float, steps: int) -> Row:
    """Accuracy and mean margin after so many steps; the radius has been chosen so that some images stand."""
    return Row("doubling", DEFENDED, AWARE, "pgd", norm, radius, "cross_entropy", steps)


def cost(row: Row, n: int) -> float:
    """About how many images' gradients a row takes; logits cost half of one."""
    if row.method == "clean":
        return n / 2
    if row.method == "gradient":
        return float(n)
    if row.method in ("noise", "square"):
        standing = 0.7 if row.system.startswith(ROBUST) else 0.5
        return n * max(row.restarts, row.steps) * standing / 2
    spared = 1.0 if row.part == "doubling" or row.restarts == 1 else (1 + 0.5 * (row.restarts - 1)) / row.restarts
    if row.attacker == AWARE and row.part != "doubling":
        spared *= 0.5 if row.system.startswith(ROBUST) else 0.1
    return n * row.steps * row.restarts * spared


def check_images(n: int | None, there: int) -> None:
    """Raise InputError unless n (None: as many as the scale says) are images enough for intervals, and are there."""
    require(n is None or 16 <= n <= there, f"images {n}: allowed is 16 ... {there:,}, the test images that are there")
