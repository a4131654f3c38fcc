// ReLU and its gradient on flat arrays. Its slope at 0 is 0; NaN stays NaN.

__global__ void __launch_bounds__(THREADS) relu(const float* x, float* y, long long n)
{
    const Place place = place_in(n);
    Four values = load_four(x + place.first, place.count);
#pragma unroll
    for (int k = 0; k < 4; ++k) values.v[k] = positive_part(values.v[k]);
    store_four(y + place.first, values, place.count);
}

__global__ void __launch_bounds__(THREADS) relu_gradient(const float* d_y, const float* y, float* d_x, long long n)
{
    const Place place = place_in(n);
    Four values = load_four(d_y + place.first, place.count);
    const Four output = load_four(y + place.first, place.count);
#pragma unroll
    for (int k = 0; k < 4; ++k) values.v[k] = output.v[k] > 0.f ? values.v[k] : 0.f;
    store_four(d_x + place.first, values, place.count);
}

// The sign bits of y (rows, width), one thread a byte: bit x % 8 of byte x / 8 of a row, see conv2d_epilogue.cuh.
__global__ void __launch_bounds__(THREADS) pack_signs(const float* y, long long rows, int width, unsigned char* bits)
{
    const int row_bytes = (width + 7) / 8;
    const long long index = (long long)blockIdx.x * THREADS + threadIdx.x, row = index / row_bytes;
    if (row >= rows) return;
    const int first = (int)(index % row_bytes) * 8;
    unsigned found = 0;
    for (int k = 0; k < min(8, width - first); ++k) found |= (unsigned)(y[row * width + first + k] > 0.f) << k;
    bits[index] = (unsigned char)found;
}
