// Smooth activations: W_t = W_0 - p_t xᵀ is never formed; s_r = s_r(0) - ‖x‖² p_r, p_r += η ℓ' a_r σ'(s_r)
// [paper: Eq. 4]. Threads own units, so that a step is one reduction. Gradients g_t = Σ_r a'_r w_r(0) - (p·a') x are
// made for TILE steps at once: the weights, the only large array, are read once a tile. Twin of descent/collapsed.py.

constexpr int STAGE_ROWS = 32;  // units whose a' are staged in shared memory at a time

struct Tile {
    double* active;    // (m, TILE) a'_r of each step
    double* gradient;  // (TILE, d)
};

// tile.gradient[k] = Σ_r active[r][k] w_r(0) - shift[k] x for the first n steps of the tile.
__device__ void multiply_tile(const Run& run, const double* weights, const Tile& tile, const double* shift, int n)
{
    __shared__ double stage[STAGE_ROWS * TILE];
    for (int first = 0; first < run.dim; first += blockDim.x) {
        const int j = first + threadIdx.x;
        double sums[TILE];
#pragma unroll
        for (int k = 0; k < TILE; ++k) sums[k] = 0.0;
        for (int row = 0; row < run.width; row += STAGE_ROWS) {
            const int n_rows = min(STAGE_ROWS, run.width - row);
            __syncthreads();  // the last stage has been used
            for (int i = threadIdx.x; i < n_rows * TILE; i += blockDim.x)
                stage[i] = tile.active[(long long)row * TILE + i];
            __syncthreads();  // the stage is complete
            if (j >= run.dim) continue;
#pragma unroll 2  // more would spill
            for (int r = 0; r < n_rows; ++r) {
                const double w = weights[(long long)(row + r) * run.dim + j];
#pragma unroll
                for (int k = 0; k < TILE; ++k) sums[k] += stage[r * TILE + k] * w;
            }
        }
        if (j >= run.dim) continue;
#pragma unroll
        for (int k = 0; k < TILE; ++k)
            if (k < n) tile.gradient[(long long)k * run.dim + j] = sums[k] - shift[k] * run.x[j];
    }
    __syncthreads();
}

// Band sums, probes and records of the first n steps of a tile that begins at step t; one warp a step.
__device__ void write_tile(const Run& run, const Tile& tile, long long t, int n)
{
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, n_warps = blockDim.x / 32;
    for (int k = warp; k < n; k += n_warps) {
        const double* const g = tile.gradient + (long long)k * run.dim;
        double low = 0.0, high = 0.0, low_cross = 0.0, high_cross = 0.0;
        for (int j = lane; j < run.dim; j += 32) {
            const double square = g[j] * g[j], product = g[j] * run.x[j];
            low += run.low[j] * square;
            high += run.high[j] * square;
            low_cross += run.low[j] * product;
            high_cross += run.high[j] * product;
        }
        low = warp_sum(low);
        high = warp_sum(high);
        low_cross = warp_sum(low_cross);
        high_cross = warp_sum(high_cross);
        if (lane == 0) {
            double* const column = run.course + t + k;
            column[LOW_ENERGY * run.n_columns] = low;
            column[HIGH_ENERGY * run.n_columns] = high;
            column[LOW_CROSS * run.n_columns] = -2.0 * low_cross;
            column[HIGH_CROSS * run.n_columns] = -2.0 * high_cross;
        }
        if (lane < N_PROBES) write_ratio(run, lane, t + k, g, 0.0);
    }
    for (int i = 0; i < run.n_records; ++i) {
        const long long step = run.record_steps[i] - t;
        if (step < 0 || step >= n) continue;
        for (int j = threadIdx.x; j < run.dim; j += blockDim.x)
            run.records[(long long)i * run.dim + j] = tile.gradient[step * run.dim + j];
    }
    __syncthreads();
}

// Sums over the units at one step; a' goes to column k of the tile.
struct Step { double output, active_norm2, shift, curvature, crossings; };

__device__ Step sum_step(
    const Run& run, const double* start, const double* outer, const double* moved, const Tile& tile, int k,
    double crossed)
{
    double values[5] = {0.0, 0.0, 0.0, 0.0, crossed};
    for (int r = threadIdx.x; r < run.width; r += blockDim.x) {
        const Unit unit = smooth_unit(run.point, start[r] - run.norm2 * moved[r]);
        const double active = outer[r] * unit.slope;
        values[0] += outer[r] * unit.value;
        values[1] += active * active;
        values[2] += moved[r] * active;
        values[3] += outer[r] * unit.curvature;
        tile.active[(long long)r * TILE + k] = active;
    }
    block_reduce<5, 0>(values);
    return {values[0], values[1], values[2], values[3] / run.width, values[4]};
}

__device__ void train_smooth(const Batch& batch, long long index, double* scratch)
{
    __shared__ double shift[TILE];
    __shared__ Run run;
    begin(batch, index, run);
    const int thread = threadIdx.x;
    double *const weights = scratch, *const start = weights + (long long)run.width * run.dim;
    double *const outer = start + run.width, *const moved = outer + run.width;  // p
    const Tile tile = {moved + run.width, moved + (long long)run.width * (1 + TILE)};
    draw_network(run, start, outer, weights);

    double norms[1] = {0.0};
    for (int r = thread; r < run.width; r += blockDim.x) {
        moved[r] = 0.0;
        norms[0] += outer[r] * outer[r];
    }
    block_reduce<1, 0>(norms);
    const Step first = sum_step(run, start, outer, moved, tile, 0, 0.0);
    if (thread == 0) shift[0] = 0.0;
    multiply_tile(run, weights, tile, shift, 1);
    double square[1] = {0.0};
    for (int j = thread; j < run.dim; j += blockDim.x) square[0] += tile.gradient[j] * tile.gradient[j];
    block_reduce<1, 0>(square);
    const Goal goal = resolve(run, first.output, first.active_norm2, sqrt(square[0]));

    double crossed = 0.0;  // kink crossings of this thread's units so far
    long long last = goal.status == STATUS_VALID ? run.n_steps : -1;
    for (long long t = 0; t <= last; t += TILE) {
        int n = 0;
        while (n < TILE && t + n <= run.n_steps) {
            const Step step = sum_step(run, start, outer, moved, tile, n, crossed);
            const double residual = loss_slope(run, goal.label, step.output);
            if (!in_range(run, step.output, residual, step.shift)) {
                last = t + n - 1;
                break;
            }
            if (thread == 0) {
                double* const column = run.course + t + n;
                column[OUTPUT * run.n_columns] = step.output;
                column[RESIDUAL * run.n_columns] = residual;
                column[ACTIVE_NORM2 * run.n_columns] = step.active_norm2;
                column[MEAN_CURVATURE * run.n_columns] = step.curvature;
                column[CROSSINGS * run.n_columns] = step.crossings;
                shift[n] = step.shift;
            }
            const double factor = goal.rate * residual;
            if (t + n < run.n_steps)
                for (int r = thread; r < run.width; r += blockDim.x) {
                    const bool active = start[r] - run.norm2 * moved[r] > 0.0;
                    moved[r] += factor * tile.active[(long long)r * TILE + n];
                    if (active != start[r] - run.norm2 * moved[r] > 0.0) crossed += 1.0;
                }
            ++n;
        }
        multiply_tile(run, weights, tile, shift, n);  // begins with a barrier: `active` and `shift` are complete
        write_tile(run, tile, t, n);
    }
    if (batch.width_stride > 0 && last == run.n_steps)
        for (int r = thread; r < run.width; r += blockDim.x) run.shift[r] = moved[r];
    finish(batch, run, index, goal, last, first.active_norm2, norms[0]);
}
