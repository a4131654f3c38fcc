"""The command `derive`; everything heavy is imported when it runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from theory_sim.derivations.errata import Erratum
    from theory_sim.derivations.verification import Verification

REFUTED = 1


def derive(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Ids of derivations (eq14, thm1_t1), of rows (eq8[relu]), or appendix_a1 … appendix_b1."),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Check all derivations: one line each.")] = False,
    latex: Annotated[bool, typer.Option("--latex", help="LaTeX for a document that loads amsmath.")] = False,
    html: Annotated[
        bool, typer.Option("--html", help="A page whose mathematics needs no script and no network.")
    ] = False,
    errata: Annotated[bool, typer.Option("--errata", help="All places where paper and derivation differ.")] = False,
    listing: Annotated[bool, typer.Option("--list", help="List ids and titles, and stop.")] = False,
    sums: Annotated[
        str, typer.Option(help="Band sums: weights (any positive ones), two-sided or one-sided.")
    ] = "weights",
    out: Annotated[Path | None, typer.Option(help="Write to this file instead of the screen.")] = None,
) -> None:
    """Derive an equation from the definition of the network, step by step, and compare it with what is printed.

    Every line is computed again and compared with explicit training. Exit code 0 when all of it holds, 1 otherwise.

    Example: python -m theory_sim derive eq14 --latex
    """
    from theory_sim.derivations import CONVENTIONS, catalogue
    from theory_sim.errors import require

    require(sums in CONVENTIONS, f"sums {sums!r}: allowed are {', '.join(CONVENTIONS)}")
    require(not (latex and html), "--latex and --html: allowed is one of them")
    if out is not None:
        require(not out.is_dir(), f"--out {out}: is a folder")
        require(out.parent.is_dir(), f"--out: no such folder {out.parent}")
    chosen = [identifier for name in names or () for identifier in catalogue.resolve(name)]
    chosen = list(dict.fromkeys(catalogue.ORDER if every else chosen))
    if listing:
        _print("\n".join(_listed(sums)), out)
        return
    require(bool(chosen) or errata, "nothing to derive: allowed are ids (--list shows them), --all, --errata")
    if errata:
        from theory_sim.derivations.errata import errata as find

        found = [entry for entry in find(sums) if not names or entry.derivation in chosen]
        _print(_errata_page(found, latex, html), out)
        return

    from theory_sim.derivations import derive as build
    from theory_sim.derivations import pages
    from theory_sim.derivations.verification import verify

    short = every and not (latex or html)
    written, checked = [], []
    for identifier in chosen:
        derivation = build(identifier, sums)
        verification = verify(derivation)
        checked.append(verification)
        if short:
            written.append(_one_line(verification))
            if out is None:
                typer.echo(written[-1])
        else:
            view = pages.as_latex(derivation) if latex else pages.as_text(derivation, verification)
            written.append(pages.as_html(derivation, verification) if html else view)
    text = pages.html_page(written, "Derivations") if html else ("\n" if short else "\n\n\n").join(written)
    if not short or out is not None:
        _print(text, out)
    failed = [v for v in checked if not v.holds]
    if short:
        n = sum(v.n_lines for v in checked)
        differ = sum(v.n_differences for v in checked)
        typer.echo(f"{len(checked)} derivations, {n} lines, {differ} differences from print, {len(failed)} failed")
    for verification in failed:
        typer.echo(f"FAILED {verification.id}: {verification.summary}", err=True)
    if failed:
        raise typer.Exit(REFUTED)


def _listed(sums: str) -> list[str]:
    from theory_sim.derivations import catalogue
    from theory_sim.derivations import derive as build

    rows = [f"{identifier:16} {build(identifier, sums).title}" for identifier in catalogue.ORDER]
    return [*rows, *(f"{name:16} = {' '.join(ids)}" for name, ids in catalogue.ALIASES.items())]


def _one_line(v: Verification) -> str:
    word = "follows" if v.holds else "FAILED"
    agreed = v.n_comparisons - v.n_differences
    numbers = f"{len({r.line for r in v.lines}):2} lines and {len(v.measured)} trials against explicit runs"
    return f"{v.id:16} {word}: {v.n_lines:2} lines, {agreed} as printed, {v.n_differences} different; {numbers}"


def _errata_page(found: list[Erratum], latex: bool, html: bool) -> str:
    from theory_sim.derivations import pages, writing

    if html:
        return pages.html_page([pages.errata_html(found)], "Errata")
    if latex:
        blocks = []
        for entry in found:
            title = pages.latex_prose(f"{entry.source} {entry.case}".strip())
            lines = (("printed", entry.printed), ("follows", entry.derived), ("difference", entry.difference))
            displays = "\n".join(rf"\[ \text{{{name}: }} {writing.latex(value)} \]" for name, value in lines)
            prose = pages.latex_prose(f"{entry.effect.words}. {entry.consequence}")
            blocks.append(
                rf"\paragraph{{{title}}}"
                + f"\n{displays}\n{prose} \\emph{{Still true:}} {pages.latex_prose(entry.stays)}"
            )
        return "\n\n".join(blocks)
    return pages.errata_text(found)


def _print(text: str, out: Path | None) -> None:
    if out is None:
        typer.echo(text)
        return
    from theory_sim.files import replacing

    with replacing([out]) as (fresh,):
        fresh.write_text(text + "\n", encoding="utf-8")
    typer.echo(f"wrote {out}")
