"""`python -m benchmarks.gpu`: rows that only a machine with a GPU has; called by benchmarks/gpu.sh, one job a file.

Exit code 0, 1 if a row failed, 2 on a mistake or without a GPU.
"""

from __future__ import annotations

import sys
from dataclasses import asdict
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks import gpu_networks, gpu_sweep, results
from benchmarks.runs import console, note
from theory_sim.command_line import run_app
from theory_sim.errors import require

JOBS = (*gpu_networks.JOBS, "sweep")
app = typer.Typer(add_completion=False, help=__doc__)


@app.command()
def main(
    job: Annotated[str, typer.Argument(help="attack, training or sweep.")],
    out: Annotated[Path, typer.Option(help="Write the result to this JSON file.")],
    precision: Annotated[str, typer.Option(help="Of attack and training: float32, tf32 or bf16.")] = "float32",
    peers: Annotated[str, typer.Option(help="eager: PyTorch eager and CUDA graphs; compiled: max-autotune.")] = "eager",
    repeats: Annotated[int, typer.Option(help="Timed turns of each side, after the discarded one.")] = 7,
    quick: Annotated[bool, typer.Option("--quick", help="Tiny sizes: times mean nothing.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Only see whether it would run; needs no GPU.")] = False,
) -> int:
    """A PGD step at batch 1,000, a training step at batch 512, or the sweep's engine, on this machine's GPU."""
    require(job in JOBS, f"job {job!r}: allowed are {', '.join(JOBS)}")
    require(precision in gpu_networks.PRECISIONS, f"--precision {precision}: allowed are float32, tf32, bf16")
    require(peers in ("eager", "compiled"), f"--peers {peers}: allowed are eager, compiled")
    require(repeats >= 1, f"--repeats {repeats}: allowed is >= 1")
    if check:
        return _check()
    results.require_writable(out)
    card = card_facts()
    protocol: dict[str, Any] = {"job": job, "repeats": repeats, "quick": quick, "device": "cuda"}
    more: dict[str, Any] = {"card": card}
    if job == "sweep":
        from benchmarks.limits_cuda import measure_double_fma

        sweep_sizes = gpu_sweep.QUICK if quick else gpu_sweep.Sizes()
        rate = measure_double_fma(quick=quick)
        rows, rates = gpu_sweep.measure(sweep_sizes, repeats, note, rate)
        protocol["sizes"], more["float64_instructions_per_s"], more["rates"] = asdict(sweep_sizes), rate, rates
    else:
        sizes = gpu_networks.QUICK if quick else gpu_networks.Sizes()
        forms = [name for name in gpu_networks.FORMS if (name in gpu_networks.COMPILED) == (peers == "compiled")]
        rows = gpu_networks.measure(sizes, job, precision, forms, repeats, note)
        protocol |= {"sizes": asdict(sizes), "precision": precision}
    results.print_table(rows, console())
    results.write_json(out, results.document("gpu", rows, {}, protocol, **more))
    return 0 if all(row.passed for row in rows) else 1


def _check() -> int:
    """Import what the sides are made of, and name what this machine lacks."""
    for module in ("benchmarks.kernels_cuda", "benchmarks.limits_cuda", "theory_sim.sweep.cuda.engine"):
        import_module(module)
    for package in ("torch", "cupy"):
        if find_spec(package) is None:
            print(f"not here: {package}")
        elif package == "torch":
            import_module("benchmarks.peers.torch_gpu")
    return 0


def card_facts() -> dict[str, Any]:
    """Name, compute capability, memory in GiB and driver of the GPU. Raises InputError if there is none."""
    from deep_check.cuda.device import cuda_device

    cuda_device()
    import cupy

    found = cupy.cuda.runtime.getDeviceProperties(cupy.cuda.Device().id)
    return {
        "name": found["name"].decode(),
        "capability": f"{found['major']}.{found['minor']}",
        "memory_gib": round(found["totalGlobalMem"] / 2**30, 1),
        "driver": cupy.cuda.runtime.driverGetVersion(),
        "runtime": cupy.cuda.runtime.runtimeGetVersion(),
    }


if __name__ == "__main__":
    sys.exit(run_app(app))
