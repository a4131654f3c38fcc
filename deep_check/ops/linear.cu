// The linear layer y = x Wt + b; x (n, c), weight (k, c), bias (k,), y (n, k).

// One warp an output.
__global__ void __launch_bounds__(THREADS)
linear(const float* x, const float* weight, const float* bias, int n, int channels, int outputs, float* y)
{
    const long long index = (long long)blockIdx.x * (THREADS / 32) + threadIdx.x / 32;
    if (index >= (long long)n * outputs) return;
    const int image = (int)(index / outputs), output = (int)(index % outputs);
    const float* const row = x + (long long)image * channels;
    const float* const factors = weight + (long long)output * channels;
    float sum = 0.f;
    for (int c = threadIdx.x % 32; c < channels; c += 32) sum += row[c] * factors[c];
    sum = sum_of_warp(sum);
    if (threadIdx.x % 32 == 0) y[index] = sum + bias[output];
}

// d_x (n, c). One thread an element: the weights of neighbouring channels lie side by side.
__global__ void __launch_bounds__(THREADS)
linear_input_gradient(const float* d_y, const float* weight, int n, int channels, int outputs, float* d_x)
{
    const long long index = (long long)blockIdx.x * THREADS + threadIdx.x;
    if (index >= (long long)n * channels) return;
    const int image = (int)(index / channels), c = (int)(index % channels);
    float sum = 0.f;
    for (int k = 0; k < outputs; ++k) sum += d_y[(long long)image * outputs + k] * weight[(long long)k * channels + c];
    d_x[index] = sum;
}

// d_weight (k, c) and d_bias (k,), summed over the images. Grid (columns / 32, k): a block has 32 columns of one row of
// the weights and eight slices of images; the bias is one column more, whose inputs are 1.
__global__ void __launch_bounds__(THREADS)
linear_weight_gradient(
    const float* d_y, const float* x, int n, int channels, int outputs, float* d_weight, float* d_bias)
{
    constexpr int SLICES = THREADS / 32;
    __shared__ float parts[SLICES][32];
    const int lane = threadIdx.x % 32, slice = threadIdx.x / 32;
    const int column = blockIdx.x * 32 + lane, output = blockIdx.y;
    float sum = 0.f;
    if (column <= channels)
        for (int image = slice; image < n; image += SLICES) {
            const float input = column < channels ? x[(long long)image * channels + column] : 1.f;
            sum += d_y[(long long)image * outputs + output] * input;
        }
    parts[slice][lane] = sum;
    __syncthreads();  // all slices are there
    if (slice != 0 || column > channels) return;
#pragma unroll
    for (int s = 1; s < SLICES; ++s) sum += parts[s][lane];
    if (column < channels) d_weight[(long long)output * channels + column] = sum;
    else d_bias[output] = sum;
}
