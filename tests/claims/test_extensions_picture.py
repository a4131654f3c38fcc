"""The pictures of our extensions: curves follow their laws, one seed gives one picture, labels say what is drawn."""

from __future__ import annotations

import numpy as np
import pytest

from theory_sim.claims.extended_populations import died
from theory_sim.claims.extensions_picture import (
    KAPPA,
    SET_SIZES,
    WIDTHS,
    DatasetShares,
    Line,
    measure_datasets,
    measure_kinks,
    plot_datasets,
    plot_kinks,
)


@pytest.fixture(scope="module")
def datasets() -> DatasetShares:
    return measure_datasets(seed=1, networks=25)


@pytest.fixture(scope="module")
def kinks() -> Line:
    return measure_kinks(seed=1, networks=120)


def test_kinks_follow_the_law(kinks: Line) -> None:
    law = np.array([2 * died(KAPPA / np.sqrt(m)) for m in WIDTHS])
    away = np.abs(kinks.mean - law) / ((kinks.high - kinks.low) / 2)  # in 95 % half intervals
    assert away.max() < 2.2  # 1 in 10^5 for one width
    assert kinks.slope is not None
    assert -0.6 < kinks.slope[1] < -0.5 < kinks.slope[2] < -0.4
    assert (kinks.n == 120).all()


def test_the_first_step_leaves_out_the_root_of_the_number_of_others(datasets: DatasetShares) -> None:
    for line in datasets.first:
        assert line.at.tolist() == [n - 1 for n in SET_SIZES[1:]]
        assert line.slope is not None
        assert line.slope[1] - 0.1 < 0.5 < line.slope[2] + 0.1
    for line in datasets.whole:
        assert line.slope is not None
        assert 0.1 < line.slope[0] < 0.5


def test_one_sample_always_obeys_theorem_3(datasets: DatasetShares) -> None:
    for line in datasets.kept:
        assert line.at.tolist() == list(SET_SIZES)
        assert line.mean[0] == 1.0
        assert (line.mean[1:] > 0.5).all()
    assert min(line.mean.min() for line in datasets.kept) < 1


def test_same_seed_same_numbers(kinks: Line) -> None:
    again = measure_kinks(seed=1, networks=120)
    assert again.mean.tolist() == kinks.mean.tolist()
    assert measure_kinks(seed=2, networks=5).mean.tolist() != kinks.mean.tolist()


def test_pictures_name_axes_units_and_numbers(datasets: DatasetShares, kinks: Line) -> None:
    for figure in (plot_datasets(datasets), plot_kinks(kinks)):
        for axes in figure.axes:
            assert axes.get_xlabel()
            assert axes.get_ylabel()
            assert axes.get_title(loc="left")
            assert axes.get_legend() is not None
    legend = plot_kinks(kinks).axes[0].get_legend()
    assert legend is not None
    assert any("120 networks" in text.get_text() for text in legend.get_texts())
