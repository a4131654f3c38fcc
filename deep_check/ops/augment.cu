// Random crop and flip, the random numbers given: pads with zeros, crops to the old size, flips left-right.
// images, out: (n, c, h, w); offsets: (n, 2) row and column where the crop begins; flips: (n,) 0 or 1.

__global__ void __launch_bounds__(THREADS)
augment(
    const float* images, const int* offsets, const unsigned char* flips, int n, int channels, int height, int width,
    int padding, float* out)
{
    const RowFour four = row_four((long long)n * channels * height, width);
    if (four.count == 0) return;
    const int plane = four.row / height, image = plane / channels;
    const int row = four.row % height + offsets[2 * image] - padding, shift = offsets[2 * image + 1] - padding;
    const bool flip = flips[image] != 0;
    Four values = {};
    if (row >= 0 && row < height) {
        const float* const line = images + ((long long)plane * height + row) * width;
#pragma unroll
        for (int k = 0; k < 4; ++k) {
            const int column = four.column + k, from = (flip ? width - 1 - column : column) + shift;
            if (k < four.count && from >= 0 && from < width) values.v[k] = line[from];
        }
    }
    store_four(out + (long long)four.row * width + four.column, values, four.count);
}
