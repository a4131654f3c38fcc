"""What a CUDA device can do, measured now by its events: the lines that no kernel on it can cross."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.limits import CACHED, Float32Limits

CHAINS = 8  # sums of a thread, more than it has multiply-adds under way
THREADS, BLOCKS_OF_A_PROCESSOR = 256, 8
SOURCE = """
extern "C" __global__ void multiply_add(float *out, int rounds) {
    float a[8];
    const float b = out[0], c = out[1];
    for (int i = 0; i < 8; i++) a[i] = out[2 + i] + threadIdx.x;
    for (int n = 0; n < rounds; n++)
        for (int i = 0; i < 8; i++) a[i] = fmaf(a[i], b, c);
    float sum = 0.0f;
    for (int i = 0; i < 8; i++) sum += a[i];
    if (sum == 1.5f) out[10] = sum;  // never: b and c are 0, but the compiler does not know
}
"""


def measure_double_fma(*, quick: bool = False) -> float:
    """Fused multiply-adds a second in float64, each counted once. Raises ImportError without CuPy."""
    import cupy

    rounds = 64 if quick else 2**13
    kernel = cupy.RawKernel(SOURCE.replace("float", "double").replace("fmaf", "fma"), "multiply_add")
    blocks = BLOCKS_OF_A_PROCESSOR * cupy.cuda.Device().attributes["MultiProcessorCount"]
    few, count = cupy.zeros(16, "f8"), float(CHAINS * rounds * THREADS * blocks)
    return count / _seconds(cupy, lambda: kernel((blocks,), (THREADS,), (few, cupy.int32(rounds))))


def measure_cuda_limits(*, quick: bool = False) -> Float32Limits:
    """Best of several measurements of the current device, without TF32. Raises ImportError without CuPy."""
    import cupy

    size, long, rounds = (256, 2**16, 64) if quick else (8192, 2**28, 2**14)
    kernel = cupy.RawKernel(SOURCE, "multiply_add")
    blocks = BLOCKS_OF_A_PROCESSOR * cupy.cuda.Device().attributes["MultiProcessorCount"]
    few = cupy.zeros(16, "f4")
    a, b = (cupy.ones((size, size), "f4") for _ in range(2))
    source, target = cupy.ones(long, "f4"), cupy.empty(long, "f4")
    short = CACHED // 8
    operations = 2.0 * CHAINS * rounds * THREADS * blocks

    def copy() -> None:
        cupy.copyto(target, source)

    def copy_short() -> None:
        for _ in range(16):
            cupy.copyto(target[:short], source[:short])

    return Float32Limits(
        fma=operations / _seconds(cupy, lambda: kernel((blocks,), (THREADS,), (few, cupy.int32(rounds)))),
        products=2.0 * size**3 / _seconds(cupy, lambda: cupy.matmul(a, b)),
        bytes=8.0 * long / _seconds(cupy, copy),
        cached_bytes=16 * 8.0 * min(short, long) / _seconds(cupy, copy_short),
    )


def _seconds(cupy: Any, work: Callable[[], object], repeats: int = 7) -> float:
    work()
    found = []
    for _ in range(repeats):
        start, end = cupy.cuda.Event(), cupy.cuda.Event()
        start.record()
        work()
        end.record()
        end.synchronize()
        found.append(cupy.cuda.get_elapsed_time(start, end) / 1e3)
    return float(min(found))
