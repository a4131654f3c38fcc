// Weights (co, ci, 3, 3): packed for the convolutions, and their gradient.

// The packed weights of a sum over `terms` channels into `sums` channels: packed [terms][9][sums rounded up to a
// multiple of 4], zero in what was added. Forward: terms are the input channels. Input gradient (`turned`): terms are
// the output channels; stride 1 also has its taps in reverse order (`flipped`).
__global__ void __launch_bounds__(256) conv2d_pack_weights(
    const float* weights, float* packed, int out_channels, int in_channels, int turned, int flipped)
{
    const int terms = turned ? out_channels : in_channels, sums = turned ? in_channels : out_channels;
    const int row_length = (sums + 3) / 4 * 4, i = blockIdx.x * 256 + threadIdx.x;
    if (i >= terms * 9 * row_length) return;
    const int sum = i % row_length, tap = i / row_length % 9, term = i / row_length / 9;
    const int o = turned ? term : sum, c = turned ? sum : term;
    packed[i] = sum < sums ? weights[((long long)o * in_channels + c) * 9 + (flipped ? 8 - tap : tap)] : 0.f;
}

// Σ over images and pixels of d_y[o, p, q] · x[c, s·p + i - 1, s·q + j - 1], a part of the images by each blockIdx.x:
// parts [gridDim.x][co][9][ci]. A unit of work is a tile of ROWS x COLUMNS output pixels of one image. A block takes
// OUT output and IN input channels and every gridDim.x-th unit, the next one copied while this one is summed; a thread
// takes one input channel, PER_THREAD output channels and all nine taps, of the rows that belong to its one of SPLIT
// teams.
template <int STRIDE, int OUT, int IN, int PER_THREAD, int ROWS, int COLUMNS, int SPLIT>
__global__ void __launch_bounds__(IN* OUT / PER_THREAD * SPLIT, 512 * PER_THREAD / (IN * OUT * SPLIT))
conv2d_weight_gradient(
    const float* x, const float* d_y, float* parts, int n, int in_channels, int height, int width, int out_channels)
{
    constexpr int TEAM = IN * OUT / PER_THREAD, THREADS = TEAM * SPLIT;
    constexpr int IN_ROWS = STRIDE * (ROWS - 1) + 3, RIGHT = STRIDE == 1, SEEN = 3 * STRIDE + 3;
    constexpr int PITCH = STRIDE * COLUMNS + 4 + 4 * RIGHT;
    constexpr int PLANE = (IN_ROWS * PITCH + 7) / 8 * 8 + 4;  // lanes are channels: 4 mod 8 keeps their banks apart
    constexpr int STAGE = IN * PLANE + OUT * ROWS * COLUMNS;
    static_assert(THREADS % 32 == 0 && ROWS % SPLIT == 0, "whole warps, rows for each team");
    DYNAMIC_SHARED(float, memory);
    const int out_height = (height - 1) / STRIDE + 1, out_width = (width - 1) / STRIDE + 1;
    const int tiles_across = (out_width + COLUMNS - 1) / COLUMNS, tiles_down = (out_height + ROWS - 1) / ROWS;
    const long long n_units = (long long)n * tiles_across * tiles_down;
    const int first_out = blockIdx.y * OUT, first_in = blockIdx.z * IN;

    const auto fill = [&](long long unit, float* to) {
        const int tile = (int)(unit % (tiles_across * tiles_down));
        const long long image = unit / (tiles_across * tiles_down);
        const int row = tile / tiles_across * ROWS, column = tile % tiles_across * COLUMNS;
        fill_planes<IN_ROWS, STRIDE * COLUMNS, 1, RIGHT, PITCH, PLANE, THREADS>(
            to, x + (image * in_channels + first_in) * height * width, IN, in_channels - first_in, height, width,
            STRIDE * row - 1, STRIDE * column, nullptr);
        fill_planes<ROWS, COLUMNS, 0, 0, COLUMNS, ROWS * COLUMNS, THREADS>(
            to + IN * PLANE, d_y + (image * out_channels + first_out) * out_height * out_width, OUT,
            out_channels - first_out, out_height, out_width, row, column, nullptr);
    };

    const int team = threadIdx.x / TEAM, c = threadIdx.x % IN, o = threadIdx.x % TEAM / IN * PER_THREAD;
    float acc[PER_THREAD][9] = {};
    int stage = 0;
    if (blockIdx.x < n_units) fill(blockIdx.x, memory);
    copy_commit();
    for (long long unit = blockIdx.x; unit < n_units; unit += gridDim.x, stage ^= 1) {
        if (unit + gridDim.x < n_units) fill(unit + gridDim.x, memory + (stage ^ 1) * STAGE);
        copy_commit();
        copy_wait<1>();
        __syncthreads();  // the unit is complete
        const float* const tile = memory + stage * STAGE + c * PLANE + 4;
        const float* const d_tile = memory + stage * STAGE + IN * PLANE;
        for (int row = team; row < ROWS; row += SPLIT) {
            float left[3];  // the column before the four
#pragma unroll
            for (int i = 0; i < 3; ++i) left[i] = tile[(STRIDE * row + i) * PITCH - 1];
#pragma unroll 1
            for (int column = 0; column < COLUMNS; column += 4) {
#pragma unroll
                for (int i = 0; i < 3; ++i) {
                    const float* const line = tile + (STRIDE * row + i) * PITCH + STRIDE * column;
                    float v[SEEN];
                    v[0] = left[i];
#pragma unroll
                    for (int q = 0; q < STRIDE; ++q) {
                        const float4 four = *(const float4*)(line + 4 * q);
                        v[4 * q + 1] = four.x, v[4 * q + 2] = four.y, v[4 * q + 3] = four.z, v[4 * q + 4] = four.w;
                    }
                    if (RIGHT) v[SEEN - 1] = line[4];
                    left[i] = v[4 * STRIDE];
#pragma unroll
                    for (int a = 0; a < PER_THREAD; ++a) {
                        const float4 d = *(const float4*)(d_tile + ((o + a) * ROWS + row) * COLUMNS + column);
#pragma unroll
                        for (int j = 0; j < 3; ++j)
                            acc[a][3 * i + j] += d.x * v[j] + d.y * v[STRIDE + j] + d.z * v[2 * STRIDE + j] +
                                                 d.w * v[3 * STRIDE + j];
                    }
                }
            }
        }
        __syncthreads();  // nobody still reads the unit
    }

    for (int other = 1; other < SPLIT; ++other) {  // the teams' sums are added to the first team's, one after another
        if (team == other)
#pragma unroll
            for (int k = 0; k < 9 * PER_THREAD; ++k) memory[k * TEAM + threadIdx.x % TEAM] = acc[k / 9][k % 9];
        __syncthreads();  // the team's sums are there
        if (team == 0)
#pragma unroll
            for (int k = 0; k < 9 * PER_THREAD; ++k) acc[k / 9][k % 9] += memory[k * TEAM + threadIdx.x];
        __syncthreads();  // and have been added
    }
    if (team > 0 || first_in + c >= in_channels) return;
#pragma unroll
    for (int a = 0; a < PER_THREAD; ++a)
#pragma unroll
        for (int tap = 0; tap < 9; ++tap)
            if (first_out + o + a < out_channels)
                parts[(((long long)blockIdx.x * out_channels + first_out + o + a) * 9 + tap) * in_channels + first_in +
                      c] = acc[a][tap];
}

// d_weights (co, ci, 3, 3) = the sum of the parts, first to last: the same bits in every run.
__global__ void __launch_bounds__(256) conv2d_sum_parts(
    const float* parts, float* d_weights, int n_parts, int out_channels, int in_channels)
{
    const int size = out_channels * 9 * in_channels, i = blockIdx.x * 256 + threadIdx.x;
    if (i >= size) return;
    float sum = 0.f;
#pragma unroll 8
    for (int part = 0; part < n_parts; ++part) sum += parts[(long long)part * size + i];
    const int c = i % in_channels, tap = i / in_channels % 9, o = i / in_channels / 9;
    d_weights[(o * in_channels + c) * 9 + tap] = sum;
}
