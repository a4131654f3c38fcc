// Losses of logits z (n, k) at labels (n,), and their gradients; LOSS_... are the places in LOSSES.

__device__ __forceinline__ float infinity() { return __int_as_float(0x7f800000); }

struct Largest {
    float value;
    int index;
};

// The largest value of a warp's lanes and its index, the first of several, in every lane. NaN counts as the largest.
__device__ __forceinline__ Largest largest_of_warp(Largest mine)
{
#pragma unroll
    for (int lanes = 16; lanes > 0; lanes >>= 1) {
        const float value = __shfl_xor_sync(WHOLE_WARP, mine.value, lanes);
        const int index = __shfl_xor_sync(WHOLE_WARP, mine.index, lanes);
        const bool as_large = !(value > mine.value) && !(value < mine.value);
        if (isnan(value) != isnan(mine.value) ? isnan(value) : value > mine.value || (as_large && index < mine.index))
            mine = {value, index};
    }
    return mine;
}

// One warp an example. losses (n,): each by itself; d_logits (n, k): gradients of factor · losses.
__global__ void __launch_bounds__(THREADS)
loss(const float* logits, const int* labels, int n, int classes, int kind, float factor, float* losses, float* d_logits)
{
    const int example = blockIdx.x * (THREADS / 32) + threadIdx.x / 32, lane = threadIdx.x % 32;
    if (example >= n) return;
    const float* const z = logits + (long long)example * classes;
    float* const d_z = d_logits + (long long)example * classes;
    const int label = __shfl_sync(WHOLE_WARP, lane == 0 ? labels[example] : 0, 0);
    const float own = lane < classes ? z[lane] : 0.f;  // the first 32 are read once
    const float at_label = __shfl_sync(WHOLE_WARP, label < 32 ? own : lane == label % 32 ? z[label] : 0.f, label % 32);
    float value;
    if (kind == LOSS_MSE) {
        float sum = 0.f;
        for (int c = lane; c < classes; c += 32) {
            const float residual = (c < 32 ? own : z[c]) - (c == label ? 1.f : 0.f);
            sum += residual * residual;
            d_z[c] = factor * residual;
        }
        value = 0.5f * sum_of_warp(sum);
    } else {
        const bool with_label = kind == LOSS_CROSS_ENTROPY;
        Largest mine = {-infinity(), classes};
        for (int c = lane; c < classes; c += 32) {
            const float here = c < 32 ? own : z[c];
            if (c == label && !with_label) continue;
            if (here > mine.value || (isnan(here) && !isnan(mine.value)) || mine.index == classes) mine = {here, c};
        }
        const Largest top = largest_of_warp(mine);
        if (with_label) {
            float sum = 0.f;
            for (int c = lane; c < classes; c += 32) sum += expf((c < 32 ? own : z[c]) - top.value);
            sum = sum_of_warp(sum);
            value = logf(sum) - (at_label - top.value);
            for (int c = lane; c < classes; c += 32)
                d_z[c] = factor * (expf((c < 32 ? own : z[c]) - top.value) / sum - (c == label ? 1.f : 0.f));
        } else {
            const float margin = top.value - at_label;
            value = kind == LOSS_MARGIN ? margin : 0.5f * (1.f + margin) * (1.f + margin);
            const float slope = kind == LOSS_MARGIN ? factor : factor * (1.f + margin);
            for (int c = lane; c < classes; c += 32) d_z[c] = c == top.index ? slope : c == label ? -slope : 0.f;
        }
    }
    if (lane == 0) losses[example] = value;
}

// The mean of n numbers, by one block.
__global__ void __launch_bounds__(THREADS) mean_of(const float* values, int n, float* mean)
{
    double sum = 0;
    for (int i = threadIdx.x; i < n; i += THREADS) sum += values[i];
    sum = sum_of_block(sum);
    if (threadIdx.x == 0) *mean = (float)(sum / n);
}
