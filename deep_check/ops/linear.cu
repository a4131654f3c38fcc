// The linear layer y = x Wt + b and its gradients: products of small matrices.

// A matrix by its strides: element (i, j) is at[i * row + j * column].
struct Matrix {
    const float* at;
    int row, column;
};

// The tile that begins at (row, column), zero beyond `rows` and `columns`; neighbouring threads take what lies side by
// side in memory.
__device__ __forceinline__ void
stage_matrix(float (&tile)[MATRIX_TILE][MATRIX_TILE + 1], const Matrix& a, int row, int column, int rows, int columns)
{
    for (int i = threadIdx.x; i < MATRIX_TILE * MATRIX_TILE; i += THREADS) {
        const int fast = i % MATRIX_TILE, slow = i / MATRIX_TILE;
        const int r = a.column == 1 ? slow : fast, c = a.column == 1 ? fast : slow;
        const bool inside = row + r < rows && column + c < columns;
        tile[r][c] = inside ? a.at[(long long)(row + r) * a.row + (long long)(column + c) * a.column] : 0.f;
    }
}

// y (rows, columns) = a (rows, terms) b (terms, columns) + bias of each column, if there is one. Strides say what is
// transposed. sums, if there are any: (rows,) the sums of a's rows. A block makes a tile of y, a thread four rows of a
// column; all sums run in the order of the terms. Grid (tiles across, tiles down); those of the sums are one tile more.
__global__ void __launch_bounds__(THREADS) multiply(
    const float* a, int a_row, int a_column, const float* b, int b_row, int b_column, int rows, int terms, int columns,
    int has_bias, const float* bias, float* y, int has_sums, float* sums)
{
    __shared__ float left[MATRIX_TILE][MATRIX_TILE + 1], right[MATRIX_TILE][MATRIX_TILE + 1];
    constexpr int EACH = MATRIX_TILE * MATRIX_TILE / THREADS;
    const int first_row = blockIdx.y * MATRIX_TILE, first_column = blockIdx.x * MATRIX_TILE;
    const int column = threadIdx.x % MATRIX_TILE, row = threadIdx.x / MATRIX_TILE * EACH;
    const bool summing = has_sums && first_column >= columns;
    float acc[EACH] = {};
    for (int first = 0; first < terms; first += MATRIX_TILE) {
        stage_matrix(left, {a, a_row, a_column}, first_row, first, rows, terms);
        if (!summing) stage_matrix(right, {b, b_row, b_column}, first, first_column, terms, columns);
        __syncthreads();  // the tiles are there
        for (int k = 0; k < MATRIX_TILE; ++k) {
            const float factor = summing ? 1.f : right[k][column];
#pragma unroll
            for (int i = 0; i < EACH; ++i) acc[i] += left[row + i][k] * factor;
        }
        __syncthreads();  // nobody still reads the tiles
    }
#pragma unroll
    for (int i = 0; i < EACH; ++i) {
        const int r = first_row + row + i, c = first_column + column;
        if (r >= rows) continue;
        if (summing && column == 0) sums[r] = acc[i];
        if (c < columns) y[(long long)r * columns + c] = acc[i] + (has_bias ? bias[c] : 0.f);
    }
}
