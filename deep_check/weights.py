"""State dicts of the usual CIFAR ResNets: names, shapes, and numbers that can be meant; never a silent partial load.

A file fits an architecture if it has every entry of `Architecture.state_shapes` in its shape and none besides. Names
may begin with `module.` (DataParallel), the linear layer may be called `fc`, and counters of batches are left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deep_check.architecture import Architecture
from deep_check.weights_files import read, write
from theory_sim.errors import InputError, require

Array = NDArray[np.float32]
SHOWN = 3  # names of a list in an error message


@dataclass(frozen=True)
class Weights:
    """A state dict, float32, C-contiguous, in the order of `Architecture.state_shapes`.

    facts: what the file says of it (mean and std of the input's normalisation, training, ...); notes: what was changed
    while reading, a line each.
    """

    architecture: Architecture
    state: dict[str, Array]
    facts: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def load_weights(path: Path, architecture: Architecture | None = None) -> Weights:
    """Read a .safetensors or .npz file.

    architecture: what the weights must fit; None takes the one that they fit. float64 is rounded to float32, float16
    and bfloat16 are held exactly. Raises InputError as `weights_files.read` and `as_state`.
    """
    arrays, facts = read(Path(path))
    source = f"weights {path}"
    named = usual_names(arrays, source)
    if architecture is None:
        architecture = _nearest(named)
        if architecture is None:
            raise InputError(
                f"{source}: no ResNet of depth 6n + 2 with 3x3 convolutions has these {len(named)} entries"
            )
    state, notes = as_state(named, architecture, source)
    return Weights(architecture, state, facts, notes)


def save_weights(path: Path, weights: Weights) -> None:
    """Write a .safetensors or .npz file, whole or not at all. Raises InputError as `weights_files.write`."""
    write(Path(path), weights.state, weights.facts)


def usual_names(arrays: Mapping[str, NDArray[Any]], source: str) -> dict[str, NDArray[Any]]:
    """Arrays under the names of `Architecture.state_shapes`; InputError if two of them get the same name."""
    named: dict[str, NDArray[Any]] = {}
    for given, values in arrays.items():
        name = given.removeprefix("module.")
        if name.endswith("num_batches_tracked"):
            continue
        name = re.sub(r"^fc\.", "linear.", name)
        require(name not in named, f"{source}: {name} is there twice, once as {given}")
        named[name] = values
    return named


def architecture_of(named: Mapping[str, NDArray[Any]]) -> Architecture | None:
    """The architecture whose names and shapes these are, None if there is none."""
    found = _nearest(named)
    shapes = {name: np.shape(values) for name, values in named.items()}
    return found if found is not None and found.state_shapes == shapes else None


def _nearest(named: Mapping[str, NDArray[Any]]) -> Architecture | None:
    """By the number of blocks, and by the shapes of the first and the last layer where these are there."""
    blocks = {match[1] for name in named if (match := re.match(r"(layer[123]\.\d+)\.", name))}
    stem, head = np.shape(named.get("conv1.weight", 0)), np.shape(named.get("linear.weight", 0))
    n_classes, in_channels = head[0] if len(head) == 2 else 10, stem[1] if len(stem) == 4 else 3
    try:
        return Architecture(depth=2 * len(blocks) + 2, n_classes=n_classes, in_channels=in_channels)
    except InputError:
        return None


def as_state(
    named: Mapping[str, NDArray[Any]], architecture: Architecture, source: str
) -> tuple[dict[str, Array], tuple[str, ...]]:
    """The state dict of an architecture from arrays of its names, and notes on what was converted.

    source: what the arrays are called in messages. Raises InputError, one line: with all missing, unexpected and
    misshaped entries (counts, and the first names of each); on types that are no floating-point numbers, NaN, infinity
    and negative running variances, naming the entry.
    """
    _require_fit(named, architecture, source)
    state: dict[str, Array] = {}
    rounded = []
    for name, shape in architecture.state_shapes.items():
        values = np.asarray(named[name])
        require(
            values.dtype in (np.float64, np.float32, np.float16),
            f"{source}: {name} is of type {values.dtype}, allowed are float32, float64, float16",
        )
        _require_all(np.isfinite(values), values, f"{source}: {name}", "finite numbers")
        if name.endswith("running_var"):
            _require_all(values >= 0, values, f"{source}: {name}", "numbers >= 0")
        with np.errstate(over="ignore", under="ignore"):
            single = np.array(values, dtype=np.float32, order="C").reshape(shape)
        _require_all(np.isfinite(single), values, f"{source}: {name}", "numbers that float32 can hold")
        if not np.array_equal(single, values):
            rounded.append(name)
        state[name] = single
    notes = (f"{source}: {len(rounded)} entries rounded from float64 to float32 ({_some(rounded)})",) if rounded else ()
    return state, notes


def _require_fit(named: Mapping[str, NDArray[Any]], architecture: Architecture, source: str) -> None:
    shapes = architecture.state_shapes
    missing = [name for name in shapes if name not in named]
    unexpected = [name for name in named if name not in shapes]
    misshaped = [
        f"{name} {np.shape(named[name])} instead of {shape}"
        for name, shape in shapes.items()
        if name in named and np.shape(named[name]) != shape
    ]
    found = {"missing": missing, "unexpected": unexpected, "misshaped": misshaped}
    parts = [f"{len(names)} {word} ({_some(names)})" for word, names in found.items() if names]
    if not parts:
        return
    fits = architecture_of(named)
    hint = f"; the file fits {describe(fits)}" if fits is not None else ""
    raise InputError(f"{source} does not fit {describe(architecture)}: {', '.join(parts)}{hint}")


def describe(architecture: Architecture) -> str:
    """As "ResNet-32 with 10 classes", and the channels of its images if they are not 3."""
    channels = "" if architecture.in_channels == 3 else f" and {architecture.in_channels} input channels"
    return f"ResNet-{architecture.depth} with {architecture.n_classes} classes{channels}"


def _some(names: Sequence[str]) -> str:
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def _require_all(good: NDArray[np.bool_], values: NDArray[Any], what: str, allowed: str) -> None:
    if good.all():
        return
    place = tuple(int(i) for i in np.argwhere(~good)[0])
    raise InputError(f"{what}{list(place)} is {values[place]}: allowed are {allowed}")
