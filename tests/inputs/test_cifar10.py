"""The CIFAR-10 reader on files written here in the official layout, and on the real data where CIFAR10_DIR names it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from theory_sim.errors import InputError
from theory_sim.inputs import Cifar10, load_cifar10
from theory_sim.inputs.cifar10 import CLASSES, FOLDER
from theory_sim.spectrum import Band, low_frequency_ratio


def write_batch(path: Path, n: int, seed: int = 0) -> Cifar10:
    """n random records, byte by byte as the official description says: label, then red, green, blue planes."""
    rng = np.random.default_rng(seed)
    images, labels = rng.integers(0, 256, (n, 3, 32, 32), np.uint8), rng.integers(0, 10, n, np.uint8)
    path.write_bytes(b"".join(bytes([label]) + image.tobytes() for image, label in zip(images, labels, strict=True)))
    return Cifar10(images, labels)


@pytest.mark.parametrize("inside", [True, False])
def test_records_are_read_back(tmp_path: Path, inside: bool) -> None:
    folder = tmp_path / FOLDER if inside else tmp_path
    folder.mkdir(exist_ok=True)
    written = [write_batch(folder / f"{name}.bin", 3, i) for i, name in enumerate(("data_batch_2", "test_batch"))]
    read = load_cifar10(tmp_path, ("data_batch_2", "test_batch"))
    np.testing.assert_array_equal(read.images, np.concatenate([w.images for w in written]))
    np.testing.assert_array_equal(read.labels, np.concatenate([w.labels for w in written]))
    assert read.images.dtype == read.labels.dtype == np.uint8
    assert len(load_cifar10(tmp_path).labels) == 3


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "0 bytes"),
        (bytes(3072), "3072 bytes.*truncated"),
        (bytes(3073 * 2 - 1), "truncated"),
        (bytes([10]) + bytes(3072), r"label 10: allowed are 0 \.\.\. 9"),
    ],
)
def test_bad_files_are_named(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "test_batch.bin").write_bytes(content)
    with pytest.raises(InputError, match=message):
        load_cifar10(tmp_path)


def test_missing_folder_and_batch(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such CIFAR-10 folder"):
        load_cifar10(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"test_batch\.bin"):
        load_cifar10(tmp_path)


def test_real_images(cifar10_dir: Path) -> None:
    data = load_cifar10(cifar10_dir)
    assert data.images.shape == (len(data.labels), 3, 32, 32)
    assert len(data.labels) >= 1000
    assert set(data.labels) == set(range(len(CLASSES)))
    images = data.images[:200].reshape(200, -1) / 255
    centred = images - images.mean(axis=1, keepdims=True)
    assert np.median(low_frequency_ratio(centred, Band((3, 32, 32), 6))) > 0.8


def test_real_training_batch_is_balanced(cifar10_dir: Path) -> None:
    data = load_cifar10(cifar10_dir, ("data_batch_1",))
    assert len(data.labels) == 10_000
    assert np.bincount(data.labels).min() > 900
