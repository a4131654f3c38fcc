// The parameter-free shortcut where a stage begins: every second pixel, zero channels before and after.

// x (n, c, h, w) -> y (n, 2c, ceil(h/2), ceil(w/2)): c/2 zero channels, x[:, :, ::2, ::2], c - c/2 zero channels.
__global__ void __launch_bounds__(THREADS)
shortcut(const float* x, int n, int channels, int height, int width, float* y)
{
    const int rows = (height + 1) / 2, columns = (width + 1) / 2;
    const RowFour four = row_four((long long)n * 2 * channels * rows, columns);
    if (four.count == 0) return;
    const int plane = four.row / rows, i = four.row % rows;
    const int image = plane / (2 * channels), c = plane % (2 * channels) - channels / 2;
    Four values = {};
    if (c >= 0 && c < channels) {
        const float* const line = x + (((long long)image * channels + c) * height + 2 * i) * width;
#pragma unroll
        for (int k = 0; k < 4; ++k)
            if (k < four.count) values.v[k] = line[2 * (four.column + k)];
    }
    store_four(y + (long long)four.row * columns + four.column, values, four.count);
}

// d_y (n, 2c, ceil(h/2), ceil(w/2)) -> d_x (n, c, h, w), 0 at the pixels that were left out.
__global__ void __launch_bounds__(THREADS)
shortcut_gradient(const float* d_y, int n, int channels, int height, int width, float* d_x)
{
    const int rows = (height + 1) / 2, columns = (width + 1) / 2;
    const RowFour four = row_four((long long)n * channels * height, width);
    if (four.count == 0) return;
    const int plane = four.row / height, i = four.row % height;
    Four values = {};
    if (i % 2 == 0) {
        const int image = plane / channels, c = plane % channels + channels / 2;
        const float* const line = d_y + (((long long)image * 2 * channels + c) * rows + i / 2) * columns;
        values.v[0] = line[four.column / 2];
        if (four.count > 2) values.v[2] = line[four.column / 2 + 1];
    }
    store_four(d_x + (long long)four.row * width + four.column, values, four.count);
}
