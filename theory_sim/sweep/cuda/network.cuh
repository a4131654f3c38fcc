// One network f(x) = Σ_r a_r σ(w_r·x), its loss and its start [paper: Eq. 1]: twin of theory_sim/network.py,
// training.py and simulation/start.py. Inner weights and the input are Hartley coefficients (theory_sim/hartley.py): an
// orthonormal basis, so that w_r·x is their dot product and a band sum a weighted sum of squares.

// What a launch is given and what it fills; see engine.py for the meaning and the shapes.
struct Batch {
    const Point* points;
    int dim, n_columns, n_records, width_stride;
    const double *inputs, *input_tops, *bands;
    const int* probes;
    const long long* record_steps;
    double *course, *ratios, *first_ratios, *facts;
    long long* outcome;
    double *records, *shift;
};

// The parts of a batch that belong to one network; in shared memory, to spare registers.
struct Run {
    Point point;
    int width, dim;
    long long n_steps;
    Key key;
    const double *x, *low, *high;  // coefficients of the input and weights of the bands, (d,)
    double input_top;              // max |x_i|
    double norm2;                  // ‖x‖²
    const int* probes;             // (N_PROBES, 2) positions of h[k] and h[-k], -1: none
    const long long* record_steps;
    double *course, *ratios, *first_ratios, *records, *shift;
    int n_columns, n_records;
};

__device__ void begin(const Batch& batch, long long index, Run& run)
{
    if (threadIdx.x == 0) {
        const Point& point = batch.points[index];
        run.point = point;
        run.width = (int)point.width;
        run.dim = batch.dim;
        run.n_steps = point.n_steps;
        run.key = key_of(point.seed);
        run.x = batch.inputs + point.input * batch.dim;
        run.low = batch.bands + point.band * 2 * batch.dim;
        run.high = run.low + batch.dim;
        run.input_top = batch.input_tops[point.input];
        run.probes = batch.probes + point.input * 2 * N_PROBES;
        run.record_steps = batch.record_steps + index * batch.n_records;
        run.course = batch.course + index * N_ROWS * batch.n_columns;
        run.ratios = batch.ratios + index * batch.n_columns * N_PROBES;
        run.first_ratios = batch.first_ratios + index * N_PROBES;
        run.records = batch.records + index * batch.n_records * batch.dim;
        run.shift = batch.shift + index * batch.width_stride;
        run.n_columns = batch.n_columns;
        run.n_records = batch.n_records;
    }
    __syncthreads();
    double sums[1] = {0.0};
    for (int j = threadIdx.x; j < run.dim; j += blockDim.x) sums[0] += run.x[j] * run.x[j];
    block_reduce<1, 0>(sums);
    if (threadIdx.x == 0) run.norm2 = sums[0];
    __syncthreads();
}

// Weights of row r in columns 2·pair and 2·pair + 1; the second is 0 beyond the last column.
__device__ __forceinline__ Pair weights_of(const Run& run, int row, int pair)
{
    const Pair normals = normal_pair((unsigned)pair, (unsigned)row, STREAM_WEIGHTS, run.key);
    const double scale = run.point.weight_scale;
    return {__dmul_rn(scale, normals.first), 2 * pair + 1 < run.dim ? __dmul_rn(scale, normals.second) : 0.0};
}

// s_r(0) = w_r·x and a_r, (m,), one warp a row; the weights are also kept, (m, d), unless `weights` is null.
__device__ void draw_network(const Run& run, double* start, double* outer, double* weights)
{
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, n_warps = blockDim.x / 32;
    for (int row = warp; row < run.width; row += n_warps) {
        double sum = 0.0;
        for (int pair = lane; 2 * pair < run.dim; pair += 32) {
            const int column = 2 * pair;
            const bool both = column + 1 < run.dim;
            const Pair w = weights_of(run, row, pair);
            sum += w.first * run.x[column];
            if (both) sum += w.second * run.x[column + 1];
            if (weights) {
                double* const here = weights + (long long)row * run.dim + column;
                here[0] = w.first;
                if (both) here[1] = w.second;
            }
        }
        sum = warp_sum(sum);
        if (lane == 0) {
            start[row] = sum;
            outer[row] = outer_weight((int)run.point.outer_law, row, run.width, run.point.outer_scale, run.key);
        }
    }
    __syncthreads();  // every warp has drawn its rows
}

struct Unit { double value, slope, curvature; };  // σ(s), σ'(s), σ''(s)

// A smooth activation, without the cancellation that s < 0 would bring.
__device__ __forceinline__ Unit smooth_unit(const Point& point, double s)
{
    const double b = point.sharpness;
    if (point.activation == SQUAREPLUS) {
        const double c = 2.0 / b, root = hypot(s, c), far = fabs(s) + root;
        const double value = 0.5 * (s >= 0.0 ? far : c * (c / far));
        return {value, value / root, c / root * (c / root) / (2.0 * root)};
    }
    const double e = exp(-fabs(b * s)), one = 1.0 + e;
    const double value = (s > 0.0 ? s : 0.0) + log1p(e) / b, slope = s >= 0.0 ? 1.0 / one : e / one;
    const double curvature = b * e / (one * one);
    if (point.activation == SOFTPLUS) return {value, slope, curvature};
    const double leak = point.leak, rest = 1.0 - leak;
    return {leak * s + rest * value, leak + rest * slope, rest * curvature};
}

// What the start decides: η, y, and whether the network can be run.
struct Goal { double rate, label; int status; };

// From f, ‖a'‖² and ‖g‖ at the start, as simulation/start.py has it.
__device__ __forceinline__ Goal resolve(const Run& run, double output, double active_norm2, double gradient_norm)
{
    const Point& point = run.point;
    const double scale = active_norm2 * run.norm2;
    if (point.rate_kind == RATE_RELATIVE && !(scale > 0.0))
        return {not_a_number(), not_a_number(), STATUS_NO_ACTIVE_UNIT_AT_THE_START};
    double label = point.label;
    if (point.label_kind == LABEL_OPPOSITE) label = output >= 0.0 ? -1.0 : 1.0;
    if (point.label_kind == LABEL_RESIDUAL) label = output - point.label;
    if (point.label_kind == LABEL_RELATIVE) label = output - point.label * (gradient_norm * sqrt(run.norm2));
    const double rate = point.rate_kind == RATE_RELATIVE ? point.rate / scale : point.rate;
    return {rate, label, gradient_norm > 0.0 ? STATUS_VALID : STATUS_ZERO_GRADIENT_AT_THE_START};
}

// ℓ' = ∂ℓ/∂f [paper: Section 3].
__device__ __forceinline__ double loss_slope(const Run& run, double label, double output)
{
    if (run.point.loss == LOSS_MSE) return output - label;
    const double z = label * output;
    return -label * exp(-((z > 0.0 ? z : 0.0) + log1p(exp(-fabs(z)))));
}

// False once a run has diverged. shift: p·a', what the gradient has moved by along x; beside it the start is nothing.
__device__ __forceinline__ bool in_range(const Run& run, double output, double residual, double shift)
{
    return fabs(output) < LARGEST && fabs(residual) < LARGEST && fabs(shift) * run.input_top < LARGEST;
}

// R_k² of the probes at step t, and R_k cos Δφ_k at the start. With Hartley coefficients |ĝ_k|²/|x̂_k|² is
// (g[k]² + g[-k]²)/(x[k]² + x[-k]²), also where k = -k.
__device__ __forceinline__ void write_ratio(
    const Run& run, int probe, long long t, const double* gradient, double shift)
{
    const int here = run.probes[2 * probe], there = run.probes[2 * probe + 1];
    if (here < 0) return;
    const double x1 = run.x[here], x2 = run.x[there];
    const double g1 = gradient[here] - shift * x1, g2 = gradient[there] - shift * x2;
    const double power = x1 * x1 + x2 * x2;
    run.ratios[t * N_PROBES + probe] = (g1 * g1 + g2 * g2) / power;
    if (t == 0) run.first_ratios[probe] = (g1 * x1 + g2 * x2) / power;
}

// η, y, r at the start, ‖a‖², and how the run ended. last: the last step in range, -1 if there is none.
__device__ __forceinline__ void finish(
    const Batch& batch, const Run& run, long long index, const Goal& goal, long long last, double active_norm2,
    double outer_norm2)
{
    if (threadIdx.x == 0) {
        double* const facts = batch.facts + index * 4;
        facts[0] = goal.rate;
        facts[1] = goal.label;
        facts[2] = run.point.rate_kind == RATE_RELATIVE ? run.point.rate : goal.rate * (active_norm2 * run.norm2);
        facts[3] = outer_norm2;
        const bool valid = goal.status == STATUS_VALID;
        batch.outcome[index * 2] = valid && last < 0 ? STATUS_START_OUT_OF_RANGE : goal.status;
        batch.outcome[index * 2 + 1] = last;
    }
    __syncthreads();  // from here on scratch is the next network's
}
