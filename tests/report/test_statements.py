"""Statements are typeset whole: every claim has one, and no LaTeX is left over."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from theory_sim.claims import CLAIMS, ORDER
from theory_sim.report.mathematics import to_html, to_mathml
from theory_sim.report.statements import statements


def test_every_claim_has_its_statement() -> None:
    assert set(statements()) == set(ORDER)
    for claim in CLAIMS:
        found = statements()[claim.id]
        assert found.title
        assert found.printed or claim.ours, claim.id
        assert found.follows or claim.correction is None, claim.key


@pytest.mark.parametrize("identifier", ORDER)
def test_no_latex_is_left_over(identifier: str) -> None:
    for html in statements()[identifier][1:]:
        words = re.sub(r"<[^>]*>", "", html)
        assert not set(words) & set("\\${}_") or identifier == "thm1_t0", words  # its braces are a set's
        ElementTree.fromstring(f"<p>{html}</p>")


def test_prose_is_escaped_and_mathematics_is_not() -> None:
    assert to_html("a < b, $x<y$") == f"a &lt; b, {to_mathml('x<y')}"
    assert "<math" in to_mathml("x<y")
    assert "\\" in to_mathml(r"\unknown")  # what the test above would notice
    with pytest.raises(ValueError, match="odd number"):
        to_html("$x")


def test_primes_are_raised_once() -> None:
    assert re.search(r"<mrow><mi>a</mi><mo[^>]*>′</mo></mrow>", to_mathml("a'"))
    assert re.search(r"<msub><mrow><mi>ℓ</mi><mo[^>]*>′</mo></mrow><mi>t</mi></msub>", to_mathml(r"\ell'_t"))
    assert "<msup><mi>a</mi><mn>2</mn></msup>" in to_mathml("a^2")
