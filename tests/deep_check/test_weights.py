"""Weights by name: what loads, bit by bit; what does not, in one clear line; what is written, whole or not at all."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import save_file

from deep_check.architecture import Architecture
from deep_check.weights import SHOWN, Weights, architecture_of, load_weights, save_weights
from deep_check.weights_files import SUFFIXES, read, write
from tests.deep_check.networks import random_state
from tests.test_bad_inputs import assert_one_clear_line
from theory_sim.errors import InputError

EIGHT, TWENTY = Architecture(8), Architecture(20)
State = dict[str, NDArray[Any]]


@pytest.fixture
def state() -> State:
    return dict(random_state(EIGHT))


def stored(tmp_path: Path, state: State, suffix: str = ".npz") -> Path:
    """As somebody else writes it."""
    path = tmp_path / f"w{suffix}"
    if suffix == ".npz":
        np.savez(path, **state)  # type: ignore[arg-type]
    else:
        save_file(state, path)
    return path


def refused(path: Path, *words: str, architecture: Architecture | None = EIGHT) -> str:
    with pytest.raises(InputError) as caught:
        load_weights(path, architecture)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 500  # three lists of three names
    for word in (path.name, *words):
        assert word in message
    return message


def assert_same(found: State, expected: State) -> None:
    assert list(found) == list(EIGHT.state_shapes)
    for name, values in found.items():
        assert values.dtype == np.float32
        assert values.flags.c_contiguous
        np.testing.assert_array_equal(values, expected[name])


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_was_saved_is_loaded(tmp_path: Path, state: State, suffix: str) -> None:
    path = tmp_path / f"w{suffix}"
    facts = {"mean": [0.5, 0.25, 0.1], "recipe": "ε = 8/255"}
    save_weights(path, Weights(EIGHT, state, facts))
    found = load_weights(path, EIGHT)
    assert_same(found.state, state)
    assert found.facts == facts
    assert found.notes == ()
    first = path.read_bytes()
    save_weights(path, Weights(EIGHT, dict(reversed(state.items())), facts))
    loaded = load_weights(path)
    assert loaded.architecture == EIGHT
    if suffix == ".safetensors":  # the format sorts its entries
        assert path.read_bytes() == first
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_names_of_others(tmp_path: Path, state: State, suffix: str) -> None:
    """DataParallel's prefix, `fc`, counters of batches, arrays in another memory order."""
    theirs: State = {f"module.{name.replace('linear', 'fc')}": values for name, values in state.items()}
    theirs |= {"module.bn1.num_batches_tracked": np.array(7)}
    if suffix == ".npz":
        theirs["module.conv1.weight"] = np.asfortranarray(theirs["module.conv1.weight"])
    assert_same(load_weights(stored(tmp_path, theirs, suffix), EIGHT).state, state)


def test_other_precisions(tmp_path: Path, state: State) -> None:
    half = {name: values.astype(np.float16) for name, values in state.items()}
    found = load_weights(stored(tmp_path, half), EIGHT)
    assert found.notes == ()
    np.testing.assert_array_equal(found.state["conv1.weight"], half["conv1.weight"])
    exact = {name: values.astype(np.float64) for name, values in state.items()}
    assert load_weights(stored(tmp_path, exact), EIGHT).notes == ()
    exact["conv1.weight"] = exact["conv1.weight"] + 1e-12
    found = load_weights(stored(tmp_path, exact), EIGHT)
    assert found.notes == (f"weights {tmp_path / 'w.npz'}: 1 entries rounded from float64 to float32 (conv1.weight)",)
    np.testing.assert_array_equal(found.state["conv1.weight"], exact["conv1.weight"].astype(np.float32))


def test_bfloat16(tmp_path: Path, state: State) -> None:
    """NumPy has no such type: the file is written by its format's description."""
    header: dict[str, Any] = {}
    data = b""
    cut = {name: (values.view(np.uint32) >> 16).astype("<u2") for name, values in state.items()}
    for name, values in cut.items():
        header[name] = {"dtype": "BF16", "shape": values.shape, "data_offsets": [len(data), len(data) + values.nbytes]}
        data += values.tobytes()
    text = json.dumps(header).encode()
    path = tmp_path / "b.safetensors"
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    found = load_weights(path, EIGHT)
    for name, values in cut.items():
        np.testing.assert_array_equal(found.state[name], (values.astype(np.uint32) << 16).view(np.float32))


def test_missing_unexpected_and_misshaped_entries_are_all_named(tmp_path: Path, state: State) -> None:
    del state["bn1.bias"]
    state |= {"layer2.0.downsample.0.weight": np.zeros((32, 16, 1, 1)), "linear.weight": np.zeros((100, 64))}
    message = refused(
        stored(tmp_path, state),
        "1 missing (bn1.bias)",
        "1 unexpected (layer2.0.downsample.0.weight)",
        "1 misshaped (linear.weight (100, 64) instead of (10, 64))",
    )
    assert "the file fits" not in message


def test_long_lists_are_shortened_and_the_depth_that_fits_is_named(tmp_path: Path, state: State) -> None:
    path = stored(tmp_path, dict(random_state(TWENTY)))
    message = refused(path, "does not fit ResNet-8 with 10 classes", "the file fits ResNet-20 with 10 classes")
    more = len(TWENTY.state_shapes) - len(EIGHT.state_shapes) - SHOWN
    assert f"and {more} more" in message
    refused(stored(tmp_path, state), "missing", architecture=TWENTY)
    assert architecture_of(state) == EIGHT
    small = Architecture(8, n_classes=7, in_channels=1)
    assert load_weights(stored(tmp_path, dict(random_state(small)))).architecture == small
    refused(stored(tmp_path, dict(random_state(small))), "the file fits ResNet-8 with 7 classes and 1 input channels")


def test_a_file_of_something_else(tmp_path: Path) -> None:
    refused(stored(tmp_path, {"x": np.zeros(3)}), "no ResNet of depth 6n + 2", architecture=None)
    refused(stored(tmp_path, {}), "missing")


def broken(state: State, name: str, value: float, dtype: Any = np.float32) -> State:
    state[name] = state[name].astype(dtype)
    state[name][(1,) * state[name].ndim] = value
    return state


@pytest.mark.parametrize(
    ("name", "value", "dtype", "words"),
    [
        ("conv1.weight", np.nan, np.float32, "conv1.weight[1, 1, 1, 1] is nan: allowed are finite"),
        ("bn1.bias", -np.inf, np.float32, "bn1.bias[1] is -inf: allowed are finite"),
        ("bn1.running_var", -0.5, np.float32, "bn1.running_var[1] is -0.5: allowed are numbers >= 0"),
        ("linear.weight", 1e39, np.float64, "linear.weight[1, 1] is 1e+39: allowed are numbers that float32 can hold"),
        ("linear.weight", 1, np.int64, "linear.weight is of type int64, allowed are float32, float64, float16"),
        ("linear.weight", 1, np.complex128, "linear.weight is of type complex128, allowed are"),
    ],
)
def test_numbers_that_cannot_be_meant(
    tmp_path: Path, state: State, name: str, value: float, dtype: Any, words: str
) -> None:
    refused(stored(tmp_path, broken(state, name, value, dtype)), words)


def test_the_same_name_twice(tmp_path: Path, state: State) -> None:
    state["module.conv1.weight"] = state["conv1.weight"]
    refused(stored(tmp_path, state), "conv1.weight is there twice, once as module.conv1.weight")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def cut_at_the_end(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def flipped(path: Path) -> None:
    """One bit of the numbers of an .npz: its checksums notice. A .safetensors file has none: its header is damaged."""
    raw = bytearray(path.read_bytes())
    raw[9 if path.suffix == ".safetensors" else len(raw) // 2] ^= 0x80
    path.write_bytes(raw)


def noise(path: Path) -> None:
    path.write_bytes(bytes(range(256)) * 8)


def empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("damage", [cut, cut_at_the_end, flipped, noise, empty])
def test_damaged_files(tmp_path: Path, state: State, suffix: str, damage: Callable[[Path], None]) -> None:
    path = stored(tmp_path, state, suffix)
    damage(path)
    refused(path, "cannot read weights")


def test_pickles_are_never_opened(tmp_path: Path, state: State) -> None:
    for name in ("w.pth", "w.pt", "w.th", "w.ckpt", "w.bin", "w.pkl"):
        path = tmp_path / name
        path.write_bytes(b"cos\nsystem\n(S'false'\ntR.")
        refused(path, "safetensors.torch.save_file")
    objects = tmp_path / "objects.npz"
    np.savez(objects, x=np.array([{}], dtype=object))
    refused(objects, "cannot read weights")
    with zipfile.ZipFile(tmp_path / "torch.npz", "w") as archive:  # PyTorch's own format under another name
        archive.writestr("archive/data.pkl", b"...")
    refused(tmp_path / "torch.npz", "convert it once")


def test_places_where_no_weights_are(tmp_path: Path) -> None:
    refused(tmp_path / "none.npz", "no such weights file")
    refused(tmp_path / "weights.h5", "allowed are files ending in .safetensors, .npz")
    (tmp_path / "folder.npz").mkdir()
    refused(tmp_path / "folder.npz", "is no file")
    one = tmp_path / "one.npz"
    with one.open("wb") as file:
        np.save(file, np.zeros(3))
    refused(one, "no .npz archive")


def test_facts_that_are_no_json(tmp_path: Path, state: State) -> None:
    refused(stored(tmp_path, state | {"deep_check": np.array("{")}), "damaged")
    path = tmp_path / "w.safetensors"
    save_file(state, path, {"deep_check": "[1]", "format": "pt"})
    refused(path, "damaged")
    save_file(state, path, {"format": "pt"})  # metadata of others is no business of ours
    assert read(path)[1] == {}


def test_saving_is_all_or_nothing(tmp_path: Path, state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "w.safetensors"
    save_weights(path, Weights(EIGHT, state))
    before = path.read_bytes()

    def full(self: Path, data: bytes) -> int:
        with self.open("wb") as file:
            file.write(data[:100])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(InputError, match="No space left on device"):
        save_weights(path, Weights(EIGHT, state, {"run": 2}))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_places_where_nothing_can_be_written(tmp_path: Path, state: State) -> None:
    for name, words in (("w.pth", "allowed are files ending in"), ("no/w.npz", "no such folder")):
        with pytest.raises(InputError) as caught:
            write(tmp_path / name, state, {})
        assert_one_clear_line(caught.value, name, words)
