"""Prose with LaTeX between dollar signs as HTML with MathML, which browsers typeset without script or network."""

from __future__ import annotations

from html import escape
from xml.etree import ElementTree

from latex2mathml.converter import convert

XMLNS = ' xmlns="http://www.w3.org/1998/Math/MathML"'  # HTML needs no namespace, and ElementTree writes it as a prefix
PRIMES = frozenset("′″‴")


def to_html(prose: str) -> str:
    """Escaped prose; each `$...$` becomes an inline `<math>` element. ValueError on an odd number of dollar signs."""
    parts = prose.strip().split("$")
    if len(parts) % 2 == 0:
        raise ValueError(f"odd number of dollar signs: {prose}")
    return "".join(to_mathml(part) if i % 2 else escape(part, quote=False) for i, part in enumerate(parts))


def to_mathml(latex: str) -> str:
    """One `<math>` element; fractions and sums as large as in a display, so that a phone shows them well."""
    math = ElementTree.fromstring(convert(" ".join(latex.split())).replace(XMLNS, ""))
    math.set("displaystyle", "true")
    for element in list(math.iter()):
        if element.tag in ("msup", "msubsup") and set(element[-1].text or "-") <= PRIMES:
            _lower_prime(element)
        if element.tag == "mo" and element.text == "|":
            element.set("lspace", "0")
            element.set("rspace", "0")
    return ElementTree.tostring(math, encoding="unicode")


def _lower_prime(element: ElementTree.Element) -> None:
    """Fonts without an OpenType MATH table have primes that are raised already: raised twice nobody sees them."""
    base, prime = element[0], element[-1]
    primed = ElementTree.Element("mrow")
    mark = ElementTree.SubElement(primed, "mo", lspace="0", rspace="0")
    mark.text = prime.text
    primed.insert(0, base)
    if element.tag == "msup":
        element.tag = "mrow"
        element[:] = list(primed)
    else:
        element.tag = "msub"
        element[:] = [primed, element[1]]
