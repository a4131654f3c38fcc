"""Expressions of the derivations as plain text and LaTeX, by the names in `symbols`."""

# ruff: noqa: N802, N815 - SymPy names a printer's methods after its classes

from __future__ import annotations

import unicodedata
from typing import Any

from sympy import Basic, S, Sum
from sympy.printing.latex import LatexPrinter
from sympy.printing.str import StrPrinter

from theory_sim.derivations.symbols import FUNCTIONS, NAMES, STEPPED, Name

HAT, TILDE = "\u0302", "\u0303"
ACCENTS = {"hat": HAT, "tilde": TILDE, "": ""}
SUPERSCRIPTS = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
NOTHING_ASKED, NEVER = "no condition", "never"
TEX = {
    "η": r"\eta ", "ℓ": r"\ell ", "τ": r"\tau ", "Δ": r"\Delta ", "φ": r"\varphi ", "ψ": r"\psi ", "σ": r"\sigma ",
    "μ": r"\mu ", "ν": r"\nu ", "κ": r"\kappa ", "ζ": r"\zeta ", "χ": r"\chi ", "β": r"\beta ", "γ": r"\gamma ",
    "α": r"\alpha ", "δ": r"\delta ", "ε": r"\varepsilon ", "ξ": r"\xi ", "ρ": r"\rho ", "ϱ": r"\varrho ",
    "Λ": r"\Lambda ", "ϑ": r"\vartheta ", "Π": r"\Pi ",
    "‖": r"\|", "²": "^{2}", "′": "'", "″": "''", "∂": r"\partial ", "∇": r"\nabla ",
    "⟨": r"\langle ", "⟩": r"\rangle ", "∫": r"\int ", "∞": r"\infty ", "₁": "_{1}",
    "⁰": "^{0}", "−": "-", "·": r"\cdot ",
    " ": r"\,",
}  # fmt: skip


def _name(symbol_name: str) -> Name:
    return NAMES.get(symbol_name) or Name(symbol_name)


# Plain text -----------------------------------------------------------------------------------------------------------


def text_name(name: Name, step: str = "") -> str:
    """A name in one line of Unicode."""
    out = unicodedata.normalize("NFC", name.base + ACCENTS[name.accent])
    out += f"_{name.sub}" if name.sub else ""
    out += (name.sup if set(name.sup) <= set("′″") else f"^{name.sup}") if name.sup else ""
    return out + (f"^({step})" if step else "")


class _Text(StrPrinter):
    """One line of Unicode; products are written side by side."""

    printmethod = "_one_line"  # or an Indexed would print itself

    def _print_Symbol(self, e: Any) -> str:
        return text_name(_name(e.name))

    _print_Dummy = _print_Symbol

    def _print_Indexed(self, e: Any) -> str:
        label = str(e.base.label)
        indices = [self._print(i) for i in e.indices]
        step = indices.pop(0).replace(" ", "") if label in STEPPED else ""
        return text_name(_name(label), step) + (f"[{','.join(indices)}]" if indices else "")

    def _print_Sum(self, e: Any) -> str:
        signs = "".join(f"Σ_{{{self._print(v)}={self._print(a)}…{self._print(b)}}} " for v, a, b in reversed(e.limits))
        return f"{signs}[{self._print(e.function)}]"

    def _print_Pow(self, e: Any, rational: bool = False) -> str:
        if e.exp.is_Integer and e.exp > 0:
            base = self.parenthesize(e.base, 100 if not e.base.is_Symbol else 0)
            if e.base.func is Sum or (e.base.is_Symbol and ("‖" in base or base.endswith("²"))):
                base = f"({base})"
            return base + str(e.exp).translate(SUPERSCRIPTS)
        return str(super()._print_Pow(e, rational)).replace("**", "^")

    def _print_Relational(self, e: Any) -> str:
        signs = {"==": "=", "<=": "≤", ">=": "≥", "!=": "≠"}
        return f"{self._print(e.lhs)} {signs.get(e.rel_op, e.rel_op)} {self._print(e.rhs)}"

    def _print_Function(self, e: Any) -> str:
        inside = ", ".join(self._print(a) for a in e.args)
        return f"{text_name(FUNCTIONS[e.func]) if e.func in FUNCTIONS else e.func.__name__}({inside})"

    def _print_Abs(self, e: Any) -> str:
        return f"|{self._print(e.args[0])}|"

    def _print_conjugate(self, e: Any) -> str:
        return f"conj({self._print(e.args[0])})"

    def _print_KroneckerDelta(self, e: Any) -> str:
        return f"δ_({self._print(e.args[0])},{self._print(e.args[1])})"

    def _print_ImaginaryUnit(self, e: Any) -> str:
        return "i"

    def _print_Pi(self, e: Any) -> str:
        return "π"

    def _print_Infinity(self, e: Any) -> str:
        return "∞"


def text(e: Basic) -> str:
    """One line of Unicode."""
    if e == S.true:
        return NOTHING_ASKED
    if e == S.false:
        return NEVER
    return str(_Text().doprint(e)).replace("*", " ").replace("-", "−")


# LaTeX ----------------------------------------------------------------------------------------------------------------


def _tex(letters: str) -> str:
    plain = unicodedata.normalize("NFD", letters)
    out = ""
    for n, letter in enumerate(plain):
        if letter in (HAT, TILDE):
            continue
        written = TEX.get(letter, letter)
        following = plain[n + 1] if n + 1 < len(plain) else ""
        out += {HAT: rf"\hat{{{written}}}", TILDE: rf"\tilde{{{written}}}"}.get(following, written)
    return out.strip()


def latex_name(name: Name, step: str = "", sub: str = "") -> str:
    """A name in LaTeX, with indices."""
    base = _tex(name.base)
    base = rf"\{name.accent}{{{base}}}" if name.accent else base
    prime = "′" in name.sup and set(name.sup) <= set("′″")
    ups = ("" if prime else _tex(name.sup)) + (f"({step})" if step else "")
    downs = ",".join(part for part in (_tex(name.sub), sub) if part)
    body = base + ("'" * len(name.sup) if prime else "")
    if prime and ups:
        body = f"{{{body}}}"
    grouped = f"{{{body}}}" if (ups and "^" in body) or "\\|" in body else body
    return grouped + (f"_{{{downs}}}" if downs else "") + (f"^{{{ups}}}" if ups else "")


class _Latex(LatexPrinter):
    """SymPy's LaTeX with our names."""

    def _print_Symbol(self, e: Any, style: str = "plain") -> str:
        return latex_name(_name(e.name))

    _print_Dummy = _print_Symbol

    def _print_Indexed(self, e: Any, exp: Any = None) -> str:
        label = str(e.base.label)
        indices = [self._print(i) for i in e.indices]
        step = indices.pop(0) if label in STEPPED else ""
        out = latex_name(_name(label), step, ",".join(indices))
        return out if exp is None else rf"\left({out}\right)^{{{exp}}}"

    def _print_Pow(self, e: Any) -> str:
        """A name that has a superscript of its own is put in parentheses before it gets another."""
        if e.exp.is_Rational and e.exp.q == 1 and e.exp > 0 and (e.base.is_Symbol or e.base.func.__name__ == "Indexed"):
            base = self._print(e.base)
            base = rf"\left({base}\right)" if "^" in base or "'" in base else base
            return f"{base}^{{{self._print(e.exp)}}}"
        return str(super()._print_Pow(e))

    def _print_Function(self, e: Any, exp: Any = None) -> str:
        if e.func not in FUNCTIONS:
            return str(super()._print_Function(e, exp))
        name = latex_name(FUNCTIONS[e.func])
        call = rf"{name}\left({self._print(e.args[0])}\right)"
        return call if exp is None else rf"{{{call}}}^{{{exp}}}"


def latex(e: Basic) -> str:
    """LaTeX for display mathematics, without delimiters."""
    if e == S.true:
        return rf"\text{{{NOTHING_ASKED}}}"
    if e == S.false:
        return rf"\text{{{NEVER}}}"
    return str(_Latex({"imaginary_unit": "i"}).doprint(e))
