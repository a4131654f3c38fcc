"""What both CUDA networks are made of: convolutions, memory by name and by size, all weights packed by one launch."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from math import prod
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from deep_check.architecture import Architecture
from deep_check.cuda.device import Device
from deep_check.ops.conv2d_cuda import Convolution
from deep_check.ops.launching import gather

Shape = tuple[int, ...]
Key = TypeVar("Key", bound=Hashable)
Room = TypeVar("Room")
LARGEST_BLOCK = 512  # images that are taken through a network at once, where there is a choice


def convolutions_of(architecture: Architecture, precision: str) -> list[Convolution]:
    """In forward order. Raises InputError on an unknown precision."""
    return [
        Convolution(spec.in_channels, spec.out_channels, spec.size, spec.size, spec.stride, precision)
        for spec in architecture.convolutions
    ]


def views(flat: Any, shapes: Mapping[str, Shape]) -> dict[str, Any]:
    """Consecutive pieces of a flat array by name."""
    found, first = {}, 0
    for name, shape in shapes.items():
        found[name] = flat[first : first + prod(shape)].reshape(shape)
        first += prod(shape)
    return found


def is_on_host(array: Any) -> bool:
    """Whether results should come back to the host, too."""
    return isinstance(array, np.ndarray)


class Rooms(Generic[Key, Room]):
    """Memory for batches of one size, made when first asked for; that of the last two sizes is kept.

    Whole blocks and what remains, whole batches and the last of an epoch: two sizes take turns.
    """

    def __init__(self) -> None:
        """Nothing is made yet."""
        self._rooms: dict[Key, Room] = {}

    def of(self, key: Key, make: Callable[[Key], Room]) -> Room:
        """Memory for `key`, the number of images or what else decides it; by make(key) if it is not there."""
        if key not in self._rooms:
            while len(self._rooms) > 1:
                self._rooms.pop(next(iter(self._rooms)))
            self._rooms[key] = make(key)
        return self._rooms[key]


class PackedWeights:
    """Weights of all convolutions as `Convolution.forward` and `.input_gradient` take them, from one flat array.

    first: where in that array the weights of each convolution begin.
    """

    def __init__(self, device: Device, convolutions: Sequence[Convolution], first: Sequence[int]) -> None:
        """Nothing is packed yet."""
        forward = [_places(conv, start, turned=False) for conv, start in zip(convolutions, first, strict=True)]
        turned = [_places(conv, start, turned=True) for conv, start in zip(convolutions, first, strict=True)]
        places = np.concatenate([part.ravel() for part in (*forward, *turned)])
        self._device, self._places = device, device.send(places)
        self._packed = device.empty(places.shape, np.float32)
        shapes = {str(i): part.shape for i, part in enumerate((*forward, *turned))}
        pieces = list(views(self._packed, shapes).values())
        self.forward, self.turned = pieces[: len(convolutions)], pieces[len(convolutions) :]

    def pack(self, weights: Any) -> None:
        """Pack the weights in a flat float32 array of the device."""
        gather(self._device, weights, self._places, self._packed)


def _places(convolution: Convolution, first: int, *, turned: bool) -> NDArray[np.int32]:
    """For each packed number the place of the weight that it is, -1 in what was added [conv2d_weights.cu]."""
    outputs, inputs = convolution.out_channels, convolution.in_channels
    places = first + np.arange(outputs * inputs * 9).reshape(outputs, inputs, 9)
    places = places.transpose(0, 2, 1) if turned else places.transpose(1, 2, 0)
    if turned and convolution.stride == 1:
        places = places[:, ::-1]
    shape = convolution.packed_turned_shape if turned else convolution.packed_shape
    packed = np.full(shape, -1, np.int32)
    packed[:, :, : places.shape[2]] = places
    return packed
