// Four consecutive float32 numbers a thread, in one 16-byte access where the address allows it.

struct Four {
    float v[4];
};

__device__ __forceinline__ bool is_aligned(const float* p) { return ((unsigned long long)p & 15) == 0; }

// The first `count` numbers at p, at most four of them; zeros in the place of the others. count <= 0: all zeros.
__device__ __forceinline__ Four load_four(const float* p, int count)
{
    Four values;
    if (count >= 4 && is_aligned(p)) {
        const float4 q = *(const float4*)p;
        values.v[0] = q.x, values.v[1] = q.y, values.v[2] = q.z, values.v[3] = q.w;
    } else {
#pragma unroll
        for (int k = 0; k < 4; ++k) values.v[k] = k < count ? p[k] : 0.f;
    }
    return values;
}

__device__ __forceinline__ void store_four(float* p, const Four& values, int count)
{
    if (count >= 4 && is_aligned(p)) {
        *(float4*)p = make_float4(values.v[0], values.v[1], values.v[2], values.v[3]);
    } else {
#pragma unroll
        for (int k = 0; k < 4; ++k)
            if (k < count) p[k] = values.v[k];
    }
}

// This thread's four of a flat array of n numbers: where they begin, and how many they are (0: none).
struct Place {
    long long first;
    int count;
};

__device__ __forceinline__ Place place_in(long long n)
{
    const long long first = 4 * ((long long)blockIdx.x * THREADS + threadIdx.x);
    return {first, (int)max(0ll, min(4ll, n - first))};
}

// max(x, 0), and NaN of NaN.
__device__ __forceinline__ float positive_part(float x) { return x < 0.f ? 0.f : x; }

// The nearest number to x in [low, high], and NaN of NaN.
__device__ __forceinline__ float clamp(float x, float low, float high)
{
    return x < low ? low : x > high ? high : x;
}
