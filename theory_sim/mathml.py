"""LaTeX as MathML, which browsers typeset without script or network."""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from latex2mathml.converter import convert

XMLNS = ' xmlns="http://www.w3.org/1998/Math/MathML"'  # HTML needs no namespace, and ElementTree writes it as a prefix
PRIMES = frozenset("′″‴")
BAR = "―"  # what the converter puts above a conjugate
OVERLINE = "border-top: .06em solid; padding-top: .12em"
OPENING, CLOSING, BARS = "([{", ")]}", "|‖"
RELATIONS, SUMS = frozenset("=<>≤≥≈"), frozenset("+−")


def to_mathml(latex: str) -> list[str]:
    """`<math>` elements, one a piece that must not be broken; fractions and sums as large as in a display."""
    math = ElementTree.fromstring(convert(" ".join(latex.split())).replace(XMLNS, ""))
    for element in list(math.iter()):
        if element.tag in ("msup", "msubsup") and set(element[-1].text or "-") <= PRIMES:
            _lower_prime(element)
        if element.tag == "mover" and element[-1].text == BAR:
            _draw_bar(element)
        if element.tag == "mo" and element.text == "|":
            element.set("lspace", "0")
            element.set("rspace", "0")
    out = []
    for children in _pieces(list(math[0])):
        piece = Element("math", displaystyle="true")
        piece.extend(children)
        out.append(ElementTree.tostring(piece, encoding="unicode"))
    return out


def _pieces(children: list[Element]) -> Iterator[list[Element]]:
    """Split before relations and before plus and minus, where no parenthesis or bar is open."""
    piece: list[Element] = []
    depth, bars = 0, 0
    for child in children:
        text = child.text or "" if child.tag == "mo" else ""
        unary = not piece or piece[-1].text in RELATIONS
        if (text in RELATIONS or (text in SUMS and not unary)) and depth == 0 and bars % 2 == 0:
            if piece:
                yield piece
                piece = []
            child.set("form", "infix")
        piece.append(child)
        for mark in ElementTree.tostring(child, encoding="unicode", method="text") if child.tag != "mrow" else "":
            depth += (mark in OPENING) - (mark in CLOSING)
            bars += mark in BARS
    yield piece


def _draw_bar(element: Element) -> None:
    """Fonts without an OpenType MATH table have no bar that grows to the width of what is below it."""
    element.tag = "mrow"
    element.set("style", OVERLINE)
    element.remove(element[-1])


def _lower_prime(element: Element) -> None:
    """Fonts without an OpenType MATH table have primes that are raised already: raised twice nobody sees them."""
    base, prime = element[0], element[-1]
    primed = Element("mrow")
    mark = ElementTree.SubElement(primed, "mo", lspace="0", rspace="0")
    mark.text = prime.text
    primed.insert(0, base)
    if element.tag == "msup":
        element.tag = "mrow"
        element[:] = list(primed)
    else:
        element.tag = "msub"
        element[:] = [primed, element[1]]
