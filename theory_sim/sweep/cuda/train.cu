// One block trains one network after another; which block takes which changes no bit of a result.
template <bool SMOOTH>
__global__ void __launch_bounds__(MAX_THREADS, 4) train(
    const Point* points, int n, int dim, const double* inputs, const double* input_tops, const double* bands,
    const int* probes, const long long* record_steps, int n_records, int n_columns, int width_stride, double* scratch,
    long long scratch_stride, double* course, double* ratios, double* first_ratios, double* facts, long long* outcome,
    double* records, double* shift)
{
    const Batch batch = {points, dim,          n_columns, n_records, width_stride, inputs,  input_tops,  bands, probes,
                         record_steps, course, ratios,    first_ratios, facts,     outcome, records, shift};
    double* const mine = scratch + blockIdx.x * scratch_stride;
    for (long long i = blockIdx.x; i < n; i += gridDim.x)
        if (SMOOTH) train_smooth(batch, i, mine);
        else train_relu(batch, i, mine);
}
