"""The command `report`; everything heavy is imported when it runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Callable

    from theory_sim.claims.base import Claim
    from theory_sim.report.build import Content

    Tell = Callable[[str, int, int], None]

DIFFERENT = 1


def report(
    out: Annotated[Path, typer.Option(help="Folder for report.html, .json, ledger.png, counterexamples/.")] = Path(
        "report"
    ),
    ledger: Annotated[
        Path | None, typer.Option(help="A ledger that `verify --json` wrote; default: judged now.")
    ] = None,
    deep: Annotated[
        Path | None, typer.Option(help="results.json of `deep_check figures`: what was measured on networks.")
    ] = None,
    claims: Annotated[
        str | None, typer.Option(help="Comma-separated claim ids or rows of the ledger; default: all.")
    ] = None,
    samples: Annotated[int, typer.Option(help="Networks per theorem; equations take a tenth.")] = 10_000,
    seed: Annotated[int, typer.Option(help="Seed of every random draw.")] = 0,
    workers: Annotated[int, typer.Option(help="Worker processes; 0: one per usable core.")] = 0,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress.")] = False,
) -> None:
    """Write one self-contained page: every claim with statement, derivation, verdict, evidence and counterexample.

    Exit code 0; 1 when a verdict differs from the one recorded in the code or a derivation fails (the page says so).
    """
    import time

    from theory_sim.claims.command import select
    from theory_sim.derivations import catalogue
    from theory_sim.empirical import read_results
    from theory_sim.errors import InputError, require
    from theory_sim.files import check_folder
    from theory_sim.progress import Progress
    from theory_sim.report import build

    require(samples >= 1, f"samples {samples}: allowed is >= 1")
    require(seed >= 0, f"seed {seed}: allowed is >= 0")
    require(workers >= 0, f"workers {workers}: allowed is >= 0")
    check_folder("--out", out)
    try:
        out.mkdir(parents=True, exist_ok=True)  # what cannot be made is known now, not minutes later
    except OSError as error:
        raise InputError(f"--out {out}: {error.strerror}: allowed is a folder that can be made") from None
    chosen = select(claims)
    measured = [] if deep is None else read_results(deep)
    stored = None if ledger is None else build.read_ledger(ledger)
    begin = time.monotonic()
    with Progress(quiet) as watch:
        if stored is None:
            stored = _judge(chosen, samples, seed, workers, watch.update)
        elif claims is not None:
            keys = {(claim.id, claim.case) for claim in chosen}
            stored["claims"] = [row for row in stored["claims"] if (row["claim"], row["case"]) in keys]
            if not stored["claims"]:
                raise InputError(f"ledger {ledger}: holds no row of {claims}")
        ids = {row["claim"] for row in stored["claims"]}
        identifiers = [name for name in catalogue.ORDER if claims is None or name in ids]
        derivations, failed = build.gather_derivations(identifiers, True, watch.update)
        content = _gather(stored, derivations, identifiers, seed, claims is None, watch.update)
        content.measured = measured
        if deep is not None:
            from theory_sim.report.pictures import embed

            content.embedded = embed(measured, deep.parent)
        written = build.write(content, out)
    size = written[0].stat().st_size
    typer.echo(f"wrote {written[0]} ({size / 1e6:.2f} MB), {written[1]} and {len(written) - 2} files beside them")
    typer.echo(f"{len(stored['claims'])} rows, {len(derivations)} derivations, {time.monotonic() - begin:.0f} s")
    for line in failed:
        typer.echo(f"FAILED {line}", err=True)
    different = [row for row in stored["claims"] if [row["printed"], row["corrected"]] != row["known"]]
    for row in different:
        known = " / ".join(v or "-" for v in row["known"])
        typer.echo(f"DIFFERS {row['claim']}[{row['case']}]: recorded {known}", err=True)
    if failed or different:
        raise typer.Exit(DIFFERENT)


def _judge(chosen: list[Claim], samples: int, seed: int, workers: int, tell: Tell) -> dict[str, Any]:
    """The ledger, judged now, as `verify --json` writes it."""
    import time

    from theory_sim.claims.ledger import Settings, verify
    from theory_sim.claims.show import as_json
    from theory_sim.provenance import provenance

    begin = time.monotonic()
    rows = verify(chosen, Settings(samples, seed, workers=workers), tell)
    return {
        "claims": [as_json(row, seed) for row in rows],
        "as_known": all(row.as_known for row in rows),
        "samples": samples,
        "seed": seed,
        "seconds": round(time.monotonic() - begin, 1),
        **provenance(),
    }


def _gather(
    stored: dict[str, Any], derivations: dict[str, Any], identifiers: list[str], seed: int, whole: bool, tell: Tell
) -> Content:
    """The page's parts, but what was measured on networks; the extensions' pictures if it is about all claims."""
    from theory_sim.derivations.errata import errata
    from theory_sim.provenance import provenance
    from theory_sim.report.build import Content

    tell("errata", 0, 1)
    content = Content(stored, provenance(), derivations, errata(identifiers=identifiers))
    if whole:
        from theory_sim.report.pictures import extensions

        content.pictures = extensions(100, seed, tell)
    return content
