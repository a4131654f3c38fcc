// A warp's product of small tiles on tensor cores: d[16 x 8] += a[16 x 8 words] · b[8 words x 8], sums in float32. A
// word holds one number in TF32 (10 bits of mantissa) or two neighbours in BF16 (7 bits), the lower index in the lower
// half.
// Of lane 4g + t: a = words (row g, t), (g + 8, t), (g, t + 4), (g + 8, t + 4); b = words (t, column g), (t + 4, g);
// d = numbers (row g, column 2t), (g, 2t + 1), (g + 8, 2t), (g + 8, 2t + 1) [PTX ISA: mma.m16n8k8, mma.m16n8k16].
// The emulator has the same layout in plain code, so that a kernel's own loads and stores are what its tests execute.

// BF16: both numbers, rounded to nearest, ties to even. TF32: the first one, rounded to nearest, ties away from zero.
template <bool BF16> __device__ __forceinline__ unsigned mma_word(float first, float second)
{
#ifdef EMULATED
    if (!BF16) {
        const unsigned u = emulator_bits(first);
        return ((u & 0x7f800000u) == 0x7f800000u ? u : u + 0x1000u) & 0xffffe000u;
    }
    const auto rounded = [](float x) {
        const unsigned u = emulator_bits(x);
        return x != x ? 0x7fffu : (u + 0x7fffu + (u >> 16 & 1)) >> 16;
    };
    return rounded(first) | rounded(second) << 16;
#else
    unsigned word;
    if (BF16) asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(second), "f"(first));
    else asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(word) : "f"(first));
    return word;
#endif
}

template <bool BF16>
__device__ __forceinline__ void mma(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2])
{
#ifdef EMULATED
    emulator_mma(__LINE__, d, a, b, BF16);
#else
    if (BF16)
        asm volatile(
            "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3},{%4,%5,%6,%7},{%8,%9},{%0,%1,%2,%3};"
            : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
            : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
    else
        asm volatile(
            "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3},{%4,%5,%6,%7},{%8,%9},{%0,%1,%2,%3};"
            : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
            : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#endif
}
