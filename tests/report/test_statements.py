"""Statements are typeset whole: every claim has one, and no LaTeX is left over."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from theory_sim.claims import CLAIMS, ORDER
from theory_sim.mathml import to_mathml
from theory_sim.report.mathematics import to_html
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
    assert to_html("a < b, $x$ y") == f"a &lt; b, {to_mathml('x')[0]} y"
    assert "\\" in to_mathml(r"\unknown")[0]  # what the test above would notice
    with pytest.raises(ValueError, match="odd number"):
        to_html("$x")


def test_punctuation_stays_with_its_formula() -> None:
    html = to_html("If $a=b$, then ($c$) and $d$ follow.")
    assert [re.sub("<[^>]*>", "", span) for span in re.findall(r'<span class="unbroken">.*?</span>', html)] == [
        "=b,", "c)",
    ]  # fmt: skip
    assert re.sub("<[^>]*>", "", html) == "If a=b, then (c) and d follow."
