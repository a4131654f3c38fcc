"""What the ledger counts of a sample: its size, and whether it is large."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from theory_sim.claims.adversarial_sample import AdversarialSample
from theory_sim.claims.dataset_sample import DatasetSample
from theory_sim.claims.samples import AttackSample, Eq8Sample, SignalSample, TrainingSample
from theory_sim.descent import DatasetTraining
from theory_sim.network import Activation, Network
from theory_sim.spectrum import Band
from theory_sim.training import Training


def sample_of(kind: str, dim: int, width: int) -> Any:
    x, band = np.ones(dim), Band((dim,), 1)
    network = Network(np.ones((width, dim)), np.ones(width), Activation("relu"))
    if kind == "training":
        return TrainingSample(Training(network, x, 0.0, 1e-6, 2), band, "drawn")
    if kind == "adversarial":
        return AdversarialSample(Training(network, x, 0.0, 1e-6, 2), band, "drawn", radius=0.1)
    if kind == "dataset":
        every = np.stack([x, -x])
        return DatasetSample(DatasetTraining(network, every, np.zeros(2), 1e-6, 2, every[:1]), band, "drawn")
    if kind == "eq8":
        return Eq8Sample(x, x, np.ones(7), np.zeros(7), band, "drawn", width)
    if kind == "attack":
        return AttackSample(network, x, 0.0, 1.0, 0.1, 2, "raw", "l2", np.zeros(dim), band, "drawn")
    return SignalSample(x, x, band, "drawn", width, np.nan, np.nan)


@pytest.mark.parametrize("kind", ["training", "adversarial", "dataset", "eq8", "attack", "signal"])
def test_large_means_257_inputs_and_128_units(kind: str) -> None:
    sizes = [(257, 128), (300, 200), (256, 128), (257, 127), (5, 2)]
    assert [sample_of(kind, *size).is_large for size in sizes] == [True, True, False, False, False]


def test_size_counts_the_numbers_that_shrinking_makes_fewer() -> None:
    sizes = [sample_of(kind, 9, 3).size for kind in ("training", "dataset", "eq8", "attack", "signal")]
    assert sizes == [27, 27, 16, 27, 9]
