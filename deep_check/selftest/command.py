"""The command `selftest`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from deep_check.selftest import Row

FAILED = 1


def selftest(
    device: Annotated[str, typer.Option(help="auto, cpu or cuda; auto: cuda where CuPy finds a GPU.")] = "auto",
    json_: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print only what fails.")] = False,
) -> None:
    """Every kernel of a device beside its float64 reference, with a table.

    Exit code 0 when all agree, 1 otherwise. The first run compiles.
    """
    from time import monotonic

    from deep_check.checks import choose_device
    from deep_check.selftest import run
    from theory_sim.progress import Progress

    chosen = choose_device(device)
    begin = monotonic()
    with Progress(quiet) as progress:
        rows = run(operations_of(chosen), lambda done, total: progress.update("operations", done, total))
    failed = [row for row in rows if not row.ok]
    words = describe(chosen)
    if json_:
        import json

        content = {"device": chosen, "hardware": words, "ok": not failed, "rows": [_plain(row) for row in rows]}
        typer.echo(json.dumps(content, ensure_ascii=False, allow_nan=False))
    else:
        shown = failed if quiet else rows
        if shown:
            _print_table(shown)
        if failed or not quiet:
            typer.echo(f"{len(rows) - len(failed)} of {len(rows)} agree with float64 on {words}")
        if not quiet:
            typer.echo(f"{monotonic() - begin:.1f} s")
    if failed:
        raise typer.Exit(FAILED)


def operations_of(device: str) -> Any:
    """What `run` takes, for `cpu` or `cuda`. Raises InputError where there is no GPU."""
    if device == "cpu":
        from deep_check.selftest import on_cpu

        return on_cpu
    from deep_check.cuda.device import cuda_device
    from deep_check.selftest.on_cuda import CudaOperations

    return CudaOperations(cuda_device())


def describe(device: str) -> str:
    """The device in words, one line."""
    from theory_sim.provenance import hardware

    if device == "cpu":
        from deep_check.cpu.threads import n_threads
        from deep_check.ops.blocks import LANES

        return f"{hardware()}; {LANES} lanes, {n_threads()} threads"
    from deep_check.info import gpu

    return str(gpu()["name"])


def _plain(row: Row) -> dict[str, Any]:
    import math

    fields = row._asdict()
    return fields | {"error": row.error if math.isfinite(row.error) else None}


def _print_table(rows: list[Row]) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from theory_sim.terminal import console

    table = Table(box=box.SIMPLE_HEAD, show_edge=False)
    for name, justify in (("operation", "left"), ("size", "left"), ("worst error", "right"), ("allowed", "right")):
        table.add_column(name, justify=justify, overflow="fold")  # type: ignore[arg-type]
    table.add_column("", overflow="fold")
    for row in rows:
        verdict = Text("ok", "green") if row.ok else Text(f"FAILED {row.note}".strip(), "bold red")
        table.add_row(Text(row.op), Text(row.shape), f"{row.error:.1e}", f"{row.tolerance:.1e}", verdict)
    console().print(table)
