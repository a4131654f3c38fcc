"""Made-up rows of fig6, and a small network with a few images on disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from deep_check.experiments import fig6
from deep_check.resnet import ResNet
from tests.deep_check.training.test_trainer import TEST
from theory_sim.intervals import wilson

CUTOFFS = tuple(str(cutoff) for cutoff in range(1, 23))


def row(cutoff: str, attacker: str, norm: str, mask: str, share: float, n: int = 1000) -> dict[str, str]:
    count = round(share * n)
    low, high = wilson(count, n)
    values = (cutoff, attacker, norm, mask, count / n, n, low, high)
    return {name: str(value) for name, value in zip(fig6.COLUMNS, values, strict=True)}


def rows(
    clean: Callable[[float], float], blind: Callable[[float], float], n: int = 1000, **levels: float
) -> list[dict[str, str]]:
    """All rows that `fig6.judge` looks at: curves over the cut-off; levels: plain_clean, plain_blind, aware."""
    found = [row("", "none", "", "", levels.get("plain_clean", 0.93), n)]
    for norm in ("linf", "l2"):
        found.append(row("", "blind", norm, "", levels.get("plain_blind", 0.0), n))
        for mask in ("disc", "square"):
            for cutoff in CUTOFFS:
                if norm == "linf":
                    found.append(row(cutoff, "none", "", mask, clean(float(cutoff)), n))
                found.append(row(cutoff, "blind", norm, mask, blind(float(cutoff)), n))
            found.append(row("12", "aware", norm, mask, levels.get("aware", 0.0), n))
    return found


def small_files(folder: Path) -> tuple[Path, Path]:
    """Weights of a small network, and a folder with a test batch of 40 images."""
    ResNet(8, "cpu", seed=1).save(folder / "net.safetensors")
    records = zip(TEST.images, TEST.labels, strict=True)
    (folder / "test_batch.bin").write_bytes(b"".join(bytes([label]) + image.tobytes() for image, label in records))
    return folder / "net.safetensors", folder
