"""NVRTC makes of every CUDA kernel what it was written for: no spills, registers and shared memory for full blocks."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import product

import pytest

from deep_check.cuda.source import FAMILIES, families_by_kernel, source
from tests.cuda import nvrtc

pytestmark = pytest.mark.skipif(nvrtc.library() is None, reason="needs nvidia-cuda-nvrtc")
ARCHITECTURES = ("sm_80", "sm_90")
LARGEST_SPILL, MOST_REGISTERS = 16, 128  # bytes a thread; 512 threads a multiprocessor
MOST_STATIC_SHARED = 16 << 10  # bytes: as many blocks as registers allow; that of the convolutions is dynamic
Uses = dict[tuple[str, str], dict[str, nvrtc.Use]]


@pytest.fixture(scope="module")
def uses() -> Uses:
    """Of each kernel of a family, by family and architecture; two are compiled at a time."""
    pairs = list(product(FAMILIES, ARCHITECTURES))
    with ThreadPoolExecutor(2) as pool:
        found = pool.map(lambda pair: nvrtc.compile_source(source(pair[0]), pair[1], FAMILIES[pair[0]].kernels), pairs)
        return dict(zip(pairs, found, strict=True))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("family", FAMILIES)
def test_every_kernel_compiles_without_spills(uses: Uses, family: str, architecture: str) -> None:
    assert tuple(uses[family, architecture]) == FAMILIES[family].kernels
    for name, use in uses[family, architecture].items():
        nvrtc.TABLE[f"{name} {architecture}"] = use
        assert use.spills <= LARGEST_SPILL, (name, use)
        assert use.registers <= MOST_REGISTERS, (name, use)
        assert use.shared <= (0 if family.startswith("conv2d") else MOST_STATIC_SHARED), (name, use)


@pytest.mark.parametrize(
    ("kernel", "words"),
    [
        ("conv2d<1, 16, 16, 16, 32, 1>", ("cp.async.cg.shared.global", "ld.shared.v4.f32", "st.global.v4.f32")),
        ("conv2d_mma<false, 1, 16, 1, 8, 16, 32, 1>", ("m16n8k8.row.col.f32.tf32.tf32.f32", "st.global.v2.f32")),
        ("conv2d_mma<true, 1, 16, 1, 8, 16, 32, 1>", ("m16n8k16.row.col.f32.bf16.bf16.f32", "cvt.rn.bf16x2.f32")),
    ],
)
def test_the_assembly_has_what_it_is_written_for(kernel: str, words: tuple[str, ...]) -> None:
    """Asynchronous copies and accesses of 16 bytes, products of tiles."""
    text = nvrtc.assembly(source(families_by_kernel()[kernel]), "compute_80", (kernel,))
    assert [word for word in words if word not in text] == []
