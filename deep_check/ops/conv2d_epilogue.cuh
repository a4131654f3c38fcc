// What the convolutions do to a finished sum before they write it, and the layout of the sign bits.
//
// SIGN BITS. One bit for each number of an array (n, c, h, w): bit x % 8 of byte x / 8 of row (image, channel, y), 1
// where the number is positive. A row takes ceil(w / 8) bytes, rows follow one another without gaps, bits beyond w are
// 0: unsigned char [n][c][h][ceil(w / 8)]. Where w is a multiple of 8 the bits are dense, and read as 32-bit words
// (least significant byte first) bit e % 32 of word e / 32 belongs to element e.

// mode: what becomes of v = sum [+ bias of the channel] [+ residual].
//   RAW       written as it is
//   FORWARD   max(v, 0) is written, and the sign bits of v
//   BACKWARD  v is written where the sign bit is 1, else 0
// residual_kind: where the residual comes from.
//   SAME      from an array of the output's own shape
//   LARGER    the parameter-free shortcut of an array (n, c', h', w'), c = 2c': channel k - c'/2 at (2y, 2x), zero in
//             the channels before and after
//   SMALLER   the gradient of that shortcut, of an array (n, 2c, ceil(h/2), ceil(w/2)): channel k + c/2 at (y/2, x/2)
//             where y and x are even
struct Epilogue {
    int mode, has_bias, residual_kind, residual_height, residual_width;
    const float* bias;
    const float* residual;
    unsigned char* bits;
};

struct Output {
    float* y;
    int n, channels, height, width;
};

// Whether 16-byte (V = 4) or 8-byte accesses are aligned at every multiple of V in a row.
template <int V> __device__ __forceinline__ bool rows_aligned(int width) { return width % V == 0; }

template <int V> __device__ __forceinline__ void load_row(const float* p, int count, bool aligned, float (&v)[V])
{
    if (aligned && V == 4) {
        const float4 q = *(const float4*)p;
        v[0] = q.x, v[1] = q.y, v[V - 2] = q.z, v[V - 1] = q.w;
    } else if (aligned) {
        const float2 q = *(const float2*)p;
        v[0] = q.x, v[1] = q.y;
    } else {
#pragma unroll
        for (int k = 0; k < V; ++k) v[k] = k < count ? p[k] : 0.f;
    }
}

template <int V> __device__ __forceinline__ void store_row(float* p, int count, bool aligned, const float (&v)[V])
{
    if (aligned && V == 4) {
        *(float4*)p = make_float4(v[0], v[1], v[V - 2], v[V - 1]);
    } else if (aligned) {
        *(float2*)p = make_float2(v[0], v[1]);
    } else {
#pragma unroll
        for (int k = 0; k < V; ++k)
            if (k < count) p[k] = v[k];
    }
}

template <int V>
__device__ __forceinline__ void add_residual(
    const Epilogue& e, const Output& out, int image, int channel, int row, int column, int count, bool aligned,
    float (&v)[V])
{
    if (e.residual_kind == RESIDUAL_SAME) {
        const long long at = (((long long)image * out.channels + channel) * out.height + row) * out.width + column;
        float r[V];
        load_row<V>(e.residual + at, count, aligned, r);
#pragma unroll
        for (int k = 0; k < V; ++k) v[k] += r[k];
    } else if (e.residual_kind == RESIDUAL_LARGER) {
        const int channels = out.channels / 2, from = channel - channels / 2;
        if (from < 0 || from >= channels) return;
        const float* const line =
            e.residual + (((long long)image * channels + from) * e.residual_height + 2 * row) * e.residual_width;
#pragma unroll
        for (int k = 0; k < V; ++k)
            if (k < count) v[k] += line[2 * (column + k)];
    } else if (row % 2 == 0) {
        const int from = channel + out.channels / 2;
        const float* const line = e.residual + (((long long)image * 2 * out.channels + from) * e.residual_height +
                                                row / 2) * e.residual_width;
#pragma unroll
        for (int k = 0; k < V; k += 2)
            if (k < count) v[k] += line[(column + k) / 2];
    }
}

// Finish V neighbours of a row, column a multiple of V, and write them. Every lane of the warp calls it, at the same
// time, for 8 / V lanes in a row the columns of one byte of sign bits; `inside` says whether there is anything to
// write.
template <int V>
__device__ __forceinline__ void finish(
    const Epilogue& e, const Output& out, int image, int channel, int row, int column, bool inside, float (&v)[V])
{
    const int count = inside ? min(V, out.width - column) : 0, row_bytes = (out.width + 7) / 8;
    const bool aligned = rows_aligned<V>(out.width);
    const long long line = ((long long)image * out.channels + channel) * out.height + row;
    if (count > 0) {
        if (e.has_bias) {
            const float bias = e.bias[channel];
#pragma unroll
            for (int k = 0; k < V; ++k) v[k] += bias;
        }
        if (e.residual_kind != RESIDUAL_NONE) add_residual<V>(e, out, image, channel, row, column, count, aligned, v);
    }
    if (e.mode == EPILOGUE_FORWARD) {
        unsigned bits = 0;
#pragma unroll
        for (int k = 0; k < V; ++k) {
            bits |= (unsigned)(k < count && v[k] > 0.f) << k;
            v[k] = v[k] < 0.f ? 0.f : v[k];  // NaN stays NaN
        }
        bits <<= column & (8 - V);
        bits |= __shfl_xor_sync(0xffffffffu, bits, 1);
        if (V == 2) bits |= __shfl_xor_sync(0xffffffffu, bits, 2);
        if (count > 0 && column % 8 == 0) e.bits[line * row_bytes + column / 8] = (unsigned char)bits;
    } else if (e.mode == EPILOGUE_BACKWARD && count > 0) {
        const unsigned bits = (unsigned)e.bits[line * row_bytes + column / 8] >> (column & (8 - V));
#pragma unroll
        for (int k = 0; k < V; ++k) v[k] = bits >> k & 1 ? v[k] : 0.f;
    }
    if (count > 0) store_row<V>(out.y + line * out.width + column, count, aligned, v);
}
