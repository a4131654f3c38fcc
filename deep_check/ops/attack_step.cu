// The steps an attack is made of [paper: Section 2.1, Eq. 18]; out may be x itself. NaN stays NaN.

__device__ __forceinline__ float sign_of(float x) { return x > 0.f ? 1.f : x < 0.f ? -1.f : x == 0.f ? 0.f : x; }

__global__ void __launch_bounds__(THREADS)
sign_step(const float* x, const float* gradient, float step_size, float* out, long long n)
{
    const Place place = place_in(n);
    Four values = load_four(x + place.first, place.count);
    const Four g = load_four(gradient + place.first, place.count);
#pragma unroll
    for (int k = 0; k < 4; ++k) values.v[k] += step_size * sign_of(g.v[k]);
    store_four(out + place.first, values, place.count);
}

__global__ void __launch_bounds__(THREADS)
project_linf(const float* x, const float* origin, float radius, float* out, long long n)
{
    const Place place = place_in(n);
    Four values = load_four(x + place.first, place.count);
    const Four centre = load_four(origin + place.first, place.count);
#pragma unroll
    for (int k = 0; k < 4; ++k) values.v[k] = clamp(values.v[k], centre.v[k] - radius, centre.v[k] + radius);
    store_four(out + place.first, values, place.count);
}

__global__ void __launch_bounds__(THREADS) clip_box(const float* x, float low, float high, float* out, long long n)
{
    const Place place = place_in(n);
    Four values = load_four(x + place.first, place.count);
#pragma unroll
    for (int k = 0; k < 4; ++k) values.v[k] = clamp(values.v[k], low, high);
    store_four(out + place.first, values, place.count);
}

// d_x = d_y where y, clipped or not yet, lies inside of the box, 0 on its faces and beyond; d_x may be d_y.
__global__ void __launch_bounds__(THREADS)
clip_box_gradient(const float* d_y, const float* y, float low, float high, float* d_x, long long n)
{
    const Place place = place_in(n);
    Four values = load_four(d_y + place.first, place.count);
    const Four clipped = load_four(y + place.first, place.count);
#pragma unroll
    for (int k = 0; k < 4; ++k) values.v[k] = clipped.v[k] <= low || clipped.v[k] >= high ? 0.f : values.v[k];
    store_four(d_x + place.first, values, place.count);
}

// All three at once, the box being [0, 1].
__global__ void __launch_bounds__(THREADS)
pgd_linf_step(
    const float* x, const float* origin, const float* gradient, float step_size, float radius, float* out, long long n)
{
    const Place place = place_in(n);
    Four values = load_four(x + place.first, place.count);
    const Four centre = load_four(origin + place.first, place.count);
    const Four g = load_four(gradient + place.first, place.count);
#pragma unroll
    for (int k = 0; k < 4; ++k) {
        const float moved = values.v[k] + step_size * sign_of(g.v[k]);
        values.v[k] = clamp(clamp(moved, centre.v[k] - radius, centre.v[k] + radius), 0.f, 1.f);
    }
    store_four(out + place.first, values, place.count);
}

// Steps and projections by the Euclidean norm of each image of `size` numbers, one block an image: x + step_size ·
// gradient/|gradient| (STEP), drawn back to the ball of `radius` around origin (PROJECT), clipped to [0, 1] (CLIP).
// Norms are taken in float64, where no float32's square is lost. An image of up to HELD · THREADS numbers is read
// once; of a larger one each pass reads again what it needs.
template <bool STEP, bool PROJECT, bool CLIP>
__global__ void __launch_bounds__(THREADS)
l2_move(
    const float* x, const float* origin, const float* gradient, float step_size, float radius, int size, float* out)
{
    constexpr int FOURS = 4, HELD = 4 * FOURS, TILE = HELD * THREADS;
    const long long image = (long long)blockIdx.x * size;
    const int n_tiles = (size + TILE - 1) / TILE;
    Four value[FOURS], g[FOURS], centre[FOURS];
    int held = -1;
    const auto hold = [&](int tile) {
        if (tile == held) return;
        held = tile;
#pragma unroll
        for (int i = 0; i < FOURS; ++i) {
            const int first = tile * TILE + (i * THREADS + (int)threadIdx.x) * 4, count = size - first;
            value[i] = load_four(x + image + first, count);
            if (STEP) g[i] = load_four(gradient + image + first, count);
            if (PROJECT) centre[i] = load_four(origin + image + first, count);
        }
    };
    double step = 0, shrink = 1;
    if (STEP) {
        double sum = 0;
        for (int tile = n_tiles - 1; tile >= 0; --tile) {
            hold(tile);
#pragma unroll
            for (int k = 0; k < HELD; ++k) sum += (double)g[k / 4].v[k % 4] * g[k / 4].v[k % 4];
        }
        sum = sum_of_block(sum);
        step = sum > 0 ? step_size / sqrt(sum) : 0;
    }
    const auto moved = [&](int k) {
        const float here = value[k / 4].v[k % 4];
        return STEP ? here + (float)(step * g[k / 4].v[k % 4]) : here;
    };
    if (PROJECT) {
        double sum = 0;
        for (int tile = 0; tile < n_tiles; ++tile) {
            hold(tile);
#pragma unroll
            for (int k = 0; k < HELD; ++k) {
                const double delta = (double)moved(k) - centre[k / 4].v[k % 4];
                sum += delta * delta;
            }
        }
        const double norm = sqrt(sum_of_block(sum));
        if (norm > radius) shrink = radius / norm;
    }
    for (int tile = n_tiles - 1; tile >= 0; --tile) {
        hold(tile);
#pragma unroll
        for (int i = 0; i < FOURS; ++i) {
            Four result;
#pragma unroll
            for (int k = 0; k < 4; ++k) {
                result.v[k] = moved(4 * i + k);
                if (PROJECT && shrink < 1)
                    result.v[k] = (float)(centre[i].v[k] + shrink * ((double)result.v[k] - centre[i].v[k]));
                if (CLIP) result.v[k] = clamp(result.v[k], 0.f, 1.f);
            }
            const int first = tile * TILE + (i * THREADS + (int)threadIdx.x) * 4;
            store_four(out + image + first, result, size - first);
        }
    }
}
