"""Pictures: reading, cutting, and that a real photograph is what the theory assumes of images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.helpers import assert_close
from theory_sim.errors import InputError
from theory_sim.inputs import load_pictures, picture_rows, picture_tiles, sample_picture
from theory_sim.spectrum import Band, low_frequency_ratio


def save(array: np.ndarray, path: Path) -> Path:
    Image.fromarray(array).save(path)
    return path


def test_grey_values_survive(tmp_path: Path) -> None:
    grey = np.arange(48, dtype=np.uint8).reshape(6, 8) * 5
    assert_close("8 bit", load_pictures(save(grey, tmp_path / "a.png"))[0], grey / 255, "round_off")
    deep = np.arange(48, dtype=np.uint16).reshape(6, 8) * 1300
    assert_close("16 bit", load_pictures(save(deep, tmp_path / "b.png"))[0], deep / 65535, "round_off")


def test_colours_become_luminance(tmp_path: Path) -> None:
    red = np.zeros((2, 2, 3), np.uint8)
    red[..., 0] = 255
    picture = load_pictures(save(red, tmp_path / "red.png"))[0]
    assert_close("0.299 of red", picture, np.full((2, 2), 76 / 255), "round_off")


def test_a_folder_is_read_in_order_and_other_files_are_left_alone(tmp_path: Path) -> None:
    for name, value in (("b.png", 200), ("a.PNG", 100)):
        save(np.full((2, 3), value, np.uint8), tmp_path / name)
    (tmp_path / "notes.txt").write_text("no image")
    values = [float(picture[0, 0]) for picture in load_pictures(tmp_path)]
    assert_close("order", values, [100 / 255, 200 / 255], "round_off")


def test_rows_and_tiles_against_slices() -> None:
    picture = np.random.default_rng(0).random((7, 11))
    rows = picture_rows(picture, 5)
    assert_close("rows", rows, [r[i : i + 5] for r in picture for i in (0, 5)], "exact")
    tiles = picture_tiles(picture, 3)
    expected = [picture[i : i + 3, j : j + 3].ravel() for i in (0, 3) for j in (0, 3, 6)]
    assert_close("tiles", tiles, expected, "exact")


def test_a_picture_of_exactly_one_piece() -> None:
    picture = np.random.default_rng(0).random((2, 2))
    assert_close("rows", picture_rows(picture, 2), picture, "exact")
    assert_close("tile", picture_tiles(picture, 2), picture.reshape(1, 4), "exact")


def test_constant_pieces_are_left_out() -> None:
    picture = np.zeros((4, 4))
    picture[0, 0] = 1
    assert picture_rows(picture, 4).shape == (1, 4)
    assert picture_tiles(picture, 2).shape == (1, 4)
    with pytest.raises(InputError, match="constant"):
        picture_rows(np.ones((3, 4)), 4)


def test_the_photograph_has_low_frequencies() -> None:
    picture = sample_picture()
    assert 0 <= picture.min() < picture.max() <= 1
    tiles = picture_tiles(picture)
    assert len(tiles) > 200
    assert np.median(low_frequency_ratio(tiles - tiles.mean(axis=1, keepdims=True), Band((32, 32), 6))) > 0.7
    noise = np.random.default_rng(0).standard_normal((50, 1024))
    assert np.median(low_frequency_ratio(noise, Band((32, 32), 6))) < 0.2
