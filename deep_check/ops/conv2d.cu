// 3x3 convolution with zero padding 1 by its definition, float32: forward of both strides, input gradients.
//
// A block makes all output channels (up to CHANNELS) of a tile of ROWS x COLUMNS pixels of IMAGES images, so that it
// reads its input once; a thread makes PER_THREAD channels of four neighbouring pixels. Input channels come `chunk` at
// a time, the next chunk is copied to shared memory while this one is summed. Weights are packed as conv2d_weights.cu
// says. The launch bounds give every thread 128 registers and a multiprocessor 512 threads.

// Strides 1 and 2 forward. The input gradient of stride 1 is the same sum with the weights turned around.
template <int STRIDE, int CHANNELS, int PER_THREAD, int ROWS, int COLUMNS, int IMAGES>
__global__ void __launch_bounds__(
    IMAGES* ROWS* COLUMNS / 4 * CHANNELS / PER_THREAD, 2048 * PER_THREAD / (IMAGES * ROWS * COLUMNS * CHANNELS))
conv2d(
    const float* x, const float* weights, float* y, int n, int in_channels, int height, int width, int out_channels,
    int chunk, int mode, int has_bias, const float* bias, int has_border, const float* border, int residual_kind,
    int residual_height, int residual_width, const float* residual, unsigned char* bits)
{
    constexpr int ROW_THREADS = COLUMNS / 4, PIXEL_THREADS = ROWS * ROW_THREADS;
    constexpr int THREADS = IMAGES * PIXEL_THREADS * CHANNELS / PER_THREAD;
    constexpr int IN_ROWS = STRIDE * (ROWS - 1) + 3, RIGHT = STRIDE == 1, SEEN = 3 * STRIDE + 3;
    // Eight lanes read four rows of eight pixels, two of sixteen or one of 32: a pitch of 24 keeps the first apart.
    constexpr int PITCH = STRIDE * COLUMNS + 4 + 4 * RIGHT + (STRIDE * COLUMNS == 8 ? 8 : 0), PLANE = IN_ROWS * PITCH;
    static_assert(THREADS % 32 == 0 && ROW_THREADS % 2 == 0 && PER_THREAD % 4 == 0, "whole warps, bytes, vectors");
    DYNAMIC_SHARED(float, memory);
    const int out_height = (height - 1) / STRIDE + 1, out_width = (width - 1) / STRIDE + 1;
    const int tiles_across = (out_width + COLUMNS - 1) / COLUMNS, tiles_down = (out_height + ROWS - 1) / ROWS;
    const int tile = blockIdx.x % (tiles_across * tiles_down);
    const int first_image = blockIdx.x / (tiles_across * tiles_down) * IMAGES;
    const int first_row = tile / tiles_across * ROWS, first_column = tile % tiles_across * COLUMNS;
    const int first_channel = blockIdx.y * CHANNELS, row_length = (out_channels + 3) / 4 * 4;
    const int image_size = chunk * PLANE, stage_size = IMAGES * image_size + chunk * 9 * CHANNELS;

    const auto fill = [&](int stage) {
        const int k = stage * chunk, count = min(chunk, in_channels - k);
        float* const to = memory + (stage & 1) * stage_size;
#pragma unroll
        for (int i = 0; i < IMAGES; ++i) {
            const bool present = first_image + i < n;
            const long long plane = (long long)(present ? first_image + i : 0) * in_channels + k;
            fill_planes<IN_ROWS, STRIDE * COLUMNS, 1, RIGHT, PITCH, PLANE, THREADS>(
                to + i * image_size, x + plane * height * width, count, present ? count : 0, height, width,
                STRIDE * first_row - 1, STRIDE * first_column, has_border ? border + k : nullptr);
        }
        fill_weights<CHANNELS, THREADS>(
            to + IMAGES * image_size, weights + (long long)k * 9 * row_length, 9 * count, row_length, first_channel);
    };

    const int pixel = threadIdx.x % PIXEL_THREADS, row = pixel / ROW_THREADS, column = pixel % ROW_THREADS * 4;
    const int image = threadIdx.x / PIXEL_THREADS % IMAGES;
    const int channel = threadIdx.x / (PIXEL_THREADS * IMAGES) * PER_THREAD;
    float acc[PER_THREAD][4] = {};
    const int n_stages = (in_channels + chunk - 1) / chunk;
    fill(0);
    copy_commit();
    for (int stage = 0; stage < n_stages; ++stage) {
        if (stage + 1 < n_stages) fill(stage + 1);
        copy_commit();
        copy_wait<1>();
        __syncthreads();  // the stage is complete
        const int count = min(chunk, in_channels - stage * chunk);
        const float* const from = memory + (stage & 1) * stage_size;
        const float* seen = from + image * image_size + STRIDE * row * PITCH + 4 + STRIDE * column;
        const float* taps = from + IMAGES * image_size + channel;
#pragma unroll 1
        for (int k = 0; k < count; ++k, seen += PLANE, taps += 9 * CHANNELS) {
#pragma unroll
            for (int i = 0; i < 3; ++i) {
                float v[SEEN];
                const float* const line = seen + i * PITCH;
                v[0] = line[-1];
#pragma unroll
                for (int q = 0; q < STRIDE; ++q) {
                    const float4 four = *(const float4*)(line + 4 * q);
                    v[4 * q + 1] = four.x, v[4 * q + 2] = four.y, v[4 * q + 3] = four.z, v[4 * q + 4] = four.w;
                }
                if (RIGHT) v[SEEN - 1] = line[4];
#pragma unroll
                for (int j = 0; j < 3; ++j)
                    accumulate<PER_THREAD, STRIDE>(acc, taps + (3 * i + j) * CHANNELS, v + j);
            }
        }
        __syncthreads();  // nobody still reads the stage
    }

    const Epilogue epilogue = {mode, has_bias, residual_kind, residual_height, residual_width, bias, residual, bits};
    const Output out = {y, n, out_channels, out_height, out_width};
#pragma unroll
    for (int c = 0; c < PER_THREAD; ++c) {
        const int o = first_channel + channel + c;
        const bool inside = first_image + image < n && o < out_channels && first_row + row < out_height;
        finish<4>(epilogue, out, first_image + image, o, first_row + row, first_column + column, inside, acc[c]);
    }
}

// The input gradient of stride 2. Output pixel (p, q) saw the inputs 2p - 1 ... 2p + 1, 2q - 1 ... 2q + 1; so the
// inputs (2p, 2q), (2p, 2q + 1), (2p + 1, 2q), (2p + 1, 2q + 1) get 1, 2, 2 and 4 taps of the outputs p, p + 1 and q, q
// + 1. A thread makes PER_THREAD channels of two rows of four pixels; the tile is ROWS x COLUMNS of the input.
template <int CHANNELS, int PER_THREAD, int ROWS, int COLUMNS>
__global__ void __launch_bounds__(
    ROWS / 2 * COLUMNS / 4 * CHANNELS / PER_THREAD, 4096 * PER_THREAD / (ROWS * COLUMNS * CHANNELS))
conv2d_stride_2_gradient(
    const float* d_y, const float* weights, float* d_x, int n, int out_channels, int height, int width,
    int in_channels, int chunk, int mode, int residual_kind, int residual_height, int residual_width,
    const float* residual, unsigned char* bits)
{
    constexpr int ROW_THREADS = COLUMNS / 4, PIXEL_THREADS = ROWS / 2 * ROW_THREADS;
    constexpr int THREADS = PIXEL_THREADS * CHANNELS / PER_THREAD;
    constexpr int SEEN_ROWS = ROWS / 2 + 1, PITCH = COLUMNS / 2 + 4, PLANE = SEEN_ROWS * PITCH;
    static_assert(THREADS % 32 == 0 && ROW_THREADS % 2 == 0 && PER_THREAD % 4 == 0, "whole warps, bytes, vectors");
    DYNAMIC_SHARED(float, memory);
    const int out_height = (height + 1) / 2, out_width = (width + 1) / 2;
    const int tiles_across = (width + COLUMNS - 1) / COLUMNS, tiles_down = (height + ROWS - 1) / ROWS;
    const int tile = blockIdx.x % (tiles_across * tiles_down), image = blockIdx.x / (tiles_across * tiles_down);
    const int first_row = tile / tiles_across * ROWS, first_column = tile % tiles_across * COLUMNS;
    const int first_channel = blockIdx.y * CHANNELS, row_length = (in_channels + 3) / 4 * 4;
    const int stage_size = chunk * (PLANE + 9 * CHANNELS);

    const auto fill = [&](int stage) {
        const int k = stage * chunk, count = min(chunk, out_channels - k);
        float* const to = memory + (stage & 1) * stage_size;
        fill_planes<SEEN_ROWS, COLUMNS / 2, 0, 1, PITCH, PLANE, THREADS>(
            to, d_y + ((long long)image * out_channels + k) * out_height * out_width, count, count, out_height,
            out_width, first_row / 2, first_column / 2, nullptr);
        fill_weights<CHANNELS, THREADS>(
            to + chunk * PLANE, weights + (long long)k * 9 * row_length, 9 * count, row_length, first_channel);
    };

    const int pixel = threadIdx.x % PIXEL_THREADS, pair = pixel / ROW_THREADS, column = pixel % ROW_THREADS * 4;
    const int channel = threadIdx.x / PIXEL_THREADS * PER_THREAD;
    float acc[2][PER_THREAD][4] = {};
    const int n_stages = (out_channels + chunk - 1) / chunk;
    fill(0);
    copy_commit();
    for (int stage = 0; stage < n_stages; ++stage) {
        if (stage + 1 < n_stages) fill(stage + 1);
        copy_commit();
        copy_wait<1>();
        __syncthreads();  // the chunk is complete
        const int count = min(chunk, out_channels - stage * chunk);
        const float* const from = memory + (stage & 1) * stage_size;
        const float* seen = from + pair * PITCH + column / 2;
        const float* taps = from + chunk * PLANE + channel;
        for (int k = 0; k < count; ++k, seen += PLANE, taps += 9 * CHANNELS) {
            float v[2][3];  // outputs p, p + 1; q, q + 1, q + 2
#pragma unroll
            for (int i = 0; i < 2; ++i) {
                const float2 two = *(const float2*)(seen + i * PITCH);
                v[i][0] = two.x, v[i][1] = two.y, v[i][2] = seen[i * PITCH + 2];
            }
#pragma unroll
            for (int i = 0; i < 3; ++i)
#pragma unroll
                for (int j = 0; j < 3; ++j) {
                    const float* const line = v[i == 0] + (j == 0);  // tap 0 belongs to the later output
#pragma unroll
                    for (int c = 0; c < PER_THREAD; c += 4) {
                        const float4 w = *(const float4*)(taps + (3 * i + j) * CHANNELS + c);
#pragma unroll
                        for (int q = 0; q < 2; ++q) {
                            const int p = 2 * q + (j != 1);
                            acc[i != 1][c][p] += w.x * line[q];
                            acc[i != 1][c + 1][p] += w.y * line[q];
                            acc[i != 1][c + 2][p] += w.z * line[q];
                            acc[i != 1][c + 3][p] += w.w * line[q];
                        }
                    }
                }
        }
        __syncthreads();  // nobody still reads the chunk
    }

    const Epilogue epilogue = {mode, 0, residual_kind, residual_height, residual_width, nullptr, residual, bits};
    const Output out = {d_x, n, in_channels, height, width};
#pragma unroll
    for (int i = 0; i < 2; ++i)
#pragma unroll
        for (int c = 0; c < PER_THREAD; ++c) {
            const int o = first_channel + channel + c, row = first_row + 2 * pair + i;
            finish<4>(epilogue, out, image, o, row, first_column + column, o < in_channels && row < height, acc[i][c]);
        }
}
