"""The commands `verify` and `replay`; everything heavy is imported when they run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from theory_sim.claims.base import Claim
    from theory_sim.claims.ledger import LedgerRow
    from theory_sim.empirical import Finding

DIFFERENT = 1
DEVICES = ("auto", "cpu", "cuda")


def verify(
    claims: Annotated[
        str | None, typer.Option(help="Comma-separated claim ids (thm1_t1,eq14) or rows (eq8[relu]); default: all.")
    ] = None,
    samples: Annotated[int, typer.Option(help="Networks per theorem; equations take a tenth.")] = 10_000,
    seed: Annotated[int, typer.Option(help="Seed of every random draw.")] = 0,
    images: Annotated[Path | None, typer.Option(help="An image file or a folder of images, as further inputs.")] = None,
    data: Annotated[Path | None, typer.Option(help="A folder with CIFAR-10's official binary files.")] = None,
    deep: Annotated[
        Path | None, typer.Option(help="results.json of `deep_check figures`: its rows become rows of the ledger.")
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the ledger as JSON to this file.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw theorems by regimes: FILE.png, FILE.pdf or FILE.svg.")] = None,
    counterexamples: Annotated[
        Path, typer.Option(help="Folder for the counterexamples, one JSON file a refuted row.")
    ] = Path("runs/counterexamples"),
    checkpoint: Annotated[
        Path | None, typer.Option(help="Remember finished work here; the same command goes on where it stopped.")
    ] = None,
    workers: Annotated[int, typer.Option(help="Worker processes; 0: one per usable core.")] = 0,
    device: Annotated[str, typer.Option(help="auto or cpu.")] = "auto",
    quiet: Annotated[bool, typer.Option("--quiet", help="Print only rows that differ from the record.")] = False,
) -> None:
    """Which of the paper's claims hold: the ledger, judged now on this machine.

    Exit code 0 when every verdict equals the one recorded in the code, 1 with the differing rows otherwise. Rows of
    --deep do not change it: what they say depends on the networks that were measured, and no verdict of theirs is
    recorded in the code.
    """
    import time

    from theory_sim.errors import InputError, require
    from theory_sim.files import PLOT_SUFFIXES, check_folder, check_target

    require(samples >= 1, f"samples {samples}: allowed is >= 1")
    require(seed >= 0, f"seed {seed}: allowed is >= 0")
    require(workers >= 0, f"workers {workers}: allowed is >= 0")
    if device == "cuda":
        raise InputError("device cuda: the ledger's engines run on the CPU; allowed are auto, cpu")
    require(device in DEVICES, f"device {device!r}: allowed are auto, cpu")
    check_folder("--counterexamples", counterexamples)
    for option, target in (("--json", json_file), ("--checkpoint", checkpoint)):
        if target is not None:
            require(not target.is_dir(), f"{option} {target}: is a folder")
            require(target.parent.is_dir(), f"{option} {target}: no such folder {target.parent}")
            check_folder(option, target.parent)
    if plot is not None:
        check_target("--plot", plot, PLOT_SUFFIXES)

    from theory_sim.claims.ledger import Settings
    from theory_sim.claims.ledger import verify as judge
    from theory_sim.claims.measured import print_counts, print_measured
    from theory_sim.claims.show import print_ledger, print_summary
    from theory_sim.empirical import read_results
    from theory_sim.terminal import console

    chosen, measured = _with_measured(claims, [] if deep is None else read_results(deep))
    begin = time.monotonic()
    settings = Settings(samples, seed, images, data, workers, checkpoint)
    with _Progress(quiet) as report:
        try:
            rows = judge(chosen, settings, report)
        except KeyboardInterrupt:
            if checkpoint is not None:
                typer.echo(f"interrupted; the same command goes on from {checkpoint}", err=True)
            raise
    seconds = time.monotonic() - begin
    files = _write_counterexamples(counterexamples, rows)
    if json_file is not None:
        _write_ledger(json_file, rows, settings, seconds, measured)
    if plot is not None:
        from theory_sim.claims.picture import save_theorems
        from theory_sim.files import replacing

        with replacing([plot]) as (fresh,):
            save_theorems(rows, fresh)
    out = console()
    if not quiet:
        print_ledger(out, rows, files)
        print_measured(out, measured)
    if (rows and not quiet) or not all(row.as_known for row in rows):
        print_summary(out, rows, seconds)
    if deep is not None and not quiet:
        print_counts(out, measured, deep)
    if not all(row.as_known for row in rows):
        raise typer.Exit(DIFFERENT)


def replay(
    file: Annotated[Path, typer.Argument(help="A counterexample, or a ledger's JSON (all of its counterexamples).")],
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing but the verdict.")] = False,
) -> None:
    """Recompute a counterexample number by number with the engine that updates W itself.

    Exit code 0 when the statement is violated again and every number agrees to 1e-9, 1 otherwise.
    """
    from theory_sim.claims.counterexample import AGREEMENT, load
    from theory_sim.claims.counterexample import replay as recompute
    from theory_sim.terminal import console

    out, agree = console(), True
    for fields in load(file):
        result = recompute(fields)
        agree &= result.agrees
        if not quiet:
            _print_replay(out, fields, result)
        word = "violated again" if result.violated else "NOT violated"
        numbers = f"numbers agree to {result.worst:.1e}" if result.worst <= AGREEMENT else "NUMBERS DIFFER"
        typer.echo(f"{result.claim.key} as {result.version}: {word}; {numbers}")
    if not agree:
        raise typer.Exit(DIFFERENT)


def select(names: str | None) -> list[Claim]:
    """Claims by comma-separated ids or row names, in the ledger's order. InputError names unknown and near ones."""
    import difflib
    import re

    from theory_sim.claims import BY_KEY, CLAIMS, ORDER
    from theory_sim.errors import InputError

    if names is None:
        return list(CLAIMS)
    wanted = [name.strip() for name in re.findall(r"[^,\[]+(?:\[[^\]]*\])?", names)]
    for name in wanted or [""]:
        if name not in ORDER and name not in BY_KEY:
            near = difflib.get_close_matches(name, [*ORDER, *BY_KEY], n=3) or ORDER
            raise InputError(f"unknown claim {name!r}: allowed are ids and rows of the ledger, near: {', '.join(near)}")
    return [claim for claim in CLAIMS if claim.id in wanted or claim.key in wanted]


def _with_measured(names: str | None, rows: list[Finding]) -> tuple[list[Claim], list[Finding]]:
    """Claims to judge, and those of the empirical rows that `names` asks for: all if it is None."""
    if names is None or not rows:
        return select(names), rows
    wanted = [name.strip() for name in names.split(",")]
    found = [row for row in rows if row.claim in wanted]
    others = ",".join(name for name in names.split(",") if name.strip() not in [row.claim for row in found])
    return (select(others) if others or not found else []), found


def _write_counterexamples(folder: Path, rows: list[LedgerRow]) -> dict[str, str]:
    """One file a refuted row; row key -> file name. The row's own counterexample learns its file."""
    from theory_sim.claims.counterexample import file_name

    files = {}
    for row in rows:
        if row.counterexample is None:
            continue
        path = folder / file_name(row.claim.id, row.claim.case)
        folder.mkdir(parents=True, exist_ok=True)
        _write_json(path, row.counterexample)
        files[row.claim.key] = str(path)
    return files


def _write_ledger(path: Path, rows: list[LedgerRow], settings: Any, seconds: float, measured: list[Finding]) -> None:
    from theory_sim.claims.measured import as_json as measured_as_json
    from theory_sim.claims.show import as_json
    from theory_sim.provenance import provenance

    content = {
        "claims": [*(as_json(row, settings.seed) for row in rows), *(measured_as_json(row) for row in measured)],
        "as_known": all(row.as_known for row in rows),
        "samples": settings.samples,
        "seed": settings.seed,
        "seconds": round(seconds, 1),
        **provenance(),
    }
    _write_json(path, content)


def _write_json(path: Path, content: Any) -> None:
    """Beside the target first, then renamed."""
    import json

    from theory_sim.files import replacing

    with replacing([path]) as (fresh,):
        fresh.write_text(json.dumps(content, ensure_ascii=False, indent=1, allow_nan=False) + "\n", encoding="utf-8")


class _Progress:
    """A Rich bar on a terminal, a plain line every ten seconds elsewhere, nothing if `quiet`; on stderr."""

    def __init__(self, quiet: bool) -> None:
        self.quiet = quiet

    def __enter__(self) -> Any:
        import time

        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        self.bar = None
        if self.quiet:
            return lambda *_: None
        console = Console(stderr=True)
        if console.is_terminal:
            columns = (TextColumn("{task.description:24}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
            self.bar = Progress(*columns, console=console, transient=True)
            self.bar.start()
            task = self.bar.add_task("networks", total=None)

            def update(what: str, done: int, total: int) -> None:
                assert self.bar is not None
                self.bar.update(task, description=what, completed=done, total=total)

            return update
        last = time.monotonic()

        def line(what: str, done: int, total: int) -> None:
            nonlocal last
            if time.monotonic() - last >= 10:
                last = time.monotonic()
                typer.echo(f"{what}: {done:,} of {total:,}", err=True)

        return line

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.stop()


def _print_replay(out: Any, fields: dict[str, Any], result: Any) -> None:
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    out.print(f"\n[bold]{escape(result.claim.key)}[/] as {result.version}: {escape(str(fields.get('statement')))}")
    out.print(f"[dim]{escape(result.claim.hypotheses)}; found at {escape(str(fields.get('origin')))}[/]")
    table = Table(box=box.SIMPLE_HEAD, show_edge=False)
    for name in ("quantity", "index", "stored", "recomputed", "difference"):
        table.add_column(name, justify="left" if name == "quantity" else "right")
    for name, index, stored, now in result.rows:
        both = stored is not None and now is not None
        texts = ["-" if v is None else f"{v:.12g}" for v in (stored, now)]
        table.add_row(name, str(index), *texts, f"{now - stored:.1e}" if both else "-")
    out.print(table)
    out.print(f"violation ({fields.get('unit')}): stored {result.stored_violation}, recomputed {result.violation}")
