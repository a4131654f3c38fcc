// Sums over a warp and over a block, in a fixed order: the same bits in every run, on every number of blocks.

constexpr unsigned FULL_WARP = 0xffffffffu;
constexpr int MAX_THREADS = 128;  // of a block; always a multiple of 32

// NVRTC has no <cmath>, hence neither NAN nor INFINITY.
__device__ __forceinline__ double not_a_number() { return __longlong_as_double(0x7FF8000000000000ll); }
__device__ __forceinline__ double infinity() { return __longlong_as_double(0x7FF0000000000000ll); }

// The sum over the lanes of a warp, in every lane. Both operands of each addition meet in both lanes, and addition
// commutes: all lanes hold the same bits.
__device__ __forceinline__ double warp_sum(double value)
{
    for (int lanes = 16; lanes > 0; lanes >>= 1) value += __shfl_xor_sync(FULL_WARP, value, lanes);
    return value;
}

__device__ __forceinline__ double warp_max(double value)
{
    for (int lanes = 16; lanes > 0; lanes >>= 1) value = fmax(value, __shfl_xor_sync(FULL_WARP, value, lanes));
    return value;
}

// Replaces the first SUMS values by their sums over the block and the other MAXIMA by their maxima, in every thread.
template <int SUMS, int MAXIMA>
__device__ __forceinline__ void block_reduce(double (&values)[SUMS + MAXIMA])
{
    __shared__ double parts[SUMS + MAXIMA][MAX_THREADS / 32];
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, n_warps = blockDim.x / 32;
    __syncthreads();  // nobody still reads the parts of the last reduction
#pragma unroll
    for (int i = 0; i < SUMS + MAXIMA; ++i) {
        const double part = i < SUMS ? warp_sum(values[i]) : warp_max(values[i]);
        if (lane == 0) parts[i][warp] = part;
    }
    __syncthreads();
#pragma unroll
    for (int i = 0; i < SUMS + MAXIMA; ++i) {
        double total = parts[i][0];
        for (int w = 1; w < n_warps; ++w) total = i < SUMS ? total + parts[i][w] : fmax(total, parts[i][w]);
        values[i] = total;
    }
}
