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

__global__ void __launch_bounds__(THREADS)
global_average_pool_gradient(const float* d_y, long long planes, int size, float* d_x)
{
    const int fours = (size + 3) / 4;
    const long long index = (long long)blockIdx.x * THREADS + threadIdx.x, plane = index / fours;
    if (plane >= planes) return;
    const int j = (int)(index % fours) * 4;
    const float share = d_y[plane] / size;
    store_four(d_x + plane * size + j, {share, share, share, share}, size - j);
}
