"""The CIFAR-10 reader on files written here in the official layouts, and on the real data of CIFAR10_DIR."""

from __future__ import annotations

import hashlib
import io
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest

from theory_sim.errors import InputError
from theory_sim.inputs import Cifar10, load_cifar10
from theory_sim.inputs.cifar10 import ARCHIVES, CLASSES, FOLDER, PYTHON_FOLDER
from theory_sim.inputs.cifar10_pickle import read_python_batch
from theory_sim.spectrum import Band, low_frequency_ratio


def drawn(n: int, seed: int = 0) -> Cifar10:
    rng = np.random.default_rng(seed)
    return Cifar10(rng.integers(0, 256, (n, 3, 32, 32), np.uint8), rng.integers(0, 10, n, np.uint8))


def binary(data: Cifar10) -> bytes:
    """Byte by byte as the official description says: label, then red, green, blue planes."""
    records = zip(data.images, data.labels, strict=True)
    return b"".join(bytes([label]) + image.tobytes() for image, label in records)


def python(data: Cifar10, protocol: int = 4) -> bytes:
    """As the official pickles: a dict of byte strings, a list of labels and an array (n, 3072)."""
    content = {
        b"batch_label": b"x",
        b"labels": data.labels.tolist(),
        b"data": data.images.reshape(len(data.labels), -1),
    }
    return pickle.dumps({**content, b"filenames": [b"a.png"] * len(data.labels)}, protocol)


def python2(data: Cifar10) -> bytes:
    """The opcodes that Python 2 wrote for its strings, as the official files have them."""
    text, long_text = (lambda s: b"U" + bytes([len(s)]) + s), data.images.tobytes()
    numbers = b"]q\x01(" + b"".join(b"K" + bytes([label]) for label in data.labels) + b"e"
    pixels = b"T" + len(long_text).to_bytes(4, "little") + long_text
    return b"\x80\x02}q\x00(" + text(b"labels") + numbers + text(b"data") + pixels + b"u."


def assert_same(read: Cifar10, written: list[Cifar10]) -> None:
    np.testing.assert_array_equal(read.images, np.concatenate([w.images for w in written]))
    np.testing.assert_array_equal(read.labels, np.concatenate([w.labels for w in written]))
    assert read.images.dtype == read.labels.dtype == np.uint8


@pytest.mark.parametrize("layout", [FOLDER, PYTHON_FOLDER, ""])
def test_records_are_read_back(tmp_path: Path, layout: str) -> None:
    folder = tmp_path / layout
    folder.mkdir(exist_ok=True)
    written = []
    for i, name in enumerate(("data_batch_2", "test_batch")):
        written.append(drawn(3, i))
        if layout == PYTHON_FOLDER:
            (folder / name).write_bytes(python(written[-1]))
        else:
            (folder / f"{name}.bin").write_bytes(binary(written[-1]))
    read = load_cifar10(tmp_path, ("data_batch_2", "test_batch"), partial=True)
    assert_same(read, written)
    assert read.notes == ("data_batch_2: 3 of 10,000 images", "test_batch: 3 of 10,000 images")
    with pytest.raises(InputError, match=r"not whole \(test_batch: 3 of 10,000 images\)"):
        load_cifar10(tmp_path)


@pytest.mark.parametrize("encode", [binary, python])
def test_archives(tmp_path: Path, encode: object, monkeypatch: pytest.MonkeyPatch) -> None:
    path, data = tmp_path / "any.tar.gz", drawn(4)
    name = "test_batch.bin" if encode is binary else "test_batch"
    content = encode(data)  # type: ignore[operator]
    with tarfile.open(path, "w:gz") as archive:
        member = tarfile.TarInfo(f"cifar/{name}")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    assert_same(load_cifar10(path, partial=True), [data])
    with pytest.raises(InputError, match=r"has MD5 .*truncated"):
        load_cifar10(path)
    monkeypatch.setitem(ARCHIVES, "any.tar.gz", hashlib.md5(path.read_bytes()).hexdigest())
    with pytest.raises(InputError, match="not whole"):
        load_cifar10(path)
    with pytest.raises(InputError, match="no CIFAR-10 batch data_batch_1"):
        load_cifar10(path, ("data_batch_1",), partial=True)
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(InputError, match="cannot read CIFAR-10 archive"):
        load_cifar10(path, partial=True)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_pickles_are_read_and_not_executed(protocol: int) -> None:
    data = drawn(300)
    pixels, labels = read_python_batch(python2(data) if protocol == 2 else python(data, protocol), "here")
    assert pixels == data.images.tobytes()
    assert labels == data.labels.tolist()
    if protocol == 2:
        return

    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str, ...]]:
            return exec, ("raise SystemExit('executed')",)

    hidden = pickle.dumps({b"labels": [1], b"data": data.images[:1].reshape(1, -1), b"x": Evil()}, protocol)
    assert read_python_batch(hidden, "here")[1] == [1]


@pytest.mark.parametrize(
    "content", [b"", b"garbage", python(drawn(3))[:5000], python(drawn(3))[:-20], pickle.dumps({})]
)
def test_bad_pickles_are_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "test_batch").write_bytes(content)
    with pytest.raises(InputError, match=r"CIFAR-10 batch .*test_batch"):
        load_cifar10(tmp_path, partial=True)


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
    with pytest.raises(InputError, match="'train': allowed are data_batch_1"):
        load_cifar10(tmp_path, ("train",))


def test_real_images(cifar10_dir: Path) -> None:
    data = load_cifar10(cifar10_dir, partial=True)
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
