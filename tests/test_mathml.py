"""LaTeX as MathML: primes, accents, and where a line may end."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from theory_sim.derivations import derive, writing
from theory_sim.derivations.catalogue import ORDER
from theory_sim.derivations.symbols import ght, k, t
from theory_sim.mathml import to_mathml


def test_primes_are_raised_once() -> None:
    assert re.search(r"<mrow><mi>a</mi><mo[^>]*>′</mo></mrow>", to_mathml("a'")[0])
    assert re.search(r"<msub><mrow><mi>ℓ</mi><mo[^>]*>′</mo></mrow><mi>t</mi></msub>", to_mathml(r"\ell'_t")[0])
    assert "<msup><mi>a</mi><mn>2</mn></msup>" in to_mathml("a^2")[0]


@pytest.mark.parametrize(
    ("latex", "pieces"),
    [
        ("x", ["x"]),
        ("a+b=c-d", ["a", "+b", "=c", "−d"]),
        ("-a<b", ["−a", "<b"]),
        ("(a+b)c=|d-e|+f", ["(a+b)c", "=|d−e|", "+f"]),
        (r"x=-\frac{a+b}{c}", ["x", "=−a+bc"]),
        (r"f(a-b)^2=\|a'\|^2+1", ["f(a−b)2", "=‖a′‖2", "+1"]),
    ],
)
def test_lines_may_end_between_terms(latex: str, pieces: list[str]) -> None:
    found = ["".join(ElementTree.fromstring(piece).itertext()) for piece in to_mathml(latex)]
    assert found == pieces


def test_a_symbol_with_everything() -> None:
    (found,) = to_mathml(writing.latex(ght[t, k]))
    assert re.search(r"<mover[^>]*><mrow><mi>g</mi></mrow><mo[^>]*>\^</mo></mover>", found)
    assert "".join(ElementTree.fromstring(found).itertext()) == "g^k(t)"


def test_the_bar_of_a_conjugate_is_as_wide_as_what_is_below() -> None:
    (found,) = to_mathml(r"\overline{x_k}y")
    assert re.search(
        r'<mrow style="border-top[^"]*"><mrow><msub><mi>x</mi><mi>k</mi></msub></mrow></mrow><mi>y</mi>', found
    )
    assert "―" not in found


@pytest.mark.parametrize("identifier", ORDER)
def test_no_latex_is_left_over(identifier: str) -> None:
    derivation = derive(identifier)
    for line in derivation.lines:
        words = re.sub(r"<[^>]*>", "", "".join(to_mathml(writing.latex(line.expression))))
        assert words
        assert not set(words) & set("\\{}_$"), words
