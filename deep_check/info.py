"""The command `info`: what deep_check finds on this machine, and what its kernels take."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any

import typer

Report = Callable[[int, int], None]


def info(
    architecture: Annotated[
        str,
        typer.Option(help="Which GPU the CUDA kernels are compiled for where there is none here: sm_80, sm_90, ..."),
    ] = "sm_90",
    json_: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress.")] = False,
) -> None:
    """Devices, kernels with registers and spills, versions."""
    import re

    from theory_sim.errors import require
    from theory_sim.progress import Progress
    from theory_sim.provenance import commit, hardware, versions

    require(
        bool(re.fullmatch(r"sm_\d{2,3}", architecture)), f"architecture {architecture!r}: allowed are sm_80, sm_90, ..."
    )
    with Progress(quiet) as progress:
        kernels, source = cuda_kernels(architecture, lambda done, total: progress.update("CUDA sources", done, total))
    found = {
        "devices": {"cpu": {"hardware": hardware(), **cpu()}, "cuda": gpu()},
        "versions": f"{versions()}, {_others()}",
        "commit": commit(),
        "convolutions": convolutions(),
        "kernels": kernels,
        "kernels_from": source,
    }
    if json_:
        import json

        typer.echo(json.dumps(found, ensure_ascii=False))
        return
    _print(found)


def cpu() -> dict[str, Any]:
    """`lanes` (images in a vector), `threads`, `vectors` (the widest registers)."""
    import llvmlite.binding as llvm

    from deep_check.cpu.threads import n_threads
    from deep_check.ops.blocks import LANES

    features = llvm.get_host_cpu_features()
    widest = next((name for name in ("avx512f", "avx2", "avx", "sse2", "neon") if features.get(name)), "unknown")
    return {"lanes": LANES, "threads": n_threads(), "vectors": widest}


def gpu() -> dict[str, Any]:
    """`name`, `compute_capability`, `memory_gib`, `driver`, `runtime`, `cupy`; or `missing`: why there is none."""
    from deep_check.checks import choose_device
    from theory_sim.errors import InputError

    try:
        choose_device("cuda")
    except InputError as error:
        return {"missing": str(error).removeprefix("device cuda: ").removesuffix("; allowed is cpu")}
    import cupy

    runtime = cupy.cuda.runtime
    number = runtime.getDevice()
    properties = runtime.getDeviceProperties(number)
    return {
        "name": properties["name"].decode(),
        "compute_capability": f"{properties['major']}.{properties['minor']}",
        "memory_gib": round(properties["totalGlobalMem"] / 2**30, 1),
        "driver": runtime.driverGetVersion(),
        "runtime": runtime.runtimeGetVersion(),
        "cupy": cupy.__version__,
    }


def convolutions() -> list[dict[str, Any]]:
    """Which algorithm the CPU takes for each different convolution of ResNet-32, by direction."""
    from deep_check.architecture import Architecture
    from deep_check.ops.conv2d_cpu import BlockConvolution

    rows = []
    for sizes in dict.fromkeys(
        (c.in_channels, c.out_channels, c.size, c.stride) for c in Architecture(32).convolutions
    ):
        inputs, outputs, size, stride = sizes
        conv = BlockConvolution(inputs, outputs, size, size, stride, training=True)
        fast = {"forward": conv.fast, "input_gradient": conv.fast_backward, "weight_gradient": conv.fast_weights}
        words = {name: "Winograd" if chosen else "direct" for name, chosen in fast.items()}
        rows.append({"shape": f"{inputs}x{size}x{size} -> {outputs}, stride {stride}", **words})
    return rows


def cuda_kernels(architecture: str, report: Report = lambda done, total: None) -> tuple[list[dict[str, Any]], str]:
    """Kernels with `family`, `registers` a thread, `spills` and `shared` in bytes, and where the numbers are from.

    From the compiled kernels where there is a GPU, otherwise from NVRTC for `architecture`; None where neither can
    tell. `spills` of a GPU's kernel is all of its local memory. Raises InputError where NVRTC refuses.
    """
    from deep_check.cuda.source import FAMILIES
    from theory_sim import nvrtc

    uses_of: Callable[[str], dict[str, dict[str, int]]] | None = None
    words = "neither a GPU nor NVRTC is here to tell"
    if "missing" not in gpu():
        uses_of, words = _as_compiled, "CuPy"
    elif nvrtc.library() is not None:
        uses_of, words = partial(_by_nvrtc, architecture), f"NVRTC for {architecture}"
    rows = []
    for done, (name, family) in enumerate(FAMILIES.items(), start=1):
        uses = uses_of(name) if uses_of else {}
        nothing = {"registers": None, "spills": None, "shared": None}
        rows += [{"family": name, "kernel": kernel, **uses.get(kernel, nothing)} for kernel in family.kernels]
        if uses_of:
            report(done, len(FAMILIES))
    return rows, words


def _as_compiled(family: str) -> dict[str, dict[str, int]]:
    from deep_check.cuda.device import CupyDevice
    from deep_check.cuda.source import FAMILIES

    device = CupyDevice()
    return {kernel: device.use_of(kernel) for kernel in FAMILIES[family].kernels}


def _by_nvrtc(architecture: str, family: str) -> dict[str, dict[str, int]]:
    from deep_check.cuda.source import FAMILIES, source
    from theory_sim import nvrtc
    from theory_sim.errors import InputError

    try:
        uses = nvrtc.compile_source(source(family), architecture, FAMILIES[family].kernels)
    except nvrtc.NvrtcError as error:
        raise InputError(f"NVRTC does not compile for {architecture}: {' '.join(str(error).split())[:100]}") from None
    return {
        name: {"registers": use.registers, "spills": use.spills, "shared": use.shared} for name, use in uses.items()
    }


def _others() -> str:
    from importlib.metadata import PackageNotFoundError, version

    from deep_check.checks import cupy_packages

    parts = []
    for name in ("safetensors", *(cupy_packages() or ["cupy"]), "nvidia-cuda-nvrtc"):
        try:
            parts.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            parts.append(f"{name} missing")
    return ", ".join(parts)


def _print(found: dict[str, Any]) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from theory_sim.terminal import console

    out = console()
    one, other = found["devices"]["cpu"], found["devices"]["cuda"]
    facts = {
        "cpu": f"{one['hardware']}; {one['vectors']}, {one['lanes']} lanes, {one['threads']} threads",
        "cuda": other.get("missing") or ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in other.items()),
        "versions": found["versions"],
        "commit": found["commit"],
    }
    grid = Table.grid(padding=(0, 2))
    for name, value in facts.items():
        grid.add_row(Text(name, "bold"), Text(str(value)))
    out.print(grid)
    for title, rows in (
        ("\nConvolutions of ResNet-32 on the CPU", found["convolutions"]),
        (
            f"\nCUDA kernels: registers a thread, bytes of spills and static shared memory ({found['kernels_from']})",
            found["kernels"],
        ),
    ):
        table = Table(box=box.SIMPLE_HEAD, show_edge=False)
        for name in rows[0]:
            justify: Any = "right" if name in ("registers", "spills", "shared") else "left"
            table.add_column(name.replace("_", " "), justify=justify, overflow="fold")
        for row in rows:
            table.add_row(*(Text("-" if value is None else str(value)) for value in row.values()))
        out.print(Text(title, "bold"))
        out.print(table)
