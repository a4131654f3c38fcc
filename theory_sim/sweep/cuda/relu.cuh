// ReLU: an inactive unit never moves; the active ones have p_r = a_r C with one shared scalar C_t = Σ_{τ<t} η ℓ'_τ, so
// that s_r = s_r(0) - ‖x‖² a_r C, and a unit dies for good when s_r <= 0. Between deaths
//     f = A₁ - ‖x‖² A₂ C,   g = V - C A₂ x,   A₁ = Σ a_r s_r(0), A₂ = Σ a_r², V = Σ a_r w_r(0) over the units alive,
// and a step costs O(1) [paper: Eq. 4]. Twin of descent/events.py, for both losses.

struct Alive {
    double output, norm2, count;  // A₁, A₂ = ‖a'‖², number of units alive
    double upper, lower;          // the values of C beyond which the next unit dies
};

// Sums over the units alive. level[r]: the C at which unit r dies, NaN if it is not alive (or has no effect).
__device__ Alive sum_units(const Run& run, const double* start, const double* outer, const double* level)
{
    double values[5] = {0.0, 0.0, 0.0, -infinity(), -infinity()};
    for (int r = threadIdx.x; r < run.width; r += blockDim.x) {
        if (isnan(level[r])) continue;
        const double a = outer[r];
        values[0] += a * start[r];
        values[1] += a * a;
        values[2] += 1.0;
        if (a > 0.0) values[3] = fmax(values[3], -level[r]);
        else values[4] = fmax(values[4], level[r]);
    }
    block_reduce<3, 2>(values);
    return {values[0], values[1], values[2], -values[3], values[4]};
}

// In each band v = c·x + (a rest orthogonal to x), so that g = v - q·x has energy rest + (c - q)²·(energy of x) and
// cross -2 (c - q)·(energy of x): sums of positive terms, no cancellation [paper: Eq. 8].
struct Split { double low, high, low_rest, high_rest, norm; };  // c and rest of both bands, ‖v‖

__device__ Split split_bands(const Run& run, const double* v, double input_low, double input_high)
{
    double along[3] = {0.0, 0.0, 0.0};
    for (int j = threadIdx.x; j < run.dim; j += blockDim.x) {
        const double product = v[j] * run.x[j];
        along[0] += run.low[j] * product;
        along[1] += run.high[j] * product;
        along[2] += v[j] * v[j];
    }
    block_reduce<3, 0>(along);
    const double low = input_low > 0.0 ? along[0] / input_low : 0.0;
    const double high = input_high > 0.0 ? along[1] / input_high : 0.0;
    double rest[2] = {0.0, 0.0};
    for (int j = threadIdx.x; j < run.dim; j += blockDim.x) {
        const double in_low = v[j] - low * run.x[j], in_high = v[j] - high * run.x[j];
        rest[0] += run.low[j] * in_low * in_low;
        rest[1] += run.high[j] * in_high * in_high;
    }
    block_reduce<2, 0>(rest);
    return {low, high, rest[0], rest[1], sqrt(along[2])};
}

// gradient += factor · w_row; each thread has its own columns.
__device__ __forceinline__ void add_row(const Run& run, int row, double factor, double* gradient)
{
    for (int pair = threadIdx.x; 2 * pair < run.dim; pair += blockDim.x) {
        const Pair w = weights_of(run, row, pair);
        gradient[2 * pair] += factor * w.first;
        if (2 * pair + 1 < run.dim) gradient[2 * pair + 1] += factor * w.second;
    }
}

// Units that C has passed leave V, in the order of their rows. The first barrier also waits for those threads that
// still read V for the steps before.
__device__ void bury(const Run& run, double c, const double* outer, double* level, double* moved, double* gradient)
{
    __shared__ unsigned dying[MAX_THREADS / 32];
    const int warp = threadIdx.x / 32, n_warps = blockDim.x / 32;
    for (int first = 0; first < run.width; first += blockDim.x) {
        const int r = first + threadIdx.x;
        const bool dies = r < run.width && (outer[r] > 0.0 ? c >= level[r] : c <= level[r]);  // false for NaN
        if (dies) {
            level[r] = not_a_number();
            moved[r] = outer[r] * c;  // where it stays
        }
        const unsigned word = __ballot_sync(FULL_WARP, dies);
        if (threadIdx.x % 32 == 0) dying[warp] = word;
        __syncthreads();  // all know them
        for (int w = 0; w < n_warps; ++w)
            for (unsigned rest = dying[w]; rest != 0; rest &= rest - 1) {
                const int row = first + 32 * w + __ffs((int)rest) - 1;
                add_row(run, row, -outer[row], gradient);
            }
        __syncthreads();
    }
}

__device__ void train_relu(const Batch& batch, long long index, double* scratch)
{
    __shared__ double shared_shift[MAX_THREADS];
    __shared__ Run run;
    begin(batch, index, run);
    const int thread = threadIdx.x;
    double *const start = scratch, *const outer = start + run.width, *const level = outer + run.width;
    double *const moved = level + run.width, *const gradient = moved + run.width;  // p of units that are not alive, V
    draw_network(run, start, outer, nullptr);

    double norms[3] = {0.0, 0.0, 0.0};  // ‖a‖², L_x, H_x
    for (int r = thread; r < run.width; r += blockDim.x) {
        const double s = start[r], a = outer[r];
        norms[0] += a * a;
        level[r] = s > 0.0 && a != 0.0 ? s / (run.norm2 * a) : not_a_number();
        moved[r] = 0.0;
    }
    for (int j = thread; j < run.dim; j += blockDim.x) {
        const double square = run.x[j] * run.x[j];
        norms[1] += run.low[j] * square;
        norms[2] += run.high[j] * square;
        gradient[j] = 0.0;
    }
    block_reduce<3, 0>(norms);  // its barriers also publish `level` and `gradient`
    for (int r = 0; r < run.width; ++r)
        if (!isnan(level[r])) add_row(run, r, outer[r], gradient);
    __syncthreads();

    Alive alive = sum_units(run, start, outer, level);
    Split split = split_bands(run, gradient, norms[1], norms[2]);
    const double first_norm2 = alive.norm2;
    const Goal goal = resolve(run, alive.output, alive.norm2, split.norm);
    double c = 0.0, deaths = 0.0;
    long long t = 0, last = goal.status == STATUS_VALID ? run.n_steps : -1;
    while (t <= last) {
        // Up to blockDim.x steps: all threads take all of them, thread i keeps the i-th.
        const long long left = run.n_steps + 1 - t;
        const int limit = left < blockDim.x ? (int)left : (int)blockDim.x;
        double my_shift = 0.0, my_output = 0.0, my_residual = 0.0;
        bool death = false;
        int n = 0;
        while (n < limit && !death) {
            const double shift = c * alive.norm2, output = alive.output - run.norm2 * shift;
            const double residual = loss_slope(run, goal.label, output);
            if (!in_range(run, output, residual, shift)) {
                last = t + n - 1;
                break;
            }
            if (n == thread) {
                my_shift = shift;
                my_output = output;
                my_residual = residual;
            }
            ++n;
            if (t + n > run.n_steps) break;  // the last step is not followed by another
            c += goal.rate * residual;
            death = c >= alive.upper || c <= alive.lower;
        }
        if (thread < n) {
            double* const column = run.course + t + thread;
            const double to_low = split.low - my_shift, to_high = split.high - my_shift;
            column[OUTPUT * run.n_columns] = my_output;
            column[RESIDUAL * run.n_columns] = my_residual;
            column[ACTIVE_NORM2 * run.n_columns] = alive.norm2;
            column[MEAN_CURVATURE * run.n_columns] = 0.0;
            column[LOW_ENERGY * run.n_columns] = split.low_rest + norms[1] * to_low * to_low;
            column[HIGH_ENERGY * run.n_columns] = split.high_rest + norms[2] * to_high * to_high;
            column[LOW_CROSS * run.n_columns] = -2.0 * norms[1] * to_low;
            column[HIGH_CROSS * run.n_columns] = -2.0 * norms[2] * to_high;
            column[CROSSINGS * run.n_columns] = deaths;
            for (int k = 0; k < N_PROBES; ++k) write_ratio(run, k, t + thread, gradient, my_shift);
        }
        if (run.n_records > 0) {
            shared_shift[thread] = my_shift;
            __syncthreads();
            for (int i = 0; i < run.n_records; ++i) {
                const long long step = run.record_steps[i] - t;
                if (step < 0 || step >= n) continue;
                for (int j = thread; j < run.dim; j += blockDim.x)
                    run.records[(long long)i * run.dim + j] = gradient[j] - shared_shift[step] * run.x[j];
            }
            __syncthreads();
        }
        t += n;
        if (death) {
            const double before = alive.count;
            bury(run, c, outer, level, moved, gradient);
            alive = sum_units(run, start, outer, level);
            deaths += before - alive.count;
            if (alive.count == 0.0)  // exactly zero, whatever the subtractions left
                for (int j = thread; j < run.dim; j += blockDim.x) gradient[j] = 0.0;
            __syncthreads();
            split = split_bands(run, gradient, norms[1], norms[2]);
        }
    }
    if (batch.width_stride > 0 && last == run.n_steps)
        for (int r = thread; r < run.width; r += blockDim.x)
            run.shift[r] = isnan(level[r]) ? moved[r] : outer[r] * c;
    finish(batch, run, index, goal, last, first_norm2, norms[0]);
}
