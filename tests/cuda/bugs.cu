// Planted faults, each of which the emulator's checks must catch, and correct kernels that they must let pass.
#ifndef EMULATED
#define DYNAMIC_SHARED(T, name) extern __shared__ T name[]
#endif

extern "C" __global__ void bug_global_bound(float* x, int n)
{
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i <= n) x[i] += 1.f;
}

extern "C" __global__ void bug_global_negative(float* x, int n) { x[threadIdx.x] = x[(int)threadIdx.x - 1]; }

extern "C" __global__ void bug_shared_bound(float* x, int n)
{
    __shared__ float s[32];
    s[threadIdx.x + 1] = x[threadIdx.x];
    __syncthreads();
    x[threadIdx.x] = s[threadIdx.x];
}

extern "C" __global__ void bug_dynamic_bound(float* x, int n)
{
    DYNAMIC_SHARED(float, s);
    s[threadIdx.x + 1] = x[threadIdx.x];
    __syncthreads();
    x[threadIdx.x] = s[threadIdx.x + 1];
}

extern "C" __global__ void bug_misaligned(float* x, int n)
{
    const float4 v = *(const float4*)(x + 1);
    x[threadIdx.x] = v.x + v.w;
}

extern "C" __global__ void bug_uninitialised(float* x, int n)
{
    __shared__ float s[64];
    if (threadIdx.x < 32) s[threadIdx.x] = 1.f;
    __syncthreads();
    x[threadIdx.x] = s[threadIdx.x];
}

extern "C" __global__ void bug_divergent_barrier(float* x, int n)
{
    if (threadIdx.x < 40) __syncthreads();
    x[threadIdx.x] = 1.f;
    __syncthreads();
}

extern "C" __global__ void bug_half_warp(float* x, int n)
{
    float v = x[threadIdx.x];
    if (threadIdx.x < 16) v = __shfl_down_sync(0xffffffffu, v, 1);  // full mask in half a warp
    x[threadIdx.x] = v;
    __syncthreads();
}

extern "C" __global__ void bug_no_barrier(float* x, int n)
{
    __shared__ float s[64];
    s[threadIdx.x] = x[threadIdx.x];
    x[threadIdx.x] = s[63 - threadIdx.x];
}

extern "C" __global__ void ok_barrier(float* x, int n)
{
    __shared__ float s[64];
    s[threadIdx.x] = x[threadIdx.x];
    __syncthreads();
    x[threadIdx.x] = s[63 - threadIdx.x];
}

extern "C" __global__ void bug_no_warp_barrier(float* x, int n)
{
    __shared__ float s[32];
    s[threadIdx.x] = x[threadIdx.x];
    x[threadIdx.x] = s[31 - threadIdx.x];
}

extern "C" __global__ void ok_warp_barrier(float* x, int n)
{
    __shared__ float s[32];
    s[threadIdx.x] = x[threadIdx.x];
    __syncwarp();
    x[threadIdx.x] = s[31 - threadIdx.x];
}

extern "C" __global__ void bug_race_of_blocks(float* x, int n) { x[0] += 1.f; }
extern "C" __global__ void ok_atomic(float* x, int n) { atomicAdd(x, 1.f); }

// Sums by both shuffles, a broadcast, a vote: x becomes 32·(sum of its warp) + number of positive ones.
extern "C" __global__ void ok_warp_operations(float* x, int n)
{
    const unsigned all = 0xffffffffu;
    float down = x[threadIdx.x], butterfly = x[threadIdx.x];
    for (int d = 16; d > 0; d >>= 1) {
        down += __shfl_down_sync(all, down, d);
        butterfly += __shfl_xor_sync(all, butterfly, d);
    }
    const float first = __shfl_sync(all, down, 0);
    const int positive = __popc(__ballot_sync(all, x[threadIdx.x] > 0.f));
    x[threadIdx.x] = 16.f * (first + butterfly) + positive;
}

extern "C" __global__ void ok_counting_barrier(float* x, int n)
{
    const int positive = __syncthreads_count(x[threadIdx.x] > 0.f);
    x[threadIdx.x] = positive;
}
