// Batch normalisation over images and pixels, channel by channel [Ioffe & Szegedy 2015, Algorithm 1].
//
// The numbers of one channel are counted through as j = image · plane + pixel. A block takes a tile of TILE of them, or
// a run of tiles (a split, of which there are at most MAX_SPLITS a channel); a thread WIDTH neighbours at a time: 4
// where planes are multiples of four, else 1. Sums over a channel are made by split, and joined in a fixed order by one
// warp of every block that needs them: this costs a few reads, and saves a launch.

constexpr int EACH = BATCH_NORM_TILE / THREADS;

struct Channel {
    int index, channels, plane, total;  // total: numbers of the channel, images · plane
};

// This thread's numbers of the tile that begins at `first`: calls f(group, j, offset in the array) for each group of
// WIDTH neighbours before `last`.
template <int WIDTH, class F>
__device__ __forceinline__ void for_tile(const Channel& channel, int first, int last, const F& f)
{
#pragma unroll
    for (int group = 0; group < EACH / WIDTH; ++group) {
        const int j = first + (group * THREADS + (int)threadIdx.x) * WIDTH;
        if (j >= last) continue;
        const int image = j / channel.plane, pixel = j % channel.plane;
        f(group * WIDTH, j, ((long long)image * channel.channels + channel.index) * channel.plane + pixel);
    }
}

template <int WIDTH> __device__ __forceinline__ void load(const float* p, float* values)
{
    if (WIDTH == 4) {
        const float4 q = *(const float4*)p;
        values[0] = q.x, values[1] = q.y, values[2] = q.z, values[3] = q.w;
    } else {
        values[0] = *p;
    }
}

template <int WIDTH> __device__ __forceinline__ void store(float* p, const float* values)
{
    if (WIDTH == 4) *(float4*)p = make_float4(values[0], values[1], values[2], values[3]);
    else *p = values[0];
}

// Mean and sum of squared deviations of each split, (channels, splits, 2). Grid (splits, channels). A tile's mean comes
// before its deviations, all in registers, and tiles are joined as Chan et al. 1979 do: nothing cancels.
template <int WIDTH>
__global__ void __launch_bounds__(THREADS)
batch_norm_statistics(const float* x, int n, int channels, int plane, int split, float* parts)
{
    const Channel channel = {(int)blockIdx.y, channels, plane, n * plane};
    const int begin = blockIdx.x * split, end = min(begin + split, channel.total);
    float mean = 0.f, squares = 0.f, count = 0.f;
    for (int first = begin; first < end; first += BATCH_NORM_TILE) {
        const int last = min(first + BATCH_NORM_TILE, end);
        float values[EACH];
        float sum = 0.f;
        for_tile<WIDTH>(channel, first, last, [&](int k, int, long long offset) {
            load<WIDTH>(x + offset, values + k);
#pragma unroll
            for (int i = 0; i < WIDTH; ++i) sum += values[k + i];
        });
        const float here = (float)(last - first), centre = sum_of_block(sum) / here;
        float squared = 0.f;
        for_tile<WIDTH>(channel, first, last, [&](int k, int, long long) {
#pragma unroll
            for (int i = 0; i < WIDTH; ++i) squared += (values[k + i] - centre) * (values[k + i] - centre);
        });
        squared = sum_of_block(squared);
        const float delta = centre - mean, share = here / (count + here);
        mean += delta * share;
        squares += squared + delta * delta * (count * share);
        count += here;
    }
    if (threadIdx.x == 0) {
        float* const part = parts + ((long long)channel.index * gridDim.x + blockIdx.x) * 2;
        part[0] = mean;
        part[1] = squares;
    }
}

struct Moments {
    float mean, variance;
};

// The whole channel's mean and biased variance, in every lane of a warp; parts: of this channel.
__device__ __forceinline__ Moments join_statistics(const float* parts, int n_splits, int split, int total)
{
    const int lane = threadIdx.x % 32;
    const float anchor = parts[0];
    float means[MAX_SPLITS / 32] = {}, squares[MAX_SPLITS / 32] = {}, counts[MAX_SPLITS / 32] = {};
    float shift = 0.f;
#pragma unroll
    for (int i = 0; i < MAX_SPLITS / 32; ++i) {
        const int s = lane + 32 * i;
        if (s >= n_splits) continue;
        means[i] = parts[2 * s] - anchor;
        squares[i] = parts[2 * s + 1];
        counts[i] = (float)min(split, total - s * split);
        shift += counts[i] * means[i];
    }
    shift = sum_of_warp(shift) / total;
    float sum = 0.f;
#pragma unroll
    for (int i = 0; i < MAX_SPLITS / 32; ++i)
        sum += squares[i] + counts[i] * ((means[i] - shift) * (means[i] - shift));
    return {anchor + shift, sum_of_warp(sum) / total};
}

// y = scale · (x - mean)/sqrt(variance + epsilon) + shift with the statistics of `parts`, plus a residual, then ReLU if
// RELU. Grid (tiles, channels). The residual is an array as y (IDENTITY), or the shortcut of an array with half as many
// channels and a size of height x width (SUBSAMPLED, y having ceil(width/2) columns).
// has_bits: the sign bits of y are written too (conv2d_epilogue.cuh), in rows of a multiple of eight pixels.
// The first block of a channel writes its mean and variance, and moves the running ones by `momentum` (0: not at all).
template <int WIDTH, int RESIDUAL, bool RELU>
__global__ void __launch_bounds__(THREADS)
batch_norm_normalise(
    const float* x, const float* scale, const float* shift, float epsilon, const float* parts, int n_splits, int split,
    int n, int channels, int plane, const float* residual, int height, int width, float* mean, float* variance,
    float* running_mean, float* running_variance, float momentum, float* y, int has_bits, unsigned char* bits)
{
    const Channel channel = {(int)blockIdx.y, channels, plane, n * plane};
    const int c = channel.index;
    const int first = blockIdx.x * BATCH_NORM_TILE, last = min(first + BATCH_NORM_TILE, channel.total);
    float values[EACH] = {}, added[EACH];
    // What is read first does not wait for the statistics.
    for_tile<WIDTH>(channel, first, last, [&](int k, int j, long long offset) {
        load<WIDTH>(x + offset, values + k);
        if (RESIDUAL == IDENTITY) load<WIDTH>(residual + offset, added + k);
        if (RESIDUAL == SUBSAMPLED) {
            const int half = channels / 2, from = c - half / 2;
            const int image = j / plane, columns = (width + 1) / 2;
            const float* const source = residual + ((long long)image * half + from) * height * width;
#pragma unroll
            for (int i = 0; i < WIDTH; ++i) {
                const int pixel = j % plane + i, at = 2 * (pixel / columns) * width + 2 * (pixel % columns);
                added[k + i] = from >= 0 && from < half ? source[at] : 0.f;
            }
        }
    });
    __shared__ float joined[3];
    if (threadIdx.x < 32) {
        const Moments moments = join_statistics(parts + (long long)c * n_splits * 2, n_splits, split, channel.total);
        if (threadIdx.x == 0) {
            joined[0] = moments.mean;
            joined[1] = scale[c] / sqrtf(moments.variance + epsilon);
            joined[2] = shift[c];
            if (blockIdx.x == 0) {
                mean[c] = moments.mean;
                variance[c] = moments.variance;
                if (momentum > 0.f) {
                    const float unbiased = moments.variance * ((float)channel.total / (channel.total - 1));
                    running_mean[c] += momentum * (moments.mean - running_mean[c]);
                    running_variance[c] += momentum * (unbiased - running_variance[c]);
                }
            }
        }
    }
    __syncthreads();  // the statistics are there
    const float centre = joined[0], factor = joined[1], base = joined[2];
    for_tile<WIDTH>(channel, first, last, [&](int k, int, long long offset) {
#pragma unroll
        for (int i = 0; i < WIDTH; ++i) {
            values[k + i] = (values[k + i] - centre) * factor + base;
            if (RESIDUAL != NO_RESIDUAL) values[k + i] += added[k + i];
            if (RELU) values[k + i] = positive_part(values[k + i]);
        }
        store<WIDTH>(y + offset, values + k);
    });
    if (WIDTH == 4 && RELU && has_bits) {
#pragma unroll
        for (int k = 0; k < EACH; k += 4) {  // lanes beyond the end, too: two neighbours make one byte
            const unsigned mine = (values[k] > 0.f) | (values[k + 1] > 0.f) << 1 | (values[k + 2] > 0.f) << 2 |
                                  (values[k + 3] > 0.f) << 3;
            const unsigned next = __shfl_down_sync(WHOLE_WARP, mine, 1);
            const int j = first + (k / 4 * THREADS + (int)threadIdx.x) * 4;
            const long long offset = ((long long)(j / plane) * channels + c) * plane + j % plane;
            if (j < last && threadIdx.x % 2 == 0) bits[offset / 8] = (unsigned char)(mine | next << 4);
        }
    }
}

// The same with given statistics, without a residual. Grid (tiles, channels).
template <int WIDTH>
__global__ void __launch_bounds__(THREADS)
batch_norm_evaluation(
    const float* x, const float* scale, const float* shift, const float* mean, const float* variance, float epsilon,
    int n, int channels, int plane, float* y)
{
    const Channel channel = {(int)blockIdx.y, channels, plane, n * plane};
    const int c = channel.index;
    const int first = blockIdx.x * BATCH_NORM_TILE, last = min(first + BATCH_NORM_TILE, channel.total);
    const float centre = mean[c], factor = scale[c] / sqrtf(variance[c] + epsilon), base = shift[c];
    for_tile<WIDTH>(channel, first, last, [&](int, int, long long offset) {
        float values[WIDTH];
        load<WIDTH>(x + offset, values);
#pragma unroll
        for (int i = 0; i < WIDTH; ++i) values[i] = (values[i] - centre) * factor + base;
        store<WIDTH>(y + offset, values);
    });
}

// Sums of d_y and of d_y · (x - mean) of each split, (channels, splits, 2). Grid (splits, channels).
template <int WIDTH>
__global__ void __launch_bounds__(THREADS)
batch_norm_gradient_sums(
    const float* d_y, const float* x, const float* mean, int n, int channels, int plane, int split, float* parts)
{
    const Channel channel = {(int)blockIdx.y, channels, plane, n * plane};
    const int begin = blockIdx.x * split, end = min(begin + split, channel.total);
    const float centre = mean[channel.index];
    float sums[2] = {0.f, 0.f};
    for (int first = begin; first < end; first += BATCH_NORM_TILE)
        for_tile<WIDTH>(channel, first, min(first + BATCH_NORM_TILE, end), [&](int, int, long long offset) {
            float d[WIDTH], values[WIDTH];
            load<WIDTH>(d_y + offset, d);
            load<WIDTH>(x + offset, values);
#pragma unroll
            for (int i = 0; i < WIDTH; ++i) {
                sums[0] += d[i];
                sums[1] += d[i] * (values[i] - centre);
            }
        });
    sum_of_block(sums);
    if (threadIdx.x == 0) {
        float* const part = parts + ((long long)channel.index * gridDim.x + blockIdx.x) * 2;
        part[0] = sums[0];
        part[1] = sums[1];
    }
}

// d_x = scale/s · (d_y - <d_y> - (x - mean)/s <d_y (x - mean)/s>), s = sqrt(variance + epsilon), <.> the mean over a
// channel; d_x may be d_y itself. Grid (tiles, channels). The first block of a channel writes d_scale and d_shift.
template <int WIDTH>
__global__ void __launch_bounds__(THREADS)
batch_norm_gradient(
    const float* d_y, const float* x, const float* scale, const float* mean, const float* variance, float epsilon,
    const float* parts, int n_splits, int n, int channels, int plane, float* d_x, float* d_scale, float* d_shift)
{
    const Channel channel = {(int)blockIdx.y, channels, plane, n * plane};
    const int c = channel.index;
    const int first = blockIdx.x * BATCH_NORM_TILE, last = min(first + BATCH_NORM_TILE, channel.total);
    float d[EACH], values[EACH];
    for_tile<WIDTH>(channel, first, last, [&](int k, int, long long offset) {
        load<WIDTH>(d_y + offset, d + k);
        load<WIDTH>(x + offset, values + k);
    });
    __shared__ float joined[4];
    if (threadIdx.x < 32) {
        const float* const part = parts + (long long)c * n_splits * 2;
        float sum = 0.f, product = 0.f;
        for (int s = threadIdx.x; s < n_splits; s += 32) {
            sum += part[2 * s];
            product += part[2 * s + 1];
        }
        sum = sum_of_warp(sum);
        product = sum_of_warp(product);
        if (threadIdx.x == 0) {
            const float inverse = 1.f / sqrtf(variance[c] + epsilon);
            joined[0] = scale[c] * inverse;
            joined[1] = sum / channel.total;
            joined[2] = product * inverse * inverse / channel.total;
            joined[3] = mean[c];
            if (blockIdx.x == 0) {
                d_scale[c] = product * inverse;
                d_shift[c] = sum;
            }
        }
    }
    __syncthreads();  // the sums are there
    const float factor = joined[0], mean_d = joined[1], slope = joined[2], centre = joined[3];
    for_tile<WIDTH>(channel, first, last, [&](int k, int, long long offset) {
#pragma unroll
        for (int i = 0; i < WIDTH; ++i) d[k + i] = factor * (d[k + i] - mean_d - (values[k + i] - centre) * slope);
        store<WIDTH>(d_x + offset, d + k);
    });
}
