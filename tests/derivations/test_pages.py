"""Derivations and errata on a screen, in LaTeX and in HTML; the command `derive`."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from xml.dom import minidom

import numpy as np
import pytest
from sympy import Eq, S, Sum

from theory_sim.cli import main
from theory_sim.derivations import catalogue, derive, pages, writing
from theory_sim.derivations.catalogue import ORDER
from theory_sim.derivations.derivation import Derivation, with_line
from theory_sim.derivations.errata import EFFECTS, errata
from theory_sim.derivations.symbols import (
    MEANING,
    NAMES,
    STEPPED,
    X,
    cl,
    drives,
    ght,
    k,
    kc,
    q,
    qt,
    slope,
    t,
    tx,
    w,
    x2,
)  # fmt: skip


@pytest.mark.parametrize(
    ("expression", "text", "latex"),
    [
        (Eq(tx, 1 / (1 + q)), "τ(x) = 1/(q + 1)", r"\tau (x) = \frac{1}{q + 1}"),
        (cl**2, "Δτ_l²", r"\Delta \tau_{l}^{2}"),
        (x2**2, "(‖x‖²)²", r"\left({\|x\|^{2}}\right)^{2}"),
        (ght[t + 1, k], "ĝ^(t+1)[k]", r"\hat{g}_{k}^{(t + 1)}"),
        (drives[t], "η^(t)", r"\eta^{(t)}"),
        (qt[t], "q[t]", "q_{t}"),
        (Sum(w[k] * X[k], (k, 0, kc)), "Σ_{k=0…k_c} [|x̂|[k] w[k]]", r"\sum_{k=0}^{k_{c}} |\hat{x}|_{k} w_{k}"),
        (slope(q), "σ′(q)", r"\sigma'\left(q\right)"),
        (S.true, "no condition", r"\text{no condition}"),
        (S.Infinity, "∞", r"\infty"),
    ],
)
def test_how_expressions_are_written(expression: object, text: str, latex: str) -> None:
    assert writing.text(expression) == text  # type: ignore[arg-type]
    assert writing.latex(expression) == latex  # type: ignore[arg-type]


def test_every_symbol_has_a_look_and_a_meaning() -> None:
    assert set(NAMES) == set(MEANING)
    assert set(NAMES) >= STEPPED
    for identifier in ORDER:
        assert len(pages.symbols_of(derive(identifier))) >= 1


@pytest.mark.parametrize("identifier", ORDER)
def test_pages_are_well_formed(identifier: str) -> None:
    derivation = derive(identifier)
    html = pages.as_html(derivation)
    document = minidom.parseString(html)  # well formed, with no entity that only HTML knows
    items = document.getElementsByTagName("li")
    assert [int(item.getAttribute("value")) for item in items] == [line.number for line in derivation.lines]
    assert len(document.getElementsByTagName("math")) >= len(items) + 3 * len(derivation.comparisons)
    assert not re.search(r"(src|href)=\"http", html)
    latex = pages.as_latex(derivation)
    balance = re.sub(r"\\[{}]", "", latex)
    assert balance.count("{") == balance.count("}")
    assert latex.count(r"\[") == latex.count(r"\]") == len(derivation.lines) + 3 * len(derivation.comparisons)
    assert latex.count(r"\left") == latex.count(r"\right")
    text = pages.as_text(derivation)
    assert max(map(len, text.splitlines())) <= 140
    assert all(f"({line.number})" in text for line in derivation.lines)
    assert not re.search(r"\b(Sum|Eq|Indexed)\(", text)


def test_errata_are_all_the_differences_with_their_effects() -> None:
    found = errata()
    expected = [
        f"{identifier}:{n}"
        for identifier in ORDER
        for n, c in enumerate(derive(identifier).comparisons, 1)
        if not c.agrees and c.kind != "hypothetical"
    ]
    assert [e.id for e in found] == expected
    assert len(found) >= 25
    assert set(EFFECTS) <= set(expected)
    for e in found:
        assert np.isfinite(e.effect.value), e.id
        assert e.effect.value >= 0
        assert e.effect.words
        assert e.consequence
        assert e.stays
    effects = {e.id: e.effect for e in found}
    assert effects["eq14:2"].value == pytest.approx(0.5, abs=1e-9)  # half of what moves is missing
    assert effects["eq8:3"].value > 0.1  # Softplus: of the size of what is kept
    share = effects["thm1_t1:2"]
    assert share.low is not None
    assert share.high is not None
    assert share.low < 0.5 < share.high  # Eq. 12 is a coin toss for a random network
    document = minidom.parseString(pages.errata_html(found))
    assert len(document.getElementsByTagName("dl")) == len(found)
    assert pages.errata_text(found).count("still true") == len(found)


def test_command_prints_a_derivation(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["derive", "eq14"]) == 0
    out = capsys.readouterr().out
    assert "difference  η^(t) (−H_x + L_x)" in out
    assert "Checked: 23 lines follow" in out


def test_command_writes_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "page.html"
    assert main(["derive", "eq7", "eq9", "--html", "--out", str(target)]) == 0
    page = target.read_text(encoding="utf-8")
    assert page.startswith("<!DOCTYPE html>")
    assert 'id="derivation-eq7"' in page
    assert 'id="derivation-eq15"' in page
    assert main(["derive", "eq7", "--latex"]) == 0
    assert r"\tag*{(1)}" in capsys.readouterr().out
    assert main(["derive", "eq14", "--errata", "--latex"]) == 0
    out = capsys.readouterr().out
    assert out.count(r"\paragraph") == 1
    assert main(["derive", "eq14", "--errata", "--html"]) == 0
    assert 'id="erratum-eq14-2"' in capsys.readouterr().out


def test_command_lists(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["derive", "--list"]) == 0
    out = capsys.readouterr().out
    assert all(identifier in out for identifier in (*ORDER, *catalogue.ALIASES))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["eq99"], "eq9"), ([], "--list"), (["eq14", "--latex", "--html"], "one of them"),
        (["eq14", "--sums", "both"], "weights, two-sided, one-sided"),
        (["eq14", "--out", "/no/such/folder/x"], "no such folder"),
    ],
)  # fmt: skip
def test_command_refuses(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["derive", *arguments]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert words in error
    assert error.count("\n") == 1


def test_command_fails_where_a_line_does_not_follow(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    right = derive("eq14")
    line = right.line("gap")
    wrong = with_line(right, replace(line, expression=Eq(line.expression.lhs, -line.expression.rhs)))

    def build(identifier: str, sums: str = "weights") -> Derivation:
        return wrong

    monkeypatch.setattr("theory_sim.derivations.derive", build)
    assert main(["derive", "eq14"]) == 1
    assert "FAILED eq14: REFUSED: eq14, line 23" in capsys.readouterr().err


def test_a_full_disk_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "eq7.txt"
    target.write_text("old")

    def full(self: Path, text: str, **options: str) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    assert main(["derive", "eq7", "--out", str(target)]) == 2
    assert "No space left" in capsys.readouterr().err
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]


def test_a_folder_is_no_target(tmp_path: Path) -> None:
    assert main(["derive", "eq7", "--out", str(tmp_path)]) == 2
