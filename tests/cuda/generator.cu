// Kernels that write what random.cuh draws, one thread a block of four words.

__device__ __forceinline__ int my_index() { return blockIdx.x * blockDim.x + threadIdx.x; }

// counters (n, 4), keys (n, 2) -> words (n, 4)
extern "C" __global__ void draw_words(const unsigned* counters, const unsigned* keys, int n, unsigned* words)
{
    const int i = my_index();
    if (i >= n) return;
    const unsigned *c = counters + 4 * i, *k = keys + 2 * i;
    const Words w = philox(c[0], c[1], c[2], c[3], {k[0], k[1]});
    words[4 * i] = w.x0;
    words[4 * i + 1] = w.x1;
    words[4 * i + 2] = w.x2;
    words[4 * i + 3] = w.x3;
}

// Row `row` of a stream: normals (2n,).
extern "C" __global__ void draw_normals(long long seed, unsigned stream, unsigned row, int n, double* normals)
{
    const int i = my_index();
    if (i >= n) return;
    const Pair pair = normal_pair(i, row, stream, key_of(seed));
    normals[2 * i] = pair.first;
    normals[2 * i + 1] = pair.second;
}

// Two words (n, 2) -> the uniform they give, its logarithm, and the cosine and sine they give, (n, 4).
extern "C" __global__ void draw_extremes(const unsigned* words, int n, double* values)
{
    const int i = my_index();
    if (i >= n) return;
    const double u = uniform(words[2 * i], words[2 * i + 1]);
    const Pair direction = turn(words[2 * i], words[2 * i + 1]);
    values[4 * i] = u;
    values[4 * i + 1] = log_uniform(u);
    values[4 * i + 2] = direction.first;
    values[4 * i + 3] = direction.second;
}

// a_r, (n,), of a network of n units.
extern "C" __global__ void draw_outer(long long seed, int law, double scale, int n, double* outer)
{
    const int i = my_index();
    if (i < n) outer[i] = outer_weight(law, i, n, scale, key_of(seed));
}
