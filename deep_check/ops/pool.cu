// Global average pool over the pixels of a plane; x (planes, size) with planes = images · channels.

// One warp a plane.
__global__ void __launch_bounds__(THREADS) global_average_pool(const float* x, long long planes, int size, float* y)
{
    const long long plane = (long long)blockIdx.x * (THREADS / 32) + threadIdx.x / 32;
    if (plane >= planes) return;
    float sum = 0.f;
    for (int j = threadIdx.x % 32 * 4; j < size; j += 128) {
        const Four values = load_four(x + plane * size + j, size - j);
        sum += (values.v[0] + values.v[1]) + (values.v[2] + values.v[3]);
    }
    sum = sum_of_warp(sum);
    if (threadIdx.x % 32 == 0) y[plane] = sum / size;
}

// d_x (planes, height, width); has_bits: 0 where the sign bit (conv2d_epilogue.cuh) is 0, the ReLU before the pool.
__global__ void __launch_bounds__(THREADS)
global_average_pool_gradient(
    const float* d_y, long long planes, int height, int width, int has_bits, const unsigned char* bits, float* d_x)
{
    const RowFour four = row_four(planes * height, width);
    if (four.count == 0) return;
    const float share = d_y[four.row / height] / (height * width);
    Four values;
    const unsigned signs =
        has_bits ? bits[(long long)four.row * ((width + 7) / 8) + four.column / 8] >> (four.column & 4) : 15;
#pragma unroll
    for (int k = 0; k < 4; ++k) values.v[k] = signs >> k & 1 ? share : 0.f;
    store_four(d_x + (long long)four.row * width + four.column, values, four.count);
}
