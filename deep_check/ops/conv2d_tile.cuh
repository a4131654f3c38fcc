// Tiles of feature maps and packed weights in shared memory, filled by asynchronous copies. The loops stay rolled: what
// they keep in registers would be taken from the sums.

// Of `n_planes` planes (height x width, one after another) the rows first_row ... + ROWS - 1 and the columns
// first_column ... + COLUMNS - 1, with LEFT columns before and RIGHT after them (0 or 1 each). In the tile a plane
// takes PLANE numbers, a row PITCH, and column first_column lies at 4·LEFT, so that it is aligned. first_column >= 0 is
// a multiple of 4. Outside of a plane: zero, or the plane's number in `border` if there is one; only the first
// n_present planes exist, the others are zero.
template <int ROWS, int COLUMNS, int LEFT, int RIGHT, int PITCH, int PLANE, int THREADS>
__device__ __forceinline__ void fill_planes(
    float* tile, const float* planes, int n_planes, int n_present, int height, int width, int first_row,
    int first_column, const float* border)
{
    static_assert(COLUMNS % 4 == 0 && PITCH % 4 == 0 && PLANE % 4 == 0, "16-byte copies");
    constexpr int FOURS = COLUMNS / 4, SINGLES = LEFT + RIGHT;
    const int n_rows = n_planes * ROWS;
    const bool wide = width % 4 == 0;
    if (wide)
#pragma unroll 1
        for (int i = threadIdx.x; i < n_rows * FOURS; i += THREADS) {
            const int four = i % FOURS, r = i / FOURS % ROWS, plane = i / FOURS / ROWS;
            const int y = first_row + r, x = first_column + 4 * four;
            const bool inside = plane < n_present && y >= 0 && y < height && x < width;
            float* const to = tile + plane * PLANE + r * PITCH + 4 * LEFT + 4 * four;
            if (border && !inside)
                *(float4*)to = make_float4(border[plane], border[plane], border[plane], border[plane]);
            else
                copy_async<16>(to, inside ? planes + ((long long)plane * height + y) * width + x : planes, inside);
        }
    const int singles = wide ? SINGLES : COLUMNS + SINGLES;  // of a row: the outer columns, or all
#pragma unroll 1
    for (int i = threadIdx.x; i < n_rows * singles; i += THREADS) {
        const int single = i % singles, r = i / singles % ROWS, plane = i / singles / ROWS;
        const int column = wide && (single > 0 || !LEFT) ? COLUMNS : single - LEFT;
        const int y = first_row + r, x = first_column + column;
        const bool inside = plane < n_present && y >= 0 && y < height && x >= 0 && x < width;
        float* const to = tile + plane * PLANE + r * PITCH + 4 * LEFT + column;
        if (border && !inside) *to = border[plane];
        else copy_async<4>(to, inside ? planes + ((long long)plane * height + y) * width + x : planes, inside);
    }
}

// CHANNELS columns, from first_channel on, of n_rows rows of packed weights (row_length numbers each, a multiple of 4):
// tile [n_rows][CHANNELS], zero beyond the rows' end.
template <int CHANNELS, int THREADS>
__device__ __forceinline__ void fill_weights(
    float* tile, const float* rows, int n_rows, int row_length, int first_channel)
{
    constexpr int FOURS = CHANNELS / 4;
#pragma unroll 1
    for (int i = threadIdx.x; i < n_rows * FOURS; i += THREADS) {
        const int four = i % FOURS, row = i / FOURS, channel = first_channel + 4 * four;
        const bool inside = channel < row_length;
        copy_async<16>(tile + 4 * i, inside ? rows + (long long)row * row_length + channel : rows, inside);
    }
}

// acc[c][p] += weights[c] · v[STEP·p]: CHANNELS output channels, four pixels.
template <int CHANNELS, int STEP>
__device__ __forceinline__ void accumulate(float (&acc)[CHANNELS][4], const float* weights, const float* v)
{
#pragma unroll
    for (int c = 0; c < CHANNELS; c += 4) {
        const float4 w = *(const float4*)(weights + c);
#pragma unroll
        for (int p = 0; p < 4; ++p) {
            acc[c][p] += w.x * v[STEP * p];
            acc[c + 1][p] += w.y * v[STEP * p];
            acc[c + 2][p] += w.z * v[STEP * p];
            acc[c + 3][p] += w.w * v[STEP * p];
        }
    }
}
