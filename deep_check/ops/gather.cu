// out[i] = values[places[i]], 0 where there is no such place: all weights of a network packed by one launch.

__global__ void __launch_bounds__(THREADS)
gather(const float* values, const int* places, long long n, float* out)
{
    const long long i = (long long)blockIdx.x * THREADS + threadIdx.x;
    if (i >= n) return;
    const int place = places[i];
    out[i] = place >= 0 ? values[place] : 0.f;
}
