"""Samples survive JSON to the last bit, and every population's samples do."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from theory_sim.claims.encoding import decode, encode, numbers, with_reference
from theory_sim.claims.populations import POPULATIONS
from theory_sim.claims.sources import Sources
from theory_sim.errors import InputError


@pytest.fixture(scope="module")
def sources() -> Sources:
    return Sources.load()


def sample_of(population: str, sources: Sources):  # type: ignore[no-untyped-def]
    for index in range(20):
        sample = POPULATIONS[population](np.random.default_rng([3, index]), False, sources)
        if sample is not None:
            return sample
    raise AssertionError(f"{population} draws nothing")


@pytest.mark.parametrize("population", POPULATIONS)
def test_round_trip_keeps_every_bit(population: str, sources: Sources) -> None:
    sample = sample_of(population, sources)
    text = json.dumps(encode(sample), allow_nan=False)
    again = decode(json.loads(text))
    assert encode(again) == encode(sample)
    assert numbers(again) == numbers(with_reference(sample))  # equal floats: the same run, bit for bit


@pytest.mark.parametrize("population", ["relu", "smooth", "order relu"])
def test_reference_engine_gives_the_numbers_of_the_fast_one(population: str, sources: Sources) -> None:
    sample = sample_of(population, sources)
    fast, slow = numbers(sample), numbers(with_reference(sample))
    for name, values in fast.items():
        scale = max(abs(v) for v in slow[name] if v is not None)
        np.testing.assert_allclose(values, slow[name], rtol=0, atol=1e-9 * scale, err_msg=name)


BROKEN = {
    "kind": ("walk", "sample kind 'walk'"),
    "band": ({"shape": [5], "cutoff": 99, "convention": "three-sided", "mask": "disc", "kind": "dft"}, "three-sided"),
    "x": ([0.0, math.nan, 0, 0, 0], "NaN"),
    "label": ("far", "not a whole counterexample"),
    "learning_rate": (-1.0, "learning rate -1.0"),
    "n_steps": (0, "number of steps 0"),
    "loss": ("hinge", "hinge"),
    "network": ({"weights": [[1.0]], "outer": [1.0, 2.0], "activation": {"name": "relu"}}, "outer weights"),
}


@pytest.mark.parametrize("key", BROKEN)
def test_broken_samples_are_named(key: str, sources: Sources) -> None:
    fields = encode(sample_of("relu", sources))
    value, words = BROKEN[key]
    with pytest.raises(InputError, match=words):
        decode(fields | {key: value})
    del fields[key]
    with pytest.raises(InputError, match=f"missing key '{key}'"):
        decode(fields)


def test_an_input_of_another_size_is_refused(sources: Sources) -> None:
    fields = encode(sample_of("signal", sources))
    fields["band"]["shape"] = [len(fields["x"]) + 1]
    with pytest.raises(InputError, match="does not fit"):
        decode(fields)
