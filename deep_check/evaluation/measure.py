"""Rows measured, one by one, and kept; what is there already is not measured again."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deep_check.attacks import Adversarial, run_attack
from deep_check.evaluation.plan import (
    AWARE,
    BARE,
    BLIND,
    DEFENDED,
    KEY,
    MULTIPLES,
    NONE,
    NORMS,
    ROBUST,
    ROBUST_DEFENDED,
    TRANSFER,
    TRANSFER_AWARE,
    Row,
    Settings,
    attack_of,
    budget_row,
    cost,
    doubling_row,
    main_rows,
)
from deep_check.experiments.rows import Rows
from deep_check.filtering import Filtered, LowPass, Target
from deep_check.noise import Noise, run_noise
from deep_check.ops.loss_cpu import loss as loss_of
from deep_check.square import Square, run_square
from theory_sim.intervals import wilson

Array = NDArray[np.float32]
COLUMNS = (*KEY, "accuracy", "n", "low", "high", "margin", "zero_gradients", "zero_pixels", "standing")
BLIND_TO = 4  # times the radius, at least, the blind attacker's curve goes
HALF = 0.5  # of the images still right: where it can be seen whether more steps would find more


@dataclass(frozen=True)
class Networks:
    """The network, the defence before it, and, where there are, the adversarially trained one and the surrogate."""

    bare: Target
    defence: LowPass
    robust: Target | None = None
    surrogate: Target | None = None

    def system(self, name: str) -> Target:
        """What a row attacks."""
        found = self.robust if name in (ROBUST, ROBUST_DEFENDED) else self.bare
        assert found is not None
        return Filtered(found, self.defence) if name in (DEFENDED, ROBUST_DEFENDED) else found

    def known_to(self, attacker: str, system: str) -> Target:
        """What the attacker takes gradients of."""
        if attacker == BLIND:
            return self.system(ROBUST if system == ROBUST_DEFENDED else BARE)
        if attacker in (TRANSFER, TRANSFER_AWARE):
            assert self.surrogate is not None
            return self.surrogate if attacker == TRANSFER else Filtered(self.surrogate, self.defence)
        return self.system(system)


class Evaluation:
    """All rows of one evaluation: `rows` after `run`.

    A row's accuracy is the share of its n images whose label stands, with its 95 % interval; margin: mean of the
    largest other logit minus the label's, of the images where the attack has left them; standing: one bit an image,
    hexadecimal, the first image first. Of gradients instead: the share of images whose whole gradient is zero, and of
    pixels. Raises InputError as `Rows`.
    """

    def __init__(
        self,
        networks: Networks,
        images: Array,
        labels: NDArray[np.int64],
        settings: Settings,
        folder: Path,
        identity: dict[str, Any],
        report: Callable[[int, int], None] = lambda done, total: None,
    ) -> None:
        """images (n, 3, 32, 32), labels (n,); report: told gradients done, about, and all."""
        self._networks, self._images, self._labels, self._settings = networks, images, labels, settings
        self._kept = Rows(folder, "evaluate", COLUMNS, KEY, {**identity, **settings.as_dict()})
        self._report, self._done, self._total = report, 0.0, 0.0

    @property
    def rows(self) -> list[dict[str, str]]:
        """By COLUMNS, as text."""
        return self._kept.rows

    def run(self) -> None:
        """Measure what is missing."""
        there, settings = self._networks, self._settings
        main = list(main_rows(settings, robust=there.robust is not None, transfer=there.surrogate is not None))
        curves = [(system, attacker) for system, attacker in _curves(there) for _ in NORMS]
        few = min(settings.scale.few, len(self._labels))
        self._total = sum(cost(row, len(self._labels)) for row in self._missing(main))
        one = settings.scale.curve_steps * few
        self._total += len(curves) * 3 * one + len(NORMS) * sum(settings.scale.doublings) * few
        for row in main:
            self._get(row)
        for norm in NORMS:
            radius = self._budgets(norm)
            for steps in settings.scale.doublings:
                self._get(doubling_row(settings, norm, radius, steps))
        self._report(round(self._total), round(self._total))

    def _budgets(self, norm: str) -> float:
        """Curves of accuracy against the budget; the radius at which half of the defended network's images stand.

        Each goes on until nothing stands; the blind attacker's until the aware one has all, and a few radii further.
        """
        open_, found = _curves(self._networks), []
        for multiple in MULTIPLES:
            for system, attacker in list(open_):
                row = budget_row(self._settings, system, attacker, norm, multiple)
                if norm == "linf" and row.radius > 1:
                    open_.remove((system, attacker))
                    continue
                accuracy = float(self._get(row)["accuracy"])
                if (system, attacker) == (DEFENDED, AWARE):
                    found.append((accuracy, row.radius))
                elif attacker == BLIND and multiple >= BLIND_TO and (DEFENDED, AWARE) not in open_:
                    open_.remove((system, attacker))
                if accuracy == 0 and attacker == AWARE:
                    open_.remove((system, attacker))
        clean = self._get(Row("main", DEFENDED, NONE, "clean"))
        return min(found, key=lambda pair: abs(pair[0] - HALF * float(clean["accuracy"])))[1]

    def _missing(self, rows: Iterable[Row]) -> list[Row]:
        there = {tuple(row[name] for name in KEY) for row in self.rows}
        return [row for row in rows if tuple(str(value) for value in row.key.values()) not in there]

    def _get(self, row: Row) -> dict[str, str]:
        n = len(self._labels) if row.part == "main" else min(self._settings.scale.few, len(self._labels))
        expected = cost(row, n) if self._missing([row]) else 0.0
        found = self._kept.get(row.key, lambda: self._measure(row, n, expected))
        self._done += expected
        return found

    def _measure(self, row: Row, n: int, expected: float) -> dict[str, Any]:
        images, labels = self._images[:n], self._labels[:n]
        system = self._networks.system(row.system)

        def tell(done: int, total: int) -> None:
            now = self._done + expected * done / total
            self._report(round(now), round(max(now, self._total)))

        if row.method == "gradient":
            return self._gradients(row, system, images, labels)
        found = self._attacked(row, system, images, labels, tell)
        logits = system(found)
        right = logits.argmax(axis=1) == labels
        low, high = wilson(int(right.sum()), n)
        margin = float(loss_of(logits, labels, "margin")[0].mean(dtype=float))
        return {
            "accuracy": float(right.mean()), "n": n, "low": low, "high": high, "margin": margin, "zero_gradients": "",
            "zero_pixels": "", "standing": np.packbits(right).tobytes().hex(),
        }  # fmt: skip

    def _attacked(
        self, row: Row, system: Target, images: Array, labels: NDArray[np.int64], tell: Callable[[int, int], None]
    ) -> Array:
        seed = self._settings.seed
        found: Adversarial
        if row.method == "clean":
            return images
        if row.method == "noise":
            found = run_noise(system, images, labels, Noise(row.norm, row.radius, row.restarts, seed), tell)
        elif row.method == "square":
            found = run_square(system, images, labels, Square(row.norm, row.radius, row.steps, seed=seed), tell)
        else:
            known = self._networks.known_to(row.attacker, row.system)
            judge = None if row.attacker == AWARE else system
            found = run_attack(known, images, labels, attack_of(row, self._settings), tell, judge=judge)
        return found.images

    def _gradients(self, row: Row, system: Target, images: Array, labels: NDArray[np.int64]) -> dict[str, Any]:
        gradient = system.input_gradient(images, labels, row.loss)[1]
        zero = np.asarray(~gradient.any(axis=(1, 2, 3)))
        low, high = wilson(int(zero.sum()), len(zero))
        return {
            "accuracy": "", "n": len(zero), "low": low, "high": high, "margin": "",
            "zero_gradients": float(zero.mean()), "zero_pixels": float((gradient == 0).mean()), "standing": "",
        }  # fmt: skip


def standing(row: dict[str, str]) -> NDArray[np.bool_]:
    """Which of a row's images stand, (n,)."""
    bits = np.unpackbits(np.frombuffer(bytes.fromhex(row["standing"]), np.uint8))
    return bits[: int(row["n"])].astype(bool)


def _curves(networks: Networks) -> list[tuple[str, str]]:
    robust = [(ROBUST, AWARE)] if networks.robust is not None else []
    return [(BARE, AWARE), (DEFENDED, AWARE), (DEFENDED, BLIND), *robust]
