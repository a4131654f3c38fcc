"""Numbers and ranges as words, and what differs between settings in one line."""

from __future__ import annotations

import pytest

from deep_check.experiments.differences import differences, in_one_line
from deep_check.experiments.options import number, numbers, size
from theory_sim.errors import InputError


def test_what_is_allowed() -> None:
    assert number("radius", "8/255", 1) == 8 / 255
    assert number("radius", "0", 1) == 0
    assert number("radius", "1e9") == 1e9
    assert size("radius", "100", "l2") == 100
    assert numbers("cutoffs", "0:3", 23) == (0.0, 1.0, 2.0, 3.0)
    assert numbers("cutoffs", "23", 23) == (23.0,)


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "-1/255", "1.001", "1/0", "x", "", "1e999"])
def test_a_number_is_refused_as_it_was_typed(text: str) -> None:
    with pytest.raises(InputError) as caught:
        size("radius", text, "linf")
    assert str(caught.value) == f"--radius {text!r}: allowed is 0 ... 1, a number or a fraction such as 8/255"


@pytest.mark.parametrize("text", ["0", "0/3", "-1", "nan", "inf"])
def test_steps_are_above_zero(text: str) -> None:
    with pytest.raises(InputError, match=f"--step-size '{text}': allowed is above 0, up to 100,"):
        size("step-size", text, "l2", positive=True)
    with pytest.raises(InputError, match=f"--step '{text}': allowed is > 0 and finite,"):
        number("step", text, positive=True)


@pytest.mark.parametrize("text", ["-1:3", "0:24", "3:1", "1.5:3", "nan", "-1,3", "4,99", "1:99999999999"])
def test_a_range_names_its_ends(text: str) -> None:
    with pytest.raises(InputError, match=r"allowed is .*0 \.\.\. 23"):
        numbers("cutoffs", text, 23)


def test_only_what_differs_is_named() -> None:
    there = {"attacks": {"linf": {"radius": 0.1, "steps": 40}, "l2": {"radius": 0.5, "steps": 40}}, "seed": 0}
    asked = {"attacks": {"linf": {"radius": 0.2, "steps": 40}, "l2": {"radius": 0.5, "steps": 40}}, "seed": 0}
    assert differences(there, there) == []
    assert in_one_line(differences(there, asked)) == "attacks of linf of radius 0.1 there, 0.2 asked for"
    many = differences({str(i): i for i in range(5)}, dict.fromkeys(map(str, range(5)), -1))
    assert in_one_line(many).endswith("; 2 2 there, -1 asked for and 2 more")
    assert len(differences({"a": "x" * 900}, {"a": None})[0]) < 80
