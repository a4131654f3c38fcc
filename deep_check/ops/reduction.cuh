// Sums over a warp and over a block of THREADS threads in a fixed order: the same bits in every run.

constexpr unsigned WHOLE_WARP = 0xffffffffu;

// The sum over the lanes of a warp, in every lane. Both operands of an addition meet in both lanes, and addition
// commutes: all lanes hold the same bits.
template <class T> __device__ __forceinline__ T sum_of_warp(T value)
{
#pragma unroll
    for (int lanes = 16; lanes > 0; lanes >>= 1) value += __shfl_xor_sync(WHOLE_WARP, value, lanes);
    return value;
}

// Replaces each value by its sum over the block, in every thread.
template <int COUNT, class T> __device__ __forceinline__ void sum_of_block(T (&values)[COUNT])
{
    __shared__ T parts[COUNT][THREADS / 32];
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    __syncthreads();  // nobody still reads the parts of the last sum
#pragma unroll
    for (int i = 0; i < COUNT; ++i) {
        const T part = sum_of_warp(values[i]);
        if (lane == 0) parts[i][warp] = part;
    }
    __syncthreads();  // all parts are there
#pragma unroll
    for (int i = 0; i < COUNT; ++i) {
        T total = parts[i][0];
#pragma unroll
        for (int w = 1; w < THREADS / 32; ++w) total += parts[i][w];
        values[i] = total;
    }
}

template <class T> __device__ __forceinline__ T sum_of_block(T value)
{
    T values[1] = {value};
    sum_of_block(values);
    return values[0];
}
