// Rows of images cut into fours, one a thread; a four never crosses into the next row.

struct RowFour {
    int row, column, count;  // row among all of them (image, channel, height); count: numbers of the row that remain
};

__device__ __forceinline__ RowFour row_four(long long n_rows, int width)
{
    const int fours = (width + 3) / 4;
    const long long index = (long long)blockIdx.x * THREADS + threadIdx.x;
    const long long row = index / fours;
    const int column = (int)(index % fours) * 4;
    return {(int)row, column, row < n_rows ? min(4, width - column) : 0};
}
