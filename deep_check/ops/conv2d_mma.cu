// The sums of conv2d.cu on tensor cores, products in TF32 or BF16 (an opt-in), sums in float32: output channels are the
// rows of the warp's tiles, eight neighbouring pixels their columns, input channels what is summed, one tap at a time.
// A warp makes 16·M_TILES channels of N_TILES times eight pixels. Numbers are rounded once, on their way to shared
// memory.

// As fill_planes of conv2d_tile.cuh, in words of one (TF32) or two (BF16) planes, zero where there is no plane.
template <bool BF16, int ROWS, int COLUMNS, int LEFT, int RIGHT, int PITCH, int PLANE, int THREADS>
__device__ __forceinline__ void fill_words(
    unsigned* tile, const float* planes, int n_words, int n_present, int height, int width, int first_row,
    int first_column, const float* border)
{
    constexpr int EACH = BF16 ? 2 : 1, FOURS = COLUMNS / 4, SINGLES = LEFT + RIGHT;
    const int n_rows = n_words * ROWS;
    const bool wide = width % 4 == 0;
    const auto outside = [&](int plane) { return border && plane < n_present ? border[plane] : 0.f; };
    if (wide)
#pragma unroll 1
        for (int i = threadIdx.x; i < n_rows * FOURS; i += THREADS) {
            const int four = i % FOURS, r = i / FOURS % ROWS, word = i / FOURS / ROWS;
            const int y = first_row + r, x = first_column + 4 * four;
            float4 v[2];
#pragma unroll
            for (int half = 0; half < EACH; ++half) {
                const int plane = EACH * word + half;
                const float other = outside(plane);
                v[half] = make_float4(other, other, other, other);
                if (plane < n_present && y >= 0 && y < height && x < width)
                    v[half] = *(const float4*)(planes + ((long long)plane * height + y) * width + x);
            }
            const float4 p = v[0], q = v[EACH - 1];
            *(uint4*)(tile + word * PLANE + r * PITCH + 4 * LEFT + 4 * four) =
                make_uint4(mma_word<BF16>(p.x, q.x), mma_word<BF16>(p.y, q.y), mma_word<BF16>(p.z, q.z),
                           mma_word<BF16>(p.w, q.w));
        }
    const int singles = wide ? SINGLES : COLUMNS + SINGLES;
#pragma unroll 1
    for (int i = threadIdx.x; i < n_rows * singles; i += THREADS) {
        const int single = i % singles, r = i / singles % ROWS, word = i / singles / ROWS;
        const int column = wide && (single > 0 || !LEFT) ? COLUMNS : single - LEFT;
        const int y = first_row + r, x = first_column + column;
        float v[2];
#pragma unroll
        for (int half = 0; half < EACH; ++half) {
            const int plane = EACH * word + half;
            const bool inside = plane < n_present && y >= 0 && y < height && x >= 0 && x < width;
            v[half] = inside ? planes[((long long)plane * height + y) * width + x] : outside(plane);
        }
        tile[word * PLANE + r * PITCH + 4 * LEFT + column] = mma_word<BF16>(v[0], v[EACH - 1]);
    }
}

// Packed weights [n_present][9][row_length] -> words [n_words][9][CHANNELS], ROW numbers a word, from first_channel on.
template <bool BF16, int CHANNELS, int ROW, int THREADS>
__device__ __forceinline__ void fill_weight_words(
    unsigned* tile, const float* weights, int n_words, int n_present, int row_length, int first_channel)
{
    constexpr int EACH = BF16 ? 2 : 1, FOURS = CHANNELS / 4;
#pragma unroll 1
    for (int i = threadIdx.x; i < n_words * 9 * FOURS; i += THREADS) {
        const int four = i % FOURS, tap = i / FOURS % 9, word = i / FOURS / 9, channel = first_channel + 4 * four;
        float4 v[2];
#pragma unroll
        for (int half = 0; half < EACH; ++half) {
            const int term = EACH * word + half;
            v[half] = make_float4(0.f, 0.f, 0.f, 0.f);
            if (term < n_present && channel < row_length)
                v[half] = *(const float4*)(weights + ((long long)term * 9 + tap) * row_length + channel);
        }
        const float4 p = v[0], q = v[EACH - 1];
        *(uint4*)(tile + word * ROW + tap * CHANNELS + 4 * four) =
            make_uint4(mma_word<BF16>(p.x, q.x), mma_word<BF16>(p.y, q.y), mma_word<BF16>(p.z, q.z),
                       mma_word<BF16>(p.w, q.w));
    }
}

// The smallest size >= n that is 8 modulo 32: lanes that differ in their word, and those that differ by one number,
// meet different banks.
constexpr int apart(int n) { return (n + 23) / 32 * 32 + 8; }

// This lane's words of the weights of one tap: 16 channels from `taps` on, eight words.
template <int ROW> __device__ __forceinline__ void load_taps(unsigned (&a)[4], const unsigned* taps, int g, int t)
{
    const unsigned* const mine = taps + t * ROW + g;
    a[0] = mine[0], a[1] = mine[8], a[2] = mine[4 * ROW], a[3] = mine[4 * ROW + 8];
}

// Strides 1 and 2 forward, and with turned weights the input gradient of stride 1.
template <bool BF16, int STRIDE, int CHANNELS, int M_TILES, int N_TILES, int ROWS, int COLUMNS, int IMAGES>
__global__ void __launch_bounds__(IMAGES* ROWS* COLUMNS / 8 / N_TILES * CHANNELS / 16 / M_TILES * 32) conv2d_mma(
    const float* x, const float* weights, float* y, int n, int in_channels, int height, int width, int out_channels,
    int chunk, int mode, int has_bias, const float* bias, int has_border, const float* border, int residual_kind,
    int residual_height, int residual_width, const float* residual, unsigned char* bits)
{
    constexpr int EACH = BF16 ? 2 : 1, EIGHTS = COLUMNS / 8, IMAGE_TILES = ROWS * EIGHTS;
    constexpr int PIXEL_WARPS = IMAGES * IMAGE_TILES / N_TILES, THREADS = PIXEL_WARPS * CHANNELS / 16 / M_TILES * 32;
    constexpr int IN_ROWS = STRIDE * (ROWS - 1) + 3, RIGHT = STRIDE == 1;
    constexpr int PITCH = STRIDE * COLUMNS + 4 + 4 * RIGHT, PLANE = apart(IN_ROWS * PITCH), ROW = 9 * CHANNELS + 8;
    static_assert(IMAGES * IMAGE_TILES % N_TILES == 0 && CHANNELS % (16 * M_TILES) == 0, "whole warps");
    static_assert(ROW % 32 == 8 || ROW % 32 == 24, "banks");
    DYNAMIC_SHARED(unsigned, words);
    const int out_height = (height - 1) / STRIDE + 1, out_width = (width - 1) / STRIDE + 1;
    const int tiles_across = (out_width + COLUMNS - 1) / COLUMNS, tiles_down = (out_height + ROWS - 1) / ROWS;
    const int tile = blockIdx.x % (tiles_across * tiles_down);
    const int first_image = blockIdx.x / (tiles_across * tiles_down) * IMAGES;
    const int first_row = tile / tiles_across * ROWS, first_column = tile % tiles_across * COLUMNS;
    const int first_channel = blockIdx.y * CHANNELS, row_length = (out_channels + 3) / 4 * 4;
    const int n_words = chunk / EACH;
    unsigned* const taps = words + IMAGES * n_words * PLANE;

    const int warp = threadIdx.x / 32, g = threadIdx.x % 32 / 4, t = threadIdx.x % 4;
    const int first_tile = warp % PIXEL_WARPS * N_TILES, channel = warp / PIXEL_WARPS * 16 * M_TILES;
    float d[M_TILES][N_TILES][4] = {};
    for (int k = 0; k < in_channels; k += chunk) {
        const int count = min(chunk, in_channels - k);
        for (int i = 0; i < IMAGES; ++i) {
            const bool present = first_image + i < n;
            const long long plane = (long long)(present ? first_image + i : 0) * in_channels + k;
            fill_words<BF16, IN_ROWS, STRIDE * COLUMNS, 1, RIGHT, PITCH, PLANE, THREADS>(
                words + i * n_words * PLANE, x + plane * height * width, n_words, present ? count : 0, height, width,
                STRIDE * first_row - 1, STRIDE * first_column, has_border ? border + k : nullptr);
        }
        fill_weight_words<BF16, CHANNELS, ROW, THREADS>(
            taps, weights + (long long)k * 9 * row_length, n_words, count, row_length, first_channel);
        __syncthreads();  // the words are there
        for (int word = 0; word < n_words; word += 8)
#pragma unroll
            for (int tap = 0; tap < 9; ++tap) {
                unsigned a[M_TILES][4];
#pragma unroll
                for (int m = 0; m < M_TILES; ++m)
                    load_taps<ROW>(a[m], taps + word * ROW + tap * CHANNELS + channel + 16 * m, g, t);
#pragma unroll
                for (int s = 0; s < N_TILES; ++s) {
                    const int place = first_tile + s, image = place / IMAGE_TILES;
                    const int row = place / EIGHTS % ROWS, column = place % EIGHTS * 8 + g;
                    const unsigned* const seen = words + (image * n_words + word + t) * PLANE +
                                                 (STRIDE * row + tap / 3) * PITCH + 3 + STRIDE * column + tap % 3;
                    const unsigned b[2] = {seen[0], seen[4 * PLANE]};
#pragma unroll
                    for (int m = 0; m < M_TILES; ++m) mma<BF16>(d[m][s], a[m], b);
                }
            }
        __syncthreads();  // nobody still reads them
    }

    const Epilogue epilogue = {mode, has_bias, residual_kind, residual_height, residual_width, bias, residual, bits};
    const Output out = {y, n, out_channels, out_height, out_width};
#pragma unroll
    for (int m = 0; m < M_TILES; ++m)
#pragma unroll
        for (int s = 0; s < N_TILES; ++s)
#pragma unroll
            for (int half = 0; half < 2; ++half) {
                const int place = first_tile + s, image = first_image + place / IMAGE_TILES;
                const int row = first_row + place / EIGHTS % ROWS, column = first_column + place % EIGHTS * 8 + 2 * t;
                const int o = first_channel + channel + 16 * m + 8 * half + g;
                float v[2] = {d[m][s][2 * half], d[m][s][2 * half + 1]};
                finish<2>(epilogue, out, image, o, row, column,
                          image < n && o < out_channels && row < out_height, v);
            }
}

// The input gradient of stride 2, as conv2d_stride_2_gradient has it: the columns of a tile are eight neighbouring
// outputs q, and each gives the inputs (2p, 2q), (2p, 2q + 1), (2p + 1, 2q), (2p + 1, 2q + 1), d[0] ... d[3].
template <bool BF16, int CHANNELS, int M_TILES, int N_TILES, int ROWS, int COLUMNS>
__global__ void __launch_bounds__(ROWS / 2 * COLUMNS / 16 / N_TILES * CHANNELS / 16 / M_TILES * 32)
conv2d_stride_2_gradient_mma(
    const float* d_y, const float* weights, float* d_x, int n, int out_channels, int height, int width,
    int in_channels, int chunk, int mode, int residual_kind, int residual_height, int residual_width,
    const float* residual, unsigned char* bits)
{
    constexpr int EACH = BF16 ? 2 : 1, EIGHTS = COLUMNS / 16, PIXEL_WARPS = ROWS / 2 * EIGHTS / N_TILES;
    constexpr int THREADS = PIXEL_WARPS * CHANNELS / 16 / M_TILES * 32;
    constexpr int SEEN_ROWS = ROWS / 2 + 1, PITCH = COLUMNS / 2 + 4, PLANE = apart(SEEN_ROWS * PITCH);
    constexpr int ROW = 9 * CHANNELS + 8;
    static_assert(ROWS / 2 * EIGHTS % N_TILES == 0 && CHANNELS % (16 * M_TILES) == 0, "whole warps");
    static_assert(ROW % 32 == 8 || ROW % 32 == 24, "banks");
    DYNAMIC_SHARED(unsigned, words);
    const int out_height = (height + 1) / 2, out_width = (width + 1) / 2;
    const int tiles_across = (width + COLUMNS - 1) / COLUMNS, tiles_down = (height + ROWS - 1) / ROWS;
    const int tile = blockIdx.x % (tiles_across * tiles_down), image = blockIdx.x / (tiles_across * tiles_down);
    const int first_row = tile / tiles_across * ROWS, first_column = tile % tiles_across * COLUMNS;
    const int first_channel = blockIdx.y * CHANNELS, row_length = (in_channels + 3) / 4 * 4;
    const int n_words = chunk / EACH;
    unsigned* const taps = words + n_words * PLANE;

    const int warp = threadIdx.x / 32, g = threadIdx.x % 32 / 4, t = threadIdx.x % 4;
    const int first_tile = warp % PIXEL_WARPS * N_TILES, channel = warp / PIXEL_WARPS * 16 * M_TILES;
    float d[4][M_TILES][N_TILES][4] = {};
    for (int k = 0; k < out_channels; k += chunk) {
        const int count = min(chunk, out_channels - k);
        fill_words<BF16, SEEN_ROWS, COLUMNS / 2, 0, 1, PITCH, PLANE, THREADS>(
            words, d_y + ((long long)image * out_channels + k) * out_height * out_width, n_words, count, out_height,
            out_width, first_row / 2, first_column / 2, nullptr);
        fill_weight_words<BF16, CHANNELS, ROW, THREADS>(
            taps, weights + (long long)k * 9 * row_length, n_words, count, row_length, first_channel);
        __syncthreads();  // the chunk's words are there
        for (int word = 0; word < n_words; word += 8)
#pragma unroll
            for (int tap = 0; tap < 9; ++tap) {
                const int i = tap / 3, j = tap % 3;
                unsigned a[M_TILES][4];
#pragma unroll
                for (int m = 0; m < M_TILES; ++m)
                    load_taps<ROW>(a[m], taps + word * ROW + tap * CHANNELS + channel + 16 * m, g, t);
#pragma unroll
                for (int s = 0; s < N_TILES; ++s) {
                    const int place = first_tile + s, row = place / EIGHTS, column = place % EIGHTS * 8 + g;
                    const unsigned* const seen =
                        words + (word + t) * PLANE + (row + (i == 0)) * PITCH + column + (j == 0);
                    const unsigned b[2] = {seen[0], seen[4 * PLANE]};
#pragma unroll
                    for (int m = 0; m < M_TILES; ++m) mma<BF16>(d[2 * (i != 1) + (j != 1)][m][s], a[m], b);
                }
            }
        __syncthreads();  // nobody still reads the chunk
    }

    const Epilogue epilogue = {mode, 0, residual_kind, residual_height, residual_width, nullptr, residual, bits};
    const Output out = {d_x, n, in_channels, height, width};
#pragma unroll
    for (int m = 0; m < M_TILES; ++m)
#pragma unroll
        for (int s = 0; s < N_TILES; ++s)
#pragma unroll
            for (int half = 0; half < 2; ++half)
#pragma unroll
                for (int i = 0; i < 2; ++i) {
                    const int place = first_tile + s, row = first_row + 2 * (place / EIGHTS) + i;
                    const int column = first_column + place % EIGHTS * 16 + 4 * t;
                    const int c = first_channel + channel + 16 * m + 8 * half + g;
                    float v[4] = {d[2 * i][m][s][2 * half], d[2 * i + 1][m][s][2 * half],
                                  d[2 * i][m][s][2 * half + 1], d[2 * i + 1][m][s][2 * half + 1]};
                    finish<4>(epilogue, out, image, c, row, column, c < in_channels && row < height, v);
                }
}
