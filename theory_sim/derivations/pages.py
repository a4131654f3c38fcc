"""A whole derivation as text, LaTeX or HTML: lines with their operations, and the paper beside what follows."""

from __future__ import annotations

from html import escape
from textwrap import wrap

from sympy import Basic, Rel

from theory_sim.derivations.derivation import Comparison, Derivation
from theory_sim.derivations.errata import Erratum
from theory_sim.derivations.symbols import MEANING, NAMES
from theory_sim.derivations.verification import Verification
from theory_sim.derivations.writing import latex, latex_name, text, text_name
from theory_sim.mathml import to_mathml

WIDTH = 110
INDENT = " " * 6
KIND_WORDS = {
    "term": "differs", "condition": "a condition is needed", "dropped": "terms dropped, as the paper says",
    "stronger": "more holds than is printed", "hypothetical": "what the assumption rules out",
}  # fmt: skip


def symbols_of(derivation: Derivation) -> list[str]:
    """SymPy names of all symbols in a derivation, by first appearance."""
    found: dict[str, None] = {}
    for line in derivation.lines:
        for name in sorted(str(s) for s in line.expression.free_symbols):
            if name in NAMES:
                found[name] = None
    return list(found)


def agreement(c: Comparison) -> str:
    """In a few words: exactly, to an order, or what kind of difference."""
    if not c.agrees:
        return KIND_WORDS[c.kind]
    return "agrees" if c.order is None else f"agrees up to terms of order {c.order}"


# Text -----------------------------------------------------------------------------------------------------------------


def as_text(derivation: Derivation, verification: Verification | None = None) -> str:
    """For a terminal or a file, some 110 columns wide."""
    out = [f"{derivation.id}: {derivation.title}   {derivation.source}", f"The paper: {derivation.statement}", ""]
    for line in derivation.lines:
        order = f" + O({line.order})" if line.order is not None else ""
        note = f": {line.note}" if line.note else ""
        out += _fold(f"({line.number})".rjust(5) + f" {text(line.expression)}{order}", INDENT + "    ")
        out += _fold(f"{INDENT}  [{line.operation_name}]{note}", INDENT + "    ")
    for c in derivation.comparisons:
        case = f", {c.case}" if c.case else ""
        out += ["", *_fold(f"{c.source}{case}: {agreement(c)}", "  ")]
        out += _fold(f"  printed     {text(c.printed)}", " " * 14)
        out += _fold(f"  follows     {text(c.derived)}   ({c.line})", " " * 14)
        out += _fold(f"  difference  {_difference(c)}", " " * 14)
        if not c.agrees:
            out += _fold(f"  consequence {c.consequence}", " " * 14)
            out += _fold(f"  still true  {c.stays}", " " * 14)
    out += ["", "Symbols: " + "; ".join(f"{text_name(NAMES[n])} {MEANING[n]}" for n in symbols_of(derivation))]
    out[-1:] = wrap(out[-1], WIDTH, subsequent_indent="  ")
    if verification is not None:
        out += ["", *_fold("Checked: " + verification.summary, "  ")]
    return "\n".join(out)


def _difference(c: Comparison) -> str:
    """The exact difference: 0, a term, or the condition."""
    return f"needs {text(c.difference)}" if isinstance(c.difference, Rel) else text(c.difference)


def _fold(line: str, indent: str) -> list[str]:
    return (
        wrap(line, WIDTH, subsequent_indent=indent, break_long_words=False, drop_whitespace=True)
        if len(line) > WIDTH
        else [line]
    )


# LaTeX ----------------------------------------------------------------------------------------------------------------


def as_latex(derivation: Derivation) -> str:
    """A section for a document that loads amsmath; one display a line, numbered as in the text."""
    out = [
        rf"\subsection*{{{latex_prose(derivation.title)} ({latex_prose(derivation.id)})}}",
        rf"{latex_prose(derivation.source)}",
    ]
    for line in derivation.lines:
        order = rf" + O({line.order})" if line.order is not None else ""
        note = f"{line.operation_name}: {line.note}" if line.note else line.operation_name
        out += [rf"\noindent {latex_prose(note)}", rf"\[ {latex(line.expression)}{order} \tag*{{({line.number})}} \]"]
    for c in derivation.comparisons:
        case = f", {c.case}" if c.case else ""
        out += [
            rf"\paragraph{{{latex_prose(c.source + case)}}} {latex_prose(agreement(c))}.",
            rf"\[ \text{{printed: }} {latex(c.printed)} \]",
            rf"\[ \text{{follows: }} {latex(c.derived)} \]",
            rf"\[ \text{{difference: }} {latex(c.difference)} \]",
        ]
        if not c.agrees:
            out += [latex_prose(c.consequence), rf"\emph{{Still true:}} {latex_prose(c.stays)}"]
    names = ", ".join(rf"${latex_name(NAMES[n])}$ {latex_prose(MEANING[n])}" for n in symbols_of(derivation))
    return "\n".join([*out, rf"\paragraph{{Symbols}} {names}"])


def latex_prose(words: str) -> str:
    """Prose for LaTeX (an engine that reads Unicode, such as LuaLaTeX): its special characters are escaped."""
    special = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    special |= {c: "\\" + c for c in "&%$#_{}"}
    return "".join(special.get(c, c) for c in words)


# HTML -----------------------------------------------------------------------------------------------------------------

STYLE = """
.derivation ol { padding-left: 3em }
.derivation li { margin: .6em 0 }
.derivation .operation { font-variant-caps: small-caps }
.derivation .comparison { border-left: 4px solid #56B4E9; padding: .2em 1em; margin: 1em 0 }
.derivation .comparison.differs { border-color: #D55E00 }
math { font-family: "STIX Two Math", "Latin Modern Math", "Cambria Math", "DejaVu Math TeX Gyre", math }
.derivation .formula { overflow-x: auto; margin: .3em 0 }
.derivation dl { display: grid; grid-template-columns: max-content 1fr; gap: .2em 1em; align-items: baseline }
.derivation dt { font-weight: 600 }
.derivation dd { margin: 0; min-width: 0 }
"""


def as_html(derivation: Derivation, verification: Verification | None = None) -> str:
    """A `<section>` with MathML that needs no script and no network; its look is in STYLE."""
    items = []
    for line in derivation.lines:
        note = f" {escape(line.note)}" if line.note else ""
        order = f" <span class='order'>up to terms of order {line.order}</span>" if line.order is not None else ""
        anchor = f"{derivation.id}-line-{line.number}"
        words = f"<span class='operation'>{escape(line.operation_name)}</span>{note}{order}"
        items.append(f'<li id="{anchor}" value="{line.number}">{words}{_formula(line.expression)}</li>')
    blocks = "".join(_comparison_html(c) for c in derivation.comparisons)
    names = "; ".join(
        f"{''.join(to_mathml(latex_name(NAMES[n])))} {escape(MEANING[n])}" for n in symbols_of(derivation)
    )
    checked = "" if verification is None else f"<p class='checked'>Checked: {escape(verification.summary)}.</p>"
    return (
        f'<section class="derivation" id="derivation-{derivation.id}"><h3>{escape(derivation.title)}</h3>'
        f"<p>{escape(derivation.source)} {escape(derivation.statement)}</p><ol>{''.join(items)}</ol>{blocks}"
        f"<p class='symbols'>Symbols: {names}.</p>{checked}</section>"
    )


def _formula(e: Basic) -> str:
    """MathML whose lines may end between terms."""
    return f'<div class="formula">{"".join(to_mathml(latex(e)))}</div>'


def _comparison_html(c: Comparison) -> str:
    case = f", {c.case}" if c.case else ""
    look = "comparison" if c.agrees else "comparison differs"
    rows = [
        ("printed", _formula(c.printed)),
        (f"follows ({c.line})", _formula(c.derived)),
        ("difference", _formula(c.difference)),
    ]
    if not c.agrees:
        rows += [("consequence", escape(c.consequence)), ("still true", escape(c.stays))]
    listed = "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in rows)
    return f'<div class="{look}"><p>{escape(c.source + case)}: {escape(agreement(c))}</p><dl>{listed}</dl></div>'


def html_page(sections: list[str], title: str) -> str:
    """A page by itself, light and dark."""
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><style>:root { color-scheme: light dark }'
        f"body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60em; margin: auto; padding: 1em }}{STYLE}</style>"
        f"</head><body>{''.join(sections)}</body></html>\n"
    )


# Errata ---------------------------------------------------------------------------------------------------------------


def errata_text(found: list[Erratum]) -> str:
    """For a terminal or a file."""
    out = [
        f"{len(found)} places where what is printed differs from what follows; each is fair to what stays true. Not "
        "among them: what a hypothesis rules out."
    ]
    for e in found:
        case = f", {e.case}" if e.case else ""
        out += ["", *_fold(f"{e.source}{case}: {KIND_WORDS[e.kind]}   (derive {e.derivation}, line {e.line})", "  ")]
        out += _fold(f"  printed     {text(e.printed)}", " " * 14)
        out += _fold(f"  follows     {text(e.derived)}", " " * 14)
        out += _fold(f"  difference  {text(e.difference)}", " " * 14)
        out += _fold(f"  effect      {e.effect.words}", " " * 14)
        out += _fold(f"  consequence {e.consequence}", " " * 14)
        out += _fold(f"  still true  {e.stays}", " " * 14)
    return "\n".join(out)


def errata_html(found: list[Erratum]) -> str:
    """A `<section>`; its look is in STYLE."""
    blocks = []
    for e in found:
        case = f", {e.case}" if e.case else ""
        rows = [
            ("printed", _formula(e.printed)), ("follows", _formula(e.derived)), ("difference", _formula(e.difference)),
            ("effect", escape(e.effect.words)), ("consequence", escape(e.consequence)), ("still true", escape(e.stays)),
        ]  # fmt: skip
        listed = "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in rows)
        head = (
            f'{escape(e.source + case)}: {KIND_WORDS[e.kind]} (<a href="#derivation-{e.derivation}">{e.derivation}</a>)'
        )
        anchor = f"erratum-{e.id.replace(':', '-')}"
        blocks.append(f'<div class="comparison differs" id="{anchor}"><p>{head}</p><dl>{listed}</dl></div>')
    return f'<section class="derivation" id="errata"><h2>Errata</h2>{"".join(blocks)}</section>'
